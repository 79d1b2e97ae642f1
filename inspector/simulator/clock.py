"""The time of a scenario: the machine's, and whatever a script has skipped.

What shows only after minutes is played in a moment: the script skips the minutes in which nothing happens. A proxy that
records must skip them too, and not before it has seen what was sent until then. So the two share a file of two numbers.
"""

import asyncio
import contextlib
import mmap
import struct
import time
from pathlib import Path

# How much was skipped, in nanoseconds: written by the simulator. Messages that have passed: written by the proxy.
_SKIPPED, _PASSED = struct.Struct("<q"), struct.Struct("<q")
# Seconds that messages may take to pass the proxy, and between two looks whether they have.
_PATIENCE, _LOOK = 2.0, 0.002
# Seconds from which on it matters on which side of a skip a message is, and without a message after which none comes.
_LONG, _SETTLED = 5.0, 0.05
_SIZE = _SKIPPED.size + _PASSED.size


class Clock:
    """The simulator's. `shared`: the file for a proxy, which is made; None where nothing is between it and clients."""

    def __init__(self, shared: Path | None = None) -> None:
        self._skipped_ns = 0
        self._sent = 0
        self._shared = None
        if shared is not None:
            shared.write_bytes(bytes(_SIZE))
            self._shared = _mapped(shared)

    def now_ns(self) -> int:
        """Return the time, in nanoseconds since the epoch."""
        return time.time_ns() + self._skipped_ns

    def sent(self, messages: int) -> None:
        """Count messages that were sent to clients, datagrams and ends of connections too."""
        self._sent += messages

    async def skip(self, seconds: float) -> None:
        """Let so much time have passed, as soon as all that was sent has passed the proxy."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while self._passed() < self._sent:
                    await asyncio.sleep(_LOOK)
        if seconds >= _LONG:
            # Ends are counted by either side when it notices them, so a message may still be on its way.
            await self._settle()
        # What was lost on its way is not waited for again.
        self._sent = self._passed()
        self._skipped_ns += int(seconds * 1e9)
        if self._shared is not None:
            _SKIPPED.pack_into(self._shared, 0, self._skipped_ns)

    async def _settle(self) -> None:
        """Wait until nothing passes the proxy any more."""
        passed = -1
        while self._shared is not None and passed != self._passed():
            passed = self._passed()
            await asyncio.sleep(_SETTLED)

    def _passed(self) -> int:
        return self._sent if self._shared is None else int(_PASSED.unpack_from(self._shared, _SKIPPED.size)[0])


class Follower:
    """The proxy's: sets the wall clock of this process by the file `shared`."""

    def __init__(self, shared: Path) -> None:
        self._shared = _mapped(shared)
        self._passed = 0
        real, real_ns = time.time, time.time_ns
        time.time = lambda: real() + self._skipped_ns() / 1e9
        time.time_ns = lambda: real_ns() + self._skipped_ns()

    def passed(self) -> None:
        """Count a message to the client, or an end, that has its time."""
        self._passed += 1
        _PASSED.pack_into(self._shared, _SKIPPED.size, self._passed)

    def _skipped_ns(self) -> int:
        return int(_SKIPPED.unpack_from(self._shared, 0)[0])


def _mapped(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), _SIZE)
