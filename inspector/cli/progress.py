"""Progress of long work, on a terminal only, and on stderr. Nothing of it is left there when the work has ended."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from wcwidth import wcwidth

from inspector.inert import inert
from inspector.leaving import tidily
from inspector.words import size

Report = Callable[..., None]
"""Takes how much is done and how much there is; of files, these are bytes, and a third number counts messages."""

# Seconds between two drawings, and columns of the bar.
_BEAT = 0.1
_COLUMNS = 30


def looking_at(names: str) -> str:
    """Return the label of the bar while files are looked up in the cache."""
    return f"looking up {names} in the cache"


@contextmanager
def progress_bar(label: str) -> Iterator[Report]:
    """Give a function that takes how much is done and how much there is; it draws a bar where one can be seen."""
    if not sys.stderr.isatty():
        yield lambda done, total, messages=0: None
        return
    bar = _Bar(label)
    with tidily():
        try:
            bar.draw(0, 1)
            yield bar.report
        finally:
            bar.clear()


class _Bar:
    def __init__(self, label: str) -> None:
        # A character of which no one knows how wide it is drawn would push the rest into the next line.
        self._label = "".join(char if wcwidth(char) == 1 else "?" for char in inert(label))
        self._drawn = 0.0
        self._width = 0

    def report(self, done: int, total: int, messages: int | None = None) -> None:
        """Draw how much is done, unless that was done just now."""
        if time.monotonic() - self._drawn > _BEAT:
            self.draw(done, total, messages)

    def draw(self, done: int, total: int, messages: int | None = None) -> None:
        share = min(done / total, 1.0) if total else 1.0
        full = int(share * _COLUMNS)
        text = f"{self._label}  [{'#' * full}{'-' * (_COLUMNS - full)}] {int(share * 100):3} %"
        if messages is not None:
            text += f"  {size(done)} of {size(total)}, {messages:,} messages"
        # Without the last column, where some terminals go on to the next line.
        self._width = shutil.get_terminal_size().columns - 1
        self._write(f"\r{text[: self._width].ljust(self._width)}")
        self._drawn = time.monotonic()

    def clear(self) -> None:
        self._write(f"\r{' ' * self._width}\r")

    def _write(self, text: str) -> None:
        # A terminal that was closed is no reason to end the work.
        with suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()
