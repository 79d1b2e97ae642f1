"""What an overview says of conversations and of the samples, however they are cut into slices."""

import sqlite3
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.analysis.overview import Amount, ConnectionView, Overview, Snapshot
from inspector.errors import CaptureError
from inspector.model import Plane, Side
from inspector.protocol.registry import default
from inspector.session.phases import CONNECTION_PHASES
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from sample_captures.make import HERE, SAMPLES
from tests.conversation import (
    ACK,
    HEARTBEAT,
    HELLO,
    NOON,
    SESSION,
    STEP,
    Conversation,
    dispatch,
    identify,
    message,
    ready,
    resume,
)

RECONNECT = {"op": 7, "d": None}
INVALID = {"op": 9, "d": False}


def counted(path: Path, limit: int = 1000) -> Snapshot:
    reader = Reader(path)
    overview = Overview(reader, default())
    while overview.advance(limit):
        pass
    reader.close()
    return overview.snapshot()


def written(path: Path, *talks: Conversation) -> Path:
    writer = Writer(path, default(), made_by="test")
    for talk in talks:
        writer.write(talk.happenings)
    writer.finish()
    return path


def only(snapshot: Snapshot) -> ConnectionView:
    ((connection,),) = [session.connections for session in snapshot.sessions]
    return connection


@pytest.mark.parametrize(("by", "name"), [("server", "Unknown error"), ("client", "")])
def test_a_close_has_discords_name_only_where_the_server_closed(by: Side, name: str, tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready()).closes(4000, by=by)
    assert only(counted(written(tmp_path / "a.gwcap", talk))).close_name == name


def by_number(snapshot: Snapshot) -> list[ConnectionView]:
    found = [connection for session in snapshot.sessions for connection in session.connections]
    return sorted(found, key=lambda connection: connection.id)


def phases(path: Path, talk: Conversation) -> list[str]:
    """Return the phases that `talk` goes through, one for each thing that happens."""
    writer, overview, found = Writer(path, default(), made_by="test"), None, []
    for happening in talk.happenings:
        writer.write([happening])
        overview = overview or Overview(Reader(path), default())
        while overview.advance():
            pass
        found.append(only(overview.snapshot()).phase)
    writer.finish()
    return found


def test_the_resumed_sample_is_one_session_over_two_connections() -> None:
    snapshot = counted(HERE / "resume.gwcap")
    (session,) = snapshot.sessions
    assert (session.plane, session.session, session.shard) == (Plane.GATEWAY, "8763d425", "0/1")
    assert session.connections == (
        ConnectionView(
            id=1,
            plane=Plane.GATEWAY,
            host="gateway.discord.gg",
            version=10,
            encoding="json",
            compression="zlib-stream",
            session="8763d425",
            shard="0/1",
            phase="closed 1006",
            refusal=None,
            opened_ns=1795483450070640000,
            last_ns=1795483450077495000,
            closed_ns=1795483450077495000,
            close_code=1006,
            close_name="Abnormal Closure",
            close_reason="",
            closed_by="server",
            dave=None,
            seq=3,
            events=10,
            sent=Amount(437, 437),
            received=Amount(1767, 5904),
            unread_frames=0,
            round_trips=(2140000,),
        ),
        ConnectionView(
            id=2,
            plane=Plane.GATEWAY,
            host="gateway-us-east1-b.discord.gg",
            version=10,
            encoding="json",
            compression="zlib-stream",
            session="8763d425",
            shard=None,
            phase="closed 1000",
            refusal=None,
            opened_ns=1795483450093429000,
            last_ns=1795483450100080000,
            closed_ns=1795483450100080000,
            close_code=1000,
            close_name="Normal Closure",
            close_reason="",
            closed_by="client",
            dave=None,
            seq=9,
            events=12,
            sent=Amount(154, 154),
            received=Amount(816, 4063),
            unread_frames=0,
            round_trips=(3113000,),
        ),
    )
    assert (snapshot.connections, snapshot.live, snapshot.counted) == (2, 0, 22)
    assert (snapshot.last_ns, snapshot.round_trip_ns) == (1795483450100080000, 3113000)


def test_the_voice_sample_has_a_group_for_its_voice_connections() -> None:
    sessions = counted(HERE / "voice.gwcap").sessions
    assert [(s.key, [c.id for c in s.connections]) for s in sessions] == [
        ((Plane.GATEWAY, "8763d425"), [1]),
        ((Plane.VOICE, "178fb71b"), [2, 3]),
    ]
    crashed, moved = sessions[1].connections
    assert (crashed.phase, crashed.close_name, crashed.seq) == ("closed 4015", "Voice server crashed", 5)
    assert (moved.phase, moved.close_name, moved.seq) == ("closed 4014", "Disconnected", 8)
    assert (crashed.round_trips, moved.round_trips) == ((1527000,), (2229000,))


