"""What outlives a connection: sessions, voice calls, and the connections that have ended lately. Bounded.

A session is told by the digest of its id, so one is followed over all connections that resume it, in one recording or
in several that are read one after the other.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from inspector.model import Closed, Event, Payload, Plane
from inspector.protocol.ops import GatewayOp
from inspector.protocol.registry import Registry
from inspector.session.forms import Forms
from inspector.session.messages import At, Identify, Resume
from inspector.session.phases import session_phase
from inspector.session.redact import is_lost, mask_text
from inspector.session.refusals import Refusals
from inspector.session.state import Connection
from inspector.session.watches import Watches

# Sessions, calls and identities that are remembered; beyond that the one not heard of for longest is forgotten.
MAX_REMEMBERED = 4096
# Connections that have ended and of which everything is still known.
MAX_ENDED = 256
# Identifies that are remembered: more than any bot may send in a day without asking Discord first.
MAX_IDENTIFIES = 2000
# Names of what no table knows that are remembered.
MAX_SEEN = 1000
DAY_NS = 86_400_000_000_000

T = TypeVar("T")


class Login(NamedTuple):
    """An Identify, as the budget of a day counts it."""

    n: int
    at_ns: int
    connection: int
    token: str | None
    shard: tuple[int, int] | None


class Logins:
    """The Identifies of the last day, at most `MAX_IDENTIFIES`: those of one client are found without a look at all."""

    def __init__(self) -> None:
        self._all: deque[Login] = deque()
        self._by_client: dict[object, deque[Login]] = {}

    def add(self, login: Login) -> None:
        """Add the newest, and forget what has become too old."""
        self._all.append(login)
        for key in _clients_of(login):
            self._by_client.setdefault(key, deque()).append(login)
        while len(self._all) > MAX_IDENTIFIES or self._all[0].at_ns <= login.at_ns - DAY_NS:
            oldest = self._all.popleft()
            for key in _clients_of(oldest):
                same = self._by_client[key]
                same.popleft()
                if not same:
                    del self._by_client[key]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Login]:
        return iter(self._all)

    def of(self, token: str | None) -> Sequence[Login]:
        """Return those with `token`, the oldest first."""
        return self._by_client.get(token, ())

    def of_shard(self, token: str | None, shard: tuple[int, int] | None) -> Sequence[Login]:
        """Return those with `token` of one shard, the oldest first."""
        return self._by_client.get((token, shard), ())


def _clients_of(login: Login) -> tuple[object, object]:
    return login.token, (login.token, login.shard)


class Ending(NamedTuple):
    """How a connection ended."""

    n: int
    at_ns: int
    connection: int
    closed: Closed


@dataclass(slots=True)
class Session:
    """One session, over all connections that belong to it."""

    id: str
    """Digest of its id."""
    identity: str
    """Of its client, as `World.identity` says."""
    phase: str = "live"
    """See `inspector.session.phases.SESSION_PHASES`."""
    length: int = 0
    """Characters of its id, where they are known."""
    ready: At | None = None
    """READY; None where it was not recorded."""
    resume_host: str | None = None
    """Host and port of the URL that READY named for a resume."""
    stays: bool = False
    """READY's client was told to resume at the proxy instead."""
    version: int | None = None
    encoding: str | None = None
    """``v`` and ``encoding`` of the URL that it began on."""
    seq: int | None = None
    """The highest sequence number that the server gave."""
    user_id: str | None = None
    intents: frozenset[str] | None = None
    """Names of a bot's intents; None where they are not known, or do not matter."""
    identify: Identify | None = None
    connections: deque[int] = field(default_factory=lambda: deque(maxlen=64))
    """Numbers of its connections, the newest last."""
    ending: Ending | None = None
    """How its newest connection ended; None while it is open."""
    destroyed: At | None = None
    """The row that ended the session for good."""
    failures: int = 0
    """Resumes since the last RESUMED that came to nothing."""

    def transition(self, what: str) -> None:
        """Move on to the next phase; `what` is a key of `SESSION_PHASES`."""
        self.phase = session_phase(self.phase, what)


@dataclass(slots=True)
class Call:
    """A voice call as the main gateway knows it: what was asked for, and what was answered."""

    server_id: str
    """Guild, or the channel of a private call."""
    main: int
    """Number of the main connection."""
    asked: At | None = None
    """Op 4."""
    wanted: str | None = None
    """The channel that it asked for; None to leave."""
    channel: str | None = None
    """Where the account is; None where it has left."""
    state: At | None = None
    """The account's own VOICE_STATE_UPDATE, the newest."""
    session: str | None = None
    """Digest of the session id in it."""
    server: At | None = None
    """VOICE_SERVER_UPDATE, the newest."""
    token: str | None = None
    """Digest of the token in it."""
    endpoint: str | None = None
    """Host and port; None where the server went away."""
    moved: At | None = None
    """When it was moved to another channel, or put out of the call (`channel` is None then)."""
    gone: At | None = None
    """When its channel, the call or the guild was deleted, or got out of reach."""
    gone_by: str = ""
    """The event that said so."""


