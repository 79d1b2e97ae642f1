"""Connections as lanes over time. Painted from values that never change; only the lines in sight are drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from textual import events
from textual.binding import Binding
from textual.message import Message

from inspector.analysis.lanes import (
    ENDING,
    LIVE,
    Lane,
    LaneGroup,
    LaneMoment,
    LaneMomentSort,
    Lanes,
    beats_between,
    between,
)
from inspector.inert import inert
from inspector.protocol.registry import Registry
from inspector.report.cells import clip
from inspector.session.phases import OPENED
from inspector.tui.lane_colours import LANE_CLASSES, LANES_CSS, lane_style
from inspector.tui.look import Glyphs
from inspector.tui.widgets.charts.canvas import Canvas, CanvasWidget
from inspector.tui.widgets.lists.session_lines import session_name
from inspector.words import clock, counted

# Columns of the names next to the lanes, and from which width on they have the larger room.
GUTTER, NARROW_GUTTER, ROOMY = 30, 24, 100
# The shortest stretch of time that is zoomed into, in nanoseconds.
CLOSEST_NS = 1_000_000
# Columns that a clock time with milliseconds takes, with room around it.
_TIME_ROOM = 16
# Columns that a close and its code take.
_CODE_ROOM = 6
# Things that are told of one place.
_TOLD = 4
# Ends that are no one's trouble.
_PEACEFUL = ("", "1000", "1001")

LaneLine = Literal["title", "lane", "beats", "logins", "findings"]
_NAMES: dict[LaneLine, str] = {"beats": "heartbeats", "logins": "identify, resume", "findings": "findings"}


@dataclass(frozen=True, slots=True)
class Signs:
    """What lanes are drawn with."""

    early: str
    live: str
    ending: str
    open: str
    close: str
    refused: str
    ready: str
    resumed: str
    rejected: str
    beat: str
    troubled: str = "!"

    @property
    def legend(self) -> str:
        return (
            f"{self.early} logging in  {self.live} in session  {self.ending} asked to leave  {self.ready} ready  "
            f"{self.resumed} resumed  {self.close} close  {self.beat} heartbeat  {self.troubled} late or no ACK  "
            f"I identify  R resume  {self.rejected} failed"
        )


_UNICODE = Signs("─", "━", "┅", "├", "┥", "✕", "●", "◌", "×", "·")
_ASCII = Signs("-", "=", "~", "[", "]", "x", "*", "o", "x", ".")

# The heaviest of the moments in one cell is the one that shows.
_WEIGHTS: dict[LaneMomentSort, int] = {
    "phase": 1, "open": 2, "identify": 3, "resume": 4, "rejected": 5, "close": 6, "refused": 7, "info": 1, "warn": 2,
    "error": 3,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the chart."""

    row: LaneLine
    group: LaneGroup
    lane: Lane | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others, however much it grows."""
        return self.row, self.group.plane, self.group.session, self.lane and self.lane.id


class LaneChart(CanvasWidget):
    """The lanes of a capture, with a cursor on one line and one time."""

    PREFIX = "lanes"

    STYLES: ClassVar = (
        "plain", "quiet", "title", "axis", "cursor", "chosen", "live", "trouble", "error", "warn", "info",
    )  # fmt: skip
    COMPONENT_CLASSES = {f"lanes--{name}" for name in STYLES} | LANE_CLASSES
    DEFAULT_CSS = f"""
    LaneChart {{
        background: $background; height: 1fr; width: 1fr;
        & > .lanes--plain {{ color: $foreground; }}
        & > .lanes--quiet {{ color: $text-muted; }}
        & > .lanes--title {{ color: $foreground; text-style: bold; }}
        & > .lanes--axis {{ color: $foreground 40%; }}
        & > .lanes--cursor {{ color: $foreground; text-style: bold; }}
        & > .lanes--chosen {{ color: $block-cursor-foreground; background: $block-cursor-background; }}
        & > .lanes--live {{ color: $success; text-style: bold; }}
        & > .lanes--trouble {{ color: $error; text-style: bold; }}
        & > .lanes--error {{ color: $error; text-style: bold; }}
        & > .lanes--warn {{ color: $warning; text-style: bold; }}
        & > .lanes--info {{ color: $primary; text-style: bold; }}
        {LANES_CSS}
    }}
    """
    BINDINGS = [
        Binding("enter", "goto", "go to the row", tooltip="Show in the timeline what is under the cursor"),
        Binding("plus,equals_sign", "zoom(-1)", "zoom in"),
        Binding("minus", "zoom(1)", "zoom out"),
        Binding("0", "whole", "whole capture", show=False),
        Binding("left,h", "point(-1)", "cursor left", show=False),
        Binding("right,l", "point(1)", "cursor right", show=False),
        Binding("shift+left,H", "pan(-1)", "half a screen left", show=False),
        Binding("shift+right", "pan(1)", "half a screen right", show=False),
        Binding("up,k", "move(-1)", "line up", show=False),
        Binding("down,j", "move(1)", "line down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False),
        Binding("home,g", "end(-1)", "to the start", show=False),
        Binding("end,G", "end(1)", "to the end", show=False),
        Binding("n", "seek(1)", "next mark", tooltip="Go to the next mark on this line"),
        Binding("p,N", "seek(-1)", "previous mark", show=False),
    ]

    class Pointed(Message):
        """The cursor is elsewhere, or something else is there."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, LaneChart.Pointed)

    @dataclass
    class Goto(Message):
        """The person wants to see a row, or where there is none the first from a time on, of one connection or any."""

        row: int | None
        at_ns: int
        connection: int | None

    def __init__(self, glyphs: Glyphs, registry: Registry) -> None:
        super().__init__(glyphs)
        self._registry = registry
        self._signs = _ASCII if glyphs.ascii else _UNICODE
        self._lanes = Lanes()
        self._lines: list[Line] = []
        self._window: tuple[int, int] | None = None
        self._cursor_ns = 0
        self._at = 0
        self._top = 0

    # What is shown.

    def show(self, lanes: Lanes) -> None:
        """Show what has been read by now; the cursor stays where it is."""
        key = self._lines[self._at].key if self._lines else None
        self._lanes = lanes
        self._lines = list(_lines(lanes))
        self._at = next(
            (at for at, line in enumerate(self._lines) if line.key == key), min(1, max(len(self._lines) - 1, 0))
        )
        self.point_to(self._cursor_ns or lanes.start_ns)

    def look_at(self, connection: int, at_ns: int) -> None:
        """Put the cursor on a connection and a time."""
        self._at = next(
            (at for at, line in enumerate(self._lines) if line.lane and line.lane.id == connection), self._at
        )
        self.point_to(at_ns)

    def point_to(self, at_ns: int) -> None:
        """Put the cursor on a time, or as near as there is one, and bring it into sight."""
        lanes = self._lanes
        self._cursor_ns = at_ns = min(max(at_ns, lanes.start_ns), lanes.end_ns)
        start, end = self.window
        if not start <= at_ns < end:
            self._look_from(at_ns - (end - start) // 2, end - start)
        self.changed()

    @property
    def legend(self) -> str:
        """What the signs mean."""
        return self._signs.legend

    @property
    def window(self) -> tuple[int, int]:
        """The time in sight: from, and up to but not including."""
        return self._window or (self._lanes.start_ns, self._lanes.end_ns + self._after(self._span))

    def _after(self, span: int) -> int:
        """Return how much of `span` is left free after the last moment: room for its column and a close code."""
        return span * _CODE_ROOM // max(self.columns - _CODE_ROOM, 1) + 1

    @property
    def _span(self) -> int:
        return self._lanes.end_ns - self._lanes.start_ns

    @property
    def beside(self) -> int:
        """The columns of the names."""
        return GUTTER if self.size.width >= ROOMY else NARROW_GUTTER

    @property
    def columns(self) -> int:
        return max(self.size.width - self.beside, 1)

    def edge(self, column: int) -> int:
        """Return when a column begins."""
        start, end = self.window
        return start + -(-(end - start) * column // self.columns)

    def column(self, at_ns: int) -> int:
        """Return the column of a time; it need not be in sight."""
        start, end = self.window
        return (at_ns - start) * self.columns // max(end - start, 1)

    @property
    def cursor(self) -> int:
        """The column under the cursor."""
        return min(max(self.column(self._cursor_ns), 0), self.columns - 1)

    @property
    def line(self) -> Line | None:
        """The line under the cursor."""
        return self._lines[self._at] if self._lines else None

    def changed(self) -> None:
        height = max(self.size.height - 1, 1)
        # The name of a session stays in sight with its first lane.
        titled = 0 < self._at <= len(self._lines) and self._lines[self._at - 1].row == "title"
        self._top = max(min(self._top, self._at - titled), self._at - height + 1, 0)
        super().changed()
        self.post_message(self.Pointed())

    # What is under the cursor.

    def things(self, column: int) -> list[tuple[Lane, LaneMoment]]:
        """Return what shows in a column of the line under the cursor, in order of time."""
        line = self.line
        if line is None or line.row in ("title", "beats"):
            return []
        start, end = self.edge(column), self.edge(column + 1)
        found = [(lane, moment) for lane, moments in _moments(line) for moment in between(moments, start, end)]
        if line.row == "logins" and column:
            # What failed may show next to the column that it happened in.
            found += [
                (lane, moment)
                for lane, moments in _moments(line)
                for moment in between(moments, self.edge(column - 1), start)
                if moment.sort == "rejected"
            ]
        return sorted(found, key=lambda each: each[1].at_ns)

    def description(self) -> tuple[str, str]:
        """Return what time it is under the cursor, and in words what is there."""
        line, column = self.line, self.cursor
        if line is None:
            return "", ""
        start, end = self.edge(column), self.edge(column + 1)
        time = clock(start) if end - start < 1_000_000_000 else f"{clock(start)[:8]} to {clock(end)[:8]}"
        if line.row == "beats":
            return time, self._beats(line.group, start, end)
        things = self.things(column)
        if not things:
            phase = line.lane.phase_at(start) if line.lane else None
            return time, f"#{line.lane.id} {inert(phase)}" if line.lane and phase else "nothing here"
        said = [self._said(lane, moment) for lane, moment in things[:_TOLD]]
        more = f"; {len(things) - _TOLD:,} more" if len(things) > _TOLD else ""
        return time, "; ".join(said) + more

    def _beats(self, group: LaneGroup, start: int, end: int) -> str:
        beats = sum(len(beats_between(lane.beats, start, end)) for lane in group.lanes)
        troubled = sum(len(beats_between(lane.troubled, start, end)) for lane in group.lanes)
        if not beats and not troubled:
            return "nothing here"
        said = counted(max(beats, troubled), "heartbeat")
        return f"{said}, {troubled:,} late or without an ACK" if troubled else said

    def _said(self, lane: Lane, moment: LaneMoment) -> str:
        text = inert(moment.text)
        match moment.sort:
            case "open":
                what = f"opened {inert(lane.host)}".strip()
            case "refused":
                what = f"refused: {text}"
            case "close":
                name = self._registry.close_name(lane.plane, int(text), lane.by) if text else ""
                what = f"close {text} {name}".strip()
            case "identify" | "resume":
                what = moment.sort.capitalize()
            case "rejected":
                what = f"failed: {text}"
            case "info" | "warn" | "error":
                what = f"{moment.sort} {text}"
            case _:
                what = text
        return f"#{lane.id} {what}, row {moment.row:,}"

    def _target(self) -> Goto | None:
        line, column = self.line, self.cursor
        if line is None:
            return None
        start, end = self.edge(column), self.edge(column + 1)
        connection = line.lane.id if line.lane else None
        if line.row == "beats":
            for wanted in ("troubled", "beats"):
                rows = [row for lane in line.group.lanes for row in beats_between(getattr(lane, wanted), start, end)]
                if rows:
                    return self.Goto(min(rows), start, None)
        things = self.things(column)
        heaviest = max(things, key=lambda each: _WEIGHTS[each[1].sort], default=None)
        return self.Goto(heaviest[1].row if heaviest else None, start, connection)

    # What keys and the mouse do.

    def action_goto(self) -> None:
        target = self._target()
        if target is not None:
            self.post_message(target)

    def action_zoom(self, way: int) -> None:
        start, end = self.window
        span = (end - start) * 2 if way > 0 else (end - start) // 2
        if span >= self._span:
            self._window = None
        else:
            span = max(span, CLOSEST_NS)
            self._look_from(self._cursor_ns - (self._cursor_ns - start) * span // (end - start), span)
        self.changed()

    def action_whole(self) -> None:
        self._window = None
        self.changed()

    def action_pan(self, way: int) -> None:
        start, end = self.window
        half = (end - start) // 2
        self._cursor_ns = min(max(self._cursor_ns + way * half, self._lanes.start_ns), self._lanes.end_ns)
        if self._window is not None:
            self._look_from(start + way * half, end - start)
        self.changed()

    def action_point(self, steps: int) -> None:
        column = self.cursor + steps
        start, end = self.window
        if not 0 <= column < self.columns and self._window is not None:
            # At an edge the view goes along.
            self._look_from(start + steps * max((end - start) // 8, 1), end - start)
            column = self.cursor + steps
        # The middle of the column: it stays in sight when columns get wider.
        column = min(max(column, 0), self.columns - 1)
        self.point_to((self.edge(column) + self.edge(column + 1)) // 2)

    def action_move(self, lines: int) -> None:
        step = 1 if lines > 0 else -1
        at = self._at + lines
        while 0 <= at < len(self._lines) and self._lines[at].row == "title":
            at += step
        self._to_line(at)

    def action_page(self, pages: int) -> None:
        self._to_line(min(max(self._at + pages * max(self.size.height - 2, 1), 1), len(self._lines) - 1))

    def action_end(self, way: int) -> None:
        self.point_to(self._lanes.end_ns if way > 0 else self._lanes.start_ns)

    def action_seek(self, way: int) -> None:
        line = self.line
        if line is None:
            return
        start, end = self.edge(self.cursor), self.edge(self.cursor + 1)
        if line.row == "beats":
            troubled = [at_ns for lane in line.group.lanes for at_ns in lane.troubled.at_ns]
            times = troubled or [at_ns for lane in line.group.lanes for at_ns in lane.beats.at_ns]
        else:
            times = [moment.at_ns for _, moments in _moments(line) for moment in moments]
        found = min((at for at in times if at >= end), default=None) if way > 0 else max(
            (at for at in times if at < start), default=None
        )  # fmt: skip
        if found is not None:
            self.point_to(found)

    def on_click(self, event: events.Click) -> None:
        line = self._top + event.y - 1
        if event.y > 0 and line < len(self._lines) and self._lines[line].row != "title":
            self._at = line
        if event.x >= self.beside:
            self.point_to(self.edge(min(event.x - self.beside, self.columns - 1)))
            if event.chain > 1:
                self.action_goto()
        else:
            self.changed()

    def on_mouse_scroll_down(self) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-1)

    def _to_line(self, at: int) -> None:
        if 0 <= at < len(self._lines) and self._lines[at].row != "title":
            self._at = at
            self.changed()

    def _look_from(self, start: int, span: int) -> None:
        """Bring a stretch of time into sight, as far as there is one."""
        latest = self._lanes.end_ns + self._after(span) - span
        start = max(min(start, latest), self._lanes.start_ns)
        self._window = start, start + span

    # What is painted.

    def draw(self, canvas: Canvas) -> None:
        if not self._lines:
            return
        self._draw_times(canvas)
        for y, line in enumerate(self._lines[self._top : self._top + canvas.height - 1], 1):
            self._draw_name(canvas, y, line)
            if line.lane is not None:
                self._draw_lane(canvas, y, line.lane)
            elif line.row == "beats":
                self._draw_beats(canvas, y, line.group)
            elif line.row != "title":
                self._draw_marks(canvas, y, line)
        self._draw_cursor(canvas)

    def _draw_times(self, canvas: Canvas) -> None:
        """Say what time it is under the cursor, and between as far as there is room."""
        start, end = self.window
        parts = max(self.columns // _TIME_ROOM, 1)
        wanted = [(self._cursor_ns, self.cursor, "cursor")]
        wanted += [
            (start + (end - start) * part // parts, self.columns * part // parts, "quiet") for part in range(parts)
        ]
        taken: set[int] = set()
        for at_ns, column, style in wanted:
            text = clock(at_ns) if (end - start) // self.columns < 500_000_000 else clock(at_ns)[:8]
            x = min(self.beside + column, canvas.width - len(text))
            if taken.isdisjoint(range(x - 1, x + len(text) + 1)):
                canvas.put(x, 0, text, style)
                taken.update(range(x, x + len(text)))

    def _draw_name(self, canvas: Canvas, y: int, line: Line) -> None:
        room = self.beside - 1
        if line.row == "title":
            name = session_name(line.group.plane, line.group.session, self.glyphs)
            name += f"  shard {inert(line.group.shard)}" if line.group.shard else ""
            canvas.put(0, y, clip(name, canvas.width, self.glyphs.more), "title")
            return
        if line is self.line:
            canvas.put(0, y, self.glyphs.folded, "cursor")
        if line.lane is None:
            canvas.put(2, y, clip(_NAMES[line.row], room - 2, self.glyphs.more), "quiet")
            return
        lane = line.lane
        number = f"#{lane.id} "
        canvas.put(2, y, number, lane_style(lane.id))
        what = "refused" if lane.refusal is not None else lane.phase
        if lane.closed:
            what = lane.end
        name = lane.plane.value if lane.plane.value != "gateway" or room > 26 else "main"
        canvas.put(2 + len(number), y, clip(f"{name} {inert(what)}", room - 2 - len(number), self.glyphs.more), "plain")

    def _draw_lane(self, canvas: Canvas, y: int, lane: Lane) -> None:
        style, signs = lane_style(lane.id), self._signs
        if lane.refusal is None:
            began = (lane.opened_ns, "under way" if lane.phase == "under way" else OPENED)
            phases = [began, *((step.at_ns, step.text) for step in lane.steps if step.sort == "phase")]
            for (from_ns, phase), (to_ns, _) in pairwise([*phases, (lane.last_ns, "")]):
                first, last = max(self.column(from_ns), 0), min(self.column(to_ns), self.columns - 1)
                sign = signs.live if phase in LIVE else signs.ending if phase in ENDING else signs.early
                if last >= first:
                    canvas.put(self.beside + first, y, sign * (last - first + 1), style)
        for column, moment in self._heaviest(lane.steps):
            mark, own = self._mark(moment)
            if mark:
                canvas.put(self.beside + column, y, mark, own or style)
            if moment.sort == "close" and moment.text:
                x = self.beside + column + 1
                if x + len(moment.text) > canvas.width:
                    x = self.beside + column - len(moment.text)
                canvas.put(max(x, self.beside), y, moment.text, own or "quiet")

    def _mark(self, moment: LaneMoment) -> tuple[str, str]:
        """Return the sign of a step, and its style where it has one of its own."""
        signs = self._signs
        match moment.sort, moment.text:
            case "open", _:
                return signs.open, ""
            case "refused", _:
                return signs.refused, "trouble"
            case "close", code:
                return signs.close, "" if code in _PEACEFUL else "trouble"
            case _, "resumed":
                return signs.resumed, "live"
            case _, "invalid session":
                return signs.rejected, "trouble"
            case _, phase if phase in LIVE:
                return signs.ready, "live"
        return "", ""

    def _draw_beats(self, canvas: Canvas, y: int, group: LaneGroup) -> None:
        for column in range(self.columns):
            start, end = self.edge(column), self.edge(column + 1)
            if any(beats_between(lane.troubled, start, end) for lane in group.lanes):
                canvas.put(self.beside + column, y, self._signs.troubled, "warn")
            elif any(beats_between(lane.beats, start, end) for lane in group.lanes):
                canvas.put(self.beside + column, y, self._signs.beat, "quiet")

    def _draw_marks(self, canvas: Canvas, y: int, line: Line) -> None:
        moments = sorted(moment for _, moments in _moments(line) for moment in moments)
        for column, moment in self._heaviest(moments):
            match moment.sort:
                case "rejected":
                    mark, style = self._signs.rejected, "trouble"
                case "identify" | "resume":
                    mark, style = moment.sort[0].upper(), "plain"
                case _:
                    mark, style = moment.sort[0].upper(), moment.sort
            canvas.put(self.beside + column, y, mark, style)

    def _heaviest(self, moments: Sequence[LaneMoment]) -> Iterator[tuple[int, LaneMoment]]:
        """Yield the columns in which something happened, and the heaviest of it."""
        start, end = self.window
        found: dict[int, LaneMoment] = {}
        for moment in between(moments, start, end):
            column = min(self.column(moment.at_ns), self.columns - 1)
            if moment.sort == "rejected" and column in found and column + 1 < self.columns:
                # Beside what came to nothing.
                found[column + 1] = moment
            elif column not in found or _weight(moment) >= _weight(found[column]):
                found[column] = moment
        yield from found.items()

    def _draw_cursor(self, canvas: Canvas) -> None:
        x = self.beside + self.cursor
        for y in range(1, min(canvas.height, len(self._lines) - self._top + 1)):
            at = self._top + y - 1
            if at == self._at:
                canvas.restyle(x, y, "chosen")
            elif canvas.blank(x, y):
                canvas.put(x, y, self.glyphs.vertical, "axis")


def _weight(moment: LaneMoment) -> int:
    # Of phases those that are reached weigh more than those on the way.
    reached = moment.sort == "phase" and (moment.text in LIVE or moment.text in ENDING)
    return _WEIGHTS[moment.sort] + 2 * reached


def _lines(lanes: Lanes) -> Iterator[Line]:
    for group in lanes.groups:
        yield Line("title", group)
        for lane in group.lanes:
            yield Line("lane", group, lane)
        if any(lane.beats.rows for lane in group.lanes):
            yield Line("beats", group)
        if any(lane.logins for lane in group.lanes):
            yield Line("logins", group)
        if any(lane.findings for lane in group.lanes):
            yield Line("findings", group)


def _moments(line: Line) -> Iterator[tuple[Lane, Sequence[LaneMoment]]]:
    """Yield the moments that a line shows, by lane."""
    if line.lane is not None:
        yield line.lane, line.lane.steps
    elif line.row in ("logins", "findings"):
        for lane in line.group.lanes:
            yield lane, lane.logins if line.row == "logins" else lane.findings
