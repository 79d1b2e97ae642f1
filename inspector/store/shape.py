"""Whether the tables in a file are ours, word for word, and nothing in it acts on its own.

SQLite runs what a file says: triggers, views, defaults, checks, generated columns, indices on expressions, virtual
tables. So a capture may contain nothing but tables and plain indices; and its tables have the columns of schema.sql, or
of an older one, with nothing said of them that is not said there. The text counts, as SQLite goes by the text too.
"""

import re
import sqlite3
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from inspector.inert import inert
from inspector.store.database import BEAT, Database

# What came after the oldest schema that was released, 3, and with which version; schema.sql says what it is.
NEW_COLUMNS: tuple[tuple[int, str, str], ...] = (
    (5, "connection", "knows integer not null default 31"),
    (6, "connection", "account text"),
)
# How columns are defined in captures that were brought up to that schema, as some samples were.
_BROUGHT_UP = {"event": frozenset({"severity integer not null default 0"})}
# Tables that had rowids before a schema version.
_WITHOUT_ROWID = {"name": 4}

# Tables and indices in a file: ours are ten, and a person may have added some.
MAX_OBJECTS = 100
# Bytes of what is said of one, and steps of SQLite, in thousands, until all of it is read.
_MAX_TEXT = 100_000
_MAX_STEPS = 20

_COMMENT = re.compile(r"--[^\n]*")
_TABLE = re.compile(r"create table (\w+)\((.*)\)(.*)")
_INDEX = re.compile(r"create index \S+ on \S+\(\w+(?: asc| desc)?(?:,\w+(?: asc| desc)?)*\)")


class WrongShape(ValueError):
    """Something in the file that no capture has, or that it lacks, in words that go on after "it"."""


def check_shape(db: Database, version: int) -> None:
    """Raise WrongShape where a file of that schema version is not made as ours are, sqlite3.Error where it is damaged.

    Must come before anything else is asked of `db`. What it reads is bounded, whatever the file says.
    """
    length = db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_TEXT)
    steps = iter(range(_MAX_STEPS))
    is_over = False

    def beat() -> bool:
        nonlocal is_over
        is_over = next(steps, None) is None
        return is_over

    db.set_progress_handler(beat, 1000)
    try:
        texts = [text for (text,) in db.execute("select sql from sqlite_master limit ?", (MAX_OBJECTS + 1,)).fetchall()]
    except sqlite3.OperationalError:
        if is_over:
            raise WrongShape(f"has more than {MAX_OBJECTS} tables") from None
        raise
    finally:
        db.set_progress_handler(db.watch.beat, BEAT)
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, length)
    if len(texts) > MAX_OBJECTS:
        raise WrongShape(f"has more than {MAX_OBJECTS} tables")
    found = set()
    for text in texts:
        # The index of a key has no text.
        if text is not None and (name := _check(text, version)):
            found.add(name)
    for name in _ours():
        if name not in found:
            raise WrongShape(f"lacks the table {name}")


def new_columns(version: int) -> Iterator[tuple[str, str]]:
    """Yield the columns, with their tables before them, that came after a schema version."""
    return ((table, column) for since, table, column in NEW_COLUMNS if since > version)


def _check(text: object, version: int) -> str | None:
    """Return the name of the table that a text makes if it is one of ours. Raises WrongShape."""
    plain = _plain(str(text))
    if plain.startswith("create table "):
        table = _TABLE.fullmatch(plain)
        if table is None or table[1] not in _ours():
            return None
        _check_table(table[1], table[2].split(","), table[3], version)
        return table[1]
    if not plain.startswith("create index "):
        what = re.match(r"create (?:(?:temp|temporary|unique|virtual) )?\w+", plain)
        raise WrongShape(f"contains a {_shown(what[0].removeprefix('create ') if what else plain)}")
    if _INDEX.fullmatch(plain) is None:
        raise WrongShape(f"contains an index on more than plain columns ({_shown(plain)})")
    return None


def _check_table(name: str, columns: list[str], tail: str, version: int) -> None:
    known, needed, own_tail = _ours()[name]
    later = {column.partition(" ")[0] for owner, column in new_columns(version) if owner == name}
    for column in columns:
        if column not in known:
            raise WrongShape(f"defines {_shown(column)!r} in its table {name}")
    if missing := needed - later - {column.partition(" ")[0] for column in columns}:
        raise WrongShape(f"lacks the column {min(missing)} in its table {name}")
    if tail != own_tail and (tail or version >= _WITHOUT_ROWID.get(name, 0)):
        raise WrongShape(f"defines its table {name} as{_shown(tail) or ' one with rowids'}")


@cache
def _ours() -> dict[str, tuple[frozenset[str], frozenset[str], str]]:
    """Return what there may be in each of our tables, the columns that there must be, and what follows them."""
    schema = _plain(files("inspector.store").joinpath("schema.sql").read_text("utf-8"))
    found = {}
    for statement in schema.split(";"):
        table = _TABLE.fullmatch(statement.strip())
        if table is None:
            continue
        columns = set(table[2].split(","))
        added = {_plain(column) for _, owner, column in NEW_COLUMNS if owner == table[1]}
        needed = {column.partition(" ")[0] for column in columns}
        found[table[1]] = (
            frozenset(columns | added) | _BROUGHT_UP.get(table[1], frozenset()),
            frozenset(needed),
            table[3],
        )
    return found


def _plain(text: str) -> str:
    """Return SQL without comments, in small letters, with no space that says nothing.

    A ``--`` in quotes is taken for a comment too; but no quote is in ours, so that nothing can hide there.
    """
    words = " ".join(_COMMENT.sub(" ", text).split()).lower()
    return re.sub(r" ?([(),;]) ?", r"\1", words)


def _shown(text: str) -> str:
    return inert(text[:60])
