"""The plots: traffic, heartbeats and the mix of events, side by side where there is room and one by one where not.

A thread measures the capture and hands over what it has measured; the charts show that and nothing else.
"""

from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Grid
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from inspector.analysis.measure import Measured, Measures
from inspector.errors import CaptureError
from inspector.inert import inert
from inspector.protocol.registry import Registry
from inspector.store.reader import Reader
from inspector.tui.guarded import Guarded
from inspector.tui.look import Glyphs
from inspector.tui.screens.help import HelpScreen
from inspector.tui.widgets.charts.chart import Chart, TimeChart
from inspector.tui.widgets.charts.mix import MixChart
from inspector.tui.widgets.charts.traffic import DECODED, MESSAGES, WIRE, TrafficChart
from inspector.tui.widgets.charts.trips import TripsChart
from inspector.tui.widgets.key_line import KeyLine
from inspector.words import clock, day, duration

# Seconds between two looks for news.
BEAT = 0.25
# Columns and lines from which on all charts have room.
ROOM = (100, 30)


@dataclass(frozen=True, slots=True)
class PlotResult:
    """What the person wants to see in the timeline."""

    at_ns: int | None = None
    """The rows from this time on, in nanoseconds since the epoch."""
    filter_text: str = ""
    """The rows that pass this filter."""


