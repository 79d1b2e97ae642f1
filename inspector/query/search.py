"""Runs filters: over a capture, some milliseconds at a time, and over single rows that are in none."""

import sqlite3
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

from inspector.faults import is_ours, place_of
from inspector.model import ABSENT, Event
from inspector.protocol.registry import Registry
from inspector.query.moments import Moment
from inspector.query.patterns import matcher
from inspector.query.payloads import body, question
from inspector.query.sql import compile_filter
from inspector.query.tree import Filter, needs_payload
from inspector.session.state import Connection
from inspector.store import rows
from inspector.store.database import open_database
from inspector.store.reader import Reader, explained
from inspector.words import counted

# Seconds of work after which a step ends, and rows of the first step.
STEP = 0.03
_FIRST_ROWS, _FIRST_PAYLOADS = 20_000, 100
_MOST_ROWS = 400_000

_INSERT_FINDING = rows.insert("finding", rows.FINDING_COLUMNS)
_INSERT_EVENT = rows.insert("event", rows.EVENT_COLUMNS)
_INSERT_CONNECTION = rows.insert("connection", rows.CONNECTION_COLUMNS)


@dataclass(frozen=True, slots=True)
class Step:
    """What a short piece of a search has found."""

    found: "array[int]"
    """Numbers of rows, ascending, also where the search goes backwards."""
    done: int
    """The number of the last row that was looked at."""


@dataclass(slots=True)
class _Context:
    """What a search runs on: a capture, or a single row."""

    db: sqlite3.Connection
    payload: Callable[[int], bytes | None]
    version: Callable[[int], int | None]
    """``v`` of a connection's URL, by the connection's number."""
    start_ns: int
    """When the first row was."""
    decoded: tuple[int, Any] = (0, ABSENT)
    """The last payload that was decoded, with its row's number."""


