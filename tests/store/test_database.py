"""SQLite stops for what stops the program, and what is raised meanwhile comes out as it is."""

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from types import FrameType

import pytest

from inspector.store.database import Database, open_database

ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n)"


@pytest.fixture
def db() -> Iterator[Database]:
    with closing(open_database(":memory:")) as db:
        yield db


class Told(Exception):
    """What a handler raises."""


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def number(request: pytest.FixtureRequest) -> Iterator[int]:
    """A signal whose handler raises `Told`."""

    def handler(number: int, frame: FrameType | None) -> None:
        raise Told(number)

    before = signal.signal(request.param, handler)
    yield request.param
    assert signal.getsignal(request.param) is handler
    signal.signal(request.param, before)


def send(db: Database, number: int) -> None:
    """Let SQL send us a signal: it comes while SQLite works."""
    db.create_function("send", 1, lambda _: os.kill(os.getpid(), number))


# The signal comes in the first row, and there are rows without end.
QUERIES: dict[str, Callable[[Database], object]] = {
    "execute": lambda db: db.execute(f"{ENDLESS} select count(case i when 1 then send(i) end) from n"),
    "fetchone": lambda db: db.execute(f"{ENDLESS} select i, send(1) from n where i = 1 or i < 0 limit 2").fetchone(),
    "fetchall": lambda db: db.execute(f"{ENDLESS} select send(i) from n where i < 3").fetchall(),
    "fetchmany": lambda db: db.execute(f"{ENDLESS} select send(i) from n where i < 3").fetchmany(3),
    "for": lambda db: list(db.execute(f"{ENDLESS} select send(i) from n where i < 3")),
    "executescript": lambda db: db.executescript(f"{ENDLESS} select count(case i when 1 then send(i) end) from n;"),
    "executemany": lambda db: db.executemany(
        f"insert into t {ENDLESS} select count(case i when 1 then send(i) end) from n where i < ?", [(2**62,)]
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_what_a_signals_handler_raises_ends_a_query(db: Database, number: int, name: str) -> None:
    db.execute("create table t (x)")
    send(db, number)
    with pytest.raises(Told):
        QUERIES[name](db)
    assert db.execute("select 5").fetchone() == (5,)


def test_a_signal_from_outside_ends_a_query(db: Database, number: int) -> None:
    """It comes in the midst of SQLite's work, where no Python runs, so that only the beat can notice."""
    started = threading.Event()
    db.create_function("started", 0, started.set)

    def kill() -> None:
        started.wait()
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(Told):
        db.execute(f"{ENDLESS} select count(case i when 1 then started() end) from n")
    thread.join()


def test_a_handler_that_raises_nothing_changes_nothing(db: Database) -> None:
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        send(db, signal.SIGTERM)
        assert db.execute(f"{ENDLESS} select i, send(i) from n limit 3").fetchall() == [(1, None), (2, None), (3, None)]
        assert heard == [signal.SIGTERM] * 3
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_a_function_raises_comes_out(db: Database) -> None:
    def fail() -> None:
        raise Told

    db.create_function("fail", 0, fail)
    with pytest.raises(Told):
        db.execute("select fail()").fetchall()


def test_a_function_may_ask_the_same_database(db: Database) -> None:
    def ask(number: int) -> int:
        found: int = db.execute("select 1 / ?", (number,)).fetchone()[0]
        if number == 0:
            raise Told
        return found

    db.create_function("ask", 1, ask)
    assert db.execute("select ask(1)").fetchone() == (1,)
    with pytest.raises(Told):
        db.execute("select ask(0)").fetchall()


def test_threads_hear_no_signals_and_get_what_functions_raise() -> None:
    raised = []

    def work() -> None:
        with closing(open_database(":memory:")) as db:
            db.create_function("fail", 0, lambda: [][0])
            try:
                db.execute("select fail()").fetchall()
            except IndexError as error:
                raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(raised) == 1


def test_a_query_that_is_late_is_stopped(db: Database) -> None:
    db.stop_after(0.05)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        db.execute(f"{ENDLESS} select count(*) from n")


@pytest.mark.parametrize("sql", ["attach ':memory:' as other", "vacuum into '/nowhere/x'"])
def test_no_other_file_is_attached(db: Database, sql: str) -> None:
    with pytest.raises(sqlite3.OperationalError, match="too many attached databases"):
        db.execute(sql)
