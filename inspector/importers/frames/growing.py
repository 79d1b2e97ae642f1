"""Frames that still grow, read into a private capture that grows with them: whoever follows captures can follow these.

A thread of its own reads what is new, and writes it as a recorder would. The capture is gone when the last one who
looked at it has left: what is in the frames can be read again.
"""

import os
import select
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from inspector.errors import CaptureError
from inspector.faults import marked
from inspector.importers.cache import private_folder
from inspector.importers.frames.file import Amended, FramesFile
from inspector.importers.frames.records import Lines
from inspector.importers.hints import NO_HINTS, Hints
from inspector.model import Frame, Happening, StartLimit
from inspector.protocol.registry import Registry
from inspector.store.file import passing_file
from inspector.store.writer import Writer

# Seconds between two looks for news.
BEAT = 0.04
# Bytes that are taken at once.
_CHUNK = 256 * 1024
# Seconds between two times that the rules are asked what they make of the silence.
_TICK = 1.0
# Seconds between two attempts where the disk refuses what is written, and two signs that the capture is in use.
_PATIENCE = 1.0
_SIGN = 3600.0


class Tail(Protocol):
    """Where bytes come from."""

    def read(self) -> bytes | None:
        """Return what is new, waiting a beat where nothing is; None where no more will come. Raises OSError."""


class FileTail:
    """A file to which something else appends. Raises CaptureError where it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise CaptureError(f"{path} cannot be read: {error.strerror or error}") from error

    def read(self) -> bytes | None:
        data = self._file.read(_CHUNK)
        if data:
            return data
        here = os.fstat(self._file.fileno())
        try:
            replaced = not os.path.samestat(here, self._path.stat())
        except OSError:
            replaced = True
        if replaced or here.st_size < self._file.tell():
            raise OSError("the file was replaced, deleted or cut short")
        time.sleep(BEAT)
        return b""

    def close(self) -> None:
        self._file.close()


class PipeTail:
    """A pipe, stdin say, until its other end is closed. Keeps the file descriptor `fd`, and leaves it open."""

    def __init__(self, fd: int, head: bytes = b"") -> None:
        self._fd = fd
        self._head = head

    def read(self) -> bytes | None:
        if self._head:
            head, self._head = self._head, b""
            return head
        if not select.select([self._fd], [], [], BEAT)[0]:
            return b""
        return os.read(self._fd, _CHUNK) or None


@contextmanager
def growing(
    name: Path,
    stream: Tail,
    registry: Registry,
    hints: Hints = NO_HINTS,
    *,
    tell: Callable[[str], None] = lambda note: None,
    folder: Path | None = None,
) -> Iterator[Path]:
    """Give a capture that grows by what `stream` brings, until that ends or its recorder says that it has finished.

    It is a finished capture then, and gone with the block. `name` is what notes call the frames; `tell` is told what
    could not be read of them, as it comes and in another thread. `folder` is as for `inspector.importers.cache`.

    Raises EnvironmentProblem or CaptureError where the capture cannot be made.
    """
    with passing_file(private_folder(folder) / "growing.part") as path:
        feeder = _Feeder(FramesFile(name, hints), stream, path, registry, tell)
        feeder.start()
        try:
            yield path
        finally:
            feeder.stop()


class _Feeder(threading.Thread):
    """Reads a stream of frames into a capture, until it ends or `stop`. Raises CaptureError where it cannot begin."""

    def __init__(
        self, source: FramesFile, stream: Tail, path: Path, registry: Registry, tell: Callable[[str], None]
    ) -> None:
        super().__init__(name="gwinspect-frames", daemon=True)
        self._source = source
        self._stream = stream
        self._writer = Writer(path, registry, made_by="gwinspect --follow", source=source.path.name)
        self._tell = tell
        self._told = 0
        self._lines = Lines()
        self._batch: list[Happening] = []
        self._held = False
        """The writer holds something that is in no batch."""
        self._frames: dict[int, int] = {}
        self._stopping = threading.Event()
        self._caught_up = False
        self._alive = False
        self._heard = self._ticked = self._signed = time.monotonic()

    def stop(self) -> None:
        """Have it end, and wait until it has."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        try:
            self._follow()
        except (OSError, sqlite3.Error) as error:
            self._tell(f"{self._source.path.name} is no longer followed: {error}")
        except Exception as error:
            self._tell(marked(f"{self._source.path.name} is no longer followed", error))
            raise
        finally:
            # Anyone who follows the capture waits for that.
            with suppress(sqlite3.Error):
                self._writer.finish()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            data = self._stream.read()
            if data is None or (not data and self._source.ended):
                break
            if data:
                self._alive = self._alive or self._caught_up
                self._heard = time.monotonic()
                for line in self._lines.take(data):
                    self._take(self._source.receive(line))
                self._write()
            else:
                self._caught_up = True
                self._tick()
            self._pass_on()
        rest = self._lines.rest()
        if rest is None or rest.strip():
            self._take(self._source.receive(rest))
        self._take(self._source.finish())
        self._write()
        self._source.conclude()
        self._pass_on()

    def _take(self, told: Sequence[Happening | Amended]) -> None:
        for each in told:
            if isinstance(each, StartLimit):
                # It has no number, so it is not among those that are counted here.
                self._writer.hold([*self._batch, each])
                self._batch.clear()
                self._held = True
            elif not isinstance(each, Amended):
                if isinstance(each, Frame):
                    self._frames[each.connection] = self._writer.next_frame + len(self._batch)
                self._batch.append(each)
            elif each.connection in self._frames:
                self._write()
                self._writer.amend(self._frames[each.connection], each.mark, each.forwarded)
                self._held = True

    def _write(self) -> None:
        """Store what was taken. Where the disk refuses it, wait with it: reading further would only fill memory."""
        batch, self._batch = self._batch, []
        held, self._held = self._held, False
        failed = False
        while batch or held or self._writer.unsaved:
            try:
                self._writer.write(batch)
            except sqlite3.Error as error:
                if not failed:
                    self._tell(
                        f"{self._source.path.name} is on hold: its private copy cannot be written ({error}); "
                        "free some space"
                    )
                failed, batch, held = True, [], False
                if self._stopping.wait(_PATIENCE):
                    return
            else:
                return

    def _tick(self) -> None:
        """Let the rules look into the silence, once it is known that something writes the frames: not a file of old.

        Time is the recorder's, whose clock may not be ours: that of the newest record, and what went by since.
        """
        now = time.monotonic()
        if now - self._signed > _SIGN:
            # What looks abandoned is cleared away.
            self._signed = now
            os.utime(self._writer.path)
        if not self._alive or now - self._ticked < _TICK:
            return
        self._ticked = now
        # What the rules notice is kept, and stored with the next batch, where it cannot be stored now.
        with suppress(sqlite3.Error):
            self._writer.tick(self._source.last_ns + int((now - self._heard - _TICK) * 1e9))

    def _pass_on(self) -> None:
        for note in self._source.notes[self._told :]:
            self._tell(note)
        self._told = len(self._source.notes)
