"""An encoder for the external term format, written from its documentation alone: the inverse that the decoder is held
against."""

import struct
from typing import Any, Literal

Keys = Literal["atom", "binary", "old-atom"]


def encode(value: Any, *, keys: Keys = "binary", charlists: bool = False) -> bytes:
    """Return `value` as a term with its version byte.

    `keys`: how the keys of maps are written. `charlists`: lists of small integers as STRING_EXT, as Erlang does it.
    """
    return b"\x83" + term(value, keys=keys, charlists=charlists)


def term(value: Any, *, keys: Keys = "binary", charlists: bool = False) -> bytes:
    """Return `value` as a term without the version byte."""

    def inner(item: Any) -> bytes:
        return term(item, keys=keys, charlists=charlists)

    match value:
        case None:
            return atom("nil")
        case True | False:
            return atom(str(value).lower())
        case int():
            return integer(value)
        case float():
            return b"F" + struct.pack(">d", value)
        case str():
            return binary(value.encode(errors="surrogatepass"))
        case bytes():
            return binary(value)
        case []:
            return b"j"
        case list() if charlists and len(value) < 65536 and all(type(x) is int and 0 <= x < 256 for x in value):
            return b"k" + struct.pack(">H", len(value)) + bytes(value)
        case list():
            return b"l" + struct.pack(">I", len(value)) + b"".join(map(inner, value)) + b"j"
        case tuple() if len(value) < 256:
            return b"h" + bytes([len(value)]) + b"".join(map(inner, value))
        case tuple():
            return b"i" + struct.pack(">I", len(value)) + b"".join(map(inner, value))
        case dict():
            return table([(key_of(key, keys), inner(item)) for key, item in value.items()])
    raise TypeError(type(value))


def key_of(key: Any, keys: Keys) -> bytes:
    if not isinstance(key, str):
        return term(key)
    if keys == "binary" or len(key.encode()) > 255:
        return binary(key.encode())
    return atom(key) if keys == "atom" else b"d" + struct.pack(">H", len(key)) + key.encode("latin-1")


def table(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """Return a map of terms that are encoded already."""
    return b"t" + struct.pack(">I", len(pairs)) + b"".join(key + item for key, item in pairs)


def atom(name: str) -> bytes:
    raw = name.encode()
    return b"w" + bytes([len(raw)]) + raw if len(raw) < 256 else b"v" + struct.pack(">H", len(raw)) + raw


def binary(raw: bytes) -> bytes:
    return b"m" + struct.pack(">I", len(raw)) + raw


def integer(value: int) -> bytes:
    if 0 <= value < 256:
        return b"a" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"b" + struct.pack(">i", value)
    digits = abs(value).to_bytes((abs(value).bit_length() + 7) // 8, "little")
    sign = bytes([value < 0])
    if len(digits) < 256:
        return b"n" + bytes([len(digits)]) + sign + digits
    return b"o" + struct.pack(">I", len(digits)) + sign + digits
