"""Counts the messages that could not be kept, so that the recording can say later what it lacks."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from inspector.model import Frame, Gap

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class _Count:
    connection: int
    since_ns: int
    until_ns: int
    sent: int = 0
    received: int = 0


class Missing(Generic[Key]):
    """What is missing, by whatever tells connections apart. `reason` is that of `Gap`."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._counts: dict[Key, _Count] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    @property
    def total(self) -> int:
        """How many messages are missing on all connections."""
        return sum(count.sent + count.received for count in self._counts.values())

    @property
    def since_ns(self) -> int:
        """When the first of them passed, in nanoseconds since the epoch; 0 where there is none."""
        return min((count.since_ns for count in self._counts.values()), default=0)

    def add(self, key: Key, frame: Frame) -> None:
        """Count one."""
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count(frame.connection, frame.at_ns, frame.at_ns)
        count.until_ns = max(count.until_ns, frame.at_ns)
        if frame.from_client:
            count.sent += 1
        else:
            count.received += 1

    def take(self, key: Key) -> Gap | None:
        """Return what is missing on one connection, and begin to count again; None where nothing is."""
        count = self._counts.pop(key, None)
        return None if count is None else self._gap(count)

    def take_all(self) -> list[tuple[Key, Gap]]:
        """Return what is missing on each connection, by time, and begin to count again."""
        found = [(key, self._gap(count)) for key, count in self._counts.items()]
        self._counts = {}
        return sorted(found, key=lambda each: each[1].until_ns)

    def _gap(self, count: _Count) -> Gap:
        return Gap(
            count.connection, count.until_ns, count.since_ns, count.until_ns, count.sent, count.received, self._reason
        )