def test_a_login_that_failed_has_no_session() -> None:
    (session,) = counted(HERE / "login-failure.gwcap").sessions
    assert session.key == (Plane.GATEWAY, None)
    assert session.connections[0].phase == "closed 4004"


@pytest.mark.parametrize("limit", [1, 2, 7, 20])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_counted_in_slices_is_the_same_as_counted_at_once(name: str, limit: int) -> None:
    assert counted(HERE / f"{name}.gwcap", limit) == counted(HERE / f"{name}.gwcap")


@pytest.mark.parametrize("name", SAMPLES)
def test_every_row_of_a_sample_is_counted(name: str) -> None:
    db = sqlite3.connect(HERE / f"{name}.gwcap")
    expected = db.execute(
        "select connection, count(*), sum(wire_bytes), sum(decoded_bytes) from event group by connection"
    ).fetchall()
    db.close()
    assert expected == [
        (c.id, c.events, c.wire_bytes, c.sent.decoded_bytes + c.received.decoded_bytes)
        for c in by_number(counted(HERE / f"{name}.gwcap"))
    ]


STEPS = (
    ("client", HEARTBEAT),
    ("server", ACK),
    ("server", HELLO),
    ("client", identify(shard=[0, 2])),
    ("client", resume()),
    ("server", ready()),
    ("server", ready("another")),
    ("server", message("hi")),
    ("server", INVALID),
)


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(STEPS)), max_size=30), st.lists(st.integers(1, 5)))
def test_a_capture_that_grows_is_counted_as_one_that_does_not(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, tuple[str, dict]]], limits: list[int]
) -> None:
    path = tmp_path_factory.mktemp("grows") / "a.gwcap"
    talks = {number: Conversation(connection=number).opens() for number in (1, 2, 3)}
    writer = Writer(path, default(), made_by="test")
    overview = Overview(Reader(path), default())
    writer.write([happening for talk in talks.values() for happening in talk.happenings])
    for at, (number, (side, payload)) in enumerate(steps):
        getattr(talks[number], side)(payload)
        writer.write(talks[number].happenings[-1:])
        if at < len(limits):
            overview.advance(limits[at])
    while overview.advance():
        pass
    assert overview.snapshot() == counted(path)
    writer.finish()


def test_phases_follow_a_login(tmp_path: Path) -> None:
    talk = (
        Conversation().opens().server(HELLO).client(HEARTBEAT).client(identify()).server(ready()).server(message("hi"))
    )
    talk.server(RECONNECT).closes(4000, by="client")
    assert phases(tmp_path / "a.gwcap", talk) == [
        *("opened", "hello", "hello", "identifying", "ready", "ready", "reconnect asked", "closed 4000")
    ]


