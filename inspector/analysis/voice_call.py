"""One voice call: what is known of it, and how that is gathered, attempt by attempt. Bounded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from inspector.analysis.dave_timeline import DaveRecorder, DaveTimeline
from inspector.analysis.handshake import Course, Handshake, Seen, StepKey, handshake
from inspector.model import Severity

# Attempts that are kept: the first and the newest.
MOST_ATTEMPTS = 100


class Violation(NamedTuple):
    """Something that a rule noticed on a voice connection, or on its media."""

    at_ns: int
    row: int
    connection: int
    severity: Severity
    rule: str
    text: str
    """As it was stored, so anyone who shows it makes it inert."""


@dataclass(frozen=True, slots=True)
class VoiceCall:
    """One call. Never changes."""

    main: int | None
    """Number of the main connection that asked for it first; None where none did."""
    server: str | None
    """Id of its guild, or the channel of a private call; None where no one has said."""
    connections: tuple[int, ...]
    """Numbers of its voice connections."""
    handshakes: tuple[Handshake, ...]
    """Its attempts, in order, those that have come to nothing too."""
    dave: DaveTimeline
    violations: tuple[Violation, ...]
    """In order of time."""
    start_ns: int
    """When the first voice connection was opened, or else when it was asked for; ns since the epoch."""
    end_ns: int
    """When anything that matters here last happened."""
    left_out: int = 0
    """Attempts that are not kept."""

    @property
    def first_row(self) -> int:
        """Number of the row in which it began."""
        return self.handshakes[0].first_row

    def severity(self, row: int | None) -> Severity | None:
        """Return that of the worst that was noticed at a row."""
        return max((each.severity for each in self.violations if each.row == row), default=None)


@dataclass(slots=True, eq=False)
class Socket:
    """One voice connection."""

    course: Course
    call: "CallReading | None" = None
    close_row: int | None = None
    findings: list[Violation] = field(default_factory=list)


@dataclass(slots=True)
class Attempt:
    """What was said on the main gateway, and the voice connection that came of it."""

    asked: Mapping[StepKey, Seen]
    socket: Socket | None
    endpoint: bool = True
    """The main gateway named a server."""
    over: bool = False
    """Another attempt followed, so no connection will come of it."""


@dataclass(slots=True, eq=False)
class CallReading:
    """What has been read of one call."""

    home: str | None
    server: str | None
    private: bool
    main: int | None = None
    channel: int | None = None
    host: str | None = None
    """Of the newest endpoint, without its port."""
    left: bool = False
    active: int | None = None
    """Number of the voice connection that said last who it is."""
    pending: dict[StepKey, Seen] = field(default_factory=dict)
    """What was said on the main gateway since the last connection."""
    attempts: list[Attempt] = field(default_factory=list)
    left_out: int = 0
    dave: DaveRecorder = field(default_factory=DaveRecorder)
    last_ns: int = 0
    shown: VoiceCall | None = None
    """What the last snapshot had, as long as it holds."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing belongs to it."""
        return not self.attempts and not self.pending

    def ask(self, seen: Seen, channel: int | None) -> None:
        """Take in an op 4; one with the channel that the client is in only mutes it, or the like."""
        if self._is_there(channel):
            return
        if "ask" in self.pending or "server" in self.pending:
            self._give_up()
        self._note("ask", seen)
        self.channel = channel

    def joined(self, seen: Seen, channel: int | None) -> None:
        """Take in a VOICE_STATE_UPDATE of the client's own."""
        if "ask" in self.pending or not self._is_there(channel):
            self._note("state", seen)
            self.channel = channel

    def served(self, seen: Seen, endpoint: str | None) -> None:
        """Take in a VOICE_SERVER_UPDATE."""
        if "server" in self.pending:
            self._give_up()
        self._note("server", seen)
        self.host = without_port(endpoint) if endpoint else None

    def leave(self) -> None:
        """Take note that the client is in the channel no more."""
        self.left = True

    def begin(self, socket: Socket) -> None:
        """Take in a connection; what was asked before is what it came of."""
        asked = self.pending if "server" in self.pending else {}
        if asked:
            self.pending = {}
        socket.call = self
        self._add(Attempt(asked, socket))

    def drop(self, socket: Socket) -> None:
        """Give a connection away that turns out to belong elsewhere."""
        for attempt in self.attempts:
            if attempt.socket is socket:
                self.attempts.remove(attempt)
                self.pending = {**attempt.asked, **self.pending}
                break
        self.shown = None

    def view(self) -> VoiceCall | None:
        """Return what has been read so far; None where no row of it shows."""
        if self.shown is None:
            self.shown = self._view()
        return self.shown

    def _view(self) -> VoiceCall | None:
        attempts = [*self.attempts]
        if ("server" in self.pending and self.host) or "ask" in self.pending:
            attempts.append(Attempt(self.pending, None, self.host is not None))
        shaken = [
            handshake(each.asked, each.socket.course if each.socket else None, endpoint=each.endpoint, over=each.over)
            for each in attempts
            if each.asked or (each.socket is not None and each.socket.course.seen)
        ]
        if not shaken:
            return None
        sockets = [each.socket for each in self.attempts if each.socket is not None]
        opened = [seen.at_ns for socket in sockets if (seen := socket.course.seen.get("open")) is not None]
        start_ns = min(opened, default=shaken[0].start_ns)
        violations = sorted(found for socket in sockets for found in socket.findings)
        ends = (start_ns, self.last_ns, *(each.at_ns for each in violations))
        return VoiceCall(
            self.main,
            self.server,
            tuple(socket.course.connection for socket in sockets),
            tuple(shaken),
            self.dave.view(),
            tuple(violations),
            start_ns,
            max(ends),
            self.left_out,
        )

    def _is_there(self, channel: int | None) -> bool:
        """Say whether a connection is open, and in that channel."""
        return channel == self.channel and any(
            each.socket is not None and not each.socket.course.closed and each.socket.course.refusal is None
            for each in self.attempts[-1:]
        )

    def _note(self, key: StepKey, seen: Seen) -> None:
        self.pending[key] = seen
        self.last_ns = max(self.last_ns, seen.at_ns)
        self.shown = None

    def _give_up(self) -> None:
        """Take what was asked last for an attempt that has come to nothing."""
        self._add(Attempt(self.pending, None, self.host is not None, over=True))
        self.pending = {}

    def _add(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        if len(self.attempts) > MOST_ATTEMPTS:
            # The first tells how it began.
            del self.attempts[1]
            self.left_out += 1
        self.shown = None


def without_port(host: str) -> str:
    """Return a host in lower case, without the port that goes without saying."""
    return host.lower().removesuffix(":443")
