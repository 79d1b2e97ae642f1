"""What filters ask of payloads, with a look at the bytes before anything is decoded.

The look is only taken where it cannot be wrong: JSON may write any character as an escape, ETF has numbers that are no
text, and may be compressed inside. The voice gateway's binary messages have no text at all, and are always decoded.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeGuard

from inspector.model import ABSENT, Payload, Plane
from inspector.query.patterns import Matcher, matcher
from inspector.query.sql import Leaf
from inspector.query.tree import InPayload, Pattern, Text, Value
from inspector.wire import jsontext
from inspector.wire.decoder import read_payload

# Values that one path may lead to.
MAX_VALUES = 10_000
# Digits from which on a number is an id and no quantity: floats cannot hold it exactly, so none is equal to it.
_ID_DIGITS = 16
# Letters from which on a text cannot be a tag or a length of ETF by chance.
_TELLING = 4

_PLAIN_KEY = re.compile(r"(?!(?:true|false|null|nil|NaN|Infinity)\Z)[A-Za-z_]\w*", re.ASCII)
# What neither JSON need escape nor ETF writes as anything but text: no numbers, no words for odd ones.
_PLAIN_TEXT = re.compile(r"(?!-?(?:NaN|Infinity|inf|nan)\Z)[ -~]*[A-Za-z][ -~]*")
_WORDS = "null true false nan -infinity"
_NUMERIC = re.compile(r"[-+.\de]+", re.ASCII)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([bfnrt])|(.))", re.DOTALL)
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_SURROGATES = re.compile("[\ud800-\udfff]")


Body = Callable[[], Any]
"""Decodes the payload at hand, the first time that it is called, and returns its ``d``."""
Question = Callable[[bytes, str, Body], bool]
"""Says whether something holds of a payload: of its bytes, its encoding and its body."""


def question(leaf: Leaf) -> Question:
    """Return a leaf of a filter, ready to be asked of payload after payload."""
    return _text(leaf.needle) if isinstance(leaf, Text) else _path(leaf)


def body(data: bytes, plane: str, encoding: str, *, from_client: bool, version: int | None) -> Any:
    """Return ``d`` of a stored payload, `ABSENT` where there is none."""
    try:
        payload = read_payload(Plane(plane), encoding, data, from_client=from_client, version=version)
    except ValueError:
        # A plane that we do not know.
        return ABSENT
    return payload.d if isinstance(payload, Payload) else ABSENT


def _text(needle: str) -> Question:
    any_case = needle == needle.lower()
    wanted = needle.encode("utf-8", "surrogatepass")
    # Letters beyond ASCII have no case in bytes.
    folds = any_case and not needle.isascii()
    # In ETF these are not text, or not this one: numbers, words for what has none, what is as short as a tag.
    untold = len(needle) < _TELLING or _NUMERIC.fullmatch(needle) is not None or needle.lower() in _WORDS

    def is_found_in(text: str) -> bool:
        return needle in (text.lower() if any_case else text)

    def ask(data: bytes, encoding: str, d: Body) -> bool:
        if encoding == "binary" or (encoding == "etf" and (untold or _is_compressed(data))):
            value = d()
            return value is not ABSENT and is_found_in(_unescaped(jsontext.dumps(value).decode()))
        if wanted in (data.lower() if any_case else data):
            return True
        if encoding == "json" and b"\\" in data:
            return is_found_in(_unescaped(data.decode("utf-8", "replace")))
        return folds and not data.isascii() and is_found_in(data.decode("utf-8", "replace"))

    return ask


def _unescaped(text: str) -> str:
    """Return JSON text with what its escapes stand for."""
    found = _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _SHORT.get(match[2], match[3]), text)
    if _SURROGATES.search(found):
        found = found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return found


def _path(leaf: InPayload) -> Question:
    keys = [step for step in leaf.path if step != "*" and not step.isdigit()]
    key = keys[-1].encode() if keys and _PLAIN_KEY.fullmatch(keys[-1]) else b""
    wanted = leaf.values if leaf.operator == "==" else ()
    in_json = _all([_json_bytes(value) for value in wanted])
    in_etf = _all([_etf_bytes(value) for value in wanted])
    holds = _test(leaf)

    def ask(data: bytes, encoding: str, d: Body) -> bool:
        if encoding == "json":
            may_hold = (key in data and any(value in data for value in in_json)) or b"\\u" in data
        elif encoding == "etf":
            may_hold = (key in data and any(value in data for value in in_etf)) or _is_compressed(data)
        else:
            may_hold = True
        return may_hold and holds(_at(d(), leaf.path))

    return ask


def _all(needles: list[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    """Return bytes of which one is in whatever equals one of the values; nothing at all, if that is not known."""
    return tuple(needle for found in needles for needle in found) if needles and all(needles) else (b"",)


def _json_bytes(value: Value) -> tuple[bytes, ...]:
    if _is_id(value):
        return (str(value).encode(),)
    return (value.encode(),) if _is_plain(value) and not set(str(value)) & set('"\\/') else ()


def _etf_bytes(value: Value) -> tuple[bytes, ...]:
    if _is_id(value):
        return str(value).encode(), abs(value).to_bytes((value.bit_length() + 7) // 8, "little")
    return (value.encode(),) if _is_plain(value) else ()


def _is_id(value: Value) -> TypeGuard[int]:
    return isinstance(value, int) and abs(value) >= 10 ** (_ID_DIGITS - 1)


def _is_plain(value: Value) -> TypeGuard[str]:
    return isinstance(value, str) and _PLAIN_TEXT.fullmatch(value) is not None and not _NUMERIC.fullmatch(value)


def _is_compressed(data: bytes) -> bool:
    return data[1:2] == b"P"


def _test(leaf: InPayload) -> Callable[[Iterator[Any]], bool]:
    """Return what tells whether a leaf holds, given the values at its path."""
    operator = leaf.operator
    if operator is None:
        return lambda found: any(True for _ in found)
    if operator in ("==", "=~", "!=", "!~"):
        matchers = [matcher(value.text, regex=value.regex) for value in leaf.values if isinstance(value, Pattern)]
        equal: Callable[[Any], bool] = (
            (lambda value: _is_like(value, matchers))
            if matchers
            else (lambda value: any(_is(value, wanted) for wanted in leaf.values))
        )
        if operator in ("==", "=~"):
            return lambda found: any(map(equal, found))

        def none_equal(found: Iterator[Any]) -> bool:
            there = False
            for value in found:
                there = True
                if equal(value):
                    return False
            return there

        return none_equal
    wanted = leaf.values[0]
    return lambda found: any(_is_ordered(value, operator, wanted) for value in found)


def _at(d: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield what is at `path`: nothing, one value, or several where it has a ``*``; at most `MAX_VALUES`."""
    found = [] if d is ABSENT else [d]
    for step in path:
        below: list[Any] = []
        for value in found:
            if isinstance(value, dict):
                if "$etf" in value:
                    # What only Erlang has is described in words of ours, which are nowhere in the payload.
                    continue
                if step == "*":
                    below += value.values()
                elif step in value:
                    below.append(value[step])
            elif isinstance(value, list):
                if step == "*":
                    below += value
                elif step.isdecimal() and len(step) < 8 and int(step) < len(value):
                    below.append(value[int(step)])
            if len(below) > MAX_VALUES:
                del below[MAX_VALUES:]
                break
        found = below
    yield from found


def _is(value: Any, wanted: Value) -> bool:
    if wanted is None or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, str):
        # Ids are numbers to a person, and text in JSON.
        return value == (wanted if isinstance(wanted, str) else str(wanted))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if isinstance(wanted, str):
        return _digits(value) == wanted
    return bool(value == wanted) and not (isinstance(value, float) and _is_id(wanted))


def _is_like(value: Any, matchers: list[Matcher]) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    text = value if isinstance(value, str) else _digits(value)
    return any(matches(text) for matches in matchers)


def _digits(value: int | float) -> str:
    # Python does not write integers of more than 4300 digits.
    return str(value) if isinstance(value, float) or value.bit_length() < 4000 else ""


def _is_ordered(value: Any, operator: str, wanted: Value) -> bool:
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
