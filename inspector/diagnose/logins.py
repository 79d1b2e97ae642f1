"""Rules about how sessions on the main gateway begin, go on, and are asked to end.

Sources: https://docs.discord.com/developers/events/gateway#connection-lifecycle,
https://docs.discord.com/developers/events/gateway#resuming
"""

from collections.abc import Iterator, Sequence

from inspector.diagnose.cause import RESUMABLE_NS
from inspector.diagnose.processes import rival
from inspector.diagnose.rule import SECOND, Noticed, Situation, closes, receives, rule, sends, silence
from inspector.diagnose.words import opcode, quoted
from inspector.model import Knows, Plane, Severity
from inspector.protocol.hosts import address_of
from inspector.protocol.ops import HEARTBEATS, GatewayOp
from inspector.session.redact import is_lost
from inspector.session.said import Identify, Refused, Resume
from inspector.session.tracker import DESTROYING
from inspector.session.world import DAY_NS, Login
from inspector.words import counted, listed, took

GATEWAY = Plane.GATEWAY
# What may be sent before READY.
_BEFORE_READY = frozenset({*HEARTBEATS, GatewayOp.IDENTIFY, GatewayOp.RESUME, GatewayOp.UPDATE_TIME_SPENT_SESSION_ID})
# Logins in so short a time are a storm; so many of a day's budget are worth a warning.
STORM, STORM_NS = 5, 60 * SECOND
BUDGET, BUDGET_WARNS = 1000, 800
# Time within which only max_concurrency logins may come; most bots may one.
SPACING_NS = 5 * SECOND
# Time that a client has to leave when asked to, and to react to an Invalid Session.
LEAVE_NS = 30 * SECOND
REACT_NS = 10 * SECOND
# Resumes without a RESUMED that make a loop.
LOOP = 3


@rule(
    "identify-before-hello",
    Severity.INFO,
    sends(GATEWAY, GatewayOp.IDENTIFY, GatewayOp.RESUME),
    remedy="Wait for Hello; it is the first message and says how often to send heartbeats.",
    source=("official-gateway", "community-gateway"),
)
def identify_before_hello(now: Situation) -> Iterator[Noticed]:
    """The client introduced itself before the server had said Hello."""
    if now.connection.hello is None and now.connection.is_whole:
        yield Noticed(f"{_opcode(now)} was sent before Hello came.")


def _opcode(now: Situation) -> str:
    said = opcode(now.registry, GATEWAY, now.event.op)
    return said[0].upper() + said[1:]


@rule(
    "identify-twice",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.IDENTIFY, GatewayOp.RESUME),
    remedy="Send one Identify or Resume a connection, and another only after Invalid Session (op 9).",
    source=("official-gateway", "official-opcodes"),
)
def identify_twice(now: Situation) -> Iterator[Noticed]:
    """The client introduced itself twice on one connection; the gateway closes it with 4005."""
    connection = now.connection
    asked = connection.asked
    # An op 9 that could not be read would have asked for it.
    if asked is not None and connection.refused is None and connection.is_whole:
        before = 6 if isinstance(asked, Resume) else 2
        yield Noticed(
            f"{_opcode(now)} was sent although {opcode(now.registry, GATEWAY, before)} had been, and was not refused.",
            (asked.n, connection.accepted.n if connection.accepted else None),
        )


@rule(
    "identify-malformed",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Compare d with the fields that Identify has: gwinspect explain op 2.",
    source=("official-events",),
)
def identify_malformed(now: Situation) -> Iterator[Noticed]:
    """The body of Identify is not of the form that it must have."""
    d, identify = now.d, now.expect(Identify)
    if type(d) is not dict:
        yield Noticed("The body of Identify is no object.")
        return
    wrong = []
    if identify.token is None:
        wrong.append("there is no token")
    if type(d.get("properties")) is not dict:
        wrong.append("properties is no object")
    if "shard" in d and d["shard"] is not None:
        shard = identify.shard
        if shard is None:
            wrong.append("shard is no pair of whole numbers")
        elif not 0 <= shard[0] < shard[1]:
            wrong.append(f"there is no shard {shard[0]} of {shard[1]}")
    if wrong:
        yield Noticed(f"In Identify {listed(wrong)}.")


