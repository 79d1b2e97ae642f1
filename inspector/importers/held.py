"""Happenings that are almost in the order of time, put in order: one may have to wait for an earlier one.

Packets of several interfaces are not quite in order, nor are a browser's events of several pages; and a connection of
which no one knows yet whether it is Discord's began before all that comes meanwhile. What is held back is bounded.
"""

from bisect import bisect_right
from operator import itemgetter

from inspector.model import Frame, Happening

# Happenings, and bytes of messages, that are held back at most.
_MOST_HELD, _MOST_BYTES = 50_000, 64 * 1024 * 1024


class Held:
    """Happenings that may have to wait for an earlier one."""

    def __init__(self) -> None:
        self._items: list[tuple[int, Happening]] = []
        self._last: dict[int, int] = {}
        self._bytes = 0
        self._is_sorted = True
        self._newest_ns = 0

    def keep(self, happening: Happening) -> None:
        """Take a happening. Those of one connection stay in their order, whatever their times."""
        at_ns, connection = happening.at_ns, happening.connection
        if at_ns < self._newest_ns:
            at_ns = max(at_ns, self._last.get(connection, 0))
            self._is_sorted = self._is_sorted and at_ns == self._newest_ns
        else:
            self._newest_ns = at_ns
        self._last[connection] = at_ns
        self._items.append((at_ns, happening))
        if isinstance(happening, Frame):
            self._bytes += len(happening.data)

    def released(self, until_ns: int | None) -> list[Happening]:
        """Return what happened until then, or all of it, in order; and more where there is too much."""
        items = self._items
        if not self._is_sorted:
            items.sort(key=itemgetter(0))
            self._is_sorted = True
        stop = len(items)
        if until_ns is not None and stop <= _MOST_HELD and self._bytes <= _MOST_BYTES:
            stop = bisect_right(items, until_ns, key=itemgetter(0))
        if not stop:
            return []
        given = [happening for _, happening in items[:stop]]
        del items[:stop]
        self._bytes -= sum(len(each.data) for each in given if isinstance(each, Frame))
        return given
