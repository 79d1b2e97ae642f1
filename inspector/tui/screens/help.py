"""The help: every key there is, made from the bindings themselves, so that it cannot lie."""

from collections.abc import Iterable, Mapping

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

_KEYS = {
    "slash": "/", "question_mark": "?", "colon": ":", "apostrophe": "'", "exclamation_mark": "!", "pageup": "PgUp",
    "pagedown": "PgDn", "up": "Up", "down": "Down", "left": "Left", "right": "Right", "home": "Home", "end": "End",
    "escape": "Esc", "enter": "Enter", "space": "Space", "tab": "Tab", "shift+tab": "Shift+Tab", "equals_sign": "=",
    "left_square_bracket": "[", "right_square_bracket": "]", "asterisk": "*", "minus": "-", "plus": "+",
    "less_than_sign": "<", "greater_than_sign": ">", "full_stop": ".", "comma": ",", "underscore": "_",
}  # fmt: skip


def key_words(keys: str) -> str:
    """Return keys, as a binding names them, as they are on a keyboard."""
    return ", ".join(_key_word(key.strip()) for key in keys.split(",") if key.strip())


def _key_word(key: str) -> str:
    if key in _KEYS:
        return _KEYS[key]
    if key.startswith("ctrl+"):
        return "Ctrl+" + _key_word(key.removeprefix("ctrl+")).upper()
    return key


class HelpScreen(ModalScreen[None]):
    """All keys, pane by pane."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > VerticalScroll {
        width: 84; max-width: 100%; height: 90%; background: $surface; border: round $primary; padding: 0 2;
    }
    HelpScreen.plain > VerticalScroll { border: ascii $primary; }
    """
    BINDINGS = [
        Binding("escape,q,question_mark", "dismiss", "back"),
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
    ]

    def __init__(self, groups: Mapping[str, Iterable[BindingType]], *, plain: bool = False) -> None:
        super().__init__(classes="plain" if plain else "")
        self._groups = groups

    def compose(self) -> ComposeResult:
        with VerticalScroll() as pane:
            pane.border_title = "keys"
            pane.border_subtitle = "Esc back"
            yield Static(self._text())

    def action_scroll(self, direction: str) -> None:
        pane = self.query_one(VerticalScroll)
        (pane.scroll_down if direction == "down" else pane.scroll_up)()

    def _text(self) -> Text:
        text = Text()
        for title, bindings in self._groups.items():
            text.append(f"\n{title}\n", "bold underline")
            for binding in bindings:
                if isinstance(binding, Binding) and binding.description:
                    text.append(f"  {key_words(binding.key):<20}", "bold")
                    text.append(f" {binding.tooltip or binding.description}\n")
        return text
