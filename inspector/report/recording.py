"""One capture as a screen reads it: rows by number, made ready to be shown, with a bounded memory of what was seen.

Belongs to the thread that made it, as SQLite's connections do. Whoever scans a whole capture opens a Reader of its own.
"""

from collections import OrderedDict
from pathlib import Path

from inspector.model import Event
from inspector.protocol.registry import Registry
from inspector.report.present import Presenter, Shown
from inspector.report.rows import CaptureRows
from inspector.session.state import Connection
from inspector.store.reader import Reader

# Rows kept ready: several screens of them.
KEPT = 512


class Recording:
    """The rows of one capture. Raises CaptureError where it cannot be read."""

    def __init__(self, path: Path, registry: Registry, *, reveal: bool = False) -> None:
        self.path = path
        self.registry = registry
        self.reader = Reader(path)
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
        self._reveal = reveal
        self._presenter = Presenter(self.registry, reveal=reveal)
        self._kept.clear()

    def event(self, number: int) -> Event | None:
        """Return the event with that number, with its payload; None where there is none (yet)."""
        found = self.reader.events(number - 1, 1)
        return found[0] if found and found[0].n == number else None

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
        row = self.reader.db.execute(
            "select max(id) from event where id < ? and connection = ? and kind = ? and from_client is ?"
            " and op is ? and event is ?",
            (event.n, event.connection, event.kind.value, event.from_client, event.op, event.event),
        ).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        """Let go of the file."""
        self.reader.close()
