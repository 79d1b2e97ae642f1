"""What is in one line: bytes into lines, lines into records, and the values of a record.

Whatever raises here raises ValueError, with the rest of a sentence that begins with the record.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from inspector.importers.source import clean, kept_headers
from inspector.model import REACHED_AT, Knows, Mark, Plane, Side, Undecoded
from inspector.session.redact import mask_reason
from inspector.wire.decoder import withheld

MAX_LINE = 96 * 1024 * 1024
"""Bytes that a line may have: some 64 MB of message in base64, with room to spare."""

Record = Mapping[str, Any]

# The largest number that a capture can hold.
_LARGEST = 2**63 - 1
# RFC 3339: the day, the second, its fraction, the offset.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PLANES = {plane.value: plane for plane in Plane}
MARKS = {str(mark.name).lower(): mark for mark in Mark if mark}
"""By the names that they have in a file."""
KNOWS = {str(knows.name).lower(): knows for knows in Knows}
"""The same of what a source can know."""
_SIDES: dict[str, Side] = {"client": "client", "server": "server", "proxy": "proxy"}
_DIRECTIONS = {"send": True, "receive": False}
_RESPONSE = "response-"
# Characters of the address at which a client reached its proxy.
_LONGEST_ADDRESS = 1000


class Lines:
    """Cuts bytes into lines as they come. A line that is longer than `MAX_LINE` is given as None."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def take(self, data: bytes) -> Iterator[bytes | None]:
        """Yield the lines that end in `data`, without their ends."""
        *ended, rest = data.split(b"\n")
        for line in ended:
            self._add(line)
            yield self.rest()
        self._add(rest)

    def rest(self) -> bytes | None:
        """Return the line that has not ended yet, and begin another; empty where there is none."""
        line = b"".join(self._pieces) if self._size <= MAX_LINE else None
        self._pieces, self._size = [], 0
        return line

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > MAX_LINE:
            self._pieces.clear()
        elif piece:
            self._pieces.append(piece)


def read(line: bytes) -> Record:
    """Return the record in a line."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg}, character {error.pos + 1:,})") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start + 1:,})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(record, dict):
        raise ValueError("it is not a JSON object")
    return record


def key_of(record: Record) -> int | str:
    """Return what a record calls its connection."""
    key = record.get("connection")
    if type(key) is int or isinstance(key, str):
        return clean(key) if isinstance(key, str) else key
    raise ValueError("it names no connection")


def from_client(record: Record) -> bool:
    """Return whether the client sent it."""
    direction = _DIRECTIONS.get(text(record, "direction"))
    if direction is None:
        raise ValueError("its direction is neither send nor receive")
    return direction


def data_of(record: Record) -> tuple[bool, bytes]:
    """Return whether a message was text, and its bytes."""
    said, encoded, why = record.get("text"), record.get("bytes"), record.get("withheld")
    if isinstance(why, dict):
        return record.get("is_text") is True, _withheld(why)
    if isinstance(said, str):
        return True, said.encode("utf-8", "surrogatepass")
    if isinstance(encoded, str):
        try:
            return record.get("is_text") is True, base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            raise ValueError("its bytes are not base64") from None
    raise ValueError("it has neither text nor bytes")


def _withheld(said: Record) -> bytes:
    """Return what is stored of a message that its recorder withheld."""
    offset, size = said.get("offset"), said.get("bytes")
    reason = Undecoded(
        mask_reason(text(said, "reason")[:40]) or "corrupt",
        mask_reason(text(said, "text")[:300]),
        offset if type(offset) is int and 0 <= offset < MAX_LINE else None,
    )
    return withheld(reason, size if type(size) is int else 0)


def amendment_of(record: Record) -> tuple[Mark, bytes | None]:
    """Return what a record says was done to a message, and what the other end got instead."""
    forwarded = record.get("forwarded")
    marks = marks_of(record)
    if not isinstance(record.get("withheld"), dict):
        marks &= ~Mark.WITHHELD
    return marks, data_of(forwarded)[1] if isinstance(forwarded, dict) else None


def marks_of(record: Record) -> Mark:
    """Return what a record says that was done to a message or a close."""
    marks = record.get("marks")
    mark = Mark.NONE
    for name in marks if isinstance(marks, list) else ():
        mark |= MARKS.get(name, Mark.NONE) if isinstance(name, str) else Mark.NONE
    return mark


def knows_of(record: Record) -> Knows:
    """Return what a record says that its source can know of the connection; all of it where it does not say."""
    names = record.get("knows")
    if not isinstance(names, list):
        return Knows.ALL
    knows = Knows.NOTHING
    for name in names:
        knows |= KNOWS.get(name, Knows.NOTHING) if isinstance(name, str) else Knows.NOTHING
    return knows


def number(record: Record, key: str) -> int:
    """Return a number that is not negative, 0 where there is none."""
    value = record.get(key)
    return min(value, _LARGEST) if type(value) is int and value >= 0 else 0


def plane_in(record: Record) -> Plane | None:
    """Return the plane that a record names; None where it names none that we know."""
    return _PLANES.get(text(record, "plane"))


def side_of(record: Record) -> Side | None:
    """Return who closed, as a record says it."""
    return _SIDES.get(text(record, "by"))


def headers_of(record: Record) -> dict[str, str]:
    """Return the headers that `Opened.headers` may hold, whatever others are there."""
    headers = record.get("headers")
    items = headers.items() if isinstance(headers, dict) else ()
    pairs = [(name, value) for name, value in items if isinstance(value, str)]
    response = [(name[len(_RESPONSE) :], value) for name, value in pairs if name.lower().startswith(_RESPONSE)]
    return kept_headers(pairs, response) | {
        name: clean(value[:_LONGEST_ADDRESS]) for name, value in pairs if name == REACHED_AT
    }


def text(record: Record, key: str) -> str:
    """Return a text, empty where there is none."""
    value = record.get(key)
    return clean(value) if isinstance(value, str) else ""


def texts(record: Record, key: str) -> list[str]:
    """Return the texts of a list, none where there is no list."""
    values = record.get(key)
    return [clean(value) for value in values if isinstance(value, str)] if isinstance(values, list) else []


def at_ns(record: Record, key: str = "at") -> int | None:
    """Return a time of a record in nanoseconds since the epoch; None where it has none that a capture can hold."""
    value = record.get(key)
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    second = _second(f"{found[1]}T{found[2]}{found[4].upper().replace('Z', '+00:00')}")
    if second is None:
        return None
    at = second * 1_000_000_000 + int((found[3] or "").ljust(9, "0"))
    return at if 0 <= at <= _LARGEST else None


@lru_cache(maxsize=64)
def _second(written: str) -> int | None:
    try:
        return int(datetime.fromisoformat(written).timestamp())
    except (ValueError, OverflowError):
        return None
