"""Connections over time: what happened to each, in which phase it was when, its heartbeats, and what was noticed on it.

All of it comes from narrow rows, read a slice at a time, so that a capture that grows costs only what is new. Whatever
is kept has a bound: the wire may open, ask and beat as often as it likes.
"""

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from inspector.analysis.beats import is_ack, is_heartbeat
from inspector.analysis.connections import ConnectionFeed, close_code, end_of, shard_of
from inspector.analysis.progress import MOVES, shown_phase
from inspector.model import Plane, Severity
from inspector.protocol.hosts import address_of
from inspector.session.phases import OPENED, connection_phase
from inspector.session.state import Connection
from inspector.store.reader import Reader, explained, unknown_connection

# Rows of a slice: some 20 ms of work.
SLICE = 10_000
# Connections that have a lane: the newest of them, where there are more.
MOST_LANES = 1_000
# Moments kept of each lane, apart for each sort; when there would be more, every other one goes, but never the newest.
MOST_MOMENTS = 500
# Findings kept of each lane; when there would be more, the milder half goes.
MOST_FINDINGS = 5_000
# Heartbeats kept of each lane; when there would be more, every other one goes.
MOST_BEATS = 10_000
# Heartbeats without an ACK that are remembered as such.
MOST_UNACKED = 1_000

LIVE = {
    *("ready", "resumed", "session described", "under way", "login confirmed", "authorized", "authenticated"),
    *("address found", "media"),
}
"""Phases in which a connection does what it is for."""
ENDING = {"reconnect asked", "invalid session", "declined"}
"""Those in which it is about to end. All others lead to one of `LIVE`."""

_IDENTIFIES = {("gateway", 2), ("voice", 0)}
_RESUMES = {("gateway", 6), ("voice", 7)}

_STEPS = f"""
    select id, connection, at, plane, kind, from_client, op, event, close_code, answers, severity from event
    where id > ? and id <= ? and (kind in ('open', 'close') or {MOVES}) order by id"""
_LATEST = "select connection, max(at) from event where id > ? and id <= ? group by connection"
_FINDINGS = """
    select finding.id, finding.event, event.connection, event.at, finding.severity, finding.rule
    from finding join event on event.id = finding.event where finding.id > ? order by finding.id limit ?"""

LaneMomentSort = Literal["open", "refused", "phase", "close", "identify", "resume", "rejected", "info", "warn", "error"]
"""What a moment is: a ``refused`` connection never was, a ``rejected`` Identify or Resume came to nothing."""


class LaneMoment(NamedTuple):
    """Something that happened."""

    at_ns: int
    """Nanoseconds since the epoch, as all times here."""
    row: int
    """Number of its row in the timeline."""
    sort: LaneMomentSort
    text: str
    """The phase, the close code, or the rule; as it came, so anyone who shows it makes it inert."""


@dataclass(frozen=True, slots=True)
class Beats:
    """Heartbeats of the client, by time: two columns."""

    at_ns: Sequence[int] = ()
    rows: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """One connection over time."""

    id: int
    plane: Plane
    host: str
    shard: str | None
    refusal: str | None
    opened_ns: int
    last_ns: int
    """When anything last happened on it."""
    closed: bool
    """It has ended; else it is open, or the recording ended first."""
    code: int | None
    """With which it was closed."""
    by: str | None
    """Who closed it, if that is known."""
    end: str
    """How it ended, in words; empty while `closed` is false."""
    phase: str
    """How far it has come by now."""
    steps: tuple[LaneMoment, ...]
    """Its beginning, its phases, its end."""
    logins: tuple[LaneMoment, ...]
    """Identifies and resumes, and which of them were rejected."""
    findings: tuple[LaneMoment, ...]
    beats: Beats
    troubled: Beats
    """Those of them that were late, or had no ACK."""

    def phase_at(self, at_ns: int) -> str | None:
        """Return the phase at a time; None before it began and after it ended."""
        if not self.opened_ns <= at_ns <= self.last_ns or self.refusal is not None:
            return None
        at = bisect_left(self.steps, at_ns + 1, key=_when)
        return next((step.text for step in reversed(self.steps[:at]) if step.sort == "phase"), OPENED)


