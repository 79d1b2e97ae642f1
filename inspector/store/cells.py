"""What the cells of a table may hold. SQLite keeps anything in any column, and a file may be anyone's.

There is one policy: a cell that no gwinspect writes makes the capture unreadable, in a sentence that says which one it
is. What is derived can be made again from the messages; what is not is not guessed at.
"""

import json
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

# Above any number of a row that there can be, and far below where integers end.
MAX_ROWS = 1 << 40

# Characters of JSON in a cell: a finding speaks of thousands of rows at the most.
_MAX_JSON = 1_000_000
# Combinations of types that are remembered as good.
_MAX_KNOWN = 4096

_DERIVED = ("event", "finding", "verdict", "payload_chunk", "payload_tail", "name")
_WORDS = {int: "a whole number", str: "text", bytes: "bytes", type(None): "nothing"}
_FOUND = {int: "a whole number", float: "a fraction", str: "text", bytes: "bytes", type(None): "nothing"}

Types = tuple[type, ...]

NUMBER: Types = (int,)
TEXT: Types = (str,)
BLOB: Types = (bytes,)
MAYBE_NUMBER: Types = (int, type(None))
MAYBE_TEXT: Types = (str, type(None))
MAYBE_BLOB: Types = (bytes, type(None))
# A number on some planes and a word on others.
OP: Types = (int, str, type(None))
# As `MAYBE_NUMBER`; bytes where it has more than 64 bits.
SNOWFLAKE: Types = (int, bytes, type(None))


class BadCell(ValueError):
    """A cell, or a row, that no gwinspect writes."""

    def __init__(self, table: str, row: object, text: str) -> None:
        place = f"row {row}" if isinstance(row, int) else "a row"
        super().__init__(f"{place} of its table {table} {text}")
        self.is_derived = table in _DERIVED


class Shape:
    """What rows of one kind hold. `counts` are columns that are never negative, `ids` count rows, from 1."""

    def __init__(
        self, table: str, columns: str, types: Sequence[Types], *, counts: Sequence[str] = (), ids: Sequence[str] = ()
    ) -> None:
        self.table = table
        self._names = [name.strip() for name in columns.split(",")]
        self._types = types
        self._sets = [set(each) for each in types]
        self._known: set[tuple[type, ...]] = set()
        self._count_names, self._id_names = counts, ids
        self._count_places = [self._names.index(name) for name in counts]
        self._id_places = [self._names.index(name) for name in ids]
        self._counts, self._ids = _getter(self._count_places), _getter(self._id_places)
        self._id = self._names.index("id") if "id" in self._names else 0

    def check(self, row: tuple[Any, ...]) -> None:
        """Raise BadCell where a cell is not as we write it. A microsecond."""
        kinds = tuple(map(type, row))
        if kinds not in self._known:
            self._examine(row, kinds)
        if min(self._counts(row)) < 0:
            self._refuse(row, self._count_names, lambda value: value < 0, "below 0")
        found = self._ids(row)
        if min(found) < 1 or max(found) > MAX_ROWS:
            self._refuse(row, self._id_names, lambda value: not 1 <= value <= MAX_ROWS, "not the number of a row")

    def columns(self, rows: Sequence[tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        """Return the cells of some rows, at least one, by the names of their columns. Raises BadCell as `check`."""
        columns = [*zip(*rows, strict=True)]
        if not (
            all(map(set.issuperset, self._sets, (map(type, column) for column in columns)))
            and all(min(columns[place]) >= 0 for place in self._count_places)
            and all(min(columns[place]) >= 1 and max(columns[place]) <= MAX_ROWS for place in self._id_places)
        ):
            for row in rows:
                self.check(row)
        return dict(zip(self._names, columns, strict=True))

    def bad(self, row: tuple[Any, ...], text: str) -> BadCell:
        """Return the error for a row of which `text` is true."""
        return BadCell(self.table, row[self._id], text)

    def _examine(self, row: tuple[Any, ...], kinds: tuple[type, ...]) -> None:
        for name, kind, types in zip(self._names, kinds, self._types, strict=True):
            if kind not in types:
                raise self.bad(row, f"has {_FOUND[kind]} as `{name}`, expected {_WORDS[types[0]]}")
        if len(self._known) < _MAX_KNOWN:
            self._known.add(kinds)

    def _refuse(self, row: tuple[Any, ...], names: Sequence[str], is_bad: Callable[[int], bool], what: str) -> None:
        for name in names:
            value = row[self._names.index(name)]
            if is_bad(value):
                raise self.bad(row, f"has {value} as `{name}`, which is {what}")


def _getter(places: list[int]) -> Callable[[tuple[Any, ...]], Sequence[int]]:
    if len(places) < 2:
        # itemgetter gives no tuple for one.
        return lambda row: [row[place] for place in places] or [1]
    return itemgetter(*places)


def numbers(table: str, row: object, text: str) -> tuple[int, ...]:
    """Return the numbers in a cell that holds a list of them as JSON. Raises BadCell."""
    found = _json(table, row, text)
    if not isinstance(found, list) or any(type(each) is not int or not 0 <= each < 1 << 63 for each in found):
        raise BadCell(table, row, "has something other than numbers of rows as `evidence`")
    return tuple(found)


def texts(table: str, row: object, text: str) -> dict[str, str]:
    """Return the texts by name in a cell that holds them as JSON. Raises BadCell."""
    found = _json(table, row, text)
    if not isinstance(found, dict) or any(type(each) is not str for each in found.values()):
        raise BadCell(table, row, "has something other than texts by name as `headers`")
    return found


def _json(table: str, row: object, text: str) -> Any:
    if len(text) > _MAX_JSON:
        raise BadCell(table, row, f"has more than {_MAX_JSON:,} characters of JSON")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadCell(table, row, "has JSON that cannot be read") from error
