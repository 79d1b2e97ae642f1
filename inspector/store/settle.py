"""The last touch to a capture that nobody writes any more."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from inspector.store.file import connect
from inspector.store.lock import check_free

# Milliseconds to wait for others who have it open.
_PATIENCE = 200


def settle(path: Path) -> None:
    """Make a capture one file again, if its recorder was killed or a viewer stood in its way.

    Where a viewer still does, it stays as it is, which does no harm. Raises CaptureError where it cannot be read.
    """
    check_free(path)
    db = connect(path, write=True)
    try:
        with suppress(sqlite3.OperationalError):
            db.execute(f"pragma busy_timeout = {_PATIENCE}")
            db.execute("pragma wal_checkpoint(truncate)")
            db.execute("pragma journal_mode = delete")
    finally:
        db.close()
