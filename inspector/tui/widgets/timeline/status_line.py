"""The top line: what is being looked at, and how it is doing. What matters least gives way on a narrow screen."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.reactive import reactive
from textual.strip import Strip

from inspector.inert import inert
from inspector.tui.guarded import Guarded
from inspector.tui.look import Glyphs
from inspector.words import counted, size

# Parts up to this rank are always said; the file's name is shortened for them, to no fewer columns than this.
_ALWAYS, _SHORTEST = 4, 8
# Columns of the bar of an import.
_BAR = 12


Part = tuple[str, str, int]
"""A text, its style, and its rank: what goes first where there is no room has the highest."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the line says."""

    state: str = ""
    """``LIVE``, ``FOLLOWING``, ``IMPORTING``, ``FINISHED``, ``PROXY DEAD``."""
    share: float | None = None
    """How much of an import is done, from 0 to 1; None where there is none."""
    progress: str = ""
    """The same in numbers: ``14 of 34 MB, 84,000 messages``."""
    address: str = ""
    """Of the proxy; empty where there is none."""
    title: str = ""
    """The capture."""
    bytes: int = 0
    """Its size."""
    connections: int = 0
    errors: int = 0
    """Cases of this severity."""
    warnings: int = 0
    filtered: bool = False
    revealed: bool = False
    """Secrets are shown."""
    following: bool = False
    unseen: int = 0
    """Rows that came since following ended."""
    growing: bool = False
    """More rows may come."""
    rate: float = 0.0
    """Messages a second."""
    rates: tuple[int, ...] = ()
    """The same over the last while."""
    round_trip: float | None = None
    """Milliseconds that the last heartbeat took."""


class StatusLine(Guarded):
    """One line about the recording."""

    DEFAULT_CSS = """
    StatusLine { height: 1; background: $panel; color: $foreground; }
    StatusLine > .status--name { color: $primary; text-style: bold; }
    StatusLine > .status--live { color: $success; text-style: bold; }
    StatusLine > .status--dead { color: $error; text-style: bold reverse; }
    StatusLine > .status--quiet { color: $text-muted; }
    StatusLine > .status--plain { color: $foreground; }
    StatusLine > .status--error { color: $error; text-style: bold; }
    StatusLine > .status--alert { color: $warning; text-style: bold; }
    """
    COMPONENT_CLASSES = {f"status--{name}" for name in ("name", "live", "dead", "quiet", "plain", "error", "alert")}

    status: reactive[Status] = reactive(Status())

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        parts = self._parts(self.status)
        if _room(parts) > width:
            parts = self._parts(self.status, short=True)
        # The rank says what goes first: the highest.
        while len(parts) > 1 and _room(parts) > width:
            parts.remove(max(parts, key=lambda part: part[2]))
        segments = []
        for text, style, _ in parts:
            found = self.get_component_rich_style(f"status--{style}")
            segments += [Segment(text, found), Segment("  ", self.rich_style)]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _parts(self, status: Status, *, short: bool = False) -> list[Part]:
        dead = status.state == "PROXY DEAD"
        alive = status.state in ("LIVE", "FOLLOWING", "IMPORTING")
        if status.following:
            follow = "following"
        elif status.unseen:
            follow = f"paused, {status.unseen:,} new"
        elif status.growing:
            follow = "paused"
        else:
            follow = ""
        parts = [
            ("gwinspect", "name", 6),
            (status.state, "dead" if dead else "live" if alive else "quiet", 1),
            (self._bar(status.share), "live", 2),
            (status.progress, "plain", 3),
            (status.address, "plain", 2),
            (size(status.bytes) if status.bytes else "", "quiet", 3),
            (f"{status.rate:,.0f} msg/s" if status.growing else "", "plain", 3),
            (self._bars(status.rates) if status.growing else "", "live", 7),
            ("" if status.round_trip is None else f"RTT {status.round_trip:.0f} ms", "plain", 5),
            (counted(status.connections, "connection"), "quiet", 6),
            (_noticed(status, short), "error" if status.errors else "alert", 2),
            ("filtered" if status.filtered else "", "alert", 4),
            ("SECRETS SHOWN" if status.revealed else "", "alert", 1),
            (follow, "live" if status.following else "alert", 0),
        ]
        rest = sum(cell_len(text) + 2 for text, _, rank in parts if text and rank <= _ALWAYS)
        room = max(self.size.width - rest, _SHORTEST)
        title = _shortened(self._glyphs.plain(inert(status.title)), room, self._glyphs.more)
        parts.insert(5, (title, "plain", 2))
        return [part for part in parts if part[0]]

    def _bar(self, share: float | None) -> str:
        if share is None:
            return ""
        full, empty = self._glyphs.bars[-1], self._glyphs.bars[0]
        done = int(share * _BAR)
        return f"{full * done}{empty * (_BAR - done)} {int(share * 100)} %"

    def _bars(self, counts: tuple[int, ...]) -> str:
        most = max(counts, default=0)
        if not most:
            return ""
        bars = self._glyphs.bars
        return "".join(bars[min(len(bars) - 1, count * len(bars) // (most + 1))] for count in counts)


def _room(parts: Sequence[Part]) -> int:
    """Return the columns that all of them take."""
    return sum(cell_len(text) + 2 for text, _, _ in parts) - 2


def _noticed(status: Status, short: bool) -> str:
    """Return how much there is to worry about: ``1 error, 2 warnings``, in short ``1 E 2 W``."""
    counts = (status.errors, "error"), (status.warnings, "warning")
    if short:
        return " ".join(f"{count:,} {word[0].upper()}" for count, word in counts if count)
    return ", ".join(counted(count, word) for count, word in counts if count)


def _shortened(text: str, room: int, more: str) -> str:
    """Return `text` in at most `room` columns, without its middle where it has more."""
    if cell_len(text) <= room:
        return text
    end = room // 2
    return set_cell_size(text, room - end - 1) + more + set_cell_size(text[::-1], end)[::-1]
