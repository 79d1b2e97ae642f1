"""What was noticed in a capture, all of it and row by row.

Findings are read a slice at a time, so that a capture that grows costs only what is new. Texts are as they were stored:
anyone who shows them makes them inert.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from inspector.analysis.cases import Case, Listed, cases_of, evidence_wanted
from inspector.model import Plane, Severity
from inspector.store import rows
from inspector.store.reader import Reader, explained

# Findings read at once: some 20 ms of work.
SLICE = 5_000
# Findings that are listed; where there are more, the mildest are left out, and of those the newest.
MOST = 20_000
# Findings, the newest, that are searched for one that names a row as evidence, and those that are returned.
_SEARCHED, _NAMED = 100_000, 9

_COLUMNS = ", ".join(f"finding.{column}" for column in rows.FINDING_COLUMNS.split(", "))
_SINCE = f"""
    select finding.id, event.at, event.connection, event.plane, {_COLUMNS}
    from finding join event on event.id = finding.event where finding.id > ? order by finding.id limit ?"""
# The search for the digits comes first: it is cheap, and leaves few to be read as JSON.
_SPEAKING_OF = """
    select event, rule from (select * from finding order by id desc limit ?)
    where instr(evidence, ?) and exists (select 1 from json_each(evidence) where value = ?) order by event limit ?"""
_VERDICTS_SPEAKING_OF = """
    select event, 'close-' || ifnull((select close_code from event as close where close.id = verdict.event), '')
    from verdict where instr(evidence, ?) and exists (select 1 from json_each(evidence) where value = ?)
    order by event limit ?"""


@dataclass(frozen=True, slots=True)
class FindingsSnapshot:
    """All that has been noticed so far. Never changes, so threads may hand it to each other."""

    listed: tuple[Listed, ...] = ()
    """At most `MOST`."""
    cases: tuple[Case, ...] = ()
    """The same as cases, what must be done first at the top."""
    counts: Mapping[Severity, int] = field(default_factory=dict)
    """How many there are of each severity, those that are not listed too."""
    read: bool = False
    """All that there were have been read."""

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())


class Findings:
    """Reads the findings of a capture, as far as it goes. Belongs to one thread, as `reader` does.

    `wanted`: which rules' findings are read, by name; all, where it is left out.
    """

    def __init__(self, reader: Reader, wanted: Callable[[str], bool] = lambda rule: True) -> None:
        self._reader = reader
        self._wanted = wanted
        self._listed: list[Listed] = []
        self._counts: Counter[Severity] = Counter()
        self._connection_of: dict[int, int] = {}
        self._last = 0
        self._snapshot = FindingsSnapshot()

    def advance(self, limit: int = SLICE) -> bool:
        """Read at most `limit` further ones, and say whether there are more. Raises CaptureError for a damaged file."""
        with explained(self._reader.path):
            found = self._reader.db.execute(_SINCE, (self._last, limit)).fetchall()
            for number, at_ns, connection, plane, *row in found:
                finding = rows.finding_of(tuple(row))
                if self._wanted(finding.rule):
                    self._counts[finding.severity] += 1
                    self._listed.append(Listed(number, int(at_ns), int(connection), Plane(plane), finding))
        if found:
            self._last = found[-1][0]
        if len(self._listed) > MOST:
            self._listed.sort(key=worst_first)
            del self._listed[MOST:]
        more = len(found) == limit
        if found or self._snapshot.read is more:
            self._snapshot = FindingsSnapshot(tuple(self._listed), tuple(self._cases()), dict(self._counts), not more)
        return more

    def snapshot(self) -> FindingsSnapshot:
        """Return what has been read so far."""
        return self._snapshot

    def _cases(self) -> list[Case]:
        spoken_of = {row for each in self._listed for row in evidence_wanted(each)} - self._connection_of.keys()
        with explained(self._reader.path):
            sessions = dict(self._reader.db.execute("select id, session from connection where session is not null"))
            for number in spoken_of:
                found = self._reader.db.execute("select connection from event where id = ?", (number,)).fetchone()
                if found is not None:
                    self._connection_of[number] = found[0]
        return cases_of(self._listed, self._connection_of, sessions)


def worst_first(listed: Listed) -> tuple[int, int, int]:
    """Return what sorts the worst to the front, and those that are alike by their rows."""
    return -listed.finding.severity, listed.finding.event, listed.id


def speaking_of(reader: Reader, number: int) -> list[tuple[int, str]]:
    """Return row and rule of findings and verdicts that name row `number` as evidence: at most nine, in order."""
    with explained(reader.path):
        found = reader.db.execute(_SPEAKING_OF, (_SEARCHED, str(number), number, _NAMED)).fetchall()
        found += reader.db.execute(_VERDICTS_SPEAKING_OF, (str(number), number, _NAMED)).fetchall()
        return sorted({(int(event), str(rule)) for event, rule in found})[:_NAMED]
