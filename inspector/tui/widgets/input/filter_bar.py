"""The line in which the timeline is narrowed: a filter, coloured while it is written, and what it means in words.

What is in it without the focus is always the filter that is in force. A filter that cannot be read never is.
"""

from dataclasses import dataclass
from textwrap import wrap

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input, Static

from inspector.inert import inert
from inspector.protocol.registry import Registry
from inspector.query.complete import Candidate, complete
from inspector.query.fields import BY_NAME
from inspector.query.grammar import MAX_LENGTH, FilterError, Token, parse, tokens
from inspector.query.tree import Everything, Filter
from inspector.query.words import say
from inspector.report.cells import clip
from inspector.tui.guarded import Guarded
from inspector.tui.look import Glyphs
from inspector.tui.widgets.input.candidates import Candidates
from inspector.tui.widgets.input.history import History
from inspector.tui.widgets.input.typed import Typed
from inspector.words import counted

_HINT = "Tab completes  Up/Down history  Ctrl+R searches it  Enter applies  Esc leaves"
# Columns of what is before the input.
_LABEL = 10
# Columns below which words next to the filter say nothing.
_FEWEST = 12
# Lines of an error, with its carets.
_ERROR_LINES = 4


class FilterBar(Guarded):
    """The filter in force, and the place to write another. `edit` begins to write."""

    DEFAULT_CSS = """
    FilterBar { height: auto; background: $surface; }
    FilterBar > Horizontal { height: 1; }
    FilterBar .filter-bar--label { width: auto; color: $text-muted; padding: 0 1; }
    FilterBar.writing .filter-bar--label { color: $primary; text-style: bold; }
    FilterBar .filter-bar--aside { width: auto; color: $text-muted; padding: 0 1; text-wrap: nowrap; }
    FilterBar .filter-bar--below { display: none; height: auto; color: $text-muted; text-wrap: nowrap; }
    FilterBar.writing .filter-bar--below { display: block; }
    FilterBar .filter-bar--below.wrong { color: $text-error; }
    """
    # The input has some of these keys first, and lets them through.
    BINDINGS = [
        Binding("tab", "accept", "complete the word, or list what can follow", show=False),
        Binding("right", "accept_open", "the same, at the end of the filter", show=False),
        Binding("up", "choose(-1)", "candidate above; without a list, the previous filter", show=False),
        Binding("down", "choose(1)", "candidate below; without a list, the next filter", show=False),
        Binding("ctrl+r", "search_history", "search the filters written before", show=False),
        Binding("enter", "apply", "apply the filter; after up or down, take the candidate", show=False),
        Binding("escape", "escape", "close the list; then leave, with the filter as it was", show=False),
    ]

    narrowing = reactive("")
    """What else narrows the timeline, in words: ``connection 2``."""
    progress: reactive[float | None] = reactive(None)
    """How far a scan is, from 0 to 1; None where none runs."""
    count: reactive[int | None] = reactive(None)
    """How many rows pass, None where no one counts."""

    @dataclass
    class Applied(Message):
        """The person wants another filter; `text` has been understood as `filter`."""

        text: str
        filter: Filter

    class Left(Message):
        """The person is done with the bar."""

    def __init__(self, registry: Registry, glyphs: Glyphs, history: History, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.value = ""
        """The filter in force."""
        self.filter: Filter = Everything()
        """The same, parsed."""
        self._registry = registry
        self._glyphs = glyphs
        self._history = history
        self._draft: str | None = None
        self._span = (0, 0)
        # Where one is in the history: how many entries from its end. What was being written is at 0.
        self._back = 0
        self._written = ""
        self._searching = False
        # The text that the program put there itself, which is no reason to offer anything.
        self._placed = ""
        self._offered_for = ""
        self._error: FilterError | None = None

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static(
                Content(f"filter {'>' if self._glyphs.ascii else self._glyphs.folded}"), classes="filter-bar--label"
            )
            yield FilterInput(self._glyphs)
            yield Static(classes="filter-bar--aside")
        yield Static(classes="filter-bar--below")
        yield Candidates(self._glyphs)

    def on_mount(self) -> None:
        self.watch(self._input, "scroll_x", self._show_below, init=False)
        self.watch(self._input, "selection", self._cursor_moved, init=False)
        self._place(self.value)

    def set(self, text: str) -> None:
        """Show `text` as the filter in force. Posts nothing. Raises FilterError, and then nothing changes."""
        self.filter = parse(text, self._registry)
        self.value = text.strip()
        self._draft = None
        if self.is_mounted:
            self._place(self.value)

    def edit(self) -> None:
        """Begin to write."""
        # At once, so that anyone who types on writes into it.
        self.screen.set_focus(self._input)
        self._input.cursor_position = len(self._input.value)

    # What the person does.

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self.add_class("writing")
        self._back = 0
        if self._draft is not None:
            self._place(self._draft)
        self._show()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        # Who only went to look something up finds what was written again.
        self._draft = self._input.value if self._input.value.strip() != self.value else None
        self.remove_class("writing")
        self._place(self.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._error = self._check(event.value)
        if event.value == self._placed:
            self._offer([])
        elif self._input.has_focus:
            self._placed = ""
            self._back = 0
            self._complete()
        self._show()

    def on_candidates_clicked(self, event: Candidates.Clicked) -> None:
        event.stop()
        self.action_accept()

    def on_click(self) -> None:
        self.edit()

    def action_apply(self) -> None:
        """Take the candidate that the person went to; else the filter, if it can be read."""
        if self._list.display and self._list.moved:
            self.action_accept()
            return
        text = self._input.value
        self._offer([])
        self._error = self._check(text)
        if self._error is not None:
            self._show()
            return
        self.set(text)
        self._history.add(self.value)
        self.post_message(self.Applied(self.value, self.filter))
        self.post_message(self.Left())

    def action_accept(self) -> None:
        """Take the chosen candidate, or open the list; let the key go where there is nothing to take."""
        if not self._list.display:
            self._complete()
            if not self._list.display:
                raise SkipAction
            return
        candidate = self._list.chosen
        assert candidate is not None
        start, end = self._span
        text = self._input.value
        if self._searching:
            self._place(candidate.text)
            return
        taken = candidate.text if candidate.text.endswith(".") else candidate.text + " "
        self._input.value = text[:start] + taken + text[end:].lstrip()
        self._input.cursor_position = start + len(taken)

    def action_accept_open(self) -> None:
        if not self._list.display:
            raise SkipAction
        self.action_accept()

    def action_choose(self, way: int) -> None:
        """Go up or down in the list; where there is none, in the history."""
        if self._list.display:
            self._list.move(way)
            return
        entries = self._history.entries
        back = min(max(self._back - way, 0), len(entries))
        if back == self._back:
            return
        if self._back == 0:
            self._written = self._input.value
        self._back = back
        self._place(entries[-back] if back else self._written)

    def action_search_history(self) -> None:
        """List the filters of before that have the text in them; again goes to the next."""
        if self._searching:
            self._list.move(1)
            return
        self._searching = True
        self._complete()

    def action_escape(self) -> None:
        if self._list.display:
            self._offer([])
            self._show()
            return
        self._draft = None
        self._place(self.value)
        self.post_message(self.Left())

    def _cursor_moved(self) -> None:
        """Take back an offer for another place in the same text."""
        if self._list.display and not self._searching and self._input.value == self._offered_for:
            self._offer([])
            self._show()

    # What is shown.

    def watch_narrowing(self) -> None:
        self._show_aside()

    def watch_progress(self) -> None:
        self._show_aside()

    def watch_count(self) -> None:
        self._show_aside()

    def on_resize(self) -> None:
        self._show()

    @property
    def _input(self) -> "FilterInput":
        return self.query_one(FilterInput)

    @property
    def _list(self) -> Candidates:
        return self.query_one(Candidates)

    def _read(self, text: str) -> Filter:
        """Return what is to be restated: nothing while it is wrong, which `_error` may not know yet."""
        try:
            return parse(text, self._registry)
        except FilterError:
            return Everything()

    def _check(self, text: str) -> FilterError | None:
        try:
            parse(text, self._registry)
        except FilterError as error:
            return error
        return None

    def _place(self, text: str) -> None:
        """Put `text` into the input, with nothing offered."""
        self._placed = text
        self._error = self._check(text)
        self._offer([])
        self._input.value = text
        # Who does not write wants to see how it begins. An input scrolls only when its cursor moves.
        self._input.cursor_position = 0
        if self._input.has_focus:
            self._input.cursor_position = len(text)
        self._show()

    def _complete(self) -> None:
        """Offer what may be at the cursor or, while the history is searched, what was written before."""
        text = self._input.value
        if self._searching:
            self._span = 0, len(text)
            self._offer([Candidate(entry, "") for entry in self._history.containing(text)], searching=True)
        else:
            found = complete(text, self._input.cursor_position, self._registry)
            self._span = found.start, found.end
            self._offer(found.items)

    def _offer(self, items: "list[Candidate] | tuple[Candidate, ...]", *, searching: bool = False) -> None:
        self._searching = searching and bool(items)
        self._offered_for = self._input.value
        self._list.offer(items, self._column(self._span[0]) if items else 0)

    def _column(self, at: int) -> int:
        """Return the column of the bar at which the character `at` of the input stands, or would if there were room."""
        box = self._input
        column = cell_len(box.value[:at]) - box.scroll_offset.x
        return box.region.x - self.region.x + min(max(column, 0), max(box.size.width - 1, 0))

    def _show(self) -> None:
        if self.is_mounted:
            self._input.wrong = self._visible_error
            self._input.refresh()
            self._show_aside()
            self._show_below()

    @property
    def _visible_error(self) -> FilterError | None:
        """The error, unless the filter is merely not finished and the list shows how it may continue."""
        error = self._error
        unfinished = error is not None and error.column + error.length >= self._input.cursor_position
        return None if unfinished and self._list.display else error

    def _show_below(self) -> None:
        """Show what is wrong, below where it is wrong, or which keys there are."""
        below = self.query_one(".filter-bar--below", Static)
        error = self._visible_error
        below.set_class(error is not None, "wrong")
        below.update(Content(" " + _HINT if error is None else self._pointed_out(error)))

    def _pointed_out(self, error: FilterError) -> str:
        """Return carets below what is wrong, with the sentence next to them, or below where it has no room as well."""
        width = self.size.width - 1
        column = self._column(error.column)
        carets = "^" * max(self._column(error.column + error.length) - column, 1)
        sentence = self._glyphs.plain(inert(error.what))
        if column + len(carets) + 1 + cell_len(sentence) <= width:
            return " " * column + f"{carets} {sentence}"
        if cell_len(sentence) + 2 <= column:
            return f"{sentence} {carets}".rjust(column + len(carets))
        lines = wrap(sentence, max(width - 1, 20))[: _ERROR_LINES - 1]
        return "\n".join([" " * column + carets, *(" " + line for line in lines)])

    def _show_aside(self) -> None:
        """Say what the filter means, and how many rows pass."""
        if not self.is_mounted:
            return
        box, aside = self._input, self.query_one(".filter-bar--aside", Static)
        writing = box.has_focus and box.value.strip() != self.value
        item = self.filter
        if writing:
            item = self._read(box.value)
        words = "" if isinstance(item, Everything) else say(item)
        numbers = "" if writing or self.count is None else counted(self.count, "row")
        if self.progress is not None and not writing:
            # A scan that is not done has not reached 100 %.
            percent = f"{min(int(self.progress * 100), 99)} %"
            numbers = f"{numbers}, {percent}" if numbers else percent
        # The filter comes first, and room to write it; then what nothing else on the line says; then the same in words.
        room = self.size.width - _LABEL - len(numbers) - 4
        needed = cell_len(box.value) + 2
        left = room - (max(needed, room * 3 // 5) if box.has_focus else needed)
        if also := inert(self.narrowing):
            if words and left >= cell_len(also) + _FEWEST:
                words = f"{also}, and {words}"
            else:
                words = f"only {also}"
                left = max(left, min(cell_len(words), room // 3))
        words = clip(self._glyphs.plain(words), left, self._glyphs.more) if left >= _FEWEST else ""
        aside.update(Content("  ".join(part for part in (words, numbers) if part)))


class FilterInput(Input):
    """The input of the bar: one line that colours the parts of a filter, and shows no character that would act."""

    DEFAULT_CSS = """
    FilterInput, FilterInput:focus {
        height: 1; width: 1fr; min-width: 12; border: none; padding: 0; background: $surface; background-tint: 0%;
    }
    FilterInput > .filter-input--field { color: $primary; }
    FilterInput > .filter-input--word { color: $accent; text-style: bold; }
    FilterInput > .filter-input--value { color: $success; }
    FilterInput > .filter-input--wrong { color: $error; text-style: underline; }
    """
    COMPONENT_CLASSES = {f"filter-input--{part}" for part in ("field", "word", "value", "wrong")}

    def __init__(self, glyphs: Glyphs) -> None:
        # Text without a field is looked for, so that every beginning is a filter.
        super().__init__(
            placeholder="f: event =~ MESSAGE_*, op == identify, dir == send, or any text",
            highlighter=_Parts(self, glyphs),
            select_on_focus=False,
            max_length=MAX_LENGTH,
            compact=True,
        )
        self.wrong: FilterError | None = None
        """What is marked as wrong."""

    def action_cursor_right(self, select: bool = False) -> None:
        if not select and self.selection.is_empty and self.cursor_at_end:
            raise SkipAction
        super().action_cursor_right(select)

    async def action_submit(self) -> None:
        raise SkipAction


class _Parts(Typed):
    """Colours what the tokens of a filter are."""

    def __init__(self, box: FilterInput, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self._box = box

    def highlight(self, text: Text) -> None:
        found = tokens(text.plain)
        for at, token in enumerate(found):
            after = found[at + 1] if at + 1 < len(found) else token
            if part := _part(token, after):
                text.stylize(self._style(part), token.column, token.column + token.length)
        if error := self._box.wrong:
            text.stylize(self._style("wrong"), error.column, error.column + error.length)

    def _style(self, part: str) -> Style:
        return self._box.get_component_rich_style(f"filter-input--{part}", partial=True)


def _part(token: Token, after: Token) -> str | None:
    """Return what a token is to the eye: a field, a word of the language, a value."""
    if token.kind in ("operator", "end"):
        return None
    if token.is_word("and", "or", "not", "in"):
        return "word"
    compared = (after.kind == "operator" and after.text not in ("(", ")", ",")) or after.is_word("in", "not")
    if token.kind == "word" and (compared or token.text.startswith("d.")):
        return "field" if token.text.lower() in BY_NAME or token.text.startswith("d.") else None
    return "value"
