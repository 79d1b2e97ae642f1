"""The columns of the timeline: which have room, how wide they are, and what is in them.

The summary has what is left, so columns that matter less go first where the screen is narrow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from inspector.report import cells
from inspector.report.present import Shown
from inspector.tui.lane_colours import lane_style
from inspector.tui.look import Glyphs
from inspector.words import clock, delta

TimeMode = Literal["clock", "start", "previous"]
TIME_TITLES: dict[TimeMode, str] = {"clock": "time", "start": "since start", "previous": "since row"}

# Columns of the timeline from which on each part has room.
_DELTA_FROM, _SEQ_FROM, _SIZE_FROM, _BOTH_SIZES_FROM, _WIDE_FROM = 118, 100, 88, 140, 130

# Columns of a row's number: a million rows have room.
_ROW = 7


@dataclass(frozen=True, slots=True)
class Cell:
    """One column of one row."""

    text: str
    """As wide as the column."""
    style: str
    """Component class of the timeline."""


class Columns:
    """Makes the cells of rows for a timeline of `width` columns, the row's number among them if it is `numbered`.

    Times are in `zone`, by default this machine's.
    """

    def __init__(
        self, width: int, glyphs: Glyphs, mode: TimeMode, *, numbered: bool = False, zone: tzinfo | None = None
    ) -> None:
        self._glyphs = glyphs
        self._numbered = numbered
        self._mode = mode
        self._zone = zone
        self._delta = width >= _DELTA_FROM and mode != "previous"
        self._seq = 7 if width >= _SEQ_FROM else 0
        self._both_sizes = width >= _BOTH_SIZES_FROM
        self._sizes = 17 if self._both_sizes else 8 if width >= _SIZE_FROM else 0
        self._name = 30 if width >= _WIDE_FROM else 26 if width >= _SIZE_FROM else 23
        self.room = max(width - sum(len(cell.text) for cell in self.titles()), 10)
        """Columns that the summary has."""

    def titles(self) -> Iterator[Cell]:
        """Yield what is above the columns."""
        yield Cell("    ", "timeline--title")
        if self._numbered:
            yield Cell(f"{'row':>{_ROW}} ", "timeline--title")
        yield Cell(f"{TIME_TITLES[self._mode]:<12} ", "timeline--title")
        if self._delta:
            yield Cell(f"{'since row':>9} ", "timeline--title")
        yield Cell("conn ", "timeline--title")
        yield Cell("direction ", "timeline--title")
        yield Cell(f"{'op event':<{self._name}}", "timeline--title")
        if self._seq:
            yield Cell(f"{'seq':>{self._seq}}", "timeline--title")
        if self._sizes:
            title = f"wire {self._glyphs.to} decoded" if self._both_sizes else "bytes"
            yield Cell(f"{title:>{self._sizes}}", "timeline--title")
        yield Cell("  ", "timeline--title")

    def cells(self, shown: Shown, *, start_ns: int, previous_ns: int | None, cursor: bool, mark: str) -> Iterator[Cell]:
        """Yield the cells before the summary.

        `start_ns` is the time of the capture's first row, `previous_ns` that of the row above; `mark` is what the
        person put there.
        """
        event = shown.event
        found = event.findings[0].severity if event.findings else None
        yield Cell(self._glyphs.folded if cursor else " ", "timeline--time")
        yield Cell(mark or " ", "timeline--mark")
        yield Cell(found.name[0] if found else " ", f"timeline--{found.name.lower()}" if found else "timeline--time")
        yield Cell(" ", "timeline--time")
        if self._numbered:
            yield Cell(f"{event.n:>{_ROW}} ", "timeline--time")
        elapsed = "" if previous_ns is None else delta(event.at_ns - previous_ns)
        time = {
            "clock": clock(event.at_ns, self._zone) if self._mode == "clock" else "",
            "start": f"{delta(event.at_ns - start_ns):>12}" if self._mode == "start" else "",
            "previous": f"{elapsed:>12}",
        }[self._mode]
        yield Cell(f"{time:<12} ", "timeline--time")
        if self._delta:
            yield Cell(f"{elapsed:>9} ", "timeline--time")
        yield Cell(f"#{event.connection:<3} ", lane_style(event.connection))
        mark, word, sort = cells.direction(event, self._glyphs)
        yield Cell(f"{mark} {word:<7} ", f"timeline--{sort}")
        number, name = cells.what(shown, self._glyphs.more)
        room = self._name - 3
        style = f"timeline--{sort}" if sort in ("open", "close", "end", "refused") else "timeline--name"
        yield Cell(f"{number:>2} ", "timeline--time")
        yield Cell(f"{cells.clip(name, room - 1, self._glyphs.more):<{room}}", style)
        if self._seq:
            yield Cell(f"{'' if event.seq is None else event.seq:>{self._seq}}", "timeline--time")
        if self._sizes:
            sizes = cells.sizes(event, self._glyphs.to, both=self._both_sizes)
            yield Cell(f"{sizes:>{self._sizes}}", "timeline--size")
        yield Cell("  ", "timeline--time")
