"""Why a voice gateway closed, one function a code. Much of it shows on the main connection, not on the voice one.

Source of what the codes mean: https://docs.discord.com/developers/topics/opcodes-and-status-codes#voice
"""

from urllib.parse import urlsplit

from inspector.diagnose import closes_gateway as gateway
from inspector.diagnose.cause import (
    Cause,
    ago,
    burst,
    closed,
    flawed,
    last_sent_said,
    rows_of,
    sent_said,
    token_said,
    usual,
)
from inspector.diagnose.rule import MS, SECOND, Situation
from inspector.diagnose.words import mixture, quoted
from inspector.model import Knows
from inspector.protocol.ops import VoiceOp
from inspector.session.messages import At, Resume, Selected
from inspector.session.state import Connection
from inspector.session.tracker import GONE
from inspector.session.world import Call, World
from inspector.words import counted, listed, roughly

STEPS = {
    "Hello": (8, "server"),
    "Identify": (0, "client"),
    "Ready": (2, "server"),
    "Select Protocol": (1, "client"),
    "Session Description": (4, "server"),
    "Resumed": (9, "server"),
}
"""The steps of the way into a call: opcode, and whose it is."""
NEAR_NS = 5 * SECOND
"""Time within which what happens on the main connection belongs to a close of a voice connection."""
# Time within which a main connection that ended takes its voice connections with it.
LOST_NS = 60 * SECOND
# Opcodes that need no voice session: Identify, Heartbeat, Resume.
NEED_NO_SESSION = (VoiceOp.IDENTIFY, VoiceOp.HEARTBEAT, VoiceOp.RESUME)
# Protocols that can be selected.
PROTOCOLS = ("udp", "webrtc")
# Voice connections of one call within a minute that are a loop.
MANY_ATTEMPTS = 3
# Messages on one within a minute that can be called a burst.
MANY_MESSAGES = 20
# The port of wss where a URL or an endpoint names none.
USUAL_PORT = 443
# The first version whose heartbeats are objects with seq_ack.
BUFFERED = 8
# The lowest version of DAVE that is encryption; a close does not say which one it wants.
DAVE_VERSION = "version 1 or above"


def server_id_of(connection: Connection) -> str | None:
    """Return the guild, channel or stream that a voice connection was for."""
    asked = connection.identify or connection.resume
    return None if asked is None else asked.server_id


def call_of(world: World, connection: Connection) -> Call | None:
    """Return the call that a voice connection belongs to, None where the main connection was not recorded."""
    return world.call(server_id_of(connection), connection.account)


def decode_failed(now: Situation) -> Cause:
    """4002."""
    connection = now.connection
    found = flawed(now, burst(now))
    if found is not None:
        return found
    asked = connection.identify
    if asked is not None and connection.accepted is None:
        needed = {
            "server_id": asked.server_id,
            "user_id": asked.user_id,
            "session_id": asked.session,
            "token": asked.token,
        }
        missing = [name for name, value in needed.items() if value is None]
        if missing:
            return Cause(f"the Identify has no {listed(missing, 'or')} that could be read.", (asked.n,))
        return usual(now, f"the Identify, sent {ago(now, asked.at_ns)}, has all that older versions ask for", asked.n)
    last = connection.last_sent
    return usual(now, last_sent_said(now), last and last.n)


def not_authenticated(now: Situation) -> Cause:
    """4003."""
    connection = now.connection
    early = [sent for sent in connection.sends if sent.op not in NEED_NO_SESSION]
    asked = connection.identify or connection.resume
    if not connection.is_whole:
        return usual(now, f"not everything on this connection could be read ({last_sent_said(now)})")
    if asked is None and early:
        return Cause(
            f"the client sent {sent_said(now, early[0])}, and had neither identified nor resumed.", rows_of(early)
        )
    before = [sent for sent in early if asked is not None and sent.n < asked.n]
    if before:
        return Cause(f"the client sent {sent_said(now, before[0])}, ahead of its Identify or Resume.", rows_of(before))
    if connection.accepted is None and early:
        return Cause(f"the client sent {sent_said(now, early[0])}, and Ready had not come yet.", rows_of(early))
    last = connection.last_sent
    return usual(now, f"nothing was seen that came too early ({last_sent_said(now)})", last and last.n)


