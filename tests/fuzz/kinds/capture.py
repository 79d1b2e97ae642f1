"""Captures: damaged cells, payload chunks, schemas and bytes, of this schema and of older ones."""

import sqlite3
import struct
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import zstandard

from inspector.protocol.registry import default
from inspector.store.chunks import pack, unpack
from inspector.store.writer import Writer
from tests.fuzz import damage, talks
from tests.fuzz.mutant import Mutant
from tests.fuzz.usage import steps_for

_NAME = "bot.gwcap"
_TABLES = ("meta", "connection", "frame", "event", "finding", "verdict", "payload_chunk", "payload_tail", "name")
# Records of a bomb: far more than a chunk has.
_MANY = 1_000_000
# Steps of SQLite's between two looks at how long it takes, and looks that are enough.
_LOOK, _LONGEST = 10_000, 300
_META = ("missing", "clock", "lost", "continues", "finished_at", "tool", "host", "source", "created_at", "made_by")


def make(dice: Random) -> Mutant:
    data = _seeds()[dice.randrange(len(_seeds()))]
    if dice.random() < 0.75:
        data = _changed(data, dice)
    if dice.random() < 0.25:
        data = _bytes(data, dice)
    return Mutant({_NAME: data}, steps_for(_NAME, dice, data))


@cache
def _seeds() -> tuple[bytes, ...]:
    """Return captures of some conversations, each of one or two connections, and as they were before."""
    found = []
    for talk in talks.talks()[::2]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _NAME
            writer = Writer(path, default(), made_by="fuzz")
            writer.write(list(talk))
            writer.finish()
            with closing(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute("update meta set value = '2026-01-31T12:00:00+00:00' where key like '%_at'")
                db.execute("update meta set value = 'here' where key not like '%_at'")
                db.execute("vacuum")
            found.append(path.read_bytes())
    return (*found, *(_older(data, version) for data in found[:6] for version in (2, 3)))


def _older(data: bytes, version: int) -> bytes:
    """Return a capture as an older gwinspect wrote it: see the history in schema.sql."""
    with closing(_opened(data)) as db:
        db.executescript(
            "create table names (id integer primary key, name text not null); insert into names select * from name;"
            "drop table name; alter table names rename to name"
        )
        db.execute(f"pragma user_version = {version}")
        return db.serialize()


def _opened(data: bytes) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.deserialize(data)
    # Bytes that are no text are for those who read them later.
    db.text_factory = bytes
    # A view without an end, which one change puts in, must not keep the next one busy for ever.
    looks = count()
    db.set_progress_handler(lambda: next(looks) > _LONGEST, _LOOK)
    return db


def _changed(data: bytes, dice: Random) -> bytes:
    """Return a capture after one to four changes that SQLite itself made."""
    with closing(_opened(data)) as db:
        for _ in range(dice.randint(1, damage.MOST)):
            change = dice.choices(list(_CHANGES), list(_CHANGES.values()))[0]
            try:
                change(db, dice)
            except (sqlite3.Error, ValueError, TypeError, OverflowError):
                # What SQLite does not let happen cannot be in a file in this way, nor what an earlier change took.
                continue
        try:
            if db.in_transaction:
                db.rollback()
            return db.serialize()
        except sqlite3.Error:
            return data


def _cell(db: sqlite3.Connection, dice: Random) -> None:
    """Let a cell, or a whole column, have any value of any type."""
    table = _table(db, dice)
    names = [row[1].decode() for row in db.execute(f"pragma table_info({table})")]
    column, key = dice.choice(names), names[0]
    which = f" where {key} in (select {key} from {table} limit 1 offset {dice.randrange(12)})"
    if dice.random() < 0.2:
        which = ""
    db.execute(f"update or replace {table} set {column} = ?{which}", (_value(dice, column),))


def _value(dice: Random, column: str) -> Any:
    match dice.randrange(6):
        case 0 | 1:
            found: Any = damage.number(dice)
            return found if isinstance(found, float) or -(2**63) <= found < 2**63 else str(found)
        case 2 | 3:
            # The text of a cell may be anything, UTF-8 or not.
            return damage.text(dice).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        case 4:
            return dice.choice((None, b"", b"\xff\xfe", bytes(40), dice.randbytes(20)))
        case _:
            if column in ("evidence", "headers", "value"):
                return damage.json_of(damage.value(dice), dice).decode("utf-8", "replace")
            return "[" * dice.choice((1, 5000))


def _row(db: sqlite3.Connection, dice: Random) -> None:
    """Take rows out, or give one another number: a very large one, one that is not after those before it."""
    table = _table(db, dice)
    key = db.execute(f"pragma table_info({table})").fetchone()[1].decode()
    if dice.random() < 0.4:
        db.execute(f"delete from {table}" + ("" if dice.random() < 0.3 else f" where {key} % 3 = 1"))
        return
    to = dice.choice((0, -1, 2**63 - 1, -(2**63), 2**32, 10**6, 7))
    db.execute(f"update or replace {table} set {key} = ? where {key} = (select max({key}) from {table})", (to,))


def _meta(db: sqlite3.Connection, dice: Random) -> None:
    """Let the file say something odd of itself."""
    said = (
        damage.text(dice)
        if dice.random() < 0.5
        else damage.json_of(damage.value(dice), dice).decode("utf-8", "replace")
    )
    steps = '[{"at_ns": 1e400, "by_ns": "x"}, {}, 3]'
    db.execute(
        "insert or replace into meta values (?, ?)", (dice.choice(_META), dice.choice((said, steps, "9" * 5000)))
    )


def _payload(db: sqlite3.Connection, dice: Random) -> None:
    """Let the payloads of a chunk be damaged, each by itself, or say that they belong to other rows."""
    row = db.execute("select first_event, data from payload_chunk order by random() limit 1").fetchone()
    if row is None:
        return
    records = list(unpack(row[1]).items())
    if not records:
        return
    at = dice.randrange(len(records))
    number, data = records[at]
    if dice.random() < 0.8:
        records[at] = number, talks.payload(data, dice)
    else:
        records[at] = dice.choice((0, 2**63, 2**64 - 1, 1)), data
    db.execute("update payload_chunk set data = ? where first_event = ?", (pack(records), row[0]))


def _chunk(db: sqlite3.Connection, dice: Random) -> None:
    """Let a chunk be no chunk: cut, a bomb of bytes or of records, records that overlap or do not end."""
    whole = zstandard.ZstdCompressor().compress
    row = db.execute("select data from payload_chunk limit 1").fetchone()
    data = bytes(row[0]) if row else whole(b"")
    record = struct.Struct("<QI").pack
    match dice.randrange(8):
        case 0 | 1 | 2:
            data = damage.bytes_of(data, dice)
        case 3:
            data = whole(damage.bytes_of(b"".join(record(number, 2) + b"{}" for number in range(1, 9)), dice))
        case 4:
            data = whole(record(1, 2**32 - 1) + b"x")
        case 5:
            data = whole(b"".join(record(3, 2) + b"[]" for _ in range(70)))
        case 6 if dice.random() < 0.2:
            data = _bomb(b"", 12 * dice.choice((_MANY, 10 * _MANY)), named=dice.random() < 0.5)
        case 7 if dice.random() < 0.2:
            length = dice.choice((100_000_000, 400_000_000))
            data = _bomb(record(3, length), length, named=dice.random() < 0.5)
    db.execute("update payload_chunk set data = ?", (data,))
    if dice.random() < 0.3:
        db.execute("update or replace payload_chunk set first_event = ?, last_event = ?", (dice.choice((0, 1)), 2**62))


def _bomb(head: bytes, zeros: int, *, named: bool) -> bytes:
    """Return what inflates to `head` and so many zeros. `named`: with its size in front."""
    stream = zstandard.ZstdCompressor().compressobj(size=len(head) + zeros if named else -1)
    piece = bytes(1_000_000)
    parts = [stream.compress(head)]
    parts += [stream.compress(piece[: min(len(piece), zeros - at)]) for at in range(0, zeros, len(piece))]
    return b"".join([*parts, stream.flush()])


def _schema(db: sqlite3.Connection, dice: Random) -> None:
    """Let the schema be another: triggers, views, virtual and generated columns, odd names, what is missing."""
    table = _table(db, dice)
    columns = [row[1].decode() for row in db.execute(f"pragma table_info({table})")]
    column = dice.choice(columns)
    endless = "with recursive x(n) as (select 1 union all select n + 1 from x) select n from x"
    listed = ", ".join(f"n as {name}" for name in columns)
    hidden = f'"{damage.text(dice).replace(chr(34), "")}"'
    statement = dice.choice(
        (
            f"drop table {table}",
            f"alter table {table} drop column {column}",
            f"alter table {table} rename column {column} to {hidden}",
            f"alter table {table} rename to {hidden}",
            f"alter table {table} add column {hidden} text default 'x'",
            f"create trigger t after insert on {table} begin delete from frame; end",
            f"create trigger t before delete on {table} begin select raise(ignore); end",
            f"create trigger {hidden} after update on {table} begin update meta set value = 'x'; end",
            f"drop table {table}; create view {table} as select {listed} from ({endless})",
            f"drop table {table}; create view {table} as select {listed} from (select 1 as n)",
            f"drop table {table}; create table {table} ({', '.join(columns)})",
            f"drop table {table}; create table {table} ({', '.join(reversed(columns))})",
            f"drop table {table}; create table {table} (id integer primary key, {column} as (id + 1))",
            f"drop table {table}; create virtual table {table} using fts5({', '.join(columns)})",
            f"create table {hidden} (a, b)",
            f"create index {hidden} on {table} ({column} collate nocase) where {column} > 1",
            f"create index i on {table} (abs({column}))",
            f"create unique index u on {table} ({column})",
            f"pragma user_version = {dice.choice((0, 1, 2, 4, -1, 2**31 - 1))}",
            f"pragma application_id = {dice.randrange(9)}",
            f"create view v as {endless}",
            "create table sqlite_stat1x (a); analyze",
        )
    )
    db.executescript(statement)


def _master(db: sqlite3.Connection, dice: Random) -> None:
    """Let SQLite's own table of tables hold what it would not have written."""
    text = damage.text(dice).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    db.execute("pragma writable_schema = on")
    db.execute(f"update sqlite_master set {dice.choice(('sql', 'name', 'rootpage', 'type'))} = ? where name = ?",
               (dice.choice((text, 0, 2, 2**31, "create table event (id)")), dice.choice(_TABLES)))  # fmt: skip


_CHANGES: dict[Callable[[sqlite3.Connection, Random], None], int] = {
    _cell: 45,
    _row: 10,
    _meta: 6,
    _payload: 24,
    _chunk: 8,
    _schema: 8,
    _master: 2,
}
"""What may be changed, with how often."""


def _table(db: sqlite3.Connection, dice: Random) -> str:
    found = [
        row[0].decode("utf-8", "replace") for row in db.execute("select name from sqlite_master where type = 'table'")
    ]
    return dice.choice([name for name in found if name in _TABLES] or ["meta"])


def _bytes(data: bytes, dice: Random) -> bytes:
    """Return a capture with bytes damaged: anywhere, in its header, whole pages, or its end."""
    body = bytearray(data)
    page = int.from_bytes(data[16:18]) or 1024
    match dice.randrange(6):
        case 0:
            for _ in range(dice.choice((1, 10, 200))):
                body[dice.randrange(len(body))] = dice.randrange(256)
        case 1:
            # Page size, whether it has a write-ahead log, encoding of texts, free pages, versions.
            at = dice.choice((16, 17, 18, 19, 20, 21, 28, 31, 36, 44, 47, 52, 56, 59, 60, 63, 96))
            body[at] = dice.choice((0, 1, 2, 3, 4, 127, 255))
        case 2:
            del body[dice.randrange(len(body)) :]
        case 3:
            at = dice.randrange(len(body) // page) * page
            body[at : at + page] = dice.choice((bytes(page), dice.randbytes(page), body[:page]))
        case 4:
            body[18:20] = b"\x02\x02"
        case _:
            at = 100 + dice.randrange(len(body) - 100)
            body[at:] = damage.bytes_of(bytes(body[at:]), dice)
    return bytes(body)
