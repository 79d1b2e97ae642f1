"""The list that drops down from a line of input: ways to continue, one of them chosen.

It only shows and remembers the choice; keys stay with the input.
"""

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.style import Style
from textual.widget import Widget

from inspector.inert import inert
from inspector.query.complete import Candidate
from inspector.report.cells import clip
from inspector.tui.look import Glyphs

# Lines at once.
LINES = 8
# Columns of a candidate before its help; of the whole list.
_LONGEST, _WIDEST = 60, 100


class Candidates(Widget):
    """Hidden while it is empty. Lies over what is below or, where there is no room, above."""

    DEFAULT_CSS = """
    Candidates {
        overlay: screen;
        constrain: inside none;
        width: auto;
        height: auto;
        display: none;
        background: $panel;
        color: $foreground;
    }
    Candidates > .candidates--chosen { background: $primary 40%; text-style: bold; }
    Candidates > .candidates--help { color: $foreground 65%; }
    """
    COMPONENT_CLASSES = {"candidates--chosen", "candidates--help"}
    ALLOW_SELECT = False

    class Clicked(Message):
        """The person clicked on a candidate; it is chosen now."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._items: Sequence[Candidate] = ()
        self._at = 0
        self.moved = False
        """Whether the person moved the choice, and so means it."""

    @property
    def chosen(self) -> Candidate | None:
        """The candidate that would be taken, None where there is none."""
        return self._items[self._at] if self._items else None

    def offer(self, items: Sequence[Candidate], column: int = 0) -> None:
        """Show `items` from `column` of the parent on, below it or above; none hides the list."""
        self._items = items
        self._at = 0
        self.moved = False
        if items and isinstance(self.parent, Widget):
            below, lines = self.parent.region, min(len(items), LINES)
            fits = below.bottom + lines <= self.screen.size.height
            self.styles.offset = (column, 0 if fits else -below.height - lines)
        self.display = bool(items)
        self.refresh(layout=True)

    def move(self, by: int) -> None:
        """Choose the candidate `by` places further; after the last comes the first."""
        self._at = (self._at + by) % len(self._items)
        self.moved = True
        self.refresh(layout=True)

    def render(self) -> Content:
        top = self._top
        items = self._items[top : top + LINES]
        texts = [clip(self._said(item.text), _LONGEST, self._glyphs.more) for item in items]
        column = max(map(cell_len, texts), default=0)
        room = min(self.app.size.width, _WIDEST) - column - 7
        lines = []
        for at, (item, text) in enumerate(zip(items, texts, strict=True), top):
            mark = (self._glyphs.send if at == self._at else " ") + " "
            # The edge says whether there are more.
            more = "^" if at == top > 0 else "v" if at == top + LINES - 1 < len(self._items) - 1 else " "
            line = Content.assemble(
                mark + text + " " * (column - cell_len(text) + 2),
                (clip(self._said(item.help), room, self._glyphs.more) if room > 8 else "", self._style("help")),
            )
            lines.append((line, more, at == self._at))
        width = max((line.cell_length for line, _, _ in lines), default=0)
        return Content("\n").join(
            padded.stylize(self._style("chosen")) if chosen else padded
            for line, more, chosen in lines
            for padded in [Content.assemble(line, " " * (width - line.cell_length + 1), more)]
        )

    def on_mouse_down(self, event: events.MouseDown) -> None:
        # Not the click that follows: by then the input has lost the focus.
        event.stop()
        event.prevent_default()
        if self._top + event.y < len(self._items):
            self._at = self._top + event.y
            self.post_message(self.Clicked())

    @property
    def _top(self) -> int:
        return min(max(self._at - LINES // 2, 0), max(len(self._items) - LINES, 0))

    def _said(self, text: str) -> str:
        return self._glyphs.plain(inert(text))

    def _style(self, name: str) -> Style:
        return self.get_visual_style(f"candidates--{name}", partial=True)
