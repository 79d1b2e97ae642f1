"""Rules about clients that get in each other's way: one shard served twice, shards that count differently.

Source: https://docs.discord.com/developers/events/gateway#sharding
"""

from collections.abc import Iterator
from itertools import islice

from inspector.diagnose.rule import SECOND, Noticed, Situation, rule, sends, silence
from inspector.diagnose.words import quoted
from inspector.model import Plane, Severity
from inspector.protocol.ops import GatewayOp
from inspector.session.messages import Identify, Resume
from inspector.session.state import Connection
from inspector.session.world import Session, World
from inspector.words import roughly

GATEWAY = Plane.GATEWAY
# Time for which two sessions may overlap: a bot that is updated without a pause starts the new one first.
TOGETHER_NS = 120 * SECOND
# Time within which another process must have been heard of to be named as a cause.
LATELY_NS = 600 * SECOND
# Open connections among which others of the same bot are looked for.
MOST_SEARCHED = 256
# Time within which the shard whose connection ended resumes.
PROMPT_NS = 60 * SECOND
# Codes without a close frame: those of a network that fails, and it fails for all shards.
_BROKEN = (1005, 1006)
_LOOPBACK = ("127.", "[::1]", "::1", "[::ffff:127.")


@rule(
    "same-shard-twice",
    Severity.WARN,
    silence(GATEWAY),
    remedy="Stop one of the two. Look for a second copy of the bot: another machine, an old container, a test run with "
    "the same token. Close the old connection before opening a new one.",
    source=("official-gateway",),
)
def same_shard_twice(now: Situation) -> Iterator[Noticed]:
    """Two sessions of one bot and shard are up at the same time.

    Each event reaches both, so each command is answered twice; and both spend the same budget of logins.
    """
    connection = now.connection
    if not _is_up_for_long(now):
        return
    for other in _others(now.world, connection):
        if other.identity == connection.identity and other.session != connection.session and _overlap(now, other):
            number, count = _shard(now.world, connection) or (0, 1)
            yield Noticed(
                f"Connections {other.id} and {connection.id} both serve shard {number} of {count} of this bot, and "
                f"have for {_together(now, other)}. {_who(other, connection)}",
                _rows(other, connection),
            )
            return


@rule(
    "shard-counts-differ",
    Severity.WARN,
    silence(GATEWAY),
    remedy="Start all shards with the same count. When you change it, stop the shards with the old one.",
    source=("official-gateway",),
)
def shard_counts_differ(now: Situation) -> Iterator[Noticed]:
    """Shards of one bot do not agree on how many there are.

    The count decides which shard a guild belongs to: some guilds are served twice, and others may not be served at all.
    """
    connection = now.connection
    own = _shard(now.world, connection) if _is_up_for_long(now) else None
    if own is None:
        return
    token = _token(now.world, connection)
    for other in _others(now.world, connection):
        pair = _shard(now.world, other)
        if pair is None or pair[1] == own[1] or token is None or token != _token(now.world, other):
            continue
        if _overlap(now, other):
            yield Noticed(
                f"Connection {connection.id} is shard {own[0]} of {own[1]}, and connection {other.id} is shard "
                f"{pair[0]} of {pair[1]} of the same bot; both have been up for {_together(now, other)}. "
                f"{_who(other, connection)}",
                _rows(other, connection),
            )
            return


def _is_up_for_long(now: Situation) -> bool:
    """Return whether a bot's connection has now been accepted for `TOGETHER_NS`: true once for each.

    Users run several clients with one account as they like.
    """
    accepted = now.connection.accepted
    return accepted is not None and now.passed(accepted.at_ns + TOGETHER_NS) and now.connection.main.intents is not None


def _others(world: World, connection: Connection) -> Iterator[Connection]:
    """Yield the newest of the main gateway's open connections, all but one."""
    for other in islice(reversed(world.open.values()), MOST_SEARCHED):
        if other.plane is GATEWAY and other.id != connection.id and other.main.intents is not None:
            yield other


def _overlap(now: Situation, other: Connection) -> bool:
    """Return whether another connection was up before this one, and its client still keeps it up."""
    accepted, mine = other.accepted, now.connection.accepted
    if accepted is None or mine is None or accepted.n > mine.n or other.heartbeats.last is None:
        return False
    alive_ns = 2 * (other.interval_ns or TOGETHER_NS)
    return (
        other.heartbeats.last.at_ns > max(mine.at_ns, now.at_ns - alive_ns)
        and now.connection.heartbeats.last is not None
    )


def _together(now: Situation, other: Connection) -> str:
    both = [each.accepted.at_ns for each in (other, now.connection) if each.accepted is not None]
    return roughly(now.at_ns - max(both))


