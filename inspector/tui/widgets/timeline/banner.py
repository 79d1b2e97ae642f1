"""A line across the screen for what must not be missed: the proxy died, the file cannot be read, the client ended."""

from textual.content import Content
from textual.widgets import Static

from inspector.inert import inert
from inspector.tui.look import Glyphs


class Banner(Static):
    """Hidden while there is nothing to say. The worst thing stays."""

    DEFAULT_CSS = """
    Banner { display: none; height: auto; max-height: 4; padding: 0 1; background: $primary 30%; color: $foreground; }
    Banner.said { display: block; }
    Banner.trouble { background: $error; color: $background; text-style: bold; }
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self.text = ""

    def say(self, text: str, *, trouble: bool = False) -> None:
        """Show a sentence; one about trouble is not replaced by another that is none."""
        if text == self.text or (self.has_class("trouble") and not trouble):
            return
        self.text = text
        self.update(Content(self._glyphs.plain(inert(text))))
        self.set_class(bool(text), "said")
        self.set_class(trouble, "trouble")
