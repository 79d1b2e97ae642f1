"""The mix of events: a line and a bar for each name, by number or by size, and how the sizes of one of them spread."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.binding import Binding

from inspector.analysis.measure import LONGEST_NAME, Measured, NameTally, name_of
from inspector.inert import inert
from inspector.model import Kind, Plane
from inspector.protocol.ops import GatewayOp
from inspector.protocol.registry import Registry
from inspector.report.cells import clip
from inspector.tui.look import Glyphs
from inspector.tui.widgets.charts.canvas import Canvas
from inspector.tui.widgets.charts.chart import Chart
from inspector.words import counted, percent, size

# Columns of the shortest bar that is worth drawing, and of a name.
_LEAST_BAR = 8
_LEAST_NAME, _MOST_NAME = 16, 34


@dataclass(frozen=True, slots=True)
class Column:
    """A number that is said of every name."""

    title: str
    width: int
    value: Callable[[NameTally, bool], float]
    """Of a tally; by the decoded bytes, or by those on the wire."""
    said: Callable[[float], str]


COUNT = Column("messages", 10, lambda tally, decoded: tally.count, lambda value: f"{value:,.0f}")
BYTES = Column(
    "bytes", 8, lambda tally, decoded: tally.decoded_bytes if decoded else tally.wire_bytes, lambda v: size(round(v))
)
MEAN = Column(
    "mean", 8, lambda tally, decoded: BYTES.value(tally, decoded) / max(tally.count, 1), lambda v: size(round(v))
)
LARGEST = Column(
    "largest",
    8,
    lambda tally, decoded: tally.largest_decoded if decoded else tally.largest_wire,
    lambda v: size(int(v)),
)
# What the list can be sorted by, and what is next to that as far as there is room.
SORTS: dict[Column, tuple[Column, ...]] = {
    COUNT: (BYTES, MEAN, LARGEST),
    BYTES: (MEAN, LARGEST, COUNT),
    MEAN: (LARGEST, COUNT, BYTES),
    LARGEST: (MEAN, COUNT, BYTES),
}


class MixChart(Chart):
    """All names, the most of whatever it is sorted by first."""

    BINDINGS = [
        Binding("enter", "filter", "filter by it", tooltip="Show only the rows of the chosen name"),
        Binding("s", "sort", "sort", tooltip="Sort by messages, bytes, mean size or largest"),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup,ctrl+u,ctrl+b", "page(-1)", "page up", show=False),
        Binding("pagedown,ctrl+d,ctrl+f", "page(1)", "page down", show=False),
        Binding("home,g", "move(-1000)", "first", show=False),
        Binding("end,G", "move(1000)", "last", show=False),
    ]

    def __init__(self, glyphs: Glyphs, registry: Registry, *, id: str | None = None) -> None:
        super().__init__(glyphs, id=id)
        self._registry = registry
        self.sort = COUNT
        self.decoded = False
        """Whether sizes are those of the decoded payloads, and not those on the wire."""
        self._rows: list[NameTally] = []
        self._chosen: NameTally | None = None
        self._top = 0

    @property
    def rows(self) -> Sequence[NameTally]:
        """What is listed, in this order."""
        return self._rows

    @property
    def cursor(self) -> int:
        """The line that is chosen, -1 where there is none."""
        if self._chosen is None:
            return min(0, len(self._rows) - 1)
        return next((at for at, row in enumerate(self._rows) if _same(row, self._chosen)), 0)

    def by(self, sort: Column) -> None:
        """Sort by something else; the first line is chosen then."""
        self.sort = sort
        self._chosen, self._top = None, 0
        self.changed()

    def take(self, decoded: bool) -> None:
        """Show the sizes of decoded payloads, or those on the wire."""
        self.decoded = decoded
        self.changed()

    def changed(self) -> None:
        self._rows = sorted(self.measured.tallies, key=lambda row: self.sort.value(row, self.decoded), reverse=True)
        super().changed()

    def title(self) -> str:
        names = len(self.measured.tallies)
        if not names:
            return "event mix"
        where = "decoded" if self.decoded else "on the wire"
        return f"event mix by {self.sort.title}, {counted(names, 'name')}, sizes {where}"

    def draw(self, canvas: Canvas) -> None:
        if not self._rows:
            said = "No messages yet." if self.measured.counted >= self.measured.last else "Counting the rows."
            canvas.put(max((canvas.width - len(said)) // 2, 0), canvas.height // 2, said, "quiet")
            return
        cursor, lines = self.cursor, self._lines
        # The list follows its cursor; what moved it makes no difference.
        self._top = max(min(self._top, cursor, len(self._rows) - lines), cursor - lines + 1, 0)
        names = [self._called(row) for row in self._rows]
        name = min(max(max(map(cell_len, names)), _LEAST_NAME), _MOST_NAME, max(canvas.width - 20, 4))
        columns = self._columns(canvas.width - name - 2)
        bar = canvas.width - name - 2 - sum(column.width for column in columns) - _SHARE - 1
        self._draw_titles(canvas, columns)
        most = max(self.sort.value(self._rows[0], self.decoded), 1)
        total = sum(self.sort.value(row, self.decoded) for row in self._rows)
        for line in range(min(lines, len(self._rows) - self._top)):
            at = self._top + line
            row, chosen = self._rows[at], at == cursor
            style = "chosen" if chosen and self.has_focus else "plain"
            y = line + 1
            if style == "chosen":
                canvas.put(0, y, " " * canvas.width, style)
            canvas.put(0, y, self.glyphs.folded if chosen else " ", style)
            canvas.put(2, y, clip(names[at], name, self.glyphs.more), style)
            value = self.sort.value(row, self.decoded)
            if bar >= _LEAST_BAR:
                filled = max(round(value / most * bar), 1 if value else 0)
                # Not the full height: lines stay apart.
                canvas.put(name + 3, y, self.glyphs.bars[5] * filled, style if style == "chosen" else "receive")
            self._draw_numbers(canvas, y, row, columns, total, style)
        if lines < canvas.height - 1:
            self._draw_sizes(canvas, canvas.height - 1, self._rows[cursor])

    @property
    def _lines(self) -> int:
        """Lines of the list: below its titles, above what is said of the chosen name."""
        return max(self.size.height - 1 - (1 if self.size.height >= 6 else 0), 1)

    def _columns(self, room: int) -> list[Column]:
        """Return the columns that there is room for, besides a bar and the share."""
        room -= self.sort.width + _SHARE + _LEAST_BAR + 1
        found = [self.sort]
        for column in SORTS[self.sort]:
            room -= column.width
            if room >= 0:
                found.append(column)
        return found

    def _draw_titles(self, canvas: Canvas, columns: Sequence[Column]) -> None:
        canvas.put(2, 0, "name", "title")
        x = canvas.width
        for column in reversed(columns):
            canvas.put(x - len(column.title), 0, column.title, "title")
            x -= column.width
            if column is self.sort:
                if self.sort in (COUNT, BYTES):
                    canvas.put(x - len("share"), 0, "share", "title")
                x -= _SHARE

    def _draw_numbers(
        self, canvas: Canvas, y: int, row: NameTally, columns: Sequence[Column], total: float, style: str
    ) -> None:
        x = canvas.width
        for column in reversed(columns):
            value = column.value(row, self.decoded)
            said = column.said(value)
            canvas.put(x - len(said), y, said, style)
            x -= column.width
            if column is self.sort:
                if self.sort in (COUNT, BYTES):
                    share = percent(value, total)
                    canvas.put(x - len(share), y, share, style)
                x -= _SHARE

    def _draw_sizes(self, canvas: Canvas, y: int, row: NameTally) -> None:
        """Say how the sizes on the wire of one name spread."""
        some = [power for power, count in enumerate(row.sizes) if count]
        first, last = some[0], some[-1]
        counts = row.sizes[first : last + 1]
        most = max(counts)
        bars = self.glyphs.bars
        drawn = "".join(bars[(count * 8 - 1) // most] if count else " " for count in counts)
        usual = first + counts.index(most)
        start, end = size(1 << first if first else 0), size(2 << last)
        canvas.put(2, y, "wire sizes", "quiet")
        canvas.put(13, y, start, "quiet")
        x = 14 + len(start)
        canvas.put(x, y, drawn, "receive")
        canvas.put(x + len(drawn) + 1, y, end, "quiet")
        words = f"most {size(1 << usual if usual else 0)} to {size(2 << usual)}"
        x += len(drawn) + len(end) + 3
        if x + len(words) <= canvas.width:
            canvas.put(x, y, words, "quiet")

    def _called(self, row: NameTally) -> str:
        """Return what a line is called, inert."""
        return self.glyphs.plain(tally_name(row, self._registry))

    def action_sort(self) -> None:
        sorts = list(SORTS)
        self.by(sorts[(sorts.index(self.sort) + 1) % len(sorts)])

    def action_move(self, lines: int) -> None:
        if self._rows:
            self._chosen = self._rows[min(max(self.cursor + lines, 0), len(self._rows) - 1)]
            self.changed()

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(self._lines - 1, 1))

    def action_filter(self) -> None:
        if self._rows:
            text = filter_of(self._rows[self.cursor], self.measured, self._registry)
            if text:
                self.post_message(self.Filter(text))
            else:
                self.notify("No filter can select what this line counts.", severity="warning")

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            self.action_sort()
        elif offset.y <= min(self._lines, len(self._rows) - self._top):
            self._chosen = self._rows[self._top + offset.y - 1]
            self.changed()
            if event.chain > 1:
                self.action_filter()

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-3)

    def on_mouse_scroll_down(self) -> None:
        self.action_move(3)

    def on_focus(self) -> None:
        self.changed()

    def on_blur(self) -> None:
        self.changed()


# Columns of the share.
_SHARE = 8


def tally_name(row: NameTally, registry: Registry) -> str:
    """Return what the messages of a tally are called, inert; those next to the main gateway say where they belong."""
    name = name_of(row.plane, row.kind, row.op, row.event, registry)
    return inert(name if row.plane is Plane.GATEWAY else f"{row.plane.value}: {name}")


def filter_of(row: NameTally, measured: Measured, registry: Registry) -> str | None:
    """Return the filter that lets through the rows of a tally and no others; None where there is none."""
    terms = []
    if row.plane is not Plane.GATEWAY or any(other.plane is not Plane.GATEWAY for other in measured.tallies):
        terms.append(f"plane == {row.plane.value}")
    if row.kind is not Kind.PAYLOAD:
        terms.append(f"kind == {row.kind.value}")
    elif row.op is None:
        terms.append("kind == payload and op == null")
    elif isinstance(row.op, int) and 0 <= row.op < 10**9:
        # What has an event is a dispatch, unless it says otherwise.
        if row.event is None or row.op != GatewayOp.DISPATCH:
            terms.append(f"op == {row.op}")
    elif isinstance(row.op, str) and registry.opcode(row.plane, row.op):
        terms.append(f"op == {_quoted(row.op)}")
    else:
        return None
    if row.event is not None:
        if len(row.event) >= LONGEST_NAME:
            return None
        terms.append(f"event == {_quoted(row.event)}")
    elif row.op == GatewayOp.DISPATCH and row.plane is Plane.GATEWAY:
        terms.append("event == null")
    return " and ".join(terms)


def _quoted(text: str) -> str:
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", text) and text.lower() != "null":
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _same(one: NameTally, other: NameTally) -> bool:
    return (one.plane, one.kind, one.op, one.event) == (other.plane, other.kind, other.op, other.event)
