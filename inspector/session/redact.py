"""Masks secrets: in values that are about to be shown, and in the bytes that a client sent.

What is secret stands in the registry's table of secrets, by key. Two kinds of secret have a shape of their own and are
found wherever they stand: Discord's tokens, and the passwords inside SDP. One rule keeps this module whole: whatever it
returns holds none of the secrets it found; where a value cannot be masked in place, more is lost, never less.

A masked value still tells two secrets apart where the table allows it, by some digits of its SHA-256: four of them on
screens (``••••9f3a``), eight in bytes (``masked-9f3ab2c1***``). A mask is never masked again.
"""

import json
import re
from collections.abc import Iterable, Iterator
from copy import copy
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from inspector.model import ABSENT
from inspector.protocol.registry import Registry
from inspector.wire.dialect import Compression, sniff

HIDDEN = "••••"
"""What a secret looks like on a screen; the first four digits of its digest may follow."""

# Shorter values can be guessed, and a digest would say when a guess was right.
MIN_DIGESTED = 16

_IN_BYTES = re.compile(r"masked-([0-9a-f]{8})\*+|\*+")
_ON_SCREEN = re.compile(f"{HIDDEN}(?:[0-9a-f]{{4}})?")

# A token is three parts: the account's id in base64url, a time, a signature. Those of accounts with two factors began
# with "mfa." instead. Within ETF the length before the text may look like one of its letters, so it is matched too.
_TOKEN = r"mfa\.[\w-]{20,}|[\w-]{18,40}\.[\w-]{6}\.[\w-]{27,}"
# RFC 8839 section 5.4. The value ends at the line's end, which in JSON may be written as an escape.
_ICE = r"(?<=ice-pwd:)[A-Za-z0-9+/]{22,256}"
# In text that is shown, a mask in bytes turns into one for screens.
_SHAPE_IN_TEXT = re.compile(rf"{_TOKEN}|{_ICE}|masked-[0-9a-f]{{8}}\*+", re.ASCII)
_SHAPE_IN_BYTES = re.compile(rb"(m\0[\0-\xff]{3}|k\0[\0-\xff])?(" + f"{_TOKEN}|{_ICE}".encode() + rb")")
# What any of these has in it. It is looked for first, as most text has none of it and that is soon told.
_HINT = r"\.[\w-]{6}\.[\w-]{27}|mfa\.|ice-pwd:"
_HINT_IN_TEXT = re.compile(f"{_HINT}|masked-", re.ASCII)
_HINT_IN_BYTES = re.compile(_HINT.encode())

# A JSON string, and the colon after it if it is a key. The last one may be cut off.
_JSON_STRING = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"(\s*:\s*)?|\\?\Z)', re.DOTALL)


def digest(value: str) -> str:
    """Return eight hex digits that stand for the secret `value`: the same for the value itself and for its mask.

    Of a value that was too short for that its mask is left, which tells nothing but its length: see `is_lost`.
    """
    mask = _IN_BYTES.fullmatch(value)
    if mask is not None:
        return mask[1] or value
    return sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def is_lost(digest: str | None) -> bool:
    """Return whether a digest is no more than a mask: nobody can tell whether two such stand for one secret."""
    return digest is not None and digest.startswith("*")


def shown(value: object, *, correlate: bool) -> str:
    """Return what a screen shows for a secret: with digits of its digest if `correlate`, where it cannot be guessed."""
    if not isinstance(value, str) or not correlate:
        return HIDDEN
    if _ON_SCREEN.fullmatch(value):
        return value
    mask = _IN_BYTES.fullmatch(value)
    if mask is not None:
        return HIDDEN + (mask[1] or "")[:4]
    return HIDDEN + digest(value)[:4] if len(value) >= MIN_DIGESTED else HIDDEN


