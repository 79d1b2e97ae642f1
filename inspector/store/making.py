"""New captures: an empty one, and one that takes up a recording whose file was taken away."""

import os
import platform
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from inspector import __version__
from inspector.errors import CaptureError
from inspector.store.database import open_database
from inspector.store.file import APPLICATION_ID, SCHEMA_VERSION
from inspector.store.lock import Lock
from inspector.store.parts import folders, names


def create(path: Path, made_by: str, source: str, *, exclusive: bool = False) -> sqlite3.Connection:
    """Make a new capture, for its owner's eyes only; `exclusive`: only where there is nothing yet.

    All that says what the file is gets written before it goes into WAL mode: a main file copied alone says it too.
    """
    _touch(path, exclusive=exclusive)
    db = _open(path)
    schema = files("inspector.store").joinpath("schema.sql").read_text("utf-8")
    db.executescript(
        f"begin; {schema} pragma application_id = {APPLICATION_ID}; pragma user_version = {SCHEMA_VERSION};"
    )
    meta = {
        "tool": f"gwinspect {__version__}",
        "created_at": timestamp(),
        "host": f"{platform.system()} {platform.machine()}",
        "made_by": made_by,
        "source": source,
    }
    db.executemany("insert into meta values (?, ?)", meta.items())
    db.execute("commit")
    return db


def make_private(path: Path) -> None:
    """Close a capture to others that is about to be continued, and what SQLite has next to it, which takes its mode."""
    for end in ("", "-wal", "-shm", "-journal"):
        # Another user's is for that user to close.
        with suppress(FileNotFoundError, PermissionError):
            os.chmod(f"{path}{end}", 0o600)


def timestamp() -> str:
    """Return the time, as meta has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class NextPart(NamedTuple):
    """A file in which a recording continues."""

    path: Path
    db: sqlite3.Connection
    lock: Lock
    is_copy: bool
    """All that was in the one before is in it."""


def next_part(db: sqlite3.Connection, path: Path, *, is_damaged: bool, made_by: str, source: str) -> NextPart:
    """Make the file in which the recording that began as `path` continues; `db` has its last one still open.

    What can be read through `db` is copied, whatever its file is called now, if it has a name at all. `is_damaged`: it
    may be readable only in part, which takes a look at all of it. Raises CaptureError where no folder takes a file.
    """

    def copied(name: Path) -> sqlite3.Connection:
        _touch(name, exclusive=True)
        made = _open(name)
        try:
            db.backup(made)
            # Pages that the file no longer has are read as zeros.
            if is_damaged and made.execute("pragma quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("the copy is damaged too")
        except BaseException:
            made.close()
            raise
        return made

    def empty(name: Path) -> sqlite3.Connection:
        return create(name, made_by, source, exclusive=True)

    problem: Exception | None = None
    for make in (copied, empty):
        for name in _places(path):
            try:
                lock = Lock(name)
                try:
                    return NextPart(name, _in_wal_mode(make(name)), lock, make is copied)
                except BaseException:
                    _discard(name)
                    lock.release()
                    raise
            except (CaptureError, FileExistsError):
                continue
            except (sqlite3.Error, OSError) as error:
                problem = error
    raise CaptureError(f"no writable folder to continue the recording of {path} in ({problem})") from problem


def discard(part: NextPart) -> None:
    """Take back a file that cannot be written after all."""
    with suppress(sqlite3.Error):
        part.db.close()
    _discard(part.path)
    part.lock.release()


def leave(db: sqlite3.Connection, path: Path, *, owns_log: bool, is_damaged: bool) -> None:
    """Let go of the file that was at `path`, so that its remains do no harm to whatever has that name now.

    `owns_log`: the write-ahead log of that name is its own.
    """
    with suppress(sqlite3.Error):
        if not is_damaged:
            # Anyone who renamed it finds everything in it.
            db.execute("pragma wal_checkpoint(truncate)")
    with suppress(sqlite3.Error):
        db.close()
    for end in ("-wal", "-shm") if owns_log else ():
        with suppress(OSError):
            Path(f"{path}{end}").unlink()


def _places(path: Path) -> Iterator[Path]:
    for folder in folders(path):
        yield from names(path, folder, 3)


def _touch(path: Path, *, exclusive: bool) -> None:
    file = os.open(path, os.O_CREAT | os.O_WRONLY | (os.O_EXCL if exclusive else 0), 0o600)
    os.fchmod(file, 0o600)
    os.close(file)


def _open(path: Path) -> sqlite3.Connection:
    return open_database(os.fspath(path))


def _in_wal_mode(db: sqlite3.Connection) -> sqlite3.Connection:
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=normal")
    return db


def _discard(path: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            Path(f"{path}{end}").unlink()
