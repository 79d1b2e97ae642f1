"""What the rules noticed in recordings, collected: for the command, for CI, and to be pasted into an issue.

One capture that has its findings in it is read; whatever else there is goes through one pipeline, so that a session is
followed over several files. Row numbers are then those of all files together.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from inspector.diagnose.rule import Rule
from inspector.diagnose.rules import RULES
from inspector.errors import CaptureError
from inspector.importers.merge import Input, Report
from inspector.model import Finding, Plane, Severity, Verdict
from inspector.pipeline import Outcome, Pipeline
from inspector.protocol.registry import Registry
from inspector.report.explain import close_of, rule_of
from inspector.report.rows import notes_of
from inspector.session.state import Connection
from inspector.store.file import is_capture, schema_of
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
    notes: list[str] = field(default_factory=list)
    """Sentences about the files: what was left out, and why."""

    @property
    def worst(self) -> Severity | None:
        """The severity of the worst finding; None where there is none."""
        return max((case.finding.severity for case in self.cases), default=None)

    def count(self, severity: Severity) -> int:
        """Return how many findings have just this severity."""
        return sum(case.finding.severity is severity for case in self.cases)


def diagnose(
    paths: Sequence[Path],
    registry: Registry,
    *,
    hosts: Iterable[str] = (),
    progress: Callable[[str], AbstractContextManager[Report]] = lambda name: nullcontext(lambda done, total: None),
) -> Diagnosis:
    """Return what the rules say of the recordings `paths`, of any format.

    Raises CaptureError where one cannot be read, and where there is no gateway connection in any: that nothing was
    looked at must not pass for all being well.

    `hosts` are hosts of the user's own that count as gateways; `progress` is entered with the name of each file.
    """
    if len(paths) == 1 and is_capture(paths[0]) and schema_of(paths[0]) >= 2:
        with closing(Reader(paths[0])) as reader:
            made = _stored(reader, registry)
    else:
        made = _derived(paths, registry, hosts, progress)
    if not made.connections:
        raise CaptureError(
            f"there is no gateway connection in {', '.join(map(str, paths))}, so there was nothing to check; "
            "see that the client went through the proxy"
        )
    made.cases.sort(key=lambda case: (-case.finding.severity, case.finding.event, case.finding.rule))
    return made


def _stored(reader: Reader, registry: Registry) -> Diagnosis:
    made = Diagnosis((reader.path.name,))
    connections = {connection.id: connection for connection in reader.connections()}
    made.connections = len(connections)
    made.sessions = len({connection.session for connection in connections.values() if connection.session})
    made.events = reader.last()
    made.began_ns, made.ended_ns = reader.span()
    verdicts = reader.verdicts()
    places = reader.places()
    findings = [finding for severity in Severity for finding in reader.findings_of(severity, MOST + 1)]
    for finding in _bounded(findings, made):
        at_ns, number = places.get(finding.event, (made.began_ns, 0))
        plane = connections[number].plane if number in connections else Plane.GATEWAY
        made.cases.append(_case(finding, at_ns, number, plane, None, verdicts.get(finding.event), registry))
    made.notes += notes_of(reader)
    waiting = reader.undecoded_frames()
    if waiting:
        made.notes.append(f"{waiting:,} messages are stored but not decoded yet: `gwinspect reindex {reader.path}`")
    return made


def _derived(
    paths: Sequence[Path],
    registry: Registry,
    hosts: Iterable[str],
    progress: Callable[[str], AbstractContextManager[Report]],
) -> Diagnosis:
    made = Diagnosis(tuple(path.name for path in paths))
    pipeline = Pipeline(registry)
    collected = _Collected()
    starts: list[int] = []
    for path in paths:
        source = Input(path, hosts)
        starts.append(pipeline.next_event)
        with progress(path.name) as report:
            for happening in source.happenings(made.connections):
                collected.take(pipeline.feed(happening))
                report(*source.progress)
        source.close()
        made.connections = collected.last
        made.notes += source.notes
    collected.take(pipeline.finish())
    made.sessions = len({connection.session for connection in collected.connections.values() if connection.session})
    made.events = pipeline.next_event - 1
    made.began_ns, made.ended_ns = collected.began_ns, collected.ended_ns
    planes = {number: connection.plane for number, connection in collected.connections.items()}
    verdicts = collected.verdicts
    for finding in _bounded(collected.findings + collected.late, made):
        at_ns, number = collected.places.get(finding.event, (made.ended_ns, 0))
        file = made.files[bisect_right(starts, finding.event) - 1] if len(paths) > 1 else None
        plane = planes.get(number, Plane.GATEWAY)
        made.cases.append(_case(finding, at_ns, number, plane, file, verdicts.get(finding.event), registry))
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
        made.notes.append(
            f"there are more findings; these are the first {MOST:,} of each severity, `gwinspect show --where` finds "
            "them all"
        )
    return kept


class _Collected:
    """What is kept of rows while they pass."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.late: list[Finding] = []
        self.verdicts: dict[int, Verdict] = {}
        self.connections: dict[int, Connection] = {}
        self.places: dict[int, tuple[int, int]] = {}
        """Time and connection of the rows that have findings, and of the newest row of each connection: what is noticed
        late stands there."""
        self.began_ns = self.ended_ns = 0
        self.last = 0
        """The highest number of a connection."""
        self._counts: Counter[Severity] = Counter()
        self._newest: dict[int, int] = {}
        self._noticed: set[int] = set()

    def take(self, outcome: Outcome) -> None:
        self.late += outcome.late
        self.verdicts.update((each.event, each) for each in outcome.verdicts)
        self.connections.update((each.id, each) for each in outcome.changed)
        for event in outcome.rows:
            self.began_ns = self.began_ns or event.at_ns
            self.ended_ns = max(self.ended_ns, event.at_ns)
            self.last = max(self.last, event.connection)
            before = self._newest.get(event.connection, 0)
            if before not in self._noticed:
                self.places.pop(before, None)
            self._newest[event.connection] = event.n
            self.places[event.n] = event.at_ns, event.connection
            wanted = [finding for finding in event.findings if self._counts[finding.severity] <= MOST]
            if wanted:
                self._counts.update(finding.severity for finding in wanted)
                self.findings += wanted
                self._noticed.add(event.n)


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
