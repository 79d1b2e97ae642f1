"""That a reindex leaves the frames, which are the truth, as they were."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from inspector.store.rows import FRAME_COLUMNS
from tests.fuzz.mutant import Call, Command, Step

# Where the header says whether the newest rows may be in another file; 1: they are not.
_ALONE = 18


def reindexing(name: str, data: bytes) -> list[Step]:
    """Return a reindex of the file `name`, which is `data` before, and the look at what it did to the frames."""
    return [
        Command(("reindex", name), changes=(name,)),
        Call("the frames after a reindex", lambda folder: _look(folder / name, data)),
    ]


def _look(path: Path, before: bytes) -> None:
    frames = _frames(before)
    if frames is not None and _frames(path.read_bytes()) != frames:
        raise AssertionError(f"there were {len(frames):,} frames, and they are not as they were")


def _frames(data: bytes) -> list[Any] | None:
    """Return the frames of a capture; None where SQLite cannot read them, or they are in no table."""
    if data[_ALONE : _ALONE + 1] != b"\1":
        return None
    with closing(sqlite3.connect(":memory:")) as db:
        try:
            db.deserialize(data)
            db.text_factory = bytes
            kind = db.execute("select type, sql from sqlite_master where name = 'frame'").fetchone()
            if kind is None or kind[0] != b"table" or b"virtual" in kind[1].lower():
                return None
            return db.execute(f"select {FRAME_COLUMNS} from frame order by id").fetchall()
        except (sqlite3.Error, UnicodeDecodeError):
            # The text of an error quotes names out of the file, which need not be UTF-8.
            return None
