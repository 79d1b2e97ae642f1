"""The recorder's file is taken away while it records: it goes on in another, and says where."""

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from inspector.cli.reindex import reindex
from inspector.model import Frame, Gap, Kind, Opened
from inspector.protocol.registry import default
from inspector.report.rows import notes_of
from inspector.store.parts import newest_part, recording_of
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import HEARTBEAT, HELLO, Conversation, identify, message, ready

from .test_recorder import Stand, _await, _frames, stand

__all__ = ["stand"]


def _delete(path: Path) -> Path:
    path.unlink()
    return path.with_name("bot-2.gwcap")


def _delete_all(path: Path) -> Path:
    for each in path.parent.glob("bot.gwcap*"):
        each.unlink()
    return path.with_name("bot-2.gwcap")


def _delete_log(path: Path) -> Path:
    path.with_name("bot.gwcap-wal").unlink()
    return path.with_name("bot-2.gwcap")


def _rename(path: Path) -> Path:
    path.rename(path.with_name("kept.gwcap"))
    return path.with_name("bot-2.gwcap")


def _replace(path: Path) -> Path:
    other = path.with_name("other.gwcap")
    Writer(other, default(), made_by="test").finish()
    os.replace(other, path)
    # What there is already is not overwritten.
    path.with_name("bot-2.gwcap").write_text("mine")
    return path.with_name("bot-3.gwcap")


def _rename_folder(path: Path) -> Path:
    path.parent.rename(path.parent.with_name("elsewhere"))
    return Path.cwd() / "bot-2.gwcap"


def _delete_folder(path: Path) -> Path:
    shutil.rmtree(path.parent)
    return Path.cwd() / "bot-2.gwcap"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "captures").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "captures"


@pytest.mark.parametrize(
    "take_away", [_delete, _delete_all, _delete_log, _rename, _replace, _rename_folder, _delete_folder]
)
def test_it_goes_on_in_a_file_that_has_everything(
    here: Path, caplog: pytest.LogCaptureFixture, take_away: Callable[[Path], Path]
) -> None:
    stand = Stand(here / "bot.gwcap")
    stand.recorder.running()
    recording = recording_of(stand.capture)
    talk = Conversation(compression="zlib-stream").server(HELLO).client(identify()).server(ready())
    connection = stand.open("https://gateway.discord.gg/?v=10&encoding=json&compress=zlib-stream")
    for frame in talk.frames:
        stand.say(connection, frame.data, from_client=frame.from_client, is_text=frame.is_text)
    _await(lambda: Reader(stand.capture).last() == 4)
    target = take_away(stand.capture)
    stand.say(connection, b'{"op":1,"d":1}', from_client=True)
    _await(lambda: "the recording continues in" in caplog.text)
    (said,) = [each for each in caplog.records if "continues in" in each.getMessage()]
    assert said.levelno == logging.ERROR
    assert f"continues in {target}, with all that was recorded so far" in said.getMessage()
    later = talk.server(message("after", 2)).frames[-1]
    stand.say(connection, later.data, is_text=False)
    stand.close(connection, 1000, by_client=True)
    old, stand.capture = stand.capture, target
    happenings = stand.recorded()
    reader = Reader(target)
    assert [event.kind.value for event in reader.events()] == ["open", *["payload"] * 5, "close"]
    assert reader.events()[5].event == "MESSAGE_CREATE"
    assert len(_frames(happenings)) == 5
    meta = reader.meta()
    assert (meta["recording"], meta["part"], meta["continues"]) == (recording, "2", str(old))
    assert "finished_at" in meta
    assert "missing" not in meta
    assert target.stat().st_mode & 0o777 == 0o600
    reader.close()
    assert newest_part(old, recording) == target
    assert [path.name for path in target.parent.glob("bot*-wal")] == []
    assert list(target.parent.glob("*.lock")) == []


