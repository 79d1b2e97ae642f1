"""Rules about what never came: a client that stays away, READY, guilds, the rest of a list of members.

Nothing is concluded from a recording that simply ends, nor from messages that are missing or could not be read.
"""

from collections.abc import Iterator

from inspector.diagnose.rule import SECOND, Noticed, Situation, closes, rule, silence, unfollowed
from inspector.diagnose.words import quoted
from inspector.model import Knows, Plane, Severity
from inspector.session.messages import Chunk, Identify, Refused
from inspector.session.paces import Pace
from inspector.session.state import Connection
from inspector.session.tracker import SESSION_ENDING_CODES
from inspector.session.watches import RETURN
from inspector.session.world import Ending
from inspector.words import counted, roughly

GATEWAY = Plane.GATEWAY
# Clients that do not wait for the close of one connection open the next one about that much earlier.
OVERLAP_NS = 30 * SECOND
# How long an Identify may go without an answer; large bots get theirs within some ten seconds.
LOGIN_NS = 60 * SECOND
# Time without another guild, or another part of a list, after which no more are to be expected.
GUILDS_NS, PARTS_NS = 60 * SECOND, 30 * SECOND
# Time for which a guild may be unavailable before it is worth a word.
OUTAGE_NS = 600 * SECOND
# Events of one kind that make a habit, time over which they have come, and time in which none does.
HABIT, STEADY_NS = 30, 600 * SECOND
# Kinds that come when the client asks for them, or when it comes.
_ASKED_FOR = frozenset({"READY", "RESUMED", "GUILD_CREATE", "GUILD_MEMBERS_CHUNK", "RATE_LIMITED"})
# Kinds that are named.
_KINDS = 3
# Guilds that are named.
_NAMED = 5


@rule(
    "client-never-returned",
    Severity.ERROR,
    unfollowed(RETURN),
    remedy="Read the client's log from this moment on: its reconnect loop crashed, hangs or gave up. Connect again "
    "after every close that allows it, with growing pauses.",
    source=("official-gateway", "derived"),
)
def client_never_returned(now: Situation) -> Iterator[Noticed]:
    """The client had to reconnect and never did, while the recording continued.

    The bot has been offline since. After some minutes its session cannot be resumed either.
    """
    connection = now.connection
    _, ending = now.world.ended.get(connection.id, (None, None))
    if ending is None or now.watch is None or ending.n != now.watch.n:
        return
    reason = _reason_to_return(now, connection, ending)
    if reason is None or _may_be_back(now, connection, ending):
        return
    why, evidence = reason
    away = roughly(now.at_ns - ending.at_ns)
    yield Noticed(f"{why}; {away} later the client had not reconnected, and the recording continued.", evidence)


def _reason_to_return(
    now: Situation, connection: Connection, ending: Ending
) -> tuple[str, tuple[int | None, ...]] | None:
    """Return why the client had to come back, with the rows that say so; None where it did not have to."""
    closed = ending.closed
    if closed.by not in ("client", "server") or closed.told is not None or closed.code is None:
        return None
    name = f"connection {connection.id}"
    how = f"the {closed.by} closed {name} with {closed.code}" if closed.code != 1006 else f"{name} was lost"
    if connection.main.reconnect is not None:
        return f"The server asked for a reconnect (op 7), and {how}", (connection.main.reconnect.n,)
    row = now.registry.close_code(GATEWAY, closed.code)
    if closed.by == "server":
        if row is not None and row.sent_by("server").reconnect is True:
            return how[0].upper() + how[1:], ()
        return None
    if closed.code in SESSION_ENDING_CODES:
        return None
    if connection.main.refused is not None and connection.is_whole:
        return f"The server sent Invalid Session (op 9), and {how}", (connection.main.refused.n,)
    if connection.heartbeats.pending and connection.interval_ns and connection.is_whole:
        beat = connection.heartbeats.pending[0]
        if ending.at_ns - beat.at_ns >= int(connection.interval_ns * 0.9):
            return f"A heartbeat got no ACK, and {how}", (beat.n,)
    return None


def _may_be_back(now: Situation, connection: Connection, ending: Ending) -> bool:
    """Return whether the client has another connection since, or one of which no one knows whose it is."""
    world = now.world
    if world.last_of.get(connection.identity or "") != connection.id:
        return True
    # Who is refused tries.
    if world.refusals.last_ns.get(GATEWAY, 0) > ending.at_ns - OVERLAP_NS:
        return True
    return any(
        # Of others that came back it is known which of their own connections they follow.
        other.identity is None or other.previous is None or other.previous == connection.id
        for other in world.known()
        if other.plane is GATEWAY
        and other.id != connection.id
        and other.opened.at_ns > ending.at_ns - OVERLAP_NS
        and other.last_at_ns > ending.at_ns
        and (other.asked is None or other.asked.n > ending.n)
    )


@rule(
    "login-unanswered",
    Severity.ERROR,
    silence(GATEWAY),
    remedy="Close the connection and start over when READY does not come within a minute. Look at the status page.",
    source=("official-gateway", "derived"),
)
def login_unanswered(now: Situation) -> Iterator[Noticed]:
    """READY never came: the server did not answer the Identify.

    A client that waits for READY without a limit looks alive, as its heartbeats are acknowledged, and does nothing.
    """
    connection, asked = now.connection, now.connection.asked
    if not isinstance(asked, Identify) or connection.accepted is not None or connection.main.refused is not None:
        return
    # Where events come, READY must have.
    if not now.passed(asked.at_ns + LOGIN_NS) or not connection.is_whole or connection.sequence.last is not None:
        return
    if now.event.seq is None and not isinstance(now.said, Refused | Identify):
        yield Noticed(
            f"{roughly(now.at_ns - asked.at_ns)} after the Identify neither READY nor Invalid Session had come.",
            (asked.n,),
        )


