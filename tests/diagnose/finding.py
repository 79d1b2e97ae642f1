"""What rules notice in conversations."""

from inspector.model import Finding
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from tests.conversation import Conversation


def found(*talks: Conversation, until_ms: float = 0) -> list[Finding]:
    """Return all findings, in the order of rows. Several connections are merged by time.

    `until_ms`: how long after the last happening the recording ends.
    """
    happenings = sorted((h for talk in talks for h in talk.happenings), key=lambda happening: happening.at_ns)
    pipeline = Pipeline(default())
    findings = [finding for happening in happenings for event in pipeline.feed(happening) for finding in event.findings]
    if until_ms:
        pipeline.tick(happenings[-1].at_ns + int(until_ms * 1e6))
    findings += [finding for event in pipeline.finish() for finding in event.findings]
    return sorted(findings + pipeline.late, key=lambda finding: finding.event)


def ids(*talks: Conversation, until_ms: float = 0) -> list[str]:
    """Return the ids of the rules that noticed something, once for each finding; closes are left out."""
    return [each.rule for each in found(*talks, until_ms=until_ms) if "close-" not in each.rule]


def one(findings: list[Finding], rule: str) -> Finding:
    """Return the one finding of a rule."""
    [finding] = [finding for finding in findings if finding.rule == rule]
    return finding
