"""What explains a close, and what all explanations share. Each looks at the state before the close, and only there."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from inspector.diagnose.rule import SECOND, Situation
from inspector.diagnose.words import opcode
from inspector.inert import inert
from inspector.model import ABSENT, Absent, Closed, Knows, Severity
from inspector.protocol.ops import HEARTBEATS, GatewayOp
from inspector.protocol.registry import CloseCode
from inspector.session.redact import HIDDEN, is_lost
from inspector.session.state import SEND_WINDOW_NS, Connection, Sent
from inspector.words import roughly

# Heartbeats, and what a client introduces itself with: the opcodes that need no session on the main gateway.
NEED_NO_SESSION = (*HEARTBEATS, GatewayOp.IDENTIFY, GatewayOp.RESUME)

# Time within which a session can be resumed, by experience; no one documents it.
RESUMABLE_NS = 300 * SECOND
# Time after its last ACK within which Discord's own client resumes; see the source `official-client`.
CLIENT_RESUMES_NS = 180 * SECOND


class Cause(NamedTuple):
    """What most likely led to a close. Where a field is `ABSENT` or empty, the table of close codes has its say."""

    text: str
    """Goes on after ``The server closed with 4008 Rate limited: ``, and ends in a full stop."""
    evidence: tuple[int | None, ...] = ()
    """Numbers of rows, in any order; those that are None do not count."""
    advice: str = ""
    severity: Severity | None = None
    reconnect: bool | Absent | None = ABSENT
    resume: bool | Absent | None = ABSENT
    is_plain: bool = False
    """The client left as it may: nothing to find."""


STOPPED = "Nothing to do if the program was meant to stop."
"""The advice where a client left on its own."""

Explain = Callable[[Situation], Cause | None]
"""Explains one close; None where it is the plain end of a conversation."""


def closed(now: Situation) -> Closed:
    """Return the close that is being explained."""
    assert now.event.closed is not None
    return now.event.closed


def row_of(now: Situation) -> CloseCode | None:
    """Return what the tables say of the close; None where they do not have its code."""
    code = closed(now).code
    return None if code is None else now.registry.close_code(now.event.plane, code)


def usual(now: Situation, seen: str, *evidence: int | None) -> Cause:
    """Return what was looked at and explains nothing, followed by what the code usually comes from."""
    row = row_of(now)
    # Of what an end means by a code of its own there is no usual cause.
    known = row.sent_by(closed(now).by).cause if row is not None else ""
    return Cause(f"{seen}. The usual cause: {known}" if known else f"{seen}.", evidence)


def ago(now: Situation, at_ns: int) -> str:
    """Say how long before the close that was: ``850 ms before``; ``earlier`` where times are not known."""
    if now.connection.lacks & Knows.TIMES.value:
        return "earlier"
    return f"{roughly(max(now.at_ns - at_ns, 0))} before"


def token_said(token: str | None) -> str:
    """Say which token, by the first digits of its digest."""
    if not token:
        return "no token that could be read"
    return f"the token {HIDDEN}{'' if is_lost(token) else token[:4]}"


def sent_said(now: Situation, sent: Sent) -> str:
    """Say which message of the client: ``op 4 Voice State Update, 10 ms before``."""
    what = "a message without opcode" if sent.op is None else opcode(now.registry, now.event.plane, sent.op)
    return f"{what}, {ago(now, sent.at_ns)}"


def last_sent_said(now: Situation) -> str:
    """Say what the client sent last."""
    last = now.connection.last_sent
    return (
        "no message from the client was recorded" if last is None else f"the client's last was {sent_said(now, last)}"
    )


def burst(now: Situation) -> list[Sent]:
    """Return what the client sent in the minute before the close, the oldest first."""
    return [sent for sent in now.connection.sends if sent.at_ns > now.at_ns - SEND_WINDOW_NS]


def unanswered_ns(connection: Connection, at_ns: int) -> int:
    """Return for how long the oldest heartbeat has had no ACK at `at_ns`, if that is longer than it may be; else 0."""
    # An ACK may be among what could not be read.
    if not connection.heartbeats.pending or not connection.interval_ns or not connection.is_whole:
        return 0
    waited = at_ns - connection.heartbeats.pending[0].at_ns
    return waited if waited >= int(connection.interval_ns * 0.9) else 0


def left_on_its_own(connection: Connection, closed: Closed, at_ns: int) -> bool:
    """Return whether a client ended its connection at `at_ns` without a reason that shows: mostly it was stopped."""
    reason = connection.main.reconnect or connection.main.refused or unanswered_ns(connection, at_ns)
    return closed.by == "client" and not reason


def flawed(now: Situation, sends: Sequence[Sent]) -> Cause | None:
    """Return the newest message with which something is wrong as the cause; None where there is none."""
    for sent in reversed(sends):
        if sent.problem:
            problem = inert(sent.problem[:200])
            return Cause(f"the client sent {sent_said(now, sent)}, in which something was wrong: {problem}.", (sent.n,))
    return None


def rows_of(sends: Iterable[Sent]) -> tuple[int, ...]:
    """Return the numbers of their rows."""
    return tuple(sent.n for sent in sends)
