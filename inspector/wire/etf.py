"""Erlang's external term format, as the gateway speaks it with ``encoding=etf``: bytes to JSON-like Python values.

Two rules keep it whole. Whatever the bytes, the outcome is a value or an `EtfError`; lengths, depth and number of terms
are checked before anything is built for them. And ``truncated`` is said only of data that more bytes could complete, so
that a stream can wait for them.

Each kind of term has one reader. It is called with the offset after the tag and returns the value and the offset after
the term. Readers take bytes by slicing, which is silent at the end of the data, and by indexing and unpacking, which
raise there; `_outermost` turns the latter into ``truncated``, readers of variable length check with `_check_end`.

Layouts: https://www.erlang.org/doc/apps/erts/erl_ext_dist.html
"""

import math
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from inspector.wire import jsontext
from inspector.wire.inflate import Budget
from inspector.words import kind_of

# Bytes of the longest term that may still be completed.
MAX_TERM = 64 * 1024 * 1024
# Terms in one: some ten times as many as a user account's READY has.
MAX_NODES = 2_000_000
# Problems listed for one term; a hostile one could have millions.
_MAX_PROBLEMS = 20

_VERSION = 131
_COMPRESSED = 80
_SMALL_INTEGER = 97
_ATOM_LATIN1 = 100
_SMALL_TUPLE = 104
_NIL = 106
_LIST = 108
_BINARY = 109
_SMALL_BIG = 110
_SMALL_ATOM_LATIN1 = 115
_ATOM = 118
_SMALL_ATOM = 119

_NOT_HERE = {
    68: "a distribution header",
    69: "the header of a fragmented distribution message",
    80: "a compressed term inside another term",
    82: "a reference to the atom cache of a distribution header",
    121: "a term in an encoding local to one Erlang node",
}
# Keys and atoms that came before, by their bytes with tag and length: finding one is cheaper than decoding it. The real
# ones are a few hundred, but keys may be ids, and anyone can make up more.
_MOST_KNOWN = 4096
_LONGEST_KNOWN = 40
_known_keys: dict[bytes, str] = {}
_known_atoms: dict[bytes, Any] = {}

_WORDS = {b"nil": None, b"null": None, b"true": True, b"false": False}
_FLOAT_TEXT = re.compile(rb" *[+-]?(\d+(\.\d*)?(e[+-]?\d+)?|inf|nan)")
_FLOAT_BEGUN = re.compile(rb" *[+-]?(\d+(\.\d*)?(e[+-]?\d*)?|i(nf?)?|n(an?)?)?")

# How a positive integer of eight bytes begins, after its tag.
_OF_AN_ID = b"\x08\0"

_uint16 = struct.Struct(">H").unpack_from
_uint32 = struct.Struct(">I").unpack_from
_uint64 = struct.Struct("<Q").unpack_from
_int32 = struct.Struct(">i").unpack_from
_double = struct.Struct(">d").unpack_from


class Atom(str):
    """An atom other than nil, null, true and false. Compares and prints as its name."""

    __slots__ = ()


class Tuple(list[Any]):
    """A tuple: a list that remembers what it was."""

    __slots__ = ()


