"""What ended a connection: beyond what its code means, what in this session most likely led to it.

`CAUSES` has a function for each code: it looks at the state before the close and says what it found, or None where
there is nothing to be found. What the code means in general, and what to do, comes from the tables.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from inspector.diagnose.rule import SECOND, Situation
from inspector.diagnose.words import counted, listed, mixture, opcode, quoted, took
from inspector.model import Closed, Finding, Plane, Severity, Verdict
from inspector.protocol.registry import CloseCode
from inspector.session.said import At, Identify, Resume
from inspector.session.state import SEND_WINDOW_NS, Connection
from inspector.session.world import Call, Ending

GATEWAY, VOICE = Plane.GATEWAY, Plane.VOICE
NORMAL = (1000, 1001)
"""Codes with which a conversation ends as it should."""
# Time around a voice close in which what the main gateway says belongs to it.
AROUND_NS = 5 * SECOND
# Time within which a session can be resumed, by experience; nobody documents it.
RESUMABLE_NS = 5 * 60 * SECOND
# Bytes of one message that bots may send, and that any client may.
BOT_BYTES, MOST_BYTES = 4096, 15 * 1024


class Cause(NamedTuple):
    """What led to a close."""

    text: str
    evidence: tuple[int | None, ...] = ()


# How bad a close is: whose move it is next. Everything else is a warning.
_OURS: dict[Plane, frozenset[int]] = {
    GATEWAY: frozenset({*range(4001, 4006), *range(4007, 4015)}),
    VOICE: frozenset({*range(4001, 4007), 4009, 4011, 4012, 4016, 4017, 4020, 4021}),
}
"""Closes that the client or its configuration brings about."""
_NOBODYS: dict[Plane, frozenset[int]] = {
    GATEWAY: frozenset({1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 4000}),
    VOICE: frozenset({1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 4013, 4014, 4015, 4022}),
}
"""Closes that come and go, and that a well-made client gets over."""


def rule_of(plane: Plane, code: int | None) -> str:
    """Return the id of the finding that stands for a close: ``close-4009``, ``voice-close-4014``."""
    name = "unknown" if code is None else str(code)
    return f"close-{name}" if plane is GATEWAY else f"{plane.value}-close-{name}"


def judge(now: Situation) -> tuple[Verdict | None, Finding | None]:
    """Return the verdict on the close `now.event`, and the finding that stands for it; None for a plain end."""
    closed = now.event.closed
    if closed is None or _is_plain(now, closed):
        return None, None
    row = None if closed.code is None else now.registry.close_code(now.event.plane, closed.code)
    known = row.sent_by(closed.by) if row else None
    cause = _cause(now, closed, known)
    evidence = tuple(sorted({n for n in cause.evidence if n is not None and 0 < n != now.event.n}))
    reconnect, resume, advice = _advice(now, closed, known)
    verdict = Verdict(now.event.n, cause.text, evidence, reconnect, resume, advice)
    return verdict, Finding(
        rule_of(now.event.plane, closed.code), _severity(now, closed), cause.text, now.event.n, evidence
    )


def _is_plain(now: Situation, closed: Closed) -> bool:
    if closed.code not in NORMAL:
        return False
    return closed.by == "client" and _thrown_away(now) is None


def _severity(now: Situation, closed: Closed) -> Severity:
    plane, code = now.event.plane, closed.code
    if closed.by == "client" and code in NORMAL:
        return Severity.WARN
    if code in _OURS.get(plane, ()) and closed.by != "client":
        return Severity.ERROR
    if code in _NOBODYS.get(plane, ()) or closed.by == "client":
        return Severity.INFO
    return Severity.WARN


def _cause(now: Situation, closed: Closed, known: CloseCode | None) -> Cause:
    plane, code = now.event.plane, closed.code
    if closed.by == "proxy":
        return Cause("The proxy closed this connection, not one of its two ends; they did nothing to cause it.")
    if closed.by == "client":
        return _by_client(now, closed)
    find = CAUSES.get((plane, code)) or _ANYWHERE.get(code)
    found = find(now) if find is not None else None
    if found is not None:
        return found
    if known is None:
        said = f" Its reason: {quoted(closed.reason)}." if closed.reason else ""
        what = "No code is known" if code is None else f"No table knows the code {code}"
        return Cause(f"{what}, and nothing that the client did stands out.{said}", (_last(now),))
    if not now.connection.is_whole:
        return Cause(f"{known.meaning} The recording does not have all of this connection, so no more can be said.")
    return Cause(f"{known.meaning} Nothing in this session explains it. {known.cause}".strip())


def _last(now: Situation) -> int | None:
    sent = now.connection.last_sent
    return sent.n if sent is not None else None


def _advice(now: Situation, closed: Closed, known: CloseCode | None) -> tuple[bool | None, bool | None, str]:
    if known is None:
        return None, None, "Reconnect and try to resume: a resume that is refused costs no more than an op 9."
    reconnect, resume = known.reconnect, known.resume
    session = now.session
    if now.event.plane is GATEWAY and resume and now.connection.is_whole:
        if now.connection.session is None:
            resume = False
            return reconnect, resume, f"{known.remedy} There is no session to resume yet, so identify."
        if session is not None and session.phase == "ended":
            resume = False
    return reconnect, resume, known.remedy


# What a client that closes by itself had in mind.


def _thrown_away(now: Situation) -> Cause | None:
    """Say which session the client gives up by closing with 1000 or 1001 although it could have kept it."""
    connection, closed = now.connection, now.event.closed
    if now.event.plane is not GATEWAY or closed is None or connection.session is None:
        return None
    end = f"closed with {closed.code}, which destroys the session; any other code would have kept it."
    if connection.reconnect is not None:
        return Cause(f"The server had asked for a reconnect. The client {end}", (connection.reconnect.n,))
    if connection.refused is not None and connection.refused.resumable:
        return Cause(f"The session could be resumed (op 9, true). The client {end}", (connection.refused.n,))
    zombie = _zombie(now)
    if zombie is not None:
        return Cause(f"A heartbeat had no ACK for {took(now.at_ns - zombie.at_ns)}. The client {end}", (zombie.n,))
    return None


def _zombie(now: Situation) -> At | None:
    connection = now.connection
    if not connection.heartbeats or not connection.interval_ns:
        return None
    oldest = connection.heartbeats[0]
    return At(oldest.n, oldest.at_ns) if now.at_ns - oldest.at_ns >= connection.interval_ns * 0.9 else None


def _by_client(now: Situation, closed: Closed) -> Cause:
    connection = now.connection
    if closed.code in NORMAL:
        return _thrown_away(now) or Cause("The client ended it.")
    if connection.reconnect is not None:
        since = took(now.at_ns - connection.reconnect.at_ns)
        return Cause(f"The server asked for a reconnect, and {since} later the client left.", (connection.reconnect.n,))
    if connection.refused is not None:
        return Cause("The server had declared the session invalid (op 9), so the client left.", (connection.refused.n,))
    zombie = _zombie(now)
    if zombie is not None:
        since = took(now.at_ns - zombie.at_ns)
        return Cause(f"A heartbeat had no ACK for {since}; the client took the connection for dead.", (zombie.n,))
    if closed.code == 1006:
        return Cause(f"The client's side broke off without a close frame. {_silence(now)}", (_last(now),))
    return Cause("The client closed by itself; nothing on the connection says why.", (_last(now),))


# By the server: one function a code.


def _silence(now: Situation) -> str:
    """Say how long nothing had come from the server."""
    last = now.connection.last_received
    if last is None:
        return "Nothing had come from the server at all."
    gap = now.at_ns - last.at_ns
    return (
        f"The last message of the server was {took(gap)} before." if gap >= SECOND else "Messages came until the end."
    )


def _broke_off(now: Situation) -> Cause:
    asked = now.connection.reconnect
    if asked is not None:
        return Cause("The server had asked for a reconnect before, and cut the line.", (asked.n,))
    whose = "The line broke" if now.event.closed and now.event.closed.by is None else "The server's side broke off"
    return Cause(f"{whose} without a close frame: the network, or a server that went away. {_silence(now)}")


def _restarted(now: Situation) -> Cause:
    asked = now.connection.reconnect
    if asked is not None:
        waited = took(now.at_ns - asked.at_ns)
        return Cause(f"The server had asked for a reconnect {waited} before, and the client had not left.", (asked.n,))
    return Cause("The server ended it by itself, as it does for restarts; the client did nothing to cause it.")


def _server_fault(now: Situation) -> Cause:
    return Cause("A fault on the server's side; nothing that the client sent explains it.")


def _bad_opcode(now: Situation) -> Cause | None:
    sent = now.connection.last_sent
    if sent is None:
        return None
    plane = now.event.plane
    row = now.registry.opcode(plane, sent.op, from_client=True)
    name = opcode(now.registry, plane, sent.op)
    if row is None:
        wrong = "which no table knows"
    elif row.direction == "receive":
        wrong = "which only the server may send"
    elif row.status == "retired":
        wrong = "which is retired"
    else:
        wrong = f"which is fine by itself, so its body is suspect; its fields are {row.fields or 'not documented'}"
    return Cause(f"The last that the client sent was {name}, {wrong}.", (sent.n,))


def _not_decoded(now: Situation) -> Cause | None:
    sent = now.connection.last_sent
    if sent is None:
        return None
    name = opcode(now.registry, now.event.plane, sent.op)
    text = f"The last that the client sent was {name} of {sent.wire_bytes:,} bytes"
    if sent.wire_bytes > BOT_BYTES and now.event.plane is GATEWAY:
        limit = f"{BOT_BYTES:,} that bots may send" if sent.wire_bytes <= MOST_BYTES else f"{MOST_BYTES:,} allowed"
        return Cause(f"{text}, more than the {limit}.", (sent.n,))
    url = now.connection.encoding or "json"
    return Cause(f"{text}. It is short enough, so look at its form: this connection speaks {url}.", (sent.n,))


_BEFORE_LOGIN = frozenset({1, 2, 6, 40, 41})


def _not_authenticated(now: Situation) -> Cause | None:
    connection = now.connection
    if connection.refused is not None:
        later = [sent for sent in connection.sends if sent.n > connection.refused.n and sent.op not in _BEFORE_LOGIN]
        if later:
            said = mixture(now.registry, GATEWAY, later)
            return Cause(
                f"The session had been cancelled (op 9), and the client went on: {said}.",
                (connection.refused.n, *(sent.n for sent in later[:5])),
            )
    if connection.accepted is None:
        early = [sent for sent in connection.sends if sent.op not in _BEFORE_LOGIN]
        if early:
            asked = "before READY" if connection.identifies or connection.resume else "before Identify or Resume"
            said = mixture(now.registry, GATEWAY, early)
            return Cause(f"The client sent commands {asked}: {said}.", tuple(sent.n for sent in early[:5]))
    return None


def _bad_token(now: Situation) -> Cause | None:
    asked = now.connection.identify or now.connection.resume
    if asked is None:
        return None
    which = "Identify" if isinstance(asked, Identify) else "Resume"
    if asked.token is None:
        return Cause(f"{which} carried no token at all.", (asked.n,))
    token = f"the token ••••{asked.token[:4]}"
    worked = next(
        (
            connection
            for connection, _ in reversed(now.world.ended.values())
            if connection.identify is not None
            and connection.identify.token == asked.token
            and connection.session is not None
        ),
        None,
    )
    today = sum(login.token == asked.token for login in now.world.logins)
    if worked is not None:
        history = (
            f"It worked on connection {worked.id}, so it was reset since: by its owner, or by Discord after too many "
            f"logins ({today:,} in this recording)"
        )
    else:
        history = "It did not work before in this recording either"
    return Cause(f"{which} carried {token}, which is not accepted. {history}.", (asked.n,))


def _authenticated_twice(now: Situation) -> Cause | None:
    connection = now.connection
    asked = [each for each in (connection.identify, connection.resume) if each is not None]
    logins = [sent for sent in connection.sends if sent.op in (2, 6)]
    if len(logins) < 2:
        return None
    said = mixture(now.registry, GATEWAY, logins)
    return Cause(f"The client introduced itself more than once: {said}.", tuple(each.n for each in (*logins, *asked)))


def _wrong_seq(now: Situation) -> Cause | None:
    resume, session = now.connection.resume, now.session
    if resume is None:
        return None
    if resume.seq is None:
        return Cause("Resume carried no sequence number.", (resume.n,))
    known = session.seq if session is not None and session.ready is not None else None
    if known is None:
        return Cause(f"Resume asked for what follows {resume.seq:,}; how far it was is not recorded.", (resume.n,))
    ahead = "ahead of the server" if resume.seq > known else "behind what the server still keeps"
    return Cause(
        f"Resume asked for what follows {resume.seq:,}, and the server had counted up to {known:,}: the client was "
        f"{ahead if resume.seq != known else 'right by its number, so the number belongs to another session'}.",
        (resume.n,),
    )


def _rate(now: Situation) -> Cause | None:
    sends = [sent for sent in now.connection.sends if sent.at_ns > now.at_ns - SEND_WINDOW_NS]
    if not sends:
        return None
    burst = took(sends[-1].at_ns - sends[0].at_ns)
    said = mixture(now.registry, now.event.plane, sends)
    limit = " 120 in a minute are allowed." if now.event.plane is GATEWAY else ""
    return Cause(
        f"The client sent {counted(len(sends), 'message')} within {burst}: {said}.{limit}",
        (sends[0].n, *(sent.n for sent in sends[-5:])),
    )


def _timed_out(now: Situation) -> Cause | None:
    connection = now.connection
    if connection.resume is not None and connection.accepted is None and now.event.plane is GATEWAY:
        before = now.world.ended.get(connection.previous or 0)
        if before is not None:
            away = took(connection.resume.at_ns - before[1].at_ns)
            return Cause(f"The client came back {away} after its connection had ended: too late.", (before[1].n,))
        return Cause("The session that was to be resumed had ended by then.", (connection.resume.n,))
    last = connection.last_beat
    if last is None:
        if connection.hello is None:
            return None
        since = took(now.at_ns - connection.hello.at_ns)
        return Cause(f"The client never sent a heartbeat in the {since} since Hello.", (connection.hello.n,))
    gap, meanwhile = now.at_ns - last.at_ns, max(connection.received_since_beat, 0)
    interval = took(connection.interval_ns) if connection.interval_ns else "not known"
    if gap <= connection.interval_ns * 1.1:
        return Cause(
            f"The last heartbeat was only {took(gap)} before (interval {interval}), so it was not for want of that.",
            (last.n,),
        )
    if meanwhile:
        whose = (
            f"{counted(meanwhile, 'message')} came from the server meanwhile: the network was fine, the client's loop "
            "was blocked"
        )
    else:
        whose = "nothing came from the server meanwhile: the network may have been down"
    silent = f"The client had sent no heartbeat for {took(gap)}; the interval is {interval}."
    return Cause(f"{silent} {whose[0].upper()}{whose[1:]}.", (last.n,))


def _bad_shard(now: Situation) -> Cause | None:
    identify = now.connection.identify
    if identify is None:
        return None
    if identify.shard is None:
        return Cause("Identify named no shard, or one that is no pair of whole numbers.", (identify.n,))
    number, count = identify.shard
    wrong = (
        "negative"
        if min(number, count) < 0
        else f"beyond the last, {count - 1}"
        if number >= count
        else "possible by itself, so the count is one that Discord does not allow this bot"
    )
    return Cause(f"Identify asked for shard {number} of {count}, which is {wrong}.", (identify.n,))


def _needs_shards(now: Situation) -> Cause | None:
    identify = now.connection.identify
    if identify is None:
        return None
    asked = "no shard" if identify.shard is None else f"shard {identify.shard[0]} of {identify.shard[1]}"
    return Cause(f"Identify asked for {asked}; more than 2,500 guilds would fall to it.", (identify.n,))


def _bad_version(now: Situation) -> Cause:
    version = now.connection.version
    asked = "no version that is a number" if version is None else f"version {version}"
    return Cause(f"The URL asks for {asked}; 9 and 10 are served, 6 to 8 still.", (now.connection.opened_row,))


def _bad_intents(now: Situation) -> Cause | None:
    identify = now.connection.identify
    if identify is None:
        return None
    if identify.intents is None:
        return Cause("Identify has no intents, or none that are a whole number.", (identify.n,))
    asked, unknown = now.registry.intents_of(identify.intents)
    barred = [intent.name for intent in asked if intent.bots is False]
    wrong = [f"bits that mean nothing ({listed(map(str, unknown))})"] if unknown else []
    if barred:
        wrong.append(f"intents that bots may not have ({listed(barred)})")
    if not wrong:
        wrong = [f"nothing that the tables know to be wrong ({counted(len(asked), 'intent')})"]
    return Cause(f"The intents {identify.intents:,} ask for {listed(wrong)}.", (identify.n,))


def _disallowed_intents(now: Situation) -> Cause | None:
    identify = now.connection.identify
    if identify is None:
        return None
    asked, _ = now.registry.intents_of(identify.intents or 0)
    privileged = [intent.name for intent in asked if intent.privileged]
    if not privileged:
        return Cause("Identify asks for no privileged intent, so this close is a riddle.", (identify.n,))
    one = len(privileged) == 1
    return Cause(
        f"Identify asks for {listed(privileged)}, which {'is' if one else 'are'} privileged: "
        f"{'it is' if one else 'at least one is'} not switched on for this application.",
        (identify.n,),
    )


def _too_many_sessions(now: Situation) -> Cause:
    token = now.connection.identify.token if now.connection.identify else None
    logins = [login for login in now.world.logins if login.token == token]
    return Cause(
        f"The account has too many sessions open; {counted(len(logins), 'login')} of it in this recording.",
        tuple(login.n for login in logins[-5:]),
    )


# The voice gateway.


def _call(now: Situation) -> Call | None:
    asked = now.connection.identify or now.connection.resume
    return None if asked is None else now.world.calls.get(asked.server_id or "")


def _put_out(now: Situation) -> Cause | None:
    """Tell from the main connection whether the client was kicked or moved, or lost its session."""
    main = now.world.ended.get(now.connection.parent or 0)
    if main is not None and abs(now.at_ns - main[1].at_ns) <= AROUND_NS:
        code = main[1].closed.code
        return Cause(
            f"The main connection {main[0].id} had closed {took(now.at_ns - main[1].at_ns)} before ({code}): the voice "
            "session ended with the main one.",
            (main[1].n,),
        )
    call = _call(now)
    if call is None:
        return None
    parent = now.world.open.get(call.main)
    if parent is not None and parent.refused is not None and not parent.refused.resumable:
        return Cause("The main session had been declared invalid (op 9), and voice ended with it.", (parent.refused.n,))
    return told_by(call, now.at_ns)


def told_by(call: Call, at_ns: int) -> Cause | None:
    """Say what the main gateway told of a call around `at_ns`; None where it told nothing."""
    if call.moved is None or abs(call.moved.at_ns - at_ns) > AROUND_NS:
        return None
    if call.channel is None:
        return Cause("The account was put out of the voice channel: kicked, or it left by op 4.", (call.moved.n,))
    server = call.server is not None and abs(call.server.at_ns - at_ns) <= AROUND_NS
    news = "and a new voice server was named" if server else "and no new voice server was named yet"
    return Cause(
        f"The account was moved to channel {call.channel}, {news}.",
        (call.moved.n, call.server.n if server and call.server else None),
    )


def _call_over(now: Situation) -> Cause | None:
    call = _call(now)
    found = None if call is None else told_by(call, now.at_ns)
    if found is not None:
        return found
    if call is not None and call.server is not None and call.endpoint is None:
        return Cause("The voice server had been taken away (endpoint null); a new one follows.", (call.server.n,))
    return None


def _voice_session_gone(now: Situation) -> Cause | None:
    connection, call = now.connection, _call(now)
    asked = connection.identify or connection.resume
    if asked is None:
        return None
    before = now.world.ended.get(connection.previous or 0)
    if isinstance(asked, Identify) and before is not None and before[0].session == asked.session:
        return Cause(
            f"The client identified again with the session of connection {before[0].id}, which had ended "
            f"{took(asked.at_ns - before[1].at_ns)} before; after a drop, Resume (op 7) was due.",
            (before[1].n, asked.n),
        )
    if call is not None and call.moved is not None and call.moved.n > (connection.opened_row or 0):
        return Cause("The account had changed channels meanwhile, which ends the old voice session.", (call.moved.n,))
    if call is not None and call.session is not None and asked.session != call.session:
        return Cause(
            "The session id is not that of the account's newest VOICE_STATE_UPDATE.",
            (call.state.n if call.state else None, asked.n),
        )
    port = _port_problem(connection, call)
    if port is not None:
        return Cause(port, (call.server.n if call and call.server else None, connection.opened_row))
    if connection.resume is not None:
        return Cause("The voice server no longer kept the session that was to be resumed.", (connection.resume.n,))
    return None


def _port_problem(connection: Connection, call: Call | None) -> str | None:
    url = connection.opened.url
    if call is None or call.endpoint is None or call.endpoint in url:
        return None
    return (
        f"The endpoint was {quoted(call.endpoint)}, and the client went to {quoted(url)}: host and port must be kept."
    )


def _voice_token(now: Situation) -> Cause | None:
    asked, call = now.connection.identify or now.connection.resume, _call(now)
    if asked is None:
        return None
    token = "none" if asked.token is None else f"••••{asked.token[:4]}"
    if call is None or call.token is None:
        return Cause(f"The voice token was {token}; no VOICE_SERVER_UPDATE of that call is recorded.", (asked.n,))
    evidence = (call.server.n if call.server else None, asked.n)
    if asked.token == call.token:
        return Cause(f"The voice token {token} is the newest there is, so the session id is suspect.", evidence)
    newest = f"••••{call.token[:4]}"
    return Cause(f"The voice token {token} is not that of the newest VOICE_SERVER_UPDATE ({newest}).", evidence)


def _voice_too_early(now: Situation) -> Cause | None:
    connection = now.connection
    early = [sent for sent in connection.sends if sent.op not in (0, 3, 7)]
    if connection.accepted is not None or not early:
        return None
    said = mixture(now.registry, VOICE, early)
    return Cause(f"The client sent commands before Ready: {said}.", tuple(sent.n for sent in early[:5]))


def _voice_twice(now: Situation) -> Cause | None:
    logins = [sent for sent in now.connection.sends if sent.op in (0, 7)]
    if len(logins) < 2:
        return None
    return Cause(
        f"The client introduced itself more than once: {mixture(now.registry, VOICE, logins)}.",
        tuple(sent.n for sent in logins),
    )


def _unknown_server(now: Situation) -> Cause | None:
    asked = now.connection.identify or now.connection.resume
    if asked is None:
        return None
    known = "is one that the main gateway named" if _call(now) else "was never named by the main gateway here"
    return Cause(f"The server_id {quoted(asked.server_id or 'none')} {known}.", (asked.n,))


def _unknown_protocol(now: Situation) -> Cause | None:
    selected = now.connection.selected
    if selected is None:
        return None
    asked = quoted(selected.protocol or "nothing")
    return Cause(f"Select Protocol asked for {asked}; udp and webrtc exist.", (selected.n,))


def _unknown_mode(now: Situation) -> Cause | None:
    connection, selected = now.connection, now.connection.selected
    if selected is None:
        return None
    offered = listed(quoted(mode) for mode in connection.modes) or "nothing"
    ready = connection.accepted.n if connection.accepted else None
    chosen = quoted(selected.mode or "nothing")
    return Cause(f"Select Protocol chose {chosen}; on offer were {offered}.", (ready, selected.n))


def _needs_dave(now: Situation) -> Cause | None:
    identify = now.connection.identify
    if identify is None:
        return None
    offered = "no max_dave_protocol_version" if identify.dave is None else f"max_dave_protocol_version {identify.dave}"
    same = [
        ending
        for connection, ending in now.world.ended.values()
        if ending.closed.code == 4017 and connection.identity == now.connection.identity
    ]
    again = f" This is the {_ordinal(len(same) + 1)} time in this recording." if same else ""
    evidence = (*(ending.n for ending in same[-3:]), identify.n)
    return Cause(f"Identify offered {offered}, and the call wants at least 1.{again}", evidence)


def _ordinal(number: int) -> str:
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _bad_request(now: Situation) -> Cause | None:
    connection, beat = now.connection, now.connection.last_beat
    sent = connection.last_sent
    if sent is None:
        return None
    if sent.op == 3 and beat is not None and beat.n == sent.n:
        shape = "an object with t and seq_ack" if (connection.version or 0) >= 8 else "a bare number"
        return Cause(
            f"The last that the client sent was a heartbeat; on version {connection.version} its body must be {shape}.",
            (sent.n,),
        )
    return Cause(f"The last that the client sent was {opcode(now.registry, VOICE, sent.op)}.", (sent.n,))


def _crashed(now: Situation) -> Cause:
    return Cause("The voice server failed; nothing that the client sent explains it.")


CAUSES: dict[tuple[Plane, int | None], Callable[[Situation], Cause | None]] = {
    (GATEWAY, 4000): _server_fault,
    (GATEWAY, 4001): _bad_opcode,
    (GATEWAY, 4002): _not_decoded,
    (GATEWAY, 4003): _not_authenticated,
    (GATEWAY, 4004): _bad_token,
    (GATEWAY, 4005): _authenticated_twice,
    (GATEWAY, 4006): _timed_out,
    (GATEWAY, 4007): _wrong_seq,
    (GATEWAY, 4008): _rate,
    (GATEWAY, 4009): _timed_out,
    (GATEWAY, 4010): _bad_shard,
    (GATEWAY, 4011): _needs_shards,
    (GATEWAY, 4012): _bad_version,
    (GATEWAY, 4013): _bad_intents,
    (GATEWAY, 4014): _disallowed_intents,
    (GATEWAY, 4015): _too_many_sessions,
    (VOICE, 4001): _bad_opcode,
    (VOICE, 4002): _not_decoded,
    (VOICE, 4003): _voice_too_early,
    (VOICE, 4004): _voice_token,
    (VOICE, 4005): _voice_twice,
    (VOICE, 4006): _voice_session_gone,
    (VOICE, 4009): _timed_out,
    (VOICE, 4011): _unknown_server,
    (VOICE, 4012): _unknown_protocol,
    (VOICE, 4013): _crashed,
    (VOICE, 4014): _put_out,
    (VOICE, 4015): _crashed,
    (VOICE, 4016): _unknown_mode,
    (VOICE, 4017): _needs_dave,
    (VOICE, 4020): _bad_request,
    (VOICE, 4021): _rate,
    (VOICE, 4022): _call_over,
}
"""By plane and code. 4016 of the gateway has nothing that a session could tell."""
_ANYWHERE: dict[int | None, Callable[[Situation], Cause | None]] = {
    1000: _restarted,
    1001: _restarted,
    1005: _broke_off,
    1006: _broke_off,
    1011: _server_fault,
    1012: _restarted,
    1013: _server_fault,
    1014: _server_fault,
}


# What became of it.


def afterwards(now: Situation, verdict: Verdict, connection: Connection, ending: Ending) -> Verdict | None:
    """Return `verdict`, on the end of `connection`, with what its client does now; None where that says nothing."""
    said = now.said
    if not isinstance(said, Identify | Resume):
        return None
    later = took(now.at_ns - ending.at_ns)
    if isinstance(said, Resume):
        right, remark = _judge_resume(verdict, connection, said)
        then = f"It resumed {later} later{remark}"
    else:
        right, remark = _judge_identify(now, verdict, connection, ending, said)
        then = f"It identified anew {later} later{remark}"
    return replace(verdict, right=right, then=f"{then}.", then_event=now.event.n)


def _judge_resume(verdict: Verdict, connection: Connection, said: Resume) -> tuple[bool | None, str]:
    if verdict.reconnect is False:
        return False, ", although connecting again cannot help"
    if verdict.resume is False:
        return False, ", although the session could not be resumed"
    if said.session != connection.session:
        return False, ", but another session than the one that was cut off"
    return (True, "") if verdict.resume else (None, "")


def _judge_identify(
    now: Situation, verdict: Verdict, connection: Connection, ending: Ending, said: Identify
) -> tuple[bool | None, str]:
    before = connection.identify
    if verdict.reconnect is False:
        if now.event.plane is VOICE and before is not None and said.token != before.token:
            return True, ", with new credentials"
        if before is not None and _unchanged(before, said):
            return False, " with the same credentials, shard, intents and version, so it will be refused again"
        return None, " with something changed"
    if verdict.resume and connection.session is not None:
        if now.at_ns - ending.at_ns > RESUMABLE_NS:
            return None, ", when a resume had probably become too late"
        return False, ", although it could have resumed: events are lost, and a login is spent"
    return True, ""


def _unchanged(before: Identify, after: Identify) -> bool:
    return before[2:] == after[2:]


def amended(verdict: Verdict, call: Call, at_ns: int) -> Verdict | None:
    """Return a verdict on a voice close with what the main gateway tells of it a moment later; None if nothing new."""
    found = told_by(call, at_ns)
    if found is None or found.text == verdict.cause:
        return None
    evidence = tuple(sorted({*verdict.evidence, *(n for n in found.evidence if n is not None)}))
    return replace(verdict, cause=found.text, evidence=evidence)
