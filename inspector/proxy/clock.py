"""The time that a recording goes by: the wall clock as it was at the start, however it is set meanwhile.

Somebody may set the clock of the machine, or NTP may. Times would then run backwards, or an hour of silence would show
that never was. So what the wall clock jumped by is taken off again, and told to anyone who wants to know.
"""

import time
from collections import deque

# Nanoseconds by which the two clocks may drift apart between two looks; a step is at least this large. NTP slews by at
# most 0.5 ms a second.
GRAIN_NS = 100_000_000

# How long what was stamped before a step may be on its way to us, in nanoseconds.
_ON_ITS_WAY_NS = 60_000_000_000

# Times that both are read, should we be interrupted in between.
_ATTEMPTS = 5
# Unlike `time.monotonic`, these go on while the machine sleeps: waking up is no step of the clock.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock:
    """Gives times in nanoseconds since the epoch. `newest_ns` is the last time in the capture that is continued."""

    def __init__(self, newest_ns: int = 0) -> None:
        self._newest_ns = newest_ns
        self._ahead_ns = 0
        # What the clock was ahead by before each recent step, and until when, by the steady clock, that may be of use.
        self._before: deque[tuple[int, int]] = deque()
        self._apart_ns = time.time_ns() - time.clock_gettime_ns(_STEADY)
        self._apart_ns = self._look()
        now = time.time_ns()
        self.late_ns = max(0, newest_ns - now) if newest_ns - now > GRAIN_NS else 0
        """By how much the clock is behind what is in the capture already."""
        self._ahead_ns -= self.late_ns

    def now(self) -> int:
        """Return the time."""
        return time.time_ns() - self._ahead_ns

    def step(self) -> int:
        """Return by how much the wall clock was set since the last look, 0 if it was not. To be called often."""
        apart_ns = self._look()
        by = apart_ns - self._apart_ns
        self._apart_ns = apart_ns
        steady_ns = time.clock_gettime_ns(_STEADY) if self._before or abs(by) >= GRAIN_NS else 0
        while self._before and self._before[0][1] < steady_ns:
            self._before.popleft()
        if abs(by) < GRAIN_NS:
            return 0
        self._before.append((self._ahead_ns, steady_ns + _ON_ITS_WAY_NS))
        self._ahead_ns += by
        return by

    def read(self, stamp_ns: int) -> int:
        """Return when it was that the wall clock showed `stamp_ns`.

        Of what was stamped around a step, it is the likeliest time: nothing waits here for long.
        """
        at_ns = stamp_ns - self._ahead_ns
        if self._before:
            now = self.now()
            others = (stamp_ns - ahead_ns for ahead_ns, _ in self._before)
            at_ns = min(at_ns, *others, key=lambda each: abs(now - each))
        return at_ns

    def in_order(self, at_ns: int) -> int:
        """Return `at_ns`, or the newest time that was given out by this where that is later."""
        self._newest_ns = max(self._newest_ns, at_ns)
        return self._newest_ns

    def _look(self) -> int:
        """Return how far the wall clock is ahead of one that no one sets."""
        for _ in range(_ATTEMPTS):
            before = time.clock_gettime_ns(_STEADY)
            wall = time.time_ns()
            after = time.clock_gettime_ns(_STEADY)
            if after - before < GRAIN_NS // 10:
                return wall - (before + after) // 2
        # Others have the processor all the time, and what they took would pass for a step.
        return self._apart_ns
