"""JSON text to Python values and back, keeping what was sent.

orjson does the work wherever it can. It refuses, or changes, some of what clients send all the same: lone surrogates,
integers beyond 64 bits, NaN, a byte order mark, bytes that are no UTF-8. For those there is a slower way, and
`_document_end`, the one place that knows JSON's grammar, says where a document ends and what is wrong with one that
does not. The rule: nothing but `JsonError` comes out of `loads` and `first`, and ``truncated`` is said only of text
that more text could complete.

Grammar: https://www.rfc-editor.org/rfc/rfc8259
"""

import json
import math
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from inspector.inert import inert_json, is_inert_json

# Values in a document: some ten times as many as a user account's READY has. `[],` makes 64 bytes of three.
MAX_VALUES = 2_000_000
# Levels of nesting that the slower way takes. orjson takes 1024.
MAX_DEPTH = 512

_BOM = b"\xef\xbb\xbf"
# orjson turns integers beyond 64 bits into floats without a word. All of them have 20 digits, counting the minus sign;
# ids, which are in nearly every message, have 19.
_AS_ZERO = bytes(48 if byte in b"-0123456789" else 32 for byte in range(256))
_TWENTY = b"0" * 20
_BEFORE_VALUE = b":,[ \t\r\n"
_AFTER_VALUE = b",]} \t\r\n"

