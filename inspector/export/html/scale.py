"""A scale of time across a drawing. Places are percents, so that drawings fit any width, and texts keep their size."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC

from inspector.export.html.markup import Html, tag
from inspector.words import clock, iso

_MS, _S = 1_000_000, 1_000_000_000
_STEPS = (
    *(unit * _MS for unit in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(unit * _S for unit in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)),
)
_DAY = 86_400 * _S
# Labels that have room across a narrow screen.
_MOST_LABELS = 4


@dataclass(frozen=True, slots=True)
class Scale:
    """From a time to another, in nanoseconds since the epoch."""

    start_ns: int
    end_ns: int

    @property
    def span(self) -> int:
        """Nanoseconds across; at least 1."""
        return max(self.end_ns - self.start_ns, 1)

    def place(self, at_ns: int) -> float:
        """Return where a time is, from 0 to 100."""
        return min(max((at_ns - self.start_ns) * 100 / self.span, 0.0), 100.0)

    def x(self, at_ns: int) -> str:
        """Return the same as an attribute of SVG."""
        return percent(self.place(at_ns))

    def when(self, at_ns: int) -> str:
        """Return a time of day in UTC, with its date where the scale goes over several days."""
        whole = clock(at_ns, UTC)
        return whole if self.start_ns // _DAY == self.end_ns // _DAY else f"{iso(at_ns)[:10]} {whole}"

    def axis(self, **attributes: str) -> Html:
        """Return a drawing of the times along the scale, in UTC."""
        marks = []
        for at_ns in self._ticks():
            place = self.place(at_ns)
            anchor = "start" if place < 6 else "end" if place > 94 else "middle"
            marks.append(tag("line", x1=percent(place), x2=percent(place), y1=0, y2=4))
            marks.append(tag("text", self._label(at_ns), x=percent(place), y=16, text_anchor=anchor))
        return tag("svg", *marks, class_="axis", height=20, width="100%", aria_hidden="true", **attributes)

    @property
    def _step(self) -> int:
        days = -(-self.span // (_DAY * _MOST_LABELS))
        return next((step for step in _STEPS if self.span // step < _MOST_LABELS), days * _DAY)

    def _ticks(self) -> Iterator[int]:
        step = self._step
        yield from range(-(-self.start_ns // step) * step, self.end_ns + 1, step)

    def _label(self, at_ns: int) -> str:
        step = self._step
        if step >= _DAY or (self.span >= _DAY and at_ns % _DAY == 0):
            return iso(at_ns)[:10]
        whole = clock(at_ns, UTC)
        return whole if step < _S else whole[:5] if step >= 60 * _S else whole[:8]


def percent(place: float) -> str:
    """Return a place from 0 to 100 as an attribute of SVG."""
    return f"{place:.2f}".rstrip("0").rstrip(".") + "%"
