"""Rules about how sessions on the main gateway begin, go on, and are asked to end.

Sources: https://docs.discord.com/developers/events/gateway#connection-lifecycle,
https://docs.discord.com/developers/events/gateway#resuming
"""

from collections.abc import Iterator

from inspector.diagnose.rule import SECOND, Noticed, Situation, closes, receives, rule, sends, silence
from inspector.diagnose.verdicts import NORMAL, RESUMABLE_NS
from inspector.diagnose.words import counted, listed, opcode, took
from inspector.model import Plane, Severity
from inspector.session.said import At, Identify, Refused, Resume
from inspector.session.tracker import host_of

GATEWAY = Plane.GATEWAY
# What may be sent before READY.
_BEFORE_READY = frozenset({1, 2, 6, 40, 41})
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
    sends(GATEWAY, 2, 6),
    remedy="Wait for Hello; it is the first message and says how often to send heartbeats.",
    source=("official-gateway", "community-gateway"),
)
def identify_before_hello(now: Situation) -> Iterator[Noticed]:
    """The client introduced itself before the server had said Hello."""
    if now.connection.hello is None and now.connection.is_whole:
        yield Noticed(f"{opcode(now.registry, GATEWAY, now.event.op)} was sent before Hello came.")


@rule(
    "identify-twice",
    Severity.ERROR,
    sends(GATEWAY, 2, 6),
    remedy="Send one Identify or Resume a connection, and another only after Invalid Session (op 9).",
    source=("official-gateway", "official-opcodes"),
)
def identify_twice(now: Situation) -> Iterator[Noticed]:
    """The client introduced itself twice on one connection; the gateway closes it with 4005."""
    connection = now.connection
    asked = connection.identify or connection.resume
    if asked is not None and connection.refused is None:
        yield Noticed(
            f"{opcode(now.registry, GATEWAY, now.event.op)} was sent although the connection had one already.",
            (asked.n, connection.accepted.n if connection.accepted else None),
        )


@rule(
    "identify-malformed",
    Severity.ERROR,
    sends(GATEWAY, 2),
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
    sends(GATEWAY, 2),
    remedy="Send the sum of the intents whose events the bot wants.",
    source=("official-gateway",),
)
def identify_without_intents(now: Situation) -> Iterator[Noticed]:
    """A bot identified without intents, which it must send from version 8 on."""
    identify, version = now.expect(Identify), now.connection.version
    # Users' clients send none; they are told by their capabilities.
    if identify.intents is None and identify.capabilities is None and version is not None and version >= 8:
        yield Noticed(f"Identify has no intents, or none that are a whole number; version {version} wants them.")


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
    if op in _BEFORE_READY or op is None or connection.accepted is not None or not connection.is_whole:
        return
    name = opcode(now.registry, GATEWAY, op)
    if connection.refused is not None:
        yield Noticed(f"{name} was sent after the session had been declared invalid.", (connection.refused.n,))
        return
    asked = connection.identify or connection.resume
    when = "before READY" if asked is not None else "before Identify"
    yield Noticed(f"{name} was sent {when}.", (asked.n if asked is not None else None,))


@rule(
    "resume-unknown-session",
    Severity.WARN,
    sends(GATEWAY, 6),
    remedy="Keep session_id, resume_gateway_url and seq together for each shard, and replace all three on READY.",
    source=("official-gateway",),
)
def resume_unknown_session(now: Situation) -> Iterator[Noticed]:
    """The client resumes another session than the one it was given."""
    resume, world = now.expect(Resume), now.world
    if resume.session is None:
        yield Noticed("Resume names no session.", severity=Severity.ERROR)
        return
    if resume.session in world.sessions or resume.token is None:
        return
    own = [
        session
        for session in world.sessions.values()
        if session.identify is not None and session.identify.token == resume.token and session.phase != "ended"
    ]
    if own:
        ready = own[-1].ready
        yield Noticed(
            f"The session ••••{resume.session[:4]} is not one that this account was given here; "
            f"the last it got is ••••{own[-1].id[:4]}.",
            (ready.n if ready else None,),
        )


