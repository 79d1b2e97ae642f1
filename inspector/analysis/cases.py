"""Cases: findings that have one cause, told as one.

Findings of one rule are one case for each account, and what follows from them belongs to it; what lies outside of all
clients is one case, whoever has it (see `inspector.diagnose.consequences`). So a recording has at most as many cases as
there are causes, however often each was seen, and each says whose it is.

Findings come one by one. Each is looked at when it comes and when something new comes close to it, so that a recording
that grows costs what is new. The order in which they come makes no difference.
"""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from inspector.diagnose.consequences import CAUSES_OF, CONSEQUENCES, OUTSIDE
from inspector.model import Finding, Plane, Severity

NEAR_NS = 120_000_000_000
"""What comes later than this after a cause, and does not speak of it, did not follow."""
# Of where a finding is: its connection, or its session.
_Place = tuple[str, int | str]
# A rule, and the account that has trouble with it; empty where that is not known, or not the point.
_Cause = tuple[str, str]


class Listed(NamedTuple):
    """A finding, and where it stands."""

    id: int
    """From 1, in the order in which they were noticed."""
    at_ns: int
    """Of its row, nanoseconds since the epoch."""
    connection: int
    plane: Plane
    finding: Finding


class Client(NamedTuple):
    """Who is behind a connection, as far as that is known."""

    account: str = ""
    """As `Connection.account`; empty where it is not known."""
    session: str | None = None
    """Digest of the session's id."""
    shard: str | None = None
    """``0/2``."""
    file: str = ""
    """Name of the file that it came from, where there are several."""


@dataclass(frozen=True)
class Case:
    """Findings with one cause, and which of them says what has to be mended."""

    lead: Listed
    """The first of the cause; the worst, where they differ."""
    findings: tuple[Listed, ...]
    """All of them, in the order of rows."""
    account: str = ""
    """Whose case it is: no other case of the account has its name. Empty where nobody knows, and where that does not
    matter."""
    accounts: tuple[str, ...] = ()
    """The accounts that it shows on, in order; none where the recording has no other."""
    shards: int = 0
    """How many shards it shows on."""

    @property
    def name(self) -> str:
        """The rule of the cause."""
        return self.lead.finding.rule

    @cached_property
    def severity(self) -> Severity:
        """That of the worst finding."""
        return max(each.finding.severity for each in self.findings)

    @property
    def count(self) -> int:
        """How often the cause was noticed."""
        return self.counts[self.name]

    @cached_property
    def counts(self) -> Counter[str]:
        """How many findings there are of each rule, in the order in which they came first."""
        return Counter(each.finding.rule for each in self.findings)

    @cached_property
    def end(self) -> Listed | None:
        """The first of the worst ends of a connection that belong to it; None where there is none."""
        ends = (each for each in self.findings if is_close(each.finding.rule))
        return min(ends, key=lambda each: (-each.finding.severity, each.finding.event), default=None)

    @cached_property
    def connections(self) -> list[int]:
        """Numbers of the connections that it shows on, in order."""
        return sorted({each.connection for each in self.findings})

    @cached_property
    def first_ns(self) -> int:
        """When it was first noticed, in ns since the epoch."""
        return min(each.at_ns for each in self.findings)

    @cached_property
    def last_ns(self) -> int:
        """And when last."""
        return max(each.at_ns for each in self.findings)


def is_close(rule: str) -> bool:
    """Return whether a finding of this name stands for the end of a connection."""
    return rule.startswith("close-") or "-close-" in rule


def case_with(cases: Iterable[Case], row: int, rule: str | None = None) -> Case | None:
    """Return the case that has a finding at `row`, of that rule if one is asked for; None where there is none."""
    for case in cases:
        at = bisect_left(case.findings, row, key=lambda each: each.finding.event)
        for each in islice(case.findings, at, None):
            if each.finding.event != row:
                break
            if rule is None or each.finding.rule == rule:
                return case
    return None


def evidence_wanted(listed: Listed) -> tuple[int, ...]:
    """Return the rows whose connection `Cases.add` asks for, because of this finding."""
    rule = listed.finding.rule
    return listed.finding.evidence if rule in CONSEQUENCES or rule in CAUSES_OF else ()


def cases_of(findings: Iterable[Listed], connection_of: Mapping[int, int], clients: Mapping[int, Client]) -> list[Case]:
    """Return the cases that `findings` are, what must be done first at the top.

    `connection_of`: connections of rows that are evidence, as far as they are known. `clients`: by connection.
    """
    cases = Cases()
    cases.know(clients)
    for each in findings:
        cases.add(each, (connection_of[row] for row in evidence_wanted(each) if row in connection_of))
    return cases.made()


