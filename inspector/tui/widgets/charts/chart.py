"""What charts are made of: panels, scales with round numbers, and an axis of clock times with a cursor.

A chart never looks at a capture: what it shows it is given, as values that never change.
"""

from math import ceil
from typing import ClassVar

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message

from inspector.analysis.measure import Measured
from inspector.tui.lane_colours import LANE_CLASSES, LANES_CSS
from inspector.tui.look import Glyphs
from inspector.tui.widgets.charts.canvas import Canvas, CanvasWidget
from inspector.words import clock

# Columns for the numbers left of a chart.
GUTTER = 9
# Columns that a clock time with milliseconds takes, with room around it.
_TIME_ROOM = 16


class Chart(CanvasWidget):
    """A panel with a title in its border. The kinds of charts say what `draw` puts inside."""

    PREFIX = "chart"
    STYLES: ClassVar = ("plain", "quiet", "axis", "receive", "send", "hanging", "cursor", "chosen", "trouble", "title")
    COMPONENT_CLASSES = {f"chart--{name}" for name in STYLES} | LANE_CLASSES
    DEFAULT_CSS = f"""
    Chart {{
        border: round $foreground 30%; border-title-color: $text-muted; border-subtitle-color: $text-muted;
        background: $background; padding: 0 1; height: 1fr; width: 1fr;
        &:focus {{ border: round $primary; border-title-color: $primary; border-title-style: bold; }}
        &.plain {{ border: ascii $foreground 30%; }}
        &.plain:focus {{ border: ascii $primary; }}
        & > .chart--plain {{ color: $foreground; }}
        & > .chart--quiet {{ color: $text-muted; }}
        & > .chart--axis {{ color: $foreground 40%; }}
        & > .chart--receive {{ color: $primary; }}
        & > .chart--send {{ color: $accent; }}
        & > .chart--hanging {{ color: $accent; text-style: reverse; }}
        & > .chart--cursor {{ color: $foreground; text-style: bold; }}
        & > .chart--chosen {{ color: $block-cursor-foreground; background: $block-cursor-background; }}
        & > .chart--trouble {{ color: $warning; }}
        & > .chart--title {{ color: $text-muted; text-style: bold; }}
        {LANES_CSS}
    }}
    """

    class Goto(Message):
        """The person wants to see the rows from a time on."""

        def __init__(self, at_ns: int) -> None:
            super().__init__()
            self.at_ns = at_ns

    class Filter(Message):
        """The person wants to see the rows that pass a filter."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Pointed(Message):
        """The cursor is on another time; None where there is no cursor."""

        def __init__(self, at_ns: int | None) -> None:
            super().__init__()
            self.at_ns = at_ns

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:
        super().__init__(glyphs, id=id, classes="plain" if glyphs.ascii else "")
        self.measured = Measured()

    def show(self, measured: Measured) -> None:
        """Show what has been measured by now."""
        self.measured = measured
        self.changed()

    def changed(self) -> None:
        super().changed()
        self.border_title = Content(self.glyphs.plain(self.title()))

    def title(self) -> str:
        """Return what is in the border, inert."""
        raise NotImplementedError


class TimeChart(Chart):
    """A chart whose columns are times, all of a capture's; its cursor can be moved over them."""

    BINDINGS = [
        Binding("enter", "goto", "go to this time", tooltip="Show the timeline from the time under the cursor"),
        Binding("left,h", "point(-1)", "cursor left", show=False),
        Binding("right,l", "point(1)", "cursor right", show=False),
        Binding("shift+left,H", "point(-10)", "cursor far left", show=False),
        Binding("shift+right,L", "point(10)", "cursor far right", show=False),
        Binding("home,g", "point(-100000)", "cursor to the start", show=False),
        Binding("end,G", "point(100000)", "cursor to the end", show=False),
    ]

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:
        super().__init__(glyphs, id=id)
        self.cursor_ns: int | None = None
        """The time under the cursor; None where there is none."""
        self._columns = Measured().columns(1)

    @property
    def cursor(self) -> int | None:
        """The step under the cursor."""
        steps = len(self._columns.volumes)
        if self.cursor_ns is None or not steps:
            return None
        return min(max((self.cursor_ns - self._columns.start_ns) // self._columns.width_ns, 0), steps - 1)

    def point(self, at_ns: int | None) -> None:
        """Put the cursor on a time."""
        self.cursor_ns = at_ns
        self.changed()

    def changed(self) -> None:
        self._columns = self.measured.columns(self.room)
        super().changed()

    def title(self) -> str:
        cursor = self.cursor
        if cursor is None:
            return self.name_of_all()
        start = self._columns.start_ns + cursor * self._columns.width_ns
        return f"{_time(start, self._columns.width_ns)}  {self.name_at(cursor)}"

    def name_of_all(self) -> str:
        """Return the title where there is no cursor."""
        raise NotImplementedError

    def name_at(self, step: int) -> str:
        """Return in words what there is in the step under the cursor."""
        raise NotImplementedError

    def draw(self, canvas: Canvas) -> None:
        if canvas.width < GUTTER + 10 or canvas.height < 4:
            return
        if not self._columns.volumes:
            said = "No messages yet." if self.measured.counted >= self.measured.last else "Counting the rows."
            canvas.put(max((canvas.width - len(said)) // 2, 0), canvas.height // 2, said, "quiet")
            return
        self.draw_plot(canvas, canvas.height - 1)
        self._draw_times(canvas)

    def draw_plot(self, canvas: Canvas, height: int) -> None:
        """Put down what is above the axis of times, in the first `height` lines."""
        raise NotImplementedError

    @property
    def room(self) -> int:
        """The cells that all steps share."""
        return max(self.size.width - GUTTER, 1)

    def cells_of(self, step: int) -> range:
        """Return the cells of a step: one or more, so that all of them together take the whole width."""
        steps = max(len(self._columns.volumes), 1)
        return range(GUTTER + step * self.room // steps, GUTTER + (step + 1) * self.room // steps)

    def draw_cursor(self, canvas: Canvas, top: int, bottom: int) -> None:
        """Put a line where the cursor is, where nothing else stands."""
        if self.cursor is not None:
            cells = self.cells_of(self.cursor)
            x = cells[(len(cells) - 1) // 2]
            for y in range(top, bottom):
                if canvas.blank(x, y):
                    canvas.put(x, y, self.glyphs.vertical, "cursor")

    def _draw_times(self, canvas: Canvas) -> None:
        """Say what time it is under the cursor, at both ends, and between as far as there is room, in this order."""
        columns = self._columns
        ends_ns = len(columns.volumes) * columns.width_ns
        parts = max(self.room // _TIME_ROOM, 1)
        wanted = [
            (ends_ns * part // parts, self.room * part // parts, "quiet") for part in (0, parts, *range(1, parts))
        ]
        if self.cursor is not None:
            wanted.insert(0, (self.cursor * columns.width_ns, self.cells_of(self.cursor)[0] - GUTTER, "cursor"))
        taken: set[int] = set()
        for after_ns, cell, style in wanted:
            text = _time(columns.start_ns + after_ns, columns.width_ns)
            x = min(max(GUTTER + cell - len(text) // 2, GUTTER), canvas.width - len(text))
            if taken.isdisjoint(range(x - 1, x + len(text) + 1)):
                canvas.put(x, canvas.height - 1, text, style)
                taken.update(range(x, x + len(text)))

    def action_point(self, steps: int) -> None:
        count = len(self._columns.volumes)
        if not count:
            return
        cursor = self.cursor
        if cursor is None:
            # The first key makes the cursor appear, at the end that it comes from.
            cursor = count if steps < 0 else -1
            steps = max(min(steps, 1), -1) if abs(steps) < count else steps
        self._point_to(min(max(cursor + steps, 0), count - 1))

    def action_goto(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Goto(self._columns.start_ns + self.cursor * self._columns.width_ns))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or not self._columns.volumes:
            return
        step = next((at for at in range(len(self._columns.volumes)) if offset.x in self.cells_of(at)), None)
        if step is not None:
            self._point_to(step)
            if event.chain > 1:
                self.action_goto()

    def _point_to(self, step: int) -> None:
        columns = self._columns
        # The middle of the step: it stays in sight when steps get wider.
        self.point(columns.start_ns + step * columns.width_ns + columns.width_ns // 2)
        self.post_message(self.Pointed(self.cursor_ns))


def nice(value: float) -> int:
    """Return the next number that reads well: 1, 2 or 5 with zeros."""
    power = 1
    while power * 10 < value:
        power *= 10
    return next((step * power for step in (1, 2, 5) if step * power >= value), 10 * power)


def amount(value: float) -> str:
    """Return a number of things in few characters: ``7``, ``0.4``, ``1,200``, ``34k``."""
    if value >= 9_999_500:
        return f"{value / 1e6:,.0f}M"
    if value >= 9_999.5:
        return f"{value / 1e3:,.0f}k"
    return f"{value:.1f}".removesuffix(".0") if 0 < value < 9.95 else f"{value:,.0f}"


def eighths(value: float, top: float, cells: int) -> int:
    """Return how many eighths of `cells` a value fills, where `top` fills them all; at least one if there is any."""
    return min(max(ceil(value / top * cells * 8), 1), cells * 8) if value > 0 and top > 0 else 0


def _time(at_ns: int, step_ns: int) -> str:
    text = clock(at_ns)
    return text if step_ns < 500_000_000 else text[:8]
