"""Imports that are kept, so that a file has to be read through only the first time it is looked at.

An import is found again by what is in the files, never by their names: what changed is imported anew. Two programs may
be at it at once. Each makes a file of its own, and the last one done stays; they are the same.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from platformdirs import user_cache_path

from inspector import __version__
from inspector.errors import EnvironmentProblem
from inspector.importers.merge import Input, Report, merge
from inspector.protocol.registry import Registry
from inspector.store.file import SCHEMA_VERSION, make_folder

# Bytes that all imports together may have; those not used for longest go first.
LIMIT = 2 * 1024**3
# How a capture ends that is being made, and what SQLite has beside it.
UNFINISHED = (".part", ".part-wal", ".part-shm")
# Seconds after which an import that is not finished is taken for abandoned.
_ABANDONED = 24 * 3600


def imported(
    paths: Sequence[Path],
    registry: Registry,
    hosts: Iterable[str] = (),
    *,
    progress: Callable[[str], AbstractContextManager[Report]] = lambda name: nullcontext(lambda done, total: None),
    tell: Callable[[str], None] = lambda note: None,
    folder: Path | None = None,
    limit: int = LIMIT,
) -> Path:
    """Return a capture of what is in the files `paths`, captures among them: one made before, or a new one.

    It stays at least until another is made. `hosts` are more hosts that are gateways; `progress` and `tell` are for the
    import, as `merge` takes them. `folder` is where imports are kept, by default below the user's cache folder.

    Raises:
        CaptureError: where a file cannot be read, or nothing in them is of use.
        EnvironmentProblem: where the folder cannot be made.
    """
    hosts = tuple(hosts)
    inputs = [Input(path, hosts) for path in paths]
    try:
        folder = private_folder(folder)
        target = folder / f"{_key(paths, registry, hosts)}.gwcap"
        if not _use(target):
            merge(inputs, target, registry, made_by="gwinspect open", progress=progress, tell=tell)
            _trim(folder, target, limit)
    finally:
        for each in inputs:
            each.close()
    return target


def _use(path: Path) -> bool:
    """Note that an import is used now, and say whether there is one."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def private_folder(folder: Path | None = None) -> Path:
    """Return the folder for imports, made if need be, closed to others: captures hold private messages.

    Raises EnvironmentProblem where it cannot be made.
    """
    folder = folder or user_cache_path("gwinspect") / "imports"
    try:
        make_folder(folder)
        folder.chmod(0o700)
    except OSError as error:
        raise EnvironmentProblem(
            f"{folder}, where imports are kept, cannot be made ({error.strerror or error}); set XDG_CACHE_HOME to "
            "another folder, or make a capture with `gwinspect convert` and open that"
        ) from error
    return folder


def _key(paths: Sequence[Path], registry: Registry, hosts: Sequence[str]) -> str:
    """Return the name for an import: a digest of all that makes it what it is."""
    # What is masked, and which ids are found, is in the tables, and users may add to them.
    tables = (sorted((name, row.ids) for name, row in registry.events.items()), registry.secrets)
    about = (__version__, SCHEMA_VERSION, sorted(hosts), tables)
    digest = hashlib.sha256(repr(about).encode())
    for path in paths:
        # The newest rows of a capture that is being written are not in the file itself yet.
        for part in (path, path.with_name(path.name + "-wal")):
            digest.update(_digest(part))
    return digest.hexdigest()[:40]


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except FileNotFoundError:
        return bytes(32)


def _trim(folder: Path, newest: Path, limit: int) -> None:
    """Remove imports until they fit, those first that were not used for longest, and what was left unfinished."""
    kept = []
    for path in folder.iterdir():
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        if path.suffix == ".gwcap":
            kept.append((path == newest, found.st_mtime, found.st_size, path))
        elif path.suffix in UNFINISHED and time.time() - found.st_mtime > _ABANDONED:
            path.unlink(missing_ok=True)
    size = 0
    for is_newest, _, bytes_, path in sorted(kept, reverse=True):
        size += bytes_
        if size > limit and not is_newest:
            path.unlink(missing_ok=True)
