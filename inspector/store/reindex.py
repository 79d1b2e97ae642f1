"""A capture derived again from its messages: into a new file next to the old one, which then takes its place.

Only what is checked gets into the new one, and the old one is as it was until the new one is whole.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from glob import escape
from pathlib import Path

from inspector.errors import CaptureError
from inspector.protocol.registry import Registry
from inspector.store import rows
from inspector.store.cells import BadCell
from inspector.store.file import check_target, connect, passing_file
from inspector.store.lock import Lock
from inspector.store.reader import Reader, explained, stored_frames
from inspector.store.settle import tidy
from inspector.store.writer import Writer

_SUFFIX = ".reindex"


def reindex(path: Path, registry: Registry, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Derive everything in a capture again from its messages, and return the number of events.

    `progress` is told how many messages are done, and how many there are. Those who have the capture open keep the old
    one until they open it again. Raises CaptureError, CaptureInUse where a recorder is writing it; then nothing has
    changed.
    """
    connect(path).close()
    check_target(path)
    # What a link leads to, and not the link.
    path = Path(os.path.realpath(path))
    with Lock(path):
        tidy(path)
        _clear(path)
        with _new_file(path) as part, closing(Reader(path)) as old:
            told = old.meta().get("max_concurrency", "")
            # Anybody may have written it.
            registry = registry.allowing(int(told)) if re.fullmatch("[1-9][0-9]{0,8}", told) else registry
            writer = Writer(part, registry, made_by="gwinspect reindex", keep_secrets=True, bulk=True)
            try:
                count = _copy(old, writer, progress)
            except BaseException:
                writer.abandon()
                raise
            _flush(part)
            if not tidy(path):
                raise CaptureError(f"{path} is open in another program; close that, and try again")
            # Its log is empty. It must not be taken for that of the new file.
            for end in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.unlink(f"{path}{end}")
            os.replace(part, path)
    return count


def _copy(old: Reader, writer: Writer, progress: Callable[[int, int], None]) -> int:
    with explained(old.path):
        first, total = old.db.execute("select coalesce(min(id), 1), coalesce(max(id), 0) from frame").fetchone()
        if first < 1:
            # They are read from 1 on, and none may be lost.
            raise BadCell("frame", first, f"has {first} as `id`, which is not the number of a row")
        known = old.db.execute(f"select {rows.CONNECTION_COLUMNS} from connection order by id").fetchall()
        for row in known:
            rows.connection_of(row)
    writer.take_over(old.meta(), known)
    count = 0
    batches = stored_frames(old.db)
    while True:
        with explained(old.path):
            batch = next(batches, None)
        if batch is None:
            return count + len(writer.finish())
        count += writer.restore(batch)
        if (row := batch[-1][0]) is not None:
            progress(row[0], total)


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Make an empty file next to `path`."""
    try:
        with passing_file(path.with_name(f".{path.name}{_SUFFIX}")) as made:
            yield made
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise CaptureError(f"{path} could not be reindexed ({reason or error}); it is unchanged") from error


def _clear(path: Path) -> None:
    """Remove what a reindex that was killed has left."""
    for leftover in path.parent.glob(f".{escape(path.name)}.*{_SUFFIX}"):
        with suppress(OSError):
            leftover.unlink()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
