"""The last touch to a capture that no one writes any more."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from inspector.store.file import connect
from inspector.store.lock import check_free

# Milliseconds to wait for others who have it open.
_PATIENCE = 200


def settle(path: Path) -> None:
    """Make a capture one file again, if its recorder was killed or a viewer was in its way.

    Where a viewer still does, it stays as it is, which does no harm. Raises CaptureError where it cannot be read.
    """
    check_free(path)
    tidy(path)


def tidy(path: Path) -> bool:
    """Do that to a capture which no one else writes, and say whether all that it has is in its main file now."""
    is_busy = True
    with closing(connect(path, write=True)) as db, suppress(sqlite3.OperationalError):
        db.execute(f"pragma busy_timeout = {_PATIENCE}")
        is_busy = bool(db.execute("pragma wal_checkpoint(truncate)").fetchone()[0])
        db.execute("pragma journal_mode = delete")
    return not is_busy