class Redactor:
    """Masks what the registry calls secret. Keeps nothing of what it sees."""

    def __init__(self, registry: Registry) -> None:
        self._rows = registry.secrets
        self._scopes = frozenset(name for row in self._rows for name in row.events)
        self._keys = lru_cache(maxsize=256)(self._keys_of)

    def mask(self, plane: str, name: str | None, d: Any) -> Any:
        """Return `d` with its secrets masked for display; `d` itself if it has none.

        `name` is that of the event, or of the opcode where there is none. Parts without secrets are shared with `d`.
        Texts, bytes, lists and objects are masked; numbers and booleans under a secret key are not.
        """
        root = _Place(None, 0, [d])
        for place, correlate in _secrets(root, self._keys_for(plane, name)):
            place.replace(_shown_shapes(place.value) if correlate is None else shown(place.value, correlate=correlate))
        return root.value[0]

    def mask_bytes(self, plane: str, name: str | None, encoding: str | None, data: bytes, d: Any) -> bytes:
        """Return the bytes of a client's frame with its secrets masked.

        `data` is JSON text or an ETF term, as `encoding` says (``json``, ``etf``; None where it could not be read), and
        `d` the body it decodes to, `ABSENT` if it does not. The length stays the same but where a secret is no text:
        then JSON is written anew from what can be shown, and of anything else nothing is left. Nor is there of what is
        compressed, beyond the first bytes, if there is a secret in it or it could not be read.
        """
        keys = self._keys_for(plane, name)
        secrets = list(_secrets(_Place(None, 0, [d]), keys))
        if _is_compressed(data):
            return data[:4].ljust(len(data), b"*") if secrets or d is ABSENT else data
        if any(isinstance(place.value, list | dict) for place, _ in secrets):
            return self._rewritten(plane, name, data)
        masked = _mask_etf(data, keys) if encoding == "etf" else _mask_json(data, keys)
        for place, correlate in secrets:
            secret = place.value if isinstance(place.value, bytes) else place.value.encode("utf-8", "surrogatepass")
            if correlate is not None and len(secret) >= MIN_DIGESTED:
                # Usually gone by now; but it may stand a second time, where no key says that it is secret.
                masked = masked.replace(secret, _mask(secret, correlate=correlate))
        if _HINT_IN_BYTES.search(masked) is None:
            return masked
        return _SHAPE_IN_BYTES.sub(lambda found: (found[1] or b"") + _mask(found[2], correlate=True), masked)

    def _rewritten(self, plane: str, name: str | None, data: bytes) -> bytes:
        try:
            whole = self.mask(plane, name, json.loads(data))
            return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        except (ValueError, RecursionError):
            return b"*" * len(data)

    def _keys_for(self, plane: str, name: str | None) -> "_Keys":
        return self._keys(str(plane), name if name in self._scopes else None)

    def _keys_of(self, plane: str, name: str | None) -> "_Keys":
        return _Keys.of(
            {
                row.key.lower(): row.correlate
                for row in self._rows
                if (not row.planes or plane in row.planes) and (not row.events or name in row.events)
            }
        )


class _Keys(NamedTuple):
    """The keys that are secret somewhere."""

    correlate: dict[str, bool]
    """Whether a digest may stand for the value, by key."""
    in_etf: re.Pattern[bytes]
    """Finds such a key in an ETF term: as a binary, a string or an atom, whichever way its length is written."""

    @classmethod
    def of(cls, correlate: dict[str, bool]) -> "_Keys":
        by_length: dict[int, list[str]] = {}
        for key in correlate:
            by_length.setdefault(len(key.encode()), []).append(re.escape(key))
        patterns = [
            rf"(?:m\0\0\0|[dkv]\0|[sw])\x{length:02x}(?i:({'|'.join(keys)}))" for length, keys in by_length.items()
        ]
        return cls(correlate, re.compile("|".join(patterns or [r"(?!)"]).encode()))


class _Place:
    """Where in a body a value stands. The body is copied on the way to what is replaced, and nowhere else."""

    __slots__ = ("copied", "key", "parent", "value")

    def __init__(self, parent: "_Place | None", key: Any, value: Any) -> None:
        self.parent = parent
        self.key = key
        self.value = value
        self.copied = False

    def replace(self, value: Any) -> None:
        """Put `value` here, in copies of all that is around it."""
        place: _Place = self
        place.value = value
        while (parent := place.parent) is not None:
            known = parent.copied
            if not known:
                parent.value = copy(parent.value)
                parent.copied = True
            parent.value[place.key] = place.value
            if known:
                return
            place = parent


