"""Folders and patterns, made into the recordings that they stand for.

Only what was named leads anywhere: symbolic links in a folder are not followed. What is in no format that is read is
left out with a note, and so is what cannot be opened; named by itself it would be an error.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from itertools import islice
from pathlib import Path

from inspector.errors import CaptureError
from inspector.importers.formats import is_recording
from inspector.store.file import is_capture
from inspector.store.reader import Reader
from inspector.words import counted

MOST_RECORDINGS = 200
"""Recordings that a folder or a pattern may stand for: each is a file that is open while they are read together."""
MOST_ENTRIES = 20_000
"""Files and folders that are looked at in one folder, its sub-folders included."""
MOST_LEVELS = 5
"""Levels of folders that are looked into, the named one included."""

# Names that a note lists.
_NAMED = 3
# Ends of names of what belongs to a recording and is none.
_COMPANIONS = ("-wal", "-shm", "-journal", ".lock", ".notes", ".keys.log", ".part")


@dataclass(frozen=True, slots=True)
class Gathered:
    """The recordings that names stand for."""

    paths: tuple[Path, ...]
    """In the order of their names, those in folders by path."""
    notes: tuple[str, ...]
    """Sentences about what was left out."""


def stands_for_others(path: Path) -> bool:
    """Say whether `path` is a folder, or the pattern of names of files. Reads nothing but its directory entry."""
    return path.is_dir() or (_is_pattern(path) and not os.path.lexists(path))


def gather(named: Sequence[Path]) -> Gathered:
    """Return what the names stand for: files themselves, folders and patterns (``logs/*.mitm``) what is in them.

    A folder that is a recording as a whole stands for itself. Raises CaptureError where a folder or pattern has no
    recordings, or too many.
    """
    if not any(map(stands_for_others, named)):
        return Gathered(tuple(named), ())
    notes: list[str] = []
    found: dict[str, Path] = {}
    for path in named:
        if stands_for_others(path):
            # One that was named, or is in two of the folders, is read once.
            for each in _Search(path).recordings(notes):
                found.setdefault(os.path.realpath(each), each)
        else:
            found.setdefault(os.path.realpath(path), path)
    return Gathered(tuple(found.values()), tuple(dict.fromkeys(notes)))


def _is_pattern(path: Path) -> bool:
    return any(sign in str(path) for sign in "*?[")


class _Search:
    """What is behind one name."""

    def __init__(self, named: Path) -> None:
        self._named = named
        self._entries = 0
        self._others: list[str] = []
        """Names of what is not a recording."""
        self._links = 0
        self._too_deep = 0
        self._problems: list[str] = []

    def recordings(self, notes: list[str]) -> list[Path]:
        """Return them, and add to `notes` what was left out. Raises CaptureError."""
        try:
            found = list(self._look())
        except OSError as error:
            raise CaptureError(f"{error.filename or self._named} cannot be read: {error.strerror or error}") from error
        notes += self._notes()
        if not found:
            none = CaptureError(f"there are no recordings in {self._named}")
            if not self._entries:
                none = CaptureError(
                    f"{self._named} is a folder with nothing in it"
                    if self._named.is_dir()
                    else f"no file matches {self._named}"
                )
            none.shown = "\n".join(self._notes())
            raise none
        return found

    def _look(self) -> Iterator[Path]:
        places = [self._named] if self._named.is_dir() else map(Path, sorted(glob(str(self._named))))
        for number, path in enumerate(self._within(places, 1, is_named=True), 1):
            if number > MOST_RECORDINGS:
                many = f"more than {MOST_RECORDINGS} recordings"
                raise CaptureError(f"{self._named} has {many}; name some of them, or a folder with fewer")
            yield path

    def _within(self, paths: Iterable[Path], level: int, *, is_named: bool = False) -> Iterator[Path]:
        for path in paths:
            if not is_named or path != self._named:
                self._entries += 1
            if self._entries > MOST_ENTRIES:
                raise CaptureError(f"{self._named} has more than {MOST_ENTRIES:,} files; name a folder with fewer")
            if path.is_symlink() and not is_named:
                self._links += 1
            elif path.name.endswith(_COMPANIONS):
                continue
            elif self._is_recording(path):
                yield path
            elif path.is_dir():
                if level > MOST_LEVELS:
                    self._too_deep += 1
                else:
                    shown = (each for each in path.iterdir() if not each.name.startswith("."))
                    yield from self._within(sorted(islice(shown, MOST_ENTRIES + 1)), level + 1)

    def _is_recording(self, path: Path) -> bool:
        """Say whether a file or folder is one that can be opened; of a file, note why it is not."""
        try:
            if path.is_dir():
                return is_recording(path, self._problems)
            if path.is_file() and is_capture(path):
                Reader(path).close()
            elif not path.is_file() or not is_recording(path, self._problems):
                self._others.append(path.name)
                return False
        except (OSError, CaptureError) as error:
            self._problems.append(f"skipped {path.name}: {error}")
            return False
        return True

    def _notes(self) -> list[str]:
        notes = []
        if self._others:
            names = ", ".join([*self._others[:_NAMED], *["…"] * (len(self._others) > _NAMED)])
            what = counted(len(self._others), "file that is not a recording/files that are not recordings")
            notes.append(f"{self._named}: skipped {what} ({names})")
        if self._links:
            notes.append(f"{self._named}: skipped {counted(self._links, 'symbolic link')}; name a link to follow it")
        if self._too_deep:
            notes.append(f"{self._named}: skipped {counted(self._too_deep, 'folder')} deeper than {MOST_LEVELS} levels")
        return notes + list(dict.fromkeys(self._problems))
