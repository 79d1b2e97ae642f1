"""Why the main gateway closed, one function a code; and why a client left.

Source of what the codes mean: https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway
"""

from urllib.parse import parse_qs, urlsplit

from inspector.diagnose.cause import (
    NEED_NO_SESSION,
    STOPPED,
    Cause,
    ago,
    burst,
    flawed,
    last_sent_said,
    rows_of,
    sent_said,
    token_said,
    unanswered_ns,
    usual,
)
from inspector.diagnose.heartbeats import allowed_ns
from inspector.diagnose.rule import SECOND, Situation
from inspector.diagnose.starts import recommended_said, total_of
from inspector.diagnose.words import mixture, opcode, quoted
from inspector.inert import inert
from inspector.model import Plane, Severity
from inspector.protocol.ops import GatewayOp, VoiceOp
from inspector.session.messages import Identify, Resume
from inspector.session.state import MAX_SENDS, Connection
from inspector.session.world import MAX_IDENTIFIES
from inspector.words import counted, listed, roughly

# What a client may send within a minute.
MAX_A_MINUTE = 120
# Bytes of a message: for bots, and by the newer limit.
MAX_BYTES, MAX_BYTES_BY_USERS = 4096, 15 * 1024
# How far back the message is looked for that the server took exception to.
RECENT_NS = 5 * SECOND
# Versions that can be connected to.
VERSIONS = range(6, 11)
# Advice where a token was refused that had worked.
_WAS_RESET = (
    "Stop reconnecting. The token was right until then, so the way it reaches the program is not at fault: find out "
    "who reset it, make a new one in the developer portal, and start again with that."
)


def left(now: Situation) -> Cause:
    """A client closes with a code of its own, and so keeps its session."""
    connection = now.connection
    waited = unanswered_ns(connection, now.at_ns)
    reconnect, refused = connection.main.reconnect, connection.main.refused
    if reconnect is not None:
        why = f"the server had asked it to reconnect (op 7) {ago(now, reconnect.at_ns)}"
        return Cause(f"{why}.", (reconnect.n,), is_plain=True)
    if refused is not None:
        # With d true the session is still there; with d false there is none, and Identify could go out at once.
        why = f"the server had refused the session (op 9, d {str(refused.resumable).lower()}) "
        return Cause(f"{why}{ago(now, refused.at_ns)}.", (refused.n,), is_plain=True)
    if waited:
        return Cause(
            f"its heartbeat had had no ACK for {roughly(waited)}, so it considered the connection dead.",
            tuple(beat.n for beat in connection.heartbeats.pending),
            severity=Severity.INFO,
        )
    if not connection.is_whole:
        # The reason may be in the rest.
        return Cause("no reason shows in what could be read.", (), STOPPED, is_plain=True)
    if now.event.plane is Plane.VOICE:
        return Cause("it left on its own; no heartbeat was without its ACK.", (), STOPPED, is_plain=True)
    seen = "neither op 7 nor op 9 had come, and no heartbeat was without its ACK"
    return Cause(f"it left on its own; {seen}.", (), STOPPED, is_plain=True)


def thrown_away(now: Situation) -> Cause | None:
    """A client ends its session with 1000 or 1001; that is plain, unless it should have kept it."""
    connection = now.connection
    if now.event.plane is not Plane.GATEWAY:
        return None
    waited = unanswered_ns(connection, now.at_ns)
    reconnect, refused = connection.main.reconnect, connection.main.refused
    if reconnect is not None:
        row = reconnect.n
        why = f"the server had asked it to reconnect and resume (op 7) {ago(now, reconnect.at_ns)}"
    elif refused is not None and refused.resumable:
        row = refused.n
        why = f"the server had said {ago(now, refused.at_ns)} that the session can be resumed (op 9, d true)"
    elif waited:
        why, row = f"its heartbeat had had no ACK for {roughly(waited)}", connection.heartbeats.pending[0].n
    else:
        return None
    return Cause(
        f"{why}, and this code ends the session that could have gone on.",
        (row,),
        "When you mean to come back, close with 4000, as Discord's own client does, and resume; 1000 and 1001 end the "
        "session.",
        Severity.WARN,
        True,
        False,
    )


