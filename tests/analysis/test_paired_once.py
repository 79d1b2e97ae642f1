"""Pairs are made once, while a message is recorded: all that is computed over a capture reads them."""

from pathlib import Path

import pytest

from inspector.analysis.measure import Measures
from inspector.analysis.overview import Overview
from inspector.analysis.stats import Survey
from inspector.model import Plane
from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import Conversation

MS = 1_000_000
URL = "wss://rotterdam1.discord.media/?v=8"


@pytest.fixture
def lost(tmp_path: Path) -> Reader:
    """A voice connection whose first heartbeat gets no ACK; the second gets one after 40 ms."""
    talk = Conversation(plane=Plane.VOICE, url=URL).opens()
    talk.server({"op": 8, "d": {"heartbeat_interval": 10_000.0}})
    talk.client({"op": 3, "d": 1501184119561}).waits(9_990)
    talk.client({"op": 3, "d": 1501184119562}).waits(30).server({"op": 6, "d": 1501184119562})
    path = tmp_path / "lost.gwcap"
    writer = Writer(path, default(), made_by="test")
    writer.write(talk.happenings)
    writer.finish()
    return Reader(path)


def test_a_lost_ack_leaves_the_round_trip_of_the_next_heartbeat_alone(lost: Reader) -> None:
    stored = [event.latency_ns for event in lost.all_events() if event.op == 6]
    assert stored == [40 * MS]
    measures, overview = Measures(lost), Overview(lost, default())
    while measures.advance():
        pass
    while overview.advance():
        pass
    (trips,) = measures.snapshot().round_trips
    assert ([*trips.lasted_ns], measures.round_trips(None, 5)) == ([40 * MS], [40.0])
    (connection,) = overview.sessions[0].connections
    assert (connection.round_trips, overview.snapshot().round_trip_ns) == ((40 * MS,), 40 * MS)
    (beats,) = Survey(lost, default()).take().heartbeats
    assert (beats.sent, beats.answered, beats.unanswered, beats.longest_ns) == (2, 1, 1, 40 * MS)


def test_a_clock_that_was_set_back_makes_no_negative_round_trip(tmp_path: Path) -> None:
    talk = Conversation().opens().server({"op": 10, "d": {"heartbeat_interval": 41250}})
    talk.client({"op": 1, "d": None}).waits(-60_000).server({"op": 11})
    path = tmp_path / "back.gwcap"
    writer = Writer(path, default(), made_by="test")
    writer.write(talk.happenings)
    writer.finish()
    reader = Reader(path)
    assert [event.latency_ns for event in reader.all_events() if event.op == 11] == [0]
    overview = Overview(reader, default())
    while overview.advance():
        pass
    assert overview.snapshot().round_trip_ns == 0
