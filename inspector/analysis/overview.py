"""How every connection is doing, worked out from the narrow rows of events alone: no payload is ever decoded for it.

`inspector.session.phases` says how far a connection has come. A capture is counted a slice at a time, so that one that
grows costs only what is new, and a million rows never keep their reader busy for long.
"""

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from inspector.analysis.beats import is_ack
from inspector.analysis.connections import ConnectionFeed, close_code, end_of, shard_of
from inspector.analysis.progress import MOVES, shown_phase
from inspector.model import Plane
from inspector.protocol.hosts import address_of
from inspector.protocol.registry import Registry
from inspector.session.phases import OPENED, connection_phase
from inspector.session.state import Connection
from inspector.store.reader import Reader, explained, unknown_connection

# Rows of a slice: some 20 ms of work, on a capture of a million rows.
SLICE = 20_000
# Round trips that are remembered of each connection.
ROUND_TRIPS = 16

_TOTALS = """
    select connection, count(*), max(at),
        sum(case when from_client then wire_bytes else 0 end), sum(case when from_client then decoded_bytes else 0 end),
        sum(case when from_client then 0 else wire_bytes end), sum(case when from_client then 0 else decoded_bytes end),
        max(case when seq is not null and from_client = 0 then id end)
    from event where id > ? and id <= ? group by connection"""
_SEQUENCES = "select connection, seq from event where id in (select value from json_each(?))"
_STEPS = f"""
    select connection, plane, from_client, op, event, latency from event
    where id > ? and id <= ? and {MOVES} order by id"""


@dataclass(frozen=True, slots=True)
class Amount:
    """What one end sent."""

    wire_bytes: int = 0
    decoded_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """One connection. Its texts are as they came: anyone who shows them makes them inert."""

    id: int
    """Its number in the capture, from 1."""
    plane: Plane
    host: str
    """Name and port of its URL; empty where that cannot be read."""
    version: int | None
    encoding: str | None
    compression: str | None
    session: str | None
    """Digest of the Discord session's id."""
    shard: str | None
    """``0/2``; None on connections that resumed."""
    phase: str
    """How far it has come, in words: ``ready``, ``closed 4009``, ``refused``."""
    refusal: str | None
    """Why there was no connection; None where there was one."""
    opened_ns: int
    """Nanoseconds since the epoch, as all times here."""
    last_ns: int
    """When the last thing happened on it."""
    closed_ns: int | None
    """None while it is open, or where the recording ended first."""
    close_code: int | None
    close_name: str
    """What the tables call the code; empty where they do not know it."""
    close_reason: str
    """What was next to the code."""
    closed_by: str | None
    dave: str | None
    """Voice: how far its end-to-end encryption has come, in words."""
    seq: int | None
    """The last sequence number that the server gave."""
    events: int
    """Rows of the timeline."""
    sent: Amount
    received: Amount
    unread_frames: int
    """Messages kept raw after its compression context was lost, as of its last event."""
    round_trips: tuple[int, ...]
    """Nanoseconds that the last heartbeats took until their ACK, the newest last; at most `ROUND_TRIPS`."""

    @property
    def live(self) -> bool:
        """Whether it is open, as far as is known."""
        return self.closed_ns is None and self.refusal is None

    @property
    def wire_bytes(self) -> int:
        """Of both ends."""
        return self.sent.wire_bytes + self.received.wire_bytes