class PlotsScreen(Guarded, Screen[PlotResult | None]):
    """The plots of one capture. `title` is what it is called; it ends with what was chosen, or None."""

    Result = PlotResult

    DEFAULT_CSS = """
    PlotsScreen { layout: vertical; background: $background; }
    PlotsScreen #head { height: 1; background: $panel; padding: 0 1; }
    PlotsScreen #head.trouble { height: auto; max-height: 4; }
    PlotsScreen Grid { grid-size: 2 2; height: 1fr; }
    PlotsScreen.single Grid { grid-size: 1 1; }
    PlotsScreen.single Chart { display: none; }
    PlotsScreen.single Chart.current { display: block; }
    """
    BINDINGS = [
        Binding("tab,right_square_bracket", "panel(1)", "next panel"),
        Binding("shift+tab,left_square_bracket", "panel(-1)", "previous panel", show=False),
        Binding("z", "zoom", "zoom", tooltip="One panel on the whole screen, or all"),
        Binding("b", "bytes", "wire or decoded", tooltip="Bytes as they crossed the wire, or once decoded"),
        Binding("escape,p,q", "back", "back"),
        Binding("question_mark", "help", "help"),
    ]
    KEYS: ClassVar = {"Plots": BINDINGS, "Plots over time": TimeChart.BINDINGS, "Event mix": MixChart.BINDINGS}
    """Every key of the screen and its panels, as groups of the help."""

    @dataclass
    class Progress(Message):
        """More has been measured."""

        measured: Measured

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, PlotsScreen.Progress)

    @dataclass
    class Failed(Message):
        """The capture cannot be read any further."""

        sentence: str

    def __init__(self, path: Path, registry: Registry, glyphs: Glyphs, *, title: str = "") -> None:
        super().__init__(classes="plain" if glyphs.ascii else "")
        self._path = path
        self._registry = registry
        self._glyphs = glyphs
        self._called = title or path.name
        self._measured = Measured()
        self._problem = ""
        self._zoomed = False
        self._gone = Event()

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        with Grid():
            yield TrafficChart(self._glyphs, MESSAGES, id="messages")
            yield TrafficChart(self._glyphs, WIRE, id="bytes")
            yield TripsChart(self._glyphs, id="trips")
            yield MixChart(self._glyphs, self._registry, id="mix")
        yield KeyLine()

    def on_mount(self) -> None:
        self._charts[0].focus()
        self._say()
        self.run_worker(self._watch, thread=True, group="plots", exit_on_error=False)

    def on_unmount(self) -> None:
        self._gone.set()

    @property
    def measured(self) -> Measured:
        """What the charts show."""
        return self._measured

    @property
    def _charts(self) -> list[Chart]:
        return list(self.query(Chart))

    # What the thread does.

    def _watch(self) -> None:
        try:
            reader = Reader(self._path)
            try:
                self._measure(reader)
            finally:
                reader.close()
        except CaptureError as error:
            self.post_message(self.Failed(str(error)))

    def _measure(self, reader: Reader) -> None:
        measures = Measures(reader)
        while not self._gone.is_set():
            if reader.changed():
                told = monotonic()
                while measures.advance():
                    if self._gone.is_set():
                        return
                    if monotonic() - told >= BEAT:
                        self.post_message(self.Progress(measures.snapshot()))
                        told = monotonic()
                self.post_message(self.Progress(measures.snapshot()))
            self._gone.wait(BEAT)

    # What comes of it.

    def on_plots_screen_progress(self, message: Progress) -> None:
        self._measured = message.measured
        for chart in self._charts:
            chart.show(message.measured)
        self._say()

    def on_plots_screen_failed(self, message: Failed) -> None:
        self._problem = message.sentence
        self._say()

    def _say(self) -> None:
        """Say what is plotted in the line at the top."""
        measured = self._measured
        parts = [("plots", "bold $primary"), (inert(self._called), "")]
        if self._problem:
            parts.append((inert(self._problem), "bold $error"))
        elif measured.last:
            parts.append((f"{measured.last:,} rows", "$text-muted"))
            columns = measured.columns(1)
            if columns.volumes:
                parts.append(
                    (
                        f"{day(columns.start_ns)}, {clock(columns.start_ns)[:8]}, {duration(columns.width_ns)}",
                        "$text-muted",
                    )
                )
            if measured.counted < measured.last:
                parts.append((f"counting, {measured.counted * 100 // measured.last} % done", "bold $warning"))
        elif measured.counted == measured.last:
            parts.append(("no rows yet", "$text-muted"))
        head = Content("  ").join(Content.styled(self._glyphs.plain(text), style) for text, style in parts)
        line = self.query_one("#head", Static)
        line.set_class(bool(self._problem), "trouble")
        line.update(head)

    @on(TimeChart.Pointed)
    def _pointed(self, message: TimeChart.Pointed) -> None:
        """Put the cursors of all charts on the same time."""
        for chart in self.query(TimeChart):
            if chart.cursor_ns != message.at_ns:
                chart.point(message.at_ns)

    @on(Chart.Goto)
    def _goto(self, message: Chart.Goto) -> None:
        self.dismiss(PlotResult(at_ns=message.at_ns))

    @on(Chart.Filter)
    def _filter(self, message: Chart.Filter) -> None:
        self.dismiss(PlotResult(filter_text=message.text))

    # Room.

    def on_resize(self) -> None:
        self._arrange()

    def on_descendant_focus(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Show all panels, or the one that has the focus."""
        width, height = self.app.size
        self.set_class(self._zoomed or width < ROOM[0] or height < ROOM[1], "single")
        for chart in self._charts:
            if self.focused in self._charts:
                chart.set_class(chart is self.focused, "current")

    # What keys do.

    def action_panel(self, steps: int) -> None:
        charts = self._charts
        here = next((at for at, chart in enumerate(charts) if chart.has_class("current")), 0)
        following = charts[(here + steps) % len(charts)]
        # One that is not displayed cannot get the focus.
        for chart in charts:
            chart.set_class(chart is following, "current")
        following.focus()

    def action_zoom(self) -> None:
        self._zoomed = not self._zoomed
        self._arrange()

    def action_bytes(self) -> None:
        chart, mix = self.query_one("#bytes", TrafficChart), self.query_one(MixChart)
        decoded = chart.measure is WIRE
        chart.take(DECODED if decoded else WIRE)
        mix.take(decoded)

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self.KEYS, plain=self._glyphs.ascii))

    def action_back(self) -> None:
        self.dismiss(None)
