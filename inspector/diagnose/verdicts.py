"""What ended a connection: beyond what its code means, what in this session most likely led to it.

`CAUSES` has one function for each close code; what is said of a code whatever the session is in the tables of the
registry. A session can know better than a table: what cannot be resumed there is not to be resumed.
"""

from dataclasses import replace

from msgspec import structs

from inspector.diagnose import closes_gateway as gateway
from inspector.diagnose import closes_voice as voice
from inspector.diagnose import closes_websocket as websocket
from inspector.diagnose.cause import STOPPED, Cause, Explain, left_on_its_own, row_of
from inspector.diagnose.ids import close_id
from inspector.diagnose.processes import rival
from inspector.diagnose.rule import Situation, bounded
from inspector.diagnose.starts import warning_said
from inspector.model import Absent, Closed, Finding, Knows, Mark, Plane, Severity, Side, Verdict
from inspector.protocol.registry import OWN_CODES, CloseCode
from inspector.session.tracker import SESSION_ENDING_CODES

CAUSES: dict[tuple[str, int], Explain] = {
    ("gateway", 4000): gateway.unknown_error,
    ("gateway", 4001): gateway.unknown_opcode,
    ("gateway", 4002): gateway.decode_error,
    ("gateway", 4003): gateway.not_authenticated,
    ("gateway", 4004): gateway.refused_token,
    ("gateway", 4005): gateway.already_authenticated,
    ("gateway", 4006): gateway.session_ended,
    ("gateway", 4007): gateway.wrong_seq,
    ("gateway", 4008): gateway.rate_limited,
    ("gateway", 4009): gateway.timed_out,
    ("gateway", 4010): gateway.invalid_shard,
    ("gateway", 4011): gateway.too_few_shards,
    ("gateway", 4012): gateway.wrong_version,
    ("gateway", 4013): gateway.invalid_intents,
    ("gateway", 4014): gateway.disallowed_intents,
    ("gateway", 4015): gateway.too_many_sessions,
    ("gateway", 4016): gateway.request_cancelled,
    ("voice", 4001): gateway.unknown_opcode,
    ("voice", 4002): voice.decode_failed,
    ("voice", 4003): voice.not_authenticated,
    ("voice", 4004): voice.refused_token,
    ("voice", 4005): gateway.already_authenticated,
    ("voice", 4006): voice.session_ended,
    ("voice", 4009): voice.timed_out,
    ("voice", 4011): voice.server_not_found,
    ("voice", 4012): voice.unknown_protocol,
    ("voice", 4013): voice.webrtc_crashed,
    ("voice", 4014): voice.taken_out,
    ("voice", 4015): voice.crashed,
    ("voice", 4016): voice.unknown_mode,
    ("voice", 4017): voice.encryption_required,
    ("voice", 4020): voice.bad_request,
    ("voice", 4021): voice.rate_limited,
    ("voice", 4022): voice.all_taken_out,
    ("websocket", 1000): websocket.ended_by_server,
    ("websocket", 1001): websocket.going_away,
    ("websocket", 1002): websocket.protocol_error,
    ("websocket", 1003): websocket.unsupported_data,
    ("websocket", 1005): websocket.broke_off,
    ("websocket", 1006): websocket.broke_off,
    ("websocket", 1007): websocket.unsupported_data,
    ("websocket", 1008): websocket.at_the_other_end,
    ("websocket", 1009): websocket.too_big,
    ("websocket", 1010): websocket.at_the_other_end,
    ("websocket", 1011): websocket.at_the_other_end,
    ("websocket", 1012): websocket.at_the_other_end,
    ("websocket", 1013): websocket.at_the_other_end,
    ("websocket", 1014): websocket.at_the_other_end,
    ("websocket", 1015): websocket.at_the_other_end,
}
"""What explains a close, by plane and code; ``websocket`` stands for every plane without a function of its own."""

# The client or how it is set up is at fault.
_ERRORS = {
    Plane.GATEWAY: frozenset({4001, 4002, 4003, 4004, 4005, *range(4007, 4015)}),
    Plane.VOICE: frozenset({*range(4001, 4007), 4009, 4011, 4012, 4016, 4017, 4020, 4021}),
}
# No one has to do anything: networks drop, servers restart, people are moved.
_ROUTINE = {
    Plane.GATEWAY: frozenset({1005, 1006, 1011, 1012, 1013, 1014, 4000}),
    Plane.VOICE: frozenset({1005, 1006, 1011, 1012, 1013, 1014, 4013, 4014, 4015, 4022}),
}
# What the gateway says to a client that another one gets in the way of.
_CROSSED = frozenset({4004, 4005, 4006})


