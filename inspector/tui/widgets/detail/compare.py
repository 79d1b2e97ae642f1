"""What is different from an earlier payload of the same kind."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from inspector.report.compare import Change, Comparison, compare, place
from inspector.report.outline import body, said, wrapped
from inspector.report.present import Shown
from inspector.report.recording import Recording
from inspector.tui.look import Glyphs, Piece
from inspector.tui.widgets.detail.lines import Lines
from inspector.words import duration

# Columns to which paths are filled up, so that short values are below each other.
_ALIGNED = 32
# Lines of one long value, and characters of it that are the same on both sides and still shown.
_LONG_VALUE, _SAME = 8, 60

_MARKS = {"added": "+", "removed": "-", "changed": "~"}


class CompareTab(Lines):
    """The differences, one line each where they fit."""

    title = "Compare"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self._shown: Shown | None = None
        self._recording: Recording | None = None
        self._others: list[Shown] = []
        self._comparison: Comparison | None = None
        self._lines: list[list[Piece]] = []

    def load(self, shown: Shown, recording: Recording) -> None:
        self._shown, self._recording = shown, recording
        self._others = []
        if not self._add_older(shown):
            self._comparison = None

    def unload(self) -> None:
        self._shown = self._recording = self._comparison = None
        self._others = []

    @property
    def other(self) -> int | None:
        """Number of the row that is compared with."""
        return self._others[-1].event.n if self._others else None

    def older(self) -> bool:
        """Compare with the row of this kind before the one compared with. Say whether there is one."""
        found = bool(self._others) and self._add_older(self._others[-1])
        if found:
            self.changed()
        return found

    def newer(self) -> bool:
        """Compare again with the row that was left for an older one. Say whether there is one."""
        if len(self._others) < 2:
            return False
        self._others.pop()
        self._compare()
        self.changed()
        return True

    def _add_older(self, shown: Shown) -> bool:
        assert self._recording is not None
        number = self._recording.previous_like(shown.event)
        other = None if number is None else self._recording.shown(number)
        if other is None:
            return False
        self._others.append(other)
        self._compare()
        return True

    def _compare(self) -> None:
        assert self._shown is not None
        self._comparison = compare(body(self._others[-1]), body(self._shown))

    def changed(self) -> None:
        self._lines = list(self._written())
        super().changed()

    def line_count(self) -> int:
        return len(self._lines)

    def pieces(self, line: int) -> list[Piece]:
        return [(" ", "plain"), *self._lines[line]]

    def copied(self) -> tuple[str, str] | None:
        if self._comparison is None:
            return None
        return "\n".join("".join(text for text, _ in line) for line in self._lines), "the comparison"

    def say(self) -> None:
        self.post_message(
            self.FootChanged(self, *(("< older  > newer", "Enter goes there") if self._others else ("",)))
        )

    def _written(self) -> Iterator[list[Piece]]:
        found = self._comparison
        if found is None or self._shown is None:
            if self._shown is not None:
                yield [("There is no earlier row of this kind on this connection.", "muted")]
            return
        elapsed = self._shown.event.at_ns - self._others[-1].event.at_ns
        before = f"{'less than 1 ms' if elapsed < 1_000_000 else duration(elapsed)} before"
        yield [(f"Compared with row {self._others[-1].event.n:,}", "title"), (f", {before}", "muted")]
        counts = [f"{found.count(kind):,} {kind}" for kind in ("changed", "added", "removed") if found.count(kind)]
        yield [(", ".join([*counts, f"{found.equal:,} the same"]), "muted")]
        width = max(self.room - 2, 24)
        longest = max((len(place(change.path)) for change in found.changes[:200]), default=0)
        aligned = min(longest, _ALIGNED, width // 3)
        for change in found.changes:
            yield from _change(change, aligned, width, self.glyphs.to)
        if not found.whole:
            yield [("There are more differences; the comparison stopped here.", "note")]


def _change(change: Change, aligned: int, width: int, to: str) -> Iterator[list[Piece]]:
    kind = change.kind
    label = f"{_MARKS[kind]} {place(change.path).ljust(aligned)}"
    sides = [value for value, there in ((change.old, kind != "added"), (change.new, kind != "removed")) if there]
    texts = [said(value, width) for value in sides]
    if len(label) + 2 + sum(map(len, texts)) + 3 * (len(texts) - 1) <= width:
        # On the only line the new value has the colour of what is new.
        pieces = [(label, kind), ("  ", "plain")]
        if kind == "changed":
            pieces += [(texts[0], "removed"), (f" {to} ", "muted"), (texts[1], "added")]
        else:
            pieces.append((texts[0], kind))
        yield pieces
        return
    yield [(label.rstrip(), kind)]
    if kind == "changed":
        old, new = _from_difference(change.old, change.new)
        yield from _long("-", old, "removed", width)
        yield from _long("+", new, "added", width)
    else:
        yield from _long(" ", sides[0], kind, width)


def _long(mark: str, value: Any, style: str, width: int) -> Iterator[list[Piece]]:
    """Yield a value on lines of its own."""
    inner = max(width - 6, 16)
    text = value if isinstance(value, str) else said(value, inner)
    # So that a text of megabytes is not looked at as a whole.
    for line in islice(wrapped(text[: inner * (_LONG_VALUE + 1)], inner), _LONG_VALUE):
        yield [(f"    {mark} ", style), (line, style)]
        mark = " "
    if len(text) > inner * _LONG_VALUE:
        yield [(f"      {len(text):,} characters in all", "note")]


def _from_difference(old: Any, new: Any) -> tuple[Any, Any]:
    """Return two texts from shortly before where they differ; other values as they are."""
    if not isinstance(old, str) or not isinstance(new, str):
        return old, new
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if old[:middle] == new[:middle] else (low, middle - 1)
    start = low - _SAME // 2
    return (f"…{old[start:]}", f"…{new[start:]}") if start > _SAME else (old, new)
