"""What reverse mode does to a server's messages so that the session stays behind the proxy. Bytes in, bytes out.

Only READY changes, and in it only the value of ``resume_gateway_url``; every other payload keeps its decoded bytes. A
compressed stream cannot be edited in the middle: what follows refers to what came before. So where one is compressed,
the client gets a stream of our own, from the first message on.

Messages: a zlib-stream's payload may cross the wire in pieces. It goes on in one message, once its end has come. While
READY is due, a payload of a zstd-stream that comes in pieces does too. All else continues message by message.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import orjson
import zstandard

from inspector.model import Payload, Plane
from inspector.protocol.ops import GatewayOp
from inspector.wire.decoder import EAGER_ATTEMPTS, MAX_PAYLOADS, read_payload
from inspector.wire.dialect import Compression, dialect_of, sniff
from inspector.wire.inflate import MAX_PAYLOAD, Budget, InflateError, Zlib, Zstd, inflate_whole

# Levels of compression towards the client, which is mostly on the same machine: the cheapest.
_ZLIB_LEVEL = _ZSTD_LEVEL = 1
# Places of the key that are tried: one, but for a hostile server.
_MAX_PLACES = 8
# Values that a READY holds at most: that of a user account has some hundred thousand. Each takes up to 64 bytes while
# it is read, in mitmproxy's own process.
_MOST_VALUES = 3_000_000
# Bytes of a client's message that may be an Identify; the gateway takes 15 KiB at most.
_MAX_IDENTIFY = 64 * 1024

_ZLIB_FLUSH = b"\x00\x00\xff\xff"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_KEY = "resume_gateway_url"
# In JSON no quote is in a string without a backslash before it, so this is a key and never a part of a text.
_JSON_PLACE = re.compile(rb'"resume_gateway_url"[ \t\r\n]*+:[ \t\r\n]*+("(?:[^"\\]|\\.)*+")', re.DOTALL)
# In ETF: the key as a binary or any kind of atom, then the tag and length of a binary.
_ETF_PLACE = re.compile(
    rb"(?:m\x00\x00\x00\x12|[dv]\x00\x12|[sw]\x12)resume_gateway_url(?=m([\x00-\xff]{4}))", re.DOTALL
)

Redirect = Callable[[str], str | None]
"""Takes READY's URL and returns the one for the client; None to leave it."""


class Passed(NamedTuple):
    """What becomes of one message of the server."""

    data: bytes | None
    """What the client gets; None where nothing continues: it is part of a payload that is still arriving."""
    changed: bool = False
    """It holds a READY with another URL."""
    broken: str = ""
    """Why no more of the server's stream can be passed on."""


class Spliced(NamedTuple):
    """Decoded text, perhaps with a READY changed in it."""

    text: bytes
    changed: bool = False
    found: bool = False
    """There is a READY in it, changed or not."""
    whole: bool = True
    """It does not end inside a payload."""


class Rewriter:
    """One connection to the main gateway. `url`: as the upgrade asked for; `redirect` is called once for each READY."""

    def __init__(self, url: str, redirect: Redirect) -> None:
        self._claimed = dialect_of(url).compression
        self._redirect = redirect
        self._compression: Compression | None = None
        self._inflater: Zlib | Zstd | None = None
        self._deflate: Callable[[bytes], bytes] = bytes
        self._held = bytearray()
        self._tail = b""
        self._budget = Budget()
        self._attempts = self._next_attempt = 0
        self._ready_is_due = False
        self._broken = ""

    def client_said(self, data: bytes) -> None:
        """Take note of a client's message: after an Identify comes a READY."""
        if b"token" in data and len(data) <= _MAX_IDENTIFY:
            payload = read_payload(Plane.GATEWAY, "", data, from_client=True)
            if isinstance(payload, Payload) and payload.op == GatewayOp.IDENTIFY:
                self._ready_is_due = True

    def server_said(self, data: bytes, *, is_text: bool) -> Passed:
        """Return what goes on to the client in place of the server's next message."""
        if self._broken:
            return Passed(None, broken=self._broken)
        self._budget.receive(len(data))
        if is_text or not data:
            return self._alone(data)
        if self._compression is None:
            self._compression = self._choose(data)
            self._inflater, self._deflate = _stream(self._compression)
        return self._alone(data) if self._inflater is None else self._in_stream(self._inflater, data)

    def _choose(self, data: bytes) -> Compression:
        """Decide by the first binary message; what begins as no stream does is passed on as it is."""
        begins = sniff(data)
        if self._claimed is Compression.ZSTD and _ZSTD_MAGIC.startswith(data[:4]):
            return Compression.ZSTD
        if begins is Compression.ZLIB or (self._claimed is Compression.ZLIB and data == b"\x78"):
            probe = Zlib()
            try:
                self._budget.inflate(probe.feed, data)
            except InflateError:
                return Compression.NONE
            # One that ends is Identify's payload compression.
            return Compression.NONE if probe.ended else Compression.ZLIB
        return begins or Compression.NONE

    def _in_stream(self, inflater: Zlib | Zstd, data: bytes) -> Passed:
        try:
            out = self._budget.inflate(inflater.feed, data, held=len(self._held))
        except InflateError as error:
            return self._break(str(error))
        if self._compression is Compression.ZLIB:
            self._tail = data[-4:] if len(data) >= 4 else (self._tail + data)[-4:]
            if self._tail != _ZLIB_FLUSH:
                self._held += out
                return Passed(None)
        if len(self._held) + len(out) < self._next_attempt:
            self._held += out
            return Passed(None)
        text = bytes(self._held) + out if self._held else out
        changed = False
        if self._ready_is_due:
            text, changed, found, whole = splice(text, self._redirect)
            if not whole and len(text) < MAX_PAYLOAD:
                # Each attempt reads it all again, so they get rarer.
                self._attempts += 1
                self._next_attempt = 0 if self._attempts < EAGER_ATTEMPTS else min(2 * len(text), MAX_PAYLOAD)
                self._held = bytearray(text)
                return Passed(None)
            self._ready_is_due = not found
        self._attempts = self._next_attempt = 0
        self._held.clear()
        return Passed(self._deflate(text) or None, changed)

    def _alone(self, data: bytes) -> Passed:
        """Pass on a message that shares no state with others."""
        if not self._ready_is_due:
            return Passed(data)
        text, compressed = data, sniff(data) is Compression.ZLIB
        if compressed:
            try:
                text = self._budget.inflate(inflate_whole, data)
            except InflateError:
                return Passed(data)
        spliced = splice(text, self._redirect)
        self._ready_is_due = not spliced.found
        if not spliced.changed:
            return Passed(data)
        return Passed(zlib.compress(spliced.text) if compressed else spliced.text, changed=True)

    def _break(self, why: str) -> Passed:
        """Give up: a client that has begun to read our stream cannot read the server's."""
        self._broken = why
        self._inflater, self._deflate = None, bytes
        self._held.clear()
        return Passed(None, broken=why)


