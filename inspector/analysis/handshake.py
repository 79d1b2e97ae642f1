"""How one voice connection came about: what was asked on the main gateway, what followed on the voice socket, and what
did not come although it was due.

`STEPS` is the order in which things are due; what was recorded is in the order in which it happened. Source:
https://docs.discord.com/developers/topics/voice-connections
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from inspector.protocol.ops import GatewayOp, VoiceOp

# No one is waited for over so long: what comes after it, and need not come at all, is no part of the handshake's time.
LULL_NS = 10_000_000_000
AT_ONCE = 0

StepSide = Literal["main", "voice", "udp"]
Part = Literal["asking", "connecting", "login", "resume", "path", "encryption", "afterwards"]
StepKey = Literal[
    "ask", "state", "server", "open", "hello", "identify", "resume", "ready", "resumed", "discover", "discovered",
    "select", "describe", "sender", "package", "propose", "commit", "announce", "prepared", "execute", "speak", "close",
]  # fmt: skip
HandshakeOutcome = Literal["established", "resumed", "under way", "failed", "not recorded"]
"""``not recorded``: the recording began after it."""


class StepKind(NamedTuple):
    """What a step is."""

    part: Part
    """To which part of the handshake it belongs. A client does ``login`` or ``resume``, never both."""
    side: StepSide
    op: int | None
    """Its opcode; None for an event, an opening, a close, or what is not a payload of a gateway."""
    word: str
    """What it is called where it has no opcode."""
    from_client: bool
    """Who has to do it."""


STEPS: dict[StepKey, StepKind] = {
    "ask": StepKind("asking", "main", GatewayOp.VOICE_STATE_UPDATE, "", True),
    "state": StepKind("asking", "main", None, "VOICE_STATE_UPDATE", False),
    "server": StepKind("asking", "main", None, "VOICE_SERVER_UPDATE", False),
    "open": StepKind("connecting", "voice", None, "connection", True),
    "hello": StepKind("connecting", "voice", VoiceOp.HELLO, "", False),
    "identify": StepKind("login", "voice", VoiceOp.IDENTIFY, "", True),
    "resume": StepKind("resume", "voice", VoiceOp.RESUME, "", True),
    "ready": StepKind("login", "voice", VoiceOp.READY, "", False),
    "resumed": StepKind("resume", "voice", VoiceOp.RESUMED, "", False),
    "discover": StepKind("path", "udp", None, "IP discovery", True),
    "discovered": StepKind("path", "udp", None, "IP discovery", False),
    "select": StepKind("login", "voice", VoiceOp.SELECT_PROTOCOL, "", True),
    "describe": StepKind("login", "voice", VoiceOp.SESSION_DESCRIPTION, "", False),
    "sender": StepKind("encryption", "voice", VoiceOp.MLS_EXTERNAL_SENDER, "", False),
    "package": StepKind("encryption", "voice", VoiceOp.MLS_KEY_PACKAGE, "", True),
    "propose": StepKind("encryption", "voice", VoiceOp.MLS_PROPOSALS, "", False),
    "commit": StepKind("encryption", "voice", VoiceOp.MLS_COMMIT_WELCOME, "", True),
    "announce": StepKind("encryption", "voice", VoiceOp.MLS_ANNOUNCE_COMMIT, "", False),
    "prepared": StepKind("encryption", "voice", VoiceOp.DAVE_TRANSITION_READY, "", True),
    "execute": StepKind("encryption", "voice", VoiceOp.DAVE_EXECUTE_TRANSITION, "", False),
    "speak": StepKind("afterwards", "voice", VoiceOp.SPEAKING, "", True),
    "close": StepKind("afterwards", "voice", None, "close", False),
}
"""The steps of a handshake, in the order in which they are due."""
_PLACES = {key: place for place, key in enumerate(STEPS)}
PAYLOADS: dict[tuple[bool, int], StepKey] = {
    (kind.from_client, kind.op): key for key, kind in STEPS.items() if kind.side == "voice" and kind.op is not None
} | {(False, 30): "announce"}
"""The step that a payload of the voice gateway is, by its sender and opcode. A Welcome announces as a commit does."""


def _chain(*parts: Part) -> tuple[StepKey, ...]:
    return tuple(key for key, kind in STEPS.items() if kind.part in parts)


_LOGIN, _RESUME = _chain("login"), _chain("resume")
# What a resume takes over from the connection before.
_TAKEN_OVER = frozenset(_chain("path", "encryption")) | {"select", "describe"}
# What need not come, or comes when others come into the call.
_OPTIONAL = {"propose", "speak"}


class Seen(NamedTuple):
    """A row that a step was seen in."""

    at_ns: int
    """Nanoseconds since the epoch, as all times here."""
    row: int
    connection: int
    op: int | None = None


class HandshakeStep(NamedTuple):
    """One line of a handshake."""

    key: StepKey
    side: StepSide
    connection: int | None
    """None for a connection that never was."""
    op: int | None
    word: str
    """What it is called where it has no opcode."""
    from_client: bool
    """The client did it, or had to: then the time before it is the client's."""
    row: int | None
    """Number of its row in the timeline; None for what did not come although it was due."""
    start_ns: int
    """When the step before it was done."""
    end_ns: int
    """When it was; for what did not come, when it was waited for no longer."""
    later: bool = False
    """It came so late, or after all was done, that it is no part of the handshake's own time."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """One attempt to get into a call."""

    connection: int | None
    """The voice connection; None where it has not come to one."""
    steps: tuple[HandshakeStep, ...]
    outcome: HandshakeOutcome
    start_ns: int
    end_ns: int
    """When its own time ended: the last step that is not `HandshakeStep.later`."""
    closed: bool
    """Nothing more can come."""
    code: int | None
    """With which it was closed."""
    by: str | None
    cause: str
    """The first sentence of the verdict on its close; empty where there is none."""
    refusal: str | None
    """Why there was no connection; as it came."""

    @property
    def first_row(self) -> int:
        """Number of the row in which it began."""
        return next(step.row for step in self.steps if step.row is not None)


@dataclass(slots=True)
class Course:
    """What has been seen of one voice connection, as far as the handshake goes. Bounded."""

    connection: int
    joined_late: bool = False
    refusal: str | None = None
    seen: dict[StepKey, Seen] = field(default_factory=dict)
    """The first of each."""
    version: int | None = None
    """Of DAVE, as Session Description says."""
    transition: int | None = None
    """The first that was announced."""
    closed: bool = False
    code: int | None = None
    by: str | None = None
    cause: str = ""

    def take(self, from_client: bool, op: int, seen: Seen, transition: int | None) -> None:
        """Take in a payload of the voice gateway; `transition` is the id of a transition that it names."""
        key = PAYLOADS.get((from_client, op))
        if key is None or key in self.seen:
            return
        if key == "announce":
            self.transition = transition
        elif key in ("prepared", "execute") and ("announce" not in self.seen or transition != self.transition):
            # Of another transition, which is no part of the handshake.
            return
        self.seen[key] = seen

    @property
    def is_resume(self) -> bool:
        """Whether the client resumed."""
        return "resume" in self.seen

    @property
    def is_encrypted(self) -> bool:
        """Whether it agreed on DAVE."""
        return bool(self.version)

    @property
    def is_done(self) -> bool:
        """Whether the connection was let into the call."""
        return (_RESUME if self.is_resume else _LOGIN)[-1] in self.seen

    def due(self) -> Iterator[StepKey]:
        """Yield what has not come and had to, as far as can be told."""
        seen = self.seen
        if self.joined_late or self.refusal is not None:
            return
        if "hello" not in seen:
            yield "hello"
        # What follows on what did not come is not due.
        missing = next((key for key in (_RESUME if self.is_resume else _LOGIN) if key not in seen), None)
        if missing is not None:
            yield missing
        elif not self.is_resume and self.is_encrypted:
            yield from self._due_of_dave()

    def _due_of_dave(self) -> Iterator[StepKey]:
        seen = self.seen
        if "sender" not in seen:
            yield "sender"
        if "package" not in seen:
            yield "package"
        if "announce" not in seen:
            if "propose" in seen:
                yield "announce" if "commit" in seen else "commit"
        elif self.transition is not None and self.transition != AT_ONCE:
            if "prepared" not in seen:
                yield "prepared"
            if "execute" not in seen:
                yield "execute"


def handshake(
    asked: Mapping[StepKey, Seen], course: Course | None, *, endpoint: bool = True, over: bool = False
) -> Handshake:
    """Return what came of an attempt, of which at least one row was seen.

    `asked` is what was said on the main gateway, `course` the voice connection, `endpoint` whether a server was named,
    `over` whether nothing more can come although there is no connection.
    """
    seen: list[tuple[StepKey, Seen]] = [*asked.items(), *(course.seen.items() if course else ())]
    if course is not None and course.is_resume:
        seen = [each for each in seen if each[0] not in _TAKEN_OVER]
    seen.sort(key=lambda each: (each[0] == "close", each[1].at_ns, each[1].row))
    due: list[StepKey] = []
    if "ask" in asked:
        wanted: tuple[StepKey, ...] = ("state", "server")
        due += [key for key in wanted if key not in asked]
    if course is None and "server" in asked and endpoint:
        due.append("open")
    if course is not None:
        due += course.due()
    steps = _steps(seen, whole=not due)
    own = [step for step in steps if not step.later] or steps
    start_ns, end_ns = own[0].end_ns, max(step.end_ns for step in own)
    for key in due:
        _insert(steps, key, course.connection if course else None, end_ns)
    closed = over if course is None else course.closed or course.refusal is not None
    outcome: HandshakeOutcome = "failed" if closed else "under way"
    if course is not None and course.is_done:
        outcome = "resumed" if course.is_resume else "established"
    elif course is not None and course.joined_late:
        outcome = "not recorded"
    return Handshake(
        course.connection if course else None,
        tuple(steps),
        outcome,
        start_ns,
        end_ns,
        closed,
        course.code if course else None,
        course.by if course else None,
        course.cause if course else "",
        course.refusal if course else None,
    )


def _steps(seen: list[tuple[StepKey, Seen]], *, whole: bool) -> list[HandshakeStep]:
    """Return the steps that were seen, each from the end of the one before; `whole`: all that was due has come."""
    steps: list[HandshakeStep] = []
    before, later = seen[0][1].at_ns, False
    for key, (at_ns, row, connection, op) in seen:
        kind = STEPS[key]
        if key == "close":
            later = later or whole or at_ns - before > LULL_NS
        elif key in _OPTIONAL:
            later = later or at_ns - before > LULL_NS
        steps.append(
            HandshakeStep(
                key,
                kind.side,
                connection,
                kind.op if op is None else op,
                kind.word,
                kind.from_client,
                row,
                min(before, at_ns),
                at_ns,
                later,
            )
        )
        before = max(before, at_ns)
    return steps


def _insert(steps: list[HandshakeStep], key: StepKey, connection: int | None, end_ns: int) -> None:
    """Put in what did not come, after the last of those that come before it."""
    kind, place = STEPS[key], _PLACES[key]
    at = max((at + 1 for at, step in enumerate(steps) if _PLACES[step.key] < place and not step.later), default=0)
    before = max((step.end_ns for step in steps[:at] if step.row is not None), default=end_ns)
    if kind.side == "main":
        connection = next((step.connection for step in steps if step.side == "main"), None)
    steps.insert(
        at,
        HandshakeStep(
            key, kind.side, connection, kind.op, kind.word, kind.from_client, None, min(before, end_ns), end_ns
        ),
    )


def first_sentence(text: str) -> str:
    """Return a text up to the end of its first sentence; a point within a number or a word is none."""
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]
