"""What a capture is as a file: how to recognise one, and what to say of one that cannot be opened."""

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import IO
from urllib.parse import quote

from inspector import leaving
from inspector.errors import CaptureError, NewerCapture, NotACapture
from inspector.inert import inert
from inspector.store.cells import BadCell
from inspector.store.database import MAX_LENGTH, Database, open_database
from inspector.store.shape import WrongShape, check_shape, new_columns

# "GWCA", in SQLite's application_id.
APPLICATION_ID = 0x47574341
SCHEMA_VERSION = 6
# The oldest that was released.
OLDEST_SCHEMA = 3

# Characters of a reason that SQLite gives.
_LONGEST_REASON = 300

_SQLITE_MAGIC = b"SQLite format 3\x00"
# Versions of the format to write and to read it by, in its header.
_IN_ROLLBACK_MODE = b"\x01\x01"


def is_capture(path: Path) -> bool:
    """Return whether `path` begins as a capture does; no folder does. Raises CaptureError where it cannot be read."""
    if path.is_dir():
        return False
    header = read_start(path, 100)
    return header.startswith(_SQLITE_MAGIC) and header[68:72] == APPLICATION_ID.to_bytes(4)


def read_start(path: Path, size: int) -> bytes:
    """Return the first `size` bytes. Raises CaptureError, in one sentence, where that cannot be done."""
    try:
        with open_file(path) as file:
            return file.read(size)
    except FileNotFoundError:
        raise CaptureError(f"{path} does not exist; check the name") from None
    except IsADirectoryError:
        raise CaptureError(f"{path} is a folder; name the capture file in it") from None
    except PermissionError:
        raise CaptureError(f"permission denied: {path}; captures are private to the user who recorded them") from None
    except OSError as error:
        raise CaptureError(f"{path} cannot be read: {error.strerror or error}") from error


def open_file(path: Path) -> IO[bytes]:
    """Open a file to read it. Raises OSError, also where it is something that would keep us waiting or never end."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    mode = os.fstat(file.fileno()).st_mode
    if stat.S_ISREG(mode):
        return file
    file.close()
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    raise OSError(errno.EINVAL, f"it is a {'pipe' if stat.S_ISFIFO(mode) else 'device'}, not a file")


@contextmanager
def passing_file(path: Path) -> Iterator[Path]:
    """Make an empty file for its owner's eyes only. Raises OSError.

    Afterwards it is gone, with all that SQLite has put next to it, unless it was renamed. Its name, with some digits
    before the suffix of `path`, is chosen before it is made: no signal comes in between and leaves it behind.
    """
    made = path.with_suffix(f".{token_hex(4)}{path.suffix}")
    try:
        os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        yield made
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            Path(f"{made}{end}").unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those that it is in, where there are none yet, for their owner alone. Raises OSError.

    Path.mkdir gives the ones above what the umask lets through.
    """
    for folder in reversed((path, *path.parents)):
        folder.mkdir(mode=0o700, exist_ok=True)


def connect(path: Path, *, write: bool = False) -> Database:
    """Open a capture and check that it is one that we can read: every capture comes in by this door.

    Reading opens it read-only. Where even that wants to write, because the folder is read-only and the capture was left
    in WAL mode, it is opened as immutable. Raises CaptureError.
    """
    if path.is_dir():
        raise CaptureError(f"{path} is a folder; name the capture file in it")
    if not is_capture(path):
        raise NotACapture(f"{path} is not a gwinspect capture; `gwinspect convert` makes one from other formats")
    failure: Exception | None = None
    for attempt in ["mode=rw"] if write else _ways_to_read(path):
        try:
            db = open_database(f"file:{quote(os.fsencode(path.resolve()))}?{attempt}", uri=True)
        except sqlite3.Error as error:
            failure = error
            continue
        try:
            version = _check_version(path, db)
            check_shape(db, version)
            if not write:
                db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_LENGTH)
                if version < SCHEMA_VERSION:
                    _fill_in(db, version)
            db.execute("select count(*) from (select 1 from connection limit 1)").fetchone()
        except WrongShape as error:
            db.close()
            raise damaged(path, error) from error
        except (sqlite3.Error, UnicodeDecodeError) as error:
            # Python cannot say what SQLite says of names that are no text.
            db.close()
            failure = error
        except BaseException:
            db.close()
            raise
        else:
            return db
    raise damaged(path, failure) from failure


