"""What is written on a flow in mitmproxy when its connection has ended: a comment with the verdict, and a marker.

A comment and a marker that a person made are theirs: ours goes below theirs, or is left out.
"""

from mitmproxy.flow import Flow

from inspector.inert import inert
from inspector.model import Event, Severity, Verdict
from inspector.session.redact import mask_text

_BEGINS = "gwinspect: "

MARKERS = {Severity.ERROR: ":red_circle:", Severity.WARN: ":orange_circle:", Severity.INFO: ":large_blue_circle:"}
"""mitmproxy's names for the markers: one glyph each, and distinguished without colour by what the comment says."""


def remark(flow: Flow, close: Event) -> bool:
    """Write on `flow` what there is to say of `close`, and return whether that changed anything.

    The plain end of a conversation needs no word.
    """
    if close.verdict is None:
        return False
    before = flow.comment, flow.marked
    comment = _comment(close.verdict)
    theirs = [line for line in flow.comment.split("\n") if not line.startswith(_BEGINS)]
    flow.comment = "\n".join([*theirs, comment] if any(theirs) else [comment])
    if not flow.marked or flow.marked in MARKERS.values():
        flow.marked = MARKERS[severity_of(close)]
    return (flow.comment, flow.marked) != before


def severity_of(close: Event) -> Severity:
    """Return how bad it is that the connection ended as it did."""
    return max((each.severity for each in close.findings if "close-" in each.rule), default=Severity.INFO)


def _comment(verdict: Verdict) -> str:
    return inert(mask_text(f"{_BEGINS}{verdict.cause} {verdict.advice}".rstrip()))
