"""How much of each connection is in a file, in case the file is lost and only its numbers are left."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from inspector.model import Closed, Frame, Gap, Happening
from inspector.store.rows import SqlRow

# `kind` of a message, in a row of the table `frame`.
_MESSAGE = 0


@dataclass(slots=True)
class _Count:
    since_ns: int
    until_ns: int
    sent: int = 0
    received: int = 0


@dataclass(slots=True)
class Tally:
    """Counts messages, by connection while it is open."""

    ended: dict[str, int] = field(default_factory=lambda: {"messages": 0, "connections": 0})
    """Messages on connections that have ended, and how many of these there are."""
    _counts: dict[int, _Count] = field(default_factory=dict)

    def add(self, happening: Happening) -> None:
        """Count a happening, if it is a message, or the end of some."""
        if type(happening) is Frame:
            self._add(happening.connection, happening.at_ns, happening.from_client)
        elif isinstance(happening, Closed):
            count = self._counts.pop(happening.connection, None)
            self.ended["connections"] += 1
            self.ended["messages"] += count.sent + count.received if count is not None else 0

    def gap(self, connection: int, at_ns: int) -> Gap | None:
        """Return what is missing of an open connection; None where nothing is."""
        count = self._counts.get(connection)
        if count is None or not count.sent + count.received:
            return None
        return Gap(connection, at_ns, count.since_ns, count.until_ns, count.sent, count.received, "file")

    def without(self, unsaved: Iterable[SqlRow]) -> "Tally":
        """Return the same without messages that are not in the file yet; `unsaved` are rows of the table `frame`."""
        left = Tally({**self.ended}, {number: replace(count) for number, count in self._counts.items()})
        for _, connection, _, kind, from_client, *_ in unsaved:
            count = left._counts.get(connection)
            if kind == _MESSAGE and count is not None:
                count.sent -= bool(from_client)
                count.received -= not from_client
        return left

    def forget(self, unsaved: Iterable[SqlRow]) -> None:
        """Begin to count again, in a new file that will have these rows."""
        self.ended = {"messages": 0, "connections": 0}
        self._counts = {}
        for _, connection, at_ns, kind, from_client, *_ in unsaved:
            if kind == _MESSAGE:
                self._add(connection, at_ns, bool(from_client))

    def _add(self, connection: int, at_ns: int, from_client: bool) -> None:
        count = self._counts.get(connection)
        if count is None:
            count = self._counts[connection] = _Count(at_ns, at_ns)
        count.until_ns = at_ns
        if from_client:
            count.sent += 1
        else:
            count.received += 1
