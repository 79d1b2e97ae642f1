"""What a capture promises: nothing lost, nothing secret, one file in the end."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from inspector.model import Closed, Control, Event, Frame, Happening, Kind, Mark, Opened, Plane
from inspector.pipeline import Outcome, Pipeline
from inspector.protocol.registry import default
from inspector.store.file import APPLICATION_ID
from inspector.store.reader import Reader
from inspector.store.reindex import reindex
from inspector.store.writer import BATCH, Writer
from tests.conversation import HELLO, Conversation, identify, ready
from tests.fed import fed, in_order

TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAw.GaaaaB.invented-token-of-nobody-0123456789"
URL = "wss://gateway.discord.gg/?v=10&encoding=json"


def conversation(messages: int = 200, connection: int = 1) -> list[Happening]:
    """A login, some messages in a channel with a name, a ping, an unreadable message, a close."""

    def receive(at: int, payload: dict) -> Frame:
        return Frame(connection, at, False, True, json.dumps(payload).encode())

    identify = {"op": 2, "d": {"token": TOKEN, "intents": 1}}
    channel = {"id": "1180000000000000050", "name": "general"}
    guild = {"id": "1180000000000000042", "name": "Test Guild", "channels": [channel]}
    said: list[Happening] = [
        Opened(connection, 1_000, Plane.GATEWAY, URL, "127.0.0.1:5", headers={"user-agent": "invented"}),
        receive(2_000, {"op": 10, "d": {"heartbeat_interval": 41250}}),
        Frame(connection, 3_000, True, True, json.dumps(identify).encode()),
        receive(4_000, {"op": 0, "t": "READY", "s": 1, "d": {"session_id": "5e55" * 8, "shard": [0, 2]}}),
        receive(5_000, {"op": 0, "t": "GUILD_CREATE", "s": 2, "d": guild}),
        Control(connection, 5_500, True, "ping", b"\x01"),
        Frame(connection, 5_600, False, True, b"{never whole"),
    ]
    for number in range(messages):
        d = {"channel_id": channel["id"], "content": f"message {number} \ud800 \x00", "big": 10**30}
        said.append(receive(6_000 + number, {"op": 0, "t": "MESSAGE_CREATE", "s": 3 + number, "d": d}))
    return [*said, Closed(connection, 9_000_000, 4000, "see you \ud800", "client")]


def write(path: Path, happenings: list[Happening], **options) -> Writer:
    writer = Writer(path, default(), made_by="test", **options)
    for at in range(0, len(happenings), 37):
        writer.write(happenings[at : at + 37])
    return writer


def events(happenings: list[Happening]) -> list[Event]:
    return fed(happenings).rows


def comparable(event: Event) -> dict:
    fields = {name: getattr(event, name) for name in Event.__slots__}
    if event.closed is not None:
        fields["closed"] = fields["closed"].code
    return fields


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.gwcap"


@pytest.mark.parametrize("finished", [True, False])
def test_what_was_written_is_read(path: Path, finished: bool) -> None:
    happenings = conversation()
    writer = write(path, happenings, keep_secrets=True)
    if finished:
        writer.finish()
    read = list(Reader(path).all_events())
    assert [comparable(event) for event in read] == [comparable(event) for event in events(happenings)]


def test_names_are_kept_for_summaries(path: Path) -> None:
    write(path, conversation(3)).finish()
    assert dict(Reader(path).names) == {1180000000000000042: "Test Guild", 1180000000000000050: "general"}


def test_a_token_that_a_client_sent_is_nowhere_in_the_file(path: Path) -> None:
    writer = write(path, conversation())
    for file in path.parent.glob("x.gwcap*"):
        assert TOKEN.encode() not in file.read_bytes()
    writer.finish()
    assert TOKEN.encode() not in path.read_bytes()
    identify = Reader(path).events(2, 1)[0]
    assert identify.marks == Mark.REDACTED
    assert len(identify.payload or b"") == identify.wire_bytes


def test_a_token_is_kept_where_that_is_asked_for(path: Path) -> None:
    write(path, conversation(), keep_secrets=True).finish()
    assert TOKEN.encode() in b"".join(Reader(path).raw(Reader(path).events(2, 1)[0]))


def test_the_files_are_private(path: Path) -> None:
    writer = write(path, conversation())
    assert {file.stat().st_mode & 0o777 for file in path.parent.glob("x.gwcap*")} == {0o600}
    writer.finish()


def test_a_finished_capture_is_one_file(path: Path) -> None:
    write(path, conversation()).finish()
    assert [file.name for file in path.parent.iterdir()] == ["x.gwcap"]
    with sqlite3.connect(path) as db:
        assert db.execute("pragma journal_mode").fetchone() == ("delete",)
        assert db.execute("pragma application_id").fetchone() == (APPLICATION_ID,)


def test_a_main_file_alone_says_what_it_is_while_it_is_written(path: Path) -> None:
    writer = write(path, conversation(5))
    assert path.read_bytes()[68:72] == b"GWCA"
    writer.finish()


def test_a_capture_is_continued_where_it_ended(path: Path) -> None:
    write(path, conversation(100)).finish()
    writer = Writer(path, default(), made_by="test", keep_secrets=True)
    assert writer.first_connection == 2
    writer.write(conversation(100, connection=2))
    writer.finish()
    reader = Reader(path)
    read = list(reader.all_events())
    assert [event.n for event in read] == list(range(1, 217))
    assert {event.connection for event in read[108:]} == {2}
    assert all(event.payload for event in read if event.kind is Kind.PAYLOAD)


def test_a_rebuild_gives_the_same_events(path: Path) -> None:
    write(path, conversation()).finish()
    before = [comparable(event) for event in Reader(path).all_events()]
    with sqlite3.connect(path) as db:
        db.execute("delete from event where id > 10")
        db.execute("delete from name")
    assert reindex(path, default()) == len(before)
    assert [comparable(event) for event in Reader(path).all_events()] == before


def test_a_large_batch_is_stored_before_it_is_decoded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Pipeline, happening: Happening, outcome: Outcome) -> None:
        raise RuntimeError("a bug of ours")

    happenings = conversation(3 * BATCH)
    writer = Writer(path, default(), made_by="test")
    monkeypatch.setattr(Pipeline, "feed", fail)
    with pytest.raises(RuntimeError):
        writer.write(happenings)
    with sqlite3.connect(path) as db:
        assert db.execute("select count(*) from frame").fetchone() == (len(happenings),)


def test_what_a_full_disk_refused_is_written_later_and_once(path: Path) -> None:
    happenings = conversation(2000)
    writer = Writer(path, default(), made_by="test", keep_secrets=True)
    pages = writer._db.execute("pragma page_count").fetchone()[0]
    writer._db.execute(f"pragma max_page_count = {pages + 10}")
    refused = 0
    for at in range(0, len(happenings), 100):
        try:
            writer.write(happenings[at : at + 100])
        except sqlite3.Error:
            refused += 1
            assert writer.unsaved > 0
        if refused == 3:
            writer._db.execute("pragma max_page_count = 1000000")
    writer.finish()
    assert refused == 3
    read = [comparable(event) for event in Reader(path).all_events()]
    assert read == [comparable(event) for event in events(happenings)]


KILLED = """
import os, sys
from pathlib import Path
from tests.store.test_capture import conversation
from inspector.protocol.registry import default
from inspector.store.writer import Writer
from tests.conversation import HELLO, Conversation, identify, ready
from tests.fed import fed, in_order
writer = Writer(Path(sys.argv[1]), default(), made_by="test")
happenings = conversation(1000)
for at in range(0, 800, 20):
    writer.write(happenings[at : at + 20])