@rule(
    "guilds-missing",
    Severity.WARN,
    silence(GATEWAY),
    remedy="Start without them: a guild in an outage comes with GUILD_CREATE when it is back. Do not wait for all "
    "guilds of READY without a time limit.",
    source=("official-gateway", "official-events"),
)
def guilds_missing(now: Situation) -> Iterator[Noticed]:
    """Guilds that READY listed never came.

    READY lists a bot's guilds as unavailable, and each follows in a GUILD_CREATE. To the bot the others do not exist.
    """
    connection, guilds = now.connection, now.connection.main.guilds
    if guilds is None or not guilds.awaited or not now.passed(guilds.newest.at_ns + GUILDS_NS):
        return
    if not connection.is_whole or "GUILDS" not in (connection.main.intents or ()):
        return
    missing = [guild for guild in guilds.awaited if now.event.event != "GUILD_CREATE" or guild != now.event.guild_id]
    if missing:
        yield Noticed(
            f"{len(missing):,} of {counted(guilds.listed, 'guild')} in READY had not come "
            f"{roughly(now.at_ns - guilds.newest.at_ns)} after the last of the others: {_named(missing)}.",
            (guilds.ready.n, guilds.newest.n),
        )


def _named(guilds: list[int]) -> str:
    more = len(guilds) - _NAMED
    return ", ".join(map(str, guilds[:_NAMED])) + (f" and {more:,} more" if more > 0 else "")


@rule(
    "guild-unavailable",
    Severity.WARN,
    silence(GATEWAY),
    remedy="Nothing, if Discord's status page reports an outage. Otherwise start a new session.",
    source=("official-events",),
)
def guild_unavailable(now: Situation) -> Iterator[Noticed]:
    """A guild became unavailable and did not come back.

    GUILD_DELETE with unavailable true means an outage; the bot sees nothing of that guild until GUILD_CREATE comes.
    """
    connection, guilds = now.connection, now.connection.main.guilds
    if guilds is None or not guilds.unavailable or not connection.is_whole:
        return
    newest = next(reversed(guilds.unavailable.values()))
    if not now.passed(newest.at_ns + OUTAGE_NS):
        return
    gone = {
        guild: at
        for guild, at in guilds.unavailable.items()
        if now.event.event != "GUILD_CREATE" or guild != now.event.guild_id
    }
    if gone:
        what = counted(len(gone), "guild has been/guilds have been")
        since = roughly(now.at_ns - newest.at_ns)
        yield Noticed(
            f"{what} unavailable for {since} or longer: {_named([*gone])}.", tuple(at.n for at in gone.values())
        )


@rule(
    "members-cut-short",
    Severity.WARN,
    silence(GATEWAY),
    remedy="Ask again for this guild, and set a time limit for the answer: do not wait for the last chunk forever.",
    source=("official-events",),
)
def members_cut_short(now: Situation) -> Iterator[Noticed]:
    """The chunks of a list of members stopped before the last.

    A client that waits for the last chunk waits forever, and knows only a part of the members.
    """
    if not now.connection.main.members or not now.connection.is_whole:
        return
    comes = now.said.key if isinstance(now.said, Chunk) else None
    for key, asked in now.connection.main.members.items():
        part = asked.part
        if part is not None and key != comes and now.passed(part.at_ns + PARTS_NS):
            yield Noticed(
                f"{asked.parts:,} of {counted(part.total or 0, 'chunk')} came; "
                f"{roughly(now.at_ns - part.at_ns)} after the last of them the others had not.",
                (asked.n, part.n),
            )


@rule(
    "events-stopped",
    Severity.INFO,
    closes(GATEWAY),
    remedy="If the bot depends on these events, check in Discord whether there were any. If there were, start a new "
    "session, and look at the status page.",
    source=("derived",),
    needs=Knows.TIMES,
)
def events_stopped(now: Situation) -> Iterator[Noticed]:
    """Events of one kind came steadily and then stopped, while others kept coming.

    People may have fallen silent. But a session can also lose what it should get, without a word from the server.
    """
    session, connection = now.session, now.connection
    if session is None or session.seq is None or not connection.is_whole:
        return
    stopped = [
        (name, pace)
        for name, pace in session.paces.items()
        # What stopped on an earlier connection was told there.
        if pace.last_row > connection.opened_row and name not in _ASKED_FOR and _stopped(pace, now.at_ns, session.seq)
    ]
    for name, pace in sorted(stopped, key=lambda each: -each[1].count)[:_KINDS]:
        each_ns = (pace.last_ns - pace.first_ns) // (pace.count - 1)
        yield Noticed(
            f"{quoted(name)} had come {pace.count:,} times, every {roughly(each_ns)} on average; in the last "
            f"{roughly(now.at_ns - pace.last_ns)} of this connection it did not, and other events did.",
            (pace.last_row,),
        )


def _stopped(pace: Pace, at_ns: int, seq: int) -> bool:
    """Return whether a kind of event that came steadily has stayed away for long, and others came as they had."""
    lasted, silent = pace.last_ns - pace.first_ns, at_ns - pace.last_ns
    if pace.count < HABIT or lasted < STEADY_NS or silent < max(STEADY_NS, 4 * pace.longest_ns):
        return False
    others, before = seq - pace.last_seq, pace.last_seq - pace.first_seq + 1 - pace.count
    return others >= HABIT and 2 * others * lasted >= before * silent
