"""Runs filters: over a capture, some milliseconds at a time, and over single rows that are in none."""

import re
import sqlite3
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from inspector.model import ABSENT, Event
from inspector.protocol.registry import Registry
from inspector.query.moments import Moment
from inspector.query.payloads import MAX_MATCHED, Payloads, Question, body
from inspector.query.sql import compile_filter
from inspector.query.tree import Filter, needs_payload
from inspector.session.state import Connection
from inspector.store import rows
from inspector.store.reader import Reader

# Seconds of work after which a step ends, and rows of the first step.
STEP = 0.03
_FIRST_ROWS, _FIRST_PAYLOADS = 20_000, 500
_MOST_ROWS = 400_000


@dataclass(frozen=True, slots=True)
class Step:
    """What a short piece of a search has found."""

    found: "array[int]"
    """Numbers of rows, ascending, also where the search goes backwards."""
    done: int
    """The number of the last row that was looked at."""


class Search:
    """A filter, ready to run. Belongs to one thread; a reader it has worked with stays usable for others' queries."""

    def __init__(self, item: Filter, registry: Registry) -> None:
        self._made = compile_filter(item, registry)
        self._questions = [Question(leaf) for leaf in self._made.leaves]
        self._patterns = [re.compile(pattern) for pattern in self._made.patterns]
        self.indexed = not needs_payload(item)
        """Whether the narrow rows answer it, without any payload."""
        self._reader: Reader | None = None
        self._payload: Callable[[int], bytes | None] = lambda number: None
        self._version: Callable[[int], int | None] = lambda connection: None
        self._versions: dict[int, int | None] = {}
        self._decoded: tuple[int, Any] = (0, ABSENT)
        self._start_ns: int | None = None
        self._single: sqlite3.Connection | None = None

    def numbers(self, reader: Reader, after: int, upto: int) -> Iterator[Step]:
        """Yield the rows that match among those from `after` (without it) to `upto` (with it), from first to last.

        Each step takes some milliseconds. Raises CaptureError where the capture is damaged.
        """
        self._use(reader)
        size = _FIRST_ROWS if self.indexed else _FIRST_PAYLOADS
        while after < upto:
            end = min(after + size, upto)
            began = time.perf_counter()
            yield Step(self._between(reader.db, after, end), end)
            size = _next_size(size, time.perf_counter() - began)
            after = end

    def backwards(self, reader: Reader, before: int) -> Iterator[Step]:
        """Yield the rows that match among those before `before`, the last ones first."""
        self._use(reader)
        size = _FIRST_ROWS if self.indexed else _FIRST_PAYLOADS
        end = before - 1
        while end > 0:
            after = max(end - size, 0)
            began = time.perf_counter()
            yield Step(self._between(reader.db, after, end), after + 1)
            size = _next_size(size, time.perf_counter() - began)
            end = after

    def matches(self, event: Event, connection: Connection) -> bool:
        """Say whether a row matches that is in no capture: the same statement is asked of a table with this one row."""
        if self._single is None:
            self._single = sqlite3.connect(":memory:", isolation_level=None)
            self._single.execute(f"create table event ({rows.EVENT_COLUMNS})")
            self._single.execute(
                f"create table connection ({rows.CONNECTION_COLUMNS.replace('id,', 'id integer primary key,', 1)})"
            )
            self._provide(self._single)
        if self._start_ns is None:
            self._start_ns = event.at_ns
        self._payload = lambda number: event.payload
        self._versions[event.connection] = connection.version
        self._decoded = (0, ABSENT)
        self._single.execute("delete from event")
        self._single.execute(
            rows.insert("connection", rows.CONNECTION_COLUMNS, replace=True), rows.connection_row(connection)
        )
        self._single.execute(rows.insert("event", rows.EVENT_COLUMNS), rows.event_row(event))
        return bool(self._between(self._single, event.n - 1, event.n))

    def _between(self, db: sqlite3.Connection, after: int, upto: int) -> "array[int]":
        start = self._start_ns or 0
        parameters = [value.ns(start) if isinstance(value, Moment) else value for value in self._made.parameters]
        found = db.execute(
            f"select id from event where id > {after:d} and id <= {upto:d} and {self._made.where} order by id",
            parameters,
        ).fetchall()
        return array("q", [row[0] for row in found])

    def _use(self, reader: Reader) -> None:
        if self._reader is not reader:
            self._reader = reader
            self._provide(reader.db)
            self._version = lambda connection: reader.connection(connection).version
            self._versions.clear()
            self._start_ns = None
        # Anew each time: what was the tail may have been packed since.
        self._payload = Payloads(reader)
        self._decoded = (0, ABSENT)
        if not self._start_ns:
            row = reader.db.execute("select at from event order by id limit 1").fetchone()
            self._start_ns = row[0] if row else 0

    def _provide(self, db: sqlite3.Connection) -> None:
        db.create_function("payload_holds", 6, self._holds)
        db.create_function("matches_pattern", 2, self._matches)

    def _matches(self, pattern: int, text: Any) -> bool:
        return isinstance(text, str) and self._patterns[pattern].search(text[:MAX_MATCHED]) is not None

    def _holds(
        self, leaf: int, number: int, plane: str, encoding: str | None, from_client: int | None, connection: int
    ) -> bool:
        data = self._payload(number)
        if data is None or encoding is None:
            return False
        question = self._questions[leaf]
        if not question.may_hold(data, encoding):
            return False
        if not question.needs_decoding:
            return True
        if self._decoded[0] != number:
            if connection not in self._versions:
                self._versions[connection] = self._version(connection)
            version = self._versions[connection]
            self._decoded = number, body(data, plane, encoding, from_client=bool(from_client), version=version)
        return question.holds(self._decoded[1])


def _next_size(size: int, seconds: float) -> int:
    """Return how many rows to look at next, so that a step takes about as long as it should."""
    factor = STEP / max(seconds, 0.001)
    return int(min(max(size * min(max(factor, 0.25), 4.0), 50), _MOST_ROWS))
