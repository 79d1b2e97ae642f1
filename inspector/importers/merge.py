"""Any files that hold happenings, captures and other people's alike, made into one capture.

They come one after the other, each with connections of its own. The capture is there whole or not at all.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from inspector.errors import CaptureError
from inspector.importers import open_source
from inspector.leaving import tidily
from inspector.model import Happening
from inspector.protocol.registry import Registry
from inspector.store.file import check_target, is_capture, passing_file
from inspector.store.reader import Reader, explained, stored_happenings
from inspector.store.writer import BULK_BATCH, Writer

Report = Callable[[int, int], None]
"""Is told how much is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of it."""

    events: int
    connections: int


class Input:
    """A file that holds happenings: a capture, or a format that the importers know. Raises CaptureError."""

    def __init__(self, path: Path, hosts: Iterable[str] = ()) -> None:
        self.path = path
        self._reader = Reader(path) if is_capture(path) else None
        self._foreign = None if self._reader else open_source(path, hosts)
        self.notes: list[str] = []
        """Sentences about what was left out, once all was read."""
        self.progress = (0, 0)
        """How much was read, and how much there is; bytes, or messages of a capture."""

    def happenings(self, connections: int) -> Iterator[Happening]:
        """Yield all there is, with the numbers of connections moved up by `connections`."""
        for happening in self._all():
            yield replace(happening, connection=happening.connection + connections) if connections else happening

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            self._reader.close()

    def _all(self) -> Iterator[Happening]:
        if self._reader is not None:
            with explained(self.path):
                total = self._reader.db.execute("select coalesce(max(id), 0) from frame").fetchone()[0]
            done = 0
            batches = stored_happenings(self._reader.db)
            while True:
                with explained(self.path):
                    batch = next(batches, None)
                if batch is None:
                    break
                done += len(batch)
                self.progress = (done, total)
                yield from batch
        elif self._foreign is not None:
            for happening in self._foreign:
                self.progress = self._foreign.progress
                yield happening
            self.notes = self._foreign.notes


@tidily()
def merge(
    inputs: Sequence[Input],
    target: Path,
    registry: Registry,
    *,
    made_by: str,
    keep_secrets: bool = False,
    progress: Callable[[str], AbstractContextManager[Report]] = lambda name: nullcontext(lambda done, total: None),
    tell: Callable[[str], None] = lambda note: None,
) -> Merged:
    """Make the capture `target`, in place of what is there, and return what is in it.

    `progress` is entered with each file's name, `tell` is told what could not be read of it. Raises CaptureError, and
    leaves `target` as it is, where a file cannot be read, none has a gateway connection, or there is no room.
    """
    if not target.exists():
        check_target(target)
    names = ", ".join(each.path.name for each in inputs)
    try:
        with passing_file(target.with_name(f"{target.name}.part")) as part:
            writer = Writer(part, registry, made_by=made_by, source=names, keep_secrets=keep_secrets, bulk=True)
            events, connections = 0, 0
            for each in inputs:
                with progress(each.path.name) as report:
                    happenings = each.happenings(connections)
                    while batch := list(islice(happenings, BULK_BATCH)):
                        events += len(writer.write(batch))
                        connections = max(connections, *(happening.connection for happening in batch))
                        report(*each.progress)
                each.close()
                for note in each.notes:
                    tell(note)
            events += len(writer.finish())
            if not connections:
                raise CaptureError(f"there is no gateway connection in {', '.join(str(each.path) for each in inputs)}")
            os.replace(part, target)
    except OSError as error:
        raise CaptureError(f"{target} cannot be written: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise CaptureError(f"{target} cannot be written: {error}") from error
    return Merged(events, connections)