@dataclass(eq=False, slots=True)
class _Member:
    """A finding among the others."""

    listed: Listed
    spoken_of: frozenset[int]
    """Connections of its evidence."""
    places: tuple[_Place, ...] = ()
    own: _Cause = ("", "")
    """What it is a case of if nothing led to it."""
    causes: "dict[str, _Member]" = field(default_factory=dict)
    """The nearest of each rule that it may follow from."""
    followers: "dict[int, _Member]" = field(default_factory=dict)
    """Those that have it as a cause."""
    roots: frozenset[_Cause] = frozenset()
    """What all of it comes from."""

    @property
    def row(self) -> int:
        return self.listed.finding.event

    @property
    def rule(self) -> str:
        return self.listed.finding.rule

    def distance(self, other: "_Member") -> tuple[int, int, int]:
        """Return what sorts the nearest of others to the front."""
        return abs(self.row - other.row), other.row, other.listed.id


def _row(member: _Member) -> int:
    return member.row


def _order(member: _Member) -> tuple[int, int]:
    return member.row, member.listed.id


@dataclass(eq=False, slots=True)
class _Group:
    """Findings that come from the same."""

    members: list[_Member] = field(default_factory=list)
    """In the order of rows."""
    is_new: bool = True
    """Something about it has changed since cases were made of it."""


class Cases:
    """Joins findings to cases as they come."""

    def __init__(self) -> None:
        self._clients: dict[int, Client] = {}
        self._only_account: dict[str, str] = {}
        """By file: its account, where it has only one."""
        self._many = False
        """There are several accounts."""
        self._members: dict[int, _Member] = {}
        self._on: dict[int, list[_Member]] = {}
        """By connection."""
        self._at: dict[tuple[str, _Place], list[_Member]] = {}
        """Those that may be causes or consequences, by rule and place, in the order of rows."""
        self._groups: dict[frozenset[_Cause], _Group] = {}
        self._made: dict[_Cause, tuple[list[_Group], Case]] = {}

    def know(self, clients: Mapping[int, Client]) -> bool:
        """Take in who is behind each connection, again whenever that may have changed; say whether it has."""
        changed = {number for number, client in clients.items() if self._clients.get(number) != client}
        if not changed:
            return False
        self._clients = dict(clients)
        accounts: dict[str, set[str]] = {}
        for client in clients.values():
            if client.account:
                accounts.setdefault(client.file, set()).add(client.account)
        only = {file: next(iter(found)) for file, found in accounts.items() if len(found) == 1}
        if only != self._only_account:
            # Whose the connections are of which nobody has said so.
            self._only_account = only
            changed.update(number for number, client in clients.items() if not client.account)
        many = len({account for found in accounts.values() for account in found}) > 1
        if many != self._many:
            self._many = many
            self._made.clear()
        moved = [member for number in changed for member in self._on.get(number, ())]
        for member in moved:
            self._take_out(member)
        for member in moved:
            self._put_in(member)
        return True

    def add(self, listed: Listed, spoken_of: Iterable[int] = ()) -> None:
        """Take in a finding; `spoken_of`: the connections of its evidence (see `evidence_wanted`)."""
        member = self._members[listed.id] = _Member(listed, frozenset(spoken_of))
        self._on.setdefault(listed.connection, []).append(member)
        self._put_in(member)

    def drop(self, listed: Listed) -> None:
        """Forget a finding that was added."""
        member = self._members.pop(listed.id)
        self._on[listed.connection].remove(member)
        self._take_out(member)

    def made(self) -> list[Case]:
        """Return the cases so far, what must be done first at the top. Those with nothing new are the same objects."""
        trees = _Trees()
        for roots in self._groups:
            trees.join(roots)
        tops: dict[_Cause, list[_Group]] = {}
        for roots, group in self._groups.items():
            tops.setdefault(trees.top(next(iter(roots))), []).append(group)
        made = {}
        for top, groups in tops.items():
            before, case = self._made.get(top, (None, None))
            if case is None or before != groups or any(group.is_new for group in groups):
                case = self._case(groups)
            made[top] = groups, case
        for group in self._groups.values():
            group.is_new = False
        self._made = made
        return sorted((case for _, case in made.values()), key=_urgency)

    def _case(self, groups: Sequence[_Group]) -> Case:
        members = groups[0].members
        if len(groups) > 1:
            members = sorted((member for group in groups for member in group.members), key=_order)
        causes = (member for member in members if member.own in member.roots)
        lead = min(causes, key=lambda member: (-member.listed.finding.severity, _order(member)))
        numbers = {member.listed.connection for member in members}
        accounts = {self._account(number) for number in numbers} if self._many else ()
        shards = {(self._account(number), shard) for number in numbers if (shard := self._client(number).shard)}
        findings = tuple(member.listed for member in members)
        return Case(lead.listed, findings, lead.own[1], tuple(sorted(filter(None, accounts))), len(shards))

    def _client(self, connection: int) -> Client:
        return self._clients.get(connection, Client())

    def _account(self, connection: int) -> str:
        client = self._client(connection)
        return client.account or self._only_account.get(client.file, "")

    def _put_in(self, member: _Member) -> None:
        rule, connection = member.rule, member.listed.connection
        member.own = rule, "" if rule in OUTSIDE else self._account(connection)
        if rule in CONSEQUENCES or rule in CAUSES_OF:
            session = self._client(connection).session
            member.places = (
                *(("connection", number) for number in sorted(member.spoken_of | {connection})),
                *([("session", session)] if session else []),
            )
            for place in member.places:
                insort(self._at.setdefault((rule, place), []), member, key=_order)
        for cause in CAUSES_OF.get(rule, ()):
            self._look_for(cause, member)
        self._settle(member)
        for other in self._stirred(member):
            self._look_for(rule, other)
            self._settle(other)

    def _take_out(self, member: _Member) -> None:
        stirred = list(self._stirred(member))
        for place in member.places:
            alike = self._at[member.rule, place]
            del alike[_place_in(alike, member)]
        for cause in member.causes.values():
            del cause.followers[member.listed.id]
        member.causes.clear()
        for other in stirred:
            self._look_for(member.rule, other)
            self._settle(other)
        self._leave(member)
        member.roots = frozenset()

    def _stirred(self, member: _Member) -> Iterator[_Member]:
        """Yield those whose nearest cause `member` may be: between the findings of its rule before and after it."""
        for place in member.places:
            alike = self._at[member.rule, place]
            at = _place_in(alike, member)
            first = alike[at - 1].row if at else 0
            last = alike[at + 1].row if at + 1 < len(alike) else None
            for consequence in CONSEQUENCES.get(member.rule, ()):
                yield from _between(self._at.get((consequence, place), []), first, last)

    def _look_for(self, rule: str, member: _Member) -> None:
        """Find the nearest finding of a rule that `member` follows from."""
        found = (
            each
            for place in member.places
            for each in _around(self._at.get((rule, place), []), member.row)
            if _explains(each, member)
        )
        nearest = min(found, key=member.distance, default=None)
        before = member.causes.pop(rule, None)
        if before is not None:
            del before.followers[member.listed.id]
        if nearest is not None:
            member.causes[rule] = nearest
            nearest.followers[member.listed.id] = member

    def _settle(self, member: _Member) -> None:
        """Put a finding among those that come from the same, and all that follow from it."""
        causes = sorted(member.causes.values(), key=member.distance)
        if member.listed.finding.severity is Severity.INFO:
            # What is usual has one cause and joins no others.
            del causes[1:]
        roots = frozenset(root for cause in causes for root in cause.roots) or frozenset([member.own])
        if roots == member.roots:
            return
        self._leave(member)
        member.roots = roots
        group = self._groups.setdefault(roots, _Group())
        insort(group.members, member, key=_order)
        group.is_new = True
        for follower in list(member.followers.values()):
            self._settle(follower)

    def _leave(self, member: _Member) -> None:
        group = self._groups.get(member.roots)
        if group is None:
            return
        del group.members[_place_in(group.members, member)]
        group.is_new = True
        if not group.members:
            del self._groups[member.roots]


