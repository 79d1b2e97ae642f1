"""SQLite, as every capture is opened: within limits, and stopped by whatever stops the program.

While SQLite works, Python runs no signal handler; and what is raised inside a function that SQLite calls is lost, so
that a Ctrl-C would come out as "user-defined function raised exception". Here handlers run all the same, as SQLite
calls back now and then. What they raise is held until SQLite has returned, and is raised then; so is what functions
raise.
"""

import _signal  # type: ignore[import-not-found]
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FrameType
from typing import Any, Concatenate, ParamSpec, TypeVar

# Instructions of SQLite's machine between two calls back, a millisecond of work or so. They cost nothing that shows:
# 15 scans of 400,000 rows with and without them, by turns, 0.99 times the processor time.
BEAT = 50_000

# Bytes of a value or a row of a capture: payloads and messages have at most a quarter of it.
MAX_LENGTH = 256 * 1024 * 1024

# Characters of a statement; those of filters have thousands.
_MAX_SQL = 1_000_000

_SIGNALS = tuple(map(int, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)))
# Those of `signal` look up names on the way: 2 us each, and here are twelve of them around each call.
_handler_of = _signal.getsignal
_set_handler = _signal.signal
_Handler = Callable[[int, FrameType | None], Any]
_P = ParamSpec("_P")
_R = TypeVar("_R")


class _Watch:
    """What SQLite calls now and then. It must not know the database: a cycle would keep that open."""

    __slots__ = ("deadline", "held", "is_held")

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.held: BaseException | None = None
        self.is_held = False

    def beat(self) -> bool:
        """Let Python run its handlers, and say whether to stop."""
        return self.held is not None or (self.deadline is not None and time.monotonic() > self.deadline)

    def hear(self, db: sqlite3.Connection, handler: _Handler, number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except BaseException as error:
            self.held = error
            db.interrupt()


def _shielded(
    method: "Callable[Concatenate[_Cursor, _P], _R]",
) -> "Callable[Concatenate[_Cursor, _P], _R]":
    """Return `method`, which makes SQLite work, with what signal handlers raise meanwhile raised after it."""

    def call(cursor: "_Cursor", /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        db = cursor.connection
        watch = db.watch
        # Within one call there may be another, out of a function of ours.
        if watch.is_held:
            return method(cursor, *args, **kwargs)
        watch.is_held = True
        ours: dict[int, tuple[_Handler, object]] = {}
        try:
            # Only the main thread runs handlers.
            if threading.get_ident() == threading.main_thread().ident:
                for number in _SIGNALS:
                    handler = _handler_of(number)
                    if callable(handler):
                        our = partial(watch.hear, db, handler)
                        ours[number] = handler, our
                        _set_handler(number, our)
            return method(cursor, *args, **kwargs)
        finally:
            for number, (before, installed) in ours.items():
                # A handler may have put another in its place.
                if _handler_of(number) is installed:
                    _set_handler(number, before)
            watch.is_held = False
            held, watch.held = watch.held, None
            if held is not None:
                # What was interrupted is interrupted until it is let go of, and so is all that comes after it.
                sqlite3.Cursor.close(cursor)
                raise held

    return call


class _Cursor(sqlite3.Cursor):
    connection: "Database"

    execute = _shielded(sqlite3.Cursor.execute)
    executemany = _shielded(sqlite3.Cursor.executemany)
    executescript = _shielded(sqlite3.Cursor.executescript)
    fetchone = _shielded(sqlite3.Cursor.fetchone)
    fetchmany = _shielded(sqlite3.Cursor.fetchmany)
    fetchall = _shielded(sqlite3.Cursor.fetchall)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        while rows := self.fetchmany(1000):
            yield from rows


class Database(sqlite3.Connection):
    """A database that may be anyone's. Raises what a signal's handler raised, as any Python code does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.watch = _Watch()
        self.set_progress_handler(self.watch.beat, BEAT)
        self.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _MAX_SQL)
        # Nothing of ours attaches a file, and VACUUM INTO does so too.
        self.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        self.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1)
        self.setlimit(sqlite3.SQLITE_LIMIT_VDBE_OP, 10_000_000)
        self.execute("pragma trusted_schema = off")
        self.execute("pragma cell_size_check = on")

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    # Python's own go past `cursor`.

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        found: sqlite3.Cursor = self.cursor().execute(sql, parameters)
        return found

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        found: sqlite3.Cursor = self.cursor().executemany(sql, parameters)
        return found

    def executescript(self, sql_script: str, /) -> sqlite3.Cursor:
        found: sqlite3.Cursor = self.cursor().executescript(sql_script)
        return found

    def create_function(self, name: str, narg: int, func: Any, *, deterministic: bool = False) -> None:
        """Let SQL call `func`. What that raises comes out of the query as it is."""
        watch = self.watch

        def call(*args: Any) -> Any:
            try:
                return func(*args)
            except BaseException as error:
                watch.held = watch.held or error
                raise

        super().create_function(name, narg, call, deterministic=deterministic)

    def stop_after(self, seconds: float) -> None:
        """Let what runs later than that many seconds from now fail with `sqlite3.OperationalError`."""
        self.watch.deadline = time.monotonic() + seconds


def open_database(name: str, *, uri: bool = False) -> Database:
    """Open a file as SQLite does, in autocommit mode. Raises sqlite3.Error."""
    return sqlite3.connect(name, uri=uri, isolation_level=None, timeout=5, check_same_thread=False, factory=Database)
