"""The payload as JSON text, of which only the lines in sight are coloured."""

from collections.abc import Iterable

from inspector.inert import inert
from inspector.report.present import Shown
from inspector.report.pretty import coloured, text_of
from inspector.report.recording import Recording
from inspector.tui.look import Glyphs, Piece
from inspector.tui.widgets.detail.lines import LONGEST, Lines
from inspector.words import counted


class JsonTab(Lines):
    """The text."""

    title = "JSON"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self._lines: list[str] = []
        self._width = 0

    def load(self, shown: Shown, recording: Recording) -> None:
        found = text_of(shown)
        self._lines = found.split("\n") if found else []
        # A character takes two columns at most.
        longest = max(map(len, self._lines), default=0) * (1 if found.isascii() else 2)
        self._width = min(longest, LONGEST) + 32

    def unload(self) -> None:
        self._lines, self._width = [], 0

    def line_count(self) -> int:
        return len(self._lines) or 1

    def line_width(self) -> int:
        return self._width

    def pieces(self, line: int) -> Iterable[Piece]:
        if not self._lines:
            return [("  This row has no body." if self.number else "  No row is chosen.", "muted")]
        text = self._lines[line]
        shown = [*coloured(inert(text[:LONGEST]))]
        return shown + [(f" {len(text) - LONGEST:,} more characters", "muted")] if len(text) > LONGEST else shown

    def copied(self) -> tuple[str, str] | None:
        return ("\n".join(self._lines), "the payload as JSON") if self._lines else None

    def say(self) -> None:
        count = len(self._lines)
        self.post_message(self.FootChanged(self, counted(count, "line") if count else ""))
