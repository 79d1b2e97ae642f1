"""Looks for what was taken out in what was made: in plain, escaped, in base64, in hex, as the bytes of a number.

A window of `_WINDOW` bytes goes over all there is; where it shows the beginning of a value that was taken out, the rest
is compared. Shorter values, and ordinary words, may stand anywhere by chance: those are compared as whole texts.
"""

import base64
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from inspector.store.reader import Reader

_WINDOW = 8
# Bytes that are looked at at once.
_PIECE = 1 << 18
# A text that is shorter, and only has letters, may be said by anyone: by our own texts, too.
_TELLING = 32
_ORDINARY = re.compile(r"[A-Za-z _'.,:;!?-]*")
# Values of which encoded forms are looked for.
_MOST_ENCODED = 200_000
_TEXT = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)


class Leak(NamedTuple):
    """A value that is still there."""

    kind: str
    form: str
    """``plain``, ``escaped``, ``base64``, ``hex``, ``number``, ``text``."""
    where: str


class Search:
    """What was taken out. `vocabulary`: texts that stayed for a reason; none of them is looked for."""

    def __init__(self, taken: Mapping[str, Collection[str]], vocabulary: Collection[str]) -> None:
        self._forms: dict[bytes, list[tuple[bytes, str, str]]] = {}
        self._whole: dict[str, str] = {}
        stayed = "\n".join(vocabulary)
        encoded = 0
        for kind, values in taken.items():
            is_data = kind.endswith("(bytes)")
            for value in values:
                if value in vocabulary or not value:
                    continue
                if is_data:
                    self._add(bytes.fromhex(value), kind, "bytes")
                    continue
                if len(value) >= 3 and not value.isdigit():
                    self._whole[value] = kind
                if _is_telling(value, kind) and value not in stayed:
                    encoded += 1
                    for form, data in _forms(value, kind, also_encoded=encoded < _MOST_ENCODED):
                        self._add(data, kind, form)

    def _add(self, data: bytes, kind: str, form: str) -> None:
        if len(data) >= _WINDOW:
            self._forms.setdefault(data[:_WINDOW], []).append((data, kind, form))

    def in_bytes(self, data: bytes, where: str) -> Iterator[Leak]:
        """Yield what is in `data`."""
        known = self._forms.keys()
        for start in range(0, len(data), _PIECE):
            end = min(start + _PIECE, len(data) - _WINDOW + 1)
            if known.isdisjoint([data[at : at + _WINDOW] for at in range(start, end)]):
                continue
            for at in range(start, end):
                for value, kind, form in self._forms.get(data[at : at + _WINDOW], ()):
                    if data.startswith(value, at) and not _goes_on(data, at, value, kind):
                        yield Leak(kind, form, where)

    def in_payload(self, data: bytes, where: str) -> Iterator[Leak]:
        """Yield what is in a payload, whole texts too."""
        yield from self.in_bytes(data, where)
        for found in _TEXT.finditer(data):
            kind = self._whole.get(_unescaped(found[1]))
            if kind is not None and data[found.end() : found.end() + 1] != b":":
                yield Leak(kind, "text", where)

    def in_texts(self, texts: Iterable[object], where: str) -> Iterator[Leak]:
        """Yield which texts are one that was taken out."""
        for text in texts:
            if isinstance(text, str) and (kind := self._whole.get(text)) is not None:
                yield Leak(kind, "text", where)


def in_capture(path: Path, search: Search) -> Iterator[Leak]:
    """Yield what is in a capture: in its rows and payloads, and in all the bytes of its file, used or not."""
    with closing(Reader(path, reveal=True)) as reader:
        db = reader.db
        for (data,) in db.execute("select raw from frame where raw is not null"):
            yield from search.in_payload(bytes(data), "a frame")
        for number in range(1, reader.last() + 1):
            payload = reader.payload(number)
            if payload:
                yield from search.in_payload(payload, f"the payload of row {number}")
        for columns in db.execute("select url, client, refusal, headers, close_reason from connection"):
            for text in columns:
                if text is not None:
                    yield from search.in_bytes(str(text).encode("utf-8", "replace"), "a connection")
        yield from search.in_texts((row[0] for row in db.execute("select name from name")), "a name")
    with path.open("rb") as file:
        rest, at = b"", 0
        while piece := file.read(_PIECE * 4):
            yield from search.in_bytes(rest + piece, f"the file, near byte {at}")
            rest, at = (rest + piece)[-4096:], at + len(piece)


def _is_telling(value: str, kind: str) -> bool:
    if value.isdigit():
        return (len(value) >= 10 and kind != "phones") or len(value) >= 12
    return len(value.encode("utf-8", "replace")) >= _WINDOW and (
        len(value) >= _TELLING or not _ORDINARY.fullmatch(value)
    )


def _goes_on(data: bytes, at: int, value: bytes, kind: str) -> bool:
    """Say whether a number is only part of a longer one."""
    if not value.isdigit():
        return False
    return data[at - 1 : at].isdigit() or data[at + len(value) : at + len(value) + 1].isdigit()


def _forms(value: str, kind: str, *, also_encoded: bool) -> Iterator[tuple[str, bytes]]:
    data = value.encode("utf-8", "replace")
    yield "plain", data
    escaped = json.dumps(value)[1:-1].encode()
    if escaped != data:
        yield "escaped", escaped
    if kind == "ids" and value.isdigit() and int(value) < 2**64:
        yield "number", int(value).to_bytes(8)
        yield "number", int(value).to_bytes(8, "little")
    if not also_encoded:
        return
    for padding in range(3):
        # Without the characters at both ends, which depend on what is around.
        shifted = base64.b64encode(bytes(padding) + data)
        whole = shifted[(0, 2, 3)[padding] : len(shifted) - (4 if (padding + len(data)) % 3 else 0)]
        yield "base64", whole
        if b"+" in whole or b"/" in whole:
            yield "base64", whole.translate(bytes.maketrans(b"+/", b"-_"))
    yield "hex", data.hex().encode()
    yield "hex", data.hex().upper().encode()


def _unescaped(written: bytes) -> str:
    if b"\\" in written:
        try:
            return str(json.loads(b'"%s"' % written))
        except ValueError:
            pass
    return written.decode("utf-8", "replace")
