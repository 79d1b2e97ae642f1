"""What hooks have handed over and no one has taken yet: bounded, and what finds no room is counted.

Hooks put, in mitmproxy's loop; one thread takes.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from inspector.model import Closed, Frame, Numbered
from inspector.proxy.eventlog import log
from inspector.proxy.missing import Missing

# Things that may wait; more than 100,000 a second are taken, so only a disk that hangs fills this.
MAX_QUEUED = 500_000
# Bytes of messages that may wait.
MAX_QUEUED_BYTES = 256 * 1024 * 1024
# Bytes of messages that are taken at once, or a single one that is larger.
TAKE_BYTES = 8 * 1024 * 1024
# Numbereds other than messages (opens, closes, pings) that find room all the same: what is left needs them.
SPARE = 100_000


@dataclass(slots=True, eq=False)
class Stream:
    """One connection as the hooks and the scribe share it."""

    host: str
    connection: int = 0
    """Its number in the capture; 0 while it is not known whether it is a gateway at all, or not known here."""
    key: int = 0
    """What tells it apart between two processes."""
    refused: bool = False
    """It turned out not to be a gateway; nothing more of it is wanted."""
    waiting: list[Numbered] = field(default_factory=list)
    """What came so far of a connection that only looks like a gateway by its URL."""
    last_frame: int = 0
    """Number of its newest message in the capture."""


class Intake:
    """A queue of things that happened on streams (None: on none)."""

    def __init__(self) -> None:
        self._queue: deque[tuple[Stream | None, Any]] = deque()
        self._missing: Missing[Stream] = Missing("queue")
        self._lock = threading.Lock()
        # Each is written by one thread alone.
        self._put_bytes = self._taken_bytes = 0

    @property
    def size(self) -> int:
        """Bytes of messages that wait."""
        return self._put_bytes - self._taken_bytes

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, stream: Stream | None, what: Any) -> bool:
        """Hand over what happened on `stream`, and return whether there was room for it."""
        if self._missing or self._is_full():
            return self._squeeze_in(stream, what)
        self._append(stream, what)
        return True

    def take(self, most: int) -> list[tuple[Stream | None, Any]]:
        """Return the oldest of what waits, at most so many, and no more bytes than can be worked on at once."""
        if self._missing and len(self._queue) < MAX_QUEUED // 2 and self.size < MAX_QUEUED_BYTES // 2:
            self.readmit()
        taken = []
        enough = self._taken_bytes + TAKE_BYTES
        for _ in range(min(len(self._queue), most)):
            stream, what = self._queue.popleft()
            taken.append((stream, what))
            if type(what) is Frame:
                self._taken_bytes += len(what.data)
                if self._taken_bytes >= enough:
                    break
        return taken

    def readmit(self) -> None:
        """Say what found no room, behind what did."""
        with self._lock:
            if self._missing:
                log.error("gwinspect: %d messages were not recorded; the capture says where", self._missing.total)
                self._queue.extend(self._missing.take_all())

    def _squeeze_in(self, stream: Stream | None, what: Any) -> bool:
        """Take in what comes while the queue is full, or was: messages are counted, and their number is said later."""
        with self._lock:
            is_full = self._is_full()
            if is_full and isinstance(what, Frame) and stream is not None:
                if not self._missing:
                    log.error("gwinspect: messages are lost: the disk is too slow for this traffic")
                self._missing.add(stream, what)
                return False
            if len(self._queue) >= MAX_QUEUED + SPARE:
                return False
            if not is_full:
                self._queue.extend(self._missing.take_all())
            elif isinstance(what, Closed) and stream is not None and (gap := self._missing.take(stream)) is not None:
                self._queue.append((stream, gap))
            self._append(stream, what)
            return True

    def _is_full(self) -> bool:
        return len(self._queue) >= MAX_QUEUED or self.size >= MAX_QUEUED_BYTES

    def _append(self, stream: Stream | None, what: Any) -> None:
        if type(what) is Frame:
            self._put_bytes += len(what.data)
        self._queue.append((stream, what))