class EtfError(ValueError):
    """Bytes that are no term."""

    def __init__(self, reason: str, offset: int, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        """``truncated`` where more bytes could complete the term, ``bad-etf`` where none could, ``limit`` where it is
        larger or deeper than allowed."""
        self.offset = offset
        """Where, in bytes; for a compressed term, into what it inflates to once inflating has gone well."""


class Decoded(NamedTuple):
    """One term."""

    value: Any
    """None, booleans, int, float, str, `Atom`, list, `Tuple`, dict with str keys; bytes for a binary that is not UTF-8.
    What JSON has no notion of is a dict with ``$etf`` (pid, port, reference, export, fun, bits) or ``$improper``."""
    end: int
    """Offset after the term. What follows is the caller's business."""
    problems: tuple[str, ...]
    """What is wrong with it although it could be read, a sentence each."""
    atom_keys: bool
    """Some map, at any depth, has an atom as a key. Servers do that; a client that does is sent away with 4002."""


class _Reading:
    """Limits and findings of one `decode`."""

    __slots__ = ("atom_keys", "depth", "max_depth", "max_nodes", "nodes", "problems")

    def __init__(self, max_depth: int, max_nodes: int) -> None:
        self.max_depth = max_depth
        self.max_nodes = max_nodes
        self.depth = 0
        self.nodes = 0
        self.problems: list[str] = []
        self.atom_keys = False

    def enter(self, elements: int, offset: int) -> None:
        """Count a container of so many elements; its reader takes one off `depth` when it is through."""
        self.depth = depth = self.depth + 1
        self.nodes = nodes = self.nodes + elements
        if depth > self.max_depth:
            raise EtfError("limit", offset, f"terms nest deeper than {self.max_depth} levels at byte {offset}")
        if nodes > self.max_nodes:
            self.count(0, offset)

    def count(self, elements: int, offset: int) -> None:
        self.nodes += elements
        if self.nodes > self.max_nodes:
            found = f"{self.nodes} terms are announced up to byte {offset}, and the limit is {self.max_nodes}"
            raise EtfError("limit", offset, found)

    def report(self, problem: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(problem)
        elif len(self.problems) == _MAX_PROBLEMS:
            self.problems.append(f"there are more than the first {_MAX_PROBLEMS} problems")


_Reader = Callable[[_Reading, bytes, int], tuple[Any, int]]


def decode(data: bytes, *, max_depth: int = 256, max_nodes: int = MAX_NODES, budget: Budget | None = None) -> Decoded:
    """Decode the term at the start of `data`, which begins with the version byte 131.

    `max_depth` bounds the nesting, `max_nodes` the number of terms. A compressed term takes what it inflates to off
    `budget`; that of its own bytes bounds it too, so that it reads the same when a capture has it without the rest.

    Raises `EtfError`, and nothing else.
    """
    if data and data[0] != _VERSION:
        hint = ", which begins like JSON" if data[0] in b"{[" else ""
        raise EtfError("bad-etf", 0, f"a term begins with byte 131, and this begins with {data[0]}{hint}")
    reading = _Reading(max_depth, max_nodes)
    if data[1:2] == bytes([_COMPRESSED]):
        value, end = _compressed(reading, data, budget or Budget(len(data)))
    else:
        value, end = _outermost(reading, data, 1)
    return Decoded(value, end, tuple(reading.problems), reading.atom_keys)


def _outermost(reading: _Reading, data: bytes, at: int) -> tuple[Any, int]:
    try:
        value, end = _READERS[data[at]](reading, data, at + 1)
    except (IndexError, struct.error):
        raise EtfError("truncated", len(data), f"the term is cut off after {len(data)} bytes") from None
    except RecursionError:
        raise EtfError("limit", 0, "terms nest deeper than the program's stack has room for") from None
    _check_end(data, at, end)
    return value, end


def _check_end(data: bytes, start: int, end: int) -> None:
    """Raise where the term that begins at `start` and ends at `end` is not all there."""
    if end <= len(data):
        return
    if end > MAX_TERM:
        raise EtfError("limit", start, f"a term of {end - start} bytes at byte {start} passes the limit of {MAX_TERM}")
    found = f"the term at byte {start} takes {end - start} bytes, and {len(data) - start} are there"
    raise EtfError("truncated", len(data), found)


def _compressed(reading: _Reading, data: bytes, budget: Budget) -> tuple[Any, int]:
    """Read ``131 80``, a uint32 with the inflated size, a zlib stream: it inflates to one term without the 131."""
    if len(data) < 6:
        raise EtfError("truncated", len(data), f"the size of a compressed term is cut off after {len(data)} bytes")
    (size,) = _uint32(data, 2)
    limit = min(budget.left, Budget(len(data)).left)
    if size > limit:
        raise EtfError("limit", 2, f"a compressed term says it inflates to {size:,} bytes; the limit is {limit:,}")
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data[6:], size + 1)
    except zlib.error as error:
        raise EtfError("bad-etf", 6, f"a compressed term does not inflate ({error})") from error
    budget.spend(len(inflated))
    if len(inflated) > size or (stream.eof and len(inflated) < size):
        what = "more" if len(inflated) > size else f"{len(inflated)}"
        raise EtfError("bad-etf", 6, f"a compressed term says it inflates to {size} bytes, and it inflates to {what}")
    try:
        value, end = _outermost(reading, inflated, 0)
    except EtfError as error:
        if error.reason == "truncated" and len(inflated) == size:
            raise EtfError("bad-etf", error.offset, f"in a compressed term, {error}") from error
        if error.reason != "truncated":
            raise
    if not stream.eof:
        raise EtfError("truncated", len(data), f"a compressed term is cut off after {len(data)} bytes")
    if end < size:
        reading.report(f"{size - end} bytes follow the term inside a compressed term")
    return value, len(data) - len(stream.unused_data)


# Maps, lists, tuples.


def _map(reading: _Reading, data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """Read a map. Nine of ten terms are in one, so the usual kinds are read here, without the call of a reader."""
    (arity,) = _uint32(data, at)
    at += 4
    reading.enter(2 * arity, at)
    readers, known_keys, known_atoms, size = _READERS, _known_keys, _known_atoms, len(data)
    value: dict[str, Any] = {}
    for _ in range(arity):
        start = at
        if data[at] == _SMALL_ATOM:
            reading.atom_keys = True
            at += 2 + data[at + 1]
        elif data[at] == _BINARY:
            at += 5 + _uint32(data, at + 1)[0]
        try:
            key = known_keys[data[start:at]]
        except KeyError:
            key, at = _key(reading, data, start)
        if key in value:
            key = _free_key(reading, value, key, start)
        start, tag = at, data[at]
        if tag == _SMALL_ATOM:
            at += 2 + data[at + 1]
            try:
                value[key] = known_atoms[data[start:at]]
                continue
            except KeyError:
                at = start
        elif tag == _BINARY:
            at += 5 + _uint32(data, at + 1)[0]
            if at <= size:
                try:
                    value[key] = data[start + 5 : at].decode()
                    continue
                except UnicodeDecodeError:
                    pass
            at = start
        elif tag == _NIL:
            value[key] = []
            at += 1
            continue
        elif tag == _SMALL_INTEGER:
            value[key] = data[at + 1]
            at += 2
            continue
        elif tag == _SMALL_BIG and data[at + 1 : at + 3] == _OF_AN_ID and at + 11 <= size:
            value[key] = _uint64(data, at + 3)[0]
            at += 11
            continue
        value[key], at = readers[tag](reading, data, at + 1)
    reading.depth -= 1
    return value, at


def _key(reading: _Reading, data: bytes, start: int) -> tuple[str, int]:
    """Read a key that is not known yet."""
    tag = data[start]
    if tag == _SMALL_ATOM:
        at = start + 2 + data[start + 1]
        raw = data[start + 2 : at]
    elif tag == _BINARY:
        at = start + 5 + _uint32(data, start + 1)[0]
        raw = data[start + 5 : at]
    else:
        return _unusual_key(reading, data, start)
    if at > len(data):
        _check_end(data, start, at)
    try:
        key = raw.decode()
    except UnicodeDecodeError:
        return _unusual_key(reading, data, start)
    _remember(_known_keys, data[start:at], key)
    return key, at


def _remember(known: dict[bytes, Any], raw: bytes, value: Any) -> None:
    if len(raw) > _LONGEST_KNOWN:
        return
    if len(known) >= _MOST_KNOWN:
        known.clear()
    known[raw] = value


def _unusual_key(reading: _Reading, data: bytes, start: int) -> tuple[str, int]:
    """Read a key that is not UTF-8 text: an atom of another kind, a number, anything."""
    if data[start] in _ATOMS:
        reading.atom_keys = True
        return _atom_name(reading, data, start)
    key, at = _READERS[data[start]](reading, data, start + 1)
    if type(key) is str:
        return key, at
    if isinstance(key, (list, dict)):
        # Not its text: in keys of keys of keys, that would double with each level.
        reading.report(f"the key at byte {start} is {kind_of(key)}, which JSON cannot have as a key")
        return f"(key at byte {start})", at
    return jsontext.dumps(key).decode(), at


def _free_key(reading: _Reading, value: dict[str, Any], key: str, at: int) -> str:
    reading.report(f"the key {_short(key)} at byte {at} is in its map already")
    # The offset, and not a number counted up, so that no choice of keys makes the search for a free one long.
    while key in value:
        key = f"{key} (byte {at})"
    return key


def _sequence(reading: _Reading, data: bytes, at: int) -> tuple[Any, int]:
    """Read a list or a tuple, in one function so that each level of nesting takes one frame of Python's stack."""
    tag = data[at - 1]
    if tag == _SMALL_TUPLE:
        length, at = data[at], at + 1
    else:
        length, at = _uint32(data, at)[0], at + 4
    reading.enter(length, at)
    readers = _READERS
    items: list[Any] = []
    for _ in range(length):
        item, at = readers[data[at]](reading, data, at + 1)
        items.append(item)
    if tag != _LIST:
        reading.depth -= 1
        return Tuple(items), at
    if data[at] == _NIL:
        reading.depth -= 1
        return items, at + 1
    tail, at = readers[data[at]](reading, data, at + 1)
    reading.depth -= 1
    if type(tail) is not list:
        return {"$improper": items, "$tail": tail}, at
    return (items + tail if tail else items), at


def _nil(reading: _Reading, data: bytes, at: int) -> tuple[list[Any], int]:
    return [], at


def _small_integers(reading: _Reading, data: bytes, at: int) -> tuple[list[int], int]:
    """Read STRING_EXT: a list of bytes, never text, though that may look like one."""
    (length,) = _uint16(data, at)
    end = at + 2 + length
    reading.count(length, at)
    _check_end(data, at - 1, end)
    return list(data[at + 2 : end]), end


# Text and atoms.


def _binary(reading: _Reading, data: bytes, at: int) -> tuple[str | bytes, int]:
    end = at + 4 + _uint32(data, at)[0]
    if end > len(data):
        _check_end(data, at - 1, end)
    raw = data[at + 4 : end]
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        return raw, end


def _bits(reading: _Reading, data: bytes, at: int) -> tuple[dict[str, Any], int]:
    end = at + 5 + _uint32(data, at)[0]
    last_bits = data[at + 4 : at + 5]
    if last_bits > b"\x08":
        raise EtfError("bad-etf", at + 4, f"a bit string uses {last_bits[0]} bits of its last byte, at byte {at + 4}")
    _check_end(data, at - 1, end)
    return {"$etf": "bits", "data": data[at + 5 : end], "last_bits": last_bits[0]}, end


def _small_atom(reading: _Reading, data: bytes, at: int) -> tuple[Any, int]:
    atom, end = _long_atom(reading, data, at)
    raw = data[at - 1 : end]
    if raw.isascii() and raw[0] == _SMALL_ATOM:
        _remember(_known_atoms, raw, atom)
    return atom, end


def _long_atom(reading: _Reading, data: bytes, at: int) -> tuple[Any, int]:
    name, at = _atom_name(reading, data, at - 1)
    raw = name.encode()
    return (_WORDS[raw] if raw in _WORDS else Atom(name)), at


def _atom_name(reading: _Reading, data: bytes, at: int) -> tuple[str, int]:
    """Read an atom from its tag on, and take even nil for a name."""
    tag = data[at]
    if tag not in _ATOMS:
        raise EtfError("bad-etf", at, f"an atom was expected at byte {at}, found tag {tag}")
    if tag in (_SMALL_ATOM, _SMALL_ATOM_LATIN1):
        start, length = at + 2, data[at + 1]
    else:
        start, length = at + 3, _uint16(data, at + 1)[0]
    _check_end(data, at, start + length)
    raw = data[start : start + length]
    if tag in (_ATOM_LATIN1, _SMALL_ATOM_LATIN1):
        return raw.decode("latin-1"), start + length
    try:
        return raw.decode(), start + length
    except UnicodeDecodeError:
        reading.report(f"the atom at byte {at} is not UTF-8")
        return raw.decode(errors="backslashreplace"), start + length


# Numbers.


def _small_integer(reading: _Reading, data: bytes, at: int) -> tuple[int, int]:
    return data[at], at + 1


def _integer(reading: _Reading, data: bytes, at: int) -> tuple[int, int]:
    return _int32(data, at)[0], at + 4


def _small_big(reading: _Reading, data: bytes, at: int) -> tuple[int, int]:
    if data[at : at + 2] == _OF_AN_ID and at + 10 <= len(data):
        return _uint64(data, at + 2)[0], at + 10
    return _big(data, at + 1, data[at])


def _large_big(reading: _Reading, data: bytes, at: int) -> tuple[int, int]:
    return _big(data, at + 4, _uint32(data, at)[0])


def _big(data: bytes, at: int, length: int) -> tuple[int, int]:
    """Read a sign byte and `length` digits; they are little-endian, unlike everything else."""
    end = at + 1 + length
    if end > len(data) and data[at : at + 1] <= b"\1":
        _check_end(data, at, end)
    sign = data[at]
    if sign > 1:
        raise EtfError("bad-etf", at, f"the sign of an integer is 0 or 1, and at byte {at} it is {sign}")
    number = int.from_bytes(data[at + 1 : end], "little")
    return (-number if sign else number), end


def _float(reading: _Reading, data: bytes, at: int) -> tuple[float | str, int]:
    return _finite(reading, _double(data, at)[0], at), at + 8


def _old_float(reading: _Reading, data: bytes, at: int) -> tuple[float | str, int]:
    """Read FLOAT_EXT: a number as text in 31 bytes, filled up with NUL."""
    text, filled, _ = data[at : at + 31].partition(b"\0")
    expected = _FLOAT_TEXT if filled or at + 31 <= len(data) else _FLOAT_BEGUN
    if not expected.fullmatch(text):
        raise EtfError("bad-etf", at, f"a number was expected as text at byte {at}, found {_short(repr(text))}")
    _check_end(data, at - 1, at + 31)
    return _finite(reading, float(text), at), at + 31


def _finite(reading: _Reading, number: float, at: int) -> float | str:
    if math.isfinite(number):
        return number
    reading.report(f"the float at byte {at} is not a finite number")
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


# What only Erlang nodes have among themselves: shown, never expected.

_IDENTIFIERS = {
    88: ("pid", struct.Struct(">III"), ("id", "serial", "creation")),
    89: ("port", struct.Struct(">II"), ("id", "creation")),
    101: ("reference", struct.Struct(">IB"), ("id", "creation")),
    102: ("port", struct.Struct(">IB"), ("id", "creation")),
    103: ("pid", struct.Struct(">IIB"), ("id", "serial", "creation")),
    120: ("port", struct.Struct(">QI"), ("id", "creation")),
}


def _identifier(reading: _Reading, data: bytes, at: int) -> tuple[dict[str, Any], int]:
    kind, layout, names = _IDENTIFIERS[data[at - 1]]
    node, at = _atom_name(reading, data, at)
    numbers = layout.unpack_from(data, at)
    return {"$etf": kind, "node": node, **dict(zip(names, numbers, strict=True))}, at + layout.size


def _reference(reading: _Reading, data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """Read NEW_REFERENCE_EXT (a creation of one byte) and NEWER_REFERENCE_EXT (of four)."""
    width = 1 if data[at - 1] == 114 else 4
    (length,) = _uint16(data, at)
    node, at = _atom_name(reading, data, at + 2)
    creation = int.from_bytes(data[at : at + width])
    end = at + width + 4 * length
    _check_end(data, at, end)
    ids = list(struct.unpack_from(f">{length}I", data, at + width))
    return {"$etf": "reference", "node": node, "creation": creation, "ids": ids}, end


def _export(reading: _Reading, data: bytes, at: int) -> tuple[dict[str, Any], int]:
    module, at = _atom_name(reading, data, at)
    function, at = _atom_name(reading, data, at)
    if data[at] != _SMALL_INTEGER:
        raise EtfError("bad-etf", at, f"an arity was expected at byte {at}, found tag {data[at]}")
    return {"$etf": "export", "module": module, "function": function, "arity": data[at + 1]}, at + 2


def _fun(reading: _Reading, data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """Read NEW_FUN_EXT; its size in bytes says nothing new."""
    (free,) = _uint32(data, at + 25)
    module, end = _atom_name(reading, data, at + 29)
    (index, uniq, pid, *variables), end = _terms(reading, data, end, 3 + free)
    fun = {"$etf": "fun", "module": module, "arity": data[at + 4], "index": index, "uniq": uniq, "pid": pid}
    return {**fun, "free": variables}, end


def _old_fun(reading: _Reading, data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """Read FUN_EXT, which Erlang gave up with OTP 23."""
    (free,) = _uint32(data, at)
    (pid, module, index, uniq, *variables), at = _terms(reading, data, at + 4, 4 + free)
    return {"$etf": "fun", "module": module, "index": index, "uniq": uniq, "pid": pid, "free": variables}, at


def _terms(reading: _Reading, data: bytes, at: int, count: int) -> tuple[list[Any], int]:
    reading.enter(count, at)
    terms = []
    for _ in range(count):
        term, at = _READERS[data[at]](reading, data, at + 1)
        terms.append(term)
    reading.depth -= 1
    return terms, at


def _unknown(reading: _Reading, data: bytes, at: int) -> NoReturn:
    tag = data[at - 1]
    known = f", {_NOT_HERE[tag]}" if tag in _NOT_HERE else ""
    raise EtfError("bad-etf", at - 1, f"tag {tag} at byte {at - 1} is none that a payload may have{known}")


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"


_ATOMS = frozenset({_ATOM_LATIN1, _SMALL_ATOM_LATIN1, _ATOM, _SMALL_ATOM})
_KINDS: dict[int, _Reader] = {
    70: _float,
    77: _bits,
    88: _identifier,
    89: _identifier,
    90: _reference,
    97: _small_integer,
    98: _integer,
    99: _old_float,
    100: _long_atom,
    101: _identifier,
    102: _identifier,
    103: _identifier,
    104: _sequence,
    105: _sequence,
    106: _nil,
    107: _small_integers,
    108: _sequence,
    109: _binary,
    110: _small_big,
    111: _large_big,
    112: _fun,
    113: _export,
    114: _reference,
    115: _small_atom,
    116: _map,
    117: _old_fun,
    118: _long_atom,
    119: _small_atom,
    120: _identifier,
}
_READERS: tuple[_Reader, ...] = tuple(_KINDS.get(tag, _unknown) for tag in range(256))
