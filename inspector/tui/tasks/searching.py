"""Goes to the next row that has a text in it."""

from functools import partial

from textual.worker import get_current_worker

from inspector.inert import inert
from inspector.query.tree import Text
from inspector.tui.tasks.task import Task, TaskContext
from inspector.tui.workers import Hit, find


class Searching(Task):
    """Looks through the rows of the view, from the one the person is on. Workers post `Hit` to `screen`, for `take`."""

    def __init__(self, context: TaskContext) -> None:
        super().__init__(context)
        self._needle = ""
        self._generation = 0

    def ask(self) -> None:
        """Ask for the text."""
        self._prompt.ask("search", self._search, hint="text in payloads, names and notes")

    def find(self, way: int) -> None:
        """Look for the next row after this one, or before it if `way` is negative."""
        if not self._needle:
            self.ask()
            return
        self._generation += 1
        self._screen.run_worker(
            partial(self._find, Text(self._needle), self._timeline.current, way > 0, self._generation),
            thread=True,
            exclusive=True,
            group="find",
            exit_on_error=False,
        )

    def take(self, hit: Hit) -> str:
        """Go to what was found, and return how far it is while it still looks."""
        if hit.generation != self._generation:
            return ""
        if hit.number is not None:
            self._timeline.goto(hit.number)
            if hit.wrapped:
                self._screen.notify("Search wrapped to the other end.", timeout=2)
        elif hit.progress >= 1:
            self._screen.notify(f"Nothing here has {inert(self._needle)!r} in it.", severity="warning")
        else:
            return f"searching, {hit.progress:.0%}"
        return ""

    def _search(self, text: str) -> str | None:
        self._needle = self._timeline.needle = text.strip()
        if self._needle:
            self.find(1)
        return None

    def _find(self, item: Text, start: int, forwards: bool, generation: int) -> None:
        worker = get_current_worker()
        find(
            self._recording.path,
            item,
            self._registry,
            view=self._timeline.view.numbers,
            start=start,
            forwards=forwards,
            generation=generation,
            post=self._screen.post_message,
            cancelled=lambda: worker.is_cancelled,
        )
