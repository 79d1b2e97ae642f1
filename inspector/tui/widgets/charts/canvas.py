"""What paints itself cell by cell: a canvas, and a widget that is one.

Such a widget is painted whole when something about it has changed, and its lines are kept until then.
"""

from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip

from inspector.tui.guarded import Guarded
from inspector.tui.lane_colours import LANE_CLASSES
from inspector.tui.look import Glyphs


class Canvas:
    """Cells with a text and a style each, put down in any order."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._cells = [[(" ", "plain")] * width for _ in range(height)]

    def put(self, x: int, y: int, text: str, style: str = "plain") -> None:
        """Write `text`, whose characters take one or two cells each; what lies outside is left out."""
        if not 0 <= y < self.height:
            return
        for char in text:
            cells = cell_len(char)
            if x >= 0 and x + cells <= self.width:
                if cells:
                    self._cells[y][x : x + cells] = [(char, style)] + [("", style)] * (cells - 1)
                elif x:
                    before, its_style = self._cells[y][x - 1]
                    self._cells[y][x - 1] = before + char, its_style
            x += cells

    def restyle(self, x: int, y: int, style: str) -> None:
        """Give what is in a cell another style."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._cells[y][x] = (self._cells[y][x][0], style)

    def blank(self, x: int, y: int) -> bool:
        """Say whether nothing was put there."""
        return self._cells[y][x] == (" ", "plain")

    def line(self, y: int, painted: Callable[[str, str], Segment]) -> Strip:
        """Return a line; `painted` makes a segment of a text and the name of its style."""
        segments = []
        text, style = "", "plain"
        for char, own in self._cells[y]:
            if own != style and text:
                segments.append(painted(text, style))
                text = ""
            text, style = text + char, own
        if text:
            segments.append(painted(text, style))
        return Strip(segments, self.width)


class CanvasWidget(Guarded, can_focus=True):
    """A widget that is painted on a canvas. Its styles are component classes, `PREFIX` before their names."""

    PREFIX: ClassVar[str]

    def __init__(self, glyphs: Glyphs, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.glyphs = glyphs
        self._canvas: Canvas | None = None

    def draw(self, canvas: Canvas) -> None:
        """Draw all that is in sight."""
        raise NotImplementedError

    def changed(self) -> None:
        """Paint again."""
        self._canvas = None
        self.refresh()

    def on_resize(self) -> None:
        self.changed()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        canvas = self._canvas
        if canvas is None or (canvas.width, canvas.height) != (width, height):
            canvas = self._canvas = Canvas(width, height)
            self.draw(canvas)
        return canvas.line(y, self._segment) if y < height else Strip.blank(width, self.rich_style)

    def _segment(self, text: str, style: str) -> Segment:
        name = style if style in LANE_CLASSES else f"{self.PREFIX}--{style}"
        return Segment(self.glyphs.plain(text), self.get_component_rich_style(name))
