"""The filter in force: what it is, the view it makes, and the scan that fills that view.

A view grows from three sides: the scan goes from where the person stands to the end, then back to the beginning; and
what is recorded meanwhile is looked at beat by beat, once the scan has reached the end.
"""

from functools import partial

from textual.screen import Screen
from textual.worker import get_current_worker

from inspector.protocol.registry import Registry
from inspector.query.grammar import parse
from inspector.query.search import Search
from inspector.query.tree import Everything, Filter
from inspector.report.recording import Recording
from inspector.tui.tasks.presets import Narrowing
from inspector.tui.widgets.timeline.view import View
from inspector.tui.workers import Found, scan


class Filtering:
    """Makes views of one recording. Scans post `Found` to `screen`, which hands it to `take`."""

    def __init__(self, screen: Screen[None], recording: Recording, registry: Registry, where: str) -> None:
        self.narrowing = Narrowing(where)
        self.filter: Filter = Everything()
        self.progress: float | None = None
        """How far a scan is, None where none runs."""
        self._screen = screen
        self._recording = recording
        self._registry = registry
        self._generation = 0
        self._view = View()
        self._tail: Search | None = None
        self._upto = 0
        self._scanned_to_end = True

    def apply(self, start: int | None) -> View:
        """Return a new view for the filter; it fills from row `start` on, from the newest row where that is None.

        Raises FilterError.
        """
        self.filter = parse(self.narrowing.text, self._registry)
        self._generation += 1
        last = self._recording.reader.last()
        if isinstance(self.filter, Everything):
            self._tail = None
            self.progress = None
            self._view = View(last)
            return self._view
        self._view = View.filtered()
        self._tail = Search(self.filter, self._registry)
        self._upto = last
        self._scanned_to_end = False
        self.progress = 0.0
        self._screen.run_worker(
            partial(self._scan, self.filter, last + 1 if start is None else start, last, self._generation),
            thread=True,
            exclusive=True,
            group="scan",
            exit_on_error=False,
        )
        return self._view

    def take(self, found: Found) -> bool:
        """Add what a scan has found to the view; say whether it counted."""
        if found.generation != self._generation or self._tail is None:
            return False
        if found.before:
            self._view.prepend(found.numbers)
        else:
            self._view.append(found.numbers)
        self._scanned_to_end = found.ahead_done
        self.progress = found.progress if found.progress < 1 else None
        return True

    def extend(self, last: int) -> int:
        """Add what was recorded since, up to row `last`; return how many rows passed. Takes some milliseconds."""
        if self._tail is None:
            count = last - len(self._view)
            self._view.grow(last)
            return count
        if not self._scanned_to_end or last <= self._upto:
            return 0
        step = next(self._tail.numbers(self._recording.reader, self._upto, last))
        self._view.append(step.found)
        self._upto = step.done
        return len(step.found)

    @property
    def is_behind(self) -> bool:
        """Whether rows that are there have not been looked at yet."""
        return self._tail is not None and self._upto < self._recording.reader.last()

    def _scan(self, item: Filter, start: int, last: int, generation: int) -> None:
        worker = get_current_worker()
        scan(
            self._recording.path,
            item,
            self._registry,
            start=start,
            last=last,
            generation=generation,
            post=self._screen.post_message,
            cancelled=lambda: worker.is_cancelled,
        )
