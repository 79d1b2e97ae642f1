"""One capture as a screen reads it: rows by number, made ready to be shown, with a bounded memory of what was seen.

Belongs to the thread that made it, as SQLite's connections do. Whoever scans a whole capture opens a Reader of its own.
"""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from inspector.model import Event
from inspector.protocol.registry import Registry
from inspector.report.present import Presenter, Shown
from inspector.report.rows import CaptureRows
from inspector.session.state import Connection
from inspector.store.reader import Reader, explained

# Rows kept ready: several screens of them.
KEPT = 512


class Recording:
    """The rows of one capture. Raises CaptureError where it cannot be read."""

    def __init__(self, path: Path, registry: Registry, *, reveal: bool = False) -> None:
        self.path = path
        self.registry = registry
        self.reader = Reader(path, reveal=reveal)
        self.rows = CaptureRows(self.reader)
        self._kept: OrderedDict[int, Shown] = OrderedDict()
        self._presenter = Presenter(registry, reveal=reveal)
        self._reveal = reveal

    @property
    def reveal(self) -> bool:
        """Whether secrets are shown instead of masked."""
        return self._reveal

    @reveal.setter
    def reveal(self, reveal: bool) -> None:
        self._reveal = self.reader.reveal = reveal
        self._presenter = Presenter(self.registry, reveal=reveal)
        self._kept.clear()

    def event(self, number: int) -> Event | None:
        """Return the event with that number, with its payload; None where there is none (yet)."""
        found = self.reader.events(number - 1, 1)
        return found[0] if found and found[0].n == number else None

    def lines(self, numbers: Sequence[int]) -> list[Shown]:
        """Return those of the rows `numbers` (ascending) that there are, without their bodies: for one line each.

        The last few hundred are kept, so going back and forth costs nothing.
        """
        missing = [number for number in numbers if number not in self._kept]
        # Rows that follow each other are read at once.
        start = 0
        for at in range(1, len(missing) + 1):
            if at == len(missing) or missing[at] != missing[at - 1] + 1:
                for event in self.reader.events(missing[start] - 1, at - start) if missing else ():
                    self._kept[event.n] = self._presenter.line(event, self.rows)
                    event.payload = None
                start = at
        found = [self._kept[number] for number in numbers if number in self._kept]
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    def forget(self, after: int) -> None:
        """Forget the lines above row `after`: the newest may change, as the proxy says late what it did to them."""
        for number in [number for number in self._kept if number > after]:
            del self._kept[number]

    def row_at(self, at_ns: int) -> int:
        """Return the number of the first row at or after a time, in nanoseconds since the epoch, or of the last row."""
        with explained(self.path):
            row = self.reader.db.execute("select id from event where at >= ? order by id limit 1", (at_ns,)).fetchone()
        return self.reader.last() if row is None else row[0]

    def shown(self, number: int) -> Shown | None:
        """Return the row with that number whole: its masked body, its summary. Not kept: bodies can be megabytes."""
        event = self.event(number)
        return None if event is None else self._presenter.show(event, self.rows)

    def connection(self, number: int) -> Connection:
        """Return what is known of a connection."""
        return self.rows.connection(number)

    def previous_like(self, event: Event) -> int | None:
        """Return the number of the newest row before `event` that is the same kind of payload on the same connection.

        The same plane, direction, opcode and event name. None where there is none.
        """
        with explained(self.path):
            row = self.reader.db.execute(
                "select max(id) from event where id < ? and connection = ? and kind = ? and from_client is ?"
                " and op is ? and event is ?",
                (event.n, event.connection, event.kind.value, event.from_client, event.op, event.event),
            ).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        """Let go of the file."""
        self.reader.close()
