"""Why a connection ended with a code of WebSocket itself, with one that no table has, or with none.

Source of what the codes mean: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
"""

from inspector.diagnose.cause import (
    Cause,
    ago,
    closed,
    flawed,
    last_sent_said,
    row_of,
    sent_said,
    unanswered_ns,
    usual,
)
from inspector.diagnose.rule import SECOND, Situation
from inspector.diagnose.words import opcode, quoted
from inspector.inert import inert
from inspector.model import Knows, Plane, Severity
from inspector.words import counted, roughly

# What wsproto, and so mitmproxy, says to frames that break the rules.
_ANSWERS_TO_BAD_FRAMES = (1002, 1003, 1007, 1009)

# Connections that break off within this time of each other have one cause.
TOGETHER_NS = SECOND


def ended_by_server(now: Situation) -> Cause | None:
    """1000, where the client did not send it."""
    if now.event.plane in (Plane.REMOTE_AUTH, Plane.RPC) or closed(now).by is None:
        return None
    if now.event.plane is Plane.VOICE:
        return _routine(now, "Join again only if you still want to be there.")
    return _routine(now, "Reconnect and try to resume: if the session is gone, the only cost is an op 9.")


def going_away(now: Situation) -> Cause | None:
    """1001, where the client did not send it."""
    if closed(now).by is None:
        return None
    return _routine(now, "Resume." if now.event.plane is Plane.VOICE else "Connect to the resume URL and resume.")


def _routine(now: Situation, advice: str) -> Cause:
    asked = now.connection.main.reconnect
    if asked is not None:
        said = f"it had asked for a reconnect (op 7) {ago(now, asked.at_ns)}, and the client was still there."
        return Cause(said, (asked.n,), advice, Severity.INFO)
    reason = closed(now).reason
    seen = [f"the reason it gave is {quoted(reason)}" if reason else "it gave no reason"]
    if now.event.plane is Plane.GATEWAY and now.connection.is_whole:
        seen.append("no op 7 had come before")
    return Cause(f"{', and '.join(seen)}.", (), advice, Severity.INFO)


def broke_off(now: Situation) -> Cause:
    """1006, and 1005, which is the same to a client."""
    connection, code = now.connection, closed(now).code
    evidence: list[int | None] = []
    words = []
    last = [at for at in (connection.last_received, connection.last_sent) if at is not None]
    if last:
        newest = max(last, key=lambda at: at.n)
        evidence.append(newest.n)
        quiet = max(now.at_ns - newest.at_ns, 0)
        side = "the server" if newest is connection.last_received else "the client"
        which = "the last message" if connection.is_whole else "the last message that could be read"
        words.append(f"{which}, of {side}, came {roughly(quiet)} before")
    elif connection.is_whole:
        words.append("no message had been sent")
    else:
        words.append("no message could be read")
    waited = unanswered_ns(connection, now.at_ns)
    asked = connection.main.reconnect
    if asked is not None:
        evidence.append(asked.n)
        words.append(f"The server had asked for a reconnect (op 7) {ago(now, asked.at_ns)}")
    elif waited:
        evidence.append(connection.heartbeats.pending[0].n)
        beat, received = connection.heartbeats.pending[0], connection.last_received
        silent = received is None or received.n < beat.n
        meanwhile = ", and nothing came from the server in that time" if silent else ""
        words.append(f"A heartbeat had been without an ACK for {roughly(waited)}{meanwhile}")
    together = [
        ending.n
        for _, ending in now.world.ended.values()
        if ending.closed.code == code and abs(now.at_ns - ending.at_ns) <= TOGETHER_NS
    ]
    if together:
        evidence += together
        words.append(
            f"{counted(len(together), 'other connection')} had dropped within the second before: that "
            "points to the network"
        )
    elif len(words) == 1:
        row = row_of(now)
        if row is not None:
            words.append(f"The usual cause: {row.cause}".rstrip("."))
    if closed(now).told:
        words.append(_told(now).rstrip("."))
    return Cause(". ".join(words) + ".", tuple(evidence))