@dataclass(frozen=True, slots=True)
class LaneGroup:
    """A session of the main gateway with its voice connections, or all connections of a plane that have no session."""

    plane: Plane
    session: str | None
    """Digest of the session's id."""
    shard: str | None
    lanes: tuple[Lane, ...]
    """At least one, in the order in which they were opened."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """All connections over time. Never changes, so threads may hand it to each other."""

    groups: tuple[LaneGroup, ...] = ()
    start_ns: int = 0
    """When the first of them began; 0 where there is none."""
    end_ns: int = 0
    """When anything last happened."""
    counted: int = 0
    """Rows that have been looked at: all up to this number."""
    last: int = 0
    """Rows there are."""


def between(moments: Sequence[LaneMoment], start_ns: int, end_ns: int) -> Sequence[LaneMoment]:
    """Return the moments from a time to another, which is left out."""
    return moments[bisect_left(moments, start_ns, key=_when) : bisect_left(moments, end_ns, key=_when)]


def beats_between(beats: Beats, start_ns: int, end_ns: int) -> Sequence[int]:
    """Return the rows of the heartbeats from a time to another, which is left out."""
    return beats.rows[bisect_left(beats.at_ns, start_ns) : bisect_left(beats.at_ns, end_ns)]


class LaneReader:
    """Reads a capture, as far as it goes. Belongs to one thread, as `reader` does; its snapshots do not."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._feed = ConnectionFeed(reader)
        self._counted = self._last = self._last_finding = 0
        self._ways: OrderedDict[int, _Way] = OrderedDict()

    def advance(self, limit: int = SLICE) -> bool:
        """Look at no more than `limit` further rows, and say whether there are more.

        Raises CaptureError where the capture is damaged.
        """
        with explained(self._reader.path):
            return self._advance(limit)

    def snapshot(self) -> Lanes:
        """Return what has been read so far."""
        lanes = {number: way.view() for number, way in sorted(self._ways.items())}
        if not lanes:
            return Lanes(counted=self._counted, last=self._last)
        start = min(lane.opened_ns for lane in lanes.values())
        end = max(lane.last_ns for lane in lanes.values())
        return Lanes(tuple(self._grouped(lanes)), start, max(end, start), self._counted, self._last)

    def _grouped(self, lanes: dict[int, Lane]) -> Iterator[LaneGroup]:
        """Yield the groups in the order of their first connections."""
        groups: dict[tuple[Plane, str | None], list[Lane]] = {}
        for number, lane in lanes.items():
            home = self._ways[number].connection
            # A voice connection belongs to the session that asked for it, media to their voice connection.
            for _ in range(2):
                asked = self._ways.get(home.parent or 0)
                home = home if asked is None else asked.connection
            groups.setdefault((home.plane, home.session), []).append(lane)
        for (plane, session), members in groups.items():
            yield LaneGroup(plane, session, shard_of(session, (lane.shard for lane in members)), tuple(members))

    def _advance(self, limit: int) -> bool:
        db = self._reader.db
        self._last = self._reader.last()
        after, upto = self._counted, self._reader.slice(self._counted, limit)
        touched = set()
        for number, last_ns in db.execute(_LATEST, (after, upto)).fetchall():
            touched.add(int(number))
            self._way(number).last_ns = max(self._way(number).last_ns, int(last_ns))
        for row in db.execute(_STEPS, (after, upto)).fetchall():
            self._way(row[1]).take(*row)
        for connection in self._feed.read(touched):
            self._way(connection.id).connection = connection
        self._counted = max(after, upto)
        noticed = db.execute(_FINDINGS, (self._last_finding, limit)).fetchall()
        for number, event, connection, at_ns, severity, rule in noticed:
            self._last_finding = int(number)
            sort: LaneMomentSort = {1: "info", 2: "warn"}.get(severity, "error")  # type: ignore[assignment]
            self._way(connection).find(LaneMoment(int(at_ns), int(event), sort, str(rule)))
        while len(self._ways) > MOST_LANES:
            del self._ways[min(self._ways)]
        return self._counted < self._last or len(noticed) == limit

    def _way(self, number: int) -> "_Way":
        way = self._ways.get(number)
        if way is None:
            way = self._ways[int(number)] = _Way(unknown_connection(number))
        way.shown = None
        return way


