"""Text, as `gwinspect show` prints it."""

from collections.abc import Iterator

from inspector.export.chosen import Chosen
from inspector.report.text import TextRows


def write(chosen: Chosen) -> Iterator[bytes]:
    """Yield lines of any length. Times are this machine's."""
    text = TextRows()
    for shown in chosen:
        for line in text.lines(shown):
            yield (line + "\n").encode(errors="backslashreplace")
