"""Filters to SQL over the table ``event``: the one place that says what a filter means.

What needs a payload is a call of the SQL function ``payload_holds``, which `Search` provides; so a filter is always one
expression, and SQLite asks for a payload only where the cheap parts before it have not decided. Every value is a
parameter, never part of the text. A comparison with something that a row does not have is false, and `not` turns that
around: null never gets out of a comparison.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from inspector.protocol.registry import Registry, slug
from inspector.query import tree
from inspector.query.fields import Field
from inspector.query.moments import Moment
from inspector.query.tree import Code, Compare, Filter, InPayload, Operator, Pattern, Text, Value, needs_payload
from inspector.store.ids import cell_of

Leaf = InPayload | Text

_SQL_OPERATORS = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_ASK = "payload_holds({}, event.id, event.plane, event.encoding, event.from_client, event.connection)"


@dataclass(slots=True)
class Statement:
    """A filter as SQL."""

    where: str = ""
    parameters: list[int | float | str | bytes | Moment] = field(default_factory=list)
    """In order; moments are yet to be made numbers."""
    leaves: list[Leaf] = field(default_factory=list)
    """What ``payload_holds`` is asked for, by its first argument."""
    patterns: list[Pattern] = field(default_factory=list)
    """What ``matches_pattern`` is asked for, by its first argument."""


def compile_filter(item: Filter, registry: Registry) -> Statement:
    """Return `item` as a condition on the table ``event``."""
    made = Statement()
    made.where = _Compiler(made, registry).condition(item)
    return made


class _Compiler:
    def __init__(self, made: Statement, registry: Registry) -> None:
        self._made = made
        self._registry = registry

    def condition(self, item: Filter) -> str:
        match item:
            case tree.Everything():
                return "1"
            case tree.Not(inner):
                return f"not {self.condition(inner)}"
            case tree.And(items):
                return self._joined(" and ", items)
            case tree.Or(items):
                return self._joined(" or ", items)
            case Compare(found, operator, values):
                made = self._any(self._compare(found, operator, value) for value in values)
                # Connections are few: SQLite looks at each once, and not once a row.
                whose = "event.connection in (select id from connection where {})"
                return whose.format(made) if found.is_of_connection else made
            case Text():
                return self._text(item)
        return self._leaf(item)

    def _joined(self, word: str, items: tuple[Filter, ...]) -> str:
        # What is cheap to ask comes first. Parameters are in the order of the text, so this decides theirs too.
        ordered = sorted(items, key=needs_payload)
        return "(" + word.join([self.condition(item) for item in ordered]) + ")"

    def _any(self, conditions: Iterable[str]) -> str:
        found = list(conditions)
        return found[0] if len(found) == 1 else "(" + " or ".join(found) + ")"

    def _parameter(self, value: int | float | str | bytes | Moment) -> str:
        self._made.parameters.append(value)
        return "?"

    def _leaf(self, leaf: Leaf) -> str:
        self._made.leaves.append(leaf)
        return _ASK.format(len(self._made.leaves) - 1)

    def _compare(self, found: Field, operator: Operator, value: Value) -> str:
        sql = found.sql
        if value is None:
            there = f"{sql} <> 0" if found.type == "mark" else f"{sql} is not null"
            return f"({there})" if operator == "!=" else f"(not ({there}))"
        match value:
            case tuple():
                return self._codes(sql, operator, value)
            case Pattern():
                return self._pattern(sql, operator, value)
            case Moment() if operator in ("==", "!="):
                way = "" if operator == "==" else "not "
                return f"({way}{sql} - {self._parameter(value)} between 0 and {value.lasts_ns - 1:d})"
        assert not isinstance(value, bool)
        if found.type == "id" and isinstance(value, int):
            return self._id(sql, operator, value)
        if found.type == "mark":
            bit = {name: 1 << at for at, name in enumerate(found.words)}[str(value)]
            return f"({sql} & {bit:d} {'=' if operator == '!=' else '<>'} 0)"
        if found.by_beginning:
            same = "=" if operator == "==" else "<>"
            head = f"substr({sql}, 1, length({self._parameter(str(value))}))"
            return f"ifnull({head} {same} {self._parameter(str(value).lower())}, 0)"
        if found.type == "text":
            return f"ifnull({sql} {_SQL_OPERATORS[operator]} {self._parameter(str(value))} collate nocase, 0)"
        return f"ifnull({sql} {_SQL_OPERATORS[operator]} {self._parameter(value)}, 0)"

    def _id(self, sql: str, operator: Operator, value: int) -> str:
        cell = cell_of(value)
        assert cell is not None
        if isinstance(cell, bytes) and operator not in ("==", "!="):
            # Of two that do not fit SQLite's integers the longer one is the larger; those that do are shorter, or less.
            size = self._parameter(len(cell))
            return f"ifnull((length({sql}), {sql}) {_SQL_OPERATORS[operator]} ({size}, {self._parameter(cell)}), 0)"
        return f"ifnull({sql} {_SQL_OPERATORS[operator]} {self._parameter(cell)}, 0)"

    def _codes(self, sql: str, operator: Operator, codes: tuple[Code, ...]) -> str:
        if operator not in ("==", "!="):
            # Remote auth and RPC have words for opcodes; SQLite holds any word to be larger than any number.
            number = self._parameter(codes[0].number)
            return f"(typeof({sql}) = 'integer' and {sql} {_SQL_OPERATORS[operator]} {number})"
        same = self._any(
            f"({sql} = {self._parameter(code.number)}"
            + (f" and event.plane = {self._parameter(code.plane)})" if code.plane else ")")
            for code in codes
        )
        return f"ifnull({same}, 0)" if operator == "==" else f"({sql} is not null and not ifnull({same}, 0))"

    def _pattern(self, sql: str, operator: Operator, pattern: Pattern) -> str:
        own = None if pattern.regex else glob(pattern.text)
        if own is None:
            self._made.patterns.append(pattern)
            found = f"matches_pattern({len(self._made.patterns) - 1}, {sql})"
        else:
            found = f"lower({sql}) glob {self._parameter(own)}"
        return f"ifnull({found}, 0)" if operator == "=~" else f"({sql} is not null and not ifnull({found}, 0))"

    def _text(self, item: Text) -> str:
        """A text may be in the payload, and in all that a row says without it."""
        capitals = item.needle != item.needle.lower()
        wanted = item.needle if capitals else item.needle.lower()
        parts = []
        for sql in (
            "event.event",
            "event.note",
            "event.reason",
            "(select close_reason from connection where id = event.connection and event.kind = 'close')",
            "(select url || ' ' || ifnull(refusal, '') from connection where id = event.connection"
            " and event.kind = 'open')",
        ):
            shown = sql if capitals else f"lower({sql})"
            parts.append(f"ifnull(instr({shown}, {self._parameter(wanted)}), 0)")
        opcodes = self._registry.opcodes()
        found = [(row.plane, row.number) for row in opcodes if self._is_named(row.name, wanted, capitals)]
        # An event's name is where the opcode's would.
        parts += [f"(event.kind = 'payload' and event.event is null and {each})" for each in self._each("op", found)]
        closes = self._registry.close_codes()
        codes = [(row.plane, row.number) for row in closes if self._is_named(row.name, wanted, capitals)]
        parts += [f"(event.kind = 'close' and {each})" for each in self._each("close_code", codes)]
        return "(" + " or ".join([*parts, self._leaf(item)]) + ")"

    def _is_named(self, name: str, wanted: str, capitals: bool) -> bool:
        return wanted in (name if capitals else name.lower()) or slug(wanted) == slug(name)

    def _each(self, column: str, rows: Iterable[tuple[str, int | str]]) -> Iterator[str]:
        """Yield a condition for each plane: that the column is one of the numbers that `rows` have for it."""
        by_plane: defaultdict[str, list[int | str]] = defaultdict(list)
        for plane, number in rows:
            by_plane[plane].append(number)
        for plane, numbers in by_plane.items():
            where = "1" if plane == "websocket" else f"event.plane = {self._parameter(plane)}"
            yield f"{where} and ifnull(event.{column} in ({', '.join(map(self._parameter, numbers))}), 0)"


def glob(pattern: str) -> str | None:
    """Return a pattern for SQLite's GLOB, which is faster than ours; without * and ?, it may stand anywhere.

    None where GLOB cannot have it: it knows no case beyond ASCII, ends at a NUL, and with each star its time may rise
    by a power.
    """
    text = pattern.lower().replace("[", "[[]")
    if not text.isascii() or "\0" in text or text.rstrip("*").count("*") > 1:
        return None
    return text if "*" in text or "?" in text else f"*{text}*"
