"""Tnetstrings, which flow files consist of, read from their place in a file: ``length:value`` and a byte for its kind.

As each value says how long it is, what is not wanted is passed over without being read. Only what mitmproxy itself
writes is taken; anything else is `Malformed`, and anyone who asked has mitmproxy read it. https://tnetstrings.org
"""

import re
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple

LENGTH = re.compile(rb"(\d{1,12}):")
LENGTH_BYTES = 13
"""Bytes that a length and its colon have at most."""

# Bytes that are read at once.
_AHEAD = 16 * 1024
# A dictionary's key and the length of its value.
_KEY = re.compile(rb"(\d{1,2}:[a-z0-9_]{1,40};)(\d{1,12}):")
_KEY_BYTES = 58
_MAX_KEYS = 100
_MAX_DEPTH = 20
_INTEGER = re.compile(rb"-?\d{1,18}")

BYTES, TEXT, INTEGER, FLOAT, TRUTH, NOTHING, LIST, MAPPING = b",;#^!~]}"


class Malformed(ValueError):
    """These bytes are not what mitmproxy writes."""


class Window:
    """Any bytes of a file, by their place. Small pieces next to each other are read at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = 0
        self._data = b""

    def get(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`; fewer at the end of the file. Raises OSError."""
        at = start - self._start
        if at < 0 or stop - self._start > len(self._data):
            self._start, self._data = start, self.read(start, max(stop - start, _AHEAD))
            at = 0
        return self._data[at : at + stop - start]

    def read(self, start: int, size: int) -> bytes:
        """The same for a piece that is not worth keeping."""
        self._file.seek(start)
        return self._file.read(size)


class Part(NamedTuple):
    """Where a value is."""

    kind: int
    """The byte behind it; 0 where it is cut off."""
    start: int
    stop: int
    """The place of its kind; where it is cut off, the end of what there is."""


def parts(window: Window, start: int, stop: int, *, torn: bool = False) -> dict[str, Part]:
    """Return where the values of the dictionary from `start` to `stop` are, by their keys.

    `torn`: `stop` is where the file ends in the middle of it; the last value may be cut off. Raises Malformed.
    """
    found: dict[str, Part] = {}
    # What is at hand of it, from where on in the file, and how far it is read; up to where it surely holds a key.
    data, base, at, enough = b"", start, 0, -1
    while base + at < stop:
        if at > enough:
            base, at = base + at, 0
            data = window.get(base, min(base + _AHEAD, stop))
            size = len(data)
            enough = size if base + size >= stop else size - _KEY_BYTES
        key = _KEY.match(data, at)
        name = _name(key[1]) if key else None
        if key is None or name is None or name in found or len(found) == _MAX_KEYS:
            if torn and base + at + _KEY_BYTES > stop:
                break
            raise Malformed("there is no key")
        begin = key.end()
        at = begin + int(key[2])
        if base + at >= stop:
            if not torn:
                raise Malformed("a value is too long")
            found[name] = Part(0, base + begin, stop)
            break
        if at < size:
            kind = data[at]
        elif far := window.get(base + at, base + at + 1):
            kind = far[0]
        else:
            raise Malformed("the file got shorter")
        found[name] = Part(kind, base + begin, base + at)
        at += 1
    return found


@lru_cache(256)
def _name(key: bytes) -> str | None:
    """Return the name that ``length:name;`` is, if its length is right."""
    length, _, name = key.partition(b":")
    return name[:-1].decode() if int(length) == len(name) - 1 else None


def load(window: Window, part: Part) -> Any:
    """Return a value. Raises Malformed."""
    return parse(part.kind, window.get(part.start, part.stop))


def parse(kind: int, data: bytes, depth: int = 0) -> Any:
    """Return the value of a kind that `data` is. Raises Malformed."""
    if kind == BYTES:
        return data
    try:
        if kind == TEXT:
            return data.decode()
        if kind == INTEGER and _INTEGER.fullmatch(data):
            return int(data)
        if kind == FLOAT:
            return float(data)
    except ValueError as error:
        raise Malformed("a text or a number is invalid") from error
    if kind == TRUTH and data in (b"true", b"false"):
        return data == b"true"
    if kind == NOTHING and not data:
        return None
    if kind in (LIST, MAPPING) and depth < _MAX_DEPTH:
        values = _values(data, depth + 1)
        if kind == LIST:
            return values
        keys = values[::2]
        if len(values) % 2 == 0 and all(isinstance(key, str | bytes) for key in keys):
            return dict(zip(keys, values[1::2], strict=True))
    raise Malformed("a value is of the wrong kind")


def _values(data: bytes, depth: int) -> list[Any]:
    found = []
    at = 0
    while at < len(data):
        length = LENGTH.match(data, at)
        if length is None:
            raise Malformed("a value has no length")
        stop = length.end() + int(length[1])
        if stop >= len(data):
            raise Malformed("a value is too long")
        found.append(parse(data[stop], data[length.end() : stop], depth))
        at = stop + 1
    return found
