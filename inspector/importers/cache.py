"""Imports that are kept, so that a file has to be read through only the first time it is looked at.

An import is found again by what is in the files, never by their names: what changed is imported again. Two programs may
be at it at once. Each makes a file of its own, and the last one done stays; they are the same.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from inspector import __version__
from inspector.errors import CaptureError, EnvironmentProblem
from inspector.importers.hints import NO_HINTS, Hints
from inspector.importers.merge import Input, Report, merge
from inspector.protocol.registry import Registry
from inspector.store.file import SCHEMA_VERSION, make_folder
from inspector.store.reader import Reader

# Bytes that all imports together may have; those not used for longest go first.
LIMIT = 2 * 1024**3
# Bytes of a file that are digested at once.
_BLOCK = 1024 * 1024
# How a capture ends that is being made, and what SQLite has next to it.
UNFINISHED = (".part", ".part-wal", ".part-shm")
# Seconds after which an import that is not finished is taken for abandoned.
_ABANDONED = 24 * 3600
# What imports say of who made them.
MADE_BY = "gwinspect import"


@dataclass(frozen=True, slots=True)
class Kept:
    """An import in the cache."""

    path: Path
    source: str
    """Names of the files that were imported; empty where it can no longer be read."""
    bytes: int
    used: float
    """When it was last used, in seconds since the epoch."""
    rows: int


class Place:
    """Where the import of some files is kept, once it is made.

    All of the files is read to tell; `report` is told how many bytes are, and how many there are. `folder` is where
    imports are kept, by default below the user's cache folder. Raises CaptureError where a file cannot be read,
    EnvironmentProblem where the folder cannot be made.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        registry: Registry,
        hints: Hints = NO_HINTS,
        *,
        report: Callable[[int, int], None] = lambda done, total: None,
        folder: Path | None = None,
    ) -> None:
        self.registry = registry
        self.inputs = [Input(path, hints) for path in paths]
        try:
            self.folder = private_folder(folder)
            self.path = self.folder / f"{_key(self.inputs, registry, hints, report)}.gwcap"
        except BaseException:
            self.close()
            raise

    def is_filled(self) -> bool:
        """Say whether the import is there, and note that it is used now."""
        try:
            os.utime(self.path)
        except FileNotFoundError:
            return False
        return True

    def close(self) -> None:
        """Let go of the files."""
        for each in self.inputs:
            each.close()


def imported(place: Place, *, report: Report = lambda done, total, happenings: None, limit: int = LIMIT) -> Path:
    """Return a capture of what is in the files of `place`, captures among them: one made before, or a new one.

    It stays at least until another is made. `report` is as for `merge`. Raises CaptureError where a file cannot be
    read, or there is no gateway connection in any.
    """
    with closing(place):
        if not place.is_filled():
            merge(place.inputs, place.path, place.registry, made_by=MADE_BY, report=report)
            trim(place.path, limit)
    return place.path


def trim(newest: Path, limit: int = LIMIT) -> None:
    """Remove imports until they fit in `limit` bytes, those first that were not used for longest, never `newest`.

    Parts that no one finished go too, once they are old.
    """
    _remove_abandoned(newest.parent)
    size = 0
    for path, bytes_, _ in sorted(_kept(newest.parent), key=lambda each: (each[0] == newest, each[2]), reverse=True):
        size += bytes_
        if size > limit and path != newest:
            path.unlink(missing_ok=True)


def kept(folder: Path | None = None) -> list[Kept]:
    """Return the imports that are kept, the one used last first."""
    found = []
    for path, bytes_, used in _kept(cache_folder(folder)):
        try:
            with closing(Reader(path)) as reader:
                source, rows = reader.meta().get("source", ""), reader.last()
        except CaptureError:
            source, rows = "", 0
        found.append(Kept(path, source, bytes_, used, rows))
    return sorted(found, key=lambda each: each.used, reverse=True)


def clear(folder: Path | None = None) -> tuple[int, int]:
    """Remove what is kept, and return how many imports that was, and their bytes. Those being made are left alone."""
    folder = cache_folder(folder)
    count = size = 0
    for path, bytes_, _ in _kept(folder):
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise EnvironmentProblem(f"{path} cannot be removed: {error.strerror or error}") from error
        count, size = count + 1, size + bytes_
    _remove_abandoned(folder)
    return count, size


def cache_folder(folder: Path | None = None) -> Path:
    """Return the folder for imports, which need not be there."""
    return folder or user_cache_path("gwinspect") / "imports"


def private_folder(folder: Path | None = None) -> Path:
    """Return the folder for imports, made if need be, closed to others: captures hold private messages.

    Raises EnvironmentProblem where it cannot be made.
    """
    folder = cache_folder(folder)
    try:
        make_folder(folder)
        folder.chmod(0o700)
    except OSError as error:
        raise EnvironmentProblem(
            f"{folder}, where imports are kept, cannot be made ({error.strerror or error}); set XDG_CACHE_HOME to "
            "another folder, or pass --no-cache"
        ) from error
    return folder


def _key(inputs: Sequence[Input], registry: Registry, hints: Hints, report: Callable[[int, int], None]) -> str:
    """Return the name for an import: a digest of all that makes it what it is."""
    # What is masked, and which ids are found, is in the tables, and users may add to them.
    tables = (sorted((name, row.ids) for name, row in registry.events.items()), registry.secrets)
    # The capture says which of several files each connection came from.
    names = [each.path.name for each in inputs] if len(inputs) > 1 else []
    plugins = [each.plugin for each in inputs if each.plugin]
    about = (
        __version__,
        SCHEMA_VERSION,
        sorted(hints.hosts),
        sorted(hints.fields),
        hints.duplicates,
        tables,
        names,
        plugins,
        registry.max_concurrency,
    )
    digest = hashlib.sha256(repr(about).encode())
    parts = [part for each in inputs for part in each.files()]
    total, done = sum(part.stat().st_size for part in parts if part.exists()), 0

    def advance(size: int) -> None:
        nonlocal done
        done += size
        report(done, max(done, total))

    for part in parts:
        digest.update(_digest(part, advance))
    return digest.hexdigest()[:40]


def _digest(path: Path, advance: Callable[[int], None]) -> bytes:
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                found.update(block)
                advance(len(block))
    except FileNotFoundError:
        return bytes(32)
    return found.digest()


def _kept(folder: Path) -> Iterator[tuple[Path, int, float]]:
    """Yield finished imports with their bytes, and when they were last used."""
    for path, found in _files(folder):
        if path.suffix == ".gwcap":
            yield path, found.st_size, found.st_mtime


def _remove_abandoned(folder: Path) -> None:
    for path, found in _files(folder):
        if path.suffix in UNFINISHED and time.time() - found.st_mtime > _ABANDONED:
            path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    try:
        paths = list(folder.iterdir())
    except FileNotFoundError:
        return
    for path in paths:
        try:
            yield path, path.stat()
        except FileNotFoundError:
            continue
