"""Goes to a row: by its number, by a time, or to the nearest of which something holds."""

from inspector.query.moments import EXPECTED, parse_moment
from inspector.tui.tasks.filtering import Filtering
from inspector.tui.tasks.jumps import Jump, nearest, nearest_case
from inspector.tui.tasks.marking import Marking
from inspector.tui.tasks.task import Task, TaskContext
from inspector.tui.tasks.watching import Watching


class Travel(Task):
    """Moves the timeline's cursor."""

    def __init__(self, context: TaskContext, *, filtering: Filtering, marking: Marking, watching: Watching) -> None:
        super().__init__(context)
        self._filtering = filtering
        self._marking = marking
        self._watching = watching

    def ask(self) -> None:
        """Ask where to."""
        self._prompt.ask("go to", self._typed, hint=f"row 1200, or a time: {EXPECTED}")

    def to(self, number: int | None) -> None:
        """Go to a row, or to the next one that passes the filter; None stays where one is."""
        if number is None:
            return
        if self._filtering.narrowing.text and not self._timeline.view.has(number):
            self._screen.notify(f"Row {number:,} does not pass the filter; this is the next one that does.", timeout=3)
        self._timeline.goto(number)

    def to_time(self, at_ns: int) -> None:
        """Go to the first row at or after a time, in nanoseconds since the epoch."""
        self.to(self._recording.row_at(at_ns))

    def jump(self, to: str, way: int) -> None:
        """Go to the next ``mark`` or ``case``, or the next row of a `Jump`, before this one if `way` is negative."""
        timeline = self._timeline
        if to == "mark":
            number = self._marking.next()
        elif to == "case":
            number = nearest_case(self._watching.cases, timeline.view, timeline.current, way)
        else:
            kinds: dict[str, Jump] = {"close": "close", "error": "error"}
            number = nearest(self._recording, timeline.view, kinds[to], timeline.current, way)
        if number is None:
            where = "after" if way > 0 else "before"
            self._screen.notify(f"There is no {to} {where} this row.", severity="warning", timeout=2)
        else:
            timeline.goto(number)

    def _typed(self, text: str) -> str | None:
        text = text.strip().removeprefix("#").replace(",", "")
        if text.isdigit() and len(text) < 16:
            self.to(int(text))
            return None
        moment = parse_moment(text)
        if moment is None:
            return f"This is neither a row number nor a time; write a time as {EXPECTED}."
        first = self._recording.lines([1])
        if first:
            self.to_time(moment.ns(first[0].event.at_ns))
        return None
