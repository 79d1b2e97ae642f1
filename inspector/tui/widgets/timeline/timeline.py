"""The timeline: one line a row, of which only those in sight are fetched and painted.

It knows its rows by number. The row under the cursor keeps its number whatever is filtered, added or scrolled, and
every line number is worked out from it.
"""

from dataclasses import dataclass
from functools import partial

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from inspector.errors import CaptureError
from inspector.report.cells import is_trouble, summary
from inspector.report.present import Shown, rendered
from inspector.report.recording import Recording
from inspector.tui.guarded import Guarded
from inspector.tui.lane_colours import LANE_CLASSES, LANES_CSS
from inspector.tui.look import Glyphs
from inspector.tui.widgets.timeline.columns import Columns, TimeMode
from inspector.tui.widgets.timeline.view import View
from inspector.tui.workers import Failed

# Painted lines that are kept.
KEPT = 600
# Columns that the summary moves sideways at once.
SIDEWAYS = 20
_MODES: tuple[TimeMode, ...] = ("clock", "start", "previous")


class Timeline(Guarded, ScrollView, can_focus=True):
    """The rows of one recording, in one view."""

    DEFAULT_CSS = """
    Timeline {
        background: $background;
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
    }
    Timeline > .timeline--title { color: $text-muted; text-style: bold; background: $panel; }
    Timeline > .timeline--time { color: $text-muted; }
    Timeline > .timeline--size { color: $foreground; }
    Timeline > .timeline--name { color: $foreground; text-style: bold; }
    Timeline > .timeline--text { color: $foreground; }
    Timeline > .timeline--send { color: $warning; }
    Timeline > .timeline--receive { color: $primary; }
    Timeline > .timeline--open { color: $success; }
    Timeline > .timeline--end { color: $text-muted; }
    Timeline > .timeline--close, Timeline > .timeline--refused { color: $error; text-style: bold; }
    Timeline > .timeline--trouble { color: $error; }
    Timeline > .timeline--error { color: $error; text-style: bold reverse; }
    Timeline > .timeline--warn { color: $warning; text-style: bold reverse; }
    Timeline > .timeline--info { color: $primary; text-style: bold; }
    Timeline > .timeline--mark { color: $accent; text-style: bold; }
    Timeline > .timeline--hit { text-style: bold underline reverse; }
    Timeline > .timeline--range { background: $secondary 30%; }
    Timeline > .timeline--cursor { background: $foreground 12%; }
    Timeline:focus > .timeline--cursor { background: $primary 35%; }
    """ + LANES_CSS.replace("&", "Timeline")
    COMPONENT_CLASSES = {
        *(
            f"timeline--{name}"
            for name in (
                "title",
                "time",
                "size",
                "name",
                "text",
                "send",
                "receive",
                "open",
                "close",
                "end",
                "refused",
                "trouble",
                "error",
                "warn",
                "info",
                "mark",
                "hit",
                "range",
                "cursor",
            )
        ),
        *LANE_CLASSES,
    }
    BINDINGS = [
        Binding("up,k", "move(-1)", "row up", show=False),
        Binding("down,j", "move(1)", "row down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False),
        Binding("ctrl+u", "page(-0.5)", "half a page up", show=False),
        Binding("ctrl+d", "page(0.5)", "half a page down", show=False),
        Binding("home,g", "first", "first row", show=False),
        Binding("end,G", "last", "last row", show=False),
        Binding("left,h", "sideways(-1)", "summary to the left", show=False),
        Binding("right,l", "sideways(1)", "summary to the right", show=False),
        Binding("enter", "open", "detail"),
        Binding("space", "follow", "follow/pause"),
        Binding("v", "range", "select a range", show=False),
    ]

    following = reactive(False)
    """Whether the newest row stays in sight."""
    mode: reactive[TimeMode] = reactive("clock")
    numbered: reactive[bool] = reactive(False)
    """What the first column says."""
    needle = reactive("")
    """Text that is looked for, and shows where it is in a summary."""
    shift = reactive(0)
    """Columns by which summaries are moved to the left."""

    @dataclass
    class Moved(Message):
        """Another row is under the cursor. While many come, only the last counts."""

        number: int

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Timeline.Moved)

    class Opened(Message):
        """The person wants to see the row under the cursor whole."""

    class FollowChanged(Message):
        """Following began or ended."""

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.view = View()
        self.current = 0
        """Number of the row under the cursor; 0 where there is no row."""
        self.range_from: int | None = None
        """Number of the row at which a range begins."""
        self.marked: dict[int, str] = {}
        """The person's marks, by row number."""
        self.unseen = 0
        """Rows that came since following ended."""
        self._recording: Recording | None = None
        self._columns = Columns(80, glyphs, "clock")
        self._strips: dict[int, Strip] = {}
        self._start_ns = 0

    def show(self, recording: Recording, view: View, *, keep: bool = True) -> None:
        """Show `view`; the cursor stays on its row, or on the next that is left, if `keep`."""
        self._recording = recording
        self.view = view
        self.range_from = None
        first = recording.lines([1])
        self._start_ns = first[0].event.at_ns if first else 0
        self.changed(self.current if keep else 1)

    def changed(self, number: int | None = None) -> None:
        """The view is another one: paint again, with the cursor on row `number` or where it was."""
        self._strips.clear()
        self._settle(number)

    def filled(self, first: int) -> None:
        """The view has more rows than before, perhaps before `first`, which was the first row."""
        self._strips.pop(first, None)
        self._settle()

    def _settle(self, number: int | None = None) -> None:
        self.virtual_size = Size(self.size.width, len(self.view))
        wanted = self.view.line_of(self.current if number is None else number)
        self._go(len(self.view) - 1 if self.following else wanted, always=True)
        self.refresh()

    def grown(self, count: int) -> None:
        """`count` rows were added at the end."""
        if not self._start_ns and self._recording is not None:
            first = self._recording.lines([1])
            self._start_ns = first[0].event.at_ns if first else 0
        top = self.scroll_offset.y
        self.virtual_size = Size(self.size.width, len(self.view))
        if self.following:
            self._go(len(self.view) - 1)
        else:
            self.unseen += count
            if not self.current:
                self._go(0)
        if self.following or len(self.view) - count < top + self.size.height:
            self.refresh()

    def forget(self, after: int) -> None:
        """Paint rows above `after` again: something about them has changed."""
        for number in [number for number in self._strips if number > after]:
            del self._strips[number]
        self.refresh()

    def restyle(self) -> None:
        """Paint everything again."""
        self._strips.clear()
        self.refresh()

    @property
    def line(self) -> int:
        """The line that the cursor is on, -1 where there is none."""
        return self.view.line_of(self.current)

    @property
    def selected(self) -> tuple[int, int]:
        """The lines of the range, first and last; of the row under the cursor where there is no range."""
        here = self.line
        other = here if self.range_from is None else self.view.line_of(self.range_from)
        return min(here, other), max(here, other)

    def goto(self, number: int) -> None:
        """Put the cursor on row `number`, or on the next one that the view has."""
        self.following = False
        self._go(self.view.line_of(number))

    # What keys do.

    def action_move(self, lines: int) -> None:
        if lines < 0:
            self.following = False
        self._go(self.line + lines)

    def action_page(self, pages: float) -> None:
        if pages < 0:
            self.following = False
        lines = max(int(abs(pages) * self.size.height) - 1, 1)
        lines = lines if pages > 0 else -lines
        # Before scrolling, as that takes the cursor along.
        target = self.line + lines
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False, immediate=True)
        self._go(target)

    def action_first(self) -> None:
        self.following = False
        self._go(0)

    def action_last(self) -> None:
        self._go(len(self.view) - 1)

    def action_sideways(self, steps: int) -> None:
        self.shift = max(0, self.shift + steps * SIDEWAYS)

    def action_open(self) -> None:
        if self.current:
            self.post_message(self.Opened())

    def action_follow(self) -> None:
        self.following = not self.following

    def action_range(self) -> None:
        self.range_from = self.current if self.range_from is None else None
        self.refresh()

    def end_range(self) -> bool:
        """Give up the range; say whether there was one."""
        had = self.range_from is not None
        self.range_from = None
        self.refresh()
        return had

    # What the mouse does.

    def on_click(self, event: events.Click) -> None:
        if not self.view or event.y >= len(self.view) - self.scroll_offset.y:
            return
        self.following = False
        self._go(self.scroll_offset.y + event.y)
        if event.chain > 1:
            self.action_open()

    def on_mouse_scroll_up(self) -> None:
        self.following = False

    # What follows from changes.

    def watch_following(self, following: bool) -> None:
        if following:
            self._go(len(self.view) - 1)
        self.unseen = 0
        self.post_message(self.FollowChanged())

    def watch_mode(self) -> None:
        self._measure()

    def watch_numbered(self) -> None:
        self._measure()

    def watch_needle(self) -> None:
        self.restyle()

    def watch_shift(self) -> None:
        self.restyle()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        # The cursor stays in sight, whoever scrolled.
        top = round(new_value)
        line = min(max(self.line, top), top + max(self.size.height - 1, 0), len(self.view) - 1)
        if line != self.line:
            self._place(line)
            if self.following and line < len(self.view) - 1:
                self.following = False

    def on_resize(self) -> None:
        self._measure()
        self._go(self.line)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    def _measure(self) -> None:
        self._columns = Columns(
            self.scrollable_content_region.width or self.size.width, self.glyphs, self.mode, numbered=self.numbered
        )
        self.virtual_size = Size(self.size.width, len(self.view))
        self.restyle()

    def _go(self, line: int, *, always: bool = False) -> None:
        """Put the cursor on a line, or as near as there is one, and bring it into sight."""
        line = min(max(line, 0), len(self.view) - 1)
        self._place(line, always=always)
        if line < 0:
            return
        top, height = self.scroll_offset.y, max(self.size.height, 1)
        if line < top:
            self.scroll_to(y=line, animate=False, immediate=True)
        elif line >= top + height:
            self.scroll_to(y=line - height + 1, animate=False, immediate=True)

    def _place(self, line: int, *, always: bool = False) -> None:
        number = self.view.numbers[line] if line >= 0 else 0
        if number != self.current or always:
            self.current = number
            self.refresh()
            self.post_message(self.Moved(number))

    # What is painted.

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        line = self.scroll_offset.y + y
        plain = self.rich_style
        if self._recording is None or not 0 <= line < len(self.view):
            return Strip.blank(width, plain)
        number = self.view.numbers[line]
        strip = self._strips.get(number)
        if strip is None:
            self._paint_window(width)
            strip = self._strips.get(number, Strip.blank(width, plain))
        first, last = self.selected
        if number == self.current:
            # The mark of the cursor is the first cell, so that it shows without colours too.
            head = Segment(self.glyphs.folded, self.get_component_rich_style("timeline--mark"))
            strip = _over(Strip([head, *strip.crop(1)]), self.get_component_rich_style("timeline--cursor"))
        elif self.range_from is not None and first <= line <= last:
            strip = _over(strip, self.get_component_rich_style("timeline--range"))
        return strip

    def _paint_window(self, width: int) -> None:
        """Paint all lines in sight: fetched together they cost little more than one."""
        assert self._recording is not None
        top = self.scroll_offset.y
        wanted = self.view.numbers[max(top - 1, 0) : top + self.size.height + 1]
        if len(self._strips) > KEPT:
            self._strips.clear()
        previous: int | None = None
        try:
            lines = self._recording.lines(wanted)
        except CaptureError as error:
            # An error while painting would end the whole screen.
            self.post_message(Failed(str(error)))
            return
        for at, shown in enumerate(lines):
            number = shown.event.n
            if (at or not top) and number not in self._strips:
                self._strips[number] = rendered(shown, partial(self._painted, previous_ns=previous, width=width))
            previous = shown.event.at_ns

    def _painted(self, shown: Shown, *, previous_ns: int | None, width: int) -> Strip:
        style = self.get_component_rich_style
        segments = [
            Segment(cell.text, style(cell.style))
            for cell in self._columns.cells(
                shown,
                start_ns=self._start_ns,
                previous_ns=previous_ns,
                cursor=False,
                mark=self.marked.get(shown.event.n, ""),
            )
        ]
        trouble = is_trouble(shown.event)
        segments += self._summary(shown, style("timeline--trouble" if trouble else "timeline--text"))
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _summary(self, shown: Shown, style: Style) -> list[Segment]:
        text = self.glyphs.plain(summary(shown))[self.shift :]
        room = self._columns.room
        if cell_len(text) > room:
            text = set_cell_size(text, room - 1) + self.glyphs.more
        at = self._find(text)
        if at < 0:
            return [Segment(text, style)]
        end = at + len(self.needle)
        hit = style + self.get_component_rich_style("timeline--hit", partial=True)
        return [Segment(text[:at], style), Segment(text[at:end], hit), Segment(text[end:], style)]

    def _find(self, text: str) -> int:
        if not self.needle:
            return -1
        return text.lower().find(self.needle) if self.needle.islower() else text.find(self.needle)


def _over(strip: Strip, style: Style) -> Strip:
    """Return `strip` on the background of `style`; what is marked by colours of its own keeps them."""
    background = Style(bgcolor=style.bgcolor)
    return Strip([Segment(text, (own or Style()) + background) for text, own, _ in strip], strip.cell_length)


class ColumnTitles(Widget):
    """What is above the timeline's columns."""

    DEFAULT_CSS = "ColumnTitles { height: 1; background: $panel; }"

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline

    def render_line(self, y: int) -> Strip:
        timeline = self._timeline
        width = self.size.width - timeline.scrollbar_size_vertical
        columns = Columns(width, timeline.glyphs, timeline.mode, numbered=timeline.numbered)
        style = timeline.get_component_rich_style("timeline--title")
        text = "".join(cell.text for cell in columns.titles()) + "summary"
        return Strip([Segment(text, style)]).adjust_cell_length(self.size.width, style)
