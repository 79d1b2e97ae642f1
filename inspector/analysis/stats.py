"""What a recording amounts to: traffic by connection and by name, round trips of heartbeats, voice media, findings.

SQLite counts the narrow rows of events; only the rows that stand for voice packets have their payloads read. All
numbers of one survey are of one moment, also where the capture continues growing. What is kept has a bound, as the wire
may claim any number of names and streams.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from inspector.analysis.beats import IS_HEARTBEAT
from inspector.analysis.connections import close_code
from inspector.analysis.measure import (
    GROUP_COLUMNS,
    IS_MESSAGE,
    LONGEST_NAME,
    SLICE,
    Measured,
    Measures,
    RoundTrips,
    name_of,
)
from inspector.model import Closed, Kind, Plane, Severity, StartLimit
from inspector.protocol.hosts import address_of
from inspector.protocol.registry import Registry
from inspector.protocol.snowflake import number_of
from inspector.query.payloads import body
from inspector.query.search import Search
from inspector.session.state import Connection
from inspector.store.ids import id_of
from inspector.store.reader import BATCH, Reader, explained, unknown_connection

# Names, rules, and streams of voice packets that are distinguished.
MOST = 500

_PLANES = {plane.value: plane for plane in Plane}
_KINDS = {kind.value: kind for kind in Kind}
_SIDES = ("client", "server", "proxy")
_SEVERITIES = {severity.value: severity for severity in Severity}
# Floats are exact up to here; whatever claims more is no amount.
_LARGEST = 2**53

# A row of media stands for many packets, which were never compressed, and of which nothing is decoded.
_READ = "kind = 'payload' and plane <> 'media'"
_ENDS = "select connection, min(begin), max(end) from temp.tally group by 1"
# Also of the rows that do not pass a filter.
_ENDS_OF_ALL = "select connection, min(at), max(at) from event group by 1"
_SPAN = "select ifnull(min(begin), 0), ifnull(max(end), 0) from temp.tally"
_TRAFFIC = f"""
    select connection, from_client = 1, sum(count), sum(case when {IS_MESSAGE} then count else 0 end),
        sum(case when {IS_MESSAGE} then wire_bytes else 0 end), sum(case when {_READ} then wire_bytes else 0 end),
        sum(case when {_READ} then decoded_bytes else 0 end)
    from temp.tally group by 1, 2"""
_NAMES = f"""
    select plane, kind, case typeof(op) when 'text' then substr(op, 1, {LONGEST_NAME}) else op end,
        substr(event, 1, {LONGEST_NAME}), from_client, sum(count), sum(wire_bytes), sum(decoded_bytes),
        max(largest_wire)
    from temp.tally where {IS_MESSAGE} group by 1, 2, 3, 4, 5"""
_ORDERS = {"count": "6 desc, 7 desc", "bytes": "7 desc, 6 desc"}
# An ACK that a filter leaves out has come all the same.
_SENT_HEARTBEATS = f"""
    select connection, count(*), sum(id not in (select answers from main.event where answers is not null))
    from event where {IS_HEARTBEAT} group by 1"""
_NOTICED = """
    select event.connection, finding.severity, count(*) from finding join event on event.id = finding.event
    group by 1, 2"""
_RULES = f"""
    select substr(rule, 1, {LONGEST_NAME}), severity, count(*), min(event) from finding
    where event in (select id from event) group by 1, 2 order by 2 desc, 3 desc, 4 limit {MOST}"""
_PACKETS = f"""
    select id, connection, from_client, encoding, user_id from event
    where id > ? and plane = 'media' and kind = 'payload' and op = 'rtp' order by id limit {BATCH}"""

Progress = Callable[[int, int], None]
"""Is told how much is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one end sent, or both did."""

    messages: int = 0
    wire_bytes: int = 0
    read_bytes: int = 0
    """Of these, the bytes of messages that could be decoded."""
    decoded_bytes: int = 0
    """And what those decode to."""

    @property
    def ratio(self) -> float | None:
        """How many bytes came out of each byte on the wire; None where none was decoded."""
        return self.decoded_bytes / self.read_bytes if self.read_bytes > 0 else None

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.messages + other.messages,
            self.wire_bytes + other.wire_bytes,
            self.read_bytes + other.read_bytes,
            self.decoded_bytes + other.decoded_bytes,
        )


@dataclass(frozen=True, slots=True)
class ConnectionStats:
    """One connection. Its texts are as they came: anyone who shows them makes them inert."""

    id: int
    plane: Plane
    host: str
    """Name and port of its URL; empty where that cannot be read."""
    version: int | None
    encoding: str | None
    compression: str | None
    session: str | None
    """Digest of the Discord session's id."""
    shard: str | None
    parent: int | None
    """Number of the connection that it belongs to, on the planes of voice."""
    dave: str | None
    """Voice: how far its end-to-end encryption had come, in words."""
    refusal: str | None
    """Why there was no connection; None where there was one."""
    opened_ns: int
    """Nanoseconds since the epoch."""
    lasted_ns: int
    """Until it was closed, or until its last row."""
    closed: Closed | None
    """None while it is open, or where the recording ended first."""
    close_name: str
    """What the tables call its close code; empty where they do not know it."""
    rows: int
    """Rows of the timeline."""
    sent: Traffic
    received: Traffic
    findings: Mapping[Severity, int]
    """How many of each severity are at its rows."""

    @property
    def traffic(self) -> Traffic:
        """Of both ends."""
        return self.sent + self.received

    @property
    def per_second(self) -> float | None:
        """Messages a second, of both ends; None where it did not last for one: that says nothing of any other time."""
        return self.traffic.messages * 1e9 / self.lasted_ns if self.lasted_ns >= 1_000_000_000 else None


