"""Any files that hold happenings, captures and other people's alike, made into one capture, in the order of time.

What several of them recorded is shown once. Each connection has a number of its own, by the time at which it was
opened. The capture is there whole or not at all.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from inspector.errors import CaptureError
from inspector.garbage import without_collector
from inspector.importers.duplicates import Duplicates, find
from inspector.importers.formats import open_source
from inspector.importers.hints import NO_HINTS, Hints
from inspector.importers.order import OrderedTracks, Track
from inspector.importers.plugins import guarded, name_of
from inspector.importers.source import Source
from inspector.leaving import tidily
from inspector.model import Frame, Happening, Opened, StartLimit
from inspector.protocol.registry import Registry
from inspector.store.file import check_target, is_capture, passing_file
from inspector.store.reader import Reader, explained, stored_happenings
from inspector.store.writer import BULK_BATCH, Writer

Report = Callable[[int, int, int], None]
"""Is told how many bytes are read, how many there are, and how many happenings were in them."""

# Happenings of the first batch; each further one has twice as many, so that the first rows can be seen at once.
_FIRST_BATCH = 32
# Bytes of messages after which a batch ends.
_BATCH_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of it."""

    events: int
    connections: int
    notes: tuple[str, ...]
    """Sentences about what was left out or put right. They are kept in the capture, too."""


class Input:
    """A file that holds happenings: a capture, or a format that the importers know. Raises CaptureError."""

    def __init__(self, path: Path, hints: Hints = NO_HINTS) -> None:
        # The folder that one is in has a name, too.
        path = path if path.name else path.resolve()
        self.path = path
        self.hints = hints
        self._reader = Reader(path) if not path.is_dir() and is_capture(path) else None
        self._foreign = None if self._reader else open_source(path, hints)
        self._bytes = path.stat().st_size
        self._done = (0, 1)
        self._said = self._reader.notes() if self._reader is not None else []
        self._recordings = self._reader.recordings() if self._reader is not None else []

    def files(self) -> Iterable[Path]:
        """Return the files that make it what it is; they need not exist."""
        if self._foreign is not None:
            return self._foreign.files()
        # The newest rows of a capture that is being written are not in the file itself yet.
        return (self.path, self.path.with_name(self.path.name + "-wal"))

    @property
    def plugin(self) -> str:
        """What the importer of a third party that reads it is called; empty where that is one of ours."""
        return "" if self._foreign is None else name_of(self._foreign)

    @property
    def notes(self) -> list[str]:
        """Sentences about what was left out, once all was read."""
        return self._foreign.notes if self._foreign is not None else self._said

    def on_beat(self, beat: Callable[[], object]) -> None:
        """Have `beat` called now and then while the file is looked through before anything is given of it."""
        if self._foreign is not None:
            self._foreign.beat = beat

    @property
    def recordings(self) -> list[str]:
        """Names of the recordings that are in it, by `Opened.recording`; none where all of it is one."""
        return self._foreign.recordings if self._foreign is not None else self._recordings

    @property
    def advice(self) -> str:
        """What to do where nothing of Discord's is in it."""
        return (self._foreign or Source).advice

    @property
    def progress(self) -> tuple[int, int]:
        """How many bytes of it were read, and how many it has."""
        if self._foreign is not None:
            return self._foreign.progress
        done, total = self._done
        return self._bytes * done // total, self._bytes

    def happenings(self) -> Iterator[Happening]:
        """Yield all there is, in the order of time as far as the file allows."""
        if self._foreign is not None:
            yield from guarded(self._foreign)
        elif self._reader is not None:
            with explained(self.path):
                total = self._reader.db.execute("select count(*) from frame").fetchone()[0]
            done = 0
            batches = stored_happenings(self._reader.db)
            while True:
                with explained(self.path):
                    batch = next(batches, None)
                if batch is None:
                    break
                done += len(batch)
                self._done = (done, max(total, done))
                yield from batch

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            self._reader.close()


@tidily()
def merge(
    inputs: Sequence[Input],
    target: Path,
    registry: Registry,
    *,
    made_by: str,
    keep_secrets: bool = False,
    report: Report = lambda done, total, happenings: None,
) -> Merged:
    """Make the capture `target`, in place of what is there, and return what is in it.

    Raises CaptureError, and leaves `target` as it is, where a file cannot be read, none has a gateway connection, or
    there is no room.
    """
    if not target.exists():
        check_target(target)
    try:
        with passing_file(target.with_name(f"{target.name}.part")) as part:
            made = fill(inputs, part, registry, made_by=made_by, keep_secrets=keep_secrets, report=report)
            os.replace(part, target)
    except OSError as error:
        raise CaptureError(f"{target} cannot be written: {error.strerror or error}") from error
    return made