def judge(now: Situation) -> tuple[Verdict | None, Finding | None]:
    """Return the verdict on the close `now.event`, and the finding that stands for it; None for a plain end.

    Where no code was recorded there is a verdict and no finding: it says nothing of the session.
    """
    closed = now.event.closed
    # Nothing ends a path of UDP but silence.
    if closed is None or now.event.plane is Plane.MEDIA:
        return None, None
    if closed.code is None and now.connection.lacks & Knows.END.value:
        return _unrecorded(now), None
    if closed.by is None and closed.code is not None and not closed.marks & Mark.FORBIDDEN:
        return _either(now, closed)
    verdict, finding = _judged(now, closed)
    if verdict is not None and closed.code in (1005, 1006) and left_on_its_own(now.connection, closed, now.at_ns):
        otherwise = "connect again and resume."
        if verdict.resume is False:
            otherwise = f"{verdict.advice[:1].lower()}{verdict.advice[1:]}"
        verdict = replace(verdict, advice=f"{STOPPED} Otherwise, {otherwise}")
    return verdict, finding


def _unrecorded(now: Situation) -> Verdict:
    """Return the verdict on an end that is not in the recording."""
    cause = websocket.not_recorded(now)
    said = (now.connection.last_sent, now.connection.last_received)
    lead = "The end of this connection was not recorded; it is taken to have ended with its last message"
    # A browser's events say when it ended, and no more.
    if any(said) and all(each is None or each.at_ns < now.at_ns for each in said):
        lead = "How this connection ended was not recorded"
    return Verdict(now.event.n, f"{lead}: {cause.text}", bounded(cause.evidence, now.event.n), advice=cause.advice)


def _either(now: Situation, closed: Closed) -> tuple[Verdict | None, Finding | None]:
    """Return the verdict where either end may have closed: what follows if the one did, and if the other did."""
    by_server, by_client = (_judged(_closed_by(now, side), replace(closed, by=side)) for side in _ENDS)
    (server, of_server), (client, of_client) = by_server, by_client
    if server is None and client is None:
        return None, None
    if server is not None and client is not None and _without_lead(server) == _without_lead(client):
        # It makes no difference who it was.
        return _judged(now, closed)
    lead = _lead(closed, row_of(now))
    read = [
        f"If the {side} closed it: {_reading(verdict)}" for side, verdict in zip(_ENDS, (server, client), strict=True)
    ]
    reconnects, resumes = ({getattr(each, key, None) for each in (server, client)} for key in ("reconnect", "resume"))
    verdict = Verdict(
        now.event.n,
        f"{lead}. {' '.join(read)}",
        bounded((n for each in (server, client) if each is not None for n in each.evidence), now.event.n),
        reconnects.pop() if len(reconnects) == 1 else None,
        resumes.pop() if len(resumes) == 1 else None,
        _advice(server, client),
    )
    if of_server is None or of_client is None:
        return verdict, None
    severity = min(of_server.severity, of_client.severity)
    return verdict, replace(of_server, severity=severity, text=verdict.cause, evidence=verdict.evidence)


_ENDS: tuple[Side, Side] = ("server", "client")


def _closed_by(now: Situation, side: Side) -> Situation:
    """Return the same situation in which `side` closed."""
    assert now.event.closed is not None
    return replace(now, event=structs.replace(now.event, closed=replace(now.event.closed, by=side)))


def _without_lead(verdict: Verdict) -> tuple[str, bool | None, bool | None, str]:
    return verdict.cause.partition(": ")[2], verdict.reconnect, verdict.resume, verdict.advice


def _reading(verdict: Verdict | None) -> str:
    return "that is a normal end." if verdict is None else _without_lead(verdict)[0]


def _advice(server: Verdict | None, client: Verdict | None) -> str:
    advised = [each.advice if each is not None else "" for each in (server, client)]
    if advised[0] == advised[1]:
        return advised[0]
    said = [f"If the {side} closed it: {advice}" for side, advice in zip(_ENDS, advised, strict=True) if advice]
    return " ".join(said)


def _judged(now: Situation, closed: Closed) -> tuple[Verdict | None, Finding | None]:
    cause = _explainer(now, closed)(now)
    if cause is None:
        return None, None
    if now.event.plane is Plane.GATEWAY and closed.code in _CROSSED and closed.by != "client":
        other = rival(now)
        if other is not None:
            cause = cause._replace(text=f"{cause.text} {other[0]}", evidence=(*cause.evidence, *other[1]))
    row = row_of(now)
    known = row.sent_by(closed.by) if row is not None else None
    verdict = _verdict(now, closed, cause, row, known)
    asked = now.connection.identify or now.connection.resume
    if now.event.plane is Plane.GATEWAY and verdict.resume is False and asked is not None:
        verdict = replace(verdict, advice=f"{verdict.advice} {warning_said(now, asked.token)}".rstrip())
    if closed.code is None or cause.is_plain:
        return verdict, None
    severity = cause.severity or _severity(now.event.plane, closed)
    return verdict, Finding(
        close_id(now.event.plane, closed.code), severity, verdict.cause, now.event.n, verdict.evidence
    )


