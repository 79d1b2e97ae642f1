"""What was noticed in a capture, all of it and row by row.

Findings are read a slice at a time, so that a capture that grows costs only what is new. Texts are as they were stored:
anyone who shows them makes them inert.
"""

from bisect import insort
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from inspector.analysis.cases import Case, Cases, Client, Listed, evidence_wanted
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
_CLIENTS = "select id, account, parent, session, shard from connection"
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
        """The worst first."""
        self._counts: Counter[Severity] = Counter()
        self._cases = Cases()
        self._last = 0
        self._snapshot = FindingsSnapshot()

    def advance(self, limit: int = SLICE) -> bool:
        """Read at most `limit` further ones, and say whether there are more. Raises CaptureError for a damaged file."""
        with explained(self._reader.path):
            found = self._reader.db.execute(_SINCE, (self._last, limit)).fetchall()
            # Who is behind a connection may be known later than its findings.
            news = bool(found or self._listed) and self._cases.know(self._clients())
            for number, at_ns, connection, plane, *row in found:
                finding = rows.finding_of(tuple(row))
                if self._wanted(finding.rule):
                    self._counts[finding.severity] += 1
                    self._list(Listed(number, int(at_ns), int(connection), Plane(plane), finding))
        if found:
            self._last = found[-1][0]
        more = len(found) == limit
        if found or news or self._snapshot.read is more:
            made = tuple(self._cases.made())
            self._snapshot = FindingsSnapshot(tuple(self._listed), made, dict(self._counts), not more)
        return more

    def snapshot(self) -> FindingsSnapshot:
        """Return what has been read so far."""
        return self._snapshot

    def _list(self, listed: Listed) -> None:
        """Take in a finding, and leave out the mildest where there are too many."""
        if len(self._listed) >= MOST:
            if worst_first(listed) > worst_first(self._listed[-1]):
                return
            self._cases.drop(self._listed.pop())
        insort(self._listed, listed, key=worst_first)
        numbers = (self._connection_of(row) for row in evidence_wanted(listed))
        self._cases.add(listed, (number for number in numbers if number is not None))

    def _connection_of(self, row: int) -> int | None:
        found = self._reader.db.execute("select connection from event where id = ?", (row,)).fetchone()
        return None if found is None else int(found[0])

    def _clients(self) -> dict[int, Client]:
        """Return who is behind the connections, as far as that is known by now."""
        files = self._reader.files()
        found = self._reader.db.execute(_CLIENTS).fetchall()
        accounts = {number: account for number, account, *_ in found}
        return {
            number: Client(str(account or accounts.get(parent) or ""), session, shard, files.get(number, ""))
            for number, account, parent, session, shard in found
        }


def worst_first(listed: Listed) -> tuple[int, int, int]:
    """Return what sorts the worst to the front, and those that are alike by their rows."""
    return -listed.finding.severity, listed.finding.event, listed.id


def speaking_of(reader: Reader, number: int) -> list[tuple[int, str]]:
    """Return row and rule of findings and verdicts that name row `number` as evidence: at most nine, in order."""
    with explained(reader.path):
        found = reader.db.execute(_SPEAKING_OF, (_SEARCHED, str(number), number, _NAMED)).fetchall()
        found += reader.db.execute(_VERDICTS_SPEAKING_OF, (str(number), number, _NAMED)).fetchall()
        return sorted({(int(event), str(rule)) for event, rule in found})[:_NAMED]
