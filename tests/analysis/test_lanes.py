"""Lanes say what happened to each connection and when, within bounds, however they were read."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.analysis import lanes
from inspector.analysis.lanes import LaneMoment, LaneReader, Lanes, beats_between, between
from inspector.errors import CaptureError
from inspector.model import Finding, Plane, Severity
from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from sample_captures.make import HERE, SAMPLES
from tests.conversation import ACK, HEARTBEAT, HELLO, NOON, Conversation, identify, message, ready, resume
from tests.tui.noticed import notice, troubled


def read(path: Path, limit: int = lanes.SLICE) -> Lanes:
    reader = Reader(path)
    found = LaneReader(reader)
    while found.advance(limit):
        pass
    reader.close()
    return found.snapshot()


def written(path: Path, *talks: Conversation) -> Path:
    writer = Writer(path, default(), made_by="test")
    for talk in talks:
        writer.write(talk.happenings)
    writer.finish()
    return path


def told(moments: tuple[LaneMoment, ...]) -> list[str]:
    return [f"{moment.sort} {moment.text}".strip() for moment in moments]


def test_a_voice_connection_stands_with_the_session_that_asked_for_it(tmp_path: Path) -> None:
    groups = read(troubled(tmp_path / "a.gwcap")).groups
    assert [[lane.id for lane in group.lanes] for group in groups] == [[1, 2], [3]]
    assert [(group.plane, group.shard) for group in groups] == [(Plane.GATEWAY, "0/2")] * 2


def test_a_lane_has_its_phases_logins_beats_and_findings(tmp_path: Path) -> None:
    first, second = read(troubled(tmp_path / "a.gwcap")).groups
    main, again = first.lanes[0], second.lanes[0]
    assert told(main.steps) == ["open", "phase hello", "phase identifying", "phase ready", "close 4009"]
    assert (main.closed, main.code, again.closed, again.phase) == (True, 4009, False, "ready")
    assert told(main.findings) == ["info heartbeat-unusual", "warn heartbeat-late", "error close-4009"]
    assert told(again.logins) == ["identify", "resume", "rejected Invalid Session"] or told(again.logins) == [
        "resume", "rejected Invalid Session", "identify"
    ]  # fmt: skip
    assert "phase invalid session" in told(again.steps)


def test_heartbeats_without_an_ack_are_troubled_but_not_the_newest_of_an_open_connection(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(HEARTBEAT).client(HEARTBEAT).server(ACK).client(HEARTBEAT)
    lane = read(written(tmp_path / "a.gwcap", talk)).groups[0].lanes[0]
    assert list(lane.beats.rows) == [3, 4, 6]
    assert list(lane.troubled.rows) == [4]
    closed = read(written(tmp_path / "b.gwcap", talk.closes(1000))).groups[0].lanes[0]
    assert list(closed.troubled.rows) == [4, 6]


def test_a_close_while_logging_in_is_a_login_in_vain(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).closes(4004, "Authentication failed.", "server")
    lane = read(written(tmp_path / "a.gwcap", talk)).groups[0].lanes[0]
    assert told(lane.logins) == ["identify", "rejected close 4004"]


def test_a_refused_connection_says_so(tmp_path: Path) -> None:
    talk = Conversation().opens(status=429, refusal="too many")
    lane = read(written(tmp_path / "a.gwcap", talk)).groups[0].lanes[0]
    assert told(lane.steps) == ["refused too many"]
    assert lane.phase_at(NOON) is None


def test_the_phase_at_a_time_is_the_last_that_began(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(resume()).waits(5000).server(message("hi"))
    lane = read(written(tmp_path / "a.gwcap", talk)).groups[0].lanes[0]
    phases = [lane.phase_at(NOON + ms * 1_000_000) for ms in (-1, 0, 9, 10, 19, 20, 3000, 60_000)]
    assert phases == [None, "opened", "opened", "hello", "hello", "resuming", "resuming", None]


@pytest.mark.parametrize("limit", [1, 3, 7])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_read_in_slices_is_the_same_as_read_at_once(name: str, limit: int) -> None:
    assert read(HERE / f"{name}.gwcap", limit) == read(HERE / f"{name}.gwcap")


def test_a_capture_that_grows_ends_as_one_that_does_not(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready()).client(HEARTBEAT).server(ACK)
    talk.client(HEARTBEAT).closes(4000, by="client")
    writer = Writer(tmp_path / "a.gwcap", default(), made_by="test")
    reader = Reader(tmp_path / "a.gwcap")
    found = LaneReader(reader)
    assert found.snapshot().groups == ()
    for happening in talk.happenings:
        writer.write([happening])
        while found.advance():
            pass
        found.snapshot()
    writer.finish()
    assert found.snapshot() == read(tmp_path / "a.gwcap")
    reader.close()


def test_whatever_comes_what_is_kept_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MOST_LANES", 3), ("MOST_MOMENTS", 8), ("MOST_BEATS", 16), ("MOST_UNACKED", 5)):
        monkeypatch.setattr(lanes, name, most)
    talks = [Conversation(connection=number).opens() for number in range(1, 6)]
    for _ in range(50):
        talks[-1].client(identify()).server({"op": 9, "d": False}).client(HEARTBEAT)
    groups = read(written(tmp_path / "a.gwcap", *talks)).groups
    found = [lane for group in groups for lane in group.lanes]
    assert [lane.id for lane in found] == [3, 4, 5]
    lane = found[-1]
    assert len(lane.steps) <= 8
    assert len(lane.logins) <= 8
    assert len(lane.beats.rows) <= 16
    assert len(lane.troubled.rows) <= 5
    assert lane.steps[0].sort == "open"


@given(st.lists(st.integers(0, 50)).map(sorted), st.integers(-5, 60), st.integers(0, 30))
def test_what_lies_between_two_times_is_found(times: list[int], start: int, span: int) -> None:
    moments = [LaneMoment(at, row, "phase", "") for row, at in enumerate(times)]
    rows = [row for row, at in enumerate(times) if start <= at < start + span]
    assert [moment.row for moment in between(moments, start, start + span)] == rows
    beats = lanes.Beats(times, range(len(times)))
    assert list(beats_between(beats, start, start + span)) == rows


def test_of_too_many_findings_the_worst_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MOST_FINDINGS", 8)
    path = written(tmp_path / "a.gwcap", Conversation().opens().server(HELLO))
    notice(path, [Finding("a", Severity(max(4 - number, 1)), "So it is.", 2) for number in range(1, 40)])
    found = told(read(path).groups[0].lanes[0].findings)
    assert {"error a", "warn a"} < set(found)
    assert len(found) <= 8


@pytest.mark.parametrize(
    "damage", ["drop table event", "update event set at = 'noon'", "update connection set headers = '{'"]
)
def test_a_damaged_capture_is_an_error_of_ours(tmp_path: Path, damage: str) -> None:
    path = written(tmp_path / "a.gwcap", Conversation().opens().server(HELLO).client(HEARTBEAT).server(ACK))
    db = sqlite3.connect(path)
    db.execute(damage)
    db.commit()
    db.close()
    with pytest.raises(CaptureError):
        read(path)