def _rows(*connections: Connection) -> tuple[int | None, ...]:
    return tuple(
        n for each in connections for n in (each.opened_row, each.asked.n if each.asked is not None else None) if n
    )


def _shard(world: World, connection: Connection) -> tuple[int, int] | None:
    """Return the shard of a connection, (0, 1) where its client named none; None where that was not recorded."""
    identify = _identify(world, connection)
    return None if identify is None else identify.shard or (0, 1)


def _identify(world: World, connection: Connection) -> Identify | None:
    session = world.session_of(connection)
    return connection.identify if session is None else session.identify


def _token(world: World, connection: Connection) -> str | None:
    identify = _identify(world, connection)
    return None if identify is None else identify.token


def _place(connection: Connection) -> tuple[str, str]:
    """Return where a client is, and what it calls itself; empty where that is not known."""
    host = (connection.opened.client or "").rpartition(":")[0]
    if host.startswith(_LOOPBACK):
        host = "127.0.0.1"
    return host, connection.opened.headers.get("user-agent", "")


def _are_apart(one: Connection, other: Connection) -> bool:
    """Return whether two connections come from different processes, as far as addresses and user agents tell."""
    return any(mine and theirs and mine != theirs for mine, theirs in zip(_place(one), _place(other), strict=True))


def _where(connection: Connection) -> str:
    host, agent = _place(connection)
    words = [f"from {quoted(host)}" if host else "", f"with user agent {quoted(agent)}" if agent else ""]
    return f"connection {connection.id} comes {' '.join(filter(None, words))}"


def _who(one: Connection, other: Connection) -> str:
    if _are_apart(one, other):
        said = f"{_where(one)}, {_where(other)}: these are two processes."
        return said[0].upper() + said[1:]
    return "Two copies of the bot run on one machine, or one of them did not close its old connection."


@rule(
    "resume-of-other-shard",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="Keep session_id, seq and resume_gateway_url per shard, never in a variable that all shards share.",
    source=("official-gateway", "derived"),
)
def resume_of_other_shard(now: Situation) -> Iterator[Noticed]:
    """A shard resumes the session of another shard, whose connection is still up.

    The two then push each other out, and the events of the shard that lost its connection never arrive.
    """
    session = now.world.sessions.get(now.expect(Resume).session or "")
    lost = _lost_shard(now, session) if session is not None else None
    if session is None or lost is None:
        return
    live = now.world.open.get(session.connections[-1])
    mine = session.identify.shard if session.identify is not None else None
    theirs = lost.identify.shard if lost.identify is not None else None
    if live is None or live.id == now.connection.id or mine is None or theirs is None or lost.ending is None:
        return
    beat = live.heartbeats.last
    # A connection of which the client has given up may look open for a while.
    if (
        beat is None
        or live.heartbeats.pending
        or live.main.reconnect is not None
        or live.main.refused is not None
        or not live.is_whole
    ):
        return
    if now.at_ns - beat.at_ns <= live.interval_ns:
        yield Noticed(
            f"This resumes the session of shard {mine[0]} of {mine[1]}, whose connection {live.id} is still up. The "
            f"connection that ended {roughly(now.at_ns - lost.ending.at_ns)} ago was that of shard {theirs[0]}.",
            (live.accepted.n if live.accepted else None, lost.ending.n),
        )


def _lost_shard(now: Situation, session: Session) -> Session | None:
    """Return the session of another shard of the same bot whose connection the server has just ended."""
    own = session.identify
    if own is None or own.token is None or own.shard is None or session.ending is not None:
        return None
    for other in islice(reversed(now.world.sessions.values()), MOST_SEARCHED):
        ending, asked = other.ending, other.identify
        if ending is None or asked is None or asked.token != own.token or asked.shard in (own.shard, None):
            continue
        is_lone = ending.closed.by == "server" and ending.closed.code not in (None, *_BROKEN)
        if other.phase == "dropped" and is_lone and now.at_ns - ending.at_ns <= PROMPT_NS:
            return other
    return None


def rival(now: Situation) -> tuple[str, tuple[int | None, ...]] | None:
    """Return a sentence on another process with the same token and shard, and its rows; None where there is none."""
    connection = now.connection
    if connection.plane is not GATEWAY or connection.identity is None:
        return None
    for other in reversed(now.world.known()):
        if other.plane is not GATEWAY or other.id == connection.id or other.identity != connection.identity:
            continue
        if now.at_ns - other.last_at_ns <= LATELY_NS and _are_apart(other, connection):
            where = _where(other).replace(" comes", ",", 1)
            return f"Another process uses the same token and shard: {where}.", _rows(other)
    return None
