"""Sessions over time: one lane for each connection, by session, with heartbeats, logins and findings below.

A thread reads the capture and hands over what it has read; the chart shows that and nothing else.
"""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Static

from inspector.analysis.lanes import LaneReader, Lanes
from inspector.report.recording import Recording
from inspector.store.reader import Reader, explained
from inspector.tui.look import Glyphs
from inspector.tui.screens.reading import ReadingScreen
from inspector.tui.widgets.charts.lane_chart import LaneChart
from inspector.tui.widgets.key_line import KeyLine
from inspector.words import clock, day, duration


class LanesScreen(ReadingScreen):
    """The lanes of one capture. Connection and time of the row where the person is are under the cursor at first."""

    DEFAULT_CSS = """
    LanesScreen #readout { height: 2; background: $panel; padding: 0 1; }
    LanesScreen #legend { height: auto; max-height: 2; padding: 0 1; color: $text-muted; }
    LanesScreen.empty LaneChart, LanesScreen.empty #readout, LanesScreen.empty #legend { display: none; }
    """
    BINDINGS = [
        Binding("escape,L,q", "back", "back"),
        Binding("question_mark", "help", "help"),
    ]
    NAME = "lanes"
    KEYS: ClassVar = {"Lanes": BINDINGS, "Lanes over time": LaneChart.BINDINGS}

    def __init__(self, recording: Recording, glyphs: Glyphs, *, title: str = "", row: int | None = None) -> None:
        super().__init__(recording, glyphs, title=title, row=row)
        self._lanes = Lanes()

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield LaneChart(self._glyphs, self._recording.registry)
        yield Static("Reading the rows.", id="empty")
        yield Static(id="readout")
        yield Static(id="legend")
        yield KeyLine()

    def on_mount(self) -> None:
        self.query_one("#legend", Static).update(Content(self._chart.legend))

    @property
    def lanes(self) -> Lanes:
        """What the chart shows."""
        return self._lanes

    @property
    def _chart(self) -> LaneChart:
        return self.query_one(LaneChart)

    def reading(self, reader: Reader) -> LaneReader:
        return LaneReader(reader)

    def show(self, read: Lanes) -> None:
        self._lanes = read
        empty = not read.groups
        self.set_class(empty, "empty")
        if empty:
            self.query_one("#empty", Static).update("No connection yet.")
        self._chart.show(read)
        if not empty and self._row is not None and read.counted >= self._row:
            self._begin(self._row)
            self._row = None
        if not empty and self.focused is None:
            self.set_focus(self._chart)

    def _begin(self, row: int) -> None:
        """Put the cursor where the person is in the timeline."""
        shown = self._recording.lines([row])
        if shown:
            self._chart.look_at(shown[0].event.connection, shown[0].event.at_ns)

    def description(self) -> list[tuple[str, str]]:
        lanes = self._lanes
        if not lanes.groups:
            return []
        span = duration(lanes.end_ns - lanes.start_ns)
        parts = [(f"{day(lanes.start_ns)}, {clock(lanes.start_ns)[:8]}, {span}", "$text-muted")]
        start, end = self._chart.window
        if end - start < lanes.end_ns - lanes.start_ns:
            parts.append((f"{duration(end - start)} shown", "bold $warning"))
        if lanes.counted < lanes.last:
            parts.append((f"reading, {lanes.counted * 100 // lanes.last} % done", "bold $warning"))
        return parts

    def on_lane_chart_pointed(self) -> None:
        time, what = self._chart.description()
        text = Content("  ").join([Content.styled(time, "bold"), Content(self._glyphs.plain(what))])
        self.query_one("#readout", Static).update(text)
        self.say()

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
