"""Secrets in the bytes that were sent, masked in place: the length stays, and JSON and ETF stay what they are."""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import orjson

from inspector.session.redact.bodies import Keys, Place, secrets_in
from inspector.session.redact.digests import MIN_DIGESTED, mask
from inspector.session.redact.rows import FEW
from inspector.session.redact.shapes import SHAPES, in_place, in_shapes, may_hold_secret
from inspector.wire.dialect import Compression, sniff

# Within ETF the length before the text may look like one of its letters, so it is matched too.
SHAPE_IN_BYTES = re.compile(rb"(m\0[\0-\xff]{3}|k\0[\0-\xff])?(" + SHAPES.encode() + rb")", re.ASCII)
# A JSON string, and the colon after it if it is a key; a bracket; a number. The last string may be cut off.
_JSON_TOKEN = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"(\s*:\s*)?|\\?\Z)|[\[\]{}]|-?\d[\d.eE+-]*', re.DOTALL)


def without_unread(data: bytes, values: Iterable[Any]) -> bytes:
    """Return a binary message of the voice gateway without what could not be read of it, told in hex by `values`."""
    for value in values:
        with suppress(TypeError, ValueError):
            rest = bytes.fromhex(value)
            if len(rest) >= FEW:
                data = data.replace(rest, b"*" * len(rest))
    return data


def is_clean_json(data: bytes, keys: Keys) -> bool:
    """Return whether JSON has no secrets, where that is soon told: it is written as tight as it can be.

    Then its values are all there is: a key that came twice, of which but one is left, would make them shorter.
    """
    try:
        value = orjson.loads(data)
        return len(orjson.dumps(value)) == len(data) and next(secrets_in(Place(None, 0, [value]), keys), None) is None
    except (ValueError, TypeError, RecursionError):
        return False


def is_compressed(data: bytes) -> bool:
    return sniff(data) in (Compression.ZLIB, Compression.ZSTD) or data[:2] == b"\x83P"


def mask_json(data: bytes, keys: Keys) -> bytes:
    """Mask what follows a secret key, and what else has the shape of a secret. `data` need not be valid, or whole."""
    parts: list[bytes] = []
    done, depth = 0, 0
    after_key, correlate = -1, None
    for found in _JSON_TOKEN.finditer(data):
        written = found[1]
        if written is None:
            token = found[0]
            if token in b"[{":
                depth += depth > 0 or (correlate is not None and found.start() == after_key)
            elif token in b"]}":
                depth -= depth > 0
            elif depth or (correlate is not None and found.start() == after_key and len(token) > 6):
                # A number stays one, of the same width.
                parts += data[done : found.start()], b"0".rjust(len(token))
                done = found.end()
            continue
        if found[2] is not None:
            masked, after_key = _mask_string(written), found.end()
            if not depth:
                correlate = keys.correlate.get(unescaped(written).lower())
        elif depth or (found.start() == after_key and correlate is not None):
            masked = mask(written, correlate=bool(correlate), text=unescaped(written))
        else:
            masked = _mask_string(written)
        if masked is not written:
            parts += data[done : found.start(1)], masked
            done = found.end(1)
    return b"".join([*parts, data[done:]])


def _mask_string(written: bytes) -> bytes:
    """Return a JSON string, without its quotes, with what has the shape of a secret masked; itself if it has none."""
    if len(written) < MIN_DIGESTED or not may_hold_secret(text := unescaped(written)):
        return written
    masked = in_shapes(text, in_place)
    if masked == text:
        return written
    return _same_length(json.dumps(masked, ensure_ascii=False)[1:-1], len(written))


def _same_length(masked: str, length: int) -> bytes:
    data = masked.encode("utf-8", "replace")
    return data.ljust(length, b"*") if len(data) <= length else b"*" * length


def unescaped(written: bytes) -> str:
    """Return the text of a JSON string, given without its quotes."""
    if b"\\" in written:
        try:
            return str(json.loads(b'"%s"' % written))
        except ValueError:
            pass
    return written.decode("utf-8", "replace")


_ETF_BINARY = re.compile(rb"m\0[\0-\xff]{3}")
# The tags of BINARY_EXT, STRING_EXT, SMALL_BIG_EXT, INTEGER_EXT and NEW_FLOAT_EXT: the width of their lengths, and how
# many bytes there are besides.
_ETF_VALUES = {b"m": (4, 0), b"k": (2, 0), b"n": (1, 1), b"b": (0, 4), b"F": (0, 8)}


def mask_etf(data: bytes, keys: Keys) -> bytes:
    """Mask what follows a secret key, and what else has the shape of a secret. `data` need not be valid, or whole."""
    masked = bytearray(data)
    for found in keys.in_etf.finditer(data):
        at = found.end()
        if (form := _ETF_VALUES.get(data[at : at + 1])) is None:
            continue
        width, more = form
        start = at + 1 + width
        end = min(start + more + int.from_bytes(data[at + 1 : start]), len(data))
        if more:
            masked[start:end] = bytes(max(end - start, 0))
            continue
        key = found[found.lastindex or 0].decode().lower()
        masked[start:end] = mask(data[start:end], correlate=keys.correlate[key])
    at = 0
    while piece := _ETF_BINARY.search(masked, at):
        at, end = piece.end(), piece.end() + int.from_bytes(piece[0][1:])
        if at + MIN_DIGESTED <= end <= len(masked):
            try:
                text = masked[at:end].decode()
            except UnicodeDecodeError:
                continue
            if may_hold_secret(text):
                masked[at:end] = _same_length(in_shapes(text, in_place), end - at)
            at = end
    return bytes(masked)
