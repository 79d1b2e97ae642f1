"""A trace for Perfetto's viewer, which reads it from disk: sessions and calls as tracks, on one axis of time.

TrackEvents of its protobuf format: below the track of each session one for each of its connections, with slices for the
connection and its phases, and one for its logins and replays; instants for what was noticed; arrows from a heartbeat to
its ACK and from a close to the connection that resumed; counters for round trips, and for bytes a second.

Source: trace_packet.proto, track_event.proto and track_descriptor.proto of https://github.com/google/perfetto.
"""

import struct
from collections.abc import Iterator
from contextlib import closing
from itertools import count, pairwise
from pathlib import Path

from inspector.analysis.beats import is_ack
from inspector.analysis.lanes import Lane, LaneGroup, LaneReader
from inspector.export.recorded import Progress
from inspector.inert import inert
from inspector.protocol.registry import Registry
from inspector.session.redact import HIDDEN
from inspector.store.reader import Reader, explained

# Fields of the messages, by number: of a packet, a track, an event, an annotation.
_PACKET, _AT, _SEQUENCE, _CLOCK, _EVENT, _TRACK = 1, 8, 10, 58, 11, 60
_UUID, _NAME, _PARENT, _COUNTER, _COUNTER_UNIT = 1, 2, 5, 8, 6
_NOTES, _TYPE, _ON, _CATEGORY, _LABEL, _VALUE, _FLOWS = 4, 9, 11, 22, 23, 44, 47
_NOTE_NAME, _NOTE_TEXT = 10, 6
_BEGIN, _END, _INSTANT, _COUNTED = 1, 2, 3, 4
# CLOCK_REALTIME among Perfetto's clocks.
_REALTIME = 1
_SECOND = 1_000_000_000
# Round trips that are drawn.
_MOST_TRIPS = 100_000
_LONGEST = 300

_TRIPS = """select id, connection, at, answers, latency, from_client, op, plane, event from event
    where latency is not null and answers is not null order by id limit ?"""
_BYTES = """select connection, at / 1000000000, sum(wire_bytes) from event
    where wire_bytes > 0 group by 1, 2 order by 1, 2"""


def write(path: Path, registry: Registry, *, reveal: bool = False, progress: Progress | None = None) -> Iterator[bytes]:
    """Yield the trace of the capture `path`. It holds no payloads, so `reveal` changes nothing. Raises CaptureError."""
    with closing(Reader(path)) as reader:
        lanes = LaneReader(reader)
        while lanes.advance():
            if progress is not None:
                found = lanes.snapshot()
                progress(found.counted, found.last)
        yield from _Trace(reader, registry).packets(lanes.snapshot().groups)


