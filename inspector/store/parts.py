"""A recording whose file is taken away continues in another: where that may be, and how anyone who follows it finds it.

The parts of one recording share ``recording`` in their meta, an id made at its start; ``part`` counts them from 1. The
second part of ``bot.gwcap`` is ``bot-2.gwcap``, in the same folder or, where that is gone, in the current or the
temporary one.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from glob import escape
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from inspector.errors import CaptureError
from inspector.store.reader import Reader

# Seconds between two looks whether a file is still there.
LOOK = 1.0
# Seconds that those who read a file that is damaged wait for its recorder to notice.
PATIENCE = 5.0
# Numbers that a part can have.
_NUMBERS = range(2, 10_000)


class Trouble(NamedTuple):
    """What became of a file."""

    text: str
    """In words that go on after its name."""
    is_damaged: bool = False
    """Not all that was in it can be read any more, not even by those who have it open."""


class Watch:
    """Looks whether a capture that somebody has open is still the file of that name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = Path(f"{path}-wal")
        self._found = _identity(path)
        self._found_log = _identity(self._log)
        self._size = 0

    @property
    def owns_log(self) -> bool:
        """Whether the write-ahead log of that name is still the one that belongs to the file."""
        return self._found_log is not None and _identity(self._log) == self._found_log

    def trouble(self) -> Trouble | None:
        """Return what became of it; None while all is well."""
        try:
            found = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return Trouble("was deleted or renamed" if self._path.parent.is_dir() else "was deleted with its folder")
        except OSError:
            # Whether it can be written will show.
            return None
        if (found.st_dev, found.st_ino) != self._found:
            return Trouble("was replaced by another file")
        if found.st_size < self._size:
            return Trouble(f"was cut from {self._size:,} to {found.st_size:,} bytes", is_damaged=True)
        self._size = found.st_size
        if self._found_log is None:
            self._found_log = _identity(self._log)
        elif not self.owns_log:
            return Trouble("has lost its -wal file")
        return None


class Trail:
    """Follows a recording from part to part, for those who read it. `path` is where it is; it must exist."""

    def __init__(self, path: Path, recording: str = "") -> None:
        self.path = path
        self.recording = recording or recording_of(path)
        """The id that all parts have; see `recording_of`."""
        self.origin = path
        """Where it began."""
        self._watch = Watch(path)
        self._looked = 0.0

    def moved(self, *, at_once: bool = False) -> bool:
        """Look whether the recording continues in another file, which then is `path`; at most once a second."""
        now = time.monotonic()
        if not at_once and now - self._looked < LOOK:
            return False
        self._looked = now
        if self._watch.trouble() is None:
            return False
        place = newest_part(self.origin, self.recording)
        if place == self.path:
            return False
        self.path, self._watch = place, Watch(place)
        return True

    def wait(self) -> bool:
        """Wait a while for the recording to continue in another file, and return whether it does."""
        deadline = time.monotonic() + PATIENCE
        while not (has_moved := self.moved(at_once=True)) and time.monotonic() < deadline:
            time.sleep(LOOK / 4)
        return has_moved

    def is_copy(self) -> bool:
        """Say whether the file has all that was in the one before it, under the same numbers."""
        with closing(Reader(self.path)) as reader:
            return "lost" not in reader.meta()


def names(path: Path, folder: Path, count: int) -> Iterator[Path]:
    """Yield the first names for a part of the recording that began as `path`, in `folder`, that nothing has yet."""
    every = (folder / f"{path.stem}-{number}{path.suffix}" for number in _NUMBERS)
    return islice((name for name in every if not os.path.lexists(name)), count)


def folders(path: Path) -> list[Path]:
    """Return the folders in which the next part may be, the best first."""
    found = [path.parent]
    with suppress(OSError):
        found.append(Path.cwd())
    found.append(Path(tempfile.gettempdir()))
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def recording_of(path: Path) -> str:
    """Return the id of the recording that a capture is part of, empty where it has none."""
    try:
        with closing(Reader(path)) as reader:
            return reader.meta().get("recording", "")
    except CaptureError:
        return ""


def newest_part(path: Path, recording: str) -> Path:
    """Return the last part of a recording that began as `path`: that itself, where it never continued elsewhere."""
    best, place = 1, path
    for folder in folders(path) if recording else ():
        for candidate in folder.glob(f"{escape(path.stem)}-*{escape(path.suffix)}"):
            number = _part(candidate, recording)
            if number > best:
                best, place = number, candidate
    return place


def _part(candidate: Path, recording: str) -> int:
    """Return which part of the recording a file is, 0 where it is none. In a shared folder it may be anybody's."""
    try:
        if candidate.is_symlink() or candidate.stat().st_uid != os.geteuid():
            return 0
        with closing(Reader(candidate)) as reader:
            meta = reader.meta()
        return int(meta.get("part", 0)) if meta.get("recording") == recording else 0
    except (CaptureError, OSError, ValueError):
        return 0


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
