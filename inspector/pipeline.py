"""The program in one page: happenings go in, rows of the timeline come out.

Live recording, imports and `reindex` all pass through here, so a capture reads the same however it was made.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar, TypeVarTuple, Unpack

import orjson

from inspector.diagnose.engine import Diagnosis
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
    Undecoded,
    Verdict,
)
from inspector.protocol.registry import Registry
from inspector.session import said
from inspector.session.media import Media, Run
from inspector.session.state import Connection
from inspector.session.summarize import names_in
from inspector.session.tracker import Tracker
from inspector.wire.decoder import Decoder, Reading
from inspector.wire.packets import described

# Connections whose end was announced and whose other end may still speak: at most so many, and for so long.
MAX_LEFT, LEAVING_NS = 1000, 60_000_000_000
# Of these, the newest whose compressed streams can still be read: a context of zstd takes half a megabyte.
MAX_CONTEXTS = 50

Args = TypeVarTuple("Args")
T = TypeVar("T")


class Pipeline:
    """Follows one recording. Memory grows with the connections that are open, not with what they say.

    It raises nothing, whatever happened: what a bug of ours makes of a step is said in the row's note, and what cannot
    be read because of one has a row that says so.

    Happenings and events are numbered from `first_frame` and `first_event`; a capture that is continued goes on
    from where it was.
    """

    def __init__(self, registry: Registry, *, first_frame: int = 1, first_event: int = 1) -> None:
        self.next_frame = first_frame
        self.next_event = first_event
        self.names: dict[int, str] = {}
        """Names of guilds and channels that came up, by id. Whoever keeps them elsewhere may empty it."""
        self.changed: dict[int, Connection] = {}
        """Connections of which something new is known, by number. To be emptied by whoever writes them down."""
        self.late: list[Finding] = []
        """What was noticed at rows that were given out before. To be emptied by whoever writes it down."""
        self._tracker = Tracker(registry)
        self._diagnosis = Diagnosis(registry, self._tracker.world)
        self._open: dict[int, tuple[Connection, Decoder]] = {}
        self._media: dict[int, Media] = {}
        self._left: OrderedDict[int, tuple[Connection, Decoder]] = OrderedDict()
        self._contexts: deque[Decoder] = deque()
        # Open connections whose source does not know ends; and those of them whose client went on elsewhere.
        self._endless: set[int] = set()
        self._outlived: dict[int, tuple[Connection, Decoder]] = {}
        self.last_at_ns = 0
        """When the newest of it all happened, in nanoseconds since the epoch."""

    @property
    def connections(self) -> list[Connection]:
        """Return the connections that are open."""
        return [connection for connection, _ in self._open.values()]

    @property
    def verdicts(self) -> dict[int, Verdict]:
        """Verdicts on closes that are new or say more than before, by row. To be emptied by whoever keeps them."""
        return self._diagnosis.verdicts

    def feed(self, happening: Happening) -> list[Event]:
        """Return the rows that `happening` adds: none while a payload is still arriving."""
        number = self.next_frame
        self.next_frame += 1
        try:
            return self._rows(happening, number)
        except Exception as error:
            if not is_ours(error):
                raise
            return [self._unread(happening, number, error)]

    def _rows(self, happening: Happening, number: int) -> list[Event]:
        # Packets that have become a row: time has gone on, whatever it was that happened.
        folded = self._folded(happening.at_ns) if self._media else []
        match happening:
            case Frame():
                return folded + self._frame(happening, number)
            case Opened():
                return [*folded, self._opened(happening, number)]
            case Closed():
                return folded + self._closed(happening, number)
            case Control():
                return [*folded, self._control(happening, number)]
            case Gap():
                return folded + self._gap(happening, number)

    def _unread(self, happening: Happening, number: int, error: Exception) -> Event:
        """Return the row for what a bug of ours keeps from being read: nothing that was seen goes without one."""
        connection = Connection.of(Opened(happening.connection, happening.at_ns, Plane.GATEWAY, "", joined_late=True))
        for known in (self._left, self._open):
            connection, _ = known.get(happening.connection, (connection, None))
        if isinstance(happening, Closed):
            self._open.pop(happening.connection, None)
            self._media.pop(happening.connection, None)
            connection.closed = happening
            self.changed[connection.id] = connection
        event = self._row(connection, Kind.UNDECODED, happening.at_ns, number)
        if isinstance(happening, Frame):
            event.from_client, event.wire_bytes, event.marks = (
                happening.from_client,
                len(happening.data),
                happening.marks,
            )
        event.undecoded = Undecoded("fault", marked("this could not be read", error))
        return event

    def tick(self, at_ns: int) -> None:
        """Let time go by: it is `at_ns` now, in nanoseconds since the epoch, and nothing has happened. See `late`."""
        self.late += self._diagnosis.tick(at_ns)

    def finish(self) -> list[Event]:
        """Return rows for payloads that never came whole on connections that are still open. See `late` too."""
        left = [(number, run) for number, media in self._media.items() for run in media.finish()]
        events = [self._run(self._open[number][0], run) for number, run in left]
        self.tick(self.last_at_ns)
        return events + [
            self._event(connection, reading, connection.last_at_ns, False, self.next_frame - 1)
            for connection, decoder in self._open.values()
            for reading in decoder.finish()
        ]

    def _opened(self, opened: Opened, number: int) -> Event:
        connection = Connection.of(opened)
        self.changed[opened.connection] = connection
        if opened.refusal is None:
            decoder = Decoder(opened.plane, opened.url, joined_late=opened.joined_late)
            self._open[opened.connection] = connection, decoder
            if not opened.knows & Knows.END:
                self._endless.add(opened.connection)
            if opened.plane is Plane.MEDIA:
                self._media[opened.connection] = Media(partial(self._tracker.voice_of, connection))
        event = self._row(connection, Kind.OPEN, opened.at_ns, number)
        event.opened = opened
        _step(event, self._diagnosis.examine, connection, event, None, None)
        _step(event, self._tracker.opened, connection, event)
        return event

    def _frame(self, frame: Frame, number: int) -> list[Event]:
        if frame.connection in self._left or frame.connection in self._outlived:
            return self._late(frame, number)
        connection, decoder = self._open.get(frame.connection) or self._unannounced(frame)
        if connection.plane is Plane.MEDIA:
            return [self._run(connection, run) for run in self._media[frame.connection].receive(frame, number)]
        events = []
        for reading in decoder.receive(frame, number):
            if self._endless and frame.from_client:
                events += self._end_outlived(connection, reading.what, frame.at_ns, number)
            events.append(self._event(connection, reading, frame.at_ns, frame.from_client, number, frame))
        self._observe(connection, decoder)
        return events

    def _end_outlived(self, connection: Connection, what: Payload | Undecoded, at_ns: int, number: int) -> list[Event]:
        """Return the row of an end where a client goes on here whose connection before has no recorded one."""
        if isinstance(what, Undecoded):
            return []
        event = Event(self.next_event, connection.id, at_ns, connection.plane, Kind.PAYLOAD, True)
        event.op = what.op
        says = _step(event, self._said, event, what)
        if not isinstance(says, said.Identify | said.Resume):
            return []
        before = self._tracker.world.last_of.get(self._tracker.world.identity(connection.plane, says))
        if before is None or before == connection.id or before not in self._endless:
            return []
        events = self._closed(Closed(before, at_ns, None), number)
        self._outlived[before] = self._left.pop(before)
        return events

    def _late(self, frame: Frame, number: int) -> list[Event]:
        """Return rows for what the other end said before it knew of the close. Nothing follows from them any more."""
        connection, decoder = self._left.get(frame.connection) or self._outlived[frame.connection]
        events = []
        for reading in decoder.receive(frame, number):
            event = self._reading_row(connection, reading, frame.at_ns, frame.from_client, number, frame)
            event.note = "after the close"
            _step(event, self._tracker.late, connection, event)
            events.append(event)
        return events

    def _closed(self, closed: Closed, number: int) -> list[Event]:
        if self._outlived.pop(closed.connection, None) is not None:
            # It counts as ended already.
            return []
        self._endless.discard(closed.connection)
        connection, decoder = self._open.get(closed.connection) or self._unannounced(closed)
        media = self._media.pop(closed.connection, None)
        events = [self._run(connection, run) for run in media.finish()] if media is not None else []
        del self._open[closed.connection]
        self._left[closed.connection] = connection, decoder
        self._contexts.append(decoder)
        if len(self._contexts) > MAX_CONTEXTS:
            self._contexts.popleft().let_go()
        while len(self._left) > MAX_LEFT or self._left_too_long(closed.at_ns):
            self._left.popitem(last=False)
        events += [self._event(connection, reading, closed.at_ns, False, number) for reading in decoder.finish()]
        self._observe(connection, decoder)
        connection.closed = closed
        self.changed[closed.connection] = connection
        event = self._row(connection, Kind.CLOSE, closed.at_ns, number)
        event.closed, event.marks = closed, closed.marks
        event.from_client = {"client": True, "server": False}.get(closed.by or "")
        if connection.unread_frames:
            event.note = f"{connection.unread_frames:,} messages before it were kept raw, unread"
        _step(event, self._diagnosis.examine, connection, event, None, None)
        _step(event, self._tracker.closed, connection, event)
        events.append(event)
        return events

    def _left_too_long(self, now_ns: int) -> bool:
        first, _ = next(iter(self._left.values()))
        return first.closed is not None and now_ns - first.closed.at_ns > LEAVING_NS

    def _control(self, control: Control, number: int) -> Event:
        entry = self._open.get(control.connection) or self._left.get(control.connection)
        connection, _ = entry or self._outlived.get(control.connection) or self._unannounced(control)
        event = self._row(connection, Kind.CONTROL, control.at_ns, number)
        event.from_client = control.from_client
        event.event = control.name
        event.wire_bytes = len(control.data)
        event.payload = control.data
        if connection.closed is None:
            _step(event, self._diagnosis.examine, connection, event, None, None)
        return event

    def _gap(self, gap: Gap, number: int) -> list[Event]:
        connection, decoder = self._open.get(gap.connection) or self._unannounced(gap)
        media = self._media.get(gap.connection)
        events = [self._run(connection, run) for run in media.skip()] if media is not None else []
        events += [
            self._event(connection, reading, connection.last_at_ns, False, number)
            for reading in decoder.skip(gap.received)
        ]
        self._tracker.skipped(connection, gap)
        self._observe(connection, decoder)
        return [*events, self._gap_row(connection, gap, number)]

    def _gap_row(self, connection: Connection, gap: Gap, number: int) -> Event:
        event = self._row(connection, Kind.GAP, gap.at_ns, number)
        event.gap = gap
        event.note = said_of(gap)
        event.payload = payload_of(gap)
        _step(event, self._diagnosis.examine, connection, event, None, None)
        return event

    def _unannounced(self, happening: Frame | Control | Closed | Gap) -> tuple[Connection, Decoder]:
        """A connection whose opening was not recorded: read it as a main gateway that was joined late."""
        opened = Opened(happening.connection, happening.at_ns, Plane.GATEWAY, "", joined_late=True)
        connection = Connection.of(opened)
        entry = connection, Decoder(Plane.GATEWAY, "", joined_late=True)
        self._open[happening.connection] = entry
        self._tracker.world.open[happening.connection] = connection
        self.changed[happening.connection] = connection
        return entry

    def _event(
        self,
        connection: Connection,
        reading: Reading,
        at_ns: int,
        from_client: bool,
        number: int,
        frame: Frame | None = None,
    ) -> Event:
        what = reading.what
        event = self._reading_row(connection, reading, at_ns, from_client, number, frame)
        if isinstance(what, Undecoded):
            _step(event, self._diagnosis.examine, connection, event, None, None)
            _step(event, self._tracker.stumbled, connection, event)
            connection.undecoded += 1
            return event
        says = _step(event, self._said, event, what)
        _step(event, self._diagnosis.examine, connection, event, what, says)
        _step(event, self._tracker.follow, connection, event, what, says)
        if what.problems:
            event.note = "; ".join([event.note, *what.problems] if event.note else what.problems)
        return event

    def _said(self, event: Event, payload: Payload) -> said.Said | None:
        says = said.read(event, payload)
        if isinstance(says, said.Identify | said.Resume):
            says = self._tracker.world.recognize(event.plane, says)
        return says

    def _reading_row(
        self,
        connection: Connection,
        reading: Reading,
        at_ns: int,
        from_client: bool,
        number: int,
        frame: Frame | None = None,
    ) -> Event:
        """Return the row for something that was read, with what it says by itself."""
        what = reading.what
        kind = Kind.PAYLOAD if isinstance(what, Payload) else Kind.UNDECODED
        event = self._row(connection, kind, at_ns, reading.first_frame)
        event.last_frame = number
        event.from_client = from_client
        event.wire_bytes = reading.wire_bytes
        if frame is not None and frame.marks:
            event.marks = frame.marks
        if isinstance(what, Undecoded):
            event.undecoded = what
            return event
        event.op, event.event, event.seq = what.op, what.event, what.seq
        event.encoding = what.encoding
        event.payload = what.data
        event.decoded_bytes = len(what.data)
        _step(event, self._locate, event, what)
        return event

    def _locate(self, event: Event, payload: Payload) -> None:
        self._tracker.locate(event, payload.d)
        if payload.event is not None:
            self.names.update(names_in(payload.event, payload.d))

    def _folded(self, at_ns: int) -> list[Event]:
        """Return rows for the packets of sources that have paused by now."""
        ended = [(number, run) for number, media in self._media.items() for run in media.expire(at_ns)]
        return [self._run(self._open[number][0], run) for number, run in ended]

    def _run(self, connection: Connection, run: Run) -> Event:
        """Return the row for voice packets that belong together."""
        self._tracker.voice_of(connection, run.ssrc)
        self._note(connection)
        if run.packet is not None:
            payload = Payload("binary", run.packet, run.kind, None, None, described(run.packet))
        else:
            d = run.body()
            payload = Payload("json", orjson.dumps({"op": run.kind, "d": d}), run.kind, None, None, d)
        event = self._row(connection, Kind.PAYLOAD, run.last_ns, run.first_frame)
        event.last_frame = run.last_frame
        event.from_client = run.from_client
        event.op = run.kind
        # What was sent is encrypted, so nothing was decoded; the payload is our own account of it.
        event.wire_bytes = run.wire_bytes
        event.encoding = payload.encoding
        event.payload = payload.data
        _step(event, self._tracker.locate, event, payload.d)
        _step(event, self._diagnosis.examine, connection, event, payload, None)
        _step(event, self._tracker.follow, connection, event, payload, None)
        return event

    def _row(self, connection: Connection, kind: Kind, at_ns: int, frame: int) -> Event:
        event = Event(self.next_event, connection.id, at_ns, connection.opened.plane, kind)
        event.first_frame = event.last_frame = frame
        connection.last_at_ns = at_ns
        self.last_at_ns = max(self.last_at_ns, at_ns)
        connection.last_row = event.n
        self.next_event += 1
        return event

    def _observe(self, connection: Connection, decoder: Decoder) -> None:
        """Note what the bytes said about how the connection speaks."""
        if decoder.encoding is not None:
            connection.encoding = decoder.encoding
        if decoder.compression_seen is not None:
            connection.compression = decoder.compression_seen
        connection.unread_frames, connection.unread_bytes = decoder.unread_frames, decoder.unread_bytes
        self._note(connection)

    def _note(self, connection: Connection) -> None:
        """Remember that something new is known of a connection, if it is."""
        if connection.facts != connection.noted:
            connection.noted = connection.facts
            self.changed[connection.id] = connection


def _step(event: Event, step: Callable[[Unpack[Args]], T], *args: *Args) -> T | None:
    """Take one step of finding out what a row means. A bug of ours costs what the step would say, and not the row."""
    try:
        return step(*args)
    except Exception as error:
        if not is_ours(error):
            raise
        sentence = marked("gwinspect does not understand all of this row", error)
        event.note = f"{event.note}; {sentence}" if event.note else sentence
        return None
