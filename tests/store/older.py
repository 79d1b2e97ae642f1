"""Captures as older schema versions had them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from inspector.store.shape import new_columns


def age(path: Path, version: int) -> None:
    """Take from the capture at `path`, which nobody writes to, the columns that came after a schema version."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for table, column in new_columns(version):
            db.execute(f"alter table {table} drop column {column.partition(' ')[0]}")
        db.execute(f"pragma user_version = {version}")