@rule(
    "identify-without-intents",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Send the sum of the intents whose events the bot wants.",
    source=("official-gateway",),
)
def identify_without_intents(now: Situation) -> Iterator[Noticed]:
    """A bot identified without intents, which it must send from version 8 on."""
    d, identify, version = now.d, now.expect(Identify), now.connection.version
    if type(d) is not dict or identify.intents is not None or version is None or version < 8:
        return
    # Users' clients send none; they are told by their capabilities, and the sessions of OAuth2 by their token.
    if identify.capabilities is None and identify.prefix != "Bearer":
        what = "intents that are no whole number" if "intents" in d else "no intents"
        yield Noticed(f"Identify has {what}; version {version} wants them.")


@rule(
    "command-before-ready",
    Severity.ERROR,
    sends(GATEWAY),
    remedy="Queue commands until READY or RESUMED has come, and again after Invalid Session.",
    source=("official-gateway", "official-opcodes"),
)
def command_before_ready(now: Situation) -> Iterator[Noticed]:
    """A command was sent while there was no session; the gateway closes with 4003."""
    connection, op = now.connection, now.event.op
    if not _is_command(op) or connection.accepted is not None or not connection.is_whole:
        return
    # Where missed events come again the resume was accepted, whatever is still to come before RESUMED.
    if connection.is_replaying and connection.seq is not None:
        return
    # Whatever it is that makes commands come too early: its first command is told.
    since = connection.refused or connection.asked
    if any(_is_command(sent.op) and sent.n > (since.n if since else 0) for sent in connection.sends):
        return
    name = _opcode(now)
    if connection.refused is not None:
        yield Noticed(f"{name} was sent after the session had been declared invalid.", (connection.refused.n,))
    elif since is None:
        hello = connection.hello
        yield Noticed(f"{name} was sent before Identify.", (hello.n if hello else None,))
    else:
        asked, answer = ("Resume", "RESUMED") if isinstance(since, Resume) else ("Identify", "READY")
        after = took(now.at_ns - since.at_ns)
        yield Noticed(f"{name} was sent {after} after {asked}, and {answer} has not come.", (since.n,))


def _is_command(op: int | str | None) -> bool:
    return op is not None and op not in _BEFORE_READY


@rule(
    "resume-unknown-session",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="Keep session_id, resume_gateway_url and seq together for each shard, and replace all three on READY.",
    source=("official-gateway",),
)
def resume_unknown_session(now: Situation) -> Iterator[Noticed]:
    """The client resumes another session than the one it was given."""
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
    if own and not world.has_unread and all(each.identify is not None and _is_alone(each.identify) for each in own):
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
    remedy="Keep the highest s that came, per session, and begin anew with each READY.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def resume_wrong_seq(now: Situation) -> Iterator[Noticed]:
    """Resume asks to go on from a number that the server never reached, or from none."""
    resume = now.expect(Resume)
    session = now.world.sessions.get(resume.session or "")
    if resume.seq is None:
        yield Noticed("Resume has no seq, or one that is no whole number.")
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
    remedy="Take the number over as soon as a dispatch has been received, not when it has been worked off.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def resume_stale_seq(now: Situation) -> Iterator[Noticed]:
    """Resume goes back behind what the client had received, so it gets events twice."""
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
    beat = before[0].last_beat if before is not None else None
    if beat is not None and beat.seq is not None and resume.seq < beat.seq <= session.seq:
        text += f" Its last heartbeat had claimed {beat.seq:,} already."
    yield Noticed(text, (session.ready.n, beat.n if beat is not None else None))


@rule(
    "resume-at-wrong-url",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="Connect to resume_gateway_url of READY for a resume, and to the first URL for an Identify.",
    source=("official-gateway",),
)
def resume_at_wrong_url(now: Situation) -> Iterator[Noticed]:
    """The client resumes somewhere else than READY said.

    It works at times, and the connection drops more often.
    """
    session = now.world.sessions.get(now.expect(Resume).session or "")
    host = address_of(now.connection.opened.url)
    if session is None or session.resume_host is None or not host or session.ready is None:
        return
    if _port_less(host) != _port_less(session.resume_host):
        yield Noticed(f"Resumed at {quoted(host)}; READY had named {quoted(session.resume_host)}.", (session.ready.n,))


def _port_less(host: str) -> str:
    return host.removesuffix(":443")