def _secrets(root: _Place, keys: _Keys) -> Iterator[tuple[_Place, bool | None]]:
    """Find the secrets below `root`, however deep it is: each with whether to correlate it, None if it has a shape."""
    pending = [root]
    while pending:
        place = pending.pop()
        around = place.value
        items: Iterable[tuple[Any, Any]] = around.items() if isinstance(around, dict) else enumerate(around)
        for key, value in items:
            if not value or not isinstance(value, (str, dict, list, bytes)):
                continue
            correlate = keys.correlate.get(key.lower()) if isinstance(key, str) else None
            if correlate is not None:
                yield _Place(place, key, value), correlate
            elif isinstance(value, (dict, list)):
                pending.append(_Place(place, key, value))
            elif isinstance(value, str) and len(value) > MIN_DIGESTED and _HINT_IN_TEXT.search(value):
                yield _Place(place, key, value), None


def _shown_shapes(text: str) -> str:
    return _SHAPE_IN_TEXT.sub(lambda found: shown(found[0], correlate=True), text)


def _is_compressed(data: bytes) -> bool:
    return sniff(data) in (Compression.ZLIB, Compression.ZSTD) or data[:2] == b"\x83P"


def _mask(secret: bytes, *, correlate: bool, text: str | None = None) -> bytes:
    """Return what stands for `secret`, in as many bytes; `text` is what it says, where it is not written plainly."""
    text = secret.decode("utf-8", "replace") if text is None else text
    if _IN_BYTES.fullmatch(text):
        head = text
    else:
        head = f"masked-{digest(text)}" if correlate and len(text) >= MIN_DIGESTED else ""
    return head.encode().ljust(len(secret), b"*")


def _mask_json(data: bytes, keys: _Keys) -> bytes:
    """Mask each text that follows a secret key. `data` need not be valid, or complete."""
    parts: list[bytes] = []
    done = 0
    after_key, correlate = -1, None
    for found in _JSON_STRING.finditer(data):
        written = found[1]
        if found[2] is not None:
            after_key, correlate = found.end(), keys.correlate.get(_unescaped(written).lower())
            continue
        if found.start() == after_key and correlate is not None:
            masked = _mask(written, correlate=correlate, text=_unescaped(written))
        elif b"\\" in written and _HINT_IN_TEXT.search(text := _unescaped(written)):
            # Escapes hide the shape of what they are in.
            masked = _mask_shapes_in(text, len(written))
        else:
            continue
        parts += data[done : found.start(1)], masked
        done = found.end(1)
    return b"".join([*parts, data[done:]])


def _mask_shapes_in(text: str, length: int) -> bytes:
    """Return `text` as JSON without its quotes, in `length` bytes, with what has the shape of a secret masked."""
    masked = _SHAPE_IN_TEXT.sub(lambda found: _mask(found[0].encode(), correlate=True).decode(), text)
    written = json.dumps(masked, ensure_ascii=False)[1:-1].encode("utf-8", "replace")
    return written.ljust(length, b"*") if len(written) <= length else b"*" * length


def _unescaped(written: bytes) -> str:
    """Return the text of a JSON string, given without its quotes."""
    if b"\\" in written:
        try:
            return str(json.loads(b'"%s"' % written))
        except ValueError:
            pass
    return written.decode("utf-8", "replace")


def _mask_etf(data: bytes, keys: _Keys) -> bytes:
    """Mask each text that follows a secret key. `data` need not be valid, or complete."""
    masked = bytearray(data)
    for found in keys.in_etf.finditer(data):
        at = found.end()
        # The tags of BINARY_EXT and STRING_EXT; their lengths have four bytes and two.
        width = {b"m": 4, b"k": 2}.get(data[at : at + 1])
        if width is None:
            continue
        start = at + 1 + width
        end = min(start + int.from_bytes(data[at + 1 : start]), len(data))
        key = found[found.lastindex or 0].decode().lower()
        masked[start:end] = _mask(data[start:end], correlate=keys.correlate[key])
    return bytes(masked)