def _ways_to_read(path: Path) -> list[str]:
    header = read_start(path.resolve(), 20)
    log = Path(f"{path.resolve()}-wal")
    if header[18:20] != _IN_ROLLBACK_MODE and not log.exists():
        # The file is all there is, and SQLite would put an empty log next to it.
        return ["mode=ro&immutable=1"]
    return ["mode=ro", "mode=ro&immutable=1"]


def damaged(path: Path, error: Exception | None) -> CaptureError:
    """Return the error for a capture that cannot be made sense of."""
    # A signal that was raised inside a function of ours looks like that, too.
    leaving.check()
    if isinstance(error, WrongShape):
        return CaptureError(
            f"{path} cannot be read: it {error}, which gwinspect never writes; get the original capture"
        )
    if isinstance(error, BadCell):
        mend = (
            "`gwinspect reindex` makes that table again from the messages"
            if error.is_derived
            else "the file is damaged, or another program wrote it"
        )
        return CaptureError(f"{path} cannot be read: {error}; {mend}")
    # SQLite speaks of what is in the file; Python, where rows lack what others refer to, only of our code.
    why = inert(str(error)) if isinstance(error, sqlite3.Error) else "its rows do not fit together"
    if len(why) > _LONGEST_REASON:
        # SQLite quotes statements that are in the file whole.
        why = f"{why[:_LONGEST_REASON]}…"
    return CaptureError(
        f"{path} is a gwinspect capture but cannot be read ({why}); if it was cut or copied while it was "
        "written, copy it again together with its -wal file"
    )


def upgrade(db: sqlite3.Connection) -> None:
    """Bring a capture that is open for writing to our schema. What it lacks stays empty until it is reindexed."""
    version = int(db.execute("pragma user_version").fetchone()[0])
    if version >= SCHEMA_VERSION:
        return
    changes = [f"alter table {table} add column {column}" for table, column in new_columns(version)]
    if version < 4:
        # Its ids could not be blobs.
        changes += [
            "alter table name rename to old_name",
            "create table name (id integer primary key, name text not null) without rowid",
            "insert into name select id, name from old_name",
            "drop table old_name",
        ]
    db.executescript(f"begin immediate; {'; '.join(changes)}; pragma user_version = {SCHEMA_VERSION}; commit;")


def _fill_in(db: sqlite3.Connection, version: int) -> None:
    """Let an older capture, open for reading, look like one of today in which nothing was noticed."""
    added = list(new_columns(version))
    for table in dict.fromkeys(table for table, _ in added):
        new = ", ".join(
            f"{column.partition(' default ')[2] or 'null'} as {column.split()[0]}"
            for owner, column in added
            if owner == table
        )
        db.execute(f"create temp view {table} as select *, {new} from main.{table}")


def _check_version(path: Path, db: sqlite3.Connection) -> int:
    version = db.execute("pragma user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise NewerCapture(
            f"{path} was written by a newer gwinspect (schema {version}, this one reads up to {SCHEMA_VERSION}); "
            "upgrade to open it"
        )
    if version < OLDEST_SCHEMA:
        raise CaptureError(
            f"{path} has schema {version}, but released captures start at {OLDEST_SCHEMA}; record it again"
        )
    return int(version)


def check_target(path: Path) -> None:
    """Raise CaptureError, in one sentence, if no capture can be written to `path`."""
    if path.exists():
        if path.is_dir():
            raise CaptureError(f"{path} is a folder; name a file in it")
        if not path.is_file():
            raise CaptureError(f"{path} is not a regular file; choose another name")
        if path.stat().st_size:
            if not is_capture(path):
                raise CaptureError(f"{path} is not a gwinspect capture; not overwriting it, choose another name")
            connect(path).close()
        if not os.access(path, os.W_OK):
            raise CaptureError(f"permission denied: {path} cannot be written; choose another name")
    elif not path.parent.is_dir():
        raise CaptureError(f"{path.parent} is not a folder, so {path.name} cannot be made in it; make it first")
    elif not os.access(path.parent, os.W_OK):
        raise CaptureError(f"permission denied: {path.parent} cannot be written; choose another folder")
