"""What outlives a connection: sessions, voice calls, and the connections that have ended lately. Bounded.

A session is told by the digest of its id, so one is followed over all connections that resume it, in one recording or
in several that are read one after the other.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from inspector.model import Closed, Event, Payload, Plane, StartLimit
from inspector.protocol.ops import GatewayOp
from inspector.protocol.registry import Registry
from inspector.session.forms import Forms
from inspector.session.messages import At, Identify, Resume
from inspector.session.paces import Pace
from inspector.session.phases import session_phase
from inspector.session.redact import is_lost, mask_text
from inspector.session.refusals import Refusals
from inspector.session.state import Connection
from inspector.session.watches import Watches

# Sessions, calls and identities that are remembered; beyond that the one not heard of for longest is forgotten.
MAX_REMEMBERED = 4096
# Calls among which one is looked for whose account is not known.
MAX_SEARCHED = 256
# Connections that have ended and of which everything is still known.
MAX_ENDED = 256
# Identifies that are remembered: more than any bot may send in a day without asking Discord first.
MAX_IDENTIFIES = 2000
# Names of what no table knows that are remembered.
MAX_SEEN = 1000
# Accounts of each that are remembered.
MAX_SEERS = 64
DAY_NS = 86_400_000_000_000

K = TypeVar("K", bound=Hashable)
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
    account: str | None = None
    """Whose it is; see `Accounts`."""
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
    paces: dict[str, Pace] = field(default_factory=dict)
    """How its events come, by their names."""

    def transition(self, what: str) -> None:
        """Move on to the next phase; `what` is a key of `SESSION_PHASES`."""
        self.phase = session_phase(self.phase, what)


@dataclass(slots=True)
class Call:
    """A voice call as the main gateway knows it: what was asked for, and what was answered."""

    server_id: str
    """Guild, or the channel of a private call."""
    account: str | None
    """Whose it is, as `Accounts` names it; None where that is not known."""
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


class Remembered(OrderedDict[K, T], Generic[K, T]):
    """The things last heard of, by name: at most `MAX_REMEMBERED`."""

    def keep(self, key: K, value: T) -> T:
        """Keep `value` as the newest and return it."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > MAX_REMEMBERED:
            self.popitem(last=False)
        return value

    def absorb(self, other: "Remembered[K, T]") -> None:
        """Remember what `other` does; what both have stays as it is here."""
        for key, value in other.items():
            if key not in self:
                self.keep(key, value)


class Accounts:
    """Names for the accounts of a recording, the same on all of an account's connections.

    An account is named by the digest of the first token that it showed, as that is known before anything else; by its
    user's id, after ``user ``, where a voice connection or a READY is all that there is of it.
    """

    def __init__(self) -> None:
        self._named: Remembered[str, str] = Remembered()

    def of_token(self, token: str | None) -> str | None:
        """Return the account that shows a token; None where its digest tells nothing."""
        return None if token is None or is_lost(token) else self._named.get(token, token)

    def of_user(self, user_id: str | None) -> str | None:
        """Return the account of a user."""
        return None if user_id is None else self._named.get(f"user {user_id}", f"user {user_id}")

    def of_call(self, session: str | None) -> str | None:
        """Return the account that spoke of a voice session; None where none did."""
        return None if session is None or is_lost(session) else self._named.get(f"call {session}")

    def join(self, account: str | None, user_id: str | None) -> str | None:
        """Take in that READY names this user, and return the name of its account from now on."""
        if user_id is None:
            return account
        known = self._named.keep(f"user {user_id}", self._named.get(f"user {user_id}") or account or f"user {user_id}")
        if account is not None and account != known:
            # Its token was reset.
            self._named.keep(account, known)
        return known

    def absorb(self, other: "Accounts") -> None:
        """Take in the names that `other` has given."""
        self._named.absorb(other._named)

    def speaks_of(self, session: str | None, account: str | None) -> None:
        """Take in that an account spoke of a voice session."""
        if session is not None and account is not None and not is_lost(session):
            self._named.keep(f"call {session}", account)


def unknown_names(event: Event, payload: Payload, registry: Registry) -> Iterator[str]:
    """Yield what in a payload no table knows: ``op 97``, ``event X``, ``key x of the envelope``."""
    op, name = payload.op, payload.event
    if op is not None and registry.opcode(event.plane, op, from_client=event.from_client) is None:
        yield f"op {op}"
    if name is not None and event.plane is Plane.GATEWAY and op == GatewayOp.DISPATCH and name not in registry.events:
        yield f"event {mask_text(name)[:80]}"
    for key in payload.extra:
        yield f"key {mask_text(str(key))[:80]} of the envelope"


def _may_be(account: str | None, other: str | None) -> bool:
    """Return whether two accounts may be the same: a user's token is not always known."""
    return account == other or any(each is None or each.startswith("user ") for each in (account, other))