def unknown_error(now: Situation) -> Cause:
    """4000."""
    connection = now.connection
    reconnect = connection.main.reconnect
    if reconnect is not None:
        asked = f"it had asked for a reconnect (op 7) {ago(now, reconnect.at_ns)}"
        return Cause(f"{asked}, and the client was still there.", (reconnect.n,))
    last = connection.last_sent
    return Cause(
        f"nothing the client sent explains it ({last_sent_said(now)}).",
        (last and last.n,),
    )


def unknown_opcode(now: Situation) -> Cause:
    """4001, on the voice gateway too."""
    plane, registry = now.event.plane, now.registry
    recent = [sent for sent in now.connection.sends if sent.at_ns >= now.at_ns - RECENT_NS]
    for sent in reversed(recent):
        row = registry.opcode(plane, sent.op, from_client=True)
        if sent.op is None:
            wrong = inert(sent.problem[:200]) or "every message needs one"
        elif row is None:
            wrong = "it is not in any table"
        elif row.direction == "receive":
            wrong = "only the server may send that"
        elif row.status == "retired":
            wrong = "that opcode is retired"
        elif row.since is not None and now.connection.version is not None and row.since > now.connection.version:
            wrong = f"that came with v={row.since}, and the URL says v={now.connection.version}"
        else:
            continue
        return Cause(f"the client sent {sent_said(now, sent)}; {wrong}.", (sent.n,), _corrected(now))
    last = now.connection.last_sent
    if last is None:
        return usual(now, "no message from the client was recorded on this connection")
    row = registry.opcode(plane, last.op, from_client=True)
    shape = f"; it should be {row.fields}" if row is not None and row.fields else ""
    seen = f"{last_sent_said(now)}, an opcode that clients may send, so its d is what to look at{shape}"
    return usual(now, seen, last.n)._replace(advice=_corrected(now))


def _corrected(now: Situation) -> str:
    # The table's advice for the main gateway takes it for granted that there is a session.
    if now.event.plane is Plane.VOICE:
        return ""
    return "Correct the op or the d of that payload; as it is, it will end the next connection too."


def decode_error(now: Situation) -> Cause:
    """4002."""
    connection, sends = now.connection, burst(now)
    found = flawed(now, sends)
    if found is not None:
        return found
    for sent in reversed(sends):
        if sent.wire_bytes > MAX_BYTES:
            return Cause(
                f"the client sent {sent_said(now, sent)}, which had {sent.wire_bytes:,} bytes; bots may send "
                f"{MAX_BYTES:,}, users' clients {MAX_BYTES_BY_USERS:,}.",
                (sent.n,),
            )
    last = connection.last_sent
    if last is None:
        return usual(now, "no message from the client was recorded on this connection")
    seen = f"{last_sent_said(now)}: {last.wire_bytes:,} bytes that can be read as {connection.encoding or 'what it is'}"
    return usual(now, seen, last.n)


def not_authenticated(now: Situation) -> Cause:
    """4003."""
    connection = now.connection
    refused = connection.main.refused
    after = refused.n if refused is not None else 0
    commands = [sent for sent in connection.sends if sent.op not in NEED_NO_SESSION and sent.n > after]
    if refused is not None and commands:
        when = f"after the session had been refused with op 9 {ago(now, refused.at_ns)}"
        return Cause(f"the client sent {sent_said(now, commands[-1])}, {when}.", (refused.n, *rows_of(commands)))
    if connection.accepted is None and not connection.is_whole:
        return usual(now, f"READY or RESUMED may be in what could not be read ({last_sent_said(now)})")
    if connection.accepted is None and commands:
        asked = connection.identify or connection.resume
        when = "ahead of READY or RESUMED" if asked is not None else "ahead of any Identify or Resume"
        return Cause(f"the client sent {sent_said(now, commands[0])}, {when}.", rows_of(commands))
    if connection.accepted is None:
        return usual(now, f"no READY or RESUMED came, and yet no command was seen ({last_sent_said(now)})")
    last = connection.last_sent
    return usual(now, f"READY or RESUMED had come, and no op 9 after it ({last_sent_said(now)})", last and last.n)


