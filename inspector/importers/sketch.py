"""What is remembered of a connection to find it again in another recording, and what two of them differ in.

A message is a hash of its bytes, or where two programs wrote it down in two forms, of what it says. That of a
million messages fits in some megabytes.
"""

from array import array
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from inspector.model import Closed, Frame, Knows, Mark, Opened, Payload, Plane, Undecoded
from inspector.protocol.ops import GatewayOp
from inspector.protocol.registry import Registry
from inspector.session.messages import secret
from inspector.session.redact import is_lost
from inspector.wire.decoder import Decoder

# Messages of a direction that are remembered.
MOST = 100_000
# Bytes of a message of the server that hardly comes twice. An ACK in JSON has up to 36.
_DISTINCTIVE = 40
# Of the first of these all are anchors, later one in so many: which is told by its hash, so that recordings choose the
# same ones.
_FIRST, _ONE_IN = 32, 64
# Messages of a connection among which it is looked for the session.
_OF_BEGINNING = 12
# Levels of a value that are compared.
_DEEPEST = 40
_UNSEEN = Mark.REDACTED | Mark.WITHHELD


@dataclass(slots=True)
class Side:
    """What one end said."""

    hashes: "array[int]" = field(default_factory=lambda: array("q"))
    times: "array[int]" = field(default_factory=lambda: array("q"))
    labels: list[str] = field(default_factory=list)
    """What each is called, where they were decoded."""
    masked: set[int] = field(default_factory=set)
    """Places of those of which not all bytes are known, so that they may equal any of another program's."""
    total: int = 0

    def add(
        self, hash_: int, at_ns: int, *, is_masked: bool = False, label: str = "", is_remembered: bool = True
    ) -> None:
        """Remember one more, where there is room."""
        self.total += 1
        if len(self.hashes) >= MOST or not is_remembered:
            return
        if is_masked:
            self.masked.add(len(self.hashes))
        self.hashes.append(hash_)
        self.times.append(at_ns)
        if label:
            self.labels.append(label)


class Sketch:
    """What is remembered of one connection."""

    def __init__(self, place: int, opened: Opened) -> None:
        self.place = place
        """Which of the inputs it is in."""
        self.opened = opened
        self.client, self.server = Side(), Side()
        self.anchors: dict[Hashable, int] = {}
        """What hardly any other connection has, each with the time it has."""
        self._common: set[int] = set()
        """What would be one, but came twice."""
        self.closed: Closed | None = None
        self._beginning: Decoder | None = None
        if opened.plane is Plane.GATEWAY:
            self._beginning = Decoder(opened.plane, opened.url, joined_late=opened.joined_late)

    @property
    def messages(self) -> int:
        """How many messages it has."""
        return self.client.total + self.server.total

    @property
    def ends_ns(self) -> int:
        """When the last was said that is remembered."""
        return max(self.opened.at_ns, *(side.times[-1] for side in (self.client, self.server) if side.times), 0)

    def add(self, frame: Frame, *, is_remembered: bool = True) -> None:
        """Take in a message. `is_remembered`: there is room for it."""
        hash_ = hash(frame.data)
        is_masked = frame.marks is not Mark.NONE and bool(frame.marks & _UNSEEN)
        side = self.client if frame.from_client else self.server
        # The first thing a server says is much the same on any connection.
        may_be_rare = side is self.server and side.total and len(frame.data) >= _DISTINCTIVE and not is_masked
        if may_be_rare and (side.total < _FIRST or hash_ % _ONE_IN == 0):
            self.anchor(hash_, frame.at_ns)
        side.add(hash_, frame.at_ns, is_masked=is_masked, is_remembered=is_remembered)
        if self._beginning is not None:
            for reading in self._beginning.receive(frame):
                session = _session_in(reading.what, from_client=frame.from_client)
                if session is not None:
                    self.anchors[session] = frame.at_ns
                    self._beginning = None
            if self.messages >= _OF_BEGINNING:
                self._beginning = None

    def anchor(self, hash_: int, at_ns: int) -> None:
        """Take a message for rare, unless it comes twice."""
        if hash_ in self._common or self.anchors.pop(hash_, None) is not None:
            self._common.add(hash_)
        else:
            self.anchors[hash_] = at_ns

    def forget_stream(self) -> None:
        """Give up the compression context and its memory: no session is looked for any more."""
        self._beginning = None


class Reread:
    """The same connection once more, by what its messages say."""

    def __init__(self, sketch: Sketch, registry: Registry) -> None:
        opened = sketch.opened
        self.sketch = Sketch(sketch.place, opened)
        self.sketch.closed = sketch.closed
        self.sketch.anchors = {anchor: at_ns for anchor, at_ns in sketch.anchors.items() if isinstance(anchor, tuple)}
        self._registry = registry
        self._decoder = Decoder(opened.plane, opened.url, joined_late=opened.joined_late)

    def add(self, frame: Frame, *, is_remembered: bool = True) -> None:
        """Take in a message. `is_remembered`: there is room for it."""
        side = self.sketch.client if frame.from_client else self.sketch.server
        for reading in self._decoder.receive(frame):
            what = reading.what
            if isinstance(what, Undecoded):
                # It may be anything.
                side.add(0, frame.at_ns, is_masked=True, label="undecoded", is_remembered=is_remembered)
            else:
                # Every program masks a token in its own way.
                is_secret = frame.from_client and what.op in (GatewayOp.IDENTIFY, GatewayOp.RESUME)
                hash_ = hash((what.op, what.event, what.seq, 0 if is_secret else _meaning(what.d)))
                is_masked = bool(frame.marks & _UNSEEN) and not is_secret
                name = self._name(what)
                if what.seq is not None and (side.total < _FIRST or hash_ % _ONE_IN == 0):
                    self.sketch.anchor(hash_, frame.at_ns)
                side.add(hash_, frame.at_ns, is_masked=is_masked, label=name, is_remembered=is_remembered)

    def forget_stream(self) -> None:
        """Give up the compression context and its memory. What comes after that is not read."""
        self._decoder.let_go()

    def _name(self, payload: Payload) -> str:
        if payload.event is None:
            return self._registry.name(self.sketch.opened.plane, payload.op)
        row = self._registry.event(payload.event)
        return "unknown events" if row is None else row.name


