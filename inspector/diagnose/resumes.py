"""Rules about how sessions on the main gateway are resumed, and about sessions that could have been.

Source: https://docs.discord.com/developers/events/gateway#resuming
"""

from collections.abc import Iterator

from inspector.diagnose.cause import CLIENT_RESUMES_NS, RESUMABLE_NS, left_on_its_own
from inspector.diagnose.rule import Noticed, Situation, receives, rule, sends
from inspector.diagnose.words import quoted
from inspector.model import Knows, Plane, Severity
from inspector.protocol.hosts import address_of
from inspector.protocol.ops import GatewayOp
from inspector.session.messages import Identify, Resume
from inspector.session.redact import is_lost
from inspector.session.tracker import SESSION_ENDING_CODES
from inspector.session.world import Session
from inspector.words import counted, listed, roughly

GATEWAY = Plane.GATEWAY
# Resumes without a RESUMED that make a loop.
LOOP = 3


@rule(
    "resume-unknown-session",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="Keep session_id, resume_gateway_url and seq together for each shard, and replace all three on READY.",
    source=("official-gateway",),
)
def resume_unknown_session(now: Situation) -> Iterator[Noticed]:
    """The client tried to resume a session that is not its own."""
    resume, world = now.expect(Resume), now.world
    if resume.session is None or resume.token is None:
        missing = [name for name, value in (("session_id", resume.session), ("token", resume.token)) if value is None]
        yield Noticed(f"Resume has no {listed(missing, 'and no')}.", severity=Severity.ERROR)
        return
    if resume.session in world.sessions or is_lost(resume.session):
        return
    own = [
        session
        for session in world.sessions.values()
        if session.identify is not None and session.identify.token == resume.token and session.phase != "ended"
    ]
    # Resume does not say its shard: where there are several, it may be one whose session began before the recording.
    # What was not read may have been the READY of that session.
    has_unread = world.has_unread(world.accounts.of_token(resume.token))
    if own and not has_unread and all(each.identify is not None and _is_alone(each.identify) for each in own):
        ready = own[-1].ready
        yield Noticed(
            f"The session ••••{resume.session[:4]} is not one that this account was given here; "
            f"the last it got is ••••{own[-1].id[:4]}.",
            (ready.n if ready else None,),
        )


def _is_alone(identify: Identify) -> bool:
    return identify.shard is None or identify.shard[1] < 2