def refused_token(now: Situation) -> Cause:
    """4004."""
    asked = _asked(now.connection)
    if asked is None:
        return usual(now, "neither Identify nor Resume was recorded on this connection")
    token = asked.token
    name = "Identify" if isinstance(asked, Identify) else "Resume"
    if token is None:
        return Cause(f"the {name} had no token: it was null, empty or not text.", (asked.n,))
    # That it was refused is what the code means: every screen says so next to this.
    words = [f"the {name} had {token_said(token)}"]
    prefix = asked.prefix if isinstance(asked, Identify) else ""
    if prefix == "Bot":
        words.append("It begins with 'Bot ', which belongs in HTTP headers; here it goes bare")
    elif prefix == "Bearer":
        words.append("It begins with 'Bearer ', which only OAuth2 tokens have")
    worked = _accepted_with(now, token)
    least = "at least " if now.world.forgot_since(0) else ""
    own = _granted_with(now, token)
    if own is not None and own not in worked:
        words.append("It had worked in this very session, so it was reset or revoked since")
    elif worked:
        words.append(
            f"It had worked on {least}{counted(len(worked), 'earlier connection')}, so it was reset or revoked since"
        )
    elif not now.world.has_unread(now.connection.account):
        words.append("No other connection in this recording got in with it")
    logins = now.world.logins.of(token)
    most = total_of(now, token)
    if len(logins) >= most:
        least = "at least " if len(now.world.logins) >= MAX_IDENTIFIES else ""
        words.append(f"It logged in {least}{len(logins):,} times within a day, and {most:,} reset a bot's token")
    elif len(logins) > 1:
        words.append(f"It was used for {len(logins):,} logins within a day")
    advice = _WAS_RESET if worked or own is not None else ""
    return Cause(". ".join(words) + ".", (asked.n, own, *worked[-3:]), advice)


def _granted_with(now: Situation, token: str) -> int | None:
    """Return the row of the READY of this connection's session, if that began with a token."""
    session = now.session
    if session is None or session.ready is None or session.identify is None or session.identify.token != token:
        return None
    return session.ready.n


def already_authenticated(now: Situation) -> Cause:
    """4005, on the voice gateway too."""
    connection = now.connection
    is_voice = now.event.plane is Plane.VOICE
    ops = (VoiceOp.IDENTIFY, VoiceOp.RESUME) if is_voice else (GatewayOp.IDENTIFY, GatewayOp.RESUME)
    rows = {sent.n: opcode(now.registry, now.event.plane, sent.op) for sent in connection.sends if sent.op in ops}
    rows |= {login.n: "op 2 Identify" for login in now.world.logins if login.connection == connection.id}
    for asked in (connection.identify, connection.resume):
        if asked is not None:
            op = ops[isinstance(asked, Resume)]
            rows[asked.n] = opcode(now.registry, now.event.plane, op)
    names = [rows[n] for n in sorted(rows)]
    if len(names) < 2:
        seen = f"only one Identify or Resume was seen on this connection ({names[0]})" if names else "none was seen"
        return usual(now, seen, *rows)
    said = ", then ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    accepted = connection.accepted
    when = ", although the session was granted already" if accepted is not None and accepted.n < max(rows) else ""
    return Cause(
        f"the client sent Identify or Resume {len(names)} times on this connection: {said}{when}.", tuple(rows)
    )


