"""What there is to plot of a capture: traffic over time, round trips of heartbeats, and the mix of events.

All of it comes from the narrow rows of events, counted by SQLite a slice at a time: a capture that grows costs only
what is new, and what comes out is the same however it was sliced. Everything that is kept has a bound, as the wire may
claim any time and any name.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from statistics import median
from typing import Any

from inspector.analysis.beats import IS_ROUND_TRIP
from inspector.model import Kind, Plane
from inspector.protocol.registry import Registry
from inspector.store.reader import Reader, explained

# Rows of a slice: some 25 ms of work.
SLICE = 10_000
# Nanoseconds of the narrowest bucket, 1/512 s; each next width is twice the last, so that one of them is a second.
NARROWEST = 1_953_125
# Buckets over time; when there would be more, each two become one.
MOST_BUCKETS = 4_000
# Round trips kept of each connection; when there would be more, every other one goes.
MOST_ROUND_TRIPS = 10_000
# Round trips of each connection that are drawn.
OUTLINE = 500
# Names of events and opcodes that are counted apart. Discord has about a hundred.
MOST_TALLIES = 500
# Characters of a name. Discord's are shorter; longer ones that begin alike are counted as one.
LONGEST_NAME = 80
# Sizes that are distinguished: the last counts what has 1 GiB and more.
SIZES = 31

# The last minute is also counted in steps of 1/16 s, so that the rate of now does not get coarse with time.
_STEP = 62_500_000
_STEPS_PER_SECOND = 16
_RECENT_SECONDS = 64
_RECENT_ROUND_TRIPS = 64

Group = tuple[Any, ...]
"""Rows that have the same key: values of `GROUP_COLUMNS`."""

_PLANES = {plane.value: plane for plane in Plane}
_KINDS = {kind.value: kind for kind in Kind}


def _magnitude(low: int = 0, high: int = SIZES - 1) -> str:
    """Return SQL for the power of two that ``wire_bytes`` has reached, by halving: SQLite may lack logarithms."""
    if low == high:
        return str(low)
    middle = (low + high + 1) // 2
    below, above = _magnitude(low, middle - 1), _magnitude(middle, high)
    return f"case when wire_bytes < {1 << middle} then {below} else {above} end"


# Opening and closing is not a message.
_NO_MESSAGES = ("open", "close", "gap")
IS_MESSAGE = f"kind not in {_NO_MESSAGES}"
"""SQL: whether a row of `event` is a message."""
_MESSAGES = f"from event where id > ?1 and id <= ?2 and {IS_MESSAGE}"
# Times before 1970 are nonsense that only a made-up file has.
_OVER_TIME = f"""
    select max(at, 0) / ?3, from_client = 1, count(*), sum(wire_bytes), sum(decoded_bytes)
    {_MESSAGES} group by 1, 2"""
_FIRST, _LAST = (f"select max(at, 0) {_MESSAGES} order by id {order} limit 1" for order in ("asc", "desc"))
_LAST_OF_ALL = f"select max(at, 0) from event where {IS_MESSAGE} order by id desc limit 1"
_RECENT = f"select max(at, 0) / {_STEP}, count(*) {_MESSAGES.replace('where', 'where at >= ?3 and')} group by 1"
# All that is counted of a slice is counted in one go. The shortest key first: it spares most comparisons of text.
GROUP_COLUMNS = (
    "size, event, op, from_client, connection, plane, kind, count, wire_bytes, decoded_bytes, largest_wire,"
    " largest_decoded, first, begin, end"
)
"""What a group of rows has, in SQL's order: its key, of which `size` is the power of two that its bytes on the wire
have reached; how many rows they are; sums and the largest of their bytes; the number of the first; when the earliest
and the latest happened."""
COUNTED = "id, connection, at, plane, kind, from_client, op, event, wire_bytes, decoded_bytes, answers, latency"
"""The columns of `event` that are counted, here and in `inspector.analysis.stats`."""
_GROUPS = f"""
    select {_magnitude()}, event, op, from_client, connection, plane, kind,
        count(*), sum(wire_bytes), sum(decoded_bytes), max(wire_bytes), max(decoded_bytes), min(id) as first,
        min(at), max(at)
    from event where id > ?1 and id <= ?2 group by 1, 2, 3, 4, 5, 6, 7 order by first"""
_ROUND_TRIPS = f"select connection, at, latency from event where id > ? and id <= ? and {IS_ROUND_TRIP} order by id"


@dataclass(frozen=True, slots=True)
class Volume:
    """What passed in some stretch of time, by who sent it."""

    sent: int = 0
    """Messages of the client."""
    sent_wire: int = 0
    """Their bytes on the wire."""
    sent_decoded: int = 0
    """And once decoded."""
    received: int = 0
    received_wire: int = 0
    received_decoded: int = 0


@dataclass(frozen=True, slots=True)
class Columns:
    """Traffic over time, in equal steps without gaps."""

    start_ns: int
    """When the first step begins, in nanoseconds since the epoch."""
    width_ns: int
    """How long each of them takes."""
    volumes: Sequence[Volume]


@dataclass(frozen=True, slots=True)
class NameTally:
    """All messages of one name. Its texts are as they came: anyone who shows them makes them inert."""

    plane: Plane
    kind: Kind
    op: int | str | None
    event: str | None
    """None where the opcode says it all; `op` and it have at most `LONGEST_NAME` characters."""
    count: int
    wire_bytes: int
    decoded_bytes: int
    largest_wire: int
    largest_decoded: int
    sizes: tuple[int, ...]
    """How many have 2**i bytes on the wire or more, but less than 2**(i + 1); `SIZES` of them."""


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """How long the heartbeats of one connection took until their ACKs, as stored with those."""

    connection: int
    at_ns: Sequence[int]
    """When the ACKs came, nanoseconds since the epoch; evenly thinned out, where there are many."""
    lasted_ns: Sequence[int]
    outline: tuple[tuple[int, int], ...]
    """The same for the eye: at most `OUTLINE` of them, with every peak and every dip among those kept."""
    count: int
    """How many there were."""
    longest_ns: int
    """The longest of them all."""
    median_ns: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What has been measured so far. Never changes, so threads may hand it to each other."""

    counted: int = 0
    """Rows of the timeline that have been looked at: all up to this number."""
    last: int = 0
    """Rows there are."""
    bucket_ns: int = NARROWEST
    """How long a bucket takes."""
    buckets: Mapping[int, Volume] = field(default_factory=dict)
    """Traffic by time: bucket i begins at ``i * bucket_ns``. Those in which nothing passed are left out."""
    tallies: tuple[NameTally, ...] = ()
    """Names, in the order in which they came up."""
    rest: int = 0
    """Messages of further names, when there were `MOST_TALLIES` already."""
    round_trips: tuple[RoundTrips, ...] = ()
    """By connection."""

    @property
    def total(self) -> Volume:
        """All of the traffic."""
        return _sum(self.buckets.values())

    def columns(self, room: int) -> Columns:
        """Return the traffic from first to last in at most `room` steps, of as many buckets each as that takes."""
        if not self.buckets:
            return Columns(0, self.bucket_ns, ())
        first, last = min(self.buckets), max(self.buckets)
        each = -(-(last - first + 1) // max(room, 1))
        groups: list[list[Volume]] = [[] for _ in range((last - first) // each + 1)]
        for bucket, volume in self.buckets.items():
            groups[(bucket - first) // each].append(volume)
        return Columns(first * self.bucket_ns, each * self.bucket_ns, tuple(map(_sum, groups)))


def name_of(plane: Plane, kind: Kind, op: int | str | None, event: str | None, registry: Registry) -> str:
    """Return what messages are called, as it came: their event, their opcode's name, or what else they are."""
    if kind is Kind.CONTROL:
        return event or "control"
    return kind.value if kind is not Kind.PAYLOAD else event or registry.name(plane, op)


class Measures:
    """Measures a capture, as far as it goes. Belongs to one thread, as `reader` does; its snapshots do not.

    `take_groups` is given the rows of each slice, grouped, as tuples of `GROUP_COLUMNS`, opens and closes among them.
    """

    def __init__(self, reader: Reader, take_groups: Callable[[Sequence[Group]], object] | None = None) -> None:
        self._reader = reader
        self._take_groups = take_groups
        self._counted = self._last = 0
        self._first_ns: int | None = None
        self._last_ns = 0
        self._bucket_ns = NARROWEST
        self._buckets: dict[int, list[int]] = {}
        self._recent: dict[int, int] = {}
        self._tallies: dict[tuple[Plane, Kind, int | str | None, str | None], _Tally] = {}
        self._rest = 0
        self._trips: dict[int, _Trips] = {}
        self._latest: deque[int] = deque(maxlen=_RECENT_ROUND_TRIPS)

    @property
    def counted(self) -> int:
        """Rows that have been looked at."""
        return self._counted

    def advance(self, limit: int = SLICE) -> bool:
        """Look at no more than `limit` further rows, and say whether there are more.

        Raises CaptureError where the capture is damaged.
        """
        with explained(self._reader.path):
            return self._advance(limit)

    def snapshot(self) -> Measured:
        """Return what has been measured so far."""
        return Measured(
            self._counted,
            self._last,
            self._bucket_ns,
            {bucket: Volume(*counts) for bucket, counts in self._buckets.items()},
            tuple(tally.view(*key) for key, tally in self._tallies.items()),
            self._rest,
            tuple(self._trips[number].view(number) for number in sorted(self._trips)),
        )

    def rate(self, now_ns: int) -> float:
        """Return the messages of the second before `now_ns`, in nanoseconds since the epoch."""
        return float(self._passed(now_ns // _STEP))

    def rate_history(self, count: int, now_ns: int | None = None) -> list[int]:
        """Return the messages of each of the last `count` seconds, at most a minute, the newest last.

        They end at `now_ns`, or with the last message.
        """
        if now_ns is None:
            now_ns = (max(self._recent, default=0) + 1) * _STEP
        seconds = range(min(count, _RECENT_SECONDS - 1))
        return [self._passed(now_ns // _STEP - second * _STEPS_PER_SECOND) for second in reversed(seconds)]

    def round_trips(self, connection: int | None, count: int) -> list[float]:
        """Return the milliseconds of the last round trips of a connection, or of any: at most `count`, at most 64."""
        if connection is None:
            found: Iterable[int] = self._latest
        else:
            found = self._trips[connection].latest if connection in self._trips else ()
        return [took / 1e6 for took in found][-count:] if count > 0 else []

    def _passed(self, step: int) -> int:
        """Return the messages of the second before a step."""
        return sum(self._recent.get(step - before, 0) for before in range(1, _STEPS_PER_SECOND + 1))

    def _advance(self, limit: int) -> bool:
        self._last = self._reader.last()
        after, upto = self._counted, self._reader.slice(self._counted, limit, COUNTED)
        if upto > after:
            groups = self._reader.db.execute(_GROUPS, (after, upto)).fetchall()
            newest_ns = self._count_over_time(after, upto)
            if self._is_recent(groups):
                self._count_recent(after, upto, newest_ns)
            self._count_mix(groups)
            self._take_round_trips(after, upto)
            if self._take_groups is not None:
                self._take_groups(groups)
            self._counted = upto
        return self._counted < self._last

    def _count_over_time(self, after: int, upto: int) -> int:
        """Add to the buckets, and return when the last message passed."""
        db = self._reader.db
        first, last = (db.execute(sql, (after, upto)).fetchone() for sql in (_FIRST, _LAST))
        if first is None:
            return 0
        # The ends tell how wide buckets have to be at least: so SQLite makes fewer.
        self._reach(int(first[0]))
        self._reach(int(last[0]))
        for bucket, from_client, *counts in db.execute(_OVER_TIME, (after, upto, self._bucket_ns)).fetchall():
            into = self._buckets.setdefault(int(bucket), [0] * 6)
            _add(into, [*counts, 0, 0, 0] if from_client else [0, 0, 0, *counts])
        # Rows need not be in order of time.
        self._reach(min(self._buckets) * self._bucket_ns)
        self._reach(max(self._buckets) * self._bucket_ns)
        return int(last[0])

    def _reach(self, at_ns: int) -> None:
        """Let the buckets reach as far as that, and get as wide as it takes."""
        self._first_ns = at_ns if self._first_ns is None else min(self._first_ns, at_ns)
        self._last_ns = max(self._last_ns, at_ns)
        while self._last_ns // self._bucket_ns - self._first_ns // self._bucket_ns >= MOST_BUCKETS:
            self._bucket_ns *= 2
            halved: dict[int, list[int]] = {}
            for bucket, counts in self._buckets.items():
                _add(halved.setdefault(bucket // 2, [0] * 6), counts)
            self._buckets = halved

    def _is_recent(self, groups: Iterable[Group]) -> bool:
        """Return whether some of these rows may be among those of the last minute, once all rows are counted."""
        last = self._reader.db.execute(_LAST_OF_ALL).fetchone()
        latest_ns = max((int(group[-1]) for group in groups), default=0)
        return last is not None and latest_ns // _STEP > int(last[0]) // _STEP - _RECENT_SECONDS * _STEPS_PER_SECOND

    def _count_recent(self, after: int, upto: int, newest_ns: int) -> None:
        kept = _RECENT_SECONDS * _STEPS_PER_SECOND
        newest = max([newest_ns // _STEP, *self._recent])
        for step, count in self._reader.db.execute(_RECENT, (after, upto, (newest - kept) * _STEP)).fetchall():
            self._recent[int(step)] = self._recent.get(int(step), 0) + int(count)
        newest = max(self._recent, default=0)
        for step in [step for step in self._recent if step <= newest - kept]:
            del self._recent[step]

    def _count_mix(self, groups: Iterable[Group]) -> None:
        for size, event, op, _, _, plane, kind, count, *sizes, _, _, _ in groups:
            if kind in _NO_MESSAGES:
                continue
            key = (
                _PLANES.get(plane, Plane.GATEWAY),
                _KINDS.get(kind, Kind.UNDECODED),
                op[:LONGEST_NAME] if isinstance(op, str) else op if isinstance(op, int) else None,
                event[:LONGEST_NAME] if isinstance(event, str) else None,
            )
            tally = self._tallies.get(key)
            if tally is None:
                if len(self._tallies) >= MOST_TALLIES:
                    self._rest += int(count)
                    continue
                tally = self._tallies[key] = _Tally()
            tally.add(int(size), int(count), *map(int, sizes))

    def _take_round_trips(self, after: int, upto: int) -> None:
        for number, at_ns, latency in self._reader.db.execute(_ROUND_TRIPS, (after, upto)).fetchall():
            trips = self._trips.get(number)
            if trips is None:
                trips = self._trips[int(number)] = _Trips()
            lasted_ns = max(int(latency), 0)
            trips.add(int(at_ns), lasted_ns)
            self._latest.append(lasted_ns)


@dataclass(slots=True)
class _Tally:
    """What has been counted under one name."""

    count: int = 0
    wire_bytes: int = 0
    decoded_bytes: int = 0
    largest_wire: int = 0
    largest_decoded: int = 0
    sizes: list[int] = field(default_factory=lambda: [0] * SIZES)

    def add(self, size: int, count: int, wire: int, decoded: int, largest_wire: int, largest_decoded: int) -> None:
        self.count += count
        self.wire_bytes += wire
        self.decoded_bytes += decoded
        self.largest_wire = max(self.largest_wire, largest_wire)
        self.largest_decoded = max(self.largest_decoded, largest_decoded)
        self.sizes[size] += count

    def view(self, plane: Plane, kind: Kind, op: int | str | None, event: str | None) -> NameTally:
        largest = self.largest_wire, self.largest_decoded
        return NameTally(
            plane, kind, op, event, self.count, self.wire_bytes, self.decoded_bytes, *largest, tuple(self.sizes)
        )


@dataclass(slots=True)
class _Trips:
    """The round trips of one connection."""

    latest: deque[int] = field(default_factory=lambda: deque(maxlen=_RECENT_ROUND_TRIPS))
    at_ns: "array[int]" = field(default_factory=lambda: array("q"))
    lasted_ns: "array[int]" = field(default_factory=lambda: array("q"))
    count: int = 0
    longest_ns: int = 0
    stride: int = 1
    """One of so many is kept."""
    shown: RoundTrips | None = None
    """What the last snapshot had, as long as it holds."""

    def add(self, at_ns: int, lasted_ns: int) -> None:
        self.latest.append(lasted_ns)
        self.longest_ns = max(self.longest_ns, lasted_ns)
        if self.count % self.stride == 0:
            self.at_ns.append(at_ns)
            self.lasted_ns.append(lasted_ns)
            if len(self.at_ns) > MOST_ROUND_TRIPS:
                self.at_ns, self.lasted_ns = self.at_ns[::2], self.lasted_ns[::2]
                self.stride *= 2
        self.count += 1
        self.shown = None

    def view(self, number: int) -> RoundTrips:
        if self.shown is None:
            middle = int(median(self.lasted_ns))
            at_ns, lasted_ns = self.at_ns[:], self.lasted_ns[:]
            outline = tuple(_outline(list(zip(at_ns, lasted_ns, strict=True))))
            self.shown = RoundTrips(number, at_ns, lasted_ns, outline, self.count, self.longest_ns, middle)
        return self.shown


def _outline(points: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the highest and the lowest of each few points, where there are many."""
    if len(points) <= OUTLINE:
        yield from points
        return
    each = -(-len(points) * 2 // OUTLINE)
    for start in range(0, len(points), each):
        few = points[start : start + each]
        yield max(few, key=itemgetter(1))
        yield min(few, key=itemgetter(1))


def _add(into: list[int], counts: Iterable[Any]) -> None:
    for at, count in enumerate(counts):
        into[at] += int(count)


def _sum(volumes: Iterable[Volume]) -> Volume:
    total = [0] * 6
    for each in volumes:
        total[0] += each.sent
        total[1] += each.sent_wire
        total[2] += each.sent_decoded
        total[3] += each.received
        total[4] += each.received_wire
        total[5] += each.received_decoded
    return Volume(*total)
