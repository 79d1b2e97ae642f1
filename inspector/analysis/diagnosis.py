"""What the rules noticed in recordings, collected. `inspector.report` says it: in text, and in files for CI.

Of a capture that was made of several files, row numbers are those of all of them together.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from inspector.diagnose.ids import close_of, rule_of
from inspector.diagnose.rule import Rule
from inspector.diagnose.rules import RULES
from inspector.errors import CaptureError
from inspector.model import Finding, Plane, Severity, Verdict
from inspector.protocol.registry import Registry
from inspector.store.reader import Reader

# Findings of each severity that are reported. A recording with more of them is broken through and through.
MOST = 20_000


@dataclass(frozen=True, slots=True)
class Case:
    """One finding, with all that is to be said of it."""

    finding: Finding
    title: str
    """Of its rule."""
    remedy: str
    at_ns: int
    connection: int
    plane: Plane
    file: str | None
    """Name of the file that its row came from, where there are several."""
    verdict: Verdict | None = None
    """For a close."""


@dataclass(slots=True)
class Diagnosis:
    """Everything that is to be reported."""

    files: tuple[str, ...]
    cases: list[Case] = field(default_factory=list)
    """The worst first, and then in the order of rows."""
    rules: tuple[Rule, ...] = RULES
    """Those that were asked."""
    connections: int = 0
    sessions: int = 0
    events: int = 0
    began_ns: int = 0
    ended_ns: int = 0
    cut_at: int | None = None
    """Findings of each severity that are reported, where there are more; None where all of them are."""
    undecoded_frames: int = 0
    """Messages that are stored and not decoded yet."""

    @property
    def worst(self) -> Severity | None:
        """The severity of the worst finding; None where there is none."""
        return max((case.finding.severity for case in self.cases), default=None)

    def count(self, severity: Severity) -> int:
        """Return how many findings have just this severity."""
        return sum(case.finding.severity is severity for case in self.cases)


def diagnose(path: Path, registry: Registry, *, files: Sequence[str] = ()) -> Diagnosis:
    """Return what the rules say of the capture `path`. `files`: names of those that it was made of, if it was.

    Raises CaptureError where it cannot be read, and where there is no gateway connection in it: that nothing was looked
    at must not pass for all being well.
    """
    made = Diagnosis(tuple(files) or (path.name,))
    with closing(Reader(path)) as reader:
        connections = {connection.id: connection for connection in reader.connections()}
        if not connections:
            raise CaptureError(
                f"there is no gateway connection in {path}, so there was nothing to check; see that the client went "
                "through the proxy"
            )
        made.connections = len(connections)
        made.sessions = len({connection.session for connection in connections.values() if connection.session})
        made.events = reader.last()
        made.began_ns, made.ended_ns = reader.span()
        verdicts, places, file_of = reader.verdicts(), reader.places(), reader.files()
        findings = [finding for severity in Severity for finding in reader.findings_of(severity, MOST + 1)]
        for finding in _bounded(findings, made):
            at_ns, number = places.get(finding.event, (made.began_ns, 0))
            plane = connections[number].plane if number in connections else Plane.GATEWAY
            verdict, file = verdicts.get(finding.event), file_of.get(number)
            made.cases.append(_case(finding, at_ns, number, plane, file, verdict, registry))
        made.undecoded_frames = reader.undecoded_frames()
    made.cases.sort(key=lambda case: (-case.finding.severity, case.finding.event, case.finding.rule))
    return made


def _bounded(findings: Iterable[Finding], made: Diagnosis) -> list[Finding]:
    """Return the first `MOST` findings of each severity: a flood of one must not hide what is worse."""
    counts: Counter[Severity] = Counter()
    kept: list[Finding] = []
    for finding in findings:
        counts[finding.severity] += 1
        if counts[finding.severity] <= MOST:
            kept.append(finding)
    if any(count > MOST for count in counts.values()):
        made.cut_at = MOST
    return kept


def _case(
    finding: Finding,
    at_ns: int,
    connection: int,
    plane: Plane,
    file: str | None,
    verdict: Verdict | None,
    registry: Registry,
) -> Case:
    rule = rule_of(finding.rule)
    if rule is not None:
        return Case(finding, rule.title, rule.remedy, at_ns, connection, plane, file)
    close = close_of(finding.rule, registry)
    return Case(
        finding,
        f"{close.number} {close.name}" if close else "A connection ended",
        verdict.advice if verdict else "",
        at_ns,
        connection,
        plane,
        file,
        verdict,
    )
