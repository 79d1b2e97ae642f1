"""What filters ask of payloads, with a look at the bytes before anything is decoded."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from inspector.model import ABSENT, Payload, Plane
from inspector.query.sql import Leaf
from inspector.query.tree import InPayload, Pattern, Text, Value
from inspector.store.chunks import unpack
from inspector.store.reader import Reader
from inspector.wire.decoder import read_payload

# Characters of one text that patterns are tried on, and values that one path may lead to.
MAX_MATCHED = 65_536
MAX_VALUES = 10_000


class Payloads:
    """The payloads of a capture by number, fast where they are asked for in order: each chunk is inflated once."""

    def __init__(self, reader: Reader) -> None:
        self._db = reader.db
        self._first, self._last = 1, 0
        self._found: dict[int, bytes] = {}

    def __call__(self, number: int) -> bytes | None:
        if not self._first <= number <= self._last:
            row = self._db.execute(
                "select first_event, last_event, data from payload_chunk where first_event <= ?"
                " order by first_event desc limit 1",
                (number,),
            ).fetchone()
            if row is None or row[1] < number:
                tail = self._db.execute("select data from payload_tail where event = ?", (number,)).fetchone()
                return None if tail is None else bytes(tail[0])
            self._first, self._last = row[0], row[1]
            self._found = dict(unpack(row[2]))
        return self._found.get(number)


class Question:
    """One leaf of a filter, ready to be asked of payload after payload."""

    def __init__(self, leaf: Leaf) -> None:
        self._leaf = leaf
        self._lower = isinstance(leaf, Text) and leaf.needle == leaf.needle.lower()
        self._needles = _needles(leaf)

    def may_hold(self, data: bytes, encoding: str) -> bool:
        """Say whether the leaf can hold of these bytes; for a text that is already the answer."""
        if isinstance(self._leaf, InPayload) and (encoding == "binary" or b"\\u" in data):
            # Even a key may be written with escapes.
            return True
        if self._lower:
            data = data.lower()
        return any(needle in data for needle in self._needles)

    def holds(self, d: Any) -> bool:
        """Say whether the leaf holds of a decoded payload; for a text, once its bytes do."""
        leaf = self._leaf
        if isinstance(leaf, Text):
            return True
        found = False
        for count, value in enumerate(_at(d, leaf.path)):
            if leaf.operator is None:
                return True
            found = True
            if leaf.operator in ("!=", "!~"):
                # Of several values none may be equal.
                if any(_is(value, wanted) for wanted in leaf.values):
                    return False
            elif leaf.operator in ("==", "=~"):
                if any(_is(value, wanted) for wanted in leaf.values):
                    return True
            elif _ordered(value, leaf.operator, leaf.values[0]):
                return True
            if count > MAX_VALUES:
                break
        return found and leaf.operator in ("!=", "!~")

    @property
    def needs_decoding(self) -> bool:
        """Whether `may_hold` is not the answer yet."""
        return isinstance(self._leaf, InPayload)


def body(data: bytes, plane: str, encoding: str, *, from_client: bool, version: int | None) -> Any:
    """Return ``d`` of a stored payload, `ABSENT` where there is none."""
    payload = read_payload(Plane(plane), encoding, data, from_client=from_client, version=version)
    return payload.d if isinstance(payload, Payload) else ABSENT


def _needles(leaf: Leaf) -> tuple[bytes, ...]:
    """Return bytes of which one stands in every payload that the leaf holds of."""
    if isinstance(leaf, Text):
        texts = {leaf.needle, json.dumps(leaf.needle)[1:-1], json.dumps(leaf.needle, ensure_ascii=False)[1:-1]}
        # Hexadecimal digits of an escape may have either case.
        texts |= {re.sub(r"\\u[0-9a-f]{4}", lambda match: "\\u" + match[0][2:].upper(), text) for text in list(texts)}
        lower = leaf.needle == leaf.needle.lower()
        return tuple((text.lower() if lower else text).encode("utf-8", "replace") for text in texts)
    keys = [step for step in leaf.path if step != "*" and not step.isdigit()]
    return (keys[-1].encode("utf-8", "replace") if keys else b"",)


def _at(d: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield what is at `path`: nothing, one value, or several where it has a ``*``."""
    if d is ABSENT:
        return
    if not path:
        yield d
        return
    step, rest = path[0], path[1:]
    if isinstance(d, dict):
        if step in d:
            yield from _at(d[step], rest)
        elif step == "*":
            for value in d.values():
                yield from _at(value, rest)
    elif isinstance(d, list):
        if step == "*":
            for value in d:
                yield from _at(value, rest)
        elif step.isdigit() and len(step) < 8 and int(step) < len(d):
            yield from _at(d[int(step)], rest)


def _is(value: Any, wanted: Value) -> bool:
    match wanted:
        case Pattern():
            return isinstance(value, str | int | float) and _matches(str(value)[:MAX_MATCHED], wanted)
        case None | bool():
            return value is wanted
        case int() | float():
            # Ids are numbers to a person, and text in JSON.
            if isinstance(value, str):
                return value == str(wanted)
            return isinstance(value, int | float) and not isinstance(value, bool) and value == wanted
    return bool(value == wanted) if isinstance(value, str) else str(value) == wanted and not isinstance(value, bool)


def _ordered(value: Any, operator: str, wanted: Value) -> bool:
    if isinstance(wanted, bool) or not isinstance(wanted, int | float):
        return False
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 40:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    match operator:
        case "<":
            return value < wanted
        case "<=":
            return value <= wanted
        case ">":
            return value > wanted
    return value >= wanted


def _matches(text: str, pattern: Pattern) -> bool:
    return compiled(pattern.text, regex=pattern.regex).search(text) is not None


@lru_cache(maxsize=64)
def compiled(pattern: str, *, regex: bool) -> re.Pattern[str]:
    """Return a pattern as a regular expression, that of a glob anchored at both ends if it has a * or ?."""
    if regex:
        return re.compile(pattern)
    if "*" not in pattern and "?" not in pattern:
        return re.compile(re.escape(pattern), re.IGNORECASE)
    # Possessive, so that many stars cannot take long: each stops at the first place where what follows it stands.
    parts = [re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", pattern)]
    middle = "".join(f"(?>.*?{part})" for part in parts[1:-1])
    return re.compile(
        rf"\A{parts[0]}{middle}" + (rf".*(?<={parts[-1]})\Z" if len(parts) > 1 else r"\Z"), re.IGNORECASE | re.DOTALL
    )
