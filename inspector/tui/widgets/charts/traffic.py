"""Traffic over time: what the client received stands up from the middle, what it sent hangs down, each to its scale."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inspector.analysis.measure import Volume
from inspector.tui.look import Glyphs
from inspector.tui.widgets.charts.canvas import Canvas
from inspector.tui.widgets.charts.chart import GUTTER, TimeChart, amount, eighths, nice
from inspector.words import size, step_length


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing to plot of the traffic."""

    name: str
    received: Callable[[Volume], int]
    sent: Callable[[Volume], int]
    said: Callable[[int], str]
    """Says an amount in full."""
    rate: Callable[[float], str]
    """Says an amount per second, in `GUTTER` columns."""


MESSAGES = Measure(
    "messages",
    lambda volume: volume.received,
    lambda volume: volume.sent,
    lambda count: f"{count:,}",
    lambda rate: f"{amount(rate)}/s",
)
WIRE = Measure(
    "bytes on the wire",
    lambda volume: volume.received_wire,
    lambda volume: volume.sent_wire,
    size,
    lambda rate: f"{size(round(rate))}/s",
)
DECODED = Measure(
    "bytes decoded",
    lambda volume: volume.received_decoded,
    lambda volume: volume.sent_decoded,
    size,
    lambda rate: f"{size(round(rate))}/s",
)


class TrafficChart(TimeChart):
    """One measure of the traffic."""

    def __init__(self, glyphs: Glyphs, measure: Measure, *, id: str | None = None) -> None:
        super().__init__(glyphs, id=id)
        self.measure = measure

    def take(self, measure: Measure) -> None:
        """Plot something else."""
        self.measure = measure
        self.changed()

    def name_of_all(self) -> str:
        if not self._columns.volumes:
            return self.measure.name
        return f"{self.measure.name} per second, steps of {step_length(self._columns.width_ns)}"

    def name_at(self, step: int) -> str:
        volume = self._columns.volumes[step]
        received, sent = self.measure.said(self.measure.received(volume)), self.measure.said(self.measure.sent(volume))
        return f"{received} received, {sent} sent in {step_length(self._columns.width_ns)}"

    def draw_plot(self, canvas: Canvas, height: int) -> None:
        volumes = self._columns.volumes
        received = [self.measure.received(volume) for volume in volumes]
        sent = [self.measure.sent(volume) for volume in volumes]
        legends = height >= 8
        top, bottom = (1, height - 1) if legends else (0, height)
        axis = top + max((bottom - top - 1) * 2 // 3, 1)
        if legends:
            self._draw_legend(canvas, 0, f"{self.glyphs.receive} receive", received, "receive")
            self._draw_legend(canvas, bottom, f"{self.glyphs.send} send", sent, "send")
        canvas.put(GUTTER - 2, axis, "0", "quiet")
        canvas.put(GUTTER, axis, self.glyphs.horizontal * self.room, "axis")
        self._draw_bars(canvas, received, top, axis, up=True)
        self._draw_bars(canvas, sent, axis + 1, bottom, up=False)
        self.draw_cursor(canvas, top, bottom)

    def _draw_legend(self, canvas: Canvas, y: int, name: str, counts: Sequence[int], style: str) -> None:
        canvas.put(GUTTER, y, name, style)
        said = f"{self.measure.said(sum(counts))}, at most {self.measure.rate(self._per_second(max(counts)))}"
        canvas.put(GUTTER + len(name) + 2, y, said, "quiet")

    def _draw_bars(self, canvas: Canvas, counts: Sequence[int], first: int, end: int, *, up: bool) -> None:
        """Draw from line `first` to before line `end`."""
        cells = end - first
        if cells < 1 or not any(counts):
            return
        scale = nice(self._per_second(max(counts)))
        label = self.measure.rate(scale)
        canvas.put(GUTTER - 1 - len(label), first if up else end - 1, label, "quiet")
        bars = self.glyphs.bars
        for step, count in enumerate(counts):
            full, rest = divmod(eighths(self._per_second(count), scale, cells), 8)
            cells_of = self.cells_of(step)
            for line in range(full + (rest > 0)):
                y = end - 1 - line if up else first + line
                text, style = bars[-1], "receive" if up else "send"
                if line == full and up:
                    text = bars[rest - 1]
                elif line == full:
                    text, style = self._hanging(rest)
                canvas.put(cells_of[0], y, text * len(cells_of), style)

    def _hanging(self, rest: int) -> tuple[str, str]:
        """Return the last cell of a bar that hangs down: what stands up from below is left out."""
        if self.glyphs.ascii:
            return self.glyphs.bars[rest - 1], "send"
        return self.glyphs.bars[7 - rest], "hanging"

    def _per_second(self, count: int) -> float:
        return count * 1e9 / self._columns.width_ns