def test_phases_follow_a_resume_that_fails(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(resume()).server(INVALID).client(identify()).server(ready())
    assert phases(tmp_path / "a.gwcap", talk) == [
        *("opened", "hello", "resuming", "invalid session", "identifying", "ready")
    ]


def test_phases_follow_a_resume(tmp_path: Path) -> None:
    talk = Conversation().opens().client(resume()).server(message("hi")).server(dispatch("RESUMED", {}, 4))
    assert phases(tmp_path / "a.gwcap", talk) == ["opened", "resuming", "resuming", "resumed"]


def test_phases_follow_a_voice_connection(tmp_path: Path) -> None:
    talk = Conversation(plane=Plane.VOICE, url="wss://invented.discord.media/?v=8").opens()
    talk.server({"op": 8, "d": {"heartbeat_interval": 1000}}).client({"op": 0, "d": {}})
    talk.server({"op": 2, "d": {}}).client({"op": 1, "d": {}}).server({"op": 4, "d": {}}).server({"op": 5, "d": {}})
    talk.client({"op": 7, "d": {}}).server({"op": 9, "d": None})
    assert phases(tmp_path / "a.gwcap", talk) == [
        *("opened", "hello", "identified", "ready", "protocol selected", "session described", "session described"),
        *("resuming", "resumed"),
    ]


def test_an_event_that_only_bears_the_name_of_a_step_is_none(tmp_path: Path) -> None:
    """Only a dispatch brings READY; and only the server sends one."""
    talk = Conversation().opens().server({"op": 40, "t": "READY", "d": {}}).client({"op": 0, "t": "READY", "d": {}})
    assert phases(tmp_path / "a.gwcap", talk) == ["opened"] * 3


def test_every_step_of_the_table_is_one_that_the_registry_knows() -> None:
    registry = default()
    steps = {(plane, step) for plane, phases in CONNECTION_PHASES.items() for each in phases.values() for step in each}
    for plane, step in steps:
        known = registry.opcode(plane, step.key, from_client=step.from_client)
        assert known or registry.event(str(step.key)), step


def test_a_refused_connection_says_so(tmp_path: Path) -> None:
    talk = Conversation().opens(status=429, refusal="too many")
    view = only(counted(written(tmp_path / "a.gwcap", talk)))
    assert (view.phase, view.refusal, view.live) == ("refused", "too many", False)


def test_a_connection_that_was_joined_late_is_under_way(tmp_path: Path) -> None:
    talk = Conversation().opens(joined_late=True).server(message("hi"))
    assert only(counted(written(tmp_path / "a.gwcap", talk))).phase == "under way"


def test_a_round_trip_is_from_a_heartbeat_to_its_ack(tmp_path: Path) -> None:
    talk = Conversation().opens().client(HEARTBEAT).waits(31).server(ACK).server(ACK)
    talk.client({"op": 40, "d": {"seq": 3, "qos": {}}}).server({"op": 1, "d": None}).server(ACK)
    snapshot = counted(written(tmp_path / "a.gwcap", talk))
    assert only(snapshot).round_trips == (STEP + 31_000_000, 2 * STEP)
    assert snapshot.round_trip_ns == 2 * STEP


def test_only_the_last_round_trips_are_kept(tmp_path: Path) -> None:
    talk = Conversation().opens()
    for trip in range(20):
        talk.client(HEARTBEAT).waits(trip).server(ACK)
    trips = only(counted(written(tmp_path / "a.gwcap", talk))).round_trips
    assert trips == tuple(STEP + trip * 1_000_000 for trip in range(4, 20))


def test_the_sequence_is_the_last_one_and_not_the_largest(tmp_path: Path) -> None:
    talk = Conversation().opens().server(message("hi", 900)).server(ready()).server(message("hi", 2)).server(ACK)
    assert only(counted(written(tmp_path / "a.gwcap", talk))).seq == 2


def test_a_connection_goes_over_to_its_session_once_that_is_known(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO)
    writer = Writer(tmp_path / "a.gwcap", default(), made_by="test")
    writer.write(talk.happenings)
    overview = Overview(Reader(tmp_path / "a.gwcap"), default())
    assert overview.advance()
    before = overview.snapshot()
    writer.write(talk.server(ready()).happenings[-1:])
    assert overview.advance()
    assert not overview.advance()
    after = overview.snapshot()
    writer.finish()
    assert [session.session for session in before.sessions] == [None]
    assert [session.session for session in after.sessions] == [only(after).session]
    assert only(after).session
    assert (after.live, after.connections) == (1, 1)


def test_sessions_come_in_the_order_of_their_first_connections(tmp_path: Path) -> None:
    first, other = Conversation(connection=1).opens().server(ready()), Conversation(connection=2).opens()
    again = Conversation(connection=3).opens().client(resume(SESSION))
    snapshot = counted(written(tmp_path / "a.gwcap", other, first, again))
    assert [[c.id for c in session.connections] for session in snapshot.sessions] == [[1, 3], [2]]


def test_a_snapshot_never_changes(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gwcap", Conversation().opens().server(HELLO).client(identify()).server(ready()))
    overview = Overview(Reader(path), default())
    overview.advance(2)
    early = overview.snapshot()
    copy = counted(path, 1)
    while overview.advance():
        pass
    assert (only(early).phase, only(early).events, early.counted) == ("hello", 2, 2)
    assert overview.snapshot() == copy
    with pytest.raises(FrozenInstanceError):
        early.counted = 7  # type: ignore[misc]


def test_a_connection_without_rows_is_listed(tmp_path: Path) -> None:
    """A recorder that was killed has stored what opened, and not yet what that means."""
    path = written(tmp_path / "a.gwcap", Conversation().opens())
    db = sqlite3.connect(path)
    db.execute("delete from event")
    db.commit()
    db.close()
    view = only(counted(path))
    assert (view.phase, view.events, view.opened_ns, view.last_ns) == ("opened", 0, NOON, NOON)


def test_rows_without_a_connection_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gwcap", Conversation().opens().server(HELLO))
    db = sqlite3.connect(path)
    db.execute("delete from connection")
    db.commit()
    db.close()
    assert (only(counted(path)).phase, only(counted(path)).events) == ("hello", 2)


@pytest.mark.parametrize(
    "damage",
    [
        "drop table event",
        "update connection set opened_at = 'noon'",
        "update event set at = 'noon'",
        "update event set wire_bytes = 9223372036854775807",
        "update connection set headers = '{'",
        "update event set connection = x'00' where id = 1",
    ],
)
def test_a_damaged_capture_is_an_error_of_ours(damage: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.gwcap", Conversation().opens().server(HELLO).client(HEARTBEAT).server(ACK))
    db = sqlite3.connect(path)
    db.execute(damage)
    db.commit()
    db.close()
    with pytest.raises(CaptureError):
        counted(path)


def test_a_hostile_url_has_no_host_and_no_password(tmp_path: Path) -> None:
    url = "wss://me:secret@gateway.discord.gg/?v=10"
    talks = Conversation(url="wss://[::bad/").opens(), Conversation(connection=2, url=url).opens()
    assert [c.host for c in by_number(counted(written(tmp_path / "a.gwcap", *talks)))] == ["", "gateway.discord.gg"]
