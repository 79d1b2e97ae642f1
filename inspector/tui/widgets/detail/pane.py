"""The pane below the timeline: the tabs of one row, and the line that says where in it one is.

Only the tab in sight is given the row; the others get it when they come into sight.
"""

from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from inspector.errors import CaptureError, UsageError
from inspector.faults import is_ours
from inspector.report import cells
from inspector.report.present import Shown
from inspector.report.pretty import text_of
from inspector.report.recording import Recording
from inspector.tui.guarded import Guarded, tell
from inspector.tui.look import Glyphs
from inspector.tui.widgets.detail.compare import CompareTab
from inspector.tui.widgets.detail.explain import ExplainTab
from inspector.tui.widgets.detail.findings import FindingsTab
from inspector.tui.widgets.detail.json_text import JsonTab
from inspector.tui.widgets.detail.lines import Lines
from inspector.tui.widgets.detail.payload import PayloadTab
from inspector.tui.widgets.detail.wire import WireTab


class Detail(Guarded):
    """One row whole. `show` is all that it needs; what the person wants done elsewhere comes back as messages."""

    DEFAULT_CSS = """
    Detail { layout: vertical; height: 1fr; background: $background; }
    """
    BINDINGS = [
        Binding("right_square_bracket", "tab(1)", "next tab"),
        Binding("left_square_bracket", "tab(-1)", "previous tab", show=False),
        Binding("up,k", "move(-1)", "line up", show=False),
        Binding("down,j", "move(1)", "line down", show=False),
        Binding("pageup,ctrl+b", "turn(-1)", "page up", show=False),
        Binding("pagedown,ctrl+f", "turn(1)", "page down", show=False),
        Binding("ctrl+u", "turn(-0.5)", "half a page up", show=False),
        Binding("ctrl+d", "turn(0.5)", "half a page down", show=False),
        Binding("home,g", "to_line(0)", "first line", show=False),
        Binding("end,G", "to_line(-1)", "last line", show=False),
        Binding("left,h", "sideways(-1)", "fold, or to the left", show=False),
        Binding("right,l", "sideways(1)", "unfold, or to the right", show=False),
        Binding("enter,space", "enter", "fold or unfold; go to the other row, or to the evidence", show=False),
        Binding("asterisk", "unfold_below", "unfold all below", show=False),
        Binding("minus", "fold_all", "fold all", show=False),
        Binding("y", "copy", "copy", tooltip="Copy the value; in other tabs all of their text"),
        Binding("Y", "copy_path", "copy the path", show=False),
        Binding("ctrl+y", "copy_all", "copy the payload as JSON", show=False),
        Binding("equals_sign", "filter", "filter by this", tooltip="Only rows with the value under the cursor"),
        Binding("w", "decoded", "bytes on the wire, or decoded", show=False),
        Binding("less_than_sign", "compare(-1)", "compare with an older row; choose the previous row", show=False),
        Binding("greater_than_sign", "compare(1)", "compare with a newer row; choose the next row", show=False),
        Binding("1", "to_row(1)", "go to the first row of evidence, up to 9", show=False),
        *(Binding(str(number), f"to_row({number})", show=False) for number in range(2, 10)),
    ]

    @dataclass
    class Copied(Message):
        """The person wants a text on the clipboard."""

        text: str
        what: str
        """What it is, in words."""

    @dataclass
    class Filter(Message):
        """The person wants to see only rows that this filter lets through."""

        text: str

    @dataclass
    class Goto(Message):
        """The person wants to see another row."""

        number: int

    def __init__(self, *, glyphs: Glyphs, id: str | None = None) -> None:
        super().__init__(id=id)
        self._glyphs = glyphs
        self.payload = PayloadTab(glyphs)
        self.wire = WireTab(glyphs)
        self.comparison = CompareTab(glyphs)
        self.findings = FindingsTab(glyphs)
        self.tabs: tuple[Lines, ...] = (
            self.payload,
            JsonTab(glyphs),
            ExplainTab(glyphs),
            self.wire,
            self.comparison,
            self.findings,
        )
        self.active = 0
        """Which of the tabs is in sight."""
        self._shown: Shown | None = None
        self._recording: Recording | None = None
        self._stale = set(self.tabs)
        self._titles = TabTitles(tuple(tab.title for tab in self.tabs))
        self._foot = Foot(glyphs)

    def compose(self) -> ComposeResult:
        yield self._titles
        for number, tab in enumerate(self.tabs):
            tab.display = number == self.active
            yield tab
        yield self._foot

    def on_mount(self) -> None:
        self._fill()

    @property
    def tab(self) -> Lines:
        """The tab in sight."""
        return self.tabs[self.active]

    def show(self, shown: Shown | None, recording: Recording) -> None:
        """Show a row, in the tab that is in sight; None for no row."""
        self._shown, self._recording = shown, recording
        self._stale = set(self.tabs)
        self._titles.caption = "" if shown is None else self._glyphs.plain(_caption(shown, self._glyphs))
        self._titles.refresh()
        self._fill()

    def focus_content(self) -> None:
        """Take the keys: to the tab in sight."""
        self.screen.set_focus(self.tab)

    def choose(self, number: int) -> None:
        """Bring a tab into sight."""
        had_focus = self.has_focus_within
        self.active = self._titles.active = number
        self._titles.refresh()
        for at, tab in enumerate(self.tabs):
            tab.display = at == number
        self._fill()
        if had_focus:
            self.focus_content()

    def _fill(self) -> None:
        if self.is_mounted and self._recording is not None and self.tab in self._stale:
            self._stale.discard(self.tab)
            try:
                self.tab.show(self._shown, self._recording)
            except CaptureError as error:
                self.tab.show(None, self._recording)
                self._tell(str(error))
            except Exception as error:
                if not is_ours(error):
                    raise
                self.tab.show(None, self._recording)
                tell(self, error)
        else:
            self.tab.say()

    def on_descendant_focus(self) -> None:
        self._titles.add_class("with-keys")

    def on_descendant_blur(self) -> None:
        self._titles.remove_class("with-keys")

    def on_lines_foot_changed(self, message: Lines.FootChanged) -> None:
        message.stop()
        if message.tab is self.tab:
            self._foot.say(message.left, message.right)

    def on_tab_titles_chosen(self, message: "TabTitles.Chosen") -> None:
        message.stop()
        self.choose(message.number)
        self.focus_content()

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that only one tab has are not offered in the others."""
        match action:
            case "unfold_below" | "fold_all" | "copy_path" | "filter":
                return self.tab is self.payload
            case "decoded":
                return self.tab is self.wire
            case "compare":
                return self.tab in (self.comparison, self.findings)
            case "to_row":
                return self.tab is self.findings
            case "enter":
                return self.tab in (self.payload, self.comparison, self.findings)
        return True

    def action_tab(self, step: int) -> None:
        self.choose((self.active + step) % len(self.tabs))
        self.refresh_bindings()

    def action_move(self, lines: int) -> None:
        self.tab.move(lines)

    def action_turn(self, pages: float) -> None:
        self.tab.turn(pages)

    def action_to_line(self, line: int) -> None:
        self.tab.to_line(line)

    def action_sideways(self, steps: int) -> None:
        self.tab.sideways(steps)

    def action_enter(self) -> None:
        if self.tab is self.payload:
            self.payload.toggle()
            return
        wanted = self.findings.target if self.tab is self.findings else self.comparison.other
        if wanted is not None:
            self.post_message(self.Goto(wanted))

    def action_unfold_below(self) -> None:
        if not self.payload.unfold_below():
            self._tell("There is more below than can be unfolded at once.")

    def action_fold_all(self) -> None:
        self.payload.fold_all()

    def action_copy(self) -> None:
        self._copy(self.tab.copied())

    def action_copy_path(self) -> None:
        self._copy(self.payload.copied_path())

    def action_copy_all(self) -> None:
        text = "" if self._shown is None else text_of(self._shown)
        self._copy((text, "the payload as JSON") if text else None)

    def action_filter(self) -> None:
        try:
            self.post_message(self.Filter(self.payload.filter_text()))
        except UsageError as error:
            self._tell(str(error))

    def action_decoded(self) -> None:
        self.wire.toggle_decoded()

    def action_to_row(self, number: int) -> None:
        rows = self.findings.rows
        if number <= len(rows):
            self.post_message(self.Goto(rows[number - 1]))

    def action_compare(self, step: int) -> None:
        if self.tab is self.findings:
            self.findings.choose(step)
        elif not (self.comparison.older() if step < 0 else self.comparison.newer()):
            self._tell(f"There is no {'older' if step < 0 else 'newer'} row of this kind to compare with.")

    def _copy(self, found: tuple[str, str] | None) -> None:
        if found is None:
            self._tell("Nothing to copy here.")
        else:
            self.post_message(self.Copied(*found))

    def _tell(self, sentence: str) -> None:
        self.notify(self._glyphs.plain(sentence), severity="warning")


def _caption(shown: Shown, glyphs: Glyphs) -> str:
    number, name = cells.what(shown, glyphs.more)
    return f"{number} {name}".strip() + f"  row {shown.event.n:,}"


class TabTitles(Widget):
    """The words on the tabs, and at the right what row it is."""

    DEFAULT_CSS = """
    TabTitles { height: 1; background: $panel; }
    TabTitles > .tabtitles--other { color: $text-muted; }
    TabTitles > .tabtitles--active { color: $primary; text-style: bold underline; }
    TabTitles.with-keys > .tabtitles--active { text-style: bold reverse; }
    TabTitles > .tabtitles--caption { color: $foreground; text-style: bold; }
    """
    COMPONENT_CLASSES = {"tabtitles--other", "tabtitles--active", "tabtitles--caption"}
    ALLOW_SELECT = False

    @dataclass
    class Chosen(Message):
        """A tab was clicked."""

        number: int

    def __init__(self, words: tuple[str, ...]) -> None:
        super().__init__()
        self._words = words
        self.active = 0
        self.caption = ""

    def render_line(self, y: int) -> Strip:
        style = self.get_component_rich_style
        segments = [
            Segment(f" {word} ", style(f"tabtitles--{'active' if number == self.active else 'other'}"))
            for number, word in enumerate(self._words)
        ]
        room = self.size.width - sum(segment.cell_length for segment in segments)
        if self.caption and cell_len(self.caption) + 3 <= room:
            text = " " * (room - cell_len(self.caption) - 1) + self.caption + " "
            segments.append(Segment(text, style("tabtitles--caption")))
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        end = 0
        for number, word in enumerate(self._words):
            end += len(word) + 2
            if event.x < end:
                self.post_message(self.Chosen(number))
                return


class Foot(Widget):
    """Where in the row one is: at the left the path, at the right what is there."""

    DEFAULT_CSS = """
    Foot { height: 1; background: $panel; }
    Foot > .foot--left { color: $primary; }
    Foot > .foot--right { color: $text-muted; }
    """
    COMPONENT_CLASSES = {"foot--left", "foot--right"}
    ALLOW_SELECT = False

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._left = self._right = ""

    def say(self, left: str, right: str) -> None:
        self._left, self._right = self._glyphs.plain(left), self._glyphs.plain(right)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        left = self._clipped(f" {self._left}", max(width * 2 // 3, width - cell_len(self._right) - 2))
        right = self._clipped(self._right, max(width - cell_len(left) - 3, 0))
        style = self.get_component_rich_style
        gap = " " * max(width - cell_len(left) - cell_len(right) - 1, 0)
        segments = [Segment(left, style("foot--left")), Segment(gap + right, style("foot--right"))]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _clipped(self, text: str, room: int) -> str:
        if cell_len(text) <= room:
            return text
        return set_cell_size(text, room - 1) + self._glyphs.more if room > 1 else ""
