"""Rules about how clients come back, and why that fails again and again.

Source: https://docs.discord.com/developers/events/gateway#resuming
"""

from collections.abc import Iterator
from itertools import islice

from inspector.diagnose.cause import RESUMABLE_NS
from inspector.diagnose.rule import Noticed, Situation, closes, opens, rule, sends
from inspector.diagnose.words import quoted
from inspector.model import Closed, Knows, Plane, Severity
from inspector.protocol.hosts import address_of
from inspector.protocol.ops import HEARTBEATS, GatewayOp, VoiceOp
from inspector.session.state import Connection
from inspector.session.tracker import SESSION_ENDING_CODES
from inspector.session.world import Session, World
from inspector.words import counted, roughly

GATEWAY, VOICE = Plane.GATEWAY, Plane.VOICE
# Connections in a row that make a pattern; attempts in a row, and those after which it is said again.
PATTERN, DEAD, AGAIN = 3, 5, 20
# Sessions among which the one that is to be resumed is looked for.
MOST_SEARCHED = 64


@rule(
    "heartbeat-before-hello",
    Severity.WARN,
    sends(GATEWAY, *HEARTBEATS),
    sends(VOICE, VoiceOp.HEARTBEAT),
    remedy="Start the heartbeat timer when Hello comes, and stop the one of the connection before.",
    source=("official-gateway", "official-voice"),
)
def heartbeat_before_hello(now: Situation) -> Iterator[Noticed]:
    """The client sent a heartbeat before Hello had named the interval.

    Most often the timer of the connection before is still running, and its count of missing ACKs with it.
    """
    connection = now.connection
    if connection.hello is None and not connection.heartbeats.count and connection.is_whole:
        since = roughly(now.at_ns - connection.opened.at_ns)
        yield Noticed(f"A heartbeat was sent {since} after the connection opened, and Hello had not come.")


@rule(
    "resumed-and-left",
    Severity.ERROR,
    closes(GATEWAY),
    remedy="Reset the heartbeat state with each connection: the flag that an ACK is missing, the time of the last ACK, "
    "the timer.",
    source=("official-gateway", "derived"),
)
def resumed_and_left(now: Situation) -> Iterator[Noticed]:
    """The client resumes and closes the connection right away, over and over.

    It leaves before its first heartbeat is due: usually it still counts an ACK as missing that belongs to an earlier
    connection.
    """
    session, closed = now.session, now.event.closed
    if session is None or closed is None or not _left_at_once(now.connection, closed, now.at_ns):
        return
    run = [now.event.n]
    stays = [_stay_ns(now.connection, now.at_ns)]
    for number in islice(reversed(session.connections), 1, None):
        ended = now.world.ended.get(number)
        if ended is None or not _left_at_once(ended[0], ended[1].closed, ended[1].at_ns):
            break
        run.append(ended[1].n)
        stays.append(_stay_ns(ended[0], ended[1].at_ns))
    if len(run) % PATTERN == 0:
        shortest, longest = roughly(min(stays)), roughly(max(stays))
        span = shortest if shortest == longest else f"{shortest} to {longest}"
        yield Noticed(
            f"This is number {len(run)} in a row that was resumed and that the client closed {span} later, before its "
            f"first heartbeat: it seems to miss an ACK that belongs to an earlier connection.",
            tuple(run),
        )


def _left_at_once(connection: Connection, closed: Closed, at_ns: int) -> bool:
    hello = connection.hello
    return (
        connection.resume is not None
        and connection.accepted is not None
        and connection.heartbeats.count == 0
        and closed.by == "client"
        and closed.code not in SESSION_ENDING_CODES
        and connection.main.reconnect is None
        and hello is not None
        and at_ns - hello.at_ns < connection.interval_ns
        and connection.is_whole
    )


def _stay_ns(connection: Connection, until_ns: int) -> int:
    return until_ns - connection.accepted.at_ns if connection.accepted is not None else 0


@rule(
    "invalid-session-not-resumed",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Read d of op 9: with true wait a moment and send Resume, with false start a new session.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def invalid_session_not_resumed(now: Situation) -> Iterator[Noticed]:
    """The client started a new session although Invalid Session allowed a resume.

    What happened meanwhile is lost, and one of the day's 1000 logins is spent.
    """
    connection = now.connection
    if connection.main.refused is None:
        before = now.before()
        if before is None or connection.resume is not None or now.at_ns - before[1].at_ns > RESUMABLE_NS:
            return
        connection = before[0]
    refused, session = connection.main.refused, now.world.session_of(connection)
    # A client that has tried to resume before may well give up.
    if refused is None or not refused.resumable or connection.main.refusals > 1 or not connection.is_whole:
        return
    if session is not None and session.phase != "ended":
        yield Noticed(
            f"{roughly(now.at_ns - refused.at_ns)} after Invalid Session with true the client identified; its session "
            f"••••{session.id[:4]} could have been resumed from {session.seq or 0:,}.",
            (refused.n,),
        )


@rule(
    "resume-url-dead",
    Severity.ERROR,
    opens(GATEWAY),
    remedy="After a failed attempt at resume_gateway_url go back to the main URL, as Discord's own client does after "
    "one error or 30 s without Hello. Resume there, and identify if op 9 refuses that.",
    source=("official-gateway", "official-client", "derived"),
)
def resume_url_dead(now: Situation) -> Iterator[Noticed]:
    """The client tries only the resume URL, and that one is dead.

    The server behind resume_gateway_url may be gone for good, together with the session.
    """
    opened = now.connection.opened
    run = now.world.refusals.run_at(GATEWAY, opened.url)
    if opened.refusal is None or run is None:
        return
    count = run.count + 1
    if count != DEAD and count % AGAIN:
        return
    host = address_of(opened.url)
    session = _session_to_resume(now.world, host)
    if session is not None and session.ready is not None:
        since = roughly(now.at_ns - run.attempts[0].at_ns)
        more = "" if count > len(run.attempts) + 1 else f" within {since}"
        yield Noticed(
            f"{counted(count, 'attempt')} in a row at {quoted(host)} failed{more}. READY had named it for a resume; no "
            "other host was tried meanwhile.",
            (session.ready.n, *(at.n for at in run.attempts)),
        )


def _session_to_resume(world: World, host: str) -> Session | None:
    """Return a session that has no connection and was to be resumed at a host where it did not begin."""
    for session in islice(reversed(world.sessions.values()), MOST_SEARCHED):
        if session.ending is None or session.stays or (session.resume_host or "") != host:
            continue
        first = world.ended.get(session.connections[0])
        if first is not None and address_of(first[0].opened.url) != host:
            return session
    return None