def splice(text: bytes, redirect: Redirect) -> Spliced:
    """Return `text`, one or more payloads as JSON or ETF, with the URL in a READY replaced by what `redirect` says."""
    at = 0
    for _ in range(MAX_PAYLOADS):
        if at >= len(text):
            break
        if text.count(b",", at) > _MOST_VALUES:
            return Spliced(text)
        payload = read_payload(Plane.GATEWAY, "", text[at:] if at else text)
        if not isinstance(payload, Payload):
            return Spliced(text, whole=payload.reason != "truncated")
        if payload.op == GatewayOp.DISPATCH and payload.event == "READY":
            edited = _edited(payload, redirect)
            if edited is None:
                return Spliced(text, found=True)
            return Spliced(text[:at] + edited + text[at + len(payload.data) :], changed=True, found=True)
        at += len(payload.data)
        while text[at : at + 1] in (b" ", b"\n", b"\r", b"\t"):
            at += 1
    return Spliced(text)


def _edited(ready: Payload, redirect: Redirect) -> bytes | None:
    """Return the bytes of a READY with another URL, None where it has none, or it cannot be found again."""
    url = ready.d.get(_KEY) if type(ready.d) is dict else None
    instead = redirect(url) if type(url) is str else None
    if instead is None:
        return None
    find, written = (_etf_places, _etf_text) if ready.encoding == "etf" else (_json_places, orjson.dumps)
    places = list(islice(find(ready.data), _MAX_PLACES))
    for start, end in places:
        edited = ready.data[:start] + written(instead) + ready.data[end:]
        # The only place of the key is that of the value. Reading all of it again takes as long as the rest together.
        if len(places) == 1 or _says(edited, {**ready.d, _KEY: instead}):
            return edited
    return None


def _says(text: bytes, d: dict[str, Any]) -> bool:
    payload = read_payload(Plane.GATEWAY, "", text)
    return isinstance(payload, Payload) and len(payload.data) == len(text) and bool(payload.d == d)


def _json_places(data: bytes) -> Iterator[tuple[int, int]]:
    return (found.span(1) for found in _JSON_PLACE.finditer(data))


def _etf_places(data: bytes) -> Iterator[tuple[int, int]]:
    return ((found.end(), found.end() + 5 + int.from_bytes(found[1])) for found in _ETF_PLACE.finditer(data))


def _etf_text(text: str) -> bytes:
    data = text.encode()
    return b"m" + len(data).to_bytes(4) + data


def _stream(compression: Compression) -> tuple[Zlib | Zstd | None, Callable[[bytes], bytes]]:
    """Return what reads the server's stream, and what writes the client's: each payload up to where it can be read."""
    match compression:
        case Compression.ZLIB:
            deflater = zlib.compressobj(_ZLIB_LEVEL)
            return Zlib(), lambda text: deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH)
        case Compression.ZSTD:
            compressor = zstandard.ZstdCompressor(_ZSTD_LEVEL).compressobj()
            flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK
            return Zstd(), lambda text: compressor.compress(text) + compressor.flush(flush)
    return None, bytes
