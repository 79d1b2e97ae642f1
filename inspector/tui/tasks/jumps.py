"""Where ``c``, ``e``, ``!`` and their like go: the nearest row of the view that something holds of."""

from collections.abc import Iterable
from typing import Literal

from inspector.analysis.cases import Case
from inspector.model import Severity
from inspector.report.recording import Recording
from inspector.store.reader import explained
from inspector.tui.widgets.timeline.view import View

Jump = Literal["close", "error"]

_CONDITIONS: dict[Jump, str] = {
    "close": "event.kind = 'close'",
    "error": f"event.severity >= {Severity.ERROR:d}",
}
# Rows that are asked for at once, where a filter may have left out the nearest.
_BATCH = 2000


def nearest(recording: Recording, view: View, jump: Jump, current: int, way: int) -> int | None:
    """Return the number of the next such row of `view` after row `current`, or before it if `way` is negative."""
    side, order = (">", "asc") if way > 0 else ("<", "desc")
    while True:
        with explained(recording.path):
            found = recording.reader.db.execute(
                f"select id from event where id {side} ? and {_CONDITIONS[jump]} order by id {order} limit ?",
                (current, _BATCH if view.is_filtered else 1),
            ).fetchall()
        for (number,) in found:
            if view.has(number):
                return int(number)
        if len(found) < _BATCH:
            return None
        current = found[-1][0]


def nearest_case(cases: Iterable[Case], view: View, current: int, way: int) -> int | None:
    """Return the row of the next case of which `view` has the row, as `nearest` does: that of its lead."""
    rows = {case.lead.finding.event for case in cases}
    beyond = [row for row in rows if (row - current) * way > 0 and view.has(row)]
    return min(beyond, key=lambda row: abs(row - current), default=None)