@rule(
    "resume-wrong-seq",
    Severity.ERROR,
    sends(GATEWAY, 6),
    remedy="Keep the highest s that came, per session, and begin anew with each READY.",
    source=("official-gateway",),
)
def resume_wrong_seq(now: Situation) -> Iterator[Noticed]:
    """Resume asks to go on from a number that the server never reached, or from none."""
    resume = now.expect(Resume)
    session = now.world.sessions.get(resume.session or "")
    if resume.seq is None:
        yield Noticed("Resume has no seq, or one that is no whole number.")
    elif session is not None and session.ready is not None and session.seq is not None and resume.seq > session.seq:
        yield Noticed(
            f"Resume asks for what follows {resume.seq:,}; the server had counted up to {session.seq:,}.",
            (session.ready.n,),
        )


@rule(
    "resume-stale-seq",
    Severity.INFO,
    sends(GATEWAY, 6),
    remedy="Take the number over as soon as a dispatch has been received, not when it has been worked off.",
    source=("official-gateway",),
)
def resume_stale_seq(now: Situation) -> Iterator[Noticed]:
    """Resume goes back behind what the client had received, so it gets events twice."""
    resume = now.expect(Resume)
    session = now.world.sessions.get(resume.session or "")
    if session is None or session.ready is None or session.seq is None or resume.seq is None:
        return
    if resume.seq < session.seq:
        yield Noticed(
            f"Resume asks for what follows {resume.seq:,}; up to {session.seq:,} had been sent, so "
            f"{counted(session.seq - resume.seq, 'event')} may come again."
        )


@rule(
    "resume-at-wrong-url",
    Severity.WARN,
    sends(GATEWAY, 6),
    remedy="Connect to resume_gateway_url of READY for a resume, and to the first URL for an Identify.",
    source=("official-gateway",),
)
def resume_at_wrong_url(now: Situation) -> Iterator[Noticed]:
    """The client resumes somewhere else than READY said.

    It works at times, and the connection drops more often.
    """
    session = now.world.sessions.get(now.expect(Resume).session or "")
    host = host_of(now.connection.opened.url)
    if session is None or session.resume_host is None or host is None or session.ready is None:
        return
    if _port_less(host) != _port_less(session.resume_host):
        yield Noticed(f"Resumed at {host}; READY had named {session.resume_host}.", (session.ready.n,))


def _port_less(host: str) -> str:
    return host.removesuffix(":443")


@rule(
    "resume-parameters-changed",
    Severity.WARN,
    sends(GATEWAY, 6),
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
        f"{name} {was} became {now_is}"
        for name, was, now_is in (
            ("v", session.version, connection.version),
            ("encoding", session.encoding, connection.encoding),
        )
        if was is not None and was != now_is
    ]
    if changed:
        yield Noticed(f"Between the first connection and this one {listed(changed)}.", (session.ready.n,))


@rule(
    "resume-after-destroying",
    Severity.ERROR,
    sends(GATEWAY, 6),
    remedy="Close with a code from 4000 to 4999 to keep the session, and with 1000 only to give it up.",
    source=("official-gateway",),
)
def resume_after_destroying(now: Situation) -> Iterator[Noticed]:
    """The client resumes a session that it destroyed itself by closing with 1000 or 1001."""
    session = now.world.sessions.get(now.expect(Resume).session or "")
    if session is None or session.ending is None:
        return
    closed = session.ending.closed
    if closed.by == "client" and closed.code in NORMAL:
        yield Noticed(
            f"The client had closed connection {session.ending.connection} with {closed.code}, which ends the session.",
            (session.ending.n,),
        )


@rule(
    "resume-after-end",
    Severity.WARN,
    sends(GATEWAY, 6),
    remedy="Forget session_id after op 9 with false and after closes that forbid a resume, and identify.",
    source=("official-gateway", "official-opcodes"),
)
def resume_after_end(now: Situation) -> Iterator[Noticed]:
    """The client resumes a session that the server had ended."""
    session = now.world.sessions.get(now.expect(Resume).session or "")
    if session is None or session.phase != "ended" or session.destroyed is None:
        return
    closed = session.ending.closed if session.ending is not None else None
    if closed is None or not (closed.by == "client" and closed.code in NORMAL):
        yield Noticed("The session had been ended by the server; only Identify can help.", (session.destroyed.n,))