@rule(
    "resume-parameters-changed",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="Put the same v, encoding and compress into the resume URL as into the first.",
    source=("official-gateway",),
)
def resume_parameters_changed(now: Situation) -> Iterator[Noticed]:
    """The URL of a resume asks for another version or encoding than the session began with."""
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
    remedy="Close with a code from 4000 to 4999 to keep the session, and with 1000 only to give it up.",
    source=("official-gateway",),
)
def resume_after_destroying(now: Situation) -> Iterator[Noticed]:
    """The client resumes a session that it destroyed itself by closing with 1000 or 1001."""
    session = now.world.sessions.get(now.expect(Resume).session or "")
    if session is None or session.ending is None:
        return
    closed = session.ending.closed
    if closed.by == "client" and closed.code in DESTROYING:
        yield Noticed(
            f"The client had closed connection {session.ending.connection} with {closed.code}, which ends the session.",
            (session.ending.n,),
        )


@rule(
    "resume-after-end",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="Forget session_id after op 9 with false and after closes that forbid a resume, and identify.",
    source=("official-gateway", "official-opcodes"),
    needs=Knows.TIMES,
)
def resume_after_end(now: Situation) -> Iterator[Noticed]:
    """The client resumes a session that the server had ended."""
    session = now.world.sessions.get(now.expect(Resume).session or "")
    if session is None or session.phase != "ended" or session.destroyed is None:
        return
    ending, how = session.ending, "by Invalid Session"
    if ending is not None and ending.n == session.destroyed.n:
        if ending.closed.by == "client" and ending.closed.code in DESTROYING:
            return
        how = f"when connection {ending.connection} was closed with {ending.closed.code}"
    yield Noticed(f"The session had been ended {how}; only Identify can help.", (session.destroyed.n,))


@rule(
    "identify-instead-of-resume",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Resume first; an op 9 tells if that is not possible. An Identify costs one of 1000 a day and loses events.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def identify_instead_of_resume(now: Situation) -> Iterator[Noticed]:
    """The client identified anew although its session could have been resumed.

    Events of the time in between are lost, and one of the day's 1000 logins is spent.
    """
    before = now.before()
    if before is None or now.connection.resume is not None or now.connection.refused is not None:
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
    if now.at_ns - ending.at_ns > RESUMABLE_NS:
        return
    code, by = ending.closed.code, ending.closed.by
    row = None if code is None else now.registry.close_code(GATEWAY, code)
    if row is not None and row.sent_by(by).resume is True:
        yield Noticed(
            f"Connection {connection.id} had ended {took(now.at_ns - ending.at_ns)} before with {code}, and its "
            f"session ••••{session.id[:4]} could have been resumed from {session.seq or 0:,}.",
            (ending.n,),
        )


@rule(
    "resume-loop",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.RESUME),
    remedy="Give up after the second failure: forget the session, wait, and identify.",
    source=("derived",),
)
def resume_loop(now: Situation) -> Iterator[Noticed]:
    """The client resumes again and again, and never gets through."""
    session = now.world.sessions.get(now.expect(Resume).session or "")
    if now.world.has_gaps or (session is not None and not now.world.was_read(session)):
        return
    if session is not None and session.failures >= LOOP and session.failures % LOOP == 0:
        yield Noticed(
            f"This is the resume number {session.failures + 1} of session ••••{session.id[:4]} without a RESUMED.",
            tuple(now.world.ended[each][1].n for each in session.connections if each in now.world.ended),
        )


