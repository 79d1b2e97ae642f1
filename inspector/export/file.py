"""Writes the file: private, never over another unasked, and not there at all where it could not be written whole.

There is no `gwcap` among the formats of rows: a compressed stream cannot be cut, so a capture of some of its frames
could not be decoded.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from inspector.errors import CaptureError, UsageError
from inspector.export import csv, jsonl, markdown, text
from inspector.export.chosen import Chosen, Progress
from inspector.report.recording import Recording

FORMATS: dict[str, Callable[[Chosen], Iterator[bytes]]] = {
    "jsonl": jsonl.write,
    "text": text.write,
    "csv": csv.write,
    "md": markdown.write,
}
"""By the suffix of the file."""


def export(
    recording: Recording, numbers: Sequence[int], target: Path, form: str, progress: Progress | None = None
) -> int:
    """Write the rows `numbers` (ascending) to the new file `target` in one of `FORMATS` and return how many there were.

    What `progress` raises ends the export. Secrets are masked unless `recording` reveals them. Raises UsageError for an
    unknown format, CaptureError where `target` exists or cannot be written; no part of a file stays behind.
    """
    write = FORMATS.get(form)
    if write is None:
        raise UsageError(f"there is no format {form!r}; there are {', '.join(FORMATS)}")
    chosen = Chosen(recording, numbers, progress)
    write_new(target, write(chosen))
    return chosen.count


def write_new(target: Path, parts: Iterable[bytes], *, replace: bool = False) -> int:
    """Write a new file for its owner's eyes only, and return how many bytes it has.

    With `replace` one that exists is replaced once all is written. What `parts` raises ends it; no part of a file stays
    behind. Raises CaptureError where `target` exists or cannot be written.
    """
    if replace and target.exists() and not target.is_file():
        raise CaptureError(f"{target} is not a file; not overwriting it, choose another name")
    place = target.with_name(f".{target.name}.{os.getpid()}") if replace else target
    handle = _create(place)
    count = 0
    try:
        with os.fdopen(handle, "wb") as file:
            for data in parts:
                count += file.write(data)
        if replace:
            place.replace(target)
    except BaseException as error:
        with suppress(OSError):
            place.unlink()
        if isinstance(error, OSError):
            raise CaptureError(f"{target} cannot be written: {error.strerror or error}") from error
        raise
    return count


def _create(target: Path) -> int:
    """Make the file, for its owner's eyes only, and return a handle to it."""
    try:
        handle = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise CaptureError(f"{target} exists; not overwriting it, choose another name") from None
    except OSError as error:
        raise CaptureError(f"{target} cannot be made: {error.strerror or error}") from error
    os.fchmod(handle, 0o600)
    return handle