def fill(
    inputs: Sequence[Input],
    path: Path,
    registry: Registry,
    *,
    made_by: str,
    keep_secrets: bool = False,
    followed: bool = False,
    report: Report = lambda done, total, happenings: None,
) -> Merged:
    """Write what is in `inputs` into the empty file or capture `path`, and finish that. As `merge` otherwise.

    `followed`: somebody looks at it meanwhile, and sees rows as they come.
    """
    names = ", ".join(each.path.name for each in inputs)
    events = happenings = 0

    is_second = False

    def tell() -> None:
        done, total = _progress(inputs)
        report((done + total) // 2 if is_second else done, total, happenings)

    for each in inputs:
        each.on_beat(tell)
    try:
        is_second = len(inputs) > 1 and not inputs[0].hints.duplicates
        duplicates = _duplicates(inputs, registry, report) if is_second else Duplicates()
        recordings = _Recordings(inputs)
        shown = [duplicates.without(place, each.happenings()) for place, each in enumerate(inputs)]
        tracks = [Track(0, partial(recordings.apart, place, each)) for place, each in enumerate(shown)]
        timeline = OrderedTracks(tracks)
        writer = Writer(
            path, registry, made_by=made_by, source=names, keep_secrets=keep_secrets, bulk=True, followed=followed
        )
        try:
            with without_collector():
                for batch in _batches(timeline):
                    events += len(writer.write(batch))
                    happenings += len(batch)
                    tell()
            notes = [note for each in inputs for note in each.notes] + timeline.notes()
            notes += duplicates.notes([each.path.name for each in inputs], timeline.places)
            if not timeline.places:
                raise _nothing(inputs, notes)
            writer.take_over(_about(inputs, notes) | recordings.about(timeline.places), ())
            events += len(writer.finish())
        except BaseException:
            writer.abandon()
            raise
    except sqlite3.Error as error:
        raise CaptureError(f"{path} cannot be written: {error}") from error
    finally:
        for each in inputs:
            each.close()
    return Merged(events, len(timeline.places), tuple(notes))


def _duplicates(inputs: Sequence[Input], registry: Registry, report: Report) -> Duplicates:
    """Look over the inputs for connections that several of them have. `report` is told of a first half."""
    reached = 0

    def read(place: int) -> Iterator[Happening]:
        nonlocal reached
        for number, happening in enumerate(inputs[place].happenings()):
            if number % BULK_BATCH == 0:
                done, total = _progress(inputs)
                reached = max(reached, done // 2)
                report(reached, total, 0)
            yield happening

    with without_collector():
        return find(len(inputs), read, registry)


def _progress(inputs: Sequence[Input]) -> tuple[int, int]:
    """Return how many bytes of all inputs were read, and how many there are."""
    done, total = zip(*(each.progress for each in inputs), strict=True)
    return sum(done), sum(total)


class _Recordings:
    """Which recordings there are: one a file, or those that a file says it was made of."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        self._inputs = inputs
        self._numbers: dict[tuple[int, int], int] = {}
        """By the place of the file, and the number in it."""
        self._of_connection: list[dict[int, int]] = [{} for _ in inputs]
        """By the place of the file, and the connection in it, in the order in which these came."""

    def apart(self, place: int, happenings: Iterable[Happening]) -> Iterator[Happening]:
        """Yield what is in a file, with the number of its recording on all that may begin one."""
        known = self._of_connection[place]
        for each in happenings:
            if isinstance(each, Opened | StartLimit):
                number = self._numbered(place, each.recording)
                if number != each.recording:
                    each = replace(each, recording=number)
                if isinstance(each, Opened):
                    known.setdefault(each.connection, number)
            elif each.connection not in known:
                known[each.connection] = self._numbered(place)
            yield each

    def _numbered(self, place: int, recording: int = 0) -> int:
        return self._numbers.setdefault((place, recording), len(self._numbers))

    def about(self, places: Sequence[int]) -> dict[str, str]:
        """Return what the capture is to say of them, for `Reader.files`. `places`: of each connection, its file's."""
        if len(self._numbers) < 2 and len(self._inputs) < 2:
            return {}
        numbers = [iter(known.values()) for known in self._of_connection]
        of_connection = [next(numbers[place]) for place in places]
        return {"files": json.dumps(list(map(self._name, self._numbers))), "file_of": json.dumps(of_connection)}

    def _name(self, key: tuple[int, int]) -> str:
        place, recording = key
        own = self._inputs[place].recordings
        return own[recording] if recording < len(own) else self._inputs[place].path.name


def _batches(happenings: Iterable[Happening]) -> Iterator[list[Happening]]:
    """Yield `happenings` in batches, small ones first."""
    batch: list[Happening] = []
    size, limit = 0, _FIRST_BATCH
    for happening in happenings:
        batch.append(happening)
        if type(happening) is Frame:
            size += len(happening.data)
        if len(batch) >= limit or size >= _BATCH_BYTES:
            yield batch
            batch, size, limit = [], 0, min(limit * 2, BULK_BATCH)
    if batch:
        yield batch


def _nothing(inputs: Sequence[Input], notes: Sequence[str]) -> CaptureError:
    error = CaptureError(
        f"there is no gateway connection in {', '.join(str(each.path) for each in inputs)}; {inputs[0].advice}"
    )
    error.shown = "\n".join(notes)
    return error


def _about(inputs: Sequence[Input], notes: Sequence[str]) -> dict[str, str]:
    """Return what the capture is to say of its making, for `Reader.notes`."""
    # The folder is no one's business to whom the capture is given.
    said = list(notes)
    for each in inputs:
        said = [note.replace(str(each.path), each.path.name) for note in said]
    return {"notes": json.dumps(said)} if said else {}