class _Trace:
    """Makes the packets of one capture."""

    def __init__(self, reader: Reader, registry: Registry) -> None:
        self._reader = reader
        self._registry = registry
        self._numbers = count(1)
        self._tracks: dict[int, int] = {}
        """Numbers of connections' tracks."""
        self._logins: dict[int, int] = {}

    def packets(self, groups: tuple[LaneGroup, ...]) -> Iterator[bytes]:
        for group in groups:
            name = group.plane.value if group.session is None else f"session {HIDDEN}{group.session[:4]}"
            track = next(self._numbers)
            yield _track(track, name + (f", shard {inert(group.shard)}" if group.shard else ""))
            for lane in group.lanes:
                yield from self._lane(lane, track)
            yield from self._arrows(group)
        with explained(self._reader.path):
            yield from self._trips()
            yield from self._rates()

    def _lane(self, lane: Lane, parent: int) -> Iterator[bytes]:
        track = self._tracks[lane.id] = next(self._numbers)
        name = f"#{lane.id} {lane.plane.value} {inert(lane.host)}"
        yield _track(track, name, parent)
        yield _event(lane.opened_ns, _BEGIN, track, "refused" if lane.refusal is not None else name)
        inside = False
        for step in lane.steps:
            if step.sort != "phase":
                continue
            if inside:
                yield _event(step.at_ns, _END, track)
            yield _event(step.at_ns, _BEGIN, track, step.text, row=step.row)
            inside = True
        if inside:
            yield _event(lane.last_ns, _END, track)
        yield _event(lane.last_ns, _END, track)
        if lane.closed:
            yield _event(lane.last_ns, _INSTANT, track, lane.end or "closed", "close")
        for found in lane.findings:
            yield _event(found.at_ns, _INSTANT, track, found.text, f"finding,{found.sort}", row=found.row)

    def _arrows(self, group: LaneGroup) -> Iterator[bytes]:
        """Lead from the end of each connection of a session to the next one."""
        lanes = [lane for lane in group.lanes if lane.plane is group.plane and lane.refusal is None]
        for before, after in pairwise(lanes):
            if before.closed and group.session is not None and after.opened_ns >= before.last_ns:
                flow = next(self._numbers)
                yield _event(before.last_ns, _INSTANT, self._tracks[before.id], "left", "resume", flow=flow)
                yield _event(after.opened_ns, _INSTANT, self._tracks[after.id], "came back", "resume", flow=flow)

    def _trips(self) -> Iterator[bytes]:
        """Show what was asked and answered: heartbeats as arrows and a counter, logins and replays as slices."""
        counters: dict[int, int] = {}
        asked_for = self._reader.db.execute(_TRIPS, (_MOST_TRIPS,))
        for row, connection, at_ns, asked, latency, from_client, op, plane, event in asked_for:
            track = self._tracks.get(connection)
            if track is None:
                continue
            if is_ack(plane, from_client, op):
                flow = next(self._numbers)
                yield _event(at_ns - latency, _INSTANT, track, "heartbeat", "heartbeat", row=asked, flow=flow)
                yield _event(at_ns, _INSTANT, track, "ACK", "heartbeat", row=row, flow=flow)
                counter = counters.get(connection)
                if counter is None:
                    counter = counters[connection] = next(self._numbers)
                    yield _track(counter, "round trip", track, unit="ms")
                yield _event(at_ns, _COUNTED, counter, value=latency / 1e6)
                continue
            name = inert(event or self._registry.name(plane, op))
            logins = self._logins.get(connection)
            if logins is None:
                logins = self._logins[connection] = next(self._numbers)
                yield _track(logins, "requests", track)
            yield _event(at_ns - latency, _BEGIN, logins, f"until {name}", "request", row=asked)
            yield _event(at_ns, _END, logins)

    def _rates(self) -> Iterator[bytes]:
        last = (0, 0)
        counter = 0
        for connection, second, size in self._reader.db.execute(_BYTES):
            track = self._tracks.get(connection)
            if track is None:
                continue
            if connection != last[0]:
                counter = next(self._numbers)
                yield _track(counter, "bytes a second", track, unit="B/s")
            elif second > last[1] + 1:
                yield _event((last[1] + 1) * _SECOND, _COUNTED, counter, value=0.0)
            yield _event(second * _SECOND, _COUNTED, counter, value=float(size))
            last = (connection, second)


def _track(number: int, name: str, parent: int | None = None, *, unit: str | None = None) -> bytes:
    made = _number(_UUID, number) + _bytes(_NAME, name.encode()[:_LONGEST])
    if parent is not None:
        made += _number(_PARENT, parent)
    if unit is not None:
        made += _bytes(_COUNTER, _bytes(_COUNTER_UNIT, unit.encode()))
    return _bytes(_PACKET, _number(_SEQUENCE, 1) + _bytes(_TRACK, made))


def _event(
    at_ns: int,
    kind: int,
    track: int,
    name: str | None = None,
    category: str | None = None,
    *,
    row: int | None = None,
    flow: int | None = None,
    value: float | None = None,
) -> bytes:
    made = _number(_TYPE, kind) + _number(_ON, track)
    if name is not None:
        made += _bytes(_LABEL, inert(name).encode()[:_LONGEST])
    if category is not None:
        made += b"".join(_bytes(_CATEGORY, each.encode()) for each in category.split(","))
    if row is not None:
        made += _bytes(_NOTES, _bytes(_NOTE_TEXT, str(row).encode()) + _bytes(_NOTE_NAME, b"row"))
    if flow is not None:
        made += _varint(_FLOWS << 3 | 1) + struct.pack("<Q", flow)
    if value is not None:
        made += _varint(_VALUE << 3 | 1) + struct.pack("<d", value)
    head = _number(_AT, max(at_ns, 0)) + _number(_CLOCK, _REALTIME) + _number(_SEQUENCE, 1)
    return _bytes(_PACKET, head + _bytes(_EVENT, made))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)
