"""Conversations, written as a transcript of what both ends say, and turned into what crosses the wire:

    talk = Conversation("etf", "zstd-stream")
    talk.opens().server(HELLO).client(identify()).server(ready()).closes(4000, by="server")
    for happening in talk.happenings: ...

Ten milliseconds pass with each step. Compression is done as a server does it, by libraries that the decoder does not
use where there is a choice.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import zstandard

from inspector.model import Closed, Control, Frame, Gap, Happening, Mark, Opened, Plane, Side
from tests.wire.etf_encoder import encode

ENCODINGS = ("json", "etf")
COMPRESSIONS = ("none", "zlib-stream", "zstd-stream", "payload")
DIALECTS = [(encoding, compression) for encoding in ENCODINGS for compression in COMPRESSIONS]

# 2026-01-31 12:00:00 UTC
NOON = 1_769_860_800_000_000_000
STEP = 10_000_000
TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAw.GaaaaB.invented-token-of-nobody-0123456789"
SESSION = "5e551075e551075e551075e551075e55"

Payload = Mapping[str, Any]

HELLO = {"op": 10, "d": {"heartbeat_interval": 41250}, "s": None, "t": None}
HEARTBEAT = {"op": 1, "d": 2}
ACK = {"op": 11}


def identify(**more: Any) -> Payload:
    return {"op": 2, "d": {"token": TOKEN, "intents": 513, "properties": {"os": "linux"}, **more}}


def resume(session: str = SESSION) -> Payload:
    return {"op": 6, "d": {"token": TOKEN, "session_id": session, "seq": 3}}


def ready(session: str = SESSION) -> Payload:
    return dispatch("READY", {"v": 10, "session_id": session, "user": {"id": "1180000000000000001"}}, 1)


def dispatch(event: str, d: Any, seq: int) -> Payload:
    return {"op": 0, "d": d, "s": seq, "t": event}


def message(text: str, seq: int = 3) -> Payload:
    author = {"id": "1180000000000000002", "username": "ada"}
    d = {"id": "1180000000000000099", "channel_id": "1180000000000000050", "content": text, "author": author}
    return dispatch("MESSAGE_CREATE", d, seq)


class Conversation:
    """One connection."""

    def __init__(
        self,
        encoding: str = "json",
        compression: str = "none",
        *,
        plane: Plane = Plane.GATEWAY,
        url: str | None = None,
        connection: int = 1,
        at_ns: int = NOON,
    ) -> None:
        transport = f"&compress={compression}" if compression.endswith("stream") else ""
        self.url = f"wss://gateway.discord.gg/?v=10&encoding={encoding}{transport}" if url is None else url
        self.plane = plane
        self.encoding = encoding
        self.compression = compression
        self.connection = connection
        self.happenings: list[Happening] = []
        self._at_ns = at_ns
        self._compress = compressor(compression)

    @property
    def frames(self) -> list[Frame]:
        return [happening for happening in self.happenings if isinstance(happening, Frame)]

    def opens(self, **more: Any) -> "Conversation":
        return self._add(Opened(self.connection, self._at_ns, self.plane, self.url, "127.0.0.1:50000", **more))

    def closes(
        self, code: int | None = 1000, reason: str = "", by: Side | None = "client", marks: Mark = Mark.NONE
    ) -> "Conversation":
        return self._add(Closed(self.connection, self._at_ns, code, reason, by, marks))

    def pings(self, *, from_client: bool = True) -> "Conversation":
        return self._add(Control(self.connection, self._at_ns, from_client, "ping", b"\x01"))

    def client(self, payload: Payload) -> "Conversation":
        return self.frame(self.encoded(payload), from_client=True, is_text=self.encoding == "json")

    def server(self, payload: Payload, *, pieces: int = 1, **more: Any) -> "Conversation":
        """Let the server send `payload`, in so many messages."""
        data = self.encoded(payload)
        if self.compression == "none" or (self.compression == "payload" and payload.get("op") != 0):
            return self.frame(data, is_text=self.encoding == "json", **more)
        data = self._compress(data)
        cuts = [len(data) * piece // pieces for piece in range(pieces + 1)]
        for start, end in pairwise(cuts):
            self.frame(data[start:end], **more)
        return self

    def unseen(self, say: "Callable[[Conversation], object]", reason: str = "disk") -> "Conversation":
        """Let all that `say` lets be said pass without being recorded."""
        before = len(self.happenings)
        say(self)
        passed = [each for each in self.happenings[before:] if isinstance(each, Frame)]
        sent = sum(frame.from_client for frame in passed)
        del self.happenings[before:]
        first, last = passed[0].at_ns, passed[-1].at_ns
        self.happenings.append(Gap(self.connection, last, first, last, sent, len(passed) - sent, reason))
        return self

    def junk(self, data: bytes) -> "Conversation":
        """Let the server send bytes that are no payload, properly compressed."""
        return self.frame(self._compress(data))

    def injected(self, payload: Payload, *, from_client: bool = False) -> "Conversation":
        is_text = self.encoding == "json"
        return self.frame(self.encoded(payload), from_client=from_client, is_text=is_text, marks=Mark.INJECTED)

    def frame(self, data: bytes, *, from_client: bool = False, is_text: bool = False, **more: Any) -> "Conversation":
        """Let anything cross the wire."""
        return self._add(Frame(self.connection, self._at_ns, from_client, is_text, data, **more))

    def waits(self, ms: float) -> "Conversation":
        self._at_ns += int(ms * 1e6)
        return self

    def at(self, at_ns: int) -> "Conversation":
        """Let it be that time, in nanoseconds since the epoch."""
        self._at_ns = at_ns
        return self

    def encoded(self, payload: Payload) -> bytes:
        return encode(dict(payload)) if self.encoding == "etf" else json.dumps(payload).encode()

    def _add(self, happening: Happening) -> "Conversation":
        self.happenings.append(happening)
        self._at_ns += STEP
        return self


def compressor(compression: str) -> Callable[[bytes], bytes]:
    """Return what makes a message out of each payload of one connection."""
    if compression == "zlib-stream":
        deflate = zlib.compressobj()
        return lambda data: deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
    if compression == "zstd-stream":
        stream = zstandard.ZstdCompressor().compressobj()
        return lambda data: stream.compress(data) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return zlib.compress if compression == "payload" else bytes


def usual(encoding: str = "json", compression: str = "none", **more: Any) -> Conversation:
    """A login, a guild, a heartbeat, two messages, a ping, and an end."""
    guild = {
        "id": "1180000000000000042",
        "name": "Test Guild",
        "channels": [{"id": "1180000000000000050", "name": "general"}],
    }
    talk = Conversation(encoding, compression, **more)
    talk.opens().server(HELLO).client(identify(shard=[1, 2]))
    talk.server(ready()).server(dispatch("GUILD_CREATE", guild, 2))
    talk.client(HEARTBEAT).server(ACK).server(message("good morning")).pings().server(message("and good night", 4))
    return talk.closes(4004, "Authentication failed.", "server")
