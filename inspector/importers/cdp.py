"""What a browser tells those who listen to it of its WebSockets: events of the Chrome DevTools Protocol.

Playwright, Puppeteer, Selenium and DevTools' own Protocol Monitor hand them out; docs/browsers.md has a script that
writes them down. The events (https://chromedevtools.github.io/devtools-protocol/tot/Network/): ``webSocketCreated`` has
the address, ``webSocketWillSendHandshakeRequest`` the request and the one ``wallTime``, from which and from the
``timestamp`` next to it the date of all others follows, as those only have a clock that began to run at some time.
``webSocketFrameSent`` and ``…Received`` are whole messages, with permessage-deflate undone; base64 where they are not
text. ``webSocketClosed`` says when, but not how: Chrome tells no one of close frames, pings and pongs. Where a frame
with their opcodes is in a file, it counts. A page that goes away takes its connections along without an event, so those
count as ended with the last that is known of them.

A file is gone through twice: what it can know of its connections is to be said when they open. What is written to it
meanwhile is not read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from inspector.importers.candidates import MAX_FRAMES, confirm
from inspector.importers.cdpevents import Event, EventFile, is_event_file, number_in
from inspector.importers.held import Held
from inspector.importers.hints import NO_HINTS, Hints
from inspector.importers.order import OrderedTracks, Track
from inspector.importers.source import Source, at_ns, clean, kept_headers, refusal_of, unbase64, websocket_url
from inspector.inert import inert
from inspector.model import Closed, Control, Frame, Happening, Knows, Opened, Plane
from inspector.protocol.hosts import plane_of, shape_of
from inspector.words import counted

_SOCKET = "Network.webSocket"
_CREATED, _REQUEST, _RESPONSE = (
    f"{_SOCKET}Created",
    f"{_SOCKET}WillSendHandshakeRequest",
    f"{_SOCKET}HandshakeResponseReceived",
)
_SENT, _RECEIVED = f"{_SOCKET}FrameSent", f"{_SOCKET}FrameReceived"
_ERROR, _CLOSED = f"{_SOCKET}FrameError", f"{_SOCKET}Closed"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_CONTROLS = (_CLOSE, _PING, _PONG)

# Events between two looks at what may come out.
_EVENTS = 256
# Nanoseconds by which an event may be too late: those of several pages pass through one process.
_LATE_NS = 1_000_000_000
# Connections that are open at once, those that are not Discord's among them.
_MOST_OPEN = 10_000
# Connections of which it is kept in mind how they go on; the others end with the file.
_MOST_FORESEEN = 100_000
# Happenings, and bytes of all such, that are kept until it is known whether a connection is Discord's.
_MOST_WAITING, _MOST_BYTES = 1000, 64 * 1024 * 1024
# Characters of an address and of an error that are kept, and of the name of a connection, which has a dozen.
_LONGEST_URL, _LONGEST_ERROR, _LONGEST_NAME = 64 * 1024, 1000, 200


@dataclass(slots=True)
class _Contents:
    """What there is in a file at all, found out before it is read."""

    methods: set[str] = field(default_factory=set)
    """Those of WebSockets' events."""
    opcodes: set[int] = field(default_factory=set)
    """Those of control frames."""
    closing: set[tuple[str, str]] = field(default_factory=set)
    """Connections with a close frame."""
    last: dict[tuple[str, str], int] = field(default_factory=dict)
    """Which of the events of WebSockets is the last of each connection, counted from 1."""
    count: int = 0
    """How many events of WebSockets there are."""
    offset: float | None = None
    """Seconds from the browser's clock to the epoch, by the first event that has both."""
    logged_offset: float | None = None
    """The same by when events were written down, which is later than they were."""
    untimed: bool = False
    """A message has no timestamp."""


@dataclass(slots=True, eq=False)
class _Talk:
    """One WebSocket while it is open."""

    number: int
    closes_in_frame: bool
    """There is a close frame of it in the file."""
    url: str = ""
    is_whole: bool = False
    """Its beginning is in the file."""
    is_answered: bool = False
    """The server accepted the upgrade, or said something."""
    began_ns: int = -1
    last_ns: int = 0
    offset: float | None = None
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    refusal: str = ""
    messages: int = 0
    errors: int = 0
    is_closed: bool = False
    """A close frame has passed."""
    wanted: bool | None = None
    """It is one of Discord's; None while that is not known."""
    waiting: list[Happening] = field(default_factory=list)
    waiting_bytes: int = 0


