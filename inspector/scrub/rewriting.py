"""Values of a payload replaced where they stand: all else of it stays as it was written, oddities included.

What is there twice, in an odd order, with blanks between or bytes behind, is so afterwards, too. Both encodings are
gone through the same way: a `Visitor` is asked about each value, with the keys that lead to it.
"""

import re
import struct
import zlib
from abc import ABC, abstractmethod

from inspector.session.redact.sent import unescaped

Keys = tuple[str, ...]
"""Keys of the objects around a value, the outermost first. Lists have none: what is in one has that of the list."""


class Visitor(ABC):
    """Says what becomes of the values of one payload."""

    plain: dict[bytes, str]
    """Keys that stay, as JSON writes them: the same few come again and again. Filled by `rewrite_json`."""

    @abstractmethod
    def text(self, keys: Keys, value: str, size: int) -> str | None:
        """Return ASCII that needs no escapes, `size` characters as far as possible; None where `value` stays.

        `size`: bytes that it has where it is written.
        """

    @abstractmethod
    def number(self, keys: Keys, value: int) -> int | None:
        """Return another whole number, None where it stays."""

    @abstractmethod
    def key(self, keys: Keys, value: str, size: int) -> str | None:
        """Return another key, None where it stays; else as `text`."""

    @abstractmethod
    def data(self, keys: Keys, value: bytes) -> bytes:
        """Return as many bytes for what is no text. Only ETF has such."""


_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"|([{}\[\]])|([:,])|(-?\d+)(?![\d.eE])|[^\s{}\[\]:,"]+', re.DOTALL)


def rewrite_json(data: bytes, visitor: Visitor) -> bytes:
    """Return JSON text with its values replaced. Whatever is wrong with it stays wrong."""
    out: list[bytes] = []
    done = 0
    plain = visitor.plain
    # Of each object or list around: whether it is an object, and the keys that lead to what is in it.
    around: list[tuple[bool, Keys]] = []
    is_object, is_key = False, False
    keys: Keys = ()
    name: Keys = ()
    for found in _TOKEN.finditer(data):
        kind = found.lastindex
        if kind == 1:
            written = found[1]
            if is_key:
                text = plain.get(written, "")
                if text:
                    name = (*keys, text)
                    continue
                text = unescaped(written)
                new = visitor.key(keys, text, len(written))
                if new is None and len(plain) < _MOST_PLAIN:
                    plain[written] = text
                name = (*keys, text)
            elif written:
                new = visitor.text(name if is_object else keys, unescaped(written), len(written))
            else:
                continue
            if new is not None:
                out += (data[done : found.start(1)], new.encode("ascii", "replace"))
                done = found.end(1)
        elif kind == 2:
            sign = found[2]
            if sign in b"{[":
                inner = name if is_object and not is_key else keys
                around.append((is_object, keys))
                is_object, keys = sign == b"{", inner
                is_key = is_object
            elif around:
                is_object, keys = around.pop()
                is_key = False
        elif kind == 3:
            is_key = is_object and found[3] == b","
        elif kind == 4 and not is_key and len(found[4]) <= 40:
            number = visitor.number(name if is_object else keys, int(found[4]))
            if number is not None:
                out += (data[done : found.start()], b"%d" % number)
                done = found.end()
    out.append(data[done:])
    return b"".join(out)


# Keys that are remembered.
_MOST_PLAIN = 5000
_LENGTHS = {104: ">B", 105: ">I", 108: ">I", 116: ">I"}
_ATOMS = {100: ">H", 115: ">B", 118: ">H", 119: ">B"}
# Words of Erlang and Elixir that are values of JSON.
_CONSTANTS = frozenset({"true", "false", "nil", "null", "undefined"})
_DEEPEST = 500
# Bytes that a compressed term may have.
_LARGEST = 64 * 1024 * 1024


class Unwalkable(ValueError):
    """An ETF term that cannot be gone through."""


def rewrite_etf(data: bytes, visitor: Visitor) -> bytes:
    """Return an ETF term, and what follows it, with its values replaced. Raises `Unwalkable`."""
    out = bytearray(data[:1])
    try:
        if data[1:2] == b"\x50":
            inner = zlib.decompressobj().decompress(data[6:], _LARGEST)
            rewritten = bytearray()
            _term(inner, 0, rewritten, (), visitor, 0)
            return bytes(out) + b"\x50" + struct.pack(">I", len(rewritten)) + zlib.compress(rewritten)
        end = _term(data, 1, out, (), visitor, 0)
    except (struct.error, IndexError, zlib.error, UnicodeDecodeError) as error:
        raise Unwalkable(str(error)) from error
    if end != len(data):
        raise Unwalkable("something follows the term")
    return bytes(out)