class Remembered(OrderedDict[str, T], Generic[T]):
    """The things last heard of, by name: at most `MAX_REMEMBERED`."""

    def keep(self, key: str, value: T) -> T:
        """Keep `value` as the newest and return it."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > MAX_REMEMBERED:
            self.popitem(last=False)
        return value


def unknown_names(event: Event, payload: Payload, registry: Registry) -> Iterator[str]:
    """Yield what in a payload no table knows: ``op 97``, ``event X``, ``key x of the envelope``."""
    op, name = payload.op, payload.event
    if op is not None and registry.opcode(event.plane, op, from_client=event.from_client) is None:
        yield f"op {op}"
    if name is not None and event.plane is Plane.GATEWAY and op == GatewayOp.DISPATCH and name not in registry.events:
        yield f"event {mask_text(name)[:80]}"
    for key in payload.extra:
        yield f"key {mask_text(str(key))[:80]} of the envelope"


class World:
    """All of one recording that is still of interest."""

    def __init__(self) -> None:
        self.open: dict[int, Connection] = {}
        """Connections that are open, by number."""
        self.ended: OrderedDict[int, tuple[Connection, Ending]] = OrderedDict()
        """Those that have ended lately, by number."""
        self.sessions: Remembered[Session] = Remembered()
        """Sessions of the main gateway, by digest."""
        self.calls: Remembered[Call] = Remembered()
        """Voice calls, by server id."""
        self.last_of: Remembered[int] = Remembered()
        """By identity: the number of the newest connection of each client that said who it is."""
        self.logins = Logins()
        """Identifies on the main gateway."""
        self.forms = Forms()
        """What kinds of value the fields of events have had."""
        self.seen: set[str] = set()
        """Names of what no table knows and has been told of once: ``op 97``, ``event X``."""
        self.watches = Watches()
        """What should follow on a row, and has not yet."""
        self.refusals = Refusals()
        """Connections that did not come about."""
        self.has_gaps = False
        """Messages are missing from the recording, and what would settle a question may be among them."""

    def see(self, event: Event, payload: Payload, registry: Registry) -> None:
        """Remember what in a payload no table knows."""
        for name in unknown_names(event, payload, registry):
            if len(self.seen) < MAX_SEEN:
                self.seen.add(name)

    def session_of(self, connection: Connection) -> Session | None:
        """Return the session that a connection of the main gateway belongs to."""
        return None if connection.session is None else self.sessions.get(connection.session)

    def was_read(self, session: Session) -> bool:
        """Return whether all that was said in a session so far could be read."""
        ended = (self.ended[number][0] for number in session.connections if number in self.ended)
        opened = (self.open[number] for number in session.connections if number in self.open)
        return all(connection.is_whole for connection in (*ended, *opened))

    @property
    def has_unread(self) -> bool:
        """Whether some of the main gateway's messages are missing, or could not be read."""
        return self.has_gaps or not all(each.is_whole for each in self.known() if each.plane is Plane.GATEWAY)

    def known(self) -> list[Connection]:
        """Return the connections that have ended lately, then the newest of those that are open, in their order."""
        newest = list(islice(reversed(self.open.values()), MAX_ENDED))
        return [*(connection for connection, _ in self.ended.values()), *reversed(newest)]

    def end(self, connection: Connection, ending: Ending) -> None:
        """Take note that a connection has ended."""
        self.ended[connection.id] = connection, ending
        if len(self.ended) > MAX_ENDED:
            self.ended.popitem(last=False)

    def forgot_since(self, at_ns: int) -> bool:
        """Return whether a connection that ended at `at_ns` or later may have been forgotten."""
        return len(self.ended) >= MAX_ENDED and next(iter(self.ended.values()))[1].at_ns >= at_ns

    def before(self, identity: str) -> tuple[Connection, Ending] | None:
        """Return the connection that the client called `identity` had last, and how it ended.

        None where it has none that ended, or that was too long ago.
        """
        number = self.last_of.get(identity)
        return None if number is None else self.ended.get(number)

    def identity(self, plane: Plane, asked: Identify | Resume) -> str:
        """Return what tells the client that said this from others: its account and shard, in voice its call."""
        if plane is Plane.VOICE:
            return f"voice {asked.server_id}"
        if isinstance(asked, Identify):
            shard = asked.shard or (0, 1)
            return f"{asked.token} {shard[0]}/{shard[1]}"
        session = self.sessions.get(asked.session or "")
        if session is None and is_lost(asked.session):
            return f"session of row {asked.n}"
        return session.identity if session is not None else f"session {asked.session}"

    def recognize(self, plane: Plane, asked: Identify | Resume) -> Identify | Resume:
        """Return what a client said with what masks have left nothing of: taken to be what it had been given, if that
        is clear.

        A mask is as long as what it hides. On the main gateway the session of that length is meant, of several the one
        that is not open any more and had come as far as the client says.
        """
        if plane is Plane.VOICE:
            call = self.calls.get(asked.server_id or "")
            if call is not None and is_lost(asked.session):
                asked = asked._replace(session=call.session)
            if call is not None and is_lost(asked.token):
                asked = asked._replace(token=call.token)
            return asked
        if not isinstance(asked, Resume) or asked.session is None or not is_lost(asked.session):
            return asked
        alike = [
            session
            for session in self.sessions.values()
            if session.length == len(asked.session)
            and (session.identify is None or session.identify.token == asked.token)
        ]
        for narrower in (
            [session for session in alike if session.ending is not None],
            [session for session in alike if session.ending is not None and session.seq == asked.seq],
        ):
            if len(alike) > 1 and narrower:
                alike = narrower
        return asked._replace(session=alike[0].id) if len(alike) == 1 else asked
