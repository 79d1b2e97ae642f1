"""What was typed or pasted into a line, as it can be shown: Textual would write it to the terminal as it is."""

from rich.highlighter import Highlighter
from rich.text import Text

from inspector.inert import inert
from inspector.tui.look import Glyphs


class Typed(Highlighter):
    """Shows a mark in place of each character that is unsafe: one for one, so that columns stay what they are."""

    def __init__(self, glyphs: Glyphs) -> None:
        self._instead = "?" if glyphs.ascii else "\N{REPLACEMENT CHARACTER}"

    def __call__(self, text: str | Text) -> Text:
        plain = "".join(char if inert(char) == char else self._instead for char in str(text))
        safe = Text(plain, no_wrap=True, overflow="ignore", end="")
        self.highlight(safe)
        return safe

    def highlight(self, text: Text) -> None:
        """Colour what there is to colour."""