def test_a_capture_that_was_renamed_is_whole_up_to_then(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    stand = Stand(here / "bot.gwcap")
    stand.recorder.running()
    stand.say(stand.open(), b'{"op":11}')
    _await(lambda: Reader(stand.capture).last() == 2)
    _rename(stand.capture)
    _await(lambda: "the recording continues in" in caplog.text)
    with closing(Reader(here / "kept.gwcap")) as reader:
        assert reader.last() == 2
    stand.recorder.done()


def test_what_has_taken_its_name_is_left_alone(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    stand = Stand(here / "bot.gwcap")
    stand.recorder.running()
    stand.say(stand.open(), b'{"op":11}')
    _await(lambda: Reader(stand.capture).last() == 2)
    (here / "notes.txt").write_text("mine")
    os.replace(here / "notes.txt", stand.capture)
    _await(lambda: "was replaced by another file; the recording continues in" in caplog.text)
    stand.recorder.done()
    assert (here / "bot.gwcap").read_text() == "mine"
    assert not (here / "bot.gwcap-wal").exists()


@pytest.mark.parametrize("left", [0, 5000, 20_000])
def test_a_file_that_was_cut_leaves_a_gap_and_streams_go_on(
    here: Path, caplog: pytest.LogCaptureFixture, left: int
) -> None:
    stand = Stand(here / "bot.gwcap")
    stand.recorder.running()
    talk = Conversation(compression="zstd-stream").server(HELLO).client(identify()).server(ready())
    for number in range(300):
        talk.client(HEARTBEAT).server(message("x" * 500, number + 2))
    ended, connection = stand.open(), stand.open("https://gateway.discord.gg/?v=10&compress=zstd-stream")
    stand.say(ended, b'{"op":11}')
    stand.close(ended, 1000)
    for frame in talk.frames:
        stand.say(connection, frame.data, from_client=frame.from_client, is_text=frame.is_text)
    _await(lambda: Reader(stand.capture).last() == 3 + 1 + len(talk.frames))
    # What is in the write-ahead log alone cannot be cut off with the file.
    with closing(sqlite3.connect(stand.capture)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    _await(lambda: stand.recorder._scribe._writer._watch._size > 30_000)
    os.truncate(stand.capture, left)
    _await(lambda: "the recording continues in" in caplog.text)
    assert "bytes; the recording continues in" in caplog.text
    changed = stand.say(connection, talk.server(message("after", 302)).frames[-1].data, is_text=False)
    changed.content = b"changed"
    stand.say(connection, b'{"op":1,"d":302}', from_client=True)
    stand.close(connection, 1000, by_client=True)
    stand.capture = here / "bot-2.gwcap"
    happenings = stand.recorded()
    reader = Reader(stand.capture)
    events = reader.events()
    if "without what was recorded" in caplog.text:
        assert [type(each) for each in happenings][:2] == [Opened, Gap]
        gap = happenings[1]
        assert (gap.connection, gap.sent, gap.received, gap.reason) == (2, 301, 302, "file")
        assert [event.kind for event in events] == [Kind.OPEN, Kind.GAP, Kind.PAYLOAD, Kind.PAYLOAD, Kind.CLOSE]
        assert (events[2].event, events[2].first_frame, events[2].seq) == ("MESSAGE_CREATE", 3, 302)
        assert int(reader.meta()["missing"]) == 604
        assert any("1 message of 1 connection that had ended" in note for note in notes_of(reader))
        assert [frame.data for frame in reader.frames(events[3])] == [b'{"op":1,"d":302}']
        assert reader.connection(2).session is not None
    assert [each.forwarded for each in happenings if isinstance(each, Frame)][-2:] == [b"changed", None]
    assert events[-3].n == events[-1].n - 2
    reader.close()
    reindex.callback(stand.capture)
    with closing(Reader(stand.capture)) as reader:
        found = [event.kind for event in reader.events()]
    if events[1].kind is Kind.GAP:
        # The compressed stream cannot be read again without its beginning.
        assert found == [Kind.OPEN, Kind.GAP, Kind.PAYLOAD, Kind.CLOSE]


def test_where_nothing_can_be_made_the_open_file_is_written_until_something_can(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stand = Stand(here / "bot.gwcap")
    stand.recorder.running()
    connection = stand.open()
    stand.say(connection, b'{"op":11}')
    _await(lambda: Reader(stand.capture).last() == 2)
    monkeypatch.setattr("inspector.store.making.folders", lambda path: [])
    stand.capture.unlink()
    _await(lambda: "no writable folder" in caplog.text)
    stand.say(connection, b'{"op":1}', from_client=True)
    monkeypatch.undo()
    monkeypatch.chdir(here)
    _await(lambda: "the recording continues in" in caplog.text)
    stand.capture = here / "bot-2.gwcap"
    assert [data for data, _ in _frames(stand.recorded())] == [b'{"op":11}', b'{"op":1}']
