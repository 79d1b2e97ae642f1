"""What a rule is: one function that looks at one row, and what is said of it.

A rule sees a `Situation`: the row, what it says, and the state of everything *before* that row. It remembers nothing,
reads no clock, and yields what it noticed. Its docstring's first line is its title; what follows says why it matters.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from inspector.model import ABSENT, Closed, Event, Kind, Knows, Payload, Plane, Severity
from inspector.protocol.ops import GatewayOp
from inspector.protocol.registry import Registry
from inspector.session.messages import Identify, Message, Resume
from inspector.session.plan import Odd
from inspector.session.state import Connection
from inspector.session.watches import Watch
from inspector.session.world import Ending, Session, World

T = TypeVar("T")

MS, SECOND = 1_000_000, 1_000_000_000
"""In nanoseconds, as all times are."""


class Noticed(NamedTuple):
    """What a rule has to say of a row."""

    text: str
    """One or two sentences, with the numbers of this case. Text from the wire must be made inert."""
    evidence: tuple[int | None, ...] = ()
    """Numbers of other rows that it speaks of, in order; those that are None do not count."""
    severity: Severity | None = None
    """Where this case differs from what the rule says."""


@dataclass(slots=True)
class Situation:
    """One row, and the world before it."""

    event: Event
    connection: Connection
    world: World
    registry: Registry
    payload: Payload | None = None
    """For rows of kind ``payload``."""
    said: Message | None = None
    """What the payload says, where it is something that sessions are made of."""
    since_ns: int = 0
    """Up to when silence was looked into before; see `passed`."""
    watch: Watch | None = None
    """What should have followed on the row, where that is the question; it is later than the row then."""

    @property
    def d(self) -> Any:
        """The body, `ABSENT` where there is none."""
        return ABSENT if self.payload is None else self.payload.d

    @property
    def at_ns(self) -> int:
        """When it is, in nanoseconds since the epoch."""
        return self.event.at_ns

    @property
    def session(self) -> Session | None:
        """The session that the connection belongs to so far."""
        return self.world.session_of(self.connection)

    @property
    def closed(self) -> Closed | None:
        """How the connection ended; None for all other rows, and where its source does not know ends."""
        return None if self.connection.lacks & Knows.END.value else self.event.closed

    def passed(self, deadline_ns: int) -> bool:
        """Return whether a deadline has passed since silence was last looked into: true once for each."""
        return self.since_ns < deadline_ns <= self.at_ns

    def expect(self, kind: type[T]) -> T:
        """Return what the payload says, which is known to be of this kind."""
        assert isinstance(self.said, kind)
        return self.said

    def before(self) -> tuple[Connection, Ending] | None:
        """Return the connection that the client had before this one, and how that ended.

        For an Identify or Resume: as far as it tells who it is. None where there was none.
        """
        if isinstance(self.said, Identify | Resume):
            return self.world.before(self.world.identity(self.event.plane, self.said))
        return self.world.ended.get(self.connection.previous or 0)


# Rows that a finding or a verdict names as evidence.
MAX_EVIDENCE = 24


def bounded(evidence: Iterable[int | None], row: int) -> tuple[int, ...]:
    """Return the rows that are evidence at `row`, each once and in order: at most `MAX_EVIDENCE`, without `row`."""
    rows = sorted({n for n in evidence if n is not None and n > 0 and n != row})
    if len(rows) > MAX_EVIDENCE:
        # The beginning and the end of it say most.
        rows = rows[: MAX_EVIDENCE // 2] + rows[-MAX_EVIDENCE // 2 :]
    return tuple(rows)


Check = Callable[[Situation], Iterable[Noticed]]


class Trigger(NamedTuple):
    """Which rows a rule looks at. What is None may be anything."""

    plane: Plane | None = None
    kind: Kind | None = Kind.PAYLOAD
    """None: moments at which silence is looked into; see `silence`."""
    from_client: bool | None = None
    op: int | str | None = None
    event: str | None = None
    """Name of a dispatch."""
    odd: Odd = Odd.NONE
    """Only payloads that are odd in this way."""
    watch: str | None = None
    """Moments at which something is due that has not come; see `unfollowed`."""


def sends(plane: Plane, *ops: int | str, odd: Odd = Odd.NONE) -> tuple[Trigger, ...]:
    """Payloads of the client: those with these opcodes, or all; only those that are `odd`."""
    return tuple(Trigger(plane, from_client=True, op=op, odd=odd) for op in ops or (None,))


def receives(plane: Plane, *ops: int | str, odd: Odd = Odd.NONE) -> tuple[Trigger, ...]:
    """Payloads of the server: those with these opcodes, or all; only those that are `odd`."""
    return tuple(Trigger(plane, from_client=False, op=op, odd=odd) for op in ops or (None,))


def dispatches(*names: str, odd: Odd = Odd.NONE) -> tuple[Trigger, ...]:
    """Events of the main gateway: those with these names, or all; only those that are `odd`."""
    return tuple(
        Trigger(Plane.GATEWAY, from_client=False, op=GatewayOp.DISPATCH, event=name, odd=odd)
        for name in names or (None,)
    )


def payloads(*planes: Plane, odd: Odd = Odd.NONE) -> tuple[Trigger, ...]:
    """Payloads of both sides; only those that are `odd`."""
    return tuple(Trigger(plane, odd=odd) for plane in planes or (None,))


def closes(*planes: Plane) -> tuple[Trigger, ...]:
    """Ends of connections."""
    return tuple(Trigger(plane, Kind.CLOSE) for plane in planes or (None,))


def opens(*planes: Plane) -> tuple[Trigger, ...]:
    """Beginnings of connections, refused ones too."""
    return tuple(Trigger(plane, Kind.OPEN) for plane in planes or (None,))


def silence(*planes: Plane) -> tuple[Trigger, ...]:
    """Time going by on an open connection: at its rows, at ticks, at its end. `Situation.passed` tells deadlines."""
    return tuple(Trigger(plane, None) for plane in planes or (None,))


def unfollowed(*kinds: str) -> tuple[Trigger, ...]:
    """Something that should have followed on a row is due, and the recording goes on; see `inspector.session.watches`.

    Whether it came is for the rule to say. Its findings belong to that row.
    """
    return tuple(Trigger(watch=kind) for kind in kinds)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, and what is said of it."""

    id: str
    """In kebab-case."""
    severity: Severity
    """Of what it notices, unless a case differs."""
    title: str
    """What it notices, in a phrase."""
    why: str
    """Why that matters; may be empty."""
    remedy: str
    """What to do about it."""
    source: tuple[str, ...]
    """Ids of sources in the registry."""
    triggers: tuple[Trigger, ...]
    check: Check
    needs: int = 0
    """Bits of `Knows`: what the source of a connection must know, or the rule is not asked about it. That a look into
    silence needs times, and one at a close ends, goes without saying."""


def rule(
    name: str,
    severity: Severity,
    *when: tuple[Trigger, ...],
    remedy: str,
    source: tuple[str, ...],
    needs: Knows = Knows.NOTHING,
) -> Callable[[Callable[[Situation], Iterator[Noticed]]], Rule]:
    """Make a rule of a function; its docstring says what it notices."""

    def made(check: Callable[[Situation], Iterator[Noticed]]) -> Rule:
        title, _, why = (check.__doc__ or "").partition("\n")
        triggers = tuple(trigger for group in when for trigger in group)
        title, why = title.strip().rstrip("."), " ".join(why.split())
        return Rule(name, severity, title, why, remedy, source, triggers, check, needs.value)

    return made
