"""Marks rows and writes notes on them, in a file next to the capture."""

from collections.abc import Callable
from functools import partial

from inspector.errors import CaptureError
from inspector.inert import inert
from inspector.store.notes import Notes
from inspector.tui.look import Glyphs
from inspector.tui.tasks.task import Task, TaskContext


class Marking(Task):
    """Keeps the marks and notes of one recording, and shows them in the timeline. `changed` is called after a note."""

    def __init__(self, context: TaskContext, *, notes: Notes, glyphs: Glyphs, changed: Callable[[], object]) -> None:
        super().__init__(context)
        self._notes = notes
        self._glyphs = glyphs
        self._changed = changed

    def begin(self) -> None:
        """Find the rows again that were marked, and show them."""
        self._notes.relocate(self._recording.reader)
        self._show()

    def toggle(self) -> None:
        """Mark the row one is on, or take its mark away."""
        event = self._recording.event(self._timeline.current)
        if event is None:
            return
        try:
            self._notes.toggle(event.n, event)
        except CaptureError as error:
            self._screen.notify(str(error), severity="warning")
        self._show()

    def ask(self) -> None:
        """Ask for a note on the row one is on."""
        number = self._timeline.current
        if number:
            self._prompt.ask(
                f"note on row {number:,}", partial(self._note, number), value=self._notes.note(number) or ""
            )

    def said(self, number: int) -> str:
        """Return the note on a row, fit to be shown; empty where there is none."""
        note = self._notes.note(number) if number else None
        return self._glyphs.plain("note: " + inert(note)) if note else ""

    def next(self) -> int | None:
        """Return the next marked row of the view after the one one is on; else the first."""
        timeline = self._timeline
        number = self._notes.next(timeline.current) or self._notes.next(0)
        if number is None or timeline.view.has(number):
            return number
        return next((n for n in sorted(timeline.marked) if n > timeline.current and timeline.view.has(n)), None)

    def _note(self, number: int, text: str) -> str | None:
        event = self._recording.event(number)
        if event is not None:
            try:
                self._notes.set_note(number, event, text)
            except CaptureError as error:
                return str(error)
        self._show()
        self._changed()
        return None

    def _show(self) -> None:
        marks = dict.fromkeys(self._notes.noted, "n") | dict.fromkeys(self._notes.marked, self._glyphs.mark)
        self._timeline.marked = marks
        self._timeline.restyle()
