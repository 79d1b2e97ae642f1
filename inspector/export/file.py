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
from inspector.store.file import passing_file

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
    save(write(chosen), target)
    return chosen.count


def save(pieces: Iterable[bytes], target: Path) -> None:
    """Write `pieces` to the new file `target`. Raises as `export` does, and what `pieces` raises."""
    handle = _create(target)
    try:
        with os.fdopen(handle, "wb") as file:
            for data in pieces:
                file.write(data)
    except BaseException as error:
        with suppress(OSError):
            target.unlink()
        if isinstance(error, OSError):
            raise CaptureError(f"{target} cannot be written: {error.strerror or error}") from error
        raise


def save_over(pieces: Iterable[bytes], target: Path) -> None:
    """Write `pieces` to `target` in place of what is there, which stays until they are written. Raises as `save`."""
    if target.exists() and not target.is_file():
        raise CaptureError(f"{target} is not a regular file; choose another name")
    try:
        with passing_file(target.with_name(f"{target.name}.part")) as part:
            with part.open("wb") as file:
                for data in pieces:
                    file.write(data)
            os.replace(part, target)
    except OSError as error:
        raise CaptureError(f"{target} cannot be written: {error.strerror or error}") from error


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
