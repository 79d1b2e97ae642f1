"""Connections that were tried and did not come about. Bounded, however often a client tries."""

from collections import deque

from inspector.model import Event, Opened, Plane
from inspector.protocol.hosts import address_of
from inspector.session.messages import At

# Attempts in a row at one host that are remembered.
MAX_ATTEMPTS = 24


class Run:
    """Attempts at one host that were refused, with no other between them."""

    def __init__(self) -> None:
        self.count = 0
        self.attempts: deque[At] = deque(maxlen=MAX_ATTEMPTS)
        """The newest of them."""


class Refusals:
    """What was refused, by plane and host."""

    def __init__(self) -> None:
        self.last_ns: dict[Plane, int] = {}
        """When an attempt was refused last, in nanoseconds since the epoch."""
        self.last_row: dict[Plane, int] = {}
        """The row of that attempt."""
        self._runs: dict[tuple[Plane, str], Run] = {}

    def run_at(self, plane: Plane, url: str) -> Run | None:
        """Return the attempts in a row at the host of a URL; None where there are none."""
        return self._runs.get((plane, address_of(url) or ""))

    def absorb(self, other: "Refusals") -> None:
        """Take in what `other` knows."""
        for plane, at_ns in other.last_ns.items():
            self.last_ns[plane] = max(at_ns, self.last_ns.get(plane, 0))
            self.last_row[plane] = max(other.last_row[plane], self.last_row.get(plane, 0))
        self._runs = {**other._runs, **self._runs}

    def take(self, opened: Opened, event: Event) -> None:
        """Take in an attempt: one that comes about, or goes elsewhere, ends the runs on its plane."""
        plane, key = opened.plane, (opened.plane, address_of(opened.url) or "")
        for other in [each for each in self._runs if each[0] is plane and (each != key or opened.refusal is None)]:
            del self._runs[other]
        if opened.refusal is None:
            return
        self.last_ns[plane] = max(event.at_ns, self.last_ns.get(plane, 0))
        self.last_row[plane] = event.n
        run = self._runs.setdefault(key, Run())
        run.count += 1
        run.attempts.append(At(event.n, event.at_ns))