@dataclass(slots=True)
class _Way:
    """What has been read of one connection."""

    connection: Connection
    phase: str = OPENED
    last_ns: int = 0
    steps: list[LaneMoment] = field(default_factory=list)
    logins: list[LaneMoment] = field(default_factory=list)
    findings: list[LaneMoment] = field(default_factory=list)
    beats_ns: "array[int]" = field(default_factory=lambda: array("q"))
    beat_rows: "array[int]" = field(default_factory=lambda: array("q"))
    stride: int = 1
    """One heartbeat of so many is kept."""
    count: int = 0
    unacked: OrderedDict[int, int] = field(default_factory=OrderedDict)
    """When heartbeats that have no ACK yet were sent, by row."""
    late: dict[int, int] = field(default_factory=dict)
    """The same of those at which a rule noticed something that is not right."""
    shown: Lane | None = None
    """What the last snapshot had, as long as it holds."""

    def take(
        self, number: int, _: int, at_ns: Any, plane: str, kind: str, from_client: Any, op: Any, event: Any,
        code: Any, answers: int | None, severity: int,
    ) -> None:  # fmt: skip
        """Take in a row of `_STEPS`."""
        at_ns = int(at_ns)
        if kind != "payload":
            text = "" if kind == "open" or code is None else str(int(code))
            self._ended_or_began(LaneMoment(at_ns, number, "open" if kind == "open" else "close", text))
            return
        key = plane, op
        if is_heartbeat(plane, from_client, op):
            self._beat(at_ns, number, severity)
        elif is_ack(plane, from_client, op):
            self.unacked.pop(answers or 0, None)
        elif from_client and (key in _IDENTIFIES or key in _RESUMES):
            self.logins.append(LaneMoment(at_ns, number, "identify" if key in _IDENTIFIES else "resume", ""))
        elif key == ("gateway", 9) and self.phase in ("identifying", "resuming"):
            self.logins.append(LaneMoment(at_ns, number, "rejected", "Invalid Session"))
        phase = connection_phase(Plane(plane), self.phase, bool(from_client), op, event)
        if phase != self.phase:
            self.phase = phase
            self.steps.append(LaneMoment(at_ns, number, "phase", phase))
            _thin(self.steps)
        _thin(self.logins)

    def find(self, noticed: LaneMoment) -> None:
        """Take in what was noticed."""
        self.findings.append(noticed)
        if len(self.findings) > MOST_FINDINGS:
            self.findings.sort(key=lambda moment: (_MILDER.index(moment.sort), moment.at_ns))
            del self.findings[MOST_FINDINGS // 2 :]

    def _ended_or_began(self, moment: LaneMoment) -> None:
        if moment.sort == "close" and self.phase in ("identifying", "resuming", "identified"):
            self.logins.append(LaneMoment(moment.at_ns, moment.row, "rejected", f"close {moment.text}".strip()))
        self.steps.append(moment)

    def _beat(self, at_ns: int, number: int, severity: int) -> None:
        self.unacked[number] = at_ns
        if len(self.unacked) > MOST_UNACKED:
            self.unacked.popitem(last=False)
        if severity >= Severity.WARN and len(self.late) < MOST_BEATS:
            self.late[number] = at_ns
        if self.count % self.stride == 0:
            self.beats_ns.append(at_ns)
            self.beat_rows.append(number)
            if len(self.beats_ns) > MOST_BEATS:
                self.beats_ns, self.beat_rows = self.beats_ns[::2], self.beat_rows[::2]
                self.stride *= 2
        self.count += 1

    def view(self) -> Lane:
        if self.shown is None:
            self.shown = self._view()
        return self.shown

    def _view(self) -> Lane:
        connection = self.connection
        opened, closed = connection.opened, connection.closed
        # The newest may still get its ACK.
        waiting = list(self.unacked.items())[: None if closed else -1]
        troubled = sorted({*waiting, *self.late.items()}, key=lambda beat: (beat[1], beat[0]))
        opened_ns = int(opened.at_ns) or (self.steps[0].at_ns if self.steps else self.last_ns)
        steps = self.steps
        if opened.refusal is not None:
            steps = [step._replace(sort="refused", text=opened.refusal) for step in steps if step.sort == "open"]
        return Lane(
            id=opened.connection,
            plane=opened.plane,
            host=address_of(opened.url),
            shard=connection.shard,
            refusal=opened.refusal,
            opened_ns=opened_ns,
            last_ns=max(self.last_ns, opened_ns),
            closed=closed is not None,
            code=close_code(connection),
            by=closed.by if closed else None,
            end=end_of(connection),
            phase=shown_phase(connection, self.phase),
            # Rows need not be in order of time.
            steps=tuple(sorted(steps)),
            logins=tuple(sorted(self.logins)),
            findings=tuple(sorted(self.findings)),
            beats=_in_order(self.beats_ns, self.beat_rows),
            troubled=Beats([at_ns for _, at_ns in troubled], [row for row, _ in troubled]),
        )


_MILDER = ("error", "warn", "info")


def _in_order(at_ns: "array[int]", numbers: "array[int]") -> Beats:
    if all(at_ns[at] <= at_ns[at + 1] for at in range(len(at_ns) - 1)):
        return Beats(at_ns[:], numbers[:])
    pairs = sorted(zip(at_ns, numbers, strict=True))
    return Beats([at for at, _ in pairs], [number for _, number in pairs])


def _thin(moments: list[LaneMoment]) -> None:
    """Leave out every other one where there are too many, but not the first and the last."""
    if len(moments) > MOST_MOMENTS:
        moments[1:-1] = moments[1:-1:2]


def _when(moment: LaneMoment) -> int:
    return moment.at_ns
