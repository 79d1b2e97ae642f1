"""Messages that crossed the wire and were not recorded: what is said of them, and how their row keeps it.

No rule concludes anything from what is missing: `Connection.is_whole` is false from there on, and what was waited for
is forgotten (`Tracker.skipped`).
"""

import json
from collections.abc import Iterator

from inspector.diagnose.rule import Noticed, Situation, Trigger, rule
from inspector.inert import inert
from inspector.model import Event, Gap, Kind, Severity
from inspector.words import counted, listed, roughly

_REASONS = {
    "disk": "the capture could not be written",
    "queue": "the disk was too slow for this traffic",
    "file": "the file that had them was lost",
}
# Behind these nothing of that side can be read, and how much it was is unknown.
_ENDS = {
    "packets": "packets are missing from the recording",
    "tls": "it could not be decrypted any further",
    "frames": "it sent a frame that breaks WebSocket's rules",
}

_NUMBERS = ("since_ns", "until_ns", "sent", "received")


@rule(
    "recording-gap",
    Severity.WARN,
    (Trigger(None, Kind.GAP),),
    remedy="Free some disk space, or record to a faster disk; record packets whole (-s 0), with a larger buffer "
    "(dumpcap -B 64). The missing messages cannot be recovered.",
    source=("derived",),
)
def recording_gap(now: Situation) -> Iterator[Noticed]:
    """Messages went through the proxy but were not recorded.

    Rules ignore that period, and on this connection they conclude nothing from messages that seem to be missing.
    """
    gap = now.event.gap
    if gap is not None and is_endless(gap):
        yield Noticed(f"The recording has nothing after this from {_sides(gap)}: {_ENDS[gap.reason]}.")
    elif gap is not None:
        sides = f"{gap.sent:,} from the client and {gap.received:,} from the server"
        yield Noticed(f"The recording is missing {counted(gap.missing, 'message')} of this connection here: {sides}.")


def said_of(gap: Gap) -> str:
    """Say what is missing, for how long, and why: ``1,234 messages missing, over 40 s: …``."""
    if is_endless(gap):
        return f"nothing after this from {_sides(gap)}: {_ENDS[gap.reason]}"
    over = f", over {roughly(gap.until_ns - gap.since_ns)}" if gap.until_ns > gap.since_ns else ""
    reason = _REASONS.get(gap.reason, inert(gap.reason[:60]))
    return f"{counted(gap.missing, 'message')} missing{over}: {reason}"


def is_endless(gap: Gap) -> bool:
    """Return whether nothing more of a side was recorded, however much it was."""
    return gap.reason in _ENDS


def _sides(gap: Gap) -> str:
    return listed(side for side, count in (("the client", gap.sent), ("the server", gap.received)) if count)


def payload_of(gap: Gap) -> bytes:
    """Return what a gap's row keeps as its payload, in JSON: its numbers have no columns of their own."""
    return json.dumps({name: getattr(gap, name) for name in (*_NUMBERS, "reason")}).encode()


def gap_of(event: Event, payload: bytes) -> Gap | None:
    """Return the gap of a row with such a payload; None where it is not as we write it."""
    try:
        found = json.loads(payload)
        since_ns, until_ns, sent, received = (int(found[name]) for name in _NUMBERS)
        return Gap(event.connection, event.at_ns, since_ns, until_ns, sent, received, str(found["reason"]))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None
