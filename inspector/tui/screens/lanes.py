"""Sessions over time: one lane for each connection, by session, with heartbeats, logins and findings below.

A thread reads the capture and hands over what it has read; the chart shows that and nothing else.
"""

from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Static

from inspector.errors import CaptureError
from inspector.report.lanes import LaneReader, Lanes
from inspector.report.recording import Recording
from inspector.report.values import clock, day, duration
from inspector.session.summarize import inert
from inspector.store.reader import Reader, explained
from inspector.tui.look import Glyphs
from inspector.tui.screens.help import HelpScreen
from inspector.tui.widgets.lane_chart import LaneChart

# Seconds between two looks for news.
BEAT = 0.25


class LanesScreen(Screen[int | None]):
    """The lanes of one capture. It ends with the row that the person wants to see in the timeline, or None.

    `row` is where the person is: its connection and time are under the cursor at first.
    """

    DEFAULT_CSS = """
    LanesScreen { layout: vertical; background: $background; }
    LanesScreen #head { height: 1; background: $panel; padding: 0 1; }
    LanesScreen #head.trouble { height: auto; max-height: 4; }
    LanesScreen #readout { height: 2; background: $panel; padding: 0 1; }
    LanesScreen #legend { height: auto; max-height: 2; padding: 0 1; color: $text-muted; }
    LanesScreen #empty { display: none; height: 1fr; content-align: center middle; color: $text-muted; }
    LanesScreen.empty #empty { display: block; }
    LanesScreen.empty LaneChart, LanesScreen.empty #readout, LanesScreen.empty #legend { display: none; }
    """
    BINDINGS = [
        Binding("escape,L,q", "back", "back"),
        Binding("question_mark", "help", "help"),
    ]
    KEYS: ClassVar = {"Lanes": BINDINGS, "Lanes over time": LaneChart.BINDINGS}
    """Every key of the screen and its chart, as groups of the help."""

    @dataclass
    class Progress(Message):
        """More has been read."""

        lanes: Lanes

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, LanesScreen.Progress)

    @dataclass
    class Failed(Message):
        """The capture cannot be read any further."""

        sentence: str

    def __init__(self, recording: Recording, glyphs: Glyphs, *, title: str = "", row: int | None = None) -> None:
        super().__init__(classes="plain empty" if glyphs.ascii else "empty")
        self._recording = recording
        self._glyphs = glyphs
        self._called = title or recording.path.name
        self._row = row
        self._lanes = Lanes()
        self._problem = ""
        self._gone = Event()

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield LaneChart(self._glyphs, self._recording.registry)
        yield Static("Reading the rows.", id="empty")
        yield Static(id="readout")
        yield Static(id="legend")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one("#legend", Static).update(Content(self._chart.legend))
        self._say()
        self.run_worker(self._watch, thread=True, group="lanes", exit_on_error=False)

    def on_unmount(self) -> None:
        self._gone.set()

    @property
    def lanes(self) -> Lanes:
        """What the chart shows."""
        return self._lanes

    @property
    def _chart(self) -> LaneChart:
        return self.query_one(LaneChart)

    # What the thread does.

    def _watch(self) -> None:
        try:
            reader = Reader(self._recording.path)
            try:
                self._read(reader)
            finally:
                reader.close()
        except CaptureError as error:
            self.post_message(self.Failed(str(error)))

    def _read(self, reader: Reader) -> None:
        lanes = LaneReader(reader)
        while not self._gone.is_set():
            if reader.changed():
                told = monotonic()
                while lanes.advance():
                    if self._gone.is_set():
                        return
                    if monotonic() - told >= BEAT:
                        self.post_message(self.Progress(lanes.snapshot()))
                        told = monotonic()
                self.post_message(self.Progress(lanes.snapshot()))
            self._gone.wait(BEAT)

    # What comes of it.

    def on_lanes_screen_progress(self, message: Progress) -> None:
        self._lanes = message.lanes
        empty = not message.lanes.groups
        self.set_class(empty, "empty")
        if empty:
            self.query_one("#empty", Static).update("No connection yet.")
        self._chart.show(message.lanes)
        if not empty and self._row is not None and message.lanes.counted >= self._row:
            self._begin(self._row)
            self._row = None
        if not empty and self.focused is None:
            self.set_focus(self._chart)
        self._say()

    def on_lanes_screen_failed(self, message: Failed) -> None:
        self._problem = message.sentence
        self._say()

    def _begin(self, row: int) -> None:
        """Put the cursor where the person is in the timeline."""
        shown = self._recording.lines([row])
        if shown:
            self._chart.look_at(shown[0].event.connection, shown[0].event.at_ns)

    def _say(self) -> None:
        """Say what is shown in the line at the top."""
        lanes = self._lanes
        parts = [("lanes", "bold $primary"), (inert(self._called), "")]
        if self._problem:
            parts.append((inert(self._problem), "bold $error"))
        elif lanes.groups:
            span = duration(lanes.end_ns - lanes.start_ns)
            parts.append((f"{day(lanes.start_ns)}, {clock(lanes.start_ns)[:8]}, {span}", "$text-muted"))
            start, end = self._chart.window
            if end - start < lanes.end_ns - lanes.start_ns:
                parts.append((f"{duration(end - start)} in sight", "bold $warning"))
            if lanes.counted < lanes.last:
                parts.append((f"reading, {lanes.counted * 100 // lanes.last} % done", "bold $warning"))
        head = Content("  ").join(Content.styled(self._glyphs.plain(text), style) for text, style in parts)
        line = self.query_one("#head", Static)
        line.set_class(bool(self._problem), "trouble")
        line.update(head)

    def on_lane_chart_pointed(self) -> None:
        time, what = self._chart.told()
        text = Content("  ").join([Content.styled(time, "bold"), Content(self._glyphs.plain(what))])
        self.query_one("#readout", Static).update(text)
        self._say()

    def on_lane_chart_goto(self, message: LaneChart.Goto) -> None:
        self.dismiss(message.row or self._first(message.at_ns, message.connection))

    def _first(self, at_ns: int, connection: int | None) -> int:
        """Return the first row from a time on, of a connection if it has one, else of any."""
        if connection is not None:
            with explained(self._recording.path):
                found = self._recording.reader.db.execute(
                    "select id from event where connection = ? and at >= ? order by id limit 1", (connection, at_ns)
                ).fetchone()
            if found is not None:
                return int(found[0])
        return self._recording.row_at(at_ns)

    # What keys do.

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self.KEYS, plain=self._glyphs.ascii))

    def action_back(self) -> None:
        self.dismiss(None)