def refused_token(now: Situation) -> Cause:
    """4004."""
    asked = now.connection.identify or now.connection.resume
    if asked is None:
        return usual(now, "neither Identify nor Resume was recorded on this connection")
    call, token = call_of(now.world, now.connection), asked.token
    other = next((each for each in now.world.calls.values() if token is not None and each.token == token), None)
    if call is None or call.server is None:
        if other is not None:
            return Cause(
                f"the client sent the token that was meant for the call in {other.server_id}.",
                _rows(asked.n, other.server),
            )
        return usual(
            now, f"the client sent {token_said(token)}; no VOICE_SERVER_UPDATE for this call was recorded", asked.n
        )
    evidence = (call.server.n, asked.n)
    if token == call.token:
        return usual(now, f"the client sent {token_said(token)}, the one in the newest VOICE_SERVER_UPDATE", *evidence)
    if other is not None:
        return Cause(
            f"the client sent the token that was meant for the call in {other.server_id}.",
            (*evidence, *_rows(None, other.server)),
        )
    return Cause(
        f"the client sent {token_said(token)}; the newest VOICE_SERVER_UPDATE, {ago(now, call.server.at_ns)}, gave "
        f"another ({token_said(call.token).removeprefix('the token ')}).",
        evidence,
    )


def session_ended(now: Situation) -> Cause:
    """4006."""
    connection, world = now.connection, now.world
    asked = connection.resume or connection.identify
    if asked is None:
        return usual(now, "neither Identify nor Resume was recorded on this connection")
    call = call_of(world, connection)
    if call is not None and call.moved is not None and call.moved.n > connection.opened_row:
        where = "moved to another channel" if call.channel is not None else "put out of the channel"
        return Cause(
            f"the account had been {where} {ago(now, call.moved.at_ns)}, which ends the voice session.", (call.moved.n,)
        )
    if call is not None and call.session is not None and asked.session != call.session and call.state is not None:
        return Cause(
            "the client named a session_id that is not the one of its newest VOICE_STATE_UPDATE, "
            f"{ago(now, call.state.at_ns)}.",
            (call.state.n, asked.n),
        )
    if call is not None and call.endpoint is not None and _port(f"//{call.endpoint}") != _port(connection.opened.url):
        return Cause(
            f"the endpoint of VOICE_SERVER_UPDATE is {quoted(call.endpoint)}, and the client connected to port "
            f"{_port(connection.opened.url)}.",
            _rows(asked.n, call.server),
        )
    before = world.ended.get(connection.previous or 0)
    if before is not None and connection.resume is None and before[0].session == connection.session:
        return Cause(
            f"the client identified with the session of a connection that had ended {ago(now, before[1].at_ns)}; it "
            "had to resume (op 7) or join again.",
            (before[1].n, asked.n),
        )
    if connection.resume is not None:
        gone = (
            f" {roughly(max(asked.at_ns - before[1].at_ns, 0))} after the connection before had ended" if before else ""
        )
        return usual(now, f"the client asked to resume{gone}", before[1].n if before else None, asked.n)
    return usual(
        now,
        "the session_id is that of the newest VOICE_STATE_UPDATE, and no move was seen"
        if call
        else "the main connection, where a move would show, was not recorded",
        asked.n,
    )


def timed_out(now: Situation) -> Cause:
    """4009."""
    cause = gateway.timed_out(now)
    missing = missing_step(now.connection) if now.connection.is_whole else None
    # There is advice where heartbeats were in time; where they were not, they explain it.
    if missing is None or not cause.advice:
        return cause
    step, last = missing
    since = roughly(max(now.at_ns - now.connection.opened.at_ns, 0))
    return cause._replace(
        text=f"the way into the call stopped halfway: the {STEPS[step][1]}'s {step} had not come {since} after the "
        "connection opened.",
        evidence=(last,),
    )


