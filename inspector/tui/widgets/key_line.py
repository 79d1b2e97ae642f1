"""The bottom line: the keys that work here, and what they do.

Textual's own footer is a widget a key, all of them made anew whenever the focus goes elsewhere; with twenty keys that
is a quarter of the time that a screen takes to start. This is one line of text that takes clicks.
"""

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

# Columns between two keys.
_BETWEEN = 1


class KeyLine(Widget):
    """Says the keys of the bindings that are to be shown, in their order. A click on one is as good as the key."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyLine { dock: bottom; height: 1; width: 1fr; background: $footer-background; text-wrap: nowrap; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._line = Content()
        self._keys: list[tuple[int, str]] = []
        """The column after each key's text, and the key."""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def render(self) -> Content:
        return self._line

    def on_mouse_down(self, event: events.MouseDown) -> None:
        for end, key in self._keys:
            if event.x < end:
                self.app.simulate_key(key)
                return

    def _changed(self, screen: Screen[object]) -> None:
        parts: list[Content | tuple[str, str]] = []
        self._keys = []
        column = 0
        actions = set()
        for _, binding, enabled, _ in screen.active_bindings.values():
            if not binding.show or binding.action in actions:
                continue
            actions.add(binding.action)
            display, dim = self.app.get_key_display(binding), "" if enabled else " dim"
            item = Content.assemble(
                (display, f"bold $footer-key-foreground{dim}"),
                (f" {binding.description}", f"$footer-description-foreground{dim}"),
            )
            parts += [item, (" " * _BETWEEN, "")]
            column += item.cell_length + _BETWEEN
            self._keys.append((column, binding.key))
        line = Content.assemble(*parts)
        if line != self._line:
            self._line = line
            self.refresh()
