"""Voice calls: each attempt to get into one as a waterfall, and its end-to-end encryption over time."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Static

from inspector.analysis.voice import VoiceCalls, VoiceReader
from inspector.analysis.voice_call import VoiceCall
from inspector.inert import inert
from inspector.report.recording import Recording
from inspector.store.reader import Reader
from inspector.tui.look import Glyphs
from inspector.tui.screens.reading import ReadingScreen
from inspector.tui.widgets.key_line import KeyLine
from inspector.tui.widgets.voice.dave_track import DaveTrack
from inspector.tui.widgets.voice.listing import Painted
from inspector.tui.widgets.voice.transition_table import TransitionTable
from inspector.tui.widgets.voice.waterfall import Waterfall
from inspector.words import counted, duration

# Lines from which on tracks and table have room next to each other.
_TALL = 44


class VoiceScreen(ReadingScreen):
    """The voice calls of one capture. The call and the attempt at the row where the person is are shown at first."""

    DEFAULT_CSS = """
    VoiceScreen DaveTrack, VoiceScreen TransitionTable { border-top: solid $panel; }
    VoiceScreen.plain DaveTrack, VoiceScreen.plain TransitionTable { border-top: ascii $panel; }
    VoiceScreen TransitionTable { display: none; }
    VoiceScreen.table TransitionTable, VoiceScreen.-tall TransitionTable { display: block; }
    VoiceScreen.table DaveTrack { display: none; }
    VoiceScreen.-tall DaveTrack { display: block; }
    VoiceScreen DaveTrack { max-height: 50%; }
    VoiceScreen #readout { height: 3; background: $panel; padding: 0 1; }
    VoiceScreen #legend { height: auto; max-height: 2; padding: 0 1; color: $text-muted; }
    VoiceScreen.empty Painted, VoiceScreen.empty #readout, VoiceScreen.empty #legend { display: none; }
    """
    VERTICAL_BREAKPOINTS = [(0, "-short"), (_TALL, "-tall")]
    BINDINGS = [
        Binding("tab", "pane(1)", "other pane", tooltip="Switch to the tracks, or back to the handshake"),
        Binding("shift+tab", "pane(-1)", "previous pane", show=False),
        Binding("right_square_bracket", "attempt(1)", "next handshake", tooltip="Show the next attempt of this call"),
        Binding("left_square_bracket", "attempt(-1)", "previous handshake", show=False),
        Binding("c", "call(1)", "next call"),
        Binding("C", "call(-1)", "previous call", show=False),
        Binding("t", "table", "table", tooltip="Transitions as a table, or as tracks over time"),
        Binding("escape,V,q", "back", "back"),
        Binding("question_mark", "help", "help"),
    ]
    NAME = "voice"
    KEYS: ClassVar = {"Voice": BINDINGS, "Handshake": Waterfall.BINDINGS, "Encryption over time": DaveTrack.BINDINGS}

    def __init__(self, recording: Recording, glyphs: Glyphs, *, title: str = "", row: int | None = None) -> None:
        super().__init__(recording, glyphs, title=title, row=row)
        self._calls = VoiceCalls()
        self._at = self._attempt = 0

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Waterfall(self._glyphs, self._recording.registry)
        yield DaveTrack(self._glyphs)
        yield TransitionTable(self._glyphs)
        yield Static("Reading the rows.", id="empty")
        yield Static(id="readout")
        yield Static(id="legend")
        yield KeyLine()

    @property
    def calls(self) -> VoiceCalls:
        """What has been read so far."""
        return self._calls

    @property
    def call(self) -> VoiceCall | None:
        """The call that is shown."""
        return self._calls.calls[self._at] if self._calls.calls else None

    def reading(self, reader: Reader) -> VoiceReader:
        return VoiceReader(reader)

    def show(self, read: VoiceCalls) -> None:
        before = self.call
        self._calls = read
        empty = not read.calls
        self.set_class(empty, "empty")
        if empty:
            self.query_one("#empty", Static).update(self._nothing())
            return
        row: int | None = None
        if self._row is not None and read.counted >= self._row:
            row, self._row = self._row, None
            self._at, self._attempt = read.at(row) or (0, 0)
        elif before is not None:
            # Older calls may have been forgotten meanwhile.
            self._at = next((at for at, call in enumerate(read.calls) if call.first_row == before.first_row), 0)
        self._show(row)
        if self.focused is None:
            self.set_focus(self.query_one(Waterfall))

    def _nothing(self) -> str:
        if self._calls.counted < self._calls.last:
            return "Reading the rows."
        return "No voice call yet: there is no request for one (op 4) and no voice connection."

    def _show(self, row: int | None = None) -> None:
        call = self.call
        assert call is not None
        self._attempt = min(self._attempt, len(call.handshakes) - 1)
        self.query_one(Waterfall).show(call, self._attempt, row)
        self.query_one(DaveTrack).show(call)
        self.query_one(TransitionTable).show(call)
        self.say()

    def description(self) -> list[tuple[str, str]]:
        call, calls = self.call, self._calls
        if call is None:
            return []
        parts = [(f"call {self._at + 1:,} of {len(calls.calls):,}", "")]
        if call.server is not None:
            parts.append((f"in {self._place(call.server)}", ""))
        attempts = len(call.handshakes) + call.left_out
        parts.append((counted(attempts, "handshake"), "$text-muted"))
        parts.append((duration(call.end_ns - call.start_ns), "$text-muted"))
        if call.main is not None:
            parts.append((f"asked on #{call.main}", "$text-muted"))
        if calls.counted < calls.last:
            parts.append((f"reading, {calls.counted * 100 // calls.last} % done", "bold $warning"))
        return parts

    def _place(self, server: str) -> str:
        """Return the name of a guild or channel, or its id where it has not come up."""
        name = self._recording.reader.names.get(int(server)) if server.isdigit() and len(server) < 20 else None
        return inert(name or server)

    def on_painted_pointed(self) -> None:
        """Say what is under the cursor of the pane that one is in."""
        pane = self.focused if isinstance(self.focused, Painted) else self.query_one(Waterfall)
        time, what = pane.description()
        text = Content("  ").join([Content.styled(time, "bold"), Content(self._glyphs.plain(what))])
        self.query_one("#readout", Static).update(text)
        legend = (self.query_one(DaveTrack) if isinstance(pane, DaveTrack) else self.query_one(Waterfall)).legend
        self.query_one("#legend", Static).update(Content(legend))

    def on_painted_goto(self, message: Painted.Goto) -> None:
        self.dismiss(message.row)

    # What keys do.

    def action_attempt(self, way: int) -> None:
        if self.call is not None:
            self._attempt = max(min(self._attempt + way, len(self.call.handshakes) - 1), 0)
            self._show()

    def action_call(self, way: int) -> None:
        if self._calls.calls:
            self._at = max(min(self._at + way, len(self._calls.calls) - 1), 0)
            self._attempt = 0
            self._show()

    def action_table(self) -> None:
        self.toggle_class("table")
        if self.focused is not None and not self.focused.display:
            self.action_pane(1)

    def action_pane(self, way: int) -> None:
        all_there_are = (self.query_one(Waterfall), self.query_one(DaveTrack), self.query_one(TransitionTable))
        panes = [pane for pane in all_there_are if pane.display]
        here = next((at for at, pane in enumerate(panes) if pane.has_focus), -1)
        if panes:
            self.set_focus(panes[(here + way) % len(panes)])
