"""Files that are captures, and files that are not."""

import os
import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from inspector.errors import CaptureError, NewerCapture, NotACapture
from inspector.model import Knows
from inspector.protocol.registry import default
from inspector.store.file import SCHEMA_VERSION, check_target, is_capture
from inspector.store.reader import Reader
from inspector.store.reindex import reindex
from inspector.store.writer import Writer
from tests.conversation import Conversation, usual
from tests.store.older import age

unprivileged = pytest.mark.skipif(os.geteuid() == 0, reason="root may do anything")


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "x.gwcap"
    writer = Writer(path, default(), made_by="test")
    writer.write(usual().happenings)
    writer.finish()
    return path


def refusal(path: Path, kind: type[CaptureError] = CaptureError) -> str:
    """Return what a reader says of `path`: one sentence that names it."""
    with pytest.raises(kind) as caught:
        list(Reader(path).all_events())
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def edit(path: Path, sql: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute(sql)
    db.close()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.gwcap")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"{}", os.urandom(200)])
def test_other_files_are_no_captures(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    assert "is not a gwinspect capture" in refusal(path, NotACapture)


def test_other_databases_are_no_captures(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    edit(path, "create table event (id)")
    assert not is_capture(path)
    assert "is not a gwinspect capture" in refusal(path, NotACapture)


def test_a_newer_schema_asks_for_an_upgrade(capture: Path) -> None:
    edit(capture, f"pragma user_version = {SCHEMA_VERSION + 1}")
    assert "upgrade to open it" in refusal(capture, NewerCapture)
    with pytest.raises(NewerCapture):
        Writer(capture, default(), made_by="test")


@pytest.mark.parametrize("schema", [0, 1, 2])
def test_a_schema_that_was_never_released_is_refused(capture: Path, schema: int) -> None:
    edit(capture, f"pragma user_version = {schema}")
    assert f"has schema {schema}, but released captures start at 3" in refusal(capture)
    with pytest.raises(CaptureError):
        Writer(capture, default(), made_by="test")


@pytest.mark.parametrize("size", [100, 4096, 9000])
def test_a_torn_file_says_so(capture: Path, size: int) -> None:
    os.truncate(capture, size)
    assert "cannot be read" in refusal(capture)


@pytest.mark.parametrize(
    "sql",
    [
        "update payload_chunk set data = x'00'",
        "update payload_chunk set data = x'28b52ffd'",
        # A frame that claims to inflate to a terabyte.
        "update payload_chunk set data = x'28b52ffde00000000000010000010000'",
        "update event set marks = 'none'",
        "update connection set headers = '{'",
        "drop table payload_tail",
        "drop table event",
    ],
)
def test_a_damaged_file_says_so(capture: Path, sql: str) -> None:
    edit(capture, sql)
    assert "cannot be read" in refusal(capture)


def test_a_damaged_file_is_not_reindexed(capture: Path) -> None:
    edit(capture, "update frame set marks = 'none'")
    before = capture.read_bytes()
    with pytest.raises(CaptureError, match="cannot be read"):
        reindex(capture, default())
    assert capture.read_bytes() == before


@unprivileged
def test_someone_elses_file_is_refused(capture: Path) -> None:
    capture.chmod(0)
    assert "permission denied: " in refusal(capture)


@unprivileged
def test_a_capture_in_a_folder_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    writer = Writer(folder / "x.gwcap", default(), made_by="test")
    writer.write(usual().happenings)
    copy = tmp_path / "read-only"
    copy.mkdir()
    writer._db.execute("pragma wal_checkpoint(truncate)")
    (copy / "x.gwcap").write_bytes((folder / "x.gwcap").read_bytes())
    copy.chmod(0o500)
    try:
        assert Reader(copy / "x.gwcap").last() == 11
    finally:
        copy.chmod(0o700)


@pytest.mark.parametrize("path", ["none/x.gwcap", ".", "other"])
def test_a_place_where_no_capture_can_be_is_refused_in_a_sentence(tmp_path: Path, path: str) -> None:
    (tmp_path / "other").write_bytes(b"precious")
    for attempt in (lambda: check_target(tmp_path / path), lambda: Writer(tmp_path / path, default(), made_by="test")):
        with pytest.raises(CaptureError) as caught:
            attempt()
        assert re.search(r"is a folder|is not a folder|is not a gwinspect capture", str(caught.value))
    assert (tmp_path / "other").read_bytes() == b"precious"


def test_an_empty_file_becomes_a_private_capture(tmp_path: Path) -> None:
    path = tmp_path / "x.gwcap"
    path.touch(0o644)
    writer = Writer(path, default(), made_by="test")
    writer.write(usual().happenings)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    writer.finish()
    assert Reader(path).last() == 11


def test_a_capture_says_how_it_was_made(capture: Path) -> None:
    meta = Reader(capture).meta()
    assert meta["made_by"] == "test"
    assert meta.keys() >= {"tool", "created_at", "host", "source", "finished_at"}


def test_a_copy_of_a_growing_capture_is_a_capture(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "x.gwcap", default(), made_by="test")
    writer.write(usual().happenings)
    with closing(sqlite3.connect(tmp_path / "x.gwcap")) as db:
        db.execute("vacuum into ?", (str(tmp_path / "copy.gwcap"),))
    assert [event.op for event in Reader(tmp_path / "copy.gwcap").all_events()] == [
        event.op for event in Reader(tmp_path / "x.gwcap").all_events()
    ]
    writer.finish()


def test_what_a_capture_claims_to_have_noticed_is_inert(capture: Path) -> None:
    evil = "char(27) || '[2J' || char(8238)"
    edit(capture, f"insert into finding (event, rule, severity, text, evidence) values (2, {evil}, 3, {evil}, '[]')")
    edit(capture, f"update verdict set cause = {evil}, advice = {evil}, then_did = {evil}")
    edit(capture, "update event set severity = 3 where id = 2")
    reader = Reader(capture)
    events = list(reader.all_events())
    texts = [text for finding in events[1].findings for text in (finding.rule, finding.text)]
    verdict = events[-1].verdict
    assert verdict is not None
    for text in (*texts, verdict.cause, verdict.advice, verdict.then):
        assert not re.search("[\x1b\u202e]", text)
    assert r"\x1b[2J\u202e" in texts
    reader.close()


def test_what_was_noticed_at_a_row_that_is_missing_does_no_harm(capture: Path) -> None:
    edit(capture, "delete from event where id = 3")
    edit(capture, "insert into finding (event, rule, severity, text, evidence) values (3, 'some-rule', 3, 'x', '[]')")
    edit(capture, "insert or replace into verdict select 3, cause, evidence, 1, 1, advice, 1, '', null from verdict")
    edit(capture, "update event set severity = 3 where id = 2")
    reader = Reader(capture)
    assert [event.n for event in reader.all_events()] == [1, 2, *range(4, 12)]
    reader.close()


def test_a_capture_whose_name_is_no_text_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"odd\xff.gwcap")
    Writer(path, default(), made_by="test").finish()
    assert Reader(path).last() == 0


@pytest.mark.parametrize("versions", [b"\x02\x02", b"\x01\x02", b"\x02\x01"])
def test_reading_puts_no_log_beside_a_capture_that_has_none(capture: Path, versions: bytes) -> None:
    """SQLite does so where the header says WAL, and cannot remove it again from a file that it only reads."""
    data = bytearray(capture.read_bytes())
    data[18:20] = versions
    capture.write_bytes(data)
    before = set(capture.parent.iterdir())
    with suppress(CaptureError):
        Reader(capture).close()
    assert set(capture.parent.iterdir()) == before


def test_a_capture_of_before_schema_5_knows_all(capture: Path) -> None:
    """Only the recorder and flow files of mitmproxy made most of them, and nothing says which."""
    age(capture, 4)
    with closing(Reader(capture)) as reader:
        assert [connection.opened.knows for connection in reader.connections()] == [Knows.ALL]
    reindex(capture, default())
    with closing(Reader(capture)) as reader:
        assert [connection.opened.knows for connection in reader.connections()] == [Knows.ALL]


def test_whose_connections_are_is_learned_from_an_older_capture_when_it_is_made_anew(capture: Path) -> None:
    with closing(Reader(capture)) as reader:
        accounts = [connection.account for connection in reader.connections()]
    assert any(accounts)
    age(capture, 5)
    with closing(Reader(capture)) as reader:
        assert not any(connection.account for connection in reader.connections())
    reindex(capture, default())
    with closing(Reader(capture)) as reader:
        assert [connection.account for connection in reader.connections()] == accounts


@pytest.mark.parametrize("knows", [Knows.NOTHING, Knows.ALL & ~Knows.END, Knows.ALL])
def test_what_a_source_knows_is_kept(tmp_path: Path, knows: Knows) -> None:
    path = tmp_path / "known.gwcap"
    writer = Writer(path, default(), made_by="test")
    writer.write(Conversation().opens(knows=knows).closes(None, by=None).happenings)
    writer.finish()
    reindex(path, default())
    with closing(Reader(path)) as reader:
        assert reader.connection(1).opened.knows is knows