def missing_step(connection: Connection) -> tuple[str, int | None] | None:
    """Return the first step that has not come, and the row of the one before; None where the way is complete."""
    hello, asked, accepted = connection.hello, connection.identify or connection.resume, connection.accepted
    if hello is None:
        return "Hello", asked.n if asked is not None else None
    if asked is None:
        return "Identify", hello.n
    if accepted is None:
        return "Resumed" if isinstance(asked, Resume) else "Ready", asked.n
    if isinstance(asked, Resume):
        return None
    if connection.voice.selected is None:
        return "Select Protocol", accepted.n
    return ("Session Description", connection.voice.selected.n) if connection.voice.described is None else None


def server_not_found(now: Situation) -> Cause:
    """4011."""
    asked = now.connection.identify or now.connection.resume
    if asked is None:
        return usual(now, "neither Identify nor Resume was recorded on this connection")
    if asked.server_id is None:
        return Cause("the client named no server_id that could be read.", (asked.n,))
    named = f"the client named server_id {quoted(asked.server_id)}"
    call = call_of(now.world, now.connection)
    if call is not None:
        if call.server is not None and call.endpoint is None:
            return Cause(
                f"{named}, whose voice server went away {ago(now, call.server.at_ns)}.", (call.server.n, asked.n)
            )
        return usual(now, f"{named}, which is a call that the main connection knows", *_rows(asked.n, call.server))
    known = [each for each in now.world.calls_of(now.connection.account) if each.server is not None]
    if not known:
        return usual(now, f"{named}; no VOICE_SERVER_UPDATE was recorded to compare it with", asked.n)
    newest = max(known, key=lambda each: each.server.n if each.server else 0)
    by_channel = next((each for each in known if each.channel == asked.server_id), None)
    if by_channel is not None:
        return Cause(
            f"{named}, which is the channel; the call's id is {by_channel.server_id}.",
            _rows(asked.n, by_channel.server),
        )
    return Cause(
        f"{named}, and no VOICE_SERVER_UPDATE was for that; the newest was for {newest.server_id}.",
        _rows(asked.n, newest.server),
    )


def unknown_protocol(now: Situation) -> Cause:
    """4012."""
    selected = now.connection.voice.selected
    if selected is None:
        return usual(now, "no Select Protocol was recorded on this connection")
    if selected.protocol in PROTOCOLS:
        other = next(each for each in PROTOCOLS if each != selected.protocol)
        seen = f"Select Protocol asked for {selected.protocol}, which voice servers are known to have."
        return Cause(seen, (selected.n,), f"Join again. If it is refused again, try {other}.")
    asked = "no protocol" if selected.protocol is None else f"the protocol {quoted(selected.protocol)}"
    return Cause(f"Select Protocol asked for {asked}; there are {listed(PROTOCOLS)}.", (selected.n,))


def webrtc_crashed(now: Situation) -> Cause:
    """4013."""
    selected = now.connection.voice.selected
    used = (
        f"this connection had selected {quoted(selected.protocol or 'nothing')}"
        if selected
        else "no protocol had been selected"
    )
    return Cause(f"that is not the client's fault; {used}.", _rows(None, selected))


def taken_out(now: Situation) -> Cause:
    """4014: kicked, moved, or the main session is lost. The main connection tells which, before the close or after."""
    call = call_of(now.world, now.connection)
    found = _gone(now, call) or _moved(now, call, "this client alone") or _reallocated(now, call)
    if found is not None:
        return found
    lost = _main_lost(now)
    if lost is not None:
        return lost
    if call is None:
        return usual(now, "the main connection, where a kick or a move would show, was not recorded")
    return usual(
        now,
        f"neither a move nor a kick showed on the main connection in the {roughly(NEAR_NS)} before, and its session is "
        "still alive",
        *_rows(None, call.state, call.server),
    )


def crashed(now: Situation) -> Cause:
    """4015."""
    last = now.connection.last_sent
    return Cause(f"that is not the client's fault ({last_sent_said(now)}).", (last and last.n,))


def unknown_mode(now: Situation) -> Cause:
    """4016."""
    connection, selected = now.connection, now.connection.voice.selected
    if selected is None:
        return usual(now, "no Select Protocol was recorded on this connection")
    mode = "no mode" if selected.mode is None else f"the mode {quoted(selected.mode)}"
    if not connection.voice.modes:
        return usual(now, f"Select Protocol asked for {mode}; what Ready offered was not recorded", selected.n)
    offered = listed(quoted(each) for each in connection.voice.modes[:8])
    ready = connection.accepted
    if selected.mode in connection.voice.modes:
        return Cause(
            f"Select Protocol asked for {mode}, and Ready offered {offered}.",
            _rows(selected.n, ready),
            "Join again, and choose another of the modes in Ready.",
        )
    return Cause(f"Select Protocol asked for {mode}; Ready offered {offered}.", _rows(selected.n, ready))


