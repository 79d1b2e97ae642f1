"""Captures that someone made to do harm, as recipes: each takes a sound capture's path and changes the file in place.

`RECIPES` are files whose tables are not ours; all have to be refused. `CELLS` are odd values for every column of every
table, and `craft_cell` puts one in. `DAMAGE` are files that are torn. For tests, and for the corpus of `make fuzz`.
"""

import json
import os
import random
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import zstandard

Recipe = Callable[[Path], None]

TABLES = ("meta", "connection", "frame", "event", "finding", "verdict", "payload_chunk", "payload_tail", "name")

_ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n)"


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    # Thousands are made, and none has to survive a power cut.
    db.execute("pragma synchronous = off")
    db.execute("pragma journal_mode = memory")
    return db


def run(path: Path, *statements: str) -> None:
    """Run SQL on a capture, without any of our guards."""
    with closing(_open(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def columns(table: str) -> list[str]:
    """Return the columns of one of our tables."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(files("inspector.store").joinpath("schema.sql").read_text("utf-8"))
        return [row[1] for row in db.execute(f"pragma table_xinfo({table})")]


def rewritten(path: Path, table: str, sql: str) -> None:
    """Let the file say that `table` was made by `sql`; its rows stay as they are."""
    with closing(_open(path)) as db:
        db.execute("pragma writable_schema = on")
        db.execute("update sqlite_master set sql = ? where name = ?", (sql, table))
        db.commit()


def _said(path: Path, table: str) -> str:
    with closing(_open(path)) as db:
        found: str = db.execute("select sql from sqlite_master where name = ?", (table,)).fetchone()[0]
        return found


def _changed(table: str, old: str, new: str) -> Recipe:
    def craft(path: Path) -> None:
        sql = _said(path, table)
        assert old in sql
        rewritten(path, table, sql.replace(old, new, 1))

    return craft


def _sql(*statements: str) -> Recipe:
    return lambda path: run(path, *statements)


def _view(table: str) -> Recipe:
    """An endless view in the place of a table."""
    names = ", ".join(f"i as {column}" for column in columns(table))
    return _sql(f"drop table {table}", f"create view {table} as {_ENDLESS} select {names} from n")


def _many_tables(path: Path) -> None:
    with closing(_open(path)) as db:
        db.executescript("begin;" + ";".join(f"create table t{number} (x)" for number in range(5000)) + ";commit")


def _long_schema(path: Path) -> None:
    run(path, f"create table big (x default '{'x' * 5_000_000}')")


def _fts(path: Path) -> None:
    with closing(_open(path)) as db:
        try:
            db.execute("create virtual table words using fts5(x)")
        except sqlite3.OperationalError:
            # This SQLite has no FTS: the text is what counts.
            db.execute("create table words (x)")
            db.commit()
            rewritten(path, "words", "CREATE VIRTUAL TABLE words USING fts5(x)")


RECIPES: dict[str, Recipe] = {
    "trigger-that-deletes": _sql(
        "create trigger evil after insert on event begin delete from frame; delete from event; end"
    ),
    "trigger-on-meta": _sql("create trigger evil after delete on meta begin delete from frame; end"),
    "trigger-instead-of": _sql(
        "create view v as select 1 as x", "create trigger evil instead of insert on v begin delete from frame; end"
    ),
    **{f"endless-view-{table}": _view(table) for table in TABLES},
    "view-beside": _sql("create view other as select 1"),
    "virtual-table": _fts,
    "default-that-calls": _changed("event", "note          text,", "note text default (hex(randomblob(100000000))),"),
    "check-that-calls": _changed("finding", "rule     text not null,", "rule text not null check (length(rule) > 0),"),
    "collation": _changed("frame", "connection  integer not null,", "connection integer not null collate rtrim,"),
    "generated-column": _changed("name", "name text not null", "name text not null generated always as (id)"),
    "other-affinity": _changed("event", "wire_bytes    integer not null,", "wire_bytes text not null,"),
    "more-columns": _sql("alter table event add column evil text default 'x'"),
    "conflict-clause": _changed("frame", "raw         blob,", "raw blob not null on conflict ignore,"),
    "foreign-key": _changed(
        "frame", "connection  integer not null,", "connection integer references connection (id) on delete cascade,"
    ),
    "lacks-a-column": _sql("alter table event drop column note"),
    **{f"lacks-{table}": _sql(f"drop table {table}") for table in TABLES},
    "index-on-an-expression": _sql("create index evil on event (abs(at))"),
    "partial-index": _sql("create index evil on event (at) where at > 5"),
    "unique-index": _sql("create unique index evil on event (id, at)"),
    "thousands-of-tables": _many_tables,
    "long-schema": _long_schema,
}

# Values that a column may be given: of every type, at the ends of every range, and texts that are nearly right.
VALUES: dict[str, Any] = {
    "null": None,
    "text": "x\x1b[31m",
    "empty": "",
    "blob": b"\x00\xff",
    "fraction": 1.5,
    "endless": float("inf"),
    "negative": -1,
    "least": -(2**63),
    "largest": 2**63 - 1,
    "huge": 2**40 + 1,
    "json-list": "[]",
    "json-endless": "[1e999]",
    "json-text": '["x"]',
    "json-deep": "[" * 100_000 + "]" * 100_000,
    "json-cut": "[1, {",
    "json-object": '{"x": 5}',
}

CELLS = [(table, column, value) for table in TABLES for column in columns(table) for value in VALUES]


def craft_cell(path: Path, table: str, column: str, value: str) -> None:
    """Put one of `VALUES` into a column of the last row of a table, past all that forbids it."""
    with closing(_open(path)) as db:
        before = [tuple(row) for row in db.execute("select name, sql from sqlite_master where sql is not null")]
        db.execute("pragma writable_schema = on")
        db.execute("update sqlite_master set sql = replace(sql, ' not null', '') where type = 'table'")
        db.execute("pragma writable_schema = reset")
        db.commit()
    with closing(_open(path)) as db:
        key = columns(table)[0]
        # A row's own number can be nothing but a number.
        with suppress(sqlite3.IntegrityError, sqlite3.OperationalError):
            db.execute(
                f"update {table} set {column} = ? where {key} = (select max({key}) from {table})", (VALUES[value],)
            )
        db.commit()
    with closing(_open(path)) as db:
        db.execute("pragma writable_schema = on")
        for name, sql in before:
            db.execute("update sqlite_master set sql = ? where name = ?", (sql, name))
        db.commit()


def inflating(path: Path, records: list[tuple[int, int]]) -> None:
    """Replace all payloads by one chunk, of records of so many zeros for so many events."""
    data = b"".join(struct.pack("<QI", event, size) + bytes(size) for event, size in records)
    with closing(_open(path)) as db:
        last = db.execute("select max(id) from event").fetchone()[0]
        db.execute("delete from payload_chunk")
        db.execute("delete from payload_tail")
        packed = zstandard.ZstdCompressor(level=3).compress(data)
        db.execute("insert into payload_chunk values (1, ?, ?)", (last, packed))
        db.commit()


BOMBS: dict[str, Recipe] = {
    "one-large-payload": lambda path: inflating(path, [(2, 127 * 1024 * 1024)]),
    "many-empty-payloads": lambda path: inflating(path, [(2, 0)] * 1_000_000),
    "large-payload-in-the-tail": _sql(
        "delete from payload_chunk", "insert into payload_tail values (2, zeroblob(100000000))"
    ),
    "claims-a-terabyte": _sql("update payload_chunk set data = x'28b52ffde00000000000010000010000'"),
    "evidence-of-many": _sql(f"update finding set evidence = '{json.dumps([1] * 600_000)}'"),
}


def cut(path: Path, size: int) -> None:
    """Tear a file."""
    os.truncate(path, size)


def flipped(path: Path, seed: int, count: int = 20) -> None:
    """Change some bytes after the header, and the same ones each time."""
    dice = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(count):
        data[dice.randrange(100, len(data))] = dice.randrange(256)
    path.write_bytes(data)


def shared_pages(path: Path) -> None:
    """Let two tables be the same pages: what is written to one is read as the other."""
    with closing(_open(path)) as db:
        db.execute("pragma writable_schema = on")
        root = db.execute("select rootpage from sqlite_master where name = 'frame'").fetchone()[0]
        db.execute("update sqlite_master set rootpage = ? where name = 'event'", (root,))
        db.commit()


def damaged(seeds: range) -> Iterator[tuple[str, Recipe]]:
    """Yield names and recipes of torn files."""
    for size in (100, 512, 4096, 5000, 9000, 12000):
        yield f"cut-{size}", lambda path, size=size: cut(path, size)  # type: ignore[misc]
    for seed in seeds:
        yield f"flipped-{seed}", lambda path, seed=seed: flipped(path, seed)  # type: ignore[misc]
    yield "shared-pages", shared_pages
