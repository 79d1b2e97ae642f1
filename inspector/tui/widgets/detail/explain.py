"""What the row is, who sends such a thing, and what to do about it, in words."""

import re
from collections.abc import Iterator

from inspector.report.about import about
from inspector.report.explain import Entry, Explanation, render
from inspector.report.outline import wrapped
from inspector.report.present import Shown
from inspector.report.recording import Recording
from inspector.tui.look import Glyphs, Piece
from inspector.tui.widgets.detail.lines import Lines

# Columns: of the widest line that reads well, and from which on labels are next to what they label.
_WIDEST, _BESIDE = 100, 52
_LINK = re.compile(r"https?://\S+")


class ExplainTab(Lines):
    """The explanation, wrapped to the width there is."""

    title = "Explain"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self._explanation = Explanation("", ())
        self._lines: list[list[Piece]] = []

    def load(self, shown: Shown, recording: Recording) -> None:
        self._explanation = about(shown, recording.rows, recording.registry)

    def unload(self) -> None:
        self._explanation = Explanation("", ())

    def changed(self) -> None:
        self._lines = list(_lines(self._explanation, max(min(self.room - 2, _WIDEST), 16)))
        super().changed()

    def line_count(self) -> int:
        return len(self._lines)

    def pieces(self, line: int) -> list[Piece]:
        return [(" ", "plain"), *self._lines[line]]

    def copied(self) -> tuple[str, str] | None:
        return (render(self._explanation), "the explanation") if self._explanation.entries else None


def _lines(explanation: Explanation, width: int) -> Iterator[list[Piece]]:
    for number, entry in enumerate(explanation.entries):
        if number:
            yield []
        yield from _entry(entry, width)


def _entry(entry: Entry, width: int) -> Iterator[list[Piece]]:
    for text in wrapped(entry.title, width):
        yield [(text, "title")]
    if entry.kind:
        for text in wrapped(entry.kind, width):
            yield [(text, "muted")]
    margin = max((len(section.label) for section in entry.sections), default=0) + 2
    beside = width >= _BESIDE
    for section in entry.sections:
        label = section.label.ljust(margin)
        if not beside:
            yield [(section.label, "label")]
            label = " " * 2
        for paragraph in section.lines:
            for text in wrapped(paragraph, width - len(label)):
                yield [(label, "label"), *linked(text)]
                label = " " * len(label)


def linked(text: str) -> Iterator[Piece]:
    """Yield a text with its links marked as such."""
    at = 0
    for link in _LINK.finditer(text):
        yield text[at : link.start()], "plain"
        yield link[0], "link"
        at = link.end()
    yield text[at:], "plain"
