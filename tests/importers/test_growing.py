"""Frames that grow, read into a capture that grows. Real files, pipes and threads; what is waited for is waited for."""

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inspector.importers.frames import growing as module
from inspector.importers.frames.growing import FileTail, PipeTail, growing
from inspector.model import Event, Mark
from inspector.protocol.registry import default
from inspector.store.reader import Reader
from tests.conversation import ACK, HEARTBEAT, HELLO, Conversation, identify, ready, usual
from tests.rows import rows_in

from .test_frames import AT, HEADER, OPEN, OURS, SAID, written

END = {"kind": "end", "at": AT}
# Seconds that something may take which takes a tenth of one on a machine with nothing else to do.
LIMIT = 30.0


class Recorder:
    """Writes lines as a recorder does, each at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)
        self.put(HEADER)

    def put(self, *records: dict | bytes) -> None:
        for record in records:
            self._file.write(record if isinstance(record, bytes) else json.dumps(record).encode() + b"\n")


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "bot.frames.jsonl")


@contextmanager
def followed(recorder: Recorder, notes: list[str] | None = None) -> Iterator[Path]:
    stream = FileTail(recorder.path)
    tell = (notes if notes is not None else []).append
    with growing(recorder.path, stream, default(), tell=tell, folder=recorder.path.parent / "cache") as capture:
        yield capture
    stream.close()


def await_rows(capture: Path, is_enough: Callable[[list[Event]], bool]) -> list[Event]:
    deadline = time.monotonic() + LIMIT
    while True:
        reader = Reader(capture)
        events = list(reader.all_events())
        reader.close()
        if is_enough(events):
            return events
        assert time.monotonic() < deadline, events
        time.sleep(0.01)


def await_end(capture: Path) -> None:
    deadline = time.monotonic() + LIMIT
    while True:
        reader = Reader(capture)
        finished = "finished_at" in reader.meta()
        reader.close()
        if finished:
            return
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_rows_come_while_the_file_grows(recorder: Recorder) -> None:
    with followed(recorder) as capture:
        for number, happening in enumerate(usual().happenings, start=1):
            recorder.put(written(happening))
            assert len(await_rows(capture, lambda events, number=number: len(events) >= number)) == number


def test_the_rows_are_those_of_the_file_read_whole(recorder: Recorder) -> None:
    talk = usual("etf", "zlib-stream")
    with followed(recorder) as capture:
        recorder.put(*map(written, talk.happenings), END)
        await_end(capture)
        live = [(e.kind, e.op, e.event, e.payload) for e in rows_in(capture)]
    whole = [(e.kind, e.op, e.event, e.payload) for e in rows_in(recorder.path)]
    assert len(live) == len(whole) == len(talk.happenings)
    assert [row[:3] for row in live] == [row[:3] for row in whole]


def test_it_ends_with_the_recorders_last_word(recorder: Recorder) -> None:
    with followed(recorder) as capture:
        recorder.put(OPEN, SAID, END)
        await_end(capture)


def test_a_recorder_that_came_back_is_followed_on(recorder: Recorder) -> None:
    recorder.put(OPEN, SAID, END, HEADER, OPEN, SAID)
    with followed(recorder) as capture:
        recorder.put(SAID)
        events = await_rows(capture, lambda events: len(events) >= 5)
        assert [event.connection for event in events] == [1, 1, 2, 2, 2]


def test_half_a_line_is_waited_for(recorder: Recorder) -> None:
    line = json.dumps(SAID).encode() + b"\n"
    with followed(recorder) as capture:
        recorder.put(OPEN, line[:20])
        await_rows(capture, lambda events: len(events) == 1)
        recorder.put(line[20:])
        await_rows(capture, lambda events: len(events) == 2)


def test_the_capture_is_private_and_gone_at_the_end(recorder: Recorder) -> None:
    recorder.put(OPEN, SAID)
    with followed(recorder) as capture:
        await_rows(capture, lambda events: len(events) == 2)
        assert stat.S_IMODE(capture.stat().st_mode) == 0o600
        assert stat.S_IMODE(capture.parent.stat().st_mode) == 0o700
    assert list(capture.parent.iterdir()) == []


def test_notes_are_told_as_they_come(recorder: Recorder) -> None:
    notes: list[str] = []
    with followed(recorder, notes) as capture:
        recorder.put(OPEN, b"{\n", SAID)
        await_rows(capture, lambda events: len(events) == 2)
        recorder.put({"kind": "weather", "at": AT}, END)
        await_end(capture)
    assert notes[0].startswith("line 3 of bot.frames.jsonl was skipped: ")
    assert notes[1] == "records of unknown kinds were skipped: weather (1)"


def test_what_became_of_a_message_reaches_its_row(recorder: Recorder) -> None:
    with followed(recorder) as capture:
        recorder.put(OPEN, SAID)
        await_rows(capture, lambda events: len(events) == 2)
        recorder.put({"kind": "amend", "connection": 1, "at": AT, "message": 1, "marks": ["dropped"]})
        await_rows(capture, lambda events: events[1].marks == Mark.DROPPED)


def test_what_became_of_a_message_reaches_its_row_whatever_was_told_before_it(recorder: Recorder) -> None:
    told = {"kind": "start-limit", "at": AT, "shards": 1}
    told["session_start_limit"] = {"total": 9, "remaining": 5, "reset_after": 1, "max_concurrency": 1}
    with followed(recorder) as capture:
        amended = {"kind": "amend", "connection": 1, "at": AT, "message": 1, "marks": ["dropped"]}
        recorder.put(*(json.dumps(each).encode() + b"\n" for each in (told, OPEN, told, SAID, amended)))
        await_rows(capture, lambda events: len(events) == 2 and events[1].marks == Mark.DROPPED)


def test_what_may_be_a_gateway_is_shown_once_it_is_known(recorder: Recorder) -> None:
    with followed(recorder) as capture:
        recorder.put(OURS, SAID | {"direction": "send"}, SAID | {"text": json.dumps(HELLO)})
        await_rows(capture, lambda events: len(events) == 3)


def test_silence_is_noticed_while_something_writes(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TICK", 0.05)
    hello = {**HELLO, "d": {"heartbeat_interval": 50}}
    talk = Conversation().opens().server(hello).client(identify()).server(ready()).client(HEARTBEAT).server(ACK)
    records = list(map(written, talk.happenings))
    recorder.put(*records[:-1])
    looked = 0

    def is_noticed(events: list[Event]) -> bool:
        nonlocal looked
        looked += 1
        # Something that shows that the file grows, seldom enough for a silence in between.
        if looked % 100 == 1:
            recorder.put(records[-1])
        return any(finding.rule == "heartbeat-overdue" for event in events for finding in event.findings)

    with followed(recorder) as capture:
        await_rows(capture, lambda events: len(events) == len(records) - 1)
        await_rows(capture, is_noticed)


def test_a_file_of_old_is_not_taken_for_a_silent_client(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TICK", 0.0)
    hello = {**HELLO, "d": {"heartbeat_interval": 1}}
    talk = Conversation().opens().server(hello).client(identify()).server(ready()).client(HEARTBEAT).server(ACK)
    recorder.put(*map(written, talk.happenings))
    with followed(recorder) as capture:
        await_rows(capture, lambda events: len(events) == 6)
        # Long enough for a tick, had there been one.
        time.sleep(5 * module.BEAT)
        events = await_rows(capture, lambda events: True)
        assert not any(f.rule == "heartbeat-overdue" for e in events for f in e.findings)


@pytest.mark.parametrize("how", ["cut", "deleted", "replaced"])
def test_a_file_that_is_no_longer_the_same_ends_it_with_a_word(recorder: Recorder, how: str) -> None:
    notes: list[str] = []
    recorder.put(OPEN, SAID)
    with followed(recorder, notes) as capture:
        await_rows(capture, lambda events: len(events) == 2)
        match how:
            case "cut":
                os.truncate(recorder.path, 3)
            case "deleted":
                recorder.path.unlink()
            case _:
                other = recorder.path.with_name("other")
                other.write_text("{}\n")
                other.replace(recorder.path)
        await_end(capture)
        assert len(await_rows(capture, lambda events: True)) == 2
    assert notes == ["bot.frames.jsonl is no longer followed: the file was replaced, deleted or cut short"]


def test_a_pipe_is_read_until_its_other_end_is_closed(tmp_path: Path) -> None:
    ours, its = os.pipe()
    lines = [json.dumps(each).encode() + b"\n" for each in (HEADER, OPEN, SAID)]
    stream = PipeTail(ours, head=lines[0])
    with growing(Path("stdin"), stream, default(), folder=tmp_path / "cache") as capture:
        os.write(its, lines[1])
        await_rows(capture, lambda events: len(events) == 1)
        os.write(its, lines[2].rstrip(b"\n"))
        os.close(its)
        await_end(capture)
        assert len(await_rows(capture, lambda events: True)) == 2
    os.close(ours)


def test_a_reader_may_stay_while_it_ends(recorder: Recorder) -> None:
    recorder.put(OPEN, SAID)
    with followed(recorder) as capture:
        await_rows(capture, lambda events: len(events) == 2)
        reader = Reader(capture)
    assert len(list(reader.all_events())) == 2
    reader.close()
