"""Following a capture that still grows, or frames that do."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from inspector import leaving
from inspector.cli.ending import tidy_up
from inspector.cli.output import Printer, note
from inspector.cli.stdin import STDIN, check_piped
from inspector.cli.streams import OutputProblem, ReaderGone
from inspector.errors import CaptureError, UsageError
from inspector.importers.frames import FramesFile
from inspector.importers.frames.growing import FileTail, PipeTail, Tail, growing
from inspector.importers.hints import NO_HINTS, Hints
from inspector.model import Event, Finding
from inspector.protocol.registry import default
from inspector.query.search import Search
from inspector.report.rows import CaptureRows
from inspector.store.file import is_capture, read_start
from inspector.store.parts import Trail
from inspector.store.reader import Reader, explained
from inspector.store.rows import FINDING_COLUMNS, finding_of

# Seconds between two looks; SQLite answers the question whether there is news in 2 us.
BEAT = 0.05

# Bytes that are enough to know frames by.
_HEAD_BYTES = 16 * 1024


class LateFindings:
    """Notes what is noticed at rows that were printed before: silence, of which no row of its own tells.

    To be asked to `look` before new rows are read, and told of each row that is printed.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._printed: set[Finding] = set()

    def printed(self, event: Event) -> None:
        """Remember, until the next look, what was printed below a row."""
        self._printed.update(event.findings)

    def look(self, reader: Reader, after: int) -> None:
        """Tell what is new at rows up to `after`, which are printed. What is at later ones comes with them."""
        with explained(reader.path):
            found = reader.db.execute(
                f"select {FINDING_COLUMNS}, id from finding where id > ? order by id", (self._seen,)
            ).fetchall()
        for *columns, number in found:
            self._seen = number
            finding = finding_of(tuple(columns))
            if finding.event <= after and finding not in self._printed:
                note(f"row {finding.event}, noticed only now: {finding.rule}: {finding.text}")
        self._printed.clear()


def follow(
    reader: Reader, ended: Callable[[], bool] | None = None, after: int = 0, late: LateFindings | None = None
) -> Iterator[Event]:
    """Yield the events of a capture as they come, until its recorder has finished it.

    With `ended`, until that says so: it is asked on every beat, and knows better, as a finished capture may be
    continued. `after` is the number of the event before the first; `late` continues from a capture followed before.
    """
    late = late or LateFindings()
    while True:
        leaving.check()
        # Asked before the last look, so that nothing written in between is missed.
        over = ended() if ended is not None else "finished_at" in reader.meta()
        if reader.changed() or over:
            late.look(reader, after)
            for event in reader.all_events(after):
                after = event.n
                late.printed(event)
                yield event
        if over:
            return
        time.sleep(BEAT)


def followed(path: Path, hints: Hints = NO_HINTS, *, tell: Callable[[str], None] = note, piped: int = 0) -> Path:
    """Return a capture to follow: `path` itself, or one that the frames in it are read into while they grow.

    That one is gone when the command ends. `tell` is told, in another thread,
    what could not be read. For ``-`` the frames come from the descriptor `piped`. Raises UsageError for other formats.
    """
    is_piped = path == STDIN
    if is_piped:
        check_piped(piped)
    elif is_capture(path):
        return path
    head = _first_line(piped) if is_piped else read_start(path, _HEAD_BYTES)
    if not FramesFile.recognizes(head):
        raise UsageError("--follow takes one capture, a .gwcap or .frames.jsonl; other files are read as they are now")
    name = Path("stdin") if is_piped else path
    tidy_up()
    stream: Tail = PipeTail(piped, head) if is_piped else FileTail(path)
    return click.get_current_context().with_resource(growing(name, stream, default(), hints, tell=tell))


def _first_line(fd: int) -> bytes:
    """Read as much as it takes to know frames by."""
    head = b""
    while len(head) < _HEAD_BYTES and b"\n" not in head.lstrip() and (data := os.read(fd, _HEAD_BYTES)):
        head += data
    return head


class Printout:
    """Prints each row of a growing capture once, and follows it to another file where its recorder has to.

    Where nothing can be printed any more it says so, once, and follows it all the same: the recording comes first.
    Keeps no file open in between, so that a recorder can finish it.
    """

    def __init__(self, path: Path, printer: Printer, search: Search | None = None) -> None:
        self._path = path
        self._printer = printer
        self._search = search
        self._after = 0
        self._late = LateFindings()
        self._trail: Trail | None = None
        self.problem: OutputProblem | None = None
        """Why rows could not be printed, if that is so."""

    def follow(self, ended: Callable[[], bool], trail: Trail | None = None) -> None:
        """Print rows as they come, until `ended` says so. `trail`: where the recording is, if that is known better."""
        trail = self._trail = trail or Trail(self._path)
        self._path = trail.path
        while True:
            has_moved = False

            def is_over() -> bool:
                nonlocal has_moved
                has_moved = has_moved or trail.moved()
                return has_moved or ended()

            rows = CaptureRows(Reader(self._path))
            try:
                self._print(follow(rows.reader, is_over, self._after, self._late), rows)
            except CaptureError:
                # Its recorder has only just noticed, or is about to.
                has_moved = trail.wait()
                if not has_moved:
                    raise
            finally:
                rows.reader.close()
            if not has_moved:
                return
            self._go_on(trail)

    def finish(self) -> None:
        """Print what has come since, and say what is to be said of the capture as a whole."""
        if self._trail is not None and self._trail.moved(at_once=True):
            self._go_on(self._trail)
        rows = CaptureRows(Reader(self._path))
        try:
            self._late.look(rows.reader, self._after)
            self._print(rows.reader.all_events(self._after), rows)
            rows.conclude()
        finally:
            rows.reader.close()
        for text in rows.notes:
            note(text)
        if self._search is not None and self._search.problem:
            note(self._search.problem)

    def _go_on(self, trail: Trail) -> None:
        note(f"the recording continues in {trail.path}")
        self._path = trail.path
        if not trail.is_copy():
            self._after, self._late = 0, LateFindings()

    def _print(self, events: Iterable[Event], rows: CaptureRows) -> None:
        for event in events:
            self._after = event.n
            if self._search is None or self._search.matches(event, rows.connection(event.connection)):
                try:
                    self._printer.print(event, rows)
                    self._printer.flush()
                except ReaderGone:
                    note("the output was closed; the recording continues")
                except OutputProblem as error:
                    note(f"{error}; the recording continues")
                    self.problem = error