@dataclass(frozen=True, slots=True)
class SessionView:
    """One Discord session: all connections of a plane that share it, or all of a plane that have none."""

    plane: Plane
    session: str | None
    """Digest of its id; None for connections without a session."""
    shard: str | None
    connections: tuple[ConnectionView, ...]
    """At least one, in the order in which they were opened."""

    @property
    def key(self) -> tuple[Plane, str | None]:
        """What tells it from others."""
        return self.plane, self.session


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All connections at one moment. Never changes, so threads may hand it to each other."""

    sessions: tuple[SessionView, ...] = ()
    """In the order of their first connections."""
    connections: int = 0
    """How many there are."""
    live: int = 0
    """How many of them are open."""
    counted: int = 0
    """Rows of the timeline that have been counted: all up to this number."""
    last_ns: int = 0
    """When the last of them happened; 0 where there is none."""
    round_trip_ns: int | None = None
    """What the last heartbeat of any connection took; None where none was answered yet."""


class Overview:
    """Counts a capture, as far as it goes. Belongs to one thread, as `reader` does; its snapshots do not."""

    def __init__(self, reader: Reader, registry: Registry) -> None:
        self._reader = reader
        self._registry = registry
        self._counts: dict[int, _Count] = {}
        self._groups: dict[tuple[Plane, str | None], dict[int, ConnectionView]] = {}
        self._sessions: dict[tuple[Plane, str | None], SessionView] = {}
        self._live: set[int] = set()
        self._feed = ConnectionFeed(reader)
        self._counted = 0
        self._last_ns = 0
        self._round_trip_ns: int | None = None

    def advance(self, limit: int = SLICE) -> bool:
        """Count at most `limit` further rows, and say whether anything was new: then there may be more.

        Raises CaptureError where the capture is damaged.
        """
        with explained(self._reader.path):
            return self._advance(limit)

    @property
    def sessions(self) -> list[SessionView]:
        """All connections, by session, in the order of the sessions' first connections."""
        return sorted(self._sessions.values(), key=lambda session: session.connections[0].id)

    def snapshot(self) -> Snapshot:
        """Return what has been counted so far."""
        return Snapshot(
            tuple(self.sessions),
            len(self._counts),
            len(self._live),
            self._counted,
            self._last_ns,
            self._round_trip_ns,
        )

    def _advance(self, limit: int) -> bool:
        after, upto = self._counted, self._reader.slice(self._counted, limit)
        touched = self._count(after, upto) if upto > after else set()
        for connection in self._feed.read(touched):
            self._of(connection.id).connection = connection
            touched.add(connection.id)
        self._show(sorted(touched))
        self._counted = max(after, upto)
        return bool(touched)

    def _count(self, after: int, upto: int) -> set[int]:
        """Count the rows between, and return the numbers of their connections."""
        db = self._reader.db
        numbered = []
        touched = set()
        for number, events, last_ns, *volumes, newest in db.execute(_TOTALS, (after, upto)).fetchall():
            count = self._of(number)
            count.events += events
            count.last_ns = max(count.last_ns, int(last_ns))
            count.volumes = [had + int(more) for had, more in zip(count.volumes, volumes, strict=True)]
            self._last_ns = max(self._last_ns, count.last_ns)
            touched.add(number)
            if newest is not None:
                numbered.append(newest)
        for number, seq in db.execute(_SEQUENCES, (json.dumps(numbered),)).fetchall():
            self._of(number).seq = int(seq)
        for number, *step in db.execute(_STEPS, (after, upto)).fetchall():
            self._step(self._of(number), *step)
        return touched

    def _step(self, count: "_Count", plane: str, from_client: int, op: Any, event: Any, latency: Any) -> None:
        """Take in a payload."""
        count.phase = connection_phase(Plane(plane), count.phase, bool(from_client), op, event)
        if latency is not None and is_ack(plane, from_client, op):
            self._round_trip_ns = max(int(latency), 0)
            count.round_trips.append(self._round_trip_ns)

    def _of(self, number: int) -> "_Count":
        if number not in self._counts:
            self._counts[number] = _Count(unknown_connection(number))
        return self._counts[number]

    def _show(self, numbers: Iterable[int]) -> None:
        """Make the views of connections again, and of the sessions they belong to."""
        stale = set()
        for number in numbers:
            count = self._counts[number]
            view = count.view(self._registry)
            if view.live:
                self._live.add(number)
            else:
                self._live.discard(number)
            key = view.plane, view.session
            if count.key is not None and count.key != key:
                # READY or Resume has told which session it belongs to.
                del self._groups[count.key][number]
                stale.add(count.key)
            count.key = key
            self._groups.setdefault(key, {})[number] = view
            stale.add(key)
        for key in stale:
            group = self._groups[key]
            if not group:
                del self._groups[key], self._sessions[key]
                continue
            connections = tuple(group[number] for number in sorted(group))
            shard = shard_of(key[1], (view.shard for view in connections))
            self._sessions[key] = SessionView(*key, shard, connections)


@dataclass(slots=True)
class _Count:
    """What has been counted of one connection."""

    connection: Connection
    key: tuple[Plane, str | None] | None = None
    phase: str = OPENED
    seq: int | None = None
    events: int = 0
    last_ns: int = 0
    volumes: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    """Bytes sent, on the wire and decoded, then received."""
    round_trips: deque[int] = field(default_factory=lambda: deque(maxlen=ROUND_TRIPS))

    def view(self, registry: Registry) -> ConnectionView:
        connection = self.connection
        opened, closed = connection.opened, connection.closed
        code = close_code(connection)
        if opened.refusal is not None:
            phase = "refused"
        elif closed is not None:
            phase = end_of(connection)
        else:
            phase = shown_phase(connection, self.phase)
        return ConnectionView(
            id=opened.connection,
            plane=opened.plane,
            host=address_of(opened.url),
            version=connection.version,
            encoding=connection.encoding,
            compression=connection.compression,
            session=connection.session,
            shard=connection.shard,
            phase=phase,
            refusal=opened.refusal,
            # A column may hold anything in a file that someone else made.
            opened_ns=int(opened.at_ns),
            last_ns=max(self.last_ns, int(opened.at_ns)),
            closed_ns=None if closed is None else int(closed.at_ns),
            close_code=code,
            close_name=registry.close_name(opened.plane, code, closed.by if closed else None),
            close_reason=closed.reason if closed else "",
            closed_by=closed.by if closed else None,
            dave=connection.dave,
            seq=self.seq,
            events=self.events,
            sent=Amount(*self.volumes[:2]),
            received=Amount(*self.volumes[2:]),
            unread_frames=connection.unread_frames,
            round_trips=tuple(self.round_trips),
        )