@rule(
    "identify-instead-of-resume",
    Severity.WARN,
    sends(GATEWAY, 2),
    remedy="Resume first; an op 9 tells if that is not possible. An Identify costs one of 1000 a day and loses events.",
    source=("official-gateway",),
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
    sends(GATEWAY, 6),
    remedy="Give up after the second failure: forget the session, wait, and identify.",
    source=("derived",),
)
def resume_loop(now: Situation) -> Iterator[Noticed]:
    """The client resumes again and again, and never gets through."""
    session = now.world.sessions.get(now.expect(Resume).session or "")
    if session is not None and session.failures >= LOOP and session.failures % LOOP == 0:
        yield Noticed(
            f"This is the resume number {session.failures + 1} of session ••••{session.id[:4]} without a RESUMED.",
            tuple(now.world.ended[each][1].n for each in session.connections if each in now.world.ended),
        )


@rule(
    "identify-storm",
    Severity.ERROR,
    sends(GATEWAY, 2),
    remedy="Wait longer after each failure (1 s, 2 s, 4 s … with some randomness), and stop at closes that forbid a "
    "reconnect.",
    source=("official-gateway",),
)
def identify_storm(now: Situation) -> Iterator[Noticed]:
    """The client identifies over and over within a short time."""
    identify = now.expect(Identify)
    recent = [
        login
        for login in now.world.logins
        if login.token == identify.token and login.shard == identify.shard and now.at_ns - login.at_ns < STORM_NS
    ]
    if len(recent) + 1 >= STORM and (len(recent) + 1 - STORM) % STORM == 0:
        yield Noticed(
            f"{len(recent) + 1} Identifies of the same client within {took(now.at_ns - recent[0].at_ns)}.",
            tuple(login.n for login in recent),
        )