def session_ended(now: Situation) -> Cause:
    """4006."""
    resume = now.connection.resume
    if resume is None:
        return usual(now, "no Resume was seen on this connection")
    session = now.session
    if session is not None and session.destroyed is not None:
        at = session.destroyed
        return Cause(f"the Resume asked for a session that had ended {ago(now, at.at_ns)}.", (at.n, resume.n))
    return usual(now, "the Resume named a session whose end was not recorded", resume.n)


def wrong_seq(now: Situation) -> Cause:
    """4007."""
    resume, session = now.connection.resume, now.session
    if resume is None:
        return usual(now, "no Resume was seen on this connection")
    if resume.seq is None:
        return Cause("the seq in the Resume was not a number.", (resume.n,))
    asked = f"the Resume asked to continue from seq {resume.seq:,}"
    if session is None or session.ready is None or session.seq is None:
        return usual(now, f"{asked}; how far the session had counted was not recorded", resume.n)
    evidence = (session.ready.n, resume.n)
    if not now.world.was_read(session):
        return usual(now, f"{asked}; not everything that the server sent in the session could be read", *evidence)
    if resume.seq > session.seq:
        return Cause(f"{asked}, and the server had counted up to {session.seq:,}: that is ahead of it.", evidence)
    if resume.seq < 0:
        return Cause(f"{asked}, which cannot be.", evidence)
    return usual(now, f"{asked}, and the server had counted up to {session.seq:,}: that fits the session", *evidence)


def rate_limited(now: Situation) -> Cause:
    """4008."""
    sends = burst(now)
    if not sends:
        return usual(now, "the client sent nothing in the minute before")
    least = "at least " if len(sends) >= MAX_SENDS or not now.connection.is_whole else ""
    span = roughly(max(now.at_ns - sends[0].at_ns, 0))
    said = f"the client had sent {least}{counted(len(sends), 'message')} within {span}: "
    said += mixture(now.registry, now.event.plane, sends)
    if len(sends) > MAX_A_MINUTE or least:
        return Cause(f"{said}. {MAX_A_MINUTE} in 60 s are allowed.", rows_of(sends))
    return usual(now, f"{said}. That is within {MAX_A_MINUTE} in 60 s", *rows_of(sends))


def timed_out(now: Situation) -> Cause:
    """4009, on the voice gateway too."""
    connection = now.connection
    before = now.world.ended.get(connection.previous or 0)
    resume = connection.resume
    if resume is not None and connection.accepted is None and before is not None:
        gone = roughly(max(resume.at_ns - before[1].at_ns, 0))
        return Cause(
            f"the client came back after {gone} without connection, too late for its session.", (before[1].n, resume.n)
        )
    beats, interval = connection.heartbeats, connection.interval_ns
    last = beats.last
    if last is None:
        hello = connection.hello
        if hello is None or not connection.is_whole:
            return usual(now, "no heartbeat was recorded on this connection")
        if now.at_ns - hello.at_ns <= allowed_ns(interval):
            seen = f"Hello had come {ago(now, hello.at_ns)}, and no heartbeat was due yet"
            return Cause(f"{seen}.", (hello.n,), _in_time(now))
        return Cause(
            f"the client sent no heartbeat in the {roughly(max(now.at_ns - hello.at_ns, 0))} since Hello, which "
            f"asked for one every {roughly(interval)}.",
            (hello.n,),
        )
    gap = max(now.at_ns - last.at_ns, 0)
    said = f"the last heartbeat was sent {roughly(gap)} before"
    if not connection.is_whole:
        return usual(now, f"{said}, as far as the messages could be read", last.n)
    if not interval:
        return usual(now, f"{said}; the interval was not recorded", last.n)
    said += f", and one is due every {roughly(interval)}"
    if gap <= allowed_ns(interval):
        waiting = f", {counted(len(beats.pending), 'heartbeat')} without ACK" if beats.pending else ""
        return Cause(f"{said}: they came in time{waiting}.", (last.n,), _in_time(now))
    received = max(beats.received_since, 0)
    if received:
        came = f"{counted(received, 'message')} came from the server meanwhile"
        meanwhile = f"{came}, so the network was fine and the client was blocked"
    else:
        meanwhile = "Nothing came from the server meanwhile either: the network was gone, or the machine asleep"
    row = connection.last_received
    return Cause(f"{said}. {meanwhile}.", (last.n, row.n if row is not None and row.n > last.n else None))