class Search:
    """A filter, ready to run. Belongs to one thread; a reader it has worked with stays usable for others' queries."""

    def __init__(self, item: Filter, registry: Registry) -> None:
        self._made = compile_filter(item, registry)
        self._sql = f"select id from event where id > ? and id <= ? and {self._made.where} order by id"
        self._questions = [question(leaf) for leaf in self._made.leaves]
        self._matchers = [matcher(pattern.text, regex=pattern.regex) for pattern in self._made.patterns]
        self.indexed = not needs_payload(item)
        """Whether the narrow rows answer it, without any payload."""
        self.faults = 0
        """How often a bug of ours kept a row from being tested. Such rows count as found: better shown than missed."""
        self.fault = ""
        """The last of these bugs."""
        self._untested: set[int] = set()
        self._context: _Context | None = None
        self._single: _Context | None = None

    def numbers(self, reader: Reader, after: int, upto: int) -> Iterator[Step]:
        """Yield the rows that match among those from `after` (without it) to `upto` (with it), from first to last.

        Each step takes some milliseconds. Raises CaptureError where the capture is damaged.
        """
        context = _capture(reader)
        size = _FIRST_ROWS if self.indexed else _FIRST_PAYLOADS
        while after < upto:
            end = min(reader.step(after, size), upto)
            if end <= after:
                return  # there are no rows up to there
            began = time.perf_counter()
            step = Step(self._read(reader, context, after, end), end)
            took = time.perf_counter() - began
            yield step
            size = _next_size(size, took)
            after = end

    def backwards(self, reader: Reader, before: int) -> Iterator[Step]:
        """Yield the rows that match among those before `before`, the last ones first. Otherwise as `numbers`."""
        context = _capture(reader)
        size = _FIRST_ROWS if self.indexed else _FIRST_PAYLOADS
        end = before - 1
        while end > 0:
            with explained(reader.path):
                found = context.db.execute("select coalesce(max(id), 0) from event where id <= ?", (end,)).fetchone()
            after = max(found[0] - size, 0)
            began = time.perf_counter()
            step = Step(self._read(reader, context, after, end), after + 1)
            took = time.perf_counter() - began
            yield step
            size = _next_size(size, took)
            end = after

    def matches(self, event: Event, connection: Connection) -> bool:
        """Say whether a row matches that is in no capture: the same statement is asked of a table with this one row.

        The first row that it is asked of is taken for the start of the recording.
        """
        try:
            return self._matches_row(event, connection)
        except Exception as error:
            self._note_fault(event.n, error)
            return True

    def _note_fault(self, number: int | None, error: Exception) -> None:
        if not is_ours(error):
            raise error
        if number is not None:
            self._untested.add(number)
        self.faults += 1
        self.fault = place_of(error)

    @property
    def problem(self) -> str:
        """The sentence on rows that could not be tested; empty where all were."""
        if not self.faults:
            return ""
        rows = counted(self.faults, "row")
        return (
            f"the filter could not be tested on {rows}, shown anyway (bug in gwinspect: {self.fault}; please report it)"
        )

    def _matches_row(self, event: Event, connection: Connection) -> bool:
        if self._single is None:
            self._single = _table_of_one(event.at_ns)
            self._provide(self._single.db)
        context = self._single
        context.payload = lambda number: event.payload
        context.version = lambda number: connection.version
        context.decoded = (0, ABSENT)
        context.db.execute("delete from event")
        context.db.execute("delete from connection")
        context.db.execute(_INSERT_CONNECTION, rows.connection_row(connection))
        context.db.execute(_INSERT_EVENT, rows.event_row(event))
        context.db.execute("delete from finding")
        context.db.executemany(_INSERT_FINDING, map(rows.finding_row, event.findings))
        return bool(self._between(context, event.n - 1, event.n))

    def _read(self, reader: Reader, context: _Context, after: int, upto: int) -> "array[int]":
        # Each time, as other searches of the same reader put theirs in their place.
        self._provide(context.db)
        with explained(reader.path):
            return self._between(context, after, upto)

    def _between(self, context: _Context, after: int, upto: int) -> "array[int]":
        self._context = context
        start = context.start_ns
        parameters = [value.ns(start) if isinstance(value, Moment) else value for value in self._made.parameters]
        self._untested.clear()
        found = context.db.execute(self._sql, [after, upto, *parameters]).fetchall()
        numbers = array("q", chain.from_iterable(found))
        return array("q", sorted(self._untested.union(numbers))) if self._untested else numbers

    def _provide(self, db: sqlite3.Connection) -> None:
        if self._made.leaves or self._made.patterns:
            db.create_function("payload_holds", 6, self._holds)
            db.create_function("matches_pattern", 2, self._matches)

    def _matches(self, pattern: int, text: Any) -> bool:
        try:
            return isinstance(text, str) and self._matchers[pattern](text)
        except Exception as error:
            self._note_fault(None, error)
            return True

    def _holds(
        self, leaf: int, number: int, plane: str, encoding: str | None, from_client: int | None, connection: int
    ) -> bool:
        # SQLite knows no more of an exception than that there was one.
        try:
            return self._asked(leaf, number, plane, encoding, from_client, connection)
        except Exception as error:
            self._note_fault(number, error)
            return True

    def _asked(
        self, leaf: int, number: int, plane: str, encoding: str | None, from_client: int | None, connection: int
    ) -> bool:
        context = self._context
        if context is None or not isinstance(encoding, str):
            return False
        data = context.payload(number)
        if data is None:
            return False

        def d() -> Any:
            if context.decoded[0] != number:
                version = context.version(connection)
                context.decoded = number, body(data, plane, encoding, from_client=bool(from_client), version=version)
            return context.decoded[1]

        return self._questions[leaf](data, encoding, d)


def _capture(reader: Reader) -> _Context:
    with explained(reader.path):
        row = reader.db.execute("select at from event where typeof(at) = 'integer' order by id limit 1").fetchone()
    version = lru_cache(maxsize=256)(lambda number: reader.connection(number).version)
    return _Context(reader.db, reader.payload, version, row[0] if row else 0)


def _table_of_one(start_ns: int) -> _Context:
    db = open_database(":memory:")
    db.execute(f"create table event ({rows.EVENT_COLUMNS})")
    db.execute(f"create table connection ({rows.CONNECTION_COLUMNS})")
    db.execute(f"create table finding ({rows.FINDING_COLUMNS})")
    return _Context(db, lambda number: None, lambda number: None, start_ns)


def _next_size(size: int, seconds: float) -> int:
    """Return how many rows to look at next, so that a step takes about as long as it should."""
    factor = STEP / max(seconds, 0.001)
    return int(min(max(size * min(max(factor, 0.25), 4.0), 50), _MOST_ROWS))