@rule(
    "identify-storm",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Wait longer after each failure (1 s, 2 s, 4 s … with some randomness), and stop at closes that forbid a "
    "reconnect.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def identify_storm(now: Situation) -> Iterator[Noticed]:
    """The client identifies over and over within a short time."""
    identify = now.expect(Identify)
    same = now.world.logins.of_shard(identify.token, identify.shard)
    if _crosses(same, now.at_ns, STORM, STORM_NS):
        recent = [*same][-STORM + 1 :]
        yield Noticed(
            f"{STORM} Identifies of the same client within {took(now.at_ns - recent[0].at_ns)}.",
            tuple(login.n for login in recent),
        )


def _crosses(logins: Sequence[Login], at_ns: int, bound: int, span_ns: int) -> bool:
    """Return whether a login at `at_ns` is the one with which there are `bound` of them within `span_ns`.

    Not where the one before it was such a one already, so that what lasts is said once.
    """

    def reached(last: int, at_ns: int) -> bool:
        first = last - bound + 1
        return first >= 0 and at_ns - logins[first].at_ns < span_ns

    # The login itself is not among them yet: it would be the next.
    following = len(logins)
    return reached(following, at_ns) and not (following > 0 and reached(following - 1, logins[-1].at_ns))


@rule(
    "identify-budget",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Resume instead of identifying, and find out what makes the bot begin anew so often.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def identify_budget(now: Situation) -> Iterator[Noticed]:
    """Most of the logins that a bot has in a day are spent.

    Beyond the last all sessions end and the token is reset. Only logins in this recording are counted.
    """
    identify = now.expect(Identify)
    # Users' clients may log in as often as they like.
    if identify.token is None or identify.capabilities is not None:
        return
    same = now.world.logins.of(identify.token)
    for bound, severity in ((BUDGET, Severity.ERROR), (BUDGET_WARNS, Severity.WARN)):
        if _crosses(same, now.at_ns, bound, DAY_NS):
            yield Noticed(
                f"This is number {bound:,} of the {BUDGET:,} logins of 24 hours; the first was "
                f"{took(now.at_ns - same[-bound + 1].at_ns)} ago.",
                (same[-bound + 1].n,),
                severity,
            )


@rule(
    "invalid-session-ignored",
    Severity.WARN,
    silence(GATEWAY),
    remedy="After op 9 identify anew (or resume, if d is true), or close the connection and do so on a new one.",
    source=("official-gateway",),
)
def invalid_session_ignored(now: Situation) -> Iterator[Noticed]:
    """The session was declared invalid, and the client did nothing about it."""
    refused, closed = now.connection.refused, now.closed
    if not now.connection.is_whole:
        return
    if refused is None or isinstance(now.said, Identify | Resume) or (closed is not None and closed.by != "server"):
        return
    if now.passed(refused.at_ns + REACT_NS):
        yield Noticed(
            f"{took(now.at_ns - refused.at_ns)} after Invalid Session there is no Identify, no Resume and no close.",
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
    """The client identified at once after Invalid Session."""
    refused = now.connection.refused
    if refused is not None and not refused.resumable and now.at_ns - refused.at_ns < SECOND:
        yield Noticed(f"Identified {took(now.at_ns - refused.at_ns)} after Invalid Session.", (refused.n,))


@rule(
    "invalid-session",
    Severity.INFO,
    receives(GATEWAY, GatewayOp.INVALID_SESSION),
    remedy="Identify anew if d is false, resume if it is true. In answer to Identify: leave 5 seconds between logins.",
    source=("official-gateway", "community-gateway"),
)
def invalid_session(now: Situation) -> Iterator[Noticed]:
    """The server refused a login or a resume, or cancelled the session."""
    connection, asked = now.connection, now.connection.asked
    why = None
    if connection.accepted is not None:
        members = [
            sent
            for sent in connection.sends
            if sent.op == GatewayOp.REQUEST_GUILD_MEMBERS and now.at_ns - sent.at_ns < 5 * SECOND
        ]
        after = f", {took(now.at_ns - members[-1].at_ns)} after a Request Guild Members" if members else ""
        why = Noticed(f"The server cancelled the live session{after}.", (members[-1].n if members else None,))
    elif connection.refused is not None:
        why = Noticed("Invalid Session came again, although nothing was asked.", (connection.refused.n,))
    elif isinstance(asked, Resume):
        why = Noticed(_why_not_resumed(now, asked), (asked.n,))
    elif asked is not None:
        why = _why_not_identified(now, asked)
    if why is None:
        return
    other = rival(now)
    if other is not None:
        why = why._replace(text=f"{why.text} {other[0]}", evidence=(*why.evidence, *other[1]))
    times = connection.refusals + 1
    # Now and then one is refused; again and again is a sign of an outage, or of a client that makes it worse.
    if times % LOOP == 0:
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
            f"The resume was refused: when connection {before[0].id} broke off, the proxy told the server 1000, which "
            "ends the session."
        )
    away = f" The client had been away for {took(resume.at_ns - before[1].at_ns)}." if before else ""
    return f"The resume was refused: the session is unknown to the server, or too much was missed.{away}"


def _why_not_identified(now: Situation, identify: Identify) -> Noticed:
    close = [
        login
        for login in now.world.logins.of(identify.token)
        if login.n < identify.n and identify.at_ns - login.at_ns < SPACING_NS
    ]
    if close and identify.token is not None:
        return Noticed(
            f"The Identify was refused: another of this account came {took(identify.at_ns - close[-1].at_ns)} before, "
            "and within 5 seconds only max_concurrency may come.",
            (close[-1].n, identify.n),
            Severity.WARN,
        )
    return Noticed("The Identify was refused; the gateway may be having an outage.", (identify.n,))


@rule(
    "identify-spacing",
    Severity.INFO,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Start shards in buckets of max_concurrency (GET /gateway/bot says how many), five seconds apart.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def identify_spacing(now: Situation) -> Iterator[Noticed]:
    """Two logins of one account within five seconds; that is allowed only with a max_concurrency above 1."""
    identify = now.expect(Identify)
    same = now.world.logins.of(identify.token)
    # On one connection that is for identify-twice and Invalid Session to tell. Of a whole row the first is told.
    if identify.token is None or not same or same[-1].connection == now.connection.id:
        return
    if _crosses(same, now.at_ns, 2, SPACING_NS):
        who = "A client" if identify.shard is None else f"Shard {identify.shard[0]} of {identify.shard[1]}"
        again = "after its last time" if same[-1].shard == identify.shard else "after another"
        yield Noticed(f"{who} identifies {took(now.at_ns - same[-1].at_ns)} {again}.", (same[-1].n,))


@rule(
    "reconnect-ignored",
    Severity.WARN,
    silence(GATEWAY),
    remedy="On op 7 close with a code other than 1000 and 1001, connect to the resume URL, and resume.",
    source=("official-gateway",),
)
def reconnect_ignored(now: Situation) -> Iterator[Noticed]:
    """The server asked for a reconnect, and the client stayed."""
    asked = now.connection.reconnect
    if asked is None:
        return
    closed, stayed = now.closed, now.at_ns - asked.at_ns
    # A server that closes at once leaves nobody the time to go.
    too_late = closed is not None and closed.by == "server" and SECOND < stayed <= LEAVE_NS
    if too_late or now.passed(asked.at_ns + LEAVE_NS):
        by = f"the {closed.by or 'connection'} closed" if closed is not None else ""
        how = f"{took(stayed)} later {by or 'the client was still there'}"
        yield Noticed(f"The server asked for a reconnect; {how}.", (asked.n,))


@rule(
    "session-thrown-away",
    Severity.WARN,
    closes(GATEWAY),
    remedy="Close with a code from 4000 to 4999 where the session is to go on.",
    source=("official-gateway",),
)
def session_thrown_away(now: Situation) -> Iterator[Noticed]:
    """The client closed with 1000 or 1001 when it was asked to reconnect, and so lost its session."""
    closed, asked = now.event.closed, now.connection.reconnect
    if closed is not None and asked is not None and closed.by == "client" and closed.code in DESTROYING:
        yield Noticed(f"Asked to reconnect, the client closed with {closed.code}; the session is gone.", (asked.n,))


@rule(
    "no-identify",
    Severity.WARN,
    silence(GATEWAY),
    remedy="Send Identify or Resume when Hello has come.",
    source=("official-gateway",),
)
def no_identify(now: Situation) -> Iterator[Noticed]:
    """The client connected and never said who it is."""
    connection = now.connection
    hello = connection.hello
    if hello is None or connection.identify is not None or connection.resume is not None or not connection.is_whole:
        return
    if not isinstance(now.said, Identify | Resume) and now.passed(hello.at_ns + 30 * SECOND):
        yield Noticed(f"{took(now.at_ns - hello.at_ns)} after Hello there is no Identify and no Resume.", (hello.n,))


@rule(
    "login-slow",
    Severity.INFO,
    silence(GATEWAY),
    remedy="Look at the status page; nothing that the client does makes this faster.",
    source=("derived",),
)
def login_slow(now: Situation) -> Iterator[Noticed]:
    """The server takes long to answer an Identify or a Resume."""
    connection, asked = now.connection, now.connection.asked
    if asked is None or connection.accepted is not None or connection.refused is not None or not connection.is_whole:
        return
    if now.event.event in ("READY", "RESUMED") or isinstance(now.said, Refused):
        return
    if now.passed(asked.at_ns + 15 * SECOND):
        yield Noticed(f"No READY, RESUMED or Invalid Session came within {took(now.at_ns - asked.at_ns)}.", (asked.n,))