def _place_in(members: Sequence[_Member], member: _Member) -> int:
    return bisect_left(members, _order(member), key=_order)


def _around(members: Sequence[_Member], row: int) -> Sequence[_Member]:
    at = bisect_right(members, row, key=_row)
    return members[max(at - 1, 0) : at + 1]


def _between(members: Sequence[_Member], first: int, last: int | None) -> Sequence[_Member]:
    """Return those from row `first` to row `last`."""
    end = None if last is None else bisect_right(members, last, key=_row)
    return members[bisect_left(members, first, key=_row) : end]


def _explains(cause: _Member, consequence: _Member) -> bool:
    if not _rows(cause).isdisjoint(_rows(consequence)):
        return True
    mine, others = cause.listed.connection, consequence.listed.connection
    # What speaks of another connection, speaks of what happened there, however long ago.
    if mine != others and mine in consequence.spoken_of:
        return cause.row <= consequence.row
    if abs(consequence.listed.at_ns - cause.listed.at_ns) > NEAR_NS:
        return False
    if cause.row <= consequence.row:
        return True
    # What is noticed late speaks of the connections before it.
    return mine != others and others in cause.spoken_of


def _rows(member: _Member) -> set[int]:
    return {member.row, *member.listed.finding.evidence}


def _urgency(case: Case) -> tuple[int, bool, int, int, int]:
    """Return what sorts the worst to the front; of those what ended connections, and what came again and again.

    What ends connections without harm is usual, and comes last of all.
    """
    severity, ends = case.severity, case.end is not None
    return -severity, ends is (severity is Severity.INFO), -case.count, case.lead.finding.event, case.lead.id


class _Trees:
    """Which causes have led to the same, so that they are one case."""

    def __init__(self) -> None:
        self._above: dict[_Cause, _Cause] = {}

    def top(self, cause: _Cause) -> _Cause:
        while (above := self._above.get(cause, cause)) != cause:
            cause = above
        return cause

    def join(self, causes: Iterable[_Cause]) -> None:
        first, *others = sorted({self.top(cause) for cause in causes})
        for other in others:
            self._above[other] = first
