"""What rules notice in conversations."""

from inspector.model import Finding
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from tests.conversation import Conversation
from tests.fed import fed, in_order


def found(*talks: Conversation, until_ms: float = 0) -> list[Finding]:
    """Return all findings, in the order of rows. Several connections are merged by time.

    `until_ms`: how long after the last happening the recording ends.
    """
    happenings = in_order(*talks)
    pipeline = Pipeline(default())
    made = fed(happenings, pipeline)
    if until_ms:
        made.add(pipeline.tick(happenings[-1].at_ns + int(until_ms * 1e6)))
    made.add(pipeline.finish())
    findings = [finding for event in made.rows for finding in event.findings]
    return sorted([*findings, *made.late], key=lambda finding: finding.event)


def ids(*talks: Conversation, until_ms: float = 0) -> list[str]:
    """Return the ids of the rules that noticed something, once for each finding; closes are left out."""
    return [each.rule for each in found(*talks, until_ms=until_ms) if "close-" not in each.rule]


def one(findings: list[Finding], rule: str) -> Finding:
    """Return the one finding of a rule."""
    [finding] = [finding for finding in findings if finding.rule == rule]
    return finding
