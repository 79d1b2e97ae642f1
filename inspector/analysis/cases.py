"""Cases: findings that have one cause, told as one.

Findings of one rule are one case, and what follows from them (see `inspector.diagnose.consequences`) belongs to it. So
a recording has at most as many cases as there are causes, however often each was seen.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from inspector.diagnose.consequences import CAUSES_OF, CONSEQUENCES
from inspector.model import Finding, Plane, Severity

NEAR_NS = 120_000_000_000
"""What comes later than this after a cause, and does not speak of it, did not follow."""
# Of where a finding is: its connection, or its session.
_Place = tuple[str, int | str]


class Listed(NamedTuple):
    """A finding, and where it stands."""

    id: int
    """From 1, in the order in which they were noticed."""
    at_ns: int
    """Of its row, nanoseconds since the epoch."""
    connection: int
    plane: Plane
    finding: Finding


@dataclass(frozen=True, slots=True)
class Case:
    """Findings with one cause, and which of them says what has to be mended."""

    lead: Listed
    """The first of the cause; the worst, where they differ."""
    findings: tuple[Listed, ...]
    """All of them, in the order of rows."""

    @property
    def name(self) -> str:
        """The rule of the cause. No other case of the recording has it."""
        return self.lead.finding.rule

    @property
    def severity(self) -> Severity:
        """That of the worst finding."""
        return max(each.finding.severity for each in self.findings)

    @property
    def count(self) -> int:
        """How often the cause was noticed."""
        return sum(each.finding.rule == self.name for each in self.findings)

    @property
    def counts(self) -> Counter[str]:
        """How many findings there are of each rule, in the order in which they came first."""
        return Counter(each.finding.rule for each in self.findings)

    @property
    def end(self) -> Listed | None:
        """The first of the worst ends of a connection that belong to it; None where there is none."""
        ends = (each for each in self.findings if is_close(each.finding.rule))
        return min(ends, key=lambda each: (-each.finding.severity, each.finding.event), default=None)

    @property
    def connections(self) -> list[int]:
        """Numbers of the connections that it shows on, in order."""
        return sorted({each.connection for each in self.findings})

    @property
    def first_ns(self) -> int:
        """When it was first noticed, in ns since the epoch."""
        return min(each.at_ns for each in self.findings)

    @property
    def last_ns(self) -> int:
        """And when last."""
        return max(each.at_ns for each in self.findings)


def is_close(rule: str) -> bool:
    """Return whether a finding of this name stands for the end of a connection."""
    return rule.startswith("close-") or "-close-" in rule


def cases_of(
    findings: Sequence[Listed], connection_of: Mapping[int, int], session_of: Mapping[int, str | None]
) -> list[Case]:
    """Return the cases that `findings` are, what must be done first at the top.

    `connection_of`: connections of rows that are evidence, as far as they are known. `session_of`: digest of the
    session that a connection belongs to.
    """
    ordered = sorted(findings, key=lambda each: (each.finding.event, each.id))
    trees = _Trees()
    causes = _Causes(ordered, connection_of, session_of)
    roots: dict[int, set[str]] = {}
    for each in _causes_first(ordered):
        own: set[str] = set()
        found = causes.of(each)
        # What is usual has one cause and joins no others.
        for cause in found[:1] if each.finding.severity is Severity.INFO else found:
            own |= roots.get(cause.id, {cause.finding.rule})
        roots[each.id] = own or {each.finding.rule}
        trees.join(roots[each.id])
    groups: dict[str, list[Listed]] = {}
    leads: dict[str, Listed] = {}
    for each in ordered:
        rule = each.finding.rule
        key = trees.top(next(iter(roots[each.id])))
        groups.setdefault(key, []).append(each)
        if rule in roots[each.id] and (key not in leads or each.finding.severity > leads[key].finding.severity):
            leads[key] = each
    return sorted((Case(leads[key], tuple(group)) for key, group in groups.items()), key=_urgency)


def evidence_wanted(listed: Listed) -> tuple[int, ...]:
    """Return the rows whose connection `cases_of` asks for, because of this finding."""
    rule = listed.finding.rule
    return listed.finding.evidence if rule in CONSEQUENCES or rule in CAUSES_OF else ()


def _urgency(case: Case) -> tuple[int, bool, int, int]:
    """Return what sorts the worst to the front; of those what ended connections, and what came again and again.

    What ends connections without harm is usual, and comes last of all.
    """
    severity, ends = case.severity, case.end is not None
    return -severity, ends is (severity is Severity.INFO), -case.count, case.lead.finding.event


def _causes_first(findings: Sequence[Listed]) -> Iterator[Listed]:
    """Yield findings so that whatever may be a cause comes before what may follow from it."""
    depths: dict[str, int] = {}

    def depth(rule: str) -> int:
        if rule not in depths:
            depths[rule] = 1 + max((depth(cause) for cause in CAUSES_OF.get(rule, ())), default=0)
        return depths[rule]

    return iter(sorted(findings, key=lambda each: depth(each.finding.rule)))


def _rows(listed: Listed) -> set[int]:
    return {listed.finding.event, *listed.finding.evidence}


class _Causes:
    """Finds what findings follow from."""

    def __init__(
        self, ordered: Sequence[Listed], connection_of: Mapping[int, int], session_of: Mapping[int, str | None]
    ) -> None:
        self._connection_of = connection_of
        self._session_of = session_of
        self._at: dict[tuple[str, _Place], tuple[list[int], list[Listed]]] = {}
        """Findings that may be causes, by rule and place: their rows, and they themselves."""
        for each in ordered:
            if each.finding.rule in CONSEQUENCES:
                for place in self._places(each):
                    rows, found = self._at.setdefault((each.finding.rule, place), ([], []))
                    rows.append(each.finding.event)
                    found.append(each)

    def of(self, consequence: Listed) -> list[Listed]:
        """Return the nearest finding of each rule that this one may follow from, the nearest of all first."""
        rule, nearest = consequence.finding.rule, []

        def distance(cause: Listed) -> int:
            return abs(cause.finding.event - consequence.finding.event)

        for cause in CAUSES_OF.get(rule, ()):
            found = [
                each
                for place in self._places(consequence)
                for each in self._around((cause, place), consequence.finding.event)
                if self._explains(each, consequence)
            ]
            if found:
                nearest.append(min(found, key=distance))
        return sorted(nearest, key=distance)

    def _around(self, key: tuple[str, _Place], row: int) -> Iterable[Listed]:
        rows, found = self._at.get(key, ([], []))
        at = bisect_right(rows, row)
        return found[max(at - 1, 0) : at + 1]

    def _explains(self, cause: Listed, consequence: Listed) -> bool:
        if not _rows(cause).isdisjoint(_rows(consequence)):
            return True
        # What speaks of another connection, speaks of what happened there, however long ago.
        if cause.connection in self._spoken_of(consequence) - {consequence.connection}:
            return cause.finding.event <= consequence.finding.event
        if abs(consequence.at_ns - cause.at_ns) > NEAR_NS:
            return False
        if cause.finding.event <= consequence.finding.event:
            return True
        # What is noticed late speaks of the connections before it.
        return consequence.connection in self._spoken_of(cause) - {cause.connection}

    def _spoken_of(self, listed: Listed) -> set[int]:
        known = (self._connection_of.get(row) for row in listed.finding.evidence)
        return {number for number in known if number is not None}

    def _places(self, listed: Listed) -> set[_Place]:
        connections = self._spoken_of(listed) | {listed.connection}
        places: set[_Place] = {("connection", number) for number in connections}
        session = self._session_of.get(listed.connection)
        if session:
            places.add(("session", session))
        return places


class _Trees:
    """Which causes have led to the same, so that they are one case."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def top(self, name: str) -> str:
        while (above := self._above.get(name, name)) != name:
            name = above
        return name

    def join(self, names: Iterable[str]) -> None:
        first, *others = sorted({self.top(name) for name in names})
        for other in others:
            self._above[other] = first
