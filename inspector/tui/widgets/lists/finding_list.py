"""The list of cases and their findings, one line each. Only the lines in sight are painted, so ten
thousand cost what ten do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from inspector.analysis.cases import Case, Listed
from inspector.inert import inert
from inspector.report.findings import whose
from inspector.tui.guarded import Guarded
from inspector.tui.lane_colours import LANE_CLASSES, LANES_CSS, lane_style
from inspector.tui.look import Glyphs
from inspector.tui.widgets.detail.findings import severity_words
from inspector.words import clock

# Columns of a rule's name, and from which on it, and milliseconds, have room.
_RULE, _ROOMY = 26, 110
# Columns of a rule's name where there is little room.
_SHORT_RULE = 20


class Entry(NamedTuple):
    """A line of the list."""

    listed: Listed
    case: Case | None = None
    """What it is the first of; None for the other findings of a case."""
    unfolded: bool = False
    """The other findings are listed below it."""


class FindingList(Guarded, ScrollView, can_focus=True):
    """Cases and findings, in the order in which they are given."""

    STYLES = ("title", "quiet", "plain", "rule", "error", "warn", "info", "cursor")
    DEFAULT_CSS = """
    FindingList { background: $background; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    FindingList > .found--title { color: $text-muted; text-style: bold; }
    FindingList > .found--quiet { color: $text-muted; }
    FindingList > .found--plain { color: $foreground; }
    FindingList > .found--rule { color: $foreground; text-style: bold; }
    FindingList > .found--error { color: $error; text-style: bold; }
    FindingList > .found--warn { color: $warning; text-style: bold; }
    FindingList > .found--info { color: $primary; text-style: bold; }
    FindingList > .found--cursor { background: $foreground 12%; }
    FindingList:focus > .found--cursor { background: $primary 35%; }
    """ + LANES_CSS.replace("&", "FindingList")
    COMPONENT_CLASSES = {*(f"found--{name}" for name in STYLES), *LANE_CLASSES}
    BINDINGS = [
        Binding("up,k", "move(-1)", "finding above", show=False),
        Binding("down,j", "move(1)", "finding below", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False),
        Binding("home,g", "to(0)", "first finding", show=False),
        Binding("end,G", "to(-1)", "last finding", show=False),
    ]
    ALLOW_SELECT = False

    @dataclass
    class Moved(Message):
        """Another line is under the cursor; None where there is none. While many come, only the last counts."""

        entry: Entry | None

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, FindingList.Moved)

    class Opened(Message):
        """A finding was clicked twice."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._entries: Sequence[Entry] = ()
        self._cursor = 0

    @property
    def current(self) -> Entry | None:
        """What is under the cursor."""
        return self._entries[self._cursor] if self._entries else None

    def show(self, entries: Sequence[Entry], *, row: int | None = None) -> None:
        """Show other lines; the cursor stays on its own, or goes to the first at `row` where that is asked for."""
        current = self.current
        self._entries = entries
        self.virtual_size = Size(self.size.width, len(entries))
        place: int | None = None
        if row is not None:
            place = next((at for at, each in enumerate(entries) if each.listed.finding.event == row), None)
        elif current is not None:
            place = next((at for at, each in enumerate(entries) if each.listed.id == current.listed.id), None)
        self._go(self._cursor if place is None else place)
        self.refresh()

    def to(self, listed: Listed) -> None:
        """Put the cursor on a finding."""
        place = next((at for at, each in enumerate(self._entries) if each.listed.id == listed.id), None)
        if place is not None:
            self._go(place)

    def action_move(self, lines: int) -> None:
        self._go(self._cursor + lines)

    def action_page(self, pages: int) -> None:
        self._go(self._cursor + pages * max(self.size.height - 1, 1))

    def action_to(self, line: int) -> None:
        self._go(line if line >= 0 else len(self._entries) - 1)

    def on_click(self, event: events.Click) -> None:
        line = self.scroll_offset.y + event.y
        if line < len(self._entries):
            self._go(line)
            if event.chain > 1:
                self.post_message(self.Opened())

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._entries))
        self._go(self._cursor)

    def _go(self, line: int) -> None:
        self._cursor = line = max(min(line, len(self._entries) - 1), 0)
        top, height = self.scroll_offset.y, max(self.size.height, 1)
        if not top <= line < top + height:
            self.scroll_to(y=line if line < top else line - height + 1, animate=False, immediate=True)
        self.refresh()
        self.post_message(self.Moved(self.current))

    def titles(self, width: int) -> str:
        """Return what is above the columns of a list of `width` columns."""
        time, rule = (12, _RULE) if width >= _ROOMY else (8, _SHORT_RULE)
        return f" {'severity':<8} {'row':>9}  {'time':<{time}} conn  {'rule':<{rule}} what was noticed"

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        line = self.scroll_offset.y + y
        if line >= len(self._entries):
            return Strip.blank(width, self.rich_style)
        strip = Strip(self._segments(self._entries[line], width)).adjust_cell_length(width, self.rich_style)
        if line != self._cursor:
            return strip
        # The mark shows without colours too.
        head = Segment(self._glyphs.folded, self.get_component_rich_style("found--rule"))
        background = Style(bgcolor=self.get_component_rich_style("found--cursor").bgcolor)
        segments = [head, *strip.crop(1)]
        return Strip([Segment(text, (own or Style()) + background) for text, own, _ in segments], width)

    def _segments(self, entry: Entry, width: int) -> Iterator[Segment]:
        roomy = width >= _ROOMY
        listed, case = entry.listed, entry.case
        finding, style = listed.finding, self.get_component_rich_style
        severity = case.severity if case is not None else finding.severity
        yield Segment(f" {severity_words(severity):<8} ", style(f"found--{severity.name.lower()}"))
        time = clock(listed.at_ns)
        yield Segment(f"{finding.event:>9,}  {time if roomy else time[:8]} ", style("found--quiet"))
        yield Segment(f"#{listed.connection:<4} ", style(lane_style(listed.connection)))
        room = _RULE if roomy else _SHORT_RULE
        # What can be unfolded says so, and how much there is.
        mark = "  " if case is None else f"{self._glyphs.unfolded if entry.unfolded else self._glyphs.folded} "
        mark = "" if case is not None and len(case.findings) == 1 else mark
        rule = self._glyphs.plain(f"{mark}{inert(finding.rule)}")
        yield Segment(_fitted(rule, room, self._glyphs.more) + " ", style("found--rule"))
        more = f"[{len(case.findings):,}] " if case is not None and len(case.findings) > 1 else ""
        account = whose(case) if case is not None else ""
        text = f"{account}: {finding.text}" if account else finding.text
        text = more + " ".join(self._glyphs.plain(inert(text)).split())
        left = width - 9 - 11 - (13 if roomy else 9) - 6 - room - 2
        yield Segment(_fitted(text, left, self._glyphs.more), style("found--plain"))


def _fitted(text: str, room: int, more: str) -> str:
    """Return `text` in `room` columns, filled up or cut."""
    if cell_len(text) <= room:
        return set_cell_size(text, room)
    return set_cell_size(text, max(room - 1, 0)) + more
