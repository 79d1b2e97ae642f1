"""Rows of a capture, chosen by a person, as a file for someone else.

One function per format, all in one list. What is masked on the screen is masked here. A file that is there already is
never written over, and one that could not be written whole is taken away again.

There is no `gwcap` among the formats: a compressed stream cannot be cut, so a capture of some of its frames could not
be decoded.
"""

import csv
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from inspector.errors import CaptureError, UsageError
from inspector.inert import inert
from inspector.model import Kind
from inspector.report import cells, jsonl
from inspector.report.present import Presenter, Shown, rendered
from inspector.report.recording import Recording
from inspector.report.text import TextRows

Raw = Callable[[Shown], bytes | str]
"""Looks up the frames that a row came from, joined; or why they are not shown."""

CSV_COLUMNS = (
    "n",
    "at",
    "connection",
    "plane",
    "kind",
    "direction",
    "op",
    "name",
    "event",
    "seq",
    "wire_bytes",
    "decoded_bytes",
    "summary",
)

# Rows fetched at once; payloads can be megabytes.
_BATCH = 100
# How a cell begins that a spreadsheet would run: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)


def to_jsonl(rows: Iterator[Shown], raw: Raw) -> Iterator[bytes]:
    """Yield `rows` as `gwinspect show --format jsonl` prints them."""
    for shown in rows:
        yield jsonl.line(shown, raw(shown) if shown.event.kind is Kind.UNDECODED else None)


def to_text(rows: Iterator[Shown], raw: Raw) -> Iterator[bytes]:
    """Yield `rows` as `gwinspect show` prints them, in lines of any length. Times are this machine's."""
    text = TextRows()
    for shown in rows:
        for line in text.lines(shown):
            yield _utf8(line + "\n")


def to_csv(rows: Iterator[Shown], raw: Raw) -> Iterator[bytes]:
    """Yield a table with a title line. What a spreadsheet would take for a formula has an apostrophe before it."""
    yield csv_line(CSV_COLUMNS)
    for shown in rows:
        yield rendered(shown, _csv_row)


def _csv_row(shown: Shown) -> bytes:
    found = jsonl.record(shown) | {"summary": cells.summary(shown)}
    return csv_line([found[name] for name in CSV_COLUMNS])


FORMATS: dict[str, Callable[[Iterator[Shown], Raw], Iterator[bytes]]] = {
    "jsonl": to_jsonl,
    "text": to_text,
    "csv": to_csv,
}


def export(
    recording: Recording,
    numbers: Sequence[int],
    target: Path,
    form: str,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the rows `numbers` (ascending) to the new file `target` in one of `FORMATS` and return how many there were.

    `progress` is told how many of `numbers` are done, and how many there are; what it raises ends the export. Secrets
    are masked unless `recording` reveals them. Raises UsageError for a format that there is not, CaptureError where
    `target` exists or cannot be written; no part of a file stays behind.
    """
    write = FORMATS.get(form)
    if write is None:
        raise UsageError(f"there is no format {form!r}; there are {', '.join(FORMATS)}")
    count = 0
    presenter = Presenter(recording.registry, reveal=recording.reveal)

    def rows() -> Iterator[Shown]:
        nonlocal count
        for shown in _rows(recording, presenter, numbers, progress):
            count += 1
            yield shown

    handle = _create(target)
    try:
        with os.fdopen(handle, "wb") as file:
            for data in write(rows(), lambda shown: presenter.raw(shown.event, recording.rows)):
                file.write(data)
    except BaseException as error:
        with suppress(OSError):
            target.unlink()
        if isinstance(error, OSError):
            raise CaptureError(f"{target} cannot be written: {error.strerror or error}") from error
        raise
    return count


def _create(target: Path) -> int:
    """Make the file, for its owner's eyes only, and return a handle to it."""
    try:
        handle = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise CaptureError(f"{target} exists and is left alone; choose another name") from None
    except OSError as error:
        raise CaptureError(f"{target} cannot be made: {error.strerror or error}") from error
    os.fchmod(handle, 0o600)
    return handle


def _rows(
    recording: Recording,
    presenter: Presenter,
    numbers: Sequence[int],
    progress: Callable[[int, int], None] | None,
) -> Iterator[Shown]:
    done = 0
    while done < len(numbers):
        first = numbers[done]
        # Rows that follow each other are read at once.
        length = 1
        while length < _BATCH and done + length < len(numbers) and numbers[done + length] == first + length:
            length += 1
        for event in recording.reader.events(first - 1, length):
            if event.n < first + length:
                yield presenter.show(event, recording.rows)
        done += length
        if progress is not None:
            progress(done, len(numbers))


def csv_line(values: Sequence[Any], end: str = "\r\n") -> bytes:
    """Return one line of CSV in UTF-8. Texts are inert, bytes in hex; what would run in a spreadsheet gets an ``'``."""
    line = io.StringIO()
    csv.writer(line, lineterminator=end).writerow(map(_cell, values))
    return _utf8(line.getvalue())


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if not isinstance(value, str):
        return value
    is_formula = _FORMULA.match(value) is not None and _NUMBER.fullmatch(value) is None
    return inert("'" + value if is_formula else value)


def _utf8(text: str) -> bytes:
    return text.encode(errors="backslashreplace")
