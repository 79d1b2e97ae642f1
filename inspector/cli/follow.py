"""Following a capture that still grows."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from inspector.cli.output import Printer, note
from inspector.model import Event
from inspector.query.search import Search
from inspector.report.rows import CaptureRows
from inspector.store.reader import Reader

# Seconds between two looks; SQLite answers the question whether there is news in 2 us.
BEAT = 0.05


def follow(reader: Reader, ended: Callable[[], bool] | None = None, after: int = 0) -> Iterator[Event]:
    """Yield the events of a capture as they come, until its recorder has finished it.

    With `ended`, until that says so: it is asked on every beat, and knows better, as a finished capture may be
    continued. `after` is the number of the event before the first.
    """
    while True:
        # Asked before the last look, so that nothing written in between is missed.
        over = ended() if ended is not None else "finished_at" in reader.meta()
        if reader.changed() or over:
            for event in reader.all_events(after):
                after = event.n
                yield event
        if over:
            return
        time.sleep(BEAT)


class Printout:
    """Prints each row of a growing capture once. Keeps no file open in between, so that a recorder can finish it."""

    def __init__(self, path: Path, printer: Printer, search: Search | None = None) -> None:
        self._path = path
        self._printer = printer
        self._search = search
        self._after = 0

    def follow(self, ended: Callable[[], bool]) -> None:
        """Print rows as they come, until `ended` says so."""
        rows = CaptureRows(Reader(self._path))
        try:
            self._print(follow(rows.reader, ended, self._after), rows)
        finally:
            rows.reader.close()

    def finish(self) -> None:
        """Print what has come since, and say what is to be said of the capture as a whole."""
        rows = CaptureRows(Reader(self._path))
        try:
            self._print(rows.reader.all_events(self._after), rows)
            rows.conclude()
        finally:
            rows.reader.close()
        for text in rows.notes:
            note(text)

    def _print(self, events: Iterable[Event], rows: CaptureRows) -> None:
        for event in events:
            self._after = event.n
            if self._search is None or self._search.matches(event, rows.connection(event.connection)):
                self._printer.print(event, rows)
                self._printer.flush()
