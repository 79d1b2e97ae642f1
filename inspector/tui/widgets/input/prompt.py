"""A line at the bottom that asks for one thing: what to look for, where to go, what to note, where to write."""

from collections.abc import Callable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from inspector.inert import inert
from inspector.tui.look import Glyphs
from inspector.tui.widgets.input.typed import Typed

Answer = Callable[[str], str | None]
"""Takes what was typed. Returns what is wrong with it, None where it was taken."""


class Prompt(Widget):
    """Hidden until it asks."""

    DEFAULT_CSS = """
    Prompt { height: auto; display: none; background: $surface; }
    Prompt.asking { display: block; }
    Prompt Horizontal { height: 1; }
    Prompt Input { height: 1; border: none; padding: 0 1; background: $surface; width: 1fr; }
    Prompt Input:focus { border: none; background-tint: $foreground 5%; }
    Prompt .prompt--label { width: auto; color: $primary; text-style: bold; padding: 0 1; }
    Prompt .prompt--problem { color: $error; height: auto; padding: 0 1; display: none; }
    """
    BINDINGS = [Binding("escape", "leave", "leave", show=False)]

    class Left(Message):
        """Nothing is asked any more."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._answer: Answer | None = None

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static(classes="prompt--label")
            yield Input(compact=True, select_on_focus=False, highlighter=Typed(self._glyphs))
        yield Static(classes="prompt--problem")

    def ask(self, label: str, answer: Answer, *, value: str = "", hint: str = "") -> None:
        """Ask for `label`; `answer` takes what is typed."""
        self._answer = answer
        self.query_one(".prompt--label", Static).update(Content(self._glyphs.plain(inert(label))))
        self._problem("")
        box = self.query_one(Input)
        box.placeholder = hint
        box.value = value
        box.cursor_position = len(value)
        self.add_class("asking")
        # At once, so that anyone who types on writes into it.
        self.screen.set_focus(box)

    def on_input_changed(self) -> None:
        self._problem("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        problem = self._answer(event.value) if self._answer else None
        if problem is None:
            self.action_leave()
        else:
            self._problem(problem)

    def action_leave(self) -> None:
        self.remove_class("asking")
        self.post_message(self.Left())

    def _problem(self, text: str) -> None:
        line = self.query_one(".prompt--problem", Static)
        line.update(Content(self._glyphs.plain(inert(text))))
        line.display = bool(text)