@rule(
    "resume-wrong-seq",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="Keep the highest s per session, and reset it at each READY.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def resume_wrong_seq(now: Situation) -> Iterator[Noticed]:
    """Resume has a seq that the server never reached, or none."""
    resume = now.expect(Resume)
    session = now.world.sessions.get(resume.session or "")
    if resume.seq is None:
        yield Noticed("Resume has no seq, or one that is not a whole number.")
    elif session is None or session.ready is None or session.seq is None or not now.world.was_read(session):
        return
    elif resume.seq > session.seq:
        yield Noticed(
            f"Resume asks for what follows {resume.seq:,}; the server had counted up to {session.seq:,}.",
            (session.ready.n,),
        )


@rule(
    "resume-stale-seq",
    Severity.INFO,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="Store s when a dispatch arrives, not when it has been handled.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def resume_stale_seq(now: Situation) -> Iterator[Noticed]:
    """Resume has an old seq, so the client gets events twice."""
    resume = now.expect(Resume)
    session = now.world.sessions.get(resume.session or "")
    if session is None or session.ready is None or session.seq is None or resume.seq is None:
        return
    if resume.seq >= session.seq:
        return
    text = (
        f"Resume asks for what follows {resume.seq:,}; up to {session.seq:,} had been sent, so "
        f"{counted(session.seq - resume.seq, 'event')} may come again."
    )
    # What came last may never have reached the client. What it had claimed itself it knew.
    before = now.world.ended.get(session.ending.connection) if session.ending is not None else None
    beat = before[0].heartbeats.last if before is not None else None
    if beat is not None and beat.seq is not None and resume.seq < beat.seq <= session.seq:
        text += f" Its last heartbeat had claimed {beat.seq:,} already."
    yield Noticed(text, (session.ready.n, beat.n if beat is not None else None))


@rule(
    "resume-at-wrong-url",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="To resume, connect to the resume_gateway_url from READY; to identify, connect to the main URL.",
    source=("official-gateway",),
)
def resume_at_wrong_url(now: Situation) -> Iterator[Noticed]:
    """The client resumed at another host than READY named.

    That works sometimes, but such connections drop more often.
    """
    session = now.world.sessions.get(now.expect(Resume).session or "")
    if session is not None and _has_failed_since(now, session):
        return
    host = address_of(now.connection.opened.url)
    if session is None or session.resume_host is None or not host or session.ready is None:
        return
    # A client that resumes after op 9 with d true may stay where it is.
    if now.connection.id in session.connections:
        return
    if _port_less(host) != _port_less(session.resume_host):
        yield Noticed(f"Resumed at {quoted(host)}; READY had named {quoted(session.resume_host)}.", (session.ready.n,))


def _has_failed_since(now: Situation, session: Session) -> bool:
    """Return whether an attempt to connect was refused after the session lost its connection.

    Discord's own client goes back to the main URL then, and resumes there.
    """
    return session.ending is not None and now.world.refusals.last_row.get(GATEWAY, 0) > session.ending.n


def _port_less(host: str) -> str:
    return host.removesuffix(":443")


@rule(
    "resume-parameters-changed",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="Use the same v, encoding and compress in the resume URL as in the first URL.",
    source=("official-gateway",),
)
def resume_parameters_changed(now: Situation) -> Iterator[Noticed]:
    """The URL of a resume asks for another version or encoding than the session started with."""
    session = now.world.sessions.get(now.expect(Resume).session or "")
    if session is None or session.ready is None:
        return
    connection = now.connection
    changed = [
        f"{name} {_value(before)} became {_value(after)}"
        for name, before, after in (
            ("v", session.version, connection.version),
            # A URL without encoding asks for JSON.
            ("encoding", session.encoding or "json", connection.encoding or "json"),
        )
        if before is not None and before != after
    ]
    if changed:
        yield Noticed(f"Between the first connection and this one {listed(changed)}.", (session.ready.n,))


def _value(value: int | str | None) -> str:
    return "nothing" if value is None else quoted(str(value))


@rule(
    "resume-after-destroying",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="To keep the session, close with a code from 4000 to 4999; close with 1000 only to end it.",
    source=("official-gateway",),
)
def resume_after_destroying(now: Situation) -> Iterator[Noticed]:
    """The client tried to resume a session that it had ended itself, by closing with 1000 or 1001."""
    session = now.world.sessions.get(now.expect(Resume).session or "")
    if session is None or session.ending is None:
        return
    closed = session.ending.closed
    if closed.by == "client" and closed.code in SESSION_ENDING_CODES:
        yield Noticed(
            f"The client had closed connection {session.ending.connection} with {closed.code}, which ends the session.",
            (session.ending.n,),
        )


@rule(
    "resume-after-end",
    Severity.WARN,
    receives(GATEWAY, GatewayOp.INVALID_SESSION),
    remedy="After op 9 with d false, or a close code that forbids resuming, drop the session_id and identify.",
    source=("official-gateway", "official-opcodes"),
    needs=Knows.TIMES,
)
def resume_after_end(now: Situation) -> Iterator[Noticed]:
    """The client tried to resume a session that the server had ended."""
    connection, resume = now.connection, now.connection.asked
    session = now.session
    if not isinstance(resume, Resume) or connection.accepted is not None or connection.main.refused is not None:
        return
    if session is None or session.destroyed is None or session.destroyed.n > resume.n:
        return
    how = "by Invalid Session"
    before = now.world.ended.get(connection.previous or 0)
    if before is not None and before[1].n == session.destroyed.n:
        closed = before[1].closed
        if closed.by == "client" and closed.code in SESSION_ENDING_CODES:
            return
        how = f"when connection {before[0].id} was closed with {closed.code}"
    since = roughly(resume.at_ns - session.destroyed.at_ns)
    yield Noticed(
        f"The session had ended {how}, {since} before the Resume, and the server refused it.",
        (session.destroyed.n, resume.n),
    )


@rule(
    "identify-instead-of-resume",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Try to resume first; op 9 says if that is not possible.",
    source=("official-gateway", "official-client"),
    needs=Knows.TIMES,
)
def identify_instead_of_resume(now: Situation) -> Iterator[Noticed]:
    """The client started a new session although the old one could have been resumed.

    It misses the events in between, and uses one of the day's 1000 logins.
    """
    before = now.before()
    if before is None or now.connection.resume is not None or now.connection.main.refused is not None:
        return
    connection, ending = before
    session = now.world.session_of(connection)
    if session is None or session.phase != "dropped" or connection.accepted is None:
        return
    # An op 9 that could not be read may have ended it.
    if not connection.is_whole:
        return
    # What the proxy did to the connection is not the client's fault.
    if ending.closed.by == "proxy" or ending.closed.told is not None:
        return
    # A program that was stopped and started again has nothing to resume with.
    if now.at_ns - ending.at_ns > RESUMABLE_NS or left_on_its_own(connection, ending.closed, ending.at_ns):
        return
    code, by = ending.closed.code, ending.closed.by
    row = None if code is None else now.registry.close_code(GATEWAY, code)
    if row is not None and row.sent_by(by).resume is True:
        away_ns = now.at_ns - ending.at_ns
        yield Noticed(
            f"Connection {connection.id} had ended {roughly(away_ns)} before with {code}, and its "
            f"session ••••{session.id[:4]} could have been resumed from {session.seq or 0:,}.",
            (ending.n,),
            # By then Discord's own client would not have tried either.
            Severity.INFO if away_ns > CLIENT_RESUMES_NS else None,
        )


@rule(
    "resume-loop",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="Give up after the second failure: forget the session, wait, and identify.",
    source=("derived",),
)
def resume_loop(now: Situation) -> Iterator[Noticed]:
    """The client tried to resume again and again, without success."""
    resume = now.expect(Resume)
    session = now.world.sessions.get(resume.session or "")
    has_gaps = now.world.has_gaps(now.world.accounts.of_token(resume.token))
    if has_gaps or (session is not None and not now.world.was_read(session)):
        return
    if session is not None and session.failures >= LOOP and session.failures % LOOP == 0:
        yield Noticed(
            f"This is attempt {session.failures + 1} to resume session ••••{session.id[:4]}, and none got a RESUMED.",
            tuple(now.world.ended[each][1].n for each in session.connections if each in now.world.ended),
        )
