"""Round trips of heartbeats over time: a mark each, the number of its connection where there are several."""

from bisect import bisect_left
from statistics import median

from inspector.tui.lane_colours import lane_style
from inspector.tui.widgets.charts.canvas import Canvas
from inspector.tui.widgets.charts.chart import GUTTER, TimeChart, nice
from inspector.words import counted, round_trip

# Connections from which on not every point of each is drawn.
MANY = 8


class TripsChart(TimeChart):
    """How long heartbeats took until their ACKs."""

    def name_of_all(self) -> str:
        trips = self.measured.round_trips
        if not trips:
            return "heartbeat round trips"
        count = sum(each.count for each in trips)
        return f"heartbeat round trips, {count:,} on {counted(len(trips), 'connection')}"

    def name_at(self, step: int) -> str:
        start = self._columns.start_ns + step * self._columns.width_ns
        end = start + self._columns.width_ns
        found = [
            (each.connection, took)
            for each in self.measured.round_trips
            for took in each.lasted_ns[bisect_left(each.at_ns, start) : bisect_left(each.at_ns, end)]
        ]
        if not found:
            return "no heartbeat was answered"
        connections = {connection for connection, _ in found}
        where = f"#{connections.pop()}" if len(connections) == 1 else f"{len(connections):,} connections"
        longest = max(took for _, took in found)
        if len(found) == 1:
            return f"{where} took {round_trip(longest)}"
        middle = round_trip(int(median(took for _, took in found)))
        return f"{len(found):,} on {where}, median {middle}, longest {round_trip(longest)}"

    def draw_plot(self, canvas: Canvas, height: int) -> None:
        trips = self.measured.round_trips
        if not trips:
            text = "No heartbeat has been answered yet."
            canvas.put(max((canvas.width - len(text)) // 2, 0), height // 2, text, "quiet")
            return
        columns = self._columns
        legend = self._draw_legend(canvas, height) if height >= 6 else 0
        bottom = height - legend - 1
        # In steps of a whole millisecond, or of less where all are that short.
        longest = max(each.longest_ns for each in trips)
        unit = 1_000_000 if longest >= 1_000_000 else 1_000
        scale = nice(max(longest / unit, 1)) * unit
        for part, line in ((1.0, 0), (0.5, bottom // 2)) if bottom >= 4 else ((1.0, 0),):
            label = round_trip(int(scale * part))
            canvas.put(GUTTER - 1 - len(label), line, label, "quiet")
        canvas.put(GUTTER - 2, bottom, "0", "quiet")
        canvas.put(GUTTER, bottom, self.glyphs.horizontal * self.room, "axis")
        if len(trips) == 1:
            canvas.put(GUTTER, self._line_of(trips[0].median_ns, bottom, scale), self._dashes, "axis")
        span_ns = columns.width_ns * len(columns.volumes)
        for each in trips:
            mark = self.glyphs.bullet if len(trips) == 1 else str(each.connection % 10)
            for at, took in each.outline[:: -(-len(trips) // MANY)]:
                x = GUTTER + min(max((at - columns.start_ns) * self.room // span_ns, 0), self.room - 1)
                canvas.put(x, self._line_of(took, bottom, scale), mark, lane_style(each.connection))
        self.draw_cursor(canvas, 0, bottom)

    @property
    def _dashes(self) -> str:
        return (self.glyphs.horizontal + " ") * (self.room // 2)

    def _line_of(self, lasted_ns: int, bottom: int, scale: int) -> int:
        return max(bottom - 1 - lasted_ns * bottom // (scale + 1), 0)

    def _draw_legend(self, canvas: Canvas, height: int) -> int:
        """Say of each connection how it does, the slowest first, and return how many lines that took."""
        trips = sorted(self.measured.round_trips, key=lambda each: -each.longest_ns)
        lines = min(len(trips), max(height // 4, 1))
        named = trips if lines == len(trips) else trips[: lines - 1]
        for at, each in enumerate(named):
            y = height - lines + at
            name = f"#{each.connection}"
            canvas.put(2, y, name, lane_style(each.connection))
            words = (
                f"median {round_trip(each.median_ns)}, longest {round_trip(each.longest_ns)}, {each.count:,} answered"
            )
            canvas.put(max(3 + len(name), GUTTER), y, words, "quiet")
        if len(named) < len(trips):
            rest = trips[len(named) :]
            words = f"and {len(rest):,} more, longest {round_trip(rest[0].longest_ns)}"
            canvas.put(GUTTER, height - 1, words, "quiet")
        return lines
