"""Many lines of which only those in sight are made: what every tab of the detail is.

A tab says how many lines it has and what is in one; scrolling, painting and remembering are done here. The pieces
of a line are inert already; here they become what the terminal can show.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from inspector.report.present import Shown
from inspector.report.recording import Recording
from inspector.tui.guarded import Guarded
from inspector.tui.look import Glyphs, Piece

# Painted lines that are kept.
KEPT = 1000
# Characters of one line that are painted; scrolling sideways through more is nothing that anyone does.
LONGEST = 4000
# Columns by which lines move sideways at once.
SIDEWAYS = 16

STYLES = (
    "plain",
    "muted",
    "title",
    "label",
    "key",
    "string",
    "number",
    "boolean",
    "null",
    "bytes",
    "note",
    "link",
    "added",
    "removed",
    "changed",
    "error",
    "warn",
    "info",
    "cursor",
)


class Lines(Guarded, ScrollView, can_focus=True, inherit_bindings=False):
    """One tab. Keys are bound where the tabs are, in `Detail`, so that all of them are in one list."""

    DEFAULT_CSS = """
    Lines {
        background: $background;
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
    }
    Lines > .lines--plain { color: $foreground; }
    Lines > .lines--muted { color: $text-muted; }
    Lines > .lines--title { color: $primary; text-style: bold; }
    Lines > .lines--label { color: $text-muted; text-style: bold; }
    Lines > .lines--key { color: $primary; }
    Lines > .lines--string { color: $success; }
    Lines > .lines--number { color: $accent; }
    Lines > .lines--boolean { color: $warning; text-style: bold; }
    Lines > .lines--null { color: $text-muted; text-style: bold; }
    Lines > .lines--bytes { color: $warning; }
    Lines > .lines--note { color: $text-muted; text-style: italic; }
    Lines > .lines--link { color: $primary; text-style: underline; }
    Lines > .lines--added { color: $success; }
    Lines > .lines--removed { color: $error; }
    Lines > .lines--changed { color: $warning; }
    Lines > .lines--error { color: $error; text-style: bold; }
    Lines > .lines--warn { color: $warning; text-style: bold; }
    Lines > .lines--info { color: $primary; text-style: bold; }
    Lines > .lines--cursor { background: $foreground 12%; }
    Lines:focus > .lines--cursor { background: $primary 35%; }
    """
    COMPONENT_CLASSES = {f"lines--{name}" for name in STYLES}
    # Dragging scrolls nothing and selects nothing: a terminal selects text itself with Shift held down.
    ALLOW_SELECT = False

    title = ""
    """The word on the tab."""

    @dataclass
    class FootChanged(Message):
        """What is below the lines has changed."""

        tab: "Lines"
        left: str
        right: str = ""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self.glyphs = glyphs
        self.number = 0
        """The row that is shown, 0 where there is none."""
        self._strips: dict[int, Strip] = {}

    # What a tab says of itself.

    def load(self, shown: Shown, recording: Recording) -> None:
        """Take another row."""
        raise NotImplementedError

    def unload(self) -> None:
        """Forget the row."""
        raise NotImplementedError

    def line_count(self) -> int:
        """Return how many lines there are."""
        raise NotImplementedError

    def pieces(self, line: int) -> Iterable[Piece]:
        """Return what is in a line."""
        raise NotImplementedError

    def line_width(self) -> int:
        """Return the columns of the longest line; 0 where lines fit themselves into the width there is."""
        return 0

    def copied(self) -> tuple[str, str] | None:
        """Return what is copied here, and what to call it."""
        return None

    def say(self) -> None:
        """Say what is below the lines."""
        self.post_message(self.FootChanged(self, ""))

    # What the pane does with it.

    def show(self, shown: Shown | None, recording: Recording) -> None:
        """Show a row, from its beginning if it is another than before."""
        number = 0 if shown is None else shown.event.n
        another, self.number = number != self.number, number
        if shown is None:
            self.unload()
        else:
            self.load(shown, recording)
        self.changed()
        if another:
            self.restart()

    def changed(self) -> None:
        """There are other lines than before."""
        self._strips.clear()
        self.virtual_size = Size(max(self.line_width(), self.room), self.line_count())
        self.refresh()
        self.say()

    def restart(self) -> None:
        """Go to where one begins to read."""
        self.scroll_to(0, 0, animate=False, force=True, immediate=True)

    @property
    def room(self) -> int:
        """Columns that a line has."""
        return self.scrollable_content_region.width

    def move(self, lines: int) -> None:
        self._scroll(self.scroll_offset.y + lines)

    def turn(self, pages: float) -> None:
        lines = max(int(abs(pages) * self.size.height) - 1, 1)
        self.move(lines if pages > 0 else -lines)

    def to_line(self, line: int) -> None:
        """Go to a line; a negative one counts from the end."""
        self._scroll(line if line >= 0 else self.line_count())

    def sideways(self, steps: int) -> None:
        self.scroll_to(x=self.scroll_offset.x + steps * SIDEWAYS, animate=False, force=True, immediate=True)

    def _scroll(self, line: int) -> None:
        self.scroll_to(y=line, animate=False, immediate=True)

    def on_resize(self) -> None:
        self.changed()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    # What is painted.

    def render_line(self, y: int) -> Strip:
        width, plain = self.room, self.rich_style
        line = self.scroll_offset.y + y
        if not 0 <= line < self.line_count():
            return Strip.blank(width, plain)
        strip = self._strips.get(line)
        if strip is None:
            if len(self._strips) >= KEPT:
                self._strips.clear()
            strip = self._strips[line] = self._painted(line)
        left = self.scroll_offset.x
        if strip.cell_length > left + width:
            more = Segment(self.glyphs.more, self._style("muted"))
            return Strip([*strip.crop(left, left + width - 1), more]).adjust_cell_length(width, plain)
        return strip.crop_extend(left, left + width, plain)

    def _painted(self, line: int) -> Strip:
        segments, left = [], LONGEST
        for text, style in self.pieces(line):
            segments.append(Segment(self.glyphs.plain(text[:left]), self._style(style)))
            left -= len(text)
            if left < 0:
                segments.append(Segment(f" {-left:,} more", self._style("muted")))
                break
        return Strip(segments)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"lines--{name}")
