"""What ended a connection: beyond what its code means, what in this session most likely led to it."""

from inspector.diagnose.rule import Situation
from inspector.model import Finding, Severity, Verdict
from inspector.session.state import Connection
from inspector.session.world import Ending

# Closes that end a conversation as it should be ended.
NORMAL = (1000, 1001)


def judge(now: Situation) -> tuple[Verdict | None, Finding | None]:
    """Return the verdict on the close `now.event`, and the finding that stands for it; None for a plain end."""
    closed = now.event.closed
    if closed is None or closed.code in NORMAL:
        return None, None
    row = None if closed.code is None else now.registry.close_code(now.event.plane, closed.code)
    known = row.sent_by(closed.by) if row else None
    verdict = Verdict(
        now.event.n,
        known.meaning if known else "No table has this code.",
        (),
        known.reconnect if known else None,
        known.resume if known else None,
        known.remedy if known else "",
    )
    return verdict, Finding(f"close-{closed.code}", Severity.ERROR, verdict.cause, now.event.n)


def afterwards(now: Situation, verdict: Verdict, connection: Connection, ending: Ending) -> Verdict | None:
    """Return `verdict` with what the client did next."""
    return None