_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\]*+)*+"')
_STRING_BEGUN = re.compile(rb'"[^"\\]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\]*+)*+(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z')
_SCALAR = re.compile(
    _STRING.pattern
    + rb"|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+(?![.eE])|true|false|null|NaN|-?Infinity"
)
_NUMBER_BEGUN = re.compile(rb"-?(?:(?:0|[1-9][0-9]*+)(?:\.|(?:\.[0-9]++)?+[eE][+-]?))?\Z")
_WORDS = (b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity")
# Types without a NaN in them.
_PLAIN = frozenset({str, int, bool, type(None)})
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class JsonError(ValueError):
    """Bytes that are no JSON."""

    def __init__(self, reason: str, offset: int, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        """``truncated`` where more text could complete the document, ``not-json`` where none could, ``limit`` where it
        nests deeper than allowed, or has more values."""
        self.offset = offset
        """Where, in bytes."""


def loads(data: bytes, problems: list[str] | None = None) -> Any:
    """Return the value of the one document that `data` is.

    Integers are exact. What Python or JSON has no number for stays text: ``NaN``, ``Infinity``, ``1e999``, integers of
    more digits than Python converts (4300). Raw control characters in strings are taken as they are. Bytes that are no
    UTF-8 become U+FFFD; that is added to `problems`, and so is a byte order mark.

    Raises `JsonError`.
    """
    if len(data) > 2 * MAX_VALUES and _values(data) > MAX_VALUES and _values(_STRING.sub(b"", data)) > MAX_VALUES:
        raise JsonError("limit", 0, f"there are more than {MAX_VALUES:,} values in the text")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _loads_anything(data, problems)
    digits = data.translate(_AS_ZERO)
    if _TWENTY in digits and _has_long_integer(data, digits):
        return _loads_anything(data, problems)
    return value


def first(data: bytes, start: int = 0, problems: list[str] | None = None) -> tuple[Any, int]:
    """Return the value of the first document in `data` from `start` on, and the offset after it.

    Takes time in proportion to that document, whatever follows it. `problems` as for `loads`.

    Raises `JsonError`, with offsets into `data`.
    """
    end = _document_end(data, _begin(data, start))
    return loads(data[start:end], problems), end


def _values(data: bytes) -> int:
    """Return a bound for how many values are in `data`, which has no strings, or commas and brackets in its strings."""
    return data.count(b",") + data.count(b"[") + data.count(b"{") + 1


def _has_long_integer(data: bytes, digits: bytes) -> bool:
    """Say whether a run of 20 digits is where a value does; mostly it is part of a string, such as a hash.

    `digits` is `data` with every digit made a zero and all else a space.
    """
    start = digits.find(_TWENTY)
    while start >= 0:
        end = digits.find(b" ", start)
        if data[start - 1 : start] in _BEFORE_VALUE and (end < 0 or data[end : end + 1] in _AFTER_VALUE):
            return True
        start = digits.find(_TWENTY, end) if end >= 0 else -1
    return False


def _loads_anything(data: bytes, problems: list[str] | None) -> Any:
    begin = _begin(data, 0)
    end = _document_end(data, begin)
    rest = _after_space(data, end)
    if rest < len(data):
        raise JsonError("not-json", rest, f"the document ends at byte {end}, and something follows at byte {rest}")
    found = ["the text begins with a byte order mark"] if data.startswith(_BOM) else []
    text, whole = _text(data[begin:end])
    if not whole:
        found.append("some bytes are not UTF-8")
    if problems is not None:
        problems += found
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise JsonError("limit", 0, "values nest deeper than the program's stack has room for") from None


def _text(data: bytes) -> tuple[str, bool]:
    """Return `data` as text, and whether all of it was some. Surrogates encoded like characters count as text."""
    try:
        text = data.decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return data.decode(errors="replace"), False
    if _LONE_SURROGATE.search(text):
        # Two of them in a row, as CESU-8 has it, are one character.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return text, True


def _integer(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        return digits


def _float(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=str, strict=False)


# Where a document ends.


def _begin(data: bytes, start: int) -> int:
    mark = data[start : start + 3]
    return start + 3 if mark == _BOM else len(data) if _BOM.startswith(mark) else start


def _document_end(data: bytes, at: int) -> int:
    """Return the offset after the document that begins at `at` or after white space."""
    closers = bytearray()
    while True:
        at = _after_space(data, at)
        byte = data[at : at + 1]
        if byte in (b"{", b"["):
            if len(closers) == MAX_DEPTH:
                raise JsonError("limit", at, f"values nest deeper than {MAX_DEPTH} levels at byte {at}")
            closers += b"}" if byte == b"{" else b"]"
            at = _after_space(data, at + 1)
            if data[at : at + 1] != closers[-1:]:
                at = _after_key(data, at) if byte == b"{" else at
                continue
        else:
            at = _after_scalar(data, at)
        # A value has ended, and with it perhaps what it is in.
        while closers:
            at = _after_space(data, at)
            byte = data[at : at + 1]
            at += 1
            if byte == closers[-1:]:
                del closers[-1]
            elif byte == b",":
                at = _after_key(data, at) if closers[-1:] == b"}" else at
                break
            else:
                raise _unexpected(data, at - 1, f"a comma or {closers[-1:].decode()}")
        else:
            return at


def _after_space(data: bytes, at: int) -> int:
    space = _SPACE.match(data, at)
    return space.end() if space else at


def _after_key(data: bytes, at: int) -> int:
    at = _after_space(data, at)
    key = _STRING.match(data, at)
    if not key:
        if _STRING_BEGUN.match(data, at):
            raise _cut_off(data)
        raise _unexpected(data, at, "a key in quotes")
    at = _after_space(data, key.end())
    if data[at : at + 1] != b":":
        raise _unexpected(data, at, "a colon")
    return at + 1


def _after_scalar(data: bytes, at: int) -> int:
    scalar = _SCALAR.match(data, at)
    if scalar:
        return scalar.end()
    rest = data[at : at + 9]
    if _STRING_BEGUN.match(data, at) or _NUMBER_BEGUN.match(data, at) or any(w.startswith(rest) for w in _WORDS):
        raise _cut_off(data)
    raise _unexpected(data, at, "a value")


def _unexpected(data: bytes, at: int, expected: str) -> JsonError:
    if at >= len(data):
        return _cut_off(data)
    found = ascii(chr(data[at])) if data[at] < 128 else f"byte 0x{data[at]:02x}"
    return JsonError("not-json", at, f"expected {expected} at byte {at}, found {found}")


def _cut_off(data: bytes) -> JsonError:
    if not data:
        return JsonError("truncated", 0, "there is no text")
    return JsonError("truncated", len(data), f"the text ends after {len(data)} bytes, before the document does")


# Values to text.


def dumps(value: Any, *, finite: bool = False) -> bytes:
    """Return `value` as JSON in one line. `finite`: it is known that no float in it is a NaN, or infinite.

    Takes what our decoders return, and everything JSON-like: bytes become ``{"base64": "…"}``, floats that JSON has no
    number for the text ``NaN`` or ``Infinity``, lone surrogates escapes, keys text. An integer of more digits than
    Python converts is written in base 16, as text.
    """
    try:
        text = orjson.dumps(value)
    except TypeError:
        return _dumps_anything(value)
    # orjson writes NaN as null without a word.
    return text if finite or b"null" not in text or _is_finite(value) else _dumps_anything(value)


def line(value: Any, *, finite: bool = False) -> bytes:
    """Return `value` as `dumps` does, for others to read: a line with its newline.

    What is unsafe to look at, or ends a line for some who read it, is written as JSON's escapes, see `inert_json`.
    """
    text = dumps(value, finite=finite)
    if not is_inert_json(text):
        text = inert_json(text.decode()).encode()
    return text + b"\n"


def _is_finite(value: Any) -> bool:
    pending = [value]
    for item in pending:
        if isinstance(item, dict):
            pending += [child for child in item.values() if type(child) not in _PLAIN]
        elif isinstance(item, (list, tuple)):
            pending += [child for child in item if type(child) not in _PLAIN]
        elif isinstance(item, float) and not math.isfinite(item):
            return False
    return True


def _dumps_anything(value: Any) -> bytes:
    """Write `value` without recursion: what orjson reads may nest deeper than what it writes."""
    text: list[str] = []
    pending = [iter((_piece(value),))]
    while pending:
        for piece in pending[-1]:
            if isinstance(piece, str):
                text.append(piece)
            else:
                pending.append(piece)
                break
        else:
            pending.pop()
    return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", "".join(text)).encode()


def _piece(value: Any) -> str | Iterator[Any]:
    """Return a scalar's text, or an iterator over the pieces of an object or array."""
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, (list, tuple)):
        return _array(value)
    return _scalar(value)


def _object(members: dict[Any, Any]) -> Iterator[str | Iterator[Any]]:
    yield "{"
    separator = ""
    for key, value in members.items():
        name = _scalar(key)
        yield separator + (name if name.startswith('"') else json.dumps(name)) + ":"
        yield _piece(value)
        separator = ","
    yield "}"


def _array(items: Sequence[Any]) -> Iterator[str | Iterator[Any]]:
    yield "["
    separator = ""
    for item in items:
        yield separator
        yield _piece(item)
        separator = ","
    yield "]"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bytes):
        return f'{{"base64":"{b64encode(value).decode()}"}}'
    if isinstance(value, float) and not math.isfinite(value):
        return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return int.__repr__(value)
        except ValueError:
            return f'"{value:#x}"'
    return json.dumps(value)