def encryption_required(now: Situation) -> Cause:
    """4017."""
    connection = now.connection
    asked = connection.identify
    if asked is None:
        return usual(now, "no Identify was recorded on this connection")
    before = [
        ending
        for other, ending in now.world.ended.values()
        if other.identity is not None
        and other.identity == connection.identity
        and ending.closed.code == closed(now).code
    ]
    loop = ""
    if before:
        span = roughly(now.at_ns - before[0].at_ns)
        loop = f" That makes {len(before) + 1} times within {span} on this call; reconnecting alone changes nothing."
    evidence = (*(ending.n for ending in before), asked.n)
    needed = f"and the call requires {DAVE_VERSION}"
    if asked.dave is None:
        return Cause(
            f"the Identify has no max_dave_protocol_version, so the client cannot speak DAVE, {needed}.{loop}", evidence
        )
    if asked.dave <= 0:
        return Cause(f"the Identify offers DAVE version {asked.dave}, which is none, {needed}.{loop}", evidence)
    return Cause(
        f"the Identify offers DAVE version {asked.dave}.{loop}",
        evidence,
        f"Update the library: the call may need a version of DAVE above {asked.dave}.",
    )


def bad_request(now: Situation) -> Cause:
    """4020."""
    connection = now.connection
    last, beat, version = connection.last_sent, connection.heartbeats.last, connection.version
    if last is None:
        return usual(now, "no message from the client was recorded on this connection")
    found = flawed(now, [last])
    if found is not None:
        return found
    if beat is not None and beat.n == last.n and version is not None:
        if version >= BUFFERED and beat.seq is None:
            return Cause(
                f"the heartbeat sent {ago(now, beat.at_ns)} has no seq_ack, and with v={version} its d must be an "
                "object with t and seq_ack.",
                (beat.n,),
            )
        if version < BUFFERED and beat.seq is not None:
            return Cause(
                f"the heartbeat sent {ago(now, beat.at_ns)} is an object with seq_ack, and with v={version} its d must "
                "be a bare number.",
                (beat.n,),
            )
    row = now.registry.opcode(now.event.plane, last.op, from_client=True)
    shape = f"; its d should be {row.fields}" if row is not None and row.fields else ""
    return usual(now, f"{last_sent_said(now)}{shape}", last.n)


def rate_limited(now: Situation) -> Cause:
    """4021."""
    connection, sends = now.connection, burst(now)
    since_ns = now.at_ns - 60 * SECOND
    others = [
        other
        for other in (*(each for each, _ in now.world.ended.values()), *now.world.open.values())
        if other.identity is not None
        and other.id != connection.id
        and other.identity == connection.identity
        and other.opened.at_ns > since_ns
    ]
    if len(others) + 1 >= MANY_ATTEMPTS and connection.opened.at_ns > since_ns:
        return Cause(
            f"it was attempt {len(others) + 1} to connect to this call within a minute.",
            tuple(other.opened_row for other in others),
        )
    if not sends:
        return usual(now, "the client sent nothing in the minute before")
    span = roughly(max(now.at_ns - sends[0].at_ns, MS))
    said = f"the client had sent {counted(len(sends), 'message')} within {span}"
    said = f"{said}: {mixture(now.registry, now.event.plane, sends)}"
    if len(sends) < MANY_MESSAGES:
        return usual(now, said, *rows_of(sends))
    return Cause(f"{said}.", rows_of(sends))


def all_taken_out(now: Situation) -> Cause:
    """4022: the channel is gone, the call over, or the server another one."""
    call = call_of(now.world, now.connection)
    found = _gone(now, call) or _moved(now, call, "everyone") or _reallocated(now, call)
    if found is not None:
        return found
    if call is None:
        return usual(now, "the main connection, where the reason would show, was not recorded")
    return usual(
        now,
        f"in the {roughly(NEAR_NS)} before, the main connection had neither {listed(GONE, 'nor')} for it, nor a new "
        "voice server",
        *_rows(None, call.state, call.server),
    )