class World:
    """All of one recording that is still of interest."""

    def __init__(self) -> None:
        self.open: dict[int, Connection] = {}
        """Connections that are open, by number."""
        self.ended: OrderedDict[int, tuple[Connection, Ending]] = OrderedDict()
        """Those that have ended lately, by number."""
        self.accounts = Accounts()
        self.sessions: Remembered[str, Session] = Remembered()
        """Sessions of the main gateway, by digest."""
        self.calls: Remembered[tuple[str, str | None], Call] = Remembered()
        """Voice calls, by server id and account."""
        self.last_of: Remembered[str, int] = Remembered()
        """By identity: the number of the newest connection of each client that said who it is."""
        self.logins = Logins()
        """Identifies on the main gateway."""
        self.start_limits: Remembered[str, StartLimit] = Remembered()
        """What Discord told of session starts last, by the digest of the token that asked."""
        self.forms = Forms()
        """What kinds of value the fields of events have had."""
        self.seen: dict[str, set[str | None]] = {}
        """Names of what no table knows, ``op 97``, ``event X``, and the accounts at which they came up."""
        self.watches = Watches()
        """What should follow on a row, and has not yet."""
        self.refusals = Refusals()
        """Connections that did not come about."""
        self.gaps: set[str | None] = set()
        """Accounts of which messages are missing from the recording; None where that is not known."""

    def starts_left(self, token: str | None, at_ns: int) -> int | None:
        """Return how many sessions the bot with a token can still start, by what it was told and has done since.

        None where no one knows: it was told nothing, or has got all of them again since.
        """
        limit = self.start_limits.get(token or "")
        if limit is None or at_ns >= limit.at_ns + limit.reset_after_ms * 1_000_000:
            return None
        since = sum(1 for login in self.logins.of(token) if login.at_ns >= limit.at_ns)
        return max(limit.remaining - since, 0)

    def absorb(self, other: "World") -> None:
        """Take in another recording, which turns out to be of the same account; `other` is of no use after that."""
        self.open.update(other.open)
        ended = sorted({**other.ended, **self.ended}.items(), key=lambda each: each[1][1].n)
        self.ended = OrderedDict(ended[-MAX_ENDED:])
        self.accounts.absorb(other.accounts)
        self.sessions.absorb(other.sessions)
        self.calls.absorb(other.calls)
        self.last_of.absorb(other.last_of)
        logins, self.logins = sorted((*self.logins, *other.logins)), Logins()
        for login in logins:
            self.logins.add(login)
        self.start_limits.absorb(other.start_limits)
        for name, accounts in other.seen.items():
            self.seen.setdefault(name, set()).update(accounts)
        self.watches.absorb(other.watches)
        self.refusals.absorb(other.refusals)
        self.gaps |= other.gaps

    def is_new(self, name: str, account: str | None) -> bool:
        """Return whether what no table knows comes up for the first time at an account."""
        at = self.seen.get(name)
        if at is None:
            return len(self.seen) < MAX_SEEN
        # Where someone is not known, it may be the same account.
        return account is not None and not {account, None} & at and len(at) < MAX_SEERS

    def see(self, connection: Connection, event: Event, payload: Payload, registry: Registry) -> None:
        """Remember what in a payload no table knows."""
        for name in unknown_names(event, payload, registry):
            if self.is_new(name, connection.account):
                self.seen.setdefault(name, set()).add(connection.account)

    def call(self, server_id: str | None, account: str | None) -> Call | None:
        """Return the call that an account has at a server; where its account is not known, the newest it may be."""
        if server_id is None:
            return None
        exact = self.calls.get((server_id, account))
        return exact or next((call for call in self.calls_of(account) if call.server_id == server_id), None)

    def calls_of(self, account: str | None) -> Iterator[Call]:
        """Yield the calls that may be an account's, the newest first: of so many that were heard of last."""
        # Of a user nobody knows the token before READY.
        is_open = account is None or account.startswith("user ")
        lately = islice(reversed(self.calls.values()), MAX_SEARCHED)
        return (call for call in lately if is_open or call.account in (None, account))

    def keep_call(self, call: Call, account: str | None) -> Call:
        """Keep a call as the newest, which is that of this account."""
        self.calls.pop((call.server_id, call.account), None)
        call.account = account
        return self.calls.keep((call.server_id, account), call)

    def account_of(self, asked: Identify | Resume) -> str | None:
        """Return the account that says this on the voice gateway."""
        if isinstance(asked, Identify):
            return self.accounts.of_user(asked.user_id)
        return self.accounts.of_call(asked.session)

    def session_of(self, connection: Connection) -> Session | None:
        """Return the session that a connection of the main gateway belongs to."""
        return None if connection.session is None else self.sessions.get(connection.session)

    def was_read(self, session: Session) -> bool:
        """Return whether all that was said in a session so far could be read."""
        ended = (self.ended[number][0] for number in session.connections if number in self.ended)
        opened = (self.open[number] for number in session.connections if number in self.open)
        return all(connection.is_whole for connection in (*ended, *opened))

    def miss(self, account: str | None) -> None:
        """Take in that messages of an account are missing."""
        self.gaps.add(account if len(self.gaps) < MAX_REMEMBERED else None)

    def has_gaps(self, account: str | None) -> bool:
        """Return whether messages are missing that may be an account's, and may settle a question."""
        return any(_may_be(account, each) for each in self.gaps)

    def has_unread(self, account: str | None) -> bool:
        """Return whether some of the main gateway's messages are missing for an account, or could not be read."""
        own = (each for each in self.known() if each.plane is Plane.GATEWAY and _may_be(account, each.account))
        return self.has_gaps(account) or not all(each.is_whole for each in own)

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
            account = self.account_of(asked)
            return f"voice {asked.server_id}{f' of {account}' if account else ''}"
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
            call = self.call(asked.server_id, self.account_of(asked))
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