@dataclass(frozen=True, slots=True)
class NameStats:
    """All messages of one name that went one way. Its texts have at most `LONGEST_NAME` characters, as they came."""

    plane: Plane
    kind: Kind
    op: int | str | None
    event: str | None
    from_client: bool | None
    name: str
    """The event, the opcode's name, or what else it is."""
    count: int
    wire_bytes: int
    decoded_bytes: int
    """0 on the plane of media, where nothing is decoded."""
    largest_wire: int

    @property
    def mean_wire(self) -> float:
        """Bytes on the wire of one of them."""
        return self.wire_bytes / max(self.count, 1)


@dataclass(frozen=True, slots=True)
class HeartbeatStats:
    """Heartbeats of one connection, and how long they took until their ACKs, in nanoseconds."""

    connection: int
    plane: Plane
    sent: int
    answered: int
    """ACKs of which the heartbeat is known."""
    unanswered: int
    """Heartbeats that got no ACK; what a filter leaves out counts as well."""
    shortest_ns: int | None
    """None, as the others, where none was answered."""
    median_ns: int | None
    p95_ns: int | None
    """95 of 100 took no longer."""
    longest_ns: int | None
    outline: tuple[int, ...]
    """Round trips in order, for the eye: where there are many, every peak and every dip."""


@dataclass(frozen=True, slots=True)
class MediaStats:
    """One stream of voice packets. What no row tells is None, and texts are as they came."""

    connection: int
    from_client: bool | None
    ssrc: int | None
    user_id: str | None
    media: str | None
    """``audio``, ``video``, …"""
    codec: str | None
    rows: int
    packets: int | None
    bytes: int | None
    duration_ms: float | None
    """How long packets came, silences left out."""
    kbit_per_s: float | None
    lost: int | None
    reordered: int | None
    duplicates: int | None
    jitter_ms: float | None
    """The mean, each row as heavy as it has packets."""
    largest_jitter_ms: float | None

    @property
    def loss(self) -> float | None:
        """Which part of the packets was lost, 0 to 1."""
        if self.lost is None or self.packets is None or self.packets + self.lost == 0:
            return None
        return self.lost / (self.packets + self.lost)


@dataclass(frozen=True, slots=True)
class RuleStats:
    """What one rule noticed."""

    rule: str
    severity: Severity
    count: int
    first: int
    """Number of the first row."""


@dataclass(frozen=True, slots=True)
class Stats:
    """A recording in numbers: of all its rows, or of those that pass a filter."""

    filtered: bool
    began_ns: int
    """When the first row happened, in nanoseconds since the epoch; 0 where there is none."""
    ended_ns: int
    rows: int
    frames: int | None
    """WebSocket messages that were stored; None with a filter, which speaks of rows."""
    connections: tuple[ConnectionStats, ...]
    """In the order in which they were opened; with a filter, those that have rows."""
    names: tuple[NameStats, ...]
    """At most `MOST`, the largest first."""
    unnamed: int
    """Messages of further names."""
    heartbeats: tuple[HeartbeatStats, ...]
    """By connection; those without any are left out."""
    media: tuple[MediaStats, ...]
    """In the order in which they came up, at most `MOST`."""
    unheard: int
    """Rows of further streams."""
    rules: tuple[RuleStats, ...]
    """The worst first."""
    start_limits: tuple[StartLimit, ...]
    """What Discord told of session starts, the newest of each bot; whatever the filter."""
    measured: Measured
    """Traffic over time."""

    @property
    def sessions(self) -> int:
        """How many Discord sessions its connections belong to."""
        return len({connection.session for connection in self.connections if connection.session})

    @property
    def sent(self) -> Traffic:
        """What the clients sent."""
        return sum((connection.sent for connection in self.connections), Traffic())

    @property
    def received(self) -> Traffic:
        """What the servers sent."""
        return sum((connection.received for connection in self.connections), Traffic())


