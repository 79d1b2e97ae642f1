"""Rules about Invalid Session, Reconnect, and clients that end their sessions themselves.

Source: https://docs.discord.com/developers/events/gateway#connection-lifecycle
"""

from collections.abc import Iterator

from inspector.diagnose.cause import CLIENT_RESUMES_NS
from inspector.diagnose.logins import SPACING_NS, bucket
from inspector.diagnose.processes import rival
from inspector.diagnose.rule import SECOND, Noticed, Situation, closes, receives, rule, sends, silence
from inspector.diagnose.starts import max_concurrency_of
from inspector.model import Knows, Plane, Severity
from inspector.protocol.ops import GatewayOp
from inspector.session.messages import Identify, Resume
from inspector.session.tracker import SESSION_ENDING_CODES
from inspector.words import roughly

GATEWAY = Plane.GATEWAY
# Time that a client has to leave when asked to, and to react to an Invalid Session.
LEAVE_NS = 30 * SECOND
REACT_NS = 10 * SECOND
# Invalid Sessions in a row that are worth a warning.
REPEATED = 3


@rule(
    "invalid-session-ignored",
    Severity.WARN,
    silence(GATEWAY),
    remedy="After op 9, identify (or resume, if d is true), on this connection or a new one.",
    source=("official-gateway",),
)
def invalid_session_ignored(now: Situation) -> Iterator[Noticed]:
    """The server invalidated the session, and the client did not react."""
    refused, closed = now.connection.main.refused, now.closed
    if not now.connection.is_whole:
        return
    if refused is None or isinstance(now.said, Identify | Resume) or (closed is not None and closed.by != "server"):
        return
    if now.passed(refused.at_ns + REACT_NS):
        yield Noticed(
            f"{roughly(now.at_ns - refused.at_ns)} after Invalid Session there is no Identify, no Resume and no close.",
            (refused.n,),
        )


@rule(
    "invalid-session-answered-too-soon",
    Severity.INFO,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Wait a random one to five seconds before identifying again on the same connection.",
    source=("community-gateway",),
    needs=Knows.TIMES,
)
def invalid_session_answered_too_soon(now: Situation) -> Iterator[Noticed]:
    """A bot identified less than a second after Invalid Session."""
    refused = now.connection.main.refused
    # Discord's own clients do so too.
    if now.expect(Identify).capabilities is not None:
        return
    if refused is not None and not refused.resumable and now.at_ns - refused.at_ns < SECOND:
        yield Noticed(f"Identified {roughly(now.at_ns - refused.at_ns)} after Invalid Session.", (refused.n,))


@rule(
    "invalid-session",
    Severity.INFO,
    receives(GATEWAY, GatewayOp.INVALID_SESSION),
    remedy="Identify if d is false, resume if it is true. If it answers an Identify, leave 5 seconds between logins.",
    source=("official-gateway", "community-gateway"),
)
def invalid_session(now: Situation) -> Iterator[Noticed]:
    """The server refused a login or a resume, or invalidated the session."""
    connection, asked, refused = now.connection, now.connection.asked, now.connection.main.refused
    why = None
    if connection.accepted is not None:
        members = [
            sent
            for sent in connection.sends
            if sent.op == GatewayOp.REQUEST_GUILD_MEMBERS and now.at_ns - sent.at_ns < 5 * SECOND
        ]
        after = f", {roughly(now.at_ns - members[-1].at_ns)} after a Request Guild Members" if members else ""
        why = Noticed(f"The server cancelled the live session{after}.", (members[-1].n if members else None,))
    elif refused is not None:
        why = Noticed("Another Invalid Session came, without an Identify or Resume in between.", (refused.n,))
    elif isinstance(asked, Resume):
        why = Noticed(_why_not_resumed(now, asked), (asked.n,))
    elif asked is not None:
        why = _why_not_identified(now, asked)
    if why is None:
        return
    other = rival(now)
    if other is not None:
        why = why._replace(text=f"{why.text} {other[0]}", evidence=(*why.evidence, *other[1]))
    times = connection.main.refusals + 1
    # Now and then one is refused; again and again is a sign of an outage, or of a client that makes it worse.
    if times % REPEATED == 0:
        why = why._replace(text=f"{why.text} This is number {times} in a row.", severity=Severity.WARN)
    yield why


def _why_not_resumed(now: Situation, resume: Resume) -> str:
    session = now.world.sessions.get(resume.session or "")
    if session is None or session.ready is None:
        return "The resume was refused; how its session began is not recorded."
    if session.destroyed is not None:
        return "The resume was refused: its session had been ended before."
    before = now.world.ended.get(now.connection.previous or 0)
    if before is not None and before[1].closed.told == "server":
        return (
            f"The resume was refused: when connection {before[0].id} was lost, the proxy sent 1000 to the server, "
            "which ends the session."
        )
    gone = resume.at_ns - before[1].at_ns if before else 0
    away = f" The client had been away for {roughly(gone)}." if before else ""
    if gone > CLIENT_RESUMES_NS:
        away += " Discord's own client starts a new session after 3 min without an ACK."
    return f"The resume was refused: the session is unknown to the server, or too much was missed.{away}"


def _why_not_identified(now: Situation, identify: Identify) -> Noticed:
    allowed = max_concurrency_of(now, identify.token)
    close = [
        login
        for login in now.world.logins.of(identify.token)
        if login.n < identify.n
        and identify.at_ns - login.at_ns < SPACING_NS
        and (allowed is None or bucket(login.shard, allowed) == bucket(identify.shard, allowed))
    ]
    if close and identify.token is not None:
        return Noticed(
            f"The Identify was refused: another of this account came {roughly(identify.at_ns - close[-1].at_ns)} "
            "before, and within 5 seconds only max_concurrency may come.",
            (close[-1].n, identify.n),
            Severity.WARN,
        )
    return Noticed("The Identify was refused; the gateway may be having an outage.", (identify.n,))


@rule(
    "reconnect-ignored",
    Severity.WARN,
    silence(GATEWAY),
    remedy="On op 7, close with a code other than 1000 and 1001, connect to the resume URL, and resume.",
    source=("official-gateway",),
)
def reconnect_ignored(now: Situation) -> Iterator[Noticed]:
    """The server asked the client to reconnect, and it stayed."""
    asked = now.connection.main.reconnect
    if asked is None:
        return
    closed, stayed = now.closed, now.at_ns - asked.at_ns
    # A server that closes at once leaves no one the time to go.
    too_late = closed is not None and closed.by == "server" and SECOND < stayed <= LEAVE_NS
    if too_late or now.passed(asked.at_ns + LEAVE_NS):
        by = f"the {closed.by or 'connection'} closed" if closed is not None else ""
        how = f"{roughly(stayed)} later {by or 'the client was still there'}"
        yield Noticed(f"The server asked for a reconnect; {how}.", (asked.n,))


@rule(
    "session-thrown-away",
    Severity.WARN,
    closes(GATEWAY),
    remedy="To keep the session, close with a code from 4000 to 4999.",
    source=("official-gateway",),
)
def session_thrown_away(now: Situation) -> Iterator[Noticed]:
    """Asked to reconnect, the client closed with 1000 or 1001, which ends its session."""
    closed, asked = now.event.closed, now.connection.main.reconnect
    if closed is not None and asked is not None and closed.by == "client" and closed.code in SESSION_ENDING_CODES:
        yield Noticed(f"Asked to reconnect, the client closed with {closed.code}; the session is gone.", (asked.n,))