def _in_time(now: Situation) -> str:
    """Return what to do where the heartbeats do not explain the end."""
    return "Join again." if now.event.plane is Plane.VOICE else "Start a new session with Identify."


def invalid_shard(now: Situation) -> Cause:
    """4010."""
    asked = now.connection.identify
    if asked is None:
        return usual(now, "no Identify was recorded on this connection")
    if asked.shard is None:
        return usual(now, "the Identify named no shard that is a pair of numbers", asked.n)
    number, count = asked.shard
    pair = f"the Identify asked for shard [{number}, {count}]"
    if count < 1:
        return Cause(f"{pair}, and there must be at least 1 shard.", (asked.n,))
    if number < 0:
        return Cause(f"{pair}, and no shard has a negative number.", (asked.n,))
    if number >= count:
        return Cause(f"{pair}, and of {counted(count, 'shard')} the last is {count - 1}.", (asked.n,))
    advice = (
        "Stop reconnecting. Take the number of shards from GET /gateway/bot; a very large bot needs a multiple of it."
    )
    seen = f"{pair}, which is a possible pair{_recommended(now, asked.token)}"
    return usual(now, seen, asked.n)._replace(advice=advice)


def too_few_shards(now: Situation) -> Cause:
    """4011."""
    asked = now.connection.identify
    if asked is None:
        return usual(now, "no Identify was recorded on this connection")
    if asked.shard is None:
        seen = "the Identify named no shard, so this one connection would have to carry all guilds"
        return Cause(f"{seen}{_recommended(now, asked.token)}.", (asked.n,))
    number, count = asked.shard
    few = f"{counted(count, 'shard is/shards are')} not enough"
    few += _recommended(now, asked.token)
    return Cause(f"the Identify asked for shard [{number}, {count}]: {few}.", (asked.n,))


def _recommended(now: Situation, token: str | None) -> str:
    said = recommended_said(now, token)
    return f"; {said}" if said else ""


def wrong_version(now: Situation) -> Cause:
    """4012."""
    opened = now.connection.opened
    row = now.connection.opened_row or None
    if not opened.url:
        return usual(now, "the URL of the connection was not recorded")
    try:
        asked = parse_qs(urlsplit(opened.url).query, keep_blank_values=True, max_num_fields=100).get("v")
    except ValueError:
        asked = None
    if asked is None:
        return Cause("the URL names no version: v is missing.", (row,))
    version = now.connection.version
    if version is None:
        return Cause(f"the URL asks for v={quoted(asked[-1])}, which is not a version.", (row,))
    if version in VERSIONS:
        seen = f"the URL asks for v={version}, which was accepted when this gwinspect was made"
        return Cause(f"{seen}.", (row,), "Stop reconnecting. Look up which versions the gateway still accepts.")
    gone = "has been switched off" if version < VERSIONS[0] else "is not known to exist"
    return Cause(f"the URL asks for v={version}, which {gone}.", (row,))