os.kill(os.getpid(), 9)
"""


def test_a_killed_writer_leaves_all_that_it_had_committed(path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], env=environment).returncode == -9
    reader = Reader(path)
    assert reader.last() == 800
    assert all(event.payload for event in reader.all_events() if event.kind is Kind.PAYLOAD)


def test_a_reader_sees_what_is_committed_and_learns_of_news(path: Path) -> None:
    happenings = conversation(50)
    writer = Writer(path, default(), made_by="test")
    reader = Reader(path)
    assert reader.changed()
    assert not reader.changed()
    writer.write(happenings[:10])
    assert reader.changed()
    assert [event.n for event in reader.events()] == list(range(1, 11))
    assert [event.n for event in reader.events(after=8)] == [9, 10]
    writer.finish()


def test_a_message_that_was_changed_after_it_was_stored_is_marked(path: Path) -> None:
    writer = Writer(path, default(), made_by="test", keep_secrets=True)
    writer.write(conversation(5)[:10])
    writer.amend(9, Mark.CHANGED, b"something else")
    writer.finish()
    assert Reader(path).events(8, 1)[0].marks == Mark.CHANGED
    with sqlite3.connect(path) as db:
        assert db.execute("select forwarded from frame where id = 9").fetchone() == (b"something else",)


def test_every_table_and_column_is_explained_in_the_schema() -> None:
    schema = files("inspector.store").joinpath("schema.sql").read_text("utf-8")
    tables = re.findall(r"((?:^--[^\n]*\n)+)create table \w+ \(\n(.*?)\n\)", schema, re.MULTILINE | re.DOTALL)
    assert len(tables) == schema.count("create table") == 9
    for line in (line for _, body in tables for line in body.splitlines()):
        assert re.search(r"-- +\S", line), line


def test_what_rules_notice_between_two_ticks_is_returned_by_the_second(tmp_path: Path) -> None:
    """It stands at a row of another connection than the one whose message showed how late it is."""
    left = Conversation(connection=2).opens().server(HELLO).client(identify()).server(ready()).closes(1001, by="server")
    other = Conversation(connection=3).opens().server(HELLO).client(identify(token="another.bot.token"))
    for _ in range(8):
        other.waits(45_000).server(HELLO)
    writer = Writer(tmp_path / "c.gwcap", default(), made_by="test")
    writer.write(in_order(left, other))
    last_ns = other.happenings[-1].at_ns
    assert [finding.rule for finding in writer.tick(last_ns)] == ["client-never-returned"]
    assert writer.tick(last_ns + 1) == []
    writer.finish()
    reader = Reader(tmp_path / "c.gwcap")
    assert "client-never-returned" in [finding.rule for finding in reader.findings()]
    reader.close()