def _term(data: bytes, at: int, out: bytearray, keys: Keys, visitor: Visitor, depth: int) -> int:
    """Write the term at `at` to `out`, and return where the next one begins."""
    tag = data[at]
    if depth > _DEEPEST:
        raise Unwalkable("nested too deeply")
    if tag == 109:
        (size,) = struct.unpack_from(">I", data, at + 1)
        value, end = _cut(data, at + 5, size)
        new = _binary(keys, value, visitor)
        out += b"m" + struct.pack(">I", len(new)) + new
        return end
    if tag == 107:
        (size,) = struct.unpack_from(">H", data, at + 1)
        value, end = _cut(data, at + 3, size)
        out += data[at : at + 3] + _charlist(keys, value, visitor)
        return end
    if tag == 116:
        (count,) = struct.unpack_from(">I", data, at + 1)
        out += data[at : at + 5]
        at += 5
        for _ in range(count):
            at, key = _key(data, at, out, keys, visitor, depth)
            at = _term(data, at, out, (*keys, key), visitor, depth + 1)
        return at
    if tag in (104, 105, 108):
        (count,) = struct.unpack_from(_LENGTHS[tag], data, at + 1)
        start = at + 1 + struct.calcsize(_LENGTHS[tag])
        out += data[at:start]
        at = start
        for _ in range(count + (tag == 108)):
            at = _term(data, at, out, keys, visitor, depth + 1)
        return at
    if tag in _ATOMS:
        (size,) = struct.unpack_from(_ATOMS[tag], data, at + 1)
        start = at + 1 + struct.calcsize(_ATOMS[tag])
        value, end = _cut(data, start, size)
        text = value.decode("utf-8", "replace")
        new_text = None if text in _CONSTANTS or not text else visitor.text(keys, text, size)
        written = value if new_text is None else new_text.encode("ascii", "replace")[:size].ljust(size, b"x")
        out += data[at:start] + written
        return end
    if tag in (110, 111):
        wide = 1 if tag == 110 else 4
        size = int.from_bytes(data[at + 1 : at + 1 + wide])
        value, end = _cut(data, at + 2 + wide, size)
        number = None
        if size <= 16 and not data[at + 1 + wide]:
            number = visitor.number(keys, int.from_bytes(value, "little"))
        if number is None:
            out += data[at:end]
        else:
            shortest = max((number.bit_length() + 7) // 8, 1)
            out += struct.pack(">BBB", 110, max(shortest, 1), 0) + number.to_bytes(shortest, "little")
        return end
    if tag == 98:
        (value_,) = struct.unpack_from(">i", data, at + 1)
        number = visitor.number(keys, value_)
        out += data[at : at + 5] if number is None else struct.pack(">Bi", 98, number)
        return at + 5
    if tag == 97:
        number = visitor.number(keys, data[at + 1])
        out += data[at : at + 2] if number is None else bytes([97, number & 255])
        return at + 2
    fixed = {70: 9, 99: 32, 106: 1}.get(tag)
    if fixed is None or at + fixed > len(data):
        raise Unwalkable(f"tag {tag}")
    out += data[at : at + fixed]
    return at + fixed


def _cut(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise Unwalkable("it ends early")
    return data[at : at + size], at + size


def _binary(keys: Keys, value: bytes, visitor: Visitor) -> bytes:
    if not value:
        return value
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return visitor.data(keys, value)
    new = visitor.text(keys, text, len(value))
    return value if new is None else new.encode("ascii", "replace")


def _charlist(keys: Keys, value: bytes, visitor: Visitor) -> bytes:
    """Return a list of small numbers, which may be a text: the bytes of a key, two shards, a word."""
    if len(value) >= 4 and all(32 <= byte < 127 for byte in value):
        new = visitor.text(keys, value.decode(), len(value))
        return value if new is None else new.encode("ascii", "replace")[: len(value)].ljust(len(value), b"x")
    made = bytearray()
    for byte in value:
        number = visitor.number(keys, byte)
        made.append(byte if number is None else number & 255)
    return bytes(made)


def _key(data: bytes, at: int, out: bytearray, keys: Keys, visitor: Visitor, depth: int) -> tuple[int, str]:
    """Write the key of a map, and return where its value begins, and what it was."""
    tag = data[at]
    if tag == 109:
        (size,) = struct.unpack_from(">I", data, at + 1)
        value, end = _cut(data, at + 5, size)
        text = value.decode("utf-8", "replace")
        new = visitor.key(keys, text, size)
        written = value if new is None else new.encode("ascii", "replace")
        out += b"m" + struct.pack(">I", len(written)) + written
        return end, text
    if tag in _ATOMS:
        (size,) = struct.unpack_from(_ATOMS[tag], data, at + 1)
        start = at + 1 + struct.calcsize(_ATOMS[tag])
        value, end = _cut(data, start, size)
        text = value.decode("utf-8", "replace")
        new = visitor.key(keys, text, size)
        out += data[at:start] + (value if new is None else new.encode("ascii", "replace")[:size].ljust(size, b"x"))
        return end, text
    before = len(out)
    end = _term(data, at, out, keys, visitor, depth + 1)
    return end, bytes(out[before:]).hex()