@dataclass(frozen=True, slots=True)
class Difference:
    """Places of messages that only one of two recordings of a connection has, first those of the client."""

    ours: tuple[Sequence[int], Sequence[int]]
    theirs: tuple[Sequence[int], Sequence[int]]

    @property
    def only_ours(self) -> int:
        """How many of them the first has."""
        return sum(map(len, self.ours))

    @property
    def only_theirs(self) -> int:
        """How many of them the other has."""
        return sum(map(len, self.theirs))


def is_of_wire(opened: Opened) -> bool:
    """Return whether a recording surely has the bytes of a connection; else it may be a log."""
    return bool(opened.knows & Knows.WIRE)


def difference(ours: Sketch, theirs: Sketch) -> Difference:
    """Return what two recordings of a connection differ in, as far as both can know of it."""
    client, server = _apart(ours.client, theirs.client), _apart(ours.server, theirs.server)
    mine = client[0] if theirs.opened.knows & Knows.BOTH_SIDES else ()
    others = client[1] if ours.opened.knows & Knows.BOTH_SIDES else ()
    return Difference((mine, server[0]), (others, server[1]))


def _apart(ours: Side, theirs: Side) -> tuple[Sequence[int], Sequence[int]]:
    """Return the places of messages that have no counterpart."""
    lengths = len(ours.hashes), len(theirs.hashes)
    if ours.total > lengths[0] or theirs.total > lengths[1]:
        # Of one at least the end is not remembered.
        lengths = (min(lengths),) * 2
    start, shorter = 0, min(lengths)
    while start < shorter and _is_like(ours, start, theirs, start):
        start += 1
    ends = lengths
    while min(ends) > start and _is_like(ours, ends[0] - 1, theirs, ends[1] - 1):
        ends = ends[0] - 1, ends[1] - 1
    mine, others = (
        _without(a, range(start, a_end), b, range(start, b_end))
        for a, a_end, b, b_end in ((ours, ends[0], theirs, ends[1]), (theirs, ends[1], ours, ends[0]))
    )
    return _cancelled(mine, ours.masked, others, theirs.masked)


def _is_like(ours: Side, place: int, theirs: Side, other: int) -> bool:
    return ours.hashes[place] == theirs.hashes[other] or (place in ours.masked) is not (other in theirs.masked)


def _without(side: Side, span: range, other: Side, other_span: range) -> list[int]:
    """Return the places in `side` of what the other does not have, or not as often."""
    left = Counter(islice(other.hashes, other_span.start, other_span.stop))
    alone = []
    for place in span:
        hash_ = side.hashes[place]
        if left[hash_] > 0:
            left[hash_] -= 1
        else:
            alone.append(place)
    return alone


def _cancelled(
    ours: list[int], our_masked: set[int], theirs: list[int], their_masked: set[int]
) -> tuple[list[int], list[int]]:
    """Take out pairs of which one was masked by its recorder: it stands for whatever the other has."""
    for some, masked, others, others_masked in (
        (ours, our_masked, theirs, their_masked),
        (theirs, their_masked, ours, our_masked),
    ):
        if masked:
            mine = [place for place in some if place in masked]
            other = [place for place in others if place not in others_masked]
            pairs = min(len(mine), len(other))
            some[:] = sorted({*some}.difference(mine[:pairs]))
            others[:] = sorted({*others}.difference(other[:pairs]))
    return ours, theirs


def _meaning(value: Any, level: int = 0) -> int:
    """Return a hash of a value that is the same in JSON and in ETF, where ids are numbers, whatever order keys have."""
    if level == _DEEPEST:
        return 0
    match value:
        case dict():
            return hash(frozenset((str(key), _meaning(each, level + 1)) for key, each in value.items()))
        case list() | tuple():
            return hash(tuple(_meaning(each, level + 1) for each in value))
    return hash(str(value))


def _session_in(what: Payload | Undecoded, *, from_client: bool) -> Hashable | None:
    """Return by what a payload tells a connection from any other: it made a session, or went on with it."""
    d = what.d if isinstance(what, Payload) else None
    if isinstance(what, Undecoded) or not isinstance(d, dict):
        return None
    session = secret(d.get("session_id"))
    if session is None or is_lost(session):
        return None
    if from_client and what.op == GatewayOp.RESUME:
        seq = d.get("seq")
        return "resume", session, seq if type(seq) is int else None
    if not from_client and what.event == "READY":
        return "ready", session
    return None
