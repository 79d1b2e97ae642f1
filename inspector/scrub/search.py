"""Looks for what was taken out in what was made: in plain, escaped, in base64, in hex, as the bytes of a number.

Of each value the eight bytes in its middle are remembered, as one number, and what was made is read as such numbers
from each of its bytes on. Where one is known, the whole value is looked for. Shorter values, and ordinary words, may
stand anywhere by chance: those are compared as whole texts.
"""

import base64
import json
import re
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from inspector.session.redact.sent import unescaped
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
        self._forms: dict[int, list[tuple[bytes, str, str]]] = {}
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
            middle = (len(data) - _WINDOW) // 2
            window = int.from_bytes(data[middle : middle + _WINDOW], "little")
            self._forms.setdefault(window, []).append((data, kind, form))

    def in_bytes(self, data: bytes, where: str) -> Iterator[Leak]:
        """Yield what is in `data`."""
        known = self._forms.keys()
        seen: set[int] = set()
        for start in range(0, len(data), _PIECE):
            for offset in range(start, start + _WINDOW):
                count = (min(_PIECE, len(data) - offset)) // _WINDOW
                if count > 0:
                    seen.update(known & set(struct.unpack_from(f"<{count}Q", data, offset)))
        for window in seen:
            for value, kind, form in self._forms[window]:
                at = data.find(value)
                while at >= 0 and _goes_on(data, at, value):
                    at = data.find(value, at + 1)
                if at >= 0:
                    yield Leak(kind, form, where)

    def in_payload(self, data: bytes, where: str) -> Iterator[Leak]:
        """Yield what is in a payload, whole texts too."""
        yield from self.in_bytes(data, where)
        for found in _TEXT.finditer(data):
            kind = self._whole.get(unescaped(found[1]))
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
        frames = (bytes(data) for (data,) in db.execute("select raw from frame where raw is not null"))
        for batch in _batches(frames):
            yield from search.in_bytes(batch, "a message")
        payloads = (reader.payload(number) or b"" for number in range(1, reader.last() + 1))
        for batch in _batches(payloads):
            yield from search.in_payload(batch, "a payload")
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


def _batches(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces by the dozen: to look at many small ones takes longer than to look at a large one."""
    batch: list[bytes] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece)
        if size > _PIECE:
            yield b"\n".join(batch)
            batch, size = [], 0
    yield b"\n".join(batch)


def _is_telling(value: str, kind: str) -> bool:
    if value.isdigit():
        return (len(value) >= 10 and kind != "phones") or len(value) >= 12
    return len(value.encode("utf-8", "replace")) >= _WINDOW and (
        len(value) >= _TELLING or not _ORDINARY.fullmatch(value)
    )


def _goes_on(data: bytes, at: int, value: bytes) -> bool:
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