class Survey:
    """Counts one capture. Belongs to one thread, as `reader` does.

    `search` lets only the rows count that pass. `by` orders names: ``count`` or ``bytes``.
    """

    def __init__(self, reader: Reader, registry: Registry, search: Search | None = None, *, by: str = "count") -> None:
        self._reader = reader
        self._db = reader.db
        self._registry = registry
        self._search = search
        self._by = by

    def take(self, progress: Progress = lambda done, total: None) -> Stats:
        """Count it all. Raises CaptureError where the capture is damaged."""
        with explained(self._reader.path), self._one_moment():
            last = self._reader.last()
            checked = 0
            while checked < last:
                checked = self._reader.slice(checked, SLICE)
            ends = self._fetch(_ENDS_OF_ALL) if self._search is not None else []
            if self._search is not None:
                self._choose(self._search, last, progress)
            measured = self._measured(last, progress)
            ((began_ns, ended_ns),) = self._fetch(_SPAN)
            ends = ends or self._fetch(_ENDS)
            connections = tuple(self._connections({number: (int(first), int(end)) for number, first, end in ends}))
            names, unnamed = self._names(connections)
            streams, unheard = self._media()
            return Stats(
                filtered=self._search is not None,
                began_ns=began_ns,
                ended_ns=ended_ns,
                rows=sum(connection.rows for connection in connections),
                frames=self._frames() if self._search is None else None,
                connections=connections,
                names=names,
                unnamed=unnamed,
                heartbeats=tuple(self._heartbeats(measured, connections)),
                media=streams,
                unheard=unheard,
                rules=tuple(self._rules()),
                start_limits=tuple({limit.token: limit for limit in self._reader.start_limits()}.values()),
                measured=measured,
            )

    @contextmanager
    def _one_moment(self) -> Iterator[None]:
        """Let all queries see the same rows; what was put next to the capture meanwhile is gone afterwards."""
        self._db.execute("begin")
        try:
            yield
        finally:
            self._db.execute("rollback")

    def _fetch(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._db.execute(sql, values).fetchall()

    def _choose(self, search: Search, last: int, progress: Progress) -> None:
        """Let the table of events look as if it had only the rows that pass."""
        self._db.execute("create temp table chosen (id integer primary key)")
        for step in search.numbers(self._reader, 0, last):
            self._db.executemany("insert into chosen values (?)", ((number,) for number in step.found))
            progress(step.done, 2 * last)
        # An older capture has a view already, which fills in the columns that it lacks.
        view = self._fetch("select sql from temp.sqlite_master where type = 'view' and name = 'event'")
        whole = view[0][0].partition(" as ")[2] if view else "select * from main.event"
        self._db.execute("drop view if exists temp.event")
        # Looked up row by row: with `in`, each slice of the rows would go through all that were chosen.
        chosen = "exists (select 1 from temp.chosen where chosen.id = event.id)"
        self._db.execute(f"create temp view event as {whole} where {chosen}")

    def _measured(self, last: int, progress: Progress) -> Measured:
        # The rows are looked at once; what else is asked of them is asked of their groups, of which there are few.
        self._db.execute(f"create temp table tally ({GROUP_COLUMNS})")
        places = ", ".join("?" * len(GROUP_COLUMNS.split(",")))
        insert = f"insert into temp.tally values ({places})"
        measures = Measures(self._reader, lambda groups: self._db.executemany(insert, groups))
        # To find the rows that pass was the first half.
        before, total = (0, last) if self._search is None else (last, 2 * last)
        while measures.advance():
            progress(before + measures.counted, total)
        return measures.snapshot()

    def _frames(self) -> int:
        return int(self._fetch("select count(*) from frame where kind = 0")[0][0])

    def _connections(self, ends: Mapping[int, tuple[int, int]]) -> Iterator[ConnectionStats]:
        rows: Counter[int] = Counter()
        traffic: dict[tuple[int, bool], Traffic] = {}
        for number, from_client, count, *sums in self._fetch(_TRAFFIC):
            rows[number] += int(count)
            side = number, bool(from_client)
            traffic[side] = traffic.get(side, Traffic()) + Traffic(*map(int, sums))
        noticed: dict[int, dict[Severity, int]] = {}
        for number, severity, count in self._fetch(_NOTICED):
            if severity in _SEVERITIES:
                noticed.setdefault(number, {})[_SEVERITIES[severity]] = int(count)
        known = {connection.id: connection for connection in self._reader.connections()}
        for number in rows:
            if number not in known:
                known[number] = unknown_connection(number)
        for number in sorted(known):
            if self._search is not None and not rows[number]:
                continue
            yield self._connection(
                known[number],
                ends.get(number),
                rows[number],
                traffic.get((number, True), Traffic()),
                traffic.get((number, False), Traffic()),
                noticed.get(number, {}),
            )

    def _connection(
        self,
        connection: Connection,
        ends: tuple[int, int] | None,
        rows: int,
        sent: Traffic,
        received: Traffic,
        findings: Mapping[Severity, int],
    ) -> ConnectionStats:
        opened, closed = connection.opened, connection.closed
        first_ns, last_ns = ends or (int(opened.at_ns), int(opened.at_ns))
        # Of a connection that no table knows, only its rows tell when it was.
        opened_ns = int(opened.at_ns) or first_ns
        ended_ns = last_ns if closed is None else int(closed.at_ns)
        code = close_code(connection)
        if closed is not None:
            closed = replace(closed, code=code, by=closed.by if closed.by in _SIDES else None)
        return ConnectionStats(
            id=opened.connection,
            plane=opened.plane,
            host=address_of(opened.url),
            # A column may hold anything in a file that someone else made.
            version=connection.version if isinstance(connection.version, int) else None,
            encoding=_text(connection.encoding),
            compression=_text(connection.compression),
            session=_text(connection.session),
            shard=_text(connection.shard),
            parent=connection.parent if isinstance(connection.parent, int) else None,
            dave=_text(connection.dave),
            refusal=_text(opened.refusal),
            opened_ns=opened_ns,
            lasted_ns=max(ended_ns - opened_ns, 0),
            closed=closed,
            close_name=self._registry.close_name(opened.plane, code, closed.by if closed else None),
            rows=rows,
            sent=sent,
            received=received,
            findings=findings,
        )

    def _names(self, connections: Sequence[ConnectionStats]) -> tuple[tuple[NameStats, ...], int]:
        found = []
        for plane, kind, op, event, from_client, *numbers in self._fetch(
            f"{_NAMES} order by {_ORDERS[self._by]}, 1, 2, 3, 4, 5 limit {MOST}"
        ):
            plane, kind = _PLANES.get(plane, Plane.GATEWAY), _KINDS.get(kind, Kind.UNDECODED)
            op, event = op if isinstance(op, int | str) else None, event if isinstance(event, str) else None
            name = name_of(plane, kind, op, event, self._registry)
            side = None if from_client is None else bool(from_client)
            found.append(NameStats(plane, kind, op, event, side, name, *map(int, numbers)))
        total = sum(connection.traffic.messages for connection in connections)
        return tuple(found), total - sum(each.count for each in found)

    def _heartbeats(self, measured: Measured, connections: Sequence[ConnectionStats]) -> Iterator[HeartbeatStats]:
        sent = {number: (int(count), int(unanswered)) for number, count, unanswered in self._fetch(_SENT_HEARTBEATS)}
        answered = {trips.connection: trips for trips in measured.round_trips}
        for connection in connections:
            count, unanswered = sent.get(connection.id, (0, 0))
            trips = answered.get(connection.id)
            # Of heartbeats whose ACKs came and do not pass the filter there is nothing to tell.
            if unanswered or trips is not None:
                yield _heartbeats(connection, count, unanswered, trips)

    def _media(self) -> tuple[tuple[MediaStats, ...], int]:
        streams: dict[tuple[int, int | None, int | None], _Stream] = {}
        payload = self._reader.payload
        unheard = after = 0
        while found := self._fetch(_PACKETS, after):
            after = found[-1][0]
            for number, connection, from_client, encoding, user_id in found:
                data = payload(number) if encoding else None
                d = None
                if data is not None:
                    d = body(data, Plane.MEDIA, encoding, from_client=bool(from_client), version=None)
                said = d if isinstance(d, dict) else {}
                ssrc = _amount(said.get("ssrc"))
                key = connection, from_client, ssrc if ssrc is not None and ssrc < 2**32 else None
                if key not in streams and len(streams) >= MOST:
                    unheard += 1
                    continue
                streams.setdefault(key, _Stream(user_id=_word(id_of(user_id)))).add(said)
        return tuple(stream.view(*key) for key, stream in streams.items()), unheard

    def _rules(self) -> Iterator[RuleStats]:
        for rule, severity, count, first in self._fetch(_RULES):
            yield RuleStats(str(rule), _SEVERITIES.get(severity, Severity.INFO), int(count), int(first))


def _heartbeats(of: ConnectionStats, sent: int, unanswered: int, trips: RoundTrips | None) -> HeartbeatStats:
    number, plane = of.id, of.plane
    if trips is None:
        return HeartbeatStats(number, plane, sent, 0, unanswered, None, None, None, None, ())
    took = sorted(trips.lasted_ns)
    p95 = took[ceil(len(took) * 0.95) - 1]
    outline = tuple(ns for _, ns in trips.outline)
    times = took[0], trips.median_ns, p95, trips.longest_ns
    return HeartbeatStats(number, plane, sent, trips.count, unanswered, *times, outline)


@dataclass(slots=True)
class _Stream:
    """What the rows of one stream have told so far."""

    user_id: str | None = None
    media: str | None = None
    codec: str | None = None
    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    duration_ms: float | None = None
    timed_bytes: int = 0
    """Bytes of the rows that say how long they took."""
    jitters: float = 0.0
    """Sum of each row's jitter times its packets."""
    jitter_packets: int = 0
    largest_jitter_ms: float | None = None

    def add(self, said: Mapping[str, Any]) -> None:
        self.rows += 1
        self.user_id = _word(said.get("user_id")) or self.user_id
        self.media = _word(said.get("media")) or self.media
        self.codec = _word(said.get("codec")) or self.codec
        for key in ("packets", "bytes", "lost", "reordered", "duplicates"):
            count = _amount(said.get(key))
            if count is not None:
                # A key that is there with 0 tells something too.
                self.counts[key] += count
        duration = _quantity(said.get("duration_ms"))
        if duration is not None:
            self.duration_ms = (self.duration_ms or 0.0) + duration
            # A row of one packet takes no time, and would only make the others look denser.
            self.timed_bytes += (_amount(said.get("bytes")) or 0) if duration > 0 else 0
        jitter = _quantity(said.get("jitter_ms"))
        if jitter is not None:
            packets = _amount(said.get("packets")) or 1
            self.jitters += jitter * packets
            self.jitter_packets += packets
            self.largest_jitter_ms = max(self.largest_jitter_ms or 0.0, jitter)

    def view(self, connection: int, from_client: int | None, ssrc: int | None) -> MediaStats:
        return MediaStats(
            connection=connection,
            from_client=None if from_client is None else bool(from_client),
            ssrc=ssrc,
            user_id=self.user_id,
            media=self.media,
            codec=self.codec,
            rows=self.rows,
            packets=self.counts.get("packets"),
            bytes=self.counts.get("bytes"),
            duration_ms=self.duration_ms,
            # Bytes over milliseconds are kilobytes a second.
            kbit_per_s=self.timed_bytes * 8 / self.duration_ms if self.duration_ms and self.timed_bytes else None,
            lost=self.counts.get("lost"),
            reordered=self.counts.get("reordered"),
            duplicates=self.counts.get("duplicates"),
            jitter_ms=self.jitters / self.jitter_packets if self.jitter_packets else None,
            largest_jitter_ms=self.largest_jitter_ms,
        )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _amount(value: Any) -> int | None:
    """Return a number of things, None for anything else."""
    number = _quantity(value)
    return None if number is None else int(number)


def _quantity(value: Any) -> float | None:
    """Return a measure that is not below 0, None for anything else, what is not finite among it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        return None
    return value


def _word(value: Any) -> str | None:
    """Return a text, or the digits of an id; None for anything else."""
    if isinstance(value, str):
        return value[:LONGEST_NAME] or None
    if isinstance(value, int) and not isinstance(value, bool) and number_of(value) is not None:
        return str(value)
    return None
