"""What should follow on a row, and has not yet: kept until it is due, whatever becomes of its connection meanwhile.

A connection that is open is looked into at its own rows. What concerns one that has ended, or a call, has no such row:
the tracker keeps a watch, and the rules are asked when its time is over and the recording continues.
"""

from collections import deque
from typing import NamedTuple

from inspector.model import Event

SECOND = 1_000_000_000
NEVER = 1 << 63

RETURN, VOICE_SERVER, VOICE_CONNECTION = "return", "voice server", "voice connection"

WAITS_NS = {
    # As long as a session can be resumed, by experience; clients that pause for longer between attempts are rare.
    RETURN: 300 * SECOND,
    # Discord finds another voice server within seconds.
    VOICE_SERVER: 60 * SECOND,
    VOICE_CONNECTION: 30 * SECOND,
}
"""By what is waited for: how long, in nanoseconds."""
# Of each kind, that wait at once; the oldest is given up.
MAX_WATCHES = 256
# A recording in which nothing happens for so long may have been interrupted: one heartbeat is due every 41 s.
INTERRUPTED_NS = 150 * SECOND


class Watch(NamedTuple):
    """One thing that should follow."""

    kind: str
    """A key of `WAITS_NS`."""
    n: int
    """Number of the row that it should follow on."""
    at_ns: int
    connection: int
    """Number of that row's connection."""
    key: str = ""
    """What it concerns: a call's server id."""

    @property
    def due_ns(self) -> int:
        """When it should have come, in nanoseconds since the epoch."""
        return self.at_ns + WAITS_NS[self.kind]


class Watches:
    """All that is waited for. Those of one kind wait equally long, so the oldest is due first."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Watch]] = {kind: deque(maxlen=MAX_WATCHES) for kind in WAITS_NS}
        self._seen_ns = 0
        self.due_ns = NEVER
        """When the next is due, in nanoseconds since the epoch."""

    def add(self, kind: str, event: Event, key: str = "") -> None:
        """Wait for what should follow on `event`."""
        watch = Watch(kind, event.n, event.at_ns, event.connection, key)
        self._waiting[kind].append(watch)
        self.due_ns = min(self.due_ns, watch.due_ns)

    def absorb(self, other: "Watches") -> None:
        """Wait for all that `other` waits for, too."""
        for kind, waiting in self._waiting.items():
            both = sorted((*waiting, *other._waiting[kind]), key=lambda watch: watch.at_ns)
            waiting.clear()
            waiting.extend(both)
        self._seen_ns = max(self._seen_ns, other._seen_ns)
        self.due_ns = min(self.due_ns, other.due_ns)

    def take_due(self, at_ns: int) -> list[Watch]:
        """Return those that are due at `at_ns`, and forget them.

        To be called often: after a long time without a call nothing is concluded from what did not follow.
        """
        interrupted = at_ns - self._seen_ns > INTERRUPTED_NS
        self._seen_ns = max(self._seen_ns, at_ns)
        if interrupted:
            for waiting in self._waiting.values():
                waiting.clear()
            self.due_ns = NEVER
        if at_ns < self.due_ns:
            return []
        due = []
        for waiting in self._waiting.values():
            while waiting and waiting[0].due_ns <= at_ns:
                due.append(waiting.popleft())
        self.due_ns = min((waiting[0].due_ns for waiting in self._waiting.values() if waiting), default=NEVER)
        return due
