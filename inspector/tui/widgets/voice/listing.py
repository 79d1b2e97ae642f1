"""What lists of the voice screen have in common: lines that each belong to a row, and a cursor on one of them."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.strip import Strip

from inspector.model import Severity
from inspector.tui.lane_colours import LANE_CLASSES, LANES_CSS
from inspector.tui.look import Glyphs
from inspector.tui.widgets.charts.canvas import Canvas, CanvasWidget

STYLES = (
    "plain", "quiet", "title", "axis", "cursor", "chosen", "line", "client", "server", "live", "error", "warn", "info",
)  # fmt: skip


def severity_mark(severity: Severity | None, glyphs: Glyphs) -> tuple[str, str]:
    """Return the mark of a severity and its style; blanks where nothing was noticed."""
    match severity:
        case Severity.ERROR:
            return glyphs.close, "error"
        case Severity.WARN:
            return "!", "warn"
        case Severity.INFO:
            return "i", "info"
    return "", "plain"


class Painted(CanvasWidget):
    """A widget on a canvas that leads to rows of the timeline."""

    PREFIX = "voice"

    COMPONENT_CLASSES = {f"voice--{name}" for name in STYLES} | LANE_CLASSES
    DEFAULT_CSS = f"""
    Painted {{
        background: $background; width: 1fr;
        & > .voice--plain {{ color: $foreground; }}
        & > .voice--quiet {{ color: $text-muted; }}
        & > .voice--title {{ color: $foreground; text-style: bold; }}
        & > .voice--axis {{ color: $foreground 40%; }}
        & > .voice--cursor {{ color: $foreground; text-style: bold; }}
        & > .voice--chosen {{ color: $block-cursor-foreground; background: $block-cursor-background; }}
        & > .voice--line {{ background: $foreground 12%; }}
        &:focus > .voice--line {{ background: $primary 35%; }}
        & > .voice--client {{ color: $accent; }}
        & > .voice--server {{ color: $primary; }}
        & > .voice--live {{ color: $success; text-style: bold; }}
        & > .voice--error {{ color: $error; text-style: bold; }}
        & > .voice--warn {{ color: $warning; text-style: bold; }}
        & > .voice--info {{ color: $primary; text-style: bold; }}
        {LANES_CSS}
    }}
    """

    class Pointed(Message):
        """The cursor is elsewhere, or something else is there."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Painted.Pointed)

    @dataclass
    class Goto(Message):
        """The person wants to see a row."""

        row: int

    @property
    @abstractmethod
    def row(self) -> int | None:
        """The row of what is under the cursor."""

    @abstractmethod
    def description(self) -> tuple[str, str]:
        """Return when it was, and in words what it is that is under the cursor."""

    def changed(self) -> None:
        super().changed()
        self.post_message(self.Pointed())

    def action_goto(self) -> None:
        if self.row is not None:
            self.post_message(self.Goto(self.row))

    def on_focus(self) -> None:
        self.changed()

    def on_blur(self) -> None:
        self.changed()


class Listing(Painted):
    """Lines below a title, with a cursor on one of them."""

    BINDINGS = [
        Binding("enter", "goto", "go to the row", tooltip="Show in the timeline what is under the cursor"),
        Binding("up,k", "move(-1)", "line up", show=False),
        Binding("down,j", "move(1)", "line down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False),
        Binding("home,g", "to(0)", "first line", show=False),
        Binding("end,G", "to(-1)", "last line", show=False),
    ]
    TITLES: ClassVar[int] = 1
    """Lines at the top that stay where they are."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self.at = 0
        """The line under the cursor."""
        self._top = 0

    @property
    @abstractmethod
    def count(self) -> int:
        """How many lines there are."""

    @abstractmethod
    def draw_titles(self, canvas: Canvas) -> None:
        """Draw the lines at the top."""

    @abstractmethod
    def draw_item(self, canvas: Canvas, y: int, at: int) -> None:
        """Draw a line; its first column is the cursor's."""

    def draw(self, canvas: Canvas) -> None:
        self.draw_titles(canvas)
        for y, at in enumerate(range(self._top, min(self._top + canvas.height - self.TITLES, self.count)), self.TITLES):
            self.draw_item(canvas, y, at)
            if at == self.at:
                # The mark shows without colours too.
                canvas.put(0, y, self.glyphs.folded, "cursor")

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        if y - self.TITLES + self._top != self.at or y < self.TITLES:
            return strip
        background = Style(bgcolor=self.get_component_rich_style("voice--line").bgcolor)
        return Strip([Segment(text, (own or Style()) + background) for text, own, _ in strip], strip.cell_length)

    def changed(self) -> None:
        height = max(self.size.height - self.TITLES, 1)
        self.at = max(min(self.at, self.count - 1), 0)
        self._top = max(min(self._top, self.at, self.count - height), self.at - height + 1, 0)
        super().changed()

    def action_move(self, lines: int) -> None:
        self.at += lines
        self.changed()

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(self.size.height - self.TITLES - 1, 1))

    def action_to(self, line: int) -> None:
        self.at = line if line >= 0 else self.count - 1
        self.changed()

    def on_click(self, event: events.Click) -> None:
        line = self._top + event.y - self.TITLES
        if event.y >= self.TITLES and line < self.count:
            self.at = line
            self.changed()
            if event.chain > 1:
                self.action_goto()

    def on_mouse_scroll_down(self) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-1)
