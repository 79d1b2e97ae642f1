"""A capture of some of the connections of another one: those that have a row that was chosen, whole.

A compressed stream of which some is missing cannot be decoded, and a session that is not whole is judged otherwise, so
what is cut out is connections with their context: the main connection of a call, the call of a connection, and all
connections of a session.
"""

import json
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from inspector.errors import CaptureError
from inspector.export.recorded import Progress, happenings
from inspector.model import Happening, Opened, StartLimit
from inspector.protocol.registry import Registry
from inspector.store.file import check_target, passing_file
from inspector.store.reader import Reader, explained
from inspector.store.writer import BULK_BATCH, Writer

# What a capture says of itself that is true of a part of it, too.
_ABOUT = ("notes", "clock", "max_concurrency", "scrubbed", "files")


def write(
    path: Path,
    target: Path,
    registry: Registry,
    *,
    rows: Collection[int] | None = None,
    reveal: bool = False,
    progress: Progress | None = None,
) -> int:
    """Make the capture `target`, in place of what is there, and return how many rows it has.

    `rows`: those of which the connections are wanted; None: all. Raises CaptureError, and leaves `target` as it is.
    """
    with closing(Reader(path)) as reader:
        wanted = None if rows is None else _around(reader, rows)
        meta = reader.meta()
        about = {key: str(meta[key]) for key in _ABOUT if key in meta}
    if wanted is not None and not wanted:
        raise CaptureError("no row was chosen, so there is nothing to export")
    if not target.exists():
        check_target(target)
    told = happenings(path, registry, reveal=reveal, progress=progress)
    try:
        with passing_file(target.with_name(f"{target.name}.part")) as part:
            count = _write(part, told, wanted, registry, about, keep_secrets=reveal)
            os.replace(part, target)
    except OSError as error:
        raise CaptureError(f"{target} cannot be written: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise CaptureError(f"{target} cannot be written: {error}") from error
    return count


def _around(reader: Reader, rows: Collection[int]) -> set[int]:
    """Return the numbers of the connections that `rows` are on, and of those that belong to them."""
    chosen = set(rows)
    wanted: set[int] = set()
    with explained(reader.path):
        for number, connection in reader.db.execute("select id, connection from event"):
            if number in chosen:
                wanted.add(connection)
    connections = reader.connections()
    sessions = {each.session for each in connections if each.id in wanted and each.session is not None}
    parents = {each.parent for each in connections if each.id in wanted and each.parent is not None}
    while True:
        more = {
            each.id
            for each in connections
            if each.id in parents or each.session in sessions or each.parent in wanted | parents
        }
        if more <= wanted:
            return wanted
        wanted |= more
        parents |= {each.parent for each in connections if each.id in more and each.parent is not None}


def _write(
    part: Path,
    told: Iterator[Happening],
    wanted: set[int] | None,
    registry: Registry,
    about: dict[str, str],
    *,
    keep_secrets: bool,
) -> int:
    from inspector.importers.order import OrderedTracks, Track

    chosen = (each for each in told if wanted is None or each.connection in wanted or isinstance(each, StartLimit))
    timeline = OrderedTracks([Track(0, lambda: chosen)])
    # Secrets are masked already, or to be kept.
    writer = Writer(part, registry, made_by="gwinspect export", keep_secrets=True, bulk=True)
    places: list[int] = []
    count = 0
    try:
        ordered = iter(timeline)
        while batch := list(islice(ordered, BULK_BATCH)):
            places += [each.recording for each in batch if isinstance(each, Opened)]
            count += len(writer.write(batch))
        if "files" in about:
            about["file_of"] = json.dumps(places)
        writer.take_over(about, ())
        return count + len(writer.finish())
    except BaseException:
        writer.abandon()
        raise