def invalid_intents(now: Situation) -> Cause:
    """4013."""
    asked = now.connection.identify
    if asked is None:
        return usual(now, "no Identify was recorded on this connection")
    value = asked.intents
    if value is None:
        return Cause("the intents in the Identify are missing, or no whole number.", (asked.n,))
    if value < 0:
        return Cause(f"intents is {value:,}; it must not be negative.", (asked.n,))
    known, unknown = now.registry.intents_of(value)
    is_bot = asked.capabilities is None and asked.prefix != "Bearer"
    closed_to_bots = [intent for intent in known if is_bot and intent.bots is False]
    wrong = (
        [
            f"bits {listed(map(str, unknown))} that are not intents"
            if len(unknown) > 1
            else f"bit {unknown[0]} that is not an intent"
        ]
        if unknown
        else []
    )
    if closed_to_bots:
        wrong.append(f"{listed(intent.name for intent in closed_to_bots)}, which bots cannot use")
    if not wrong:
        seen = f"intents is {value}, and all of its bits are known{' and open to bots' if is_bot else ''}"
        return Cause(
            f"{seen}.", (asked.n,), "Stop reconnecting. Ask for fewer intents, to find the one that is refused."
        )
    right = value & ~sum(1 << bit for bit in (*unknown, *(intent.bit for intent in closed_to_bots)))
    advice = f"Stop reconnecting. Take these bits out: that leaves intents {right}."
    return Cause(f"intents {value} in the Identify has {listed(wrong)}.", (asked.n,), advice)


def disallowed_intents(now: Situation) -> Cause:
    """4014."""
    asked = now.connection.identify
    if asked is None or asked.intents is None:
        return usual(now, "no Identify with intents was recorded on this connection", asked and asked.n)
    privileged = [intent for intent in now.registry.intents_of(asked.intents)[0] if intent.privileged]
    if not privileged:
        seen = f"intents {asked.intents} in the Identify has no bit that is known to be privileged"
        return Cause(
            f"{seen}.", (asked.n,), "Stop reconnecting. Ask for fewer intents, to find the one that is refused."
        )
    names = listed(intent.name for intent in privileged)
    right = asked.intents & ~sum(1 << intent.bit for intent in privileged)
    pronoun = "it" if len(privileged) == 1 else "them"
    need = "is privileged and has" if len(privileged) == 1 else "are privileged and at least one of them has"
    return Cause(
        f"intents {asked.intents} in the Identify asks for {names}, which {need} not been granted.",
        (asked.n,),
        f"Switch {names} on in the developer portal, under Bot, Privileged Gateway Intents, or ask for intents {right} "
        f"without. From 10,000 users on, the app also has to apply for {pronoun} there, and again every year. "
        "Reconnecting without either ends here again.",
    )


def too_many_sessions(now: Situation) -> Cause:
    """4015."""
    asked = _asked(now.connection)
    token = asked.token if asked is not None else None
    left_behind = [
        session.ready.n
        for session in now.world.sessions.values()
        if session.phase != "ended"
        # How it ended must be known.
        and (session.ending is None or session.ending.closed.code is not None)
        and now.world.was_read(session)
        and session.ready is not None
        and session.id != now.connection.session
        and token is not None
        and session.identify is not None
        and session.identify.token == token
    ]
    if not left_behind:
        return usual(now, "no other session of this account was recorded")
    return usual(
        now,
        f"{counted(len(left_behind), 'other session')} of this account began here and was neither resumed nor ended "
        "with 1000",
        *left_behind,
    )


def request_cancelled(now: Situation) -> Cause:
    """4016."""
    accepted = now.connection.accepted
    when = "no READY had come" if now.connection.is_whole else "no READY could be read"
    when = when if accepted is None else f"the session had been granted {ago(now, accepted.at_ns)}"
    return usual(now, f"{when}; who cancelled it does not show on this connection", accepted and accepted.n)


def _asked(connection: Connection) -> Identify | Resume | None:
    """Return the newest Identify or Resume."""
    both = [asked for asked in (connection.identify, connection.resume) if asked is not None]
    return max(both, key=lambda asked: asked.n, default=None)


def _accepted_with(now: Situation, token: str) -> list[int]:
    """Return the rows at which other connections got in with a token."""
    return sorted(
        other.accepted.n
        for other in now.world.known()
        if other.id != now.connection.id
        and other.accepted is not None
        and other.plane is Plane.GATEWAY
        and any(asked is not None and asked.token == token for asked in (other.identify, other.resume))
    )