@rule(
    "identify-budget",
    Severity.WARN,
    sends(GATEWAY, 2),
    remedy="Resume instead of identifying, and find out what makes the bot begin anew so often.",
    source=("official-gateway",),
)
def identify_budget(now: Situation) -> Iterator[Noticed]:
    """Most of the logins that a bot has in a day are spent.

    Beyond the last all sessions end and the token is reset. Only logins in this recording are counted.
    """
    token = now.expect(Identify).token
    count = sum(login.token == token for login in now.world.logins) + 1
    if count in (BUDGET_WARNS, BUDGET):
        yield Noticed(
            f"{count:,} of {BUDGET:,} logins of the last 24 hours.",
            severity=Severity.ERROR if count == BUDGET else None,
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
    refused = now.connection.refused
    if refused is not None and not isinstance(now.said, Identify | Resume) and now.passed(refused.at_ns + REACT_NS):
        yield Noticed(
            f"{took(now.at_ns - refused.at_ns)} after Invalid Session there is no Identify, no Resume and no close.",
            (refused.n,),
        )


@rule(
    "invalid-session-answered-too-soon",
    Severity.INFO,
    sends(GATEWAY, 2),
    remedy="Wait a random one to five seconds before identifying again on the same connection.",
    source=("community-gateway",),
)
def invalid_session_answered_too_soon(now: Situation) -> Iterator[Noticed]:
    """The client identified at once after Invalid Session."""
    refused = now.connection.refused
    if refused is not None and not refused.resumable and now.at_ns - refused.at_ns < SECOND:
        yield Noticed(f"Identified {took(now.at_ns - refused.at_ns)} after Invalid Session.", (refused.n,))


@rule(
    "invalid-session",
    Severity.INFO,
    receives(GATEWAY, 9),
    remedy="Identify anew if d is false, resume if it is true. In answer to Identify: leave 5 seconds between logins.",
    source=("official-gateway", "community-gateway"),
)
def invalid_session(now: Situation) -> Iterator[Noticed]:
    """The server refused a login or a resume, or cancelled the session."""
    connection = now.connection
    now.expect(Refused)
    if connection.accepted is not None:
        asked = [sent for sent in connection.sends if sent.op == 8 and now.at_ns - sent.at_ns < 5 * SECOND]
        after = f", {took(now.at_ns - asked[-1].at_ns)} after a Request Guild Members" if asked else ""
        yield Noticed(f"The server cancelled the live session{after}.", (asked[-1].n if asked else None,))
        return
    identify, resume = connection.identify, connection.resume
    if resume is not None and (identify is None or resume.n > identify.n):
        yield Noticed(_why_not_resumed(now, resume), (resume.n,))
    elif identify is not None:
        yield _why_not_identified(now, identify)


def _why_not_resumed(now: Situation, resume: Resume) -> str:
    session = now.world.sessions.get(resume.session or "")
    if session is None or session.ready is None:
        return "The resume was refused; how its session began is not recorded."
    if session.destroyed is not None:
        return "The resume was refused: its session had been ended before."
    before = now.world.ended.get(now.connection.previous or 0)
    away = f" The client had been away for {took(resume.at_ns - before[1].at_ns)}." if before else ""
    return f"The resume was refused: the session is unknown to the server, or too much was missed.{away}"


def _why_not_identified(now: Situation, identify: Identify) -> Noticed:
    close = [
        login
        for login in now.world.logins
        if login.token == identify.token and login.n != identify.n and identify.at_ns - login.at_ns < SPACING_NS
    ]
    if close:
        return Noticed(
            f"The Identify was refused: another of this bot came {took(identify.at_ns - close[-1].at_ns)} before it, "
            "and within 5 seconds only max_concurrency may come.",
            (close[-1].n, identify.n),
            Severity.WARN,
        )
    return Noticed("The Identify was refused; the gateway may be having an outage.", (identify.n,))


@rule(
    "identify-spacing",
    Severity.INFO,
    sends(GATEWAY, 2),
    remedy="Start shards in buckets of max_concurrency (GET /gateway/bot says how many), five seconds apart.",
    source=("official-gateway",),
)
def identify_spacing(now: Situation) -> Iterator[Noticed]:
    """Two logins of one bot within five seconds; that is allowed only with a max_concurrency above 1."""
    identify = now.expect(Identify)
    close = [
        login
        for login in now.world.logins
        if login.token == identify.token and login.connection != now.connection.id and login.shard != identify.shard
    ]
    if close and identify.token is not None and now.at_ns - close[-1].at_ns < SPACING_NS:
        after = took(now.at_ns - close[-1].at_ns)
        yield Noticed(f"Shard {_shard(identify)} identifies {after} after another.", (close[-1].n,))


def _shard(identify: Identify) -> str:
    return "?" if identify.shard is None else f"{identify.shard[0]}/{identify.shard[1]}"


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
    closed = now.event.closed
    if closed is not None and closed.by == "server" and now.at_ns - asked.at_ns > SECOND:
        if now.at_ns - asked.at_ns <= LEAVE_NS:
            yield _stayed(now, asked, "until the server closed")
    elif now.passed(asked.at_ns + LEAVE_NS):
        yield _stayed(now, asked, "and is still there")


def _stayed(now: Situation, asked: At, how: str) -> Noticed:
    return Noticed(f"The client was asked to reconnect, stayed for {took(now.at_ns - asked.at_ns)} {how}.", (asked.n,))


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
    if closed is not None and asked is not None and closed.by == "client" and closed.code in NORMAL:
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
    connection = now.connection
    asked = connection.resume or connection.identify
    if asked is None or connection.accepted is not None or connection.refused is not None:
        return
    if now.passed(asked.at_ns + 15 * SECOND) and now.event.event not in ("READY", "RESUMED") and connection.is_whole:
        yield Noticed(f"No READY, RESUMED or Invalid Session came within {took(now.at_ns - asked.at_ns)}.", (asked.n,))