def _explainer(now: Situation, closed: Closed) -> Explain:
    plane, code = now.event.plane, closed.code
    if closed.by == "proxy":
        return websocket.by_proxy
    if code is None:
        return websocket.not_recorded
    if closed.by == "client" and code in SESSION_ENDING_CODES:
        return gateway.thrown_away
    if closed.by == "client" and code >= OWN_CODES and plane in _ERRORS:
        return gateway.left
    if closed.marks & Mark.FORBIDDEN:
        return websocket.unlisted
    found = CAUSES.get((plane.value, code))
    if found is not None:
        return found
    if (
        plane.value in ("remote-auth", "rpc")
        and now.registry.close_codes(plane, code)
        and code not in SESSION_ENDING_CODES
    ):
        return websocket.listed
    return CAUSES.get(("websocket", code)) or websocket.unlisted


def _verdict(now: Situation, closed: Closed, cause: Cause, row: CloseCode | None, known: CloseCode | None) -> Verdict:
    reconnect = known.reconnect if known is not None else None
    resume = known.resume if known is not None else None
    advice = cause.advice or (known.remedy if known is not None else "")
    if closed.by == "client" and closed.code is not None and closed.code >= OWN_CODES:
        # A client's own code says nothing of what Discord's means. The main session outlives it.
        if now.event.plane is Plane.GATEWAY:
            reconnect, resume = True, True
            advice = cause.advice or "Connect to the resume URL and resume."
        else:
            reconnect, resume, advice = None, None, cause.advice
    if not isinstance(cause.reconnect, Absent):
        reconnect = cause.reconnect
    if not isinstance(cause.resume, Absent):
        resume = cause.resume
    nothing_left = _nothing_left(now, closed) if resume is not False else None
    if nothing_left is not None:
        resume = False
        if advice == STOPPED and closed.by == "client":
            pass
        elif reconnect is not False:
            anew = f"Connect again and identify: {nothing_left}."
            # Where the client is at fault, that comes after what it has to mend.
            at_fault = closed.by != "client" and closed.code in _ERRORS[now.event.plane]
            advice = f"{advice} {anew}" if at_fault else anew
    elif resume and now.event.plane is Plane.GATEWAY and now.connection.session is None:
        # There may be one, in what could not be read.
        resume = None
    elif now.event.plane not in _ERRORS:
        # Nothing is ever resumed there, whatever WebSocket's own codes mean elsewhere.
        resume = False
        if row is not None and row.plane == "websocket":
            advice = "Connect again and start over."
    text = f"{_lead(closed, row)}: {cause.text}"
    return Verdict(now.event.n, text, bounded(cause.evidence, now.event.n), reconnect, resume, advice)


def _nothing_left(now: Situation, closed: Closed) -> str | None:
    """Return why there is no session to resume; None where there may be one."""
    connection, session = now.connection, now.session
    if now.event.plane is Plane.VOICE:
        if connection.accepted is None and connection.resume is None and connection.is_whole:
            return "there was no voice session yet"
        return None
    if now.event.plane is not Plane.GATEWAY:
        return None
    if closed.by == "client" and closed.code in SESSION_ENDING_CODES:
        return "the client has ended its session itself"
    if connection.main.refused is not None and not connection.main.refused.resumable:
        return "op 9 has ended the session"
    if session is not None and session.phase == "ended":
        return "the session has ended"
    if connection.session is None and connection.is_whole:
        return "there was no session yet"
    return None


def _severity(plane: Plane, closed: Closed) -> Severity:
    if closed.code in _ERRORS.get(plane, ()):
        return Severity.ERROR
    return Severity.INFO if closed.code in _ROUTINE.get(plane, ()) else Severity.WARN


def _lead(closed: Closed, row: CloseCode | None) -> str:
    """Say who closed, and with what."""
    who = {"client": "The client", "server": "The server", "proxy": "The proxy"}.get(closed.by or "")
    if closed.marks & Mark.FORBIDDEN:
        return f"{who or 'One end'} closed with {closed.code}, a code that WebSocket does not allow in a close frame"
    if closed.code == 1006:
        return f"{f'{who} dropped the connection' if who else 'The connection dropped'} without a close frame (1006)"
    if closed.code == 1005:
        return f"{who or 'One end'} closed without giving a code (1005)"
    if closed.code is None:
        return f"{who} ended the connection" if who else "How the connection ended was not recorded"
    code = f"{closed.code} {row.name}" if row is not None and _means(closed) else str(closed.code)
    return (
        f"{who} closed with {code}" if who else f"The connection was closed with {code}, and by whom was not recorded"
    )


def _means(closed: Closed) -> bool:
    """Return whether the table's name fits: what a client calls its own codes is not known."""
    return closed.by != "client" or (closed.code or 0) < OWN_CODES
