"""What views of connections have in common, whatever they count: reading them while a capture grows, and their ends."""

import json
from collections.abc import Iterable

from inspector.model import Plane
from inspector.session.state import Connection
from inspector.store import rows
from inspector.store.reader import Reader

_NEWER = f"""
    select {rows.CONNECTION_COLUMNS} from connection where id > ? or id in (select value from json_each(?))"""


class ConnectionFeed:
    """Reads the connections of a capture as they come up and change. Belongs to one thread, as `reader` does."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._last = 0

    def read(self, touched: Iterable[int]) -> list[Connection]:
        """Return the connections that are new since the last time, and those of `touched` as they are now."""
        found = self._reader.db.execute(_NEWER, (self._last, json.dumps([*touched]))).fetchall()
        connections = [self._reader.connection_of(row) for row in found]
        self._last = max([self._last, *(connection.id for connection in connections)])
        return connections


def close_code(connection: Connection) -> int | None:
    """Return the code that a connection was closed with; None while it is open, and where none was recorded."""
    closed = connection.closed
    # A column may hold anything in a file that someone else made.
    return None if closed is None or closed.code is None else int(closed.code)


def end_of(connection: Connection) -> str:
    """Return how a connection ended, in a word or two; empty while it is open."""
    closed = connection.closed
    if closed is None:
        return ""
    if not closed.is_recorded and connection.plane is not Plane.MEDIA:
        return "end not recorded"
    code = close_code(connection)
    return "closed" if code is None else f"closed {code}"


def shard_of(session: str | None, shards: Iterable[str | None]) -> str | None:
    """Return the shard of a session: the last that one of its connections names, as those that resume name none."""
    named = [shard for shard in shards if shard]
    return named[-1] if named and session else None