class CdpFile(Source):
    """Reads events as they were written down, as lines or as a list."""

    format = "DevTools events"
    advice = "start listening, with Network.enable, before the page is opened"

    def __init__(self, path: Path, hints: Hints = NO_HINTS) -> None:
        self._file = EventFile(path)
        super().__init__(path, hints)

    @staticmethod
    def recognizes(head: bytes) -> bool:
        """Say whether the file begins with an event of the protocol, in any of the forms of `cdpevents`."""
        return is_event_file(head)

    def _begin(self) -> None:
        super()._begin()
        self._talks: dict[tuple[str, str], _Talk] = {}
        self._held = Held()
        self._undecided: dict[int, int] = {}
        self._waiting_bytes = 0
        self._last_number = 0
        self._last_ns = 0
        self._sockets = 0
        self._late = 0
        self._left_out = 0
        self._forgotten = 0
        self._errors = 0
        self._first_error = ""

    def _happenings(self) -> Iterator[Happening]:
        self._contents = self._look()
        self.notes += self._file.notes
        timeline = OrderedTracks([Track(0, self._in_order)])
        yield from timeline
        self.notes += timeline.notes()

    def _conclude(self) -> None:
        contents = self._contents
        if self._sockets and contents.offset is None:
            if contents.logged_offset is None:
                self.notes.append(
                    "there is no event with a wallTime, so the date is unknown: times count from when the machine was "
                    f"started; write {_REQUEST} down, too"
                )
            else:
                self.notes.append("there is no event with a wallTime: the date is by when events were written down")
        if self._connections and not contents.methods >= {_SENT, _RECEIVED} and contents.methods & {_SENT, _RECEIVED}:
            missing = _SENT if _RECEIVED in contents.methods else _RECEIVED
            self.notes.append(f"there is no {missing} in the file, so only one side is known; write it down, too")
        if self._late:
            subject = counted(self._late, "WebSocket was/WebSockets were")
            self.notes.append(
                f"{subject} left out, as the file does not have the beginning ({_CREATED}): {self.advice}"
            )
        if self._left_out:
            self.notes.append(
                f"skipped, because they are not events of a WebSocket that can be read: {self._left_out:,}"
            )
        if self._forgotten:
            self.notes.append(
                f"more than {_MOST_OPEN:,} WebSockets were open at once; the end of {self._forgotten:,} was left out"
            )
        if self._errors:
            self.notes.append(
                f"errors that the browser recorded: {self._errors:,}, the first: {inert(self._first_error)}"
            )
        super()._conclude()

    def _why_empty(self) -> str:
        if self._sockets:
            return "none of its WebSockets went to a gateway"
        return f"no event in it is of a WebSocket; {self.advice}"

    def _look(self) -> _Contents:
        """Go through the file to see what there is at all."""
        found = _Contents()
        for event in self._file.events(lambda line: b"Network.webSocket" in line or b"wallTime" in line):
            stamp, wall = number_in(event.params, "timestamp"), number_in(event.params, "wallTime")
            if stamp is not None:
                if wall is not None and found.offset is None:
                    found.offset = wall - stamp
                if event.logged is not None:
                    offset = event.logged - stamp
                    found.logged_offset = offset if found.logged_offset is None else min(found.logged_offset, offset)
            if event.method not in _STEPS:
                continue
            found.count += 1
            found.methods.add(event.method)
            key = _key(event)
            if key is not None and (key in found.last or len(found.last) < _MOST_FORESEEN):
                found.last[key] = found.count
            if event.method in (_SENT, _RECEIVED):
                found.untimed |= stamp is None
                opcode = _object(event.params.get("response")).get("opcode")
                if opcode in _CONTROLS:
                    found.opcodes.add(int(opcode))
                    if opcode == _CLOSE and key in found.last:
                        found.closing.add(key)
        return found

    def _in_order(self) -> Iterator[Happening]:
        found = self._file.events(lambda line: b"Network.webSocket" in line)
        foreseen = islice((each for each in found if each.method in _STEPS), self._contents.count)
        events, last = enumerate(foreseen, 1), self._contents.last
        while batch := list(islice(events, _EVENTS)):
            for count, event in batch:
                key = _key(event)
                if key is None:
                    self._left_out += 1
                    continue
                _STEPS[event.method](self, key, event)
                if last.get(key) == count and key in self._talks:
                    self._end(self._talks.pop(key))
            self._read = min(self._file.read_bytes, self._total)
            yield from self._held.released(min([self._last_ns - _LATE_NS, *self._undecided.values()]))
        for talk in self._talks.values():
            self._end(talk)
        self._talks.clear()
        self._read = self._total
        yield from self._held.released(None)

    def _created(self, key: tuple[str, str], event: Event) -> None:
        before = self._talks.pop(key, None)
        if before is not None:
            self._end(before)
        talk = self._talk(key)
        url = event.params.get("url")
        talk.is_whole = True
        talk.url = websocket_url(url[:_LONGEST_URL]) if isinstance(url, str) else ""

    def _requested(self, key: tuple[str, str], event: Event) -> None:
        talk = self._talk(key)
        stamp, wall = number_in(event.params, "timestamp"), number_in(event.params, "wallTime")
        if stamp is not None and wall is not None:
            talk.offset = wall - stamp
        talk.began_ns = self._at(talk, event)
        talk.headers |= kept_headers(_headers(event.params.get("request")), ())

    def _answered(self, key: tuple[str, str], event: Event) -> None:
        talk = self._talk(key)
        self._at(talk, event)
        response = _object(event.params.get("response"))
        status, reason = response.get("status"), response.get("statusText")
        talk.headers |= kept_headers((), _headers(response))
        talk.status = status if type(status) is int and 0 < status < 1000 else None
        if talk.status == 101:
            talk.is_answered = True
            self._decide(talk)
        elif talk.status is not None:
            talk.refusal = refusal_of(talk.status, reason[:100] if isinstance(reason, str) else "", talk.headers)

    def _said(self, key: tuple[str, str], event: Event) -> None:
        talk = self._talk(key)
        at, from_client = self._at(talk, event), event.method == _SENT
        response = _object(event.params.get("response"))
        opcode, data = response.get("opcode"), response.get("payloadData")
        if not isinstance(data, str) or opcode not in (_TEXT, _BINARY, *_CONTROLS):
            self._left_out += 1
            return
        talk.is_answered = True
        raw = data.encode("utf-8", "surrogatepass") if opcode == _TEXT else unbase64(data)
        if opcode in (_TEXT, _BINARY):
            talk.messages += 1
            self._keep(talk, Frame(talk.number, at, from_client, opcode == _TEXT, raw))
        elif opcode == _CLOSE:
            # What answers it is no news.
            if talk.closes_in_frame and not talk.is_closed:
                talk.is_closed = True
                self._keep(talk, _close(talk.number, at, from_client, raw))
        else:
            self._keep(talk, Control(talk.number, at, from_client, "ping" if opcode == _PING else "pong", raw))

    def _failed(self, key: tuple[str, str], event: Event) -> None:
        talk = self._talk(key)
        self._at(talk, event)
        error = event.params.get("errorMessage")
        said = clean(error[:_LONGEST_ERROR]) if isinstance(error, str) else ""
        if not talk.is_answered:
            talk.refusal = talk.refusal or said or "no answer was recorded"
        else:
            talk.errors += 1
            self._first_error = self._first_error or said

    def _ended(self, key: tuple[str, str], event: Event) -> None:
        talk = self._talk(key)
        self._at(talk, event)
        # A script that listens to no answers knows of none.
        if not talk.is_answered and talk.is_whole and _RESPONSE in self._contents.methods:
            talk.refusal = talk.refusal or "no answer was recorded"
        self._end(self._talks.pop(key))

    def _talk(self, key: tuple[str, str]) -> _Talk:
        """Return the connection of an event, which may be the first of it."""
        talk = self._talks.get(key)
        if talk is None:
            self._sockets += 1
            self._last_number += 1
            talk = _Talk(self._last_number, key in self._contents.closing, last_ns=self._last_ns)
            self._talks[key] = talk
            if len(self._talks) > _MOST_OPEN:
                self._forgotten += 1
                self._end(self._talks.pop(next(iter(self._talks))))
        return talk

    def _at(self, talk: _Talk, event: Event) -> int:
        """Return when an event happened, and take that for the newest time of its connection."""
        stamp = number_in(event.params, "timestamp")
        offsets = (talk.offset, self._contents.offset, self._contents.logged_offset, 0.0)
        offset = next(each for each in offsets if each is not None)
        talk.last_ns = at_ns(None if stamp is None else stamp + offset, talk.last_ns)
        self._last_ns = max(self._last_ns, talk.last_ns)
        if talk.began_ns < 0:
            talk.began_ns = talk.last_ns
            if talk.wanted is None:
                self._undecided[talk.number] = talk.began_ns
        return talk.last_ns

    def _keep(self, talk: _Talk, happening: Happening) -> None:
        """Pass on what happened on a connection, or keep it until it is known whether that is Discord's."""
        if talk.wanted:
            self._held.keep(happening)
        elif talk.wanted is None:
            talk.waiting.append(happening)
            size = len(happening.data) if isinstance(happening, Frame | Control) else 0
            talk.waiting_bytes += size
            self._waiting_bytes += size
            is_full = len(talk.waiting) >= _MOST_WAITING or self._waiting_bytes > _MOST_BYTES
            self._decide(talk, final=is_full)

    def _decide(self, talk: _Talk, *, final: bool = False) -> None:
        """Find out whether a connection is one of Discord's, as far as that can be told yet."""
        if talk.wanted is not None:
            return
        opened = self._opened(talk)
        first = list(islice((each for each in talk.waiting if isinstance(each, Frame)), MAX_FRAMES))
        if plane_of(talk.url, self._hosts) is None and not final:
            guess = shape_of(talk.url) if talk.url else Plane.GATEWAY
            if guess is not None and confirm(replace(opened, plane=guess), first) is None:
                return
        waiting, talk.waiting = talk.waiting, []
        self._waiting_bytes -= talk.waiting_bytes
        self._undecided.pop(talk.number, None)
        if not talk.is_whole and not confirm(opened, first):
            # Whatever it is, it cannot be read: a compressed stream has its beginning elsewhere.
            self._late += 1
            talk.wanted = False
            return
        admitted = self._admit(opened, first)
        talk.wanted = admitted is not None
        if admitted is not None:
            self._held.keep(replace(admitted, connection=talk.number))
            for each in waiting:
                self._held.keep(each)

    def _end(self, talk: _Talk) -> None:
        """Pass on what is left of a connection, and that nothing more is known of it."""
        is_refused = bool(talk.refusal) and not talk.is_answered
        if is_refused and plane_of(talk.url, self._hosts) is None:
            talk.wanted = False
            self._undecided.pop(talk.number, None)
        self._decide(talk, final=True)
        if not talk.wanted or is_refused:
            return
        self._silent += not talk.messages
        self._errors += talk.errors
        if not talk.is_closed:
            self._held.keep(Closed(talk.number, talk.last_ns, None))

    def _opened(self, talk: _Talk) -> Opened:
        contents = self._contents
        is_refused = bool(talk.refusal) and not talk.is_answered
        knows = Knows.WIRE if contents.untimed else Knows.WIRE | Knows.TIMES
        if contents.methods >= {_SENT, _RECEIVED}:
            knows |= Knows.BOTH_SIDES
        if contents.opcodes & {_PING, _PONG}:
            knows |= Knows.PINGS
        if talk.closes_in_frame:
            knows |= Knows.END | Knows.CLOSER
        return Opened(
            connection=talk.number,
            at_ns=talk.began_ns if talk.began_ns >= 0 else talk.last_ns,
            plane=Plane.GATEWAY,
            url=talk.url,
            status=talk.status,
            refusal=talk.refusal if is_refused else None,
            headers=talk.headers,
            knows=knows,
        )


_STEPS = {
    _CREATED: CdpFile._created,
    _REQUEST: CdpFile._requested,
    _RESPONSE: CdpFile._answered,
    _SENT: CdpFile._said,
    _RECEIVED: CdpFile._said,
    _ERROR: CdpFile._failed,
    _CLOSED: CdpFile._ended,
}


def _key(event: Event) -> tuple[str, str] | None:
    """Return what tells a connection from all others; None where the event names none."""
    name = event.params.get("requestId")
    return (event.session, name) if isinstance(name, str) and len(name) <= _LONGEST_NAME else None


def _close(number: int, at: int, from_client: bool, data: bytes) -> Closed:
    """Return what a close frame says: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1"""
    code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005
    return Closed(number, at, code, data[2:].decode("utf-8", "replace"), "client" if from_client else "server")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _headers(message: Any) -> list[tuple[str, str]]:
    headers = _object(_object(message).get("headers"))
    return [(name, value) for name, value in headers.items() if isinstance(value, str)]