def _told(now: Situation) -> str:
    """Say what the proxy made of a break for the other end, and what follows from that."""
    told = closed(now).told
    if told is None:
        return ""
    if told == "client":
        return "The proxy sent 1000 to the client instead; what the client does next answers that."
    gone = ", which ends the session there: a resume may be refused" if now.event.plane is Plane.GATEWAY else ""
    return f"The proxy sent 1000 to the server instead{gone}."


def protocol_error(now: Situation) -> Cause:
    """1002."""
    return usual(now, _last(now), _last_row(now))


def unsupported_data(now: Situation) -> Cause:
    """1003 and 1007: what came was of the wrong kind."""
    found = flawed(now, now.connection.sends)
    if found is not None:
        return found
    return usual(now, _last(now), _last_row(now))


def too_big(now: Situation) -> Cause:
    """1009."""
    connection = now.connection
    if closed(now).by == "client":
        last = connection.last_received
        if last is None:
            return usual(now, "no message from the server was recorded")
        return Cause(
            f"its own limit for received messages is too low; the last it was sent, {ago(now, last.at_ns)}, had "
            f"{connection.last_received_bytes:,} bytes on the wire.",
            (last.n,),
        )
    sent = connection.last_sent
    if sent is None:
        return usual(now, "no message from the client was recorded")
    return Cause(f"the client's last message, {sent_said(now, sent)}, had {sent.wire_bytes:,} bytes.", (sent.n,))


def at_the_other_end(now: Situation) -> Cause:
    """1008, and 1010 to 1015: nothing in a session explains those."""
    reason = closed(now).reason
    said = f"the reason it gave is {quoted(reason)}" if reason else "it gave no reason"
    return usual(now, f"{said}, and {_last(now)}", _last_row(now))


def unlisted(now: Situation) -> Cause:
    """A code that no table has, or that no end may send."""
    reason = closed(now).reason
    said = f"the reason given is {quoted(reason)}" if reason else "no reason was given"
    unknown = "this code is in no table; " if row_of(now) is None else ""
    return Cause(
        f"{unknown}{said}, and {_last(now)}.",
        (_last_row(now),),
        "Reconnect and try to resume: if the session is gone, the only cost is an op 9."
        if now.event.plane is Plane.GATEWAY
        else "Look up the code where the server is documented; connect again with growing pauses.",
    )


def listed(now: Situation) -> Cause:
    """A code of a plane without a session to look into."""
    return usual(now, _last(now), _last_row(now))


def not_recorded(now: Situation) -> Cause:
    """No code at all: the recording does not say how it ended."""
    last = now.connection.last_sent
    if last is not None and now.connection.lacks & Knows.TIMES.value:
        return Cause(f"the client's last was {opcode(now.registry, now.event.plane, last.op)}.", (last.n,), _FULL)
    return Cause(
        f"{_last(now)}.",
        (_last_row(now),),
        _FULL,
    )


_FULL = "Nothing follows from it. A recording made with 'gwinspect record' has the close codes."


def by_proxy(now: Situation) -> Cause:
    """The proxy ended the connection; neither the client nor Discord did."""
    reason, code = closed(now).reason, closed(now).code
    if code in _ANSWERS_TO_BAD_FRAMES and reason:
        return Cause(
            f"{inert(reason)}. mitmproxy answers such a frame itself and closes both ends; the other end never saw it.",
            (_last_row(now),),
            "Update the WebSocket library that sent it. Without the proxy the other end would close in the same way.",
        )
    return Cause(
        f"neither the client nor Discord asked for it{f'; it says {quoted(reason)}' if reason else ''}. "
        f"{_told(now)}".rstrip(),
        (),
        "Connect again once the proxy is back, and resume.",
        Severity.INFO,
        True,
    )


def _last(now: Situation) -> str:
    return last_sent_said(now)


def _last_row(now: Situation) -> int | None:
    last = now.connection.last_sent
    return None if last is None else last.n