def _gone(now: Situation, call: Call | None) -> Cause | None:
    if call is None or call.gone is None or now.at_ns - call.gone.at_ns > NEAR_NS:
        return None
    return Cause(
        f"{call.gone_by} had come {ago(now, call.gone.at_ns)}: what the call was in is gone.", (call.gone.n,), OVER
    )


def _moved(now: Situation, call: Call | None, whom: str) -> Cause | None:
    if call is None or call.moved is None or call.moved.n < now.connection.opened_row:
        return None
    if now.at_ns - call.moved.at_ns > NEAR_NS:
        return None
    when = ago(now, call.moved.at_ns)
    asked = call.asked is not None and call.wanted == call.channel and call.asked.n < call.moved.n
    evidence = _rows(None, call.moved, call.asked if asked else None)
    if call.channel is None:
        how = "the client itself left the channel (op 4)" if asked else f"{whom} was put out of the channel"
        return Cause(f"{how}: VOICE_STATE_UPDATE with channel null came {when}.", evidence, OVER)
    how = "moved to another channel, as the client had asked (op 4)" if asked else "moved to another channel"
    return _with_server(now, call, f"the account was {how}: VOICE_STATE_UPDATE came {when}", evidence)


def _reallocated(now: Situation, call: Call | None) -> Cause | None:
    """The call has got a voice server since the client identified to this one."""
    asked = now.connection.identify or now.connection.resume
    if call is None or call.server is None or asked is None or call.server.n < asked.n:
        return None
    if call.endpoint is None:
        said = f"VOICE_SERVER_UPDATE without endpoint came {ago(now, call.server.at_ns)}: the voice server went away."
        return Cause(said, (call.server.n,), "Wait: VOICE_SERVER_UPDATE comes again once there is another server.")
    return _with_server(now, call, "the call was assigned to a voice server again", ())


def _with_server(now: Situation, call: Call, said: str, evidence: tuple[int | None, ...]) -> Cause:
    asked = now.connection.identify or now.connection.resume
    if call.server is None or call.endpoint is None or (asked is not None and call.server.n < asked.n):
        return Cause(f"{said}.", evidence)
    said = f"{said}, and VOICE_SERVER_UPDATE named where to connect {ago(now, call.server.at_ns)}."
    return Cause(said, (*evidence, call.server.n), GO_ON, reconnect=True, resume=False)


def _main_lost(now: Situation) -> Cause | None:
    """The main session has ended, and the call with it."""
    parent = now.connection.parent
    if parent is None:
        return None
    main = now.world.open.get(parent)
    if main is not None:
        refused = main.main.refused
        if refused is None or refused.resumable:
            return None
        said = f"the main session was ended by op 9 {ago(now, refused.at_ns)}, and the call with it."
        return Cause(said, (refused.n,), REJOIN)
    before = now.world.ended.get(parent)
    if before is not None and before[0].lacks & Knows.END.value and before[1].closed.code is None:
        # Its end was not recorded, so it may have lived on.
        return None
    if before is None or now.at_ns - before[1].at_ns > LOST_NS:
        return None
    session = now.world.session_of(before[0])
    if session is not None and any(number in now.world.open for number in session.connections):
        return None
    code = before[1].closed.code
    how = f"with {code} " if code is not None else ""
    said = f"the main connection had ended {how}{ago(now, before[1].at_ns)}, and its session took the call along."
    return Cause(said, (before[1].n,), REJOIN)


OVER = "Do not reconnect on your own. Join again (op 4) only when a user asks for it."
GO_ON = "Connect with the token and endpoint of the new VOICE_SERVER_UPDATE, and identify."
REJOIN = "Get the main session back first, then join again with op 4."


def _rows(first: int | None, *rows: At | Selected | None) -> tuple[int | None, ...]:
    """Return the numbers of rows that are remembered."""
    return (first, *(row.n if row is not None else None for row in rows))


def _port(url: str) -> int:
    try:
        return urlsplit(url).port or USUAL_PORT
    except ValueError:
        return USUAL_PORT
