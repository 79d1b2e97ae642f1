"""The program in one page: happenings go in, rows of the timeline come out.

Live recording, imports and `reindex` all pass through here, so a capture reads the same however it was made.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar, TypeVarTuple, Unpack

from msgspec import Struct

from inspector.diagnose.engine import RuleEngine
from inspector.diagnose.gaps import payload_of, said_of
from inspector.faults import is_ours, marked
from inspector.model import (
    Closed,
    Control,
    Event,
    Finding,
    Frame,
    Gap,
    Happening,
    Kind,
    Knows,
    Opened,
    Payload,
    Plane,
    StartLimit,
    Undecoded,
    Verdict,
)
from inspector.protocol.registry import Registry
from inspector.session.media import Media
from inspector.session.messages import Identify, Message, Ready, Resume, marks_of, token_mark
from inspector.session.plan import Plan
from inspector.session.state import Connection
from inspector.session.summarize import names_in
from inspector.session.tracker import Tracker
from inspector.session.world import Remembered
from inspector.wire.decoder import Decoder, Last, Reading

# Connections whose end was announced and whose other end may still speak: at most so many, and for so long.
MAX_LEFT, LEAVING_NS = 1000, 60_000_000_000
# Of these, the newest whose compressed streams can still be read: a context of zstd takes half a megabyte.
MAX_CONTEXTS = 50

Args = TypeVarTuple("Args")
T = TypeVar("T")
_Entry = tuple[Connection, Decoder | Media]
"""A connection with what reads it."""


class Outcome(Struct):
    """What becomes of one happening. Most messages give one row and nothing else."""

    rows: list[Event] = []
    """None while a payload is still arriving; several where something before it ends with it."""
    late: Sequence[Finding] = ()
    """What was noticed at rows that were given out before."""
    verdicts: Sequence[Verdict] = ()
    """Verdicts on closes that are new or say more than before; of one close the last holds."""
    changed: Sequence[Connection] = ()
    """Connections of which something new is known. They live on: what is read of one later is newer."""
    names: Sequence[tuple[int, str]] = ()
    """Ids of guilds and channels with their names, where these came up."""


class _Recording:
    """What follows one of several recordings that are read together."""

    def __init__(self, registry: Registry) -> None:
        self.tracker = Tracker(registry)
        self.rule_engine = RuleEngine(registry, self.tracker.world)
        self.last_at_ns = 0

    def absorb(self, other: "_Recording") -> None:
        """Follow `other` too."""
        self.tracker.world.absorb(other.tracker.world)
        self.rule_engine.absorb(other.rule_engine)
        self.last_at_ns = max(self.last_at_ns, other.last_at_ns)


class Pipeline:
    """Follows a recording, or several. Memory grows with the connections that are open, not with what they say.

    It raises nothing, whatever happened: what a bug of ours makes of a step is said in the row's note, and what cannot
    be read because of one has a row that says so.

    Happenings and events are numbered from `first_frame` and `first_event`; a capture that is continued continues
    from where it was.

    Recordings have nothing to do with each other until a client in one shows a token, a session or a user that another
    one knows: from then on they are followed as one.
    """

    def __init__(self, registry: Registry, *, first_frame: int = 1, first_event: int = 1) -> None:
        self.next_frame = first_frame
        self.next_event = first_event
        self._registry = registry
        # By their numbers; those that belong together are the same.
        self._recordings = {0: _Recording(registry)}
        self._homes: Remembered[str, int] = Remembered()
        """The recordings in which tokens, sessions and users came up."""
        # Of the recording whose turn it is.
        self._tracker, self._rule_engine = self._recordings[0].tracker, self._recordings[0].rule_engine
        self._open: dict[int, _Entry] = {}
        self._left: OrderedDict[int, _Entry] = OrderedDict()
        # Open connections whose source does not know ends; and those of them whose client continued elsewhere.
        self._endless: set[int] = set()
        self._outlived: dict[int, _Entry] = {}
        self._media: dict[int, tuple[Connection, Media]] = {}
        """Those of the open ones that fold packets: a row of theirs ends when time has gone on."""
        self._contexts: deque[Decoder | Media] = deque()
        self.last_at_ns = 0
        """When the newest of it all happened, in nanoseconds since the epoch."""

    @property
    def connections(self) -> list[Connection]:
        """Return the connections that are open."""
        return [connection for connection, _ in self._open.values()]

    def feed(self, happening: Happening) -> Outcome:
        """Take in what happened next."""
        if type(happening) is StartLimit:
            self._learn(happening)
            return Outcome()
        number = self.next_frame
        self.next_frame += 1
        outcome = Outcome()
        try:
            self._take(happening, number, outcome)
        except Exception as error:
            if not is_ours(error):
                raise
            self._unread(happening, number, error, outcome)
        return outcome

    def tick(self, at_ns: int) -> Outcome:
        """Let time go by: it is `at_ns` now, in nanoseconds since the epoch, and nothing has happened."""
        return Outcome(late=[each for one in self._followed() for each in one.rule_engine.tick(at_ns)])

    def finish(self) -> Outcome:
        """Say what is left at the end: of payloads that never came whole, on connections that are still open."""
        outcome = Outcome()
        # Packets came whole: silence counts from them.
        self._finish(self._media.values(), outcome)
        outcome.late = [each for one in self._followed() for each in one.rule_engine.tick(one.last_at_ns)]
        self._finish(self._open.values(), outcome)
        return outcome

    def _followed(self) -> Sequence[_Recording]:
        """Return what is followed: each of several recordings, up to its own end."""
        if len(self._recordings) == 1:
            self._recordings[0].last_at_ns = self.last_at_ns
        return list(dict.fromkeys(self._recordings.values()))

    def _turn_to(self, number: int, at_ns: int = 0) -> None:
        """Let it be the turn of a recording."""
        turn = self._recordings.get(number)
        if turn is None:
            turn = self._recordings[number] = _Recording(self._registry)
        turn.last_at_ns = max(turn.last_at_ns, at_ns)
        self._tracker, self._rule_engine = turn.tracker, turn.rule_engine

    def _go_home(self, number: int, marks: Iterable[str]) -> None:
        """Let recording `number` be one with another, where its client shows that it is known from there."""
        for mark in marks:
            home = self._homes.keep(mark, self._homes.get(mark, number))
            ours, theirs = self._recordings[number], self._recordings[home]
            if ours is not theirs:
                theirs.absorb(ours)
                self._recordings |= {each: theirs for each, one in self._recordings.items() if one is ours}
                self._turn_to(number)

    def _learn(self, limit: StartLimit) -> None:
        """Take in what Discord told a bot. No row is made of it: rules and stats speak of it."""
        if limit.token is None:
            # Whose it is no one knows.
            return
        if limit.recording or len(self._recordings) > 1:
            self._turn_to(limit.recording, limit.at_ns)
        self._go_home(limit.recording, [token_mark(limit.token)])
        self._tracker.world.start_limits.keep(limit.token, limit)

    def _finish(self, entries: Iterable[_Entry], outcome: Outcome) -> None:
        for connection, reader in entries:
            last = Last(self.next_frame - 1, connection.last_at_ns, False)
            self._read_all(connection, reader, reader.finish(), last, outcome)

    def _take(self, happening: Happening, number: int, outcome: Outcome) -> None:
        for connection, media in self._media.values():
            # Packets that have become a row: time has gone on, whatever it was that happened.
            if ended := media.expire(happening.at_ns):
                self._read_all(connection, media, ended, Last(number, happening.at_ns, False), outcome)
        if len(self._recordings) > 1 and not isinstance(happening, Opened):
            known = (entries.get(happening.connection) for entries in (self._open, self._left, self._outlived))
            entry = next(filter(None, known), None)
            self._turn_to(entry[0].opened.recording if entry is not None else 0, happening.at_ns)
        match happening:
            case Frame():
                self._frame(happening, number, outcome)
            case Opened():
                self._opened(happening, number, outcome)
            case Closed():
                self._closed(happening, number, outcome)
            case Control():
                self._control(happening, number, outcome)
            case Gap():
                self._gap(happening, number, outcome)

    def _unread(self, happening: Happening, number: int, error: Exception, outcome: Outcome) -> None:
        """Make a row for what a bug of ours keeps from being read: nothing that was seen goes without one."""
        connection = Connection.of(Opened(happening.connection, happening.at_ns, Plane.GATEWAY, "", joined_late=True))
        for known in (self._left, self._open):
            connection, _ = known.get(happening.connection, (connection, None))
        if isinstance(happening, Closed):
            self._open.pop(happening.connection, None)
            self._media.pop(happening.connection, None)
            connection.closed = happening
            _note(connection, outcome)
        event = self._row(connection, Kind.UNDECODED, happening.at_ns, number, outcome)
        if isinstance(happening, Frame):
            event.from_client, event.wire_bytes, event.marks = (
                happening.from_client,
                len(happening.data),
                happening.marks,
            )
        event.undecoded = Undecoded("fault", marked("this could not be read", error))

    def _opened(self, opened: Opened, number: int, outcome: Outcome) -> None:
        if opened.recording or len(self._recordings) > 1:
            self._turn_to(opened.recording, opened.at_ns)
        connection = Connection.of(opened)
        _note(connection, outcome)
        if opened.refusal is None:
            self._open[opened.connection] = connection, self._reader(connection)
            if not opened.knows & Knows.END:
                self._endless.add(opened.connection)
        event = self._row(connection, Kind.OPEN, opened.at_ns, number, outcome)
        event.opened = opened
        self._examine(connection, event, outcome)
        _step(event, self._tracker.opened, connection, event)

    def _reader(self, connection: Connection) -> Decoder | Media:
        opened = connection.opened
        if opened.plane is not Plane.MEDIA:
            return Decoder(opened.plane, opened.url, joined_late=opened.joined_late)
        media = Media(partial(self._tracker.voice_of, connection))
        self._media[connection.id] = connection, media
        return media

    def _frame(self, frame: Frame, number: int, outcome: Outcome) -> None:
        if frame.connection in self._left or frame.connection in self._outlived:
            self._late(frame, number, outcome)
            return
        connection, reader = self._open.get(frame.connection) or self._unannounced(frame, outcome)
        last = Last(number, frame.at_ns, frame.from_client, frame.marks)
        self._read_all(connection, reader, reader.receive(frame, number), last, outcome)

    def _end_outlived(self, connection: Connection, what: Payload, last: Last, outcome: Outcome) -> None:
        """Make the row of an end where a client continues here whose connection before has no recorded one."""
        read = self._tracker.plans.of(connection.plane, True, what.op, what.event).read
        event = Event(self.next_event, connection.id, last.at_ns, connection.plane, Kind.PAYLOAD, True)
        event.op = what.op
        says = None if read is None else _step(event, self._said, connection, read, event, what)
        if not isinstance(says, Identify | Resume):
            return
        before = self._tracker.world.last_of.get(self._tracker.world.identity(connection.plane, says))
        if before is None or before == connection.id or before not in self._endless:
            return
        self._closed(Closed(before, last.at_ns, None), last.number, outcome)
        self._outlived[before] = self._left.pop(before)

    def _late(self, frame: Frame, number: int, outcome: Outcome) -> None:
        """Make rows for what the other end said before it knew of the close. Nothing follows from them any more."""
        connection, reader = self._left.get(frame.connection) or self._outlived[frame.connection]
        last = Last(number, frame.at_ns, frame.from_client, frame.marks)
        for reading in reader.receive(frame, number):
            what = reading.what
            if isinstance(what, Undecoded):
                event = self._undecoded_row(connection, reading, what, last, outcome)
            else:
                event, plan = self._payload_row(connection, reading, what, last, outcome)
                _step(event, self._tracker.locate, plan, event, what.d)
            event.note = "after the close"
            _step(event, self._tracker.late, connection, event)

    def _closed(self, closed: Closed, number: int, outcome: Outcome) -> None:
        if self._outlived.pop(closed.connection, None) is not None:
            # It counts as ended already.
            return
        self._endless.discard(closed.connection)
        connection, reader = self._open.get(closed.connection) or self._unannounced(closed, outcome)
        self._media.pop(closed.connection, None)
        del self._open[closed.connection]
        self._left[closed.connection] = connection, reader
        self._contexts.append(reader)
        if len(self._contexts) > MAX_CONTEXTS:
            self._contexts.popleft().let_go()
        while len(self._left) > MAX_LEFT or self._left_too_long(closed.at_ns):
            self._left.popitem(last=False)
        self._read_all(connection, reader, reader.finish(), Last(number, closed.at_ns, False), outcome)
        connection.closed = closed
        _note_news(connection, outcome)
        event = self._row(connection, Kind.CLOSE, closed.at_ns, number, outcome)
        event.closed, event.marks = closed, closed.marks
        event.from_client = {"client": True, "server": False}.get(closed.by or "")
        if connection.unread_frames:
            event.note = f"{connection.unread_frames:,} messages before it were stored undecoded"
        self._examine(connection, event, outcome)
        _step(event, self._tracker.closed, connection, event)

    def _left_too_long(self, now_ns: int) -> bool:
        first, _ = next(iter(self._left.values()))
        return first.closed is not None and now_ns - first.closed.at_ns > LEAVING_NS

    def _control(self, control: Control, number: int, outcome: Outcome) -> None:
        entry = self._open.get(control.connection) or self._left.get(control.connection)
        connection, _ = entry or self._outlived.get(control.connection) or self._unannounced(control, outcome)
        event = self._row(connection, Kind.CONTROL, control.at_ns, number, outcome)
        event.from_client = control.from_client
        event.event = control.name
        event.wire_bytes = len(control.data)
        event.payload = control.data
        if connection.closed is None:
            self._examine(connection, event, outcome)

    def _gap(self, gap: Gap, number: int, outcome: Outcome) -> None:
        connection, reader = self._open.get(gap.connection) or self._unannounced(gap, outcome)
        last = Last(number, connection.last_at_ns, False)
        self._read_all(connection, reader, reader.skip(gap.received), last, outcome)
        self._tracker.skipped(connection, gap)
        event = self._row(connection, Kind.GAP, gap.at_ns, number, outcome)
        event.gap = gap
        event.note = said_of(gap)
        event.payload = payload_of(gap)
        self._examine(connection, event, outcome)

    def _unannounced(self, happening: Frame | Control | Closed | Gap, outcome: Outcome) -> _Entry:
        """A connection whose opening was not recorded: read it as a main gateway that was joined late."""
        opened = Opened(happening.connection, happening.at_ns, Plane.GATEWAY, "", joined_late=True)
        connection = Connection.of(opened)
        entry = self._open[happening.connection] = connection, self._reader(connection)
        self._tracker.world.open[happening.connection] = connection
        _note(connection, outcome)
        return entry

    def _read_all(
        self, connection: Connection, reader: Decoder | Media, readings: Sequence[Reading], last: Last, outcome: Outcome
    ) -> None:
        """Make the rows of what was read, ask the rules about them, take them into the state."""
        if len(self._recordings) > 1:
            self._turn_to(connection.opened.recording)
        is_news = False
        for reading in readings:
            is_news |= self._read(connection, reading, last, outcome)
        # What the bytes said about how the connection speaks.
        if reader.encoding is not None and reader.encoding != connection.encoding:
            connection.encoding, is_news = reader.encoding, True
        if reader.compression_seen is not None and reader.compression_seen != connection.compression:
            connection.compression, is_news = reader.compression_seen, True
        if reader.unread_frames != connection.unread_frames:
            connection.unread_frames, connection.unread_bytes, is_news = reader.unread_frames, reader.unread_bytes, True
        if is_news:
            _note_news(connection, outcome)

    def _read(self, connection: Connection, reading: Reading, last: Last, outcome: Outcome) -> bool:
        """Make a row of what was read, and take it in. Return whether there may be news of the connection."""
        what = reading.what
        if self._endless and last.from_client and isinstance(what, Payload):
            self._end_outlived(connection, what, last, outcome)
        if isinstance(what, Undecoded):
            event = self._undecoded_row(connection, reading, what, last, outcome)
            self._examine(connection, event, outcome)
            _step(event, self._tracker.stumbled, connection, event)
            connection.undecoded += 1
            return True
        event, plan = self._payload_row(connection, reading, what, last, outcome)
        odd = 0
        # All steps of nearly all messages, so one guard is around them: each on its own takes as long as a step.
        try:
            self._tracker.locate(plan, event, what.d)
            odd = plan.oddities(connection, event, what, self._tracker.world)
            if self._is_ordinary(connection, event, plan, odd):
                self._tracker.receive(connection, event)
                return False
        except Exception as error:
            _admit(event, error)
        says = None if plan.read is None else _step(event, self._said, connection, plan.read, event, what)
        self._examine(connection, event, outcome, what, says, plan, odd)
        _step(event, self._tracker.follow, plan, odd, connection, event, what, says)
        if what.problems:
            event.note = "; ".join([event.note, *what.problems] if event.note else what.problems)
        return True

    def _is_ordinary(self, connection: Connection, event: Event, plan: Plan, odd: int) -> bool:
        """Return whether a payload does no more than come: it moves nothing, and no rule wants to see it."""
        return not odd and plan.is_plain and self._rule_engine.is_quiet(plan, connection, event.at_ns)

    def _said(
        self, connection: Connection, read: Callable[[Event, Any], Message], event: Event, payload: Payload
    ) -> Message:
        says = read(event, payload.d)
        if isinstance(says, Identify | Resume | Ready):
            self._go_home(connection.opened.recording, marks_of(says))
        if isinstance(says, Identify | Resume):
            says = self._tracker.world.recognize(event.plane, says)
        return says

    def _examine(
        self,
        connection: Connection,
        event: Event,
        outcome: Outcome,
        payload: Payload | None = None,
        says: Message | None = None,
        plan: Plan | None = None,
        odd: int = 0,
    ) -> None:
        """Ask the rules about a row; to be called before the state takes it in."""
        if verdicts := _step(event, self._rule_engine.examine, connection, event, payload, says, plan, odd):
            outcome.verdicts = (*outcome.verdicts, *verdicts)
        if self._rule_engine.late:
            outcome.late = (*outcome.late, *self._rule_engine.late)
            self._rule_engine.late.clear()

    def _payload_row(
        self, connection: Connection, reading: Reading, payload: Payload, last: Last, outcome: Outcome
    ) -> tuple[Event, Plan]:
        """Make the row of a payload; what it is about is to be found out."""
        last = reading.last or last
        opened, data = connection.opened, payload.data
        plane = opened.plane
        event = Event(
            self.next_event,
            opened.connection,
            last.at_ns,
            plane,
            Kind.PAYLOAD,
            last.from_client,
            reading.first_frame,
            last.number,
            payload.op,
            payload.event,
            payload.seq,
            reading.wire_bytes,
            # Of packets nothing was decoded: they are encrypted, and the payload is our own account of them.
            0 if plane is Plane.MEDIA else len(data),
            payload.encoding,
            last.marks,
            payload=data,
        )
        self._add(connection, event, outcome)
        plan = self._tracker.plans.of(plane, last.from_client, payload.op, payload.event)
        if plan.has_names and (names := _step(event, names_in, payload.event or "", payload.d)):
            outcome.names = (*outcome.names, *names.items())
        return event, plan

    def _undecoded_row(
        self, connection: Connection, reading: Reading, undecoded: Undecoded, last: Last, outcome: Outcome
    ) -> Event:
        last = reading.last or last
        event = self._row(connection, Kind.UNDECODED, last.at_ns, reading.first_frame, outcome)
        event.last_frame, event.from_client, event.marks = last.number, last.from_client, last.marks
        event.wire_bytes, event.undecoded = reading.wire_bytes, undecoded
        return event

    def _row(self, connection: Connection, kind: Kind, at_ns: int, frame: int, outcome: Outcome) -> Event:
        """Make the next row: what is known of it is written into it afterwards."""
        event = Event(self.next_event, connection.id, at_ns, connection.opened.plane, kind)
        event.first_frame = event.last_frame = frame
        self._add(connection, event, outcome)
        return event

    def _add(self, connection: Connection, event: Event, outcome: Outcome) -> None:
        at_ns = connection.last_at_ns = event.at_ns
        if at_ns > self.last_at_ns:
            self.last_at_ns = at_ns
        connection.last_row = event.n
        self.next_event += 1
        outcome.rows.append(event)


def _note(connection: Connection, outcome: Outcome) -> None:
    """Say that something new is known of a connection."""
    outcome.changed = (*outcome.changed, connection)


def _note_news(connection: Connection, outcome: Outcome) -> None:
    """Say so if it is."""
    if connection.facts != connection.noted:
        connection.noted = connection.facts
        _note(connection, outcome)


def _step(event: Event, step: Callable[[Unpack[Args]], T], *args: *Args) -> T | None:
    """Take one step of finding out what a row means. A bug of ours costs what the step would say, and not the row."""
    try:
        return step(*args)
    except Exception as error:
        _admit(event, error)
        return None


def _admit(event: Event, error: Exception) -> None:
    """Note on a row that a bug of ours keeps it from being understood in full."""
    if not is_ours(error):
        raise error
    sentence = marked("gwinspect does not understand all of this row", error)
    event.note = f"{event.note}; {sentence}" if event.note else sentence
