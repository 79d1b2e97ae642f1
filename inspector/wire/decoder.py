"""Frames to payloads: one `Decoder` per connection, fed with its frames in order.

Three rules keep it whole. It never raises because of what it is fed: what cannot be read comes back as `Undecoded`. A
compression context belongs to one connection and sees exactly what the sender sent: messages that the proxy injected
are read apart from it. And once a context is lost nothing is guessed: that is said once, and what follows is counted.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from inspector.model import ABSENT, Frame, Mark, Payload, Plane, Undecoded
from inspector.wire import etf, jsontext
from inspector.wire.dialect import Compression, Dialect, dialect_of, sniff
from inspector.wire.inflate import InflateError, Zlib, Zstd, inflate_whole
from inspector.wire.voice import read_binary

# Bytes that one payload may inflate to. A user account's READY is some 10 MB.
MAX_PAYLOAD = 64 * 1024 * 1024
# Bytes that a connection may inflate to for each byte received, beyond one payload of the largest size. Real streams
# stay below 20; zlib cannot exceed 1032, zstd can reach many thousands.
MAX_RATIO = 200
# Failed attempts to read one payload that arrives in pieces before attempts get rarer (each one reads it all again).
EAGER_ATTEMPTS = 32

_ZLIB_FLUSH = b"\x00\x00\xff\xff"
_MISSING = object()


class Reading(NamedTuple):
    """One thing read, and where it came from."""

    what: Payload | Undecoded
    first_frame: int
    """Number of the first frame it came from; the frame just fed is the last."""
    wire_bytes: int


class Decoder:
    """Reads one connection. Keeps the compression context and a payload that has arrived in part."""

    def __init__(self, plane: Plane, url: str, *, joined_late: bool = False) -> None:
        self.plane = plane
        self.dialect: Dialect = dialect_of(url)
        self.encoding: str | None = None
        """The encoding seen on the wire; None until the first payload."""
        self.compression: Compression | None = None
        """The transport compression seen on the wire; None until the server's first binary message."""
        self.compression_seen: str | None = None
        """The same in a word, or ``payload`` where single payloads were compressed."""
        self.lost: Undecoded | None = None
        """Why the server's messages can no longer be read; None while they can."""
        self.unread_frames = 0
        """Messages that came after the context was lost."""
        self.unread_bytes = 0
        self._joined_late = joined_late
        self._inflater: Zlib | Zstd | None = None
        self._held = b""
        self._held_first = 0
        self._held_wire = 0
        self._attempts = 0
        self._next_attempt = 0
        self._tail = b""
        self._wire_total = 0
        self._decoded_total = 0

    def receive(self, frame: Frame, number: int = 0) -> list[Reading]:
        """Return what `frame` completes: mostly one payload, none while one is still arriving.

        `number` is the frame's place in the recording; it comes back in `Reading.first_frame`.
        """
        data = frame.data
        if not data:
            return [Reading(Undecoded("empty", "the message has no bytes", 0), number, 0)]
        injected = frame.marks and frame.marks & Mark.INJECTED
        if frame.is_text or frame.from_client or injected or self.plane is not Plane.GATEWAY:
            return [Reading(self._read_alone(data, frame.is_text, frame.from_client), number, len(data))]
        if self.lost is not None:
            self.unread_frames += 1
            self.unread_bytes += len(data)
            return []
        if self.compression is None:
            self.compression = self._choose(data)
            self.compression_seen = self.compression.value
        if self.compression is Compression.NONE:
            return [Reading(self._read_alone(data, False, False), number, len(data))]
        return self._read_stream(data, number)

    def finish(self) -> list[Reading]:
        """Return what is left of a payload that never came whole. To be called when the connection has ended."""
        if not self._held:
            return []
        self._next_attempt = 0
        readings = self._take(b"", self._held_first)
        if self._held:
            text = f"the connection ended inside a payload, after {len(self._held):,} decoded bytes of it"
            undecoded = Undecoded("truncated", text, len(self._held))
            readings.append(Reading(undecoded, self._held_first, self._held_wire))
            self._held = b""
        return readings

    def _choose(self, data: bytes) -> Compression:
        """Decide the server's transport compression from its first binary message, else from the URL."""
        claimed = self.dialect.compression
        seen = sniff(data)
        if claimed is None and seen is Compression.ZLIB:
            # Without `compress` in the URL this is either Identify's payload compression, where each message is a
            # stream of its own that ends, or a zlib-stream whose URL we were not told.
            probe = Zlib()
            try:
                probe.feed(data, MAX_PAYLOAD)
            except InflateError:
                return Compression.NONE
            return Compression.NONE if probe.ended else Compression.ZLIB
        return seen or claimed or Compression.NONE

    def _read_stream(self, data: bytes, number: int) -> list[Reading]:
        if self._inflater is None:
            self._inflater = Zlib() if self.compression is Compression.ZLIB else Zstd()
        self._wire_total += len(data)
        budget = max(0, MAX_PAYLOAD + MAX_RATIO * self._wire_total - self._decoded_total)
        if not self._held:
            self._held_first = number
            self._held_wire = 0
        self._held_wire += len(data)
        try:
            out = self._inflater.feed(data, min(MAX_PAYLOAD - len(self._held), budget))
        except InflateError as error:
            return self._lose(error)
        self._decoded_total += len(out)
        if self.compression is Compression.ZLIB:
            # A payload ends with a sync flush. The four bytes can also stand inside a message, or be cut by one.
            self._tail = data[-4:] if len(data) >= 4 else (self._tail + data)[-4:]
            if self._tail != _ZLIB_FLUSH:
                self._held += out
                return []
        return self._take(out, number)

    def _take(self, out: bytes, number: int) -> list[Reading]:
        """Return the payloads that `out` completes, and hold back what is not yet whole."""
        readings: list[Reading] = []
        text = self._held + out if self._held else out
        first, wire = self._held_first, self._held_wire
        if len(text) < self._next_attempt:
            self._held = text
            return readings
        while text:
            what, rest = _first_payload(text, self._read_value)
            if what is None:
                self._attempts += 1
                self._next_attempt = 0 if self._attempts < EAGER_ATTEMPTS else 2 * len(text)
                self._held, self._held_first, self._held_wire = text, first, wire
                return readings
            readings.append(Reading(what, first, wire))
            if isinstance(what, Undecoded) and len(out) < len(text):
                # What was held back is the broken part: the new bytes get a chance of their own.
                rest = out
            first, wire, text = number, 0, rest
            self._attempts = self._next_attempt = 0
        self._held = b""
        return readings

    def _lose(self, error: InflateError) -> list[Reading]:
        reason = "joined-late" if self._joined_late and error.reason == "corrupt" else error.reason
        self.lost = Undecoded(reason, _LOST.get(reason, "{0}").format(error), error.offset)
        self._held = b""
        self._inflater = None
        return [Reading(self.lost, self._held_first, self._held_wire)]

    def _read_alone(self, data: bytes, is_text: bool, from_client: bool) -> Payload | Undecoded:
        """Read a message that shares no state with others."""
        if self.plane is Plane.VOICE and not is_text and not _looks_like_json(data):
            return read_binary(data, from_client, self.dialect.version)
        problems: tuple[str, ...] = ()
        if not is_text and sniff(data) is Compression.ZLIB:
            try:
                data = inflate_whole(data, MAX_PAYLOAD)
            except InflateError as error:
                return Undecoded(error.reason, f"a compressed payload that does not inflate: {error}", error.offset)
            if not from_client:
                self.compression_seen = "payload"
            else:
                problems = ("clients may not compress what they send (close 4002)",)
        if self.plane is Plane.VOICE and not is_text:
            problems += ("JSON in a binary message, which the voice gateway refuses",)
        what, rest = _first_payload(data, self._read_value)
        if what is None:
            end = len(data)
            return Undecoded("truncated", f"the payload ends in the middle, after {end:,} bytes", end)
        if isinstance(what, Payload):
            if rest:
                problems += (f"{len(rest):,} more bytes follow the payload",)
            if from_client and what.encoding == "etf" and _has_atom_keys(data):
                problems += ("map keys are atoms; from a client they must be binaries (close 4002)",)
            what.problems += problems
        return what

    def _read_value(self, value: Any, encoding: str, data: bytes, problems: tuple[str, ...]) -> Payload:
        claimed = self.dialect.encoding
        if claimed is not None and claimed != encoding and claimed in ("json", "etf"):
            problems += (f"the URL says {claimed}, this is {encoding}",)
        self.encoding = encoding
        return _READ[self.plane](value, encoding, data, problems)


def read_payload(
    plane: Plane, encoding: str, data: bytes, *, from_client: bool = False, version: int | None = None
) -> Payload | Undecoded:
    """Read decoded bytes again, as a capture keeps them: `data` and `encoding` of an earlier `Payload`.

    `version` is that of the voice gateway's URL; its binary messages depend on it.
    """
    if encoding == "binary":
        return read_binary(data, from_client, version)
    what, _ = _first_payload(data, _READ[plane])
    return what or Undecoded("truncated", f"the payload ends in the middle, after {len(data):,} bytes", len(data))


def _first_payload(text: bytes, read: Callable[..., Payload]) -> tuple[Payload | Undecoded | None, bytes]:
    """Read the payload that `text` begins with and return it with the bytes after it; None where more must come.

    Where it cannot be read at all, `Undecoded` takes all of `text` with it: there is no telling where the next begins.
    """
    if text[0] == 0x83:
        try:
            term = etf.decode(text)
        except etf.EtfError as error:
            return (None, text) if error.reason == "truncated" else (_undecoded(error), b"")
        data = text if term.end == len(text) else text[: term.end]
        return read(term.value, "etf", data, term.problems), text[term.end :]
    try:
        return read(jsontext.loads(text), "json", text, ()), b""
    except jsontext.JsonError as whole:
        if whole.reason == "truncated":
            return None, text
        try:
            value, end = jsontext.first(text)
        except jsontext.JsonError as error:
            return (None, text) if error.reason == "truncated" else (_undecoded(error), b"")
        return read(value, "json", text[:end], ()), text[end:].lstrip(b" \t\r\n")


def _undecoded(error: etf.EtfError | jsontext.JsonError) -> Undecoded:
    return Undecoded(error.reason, str(error), error.offset)


def _looks_like_json(data: bytes) -> bool:
    return data[:1] == b"{" and data[-1:] == b"}" and b'"op"' in data


def _has_atom_keys(data: bytes) -> bool:
    try:
        return etf.decode(data).atom_keys
    except etf.EtfError:
        return False


_LOST = {
    "joined-late": "the recording begins in the middle of this compressed stream, and without its beginning the rest "
    "cannot be read ({0}); what the client sends still can",
    "corrupt": "a message was lost or damaged, and nothing after it in this compressed stream can be read ({0})",
    "ended": "the compressed stream ended, yet the server went on sending ({0})",
    "limit": "the stream inflates to more than any real one does, so reading it was stopped ({0})",
}


def _read_gateway(value: Any, encoding: str, data: bytes, problems: tuple[str, ...]) -> Payload:
    if type(value) is not dict:
        return _not_an_envelope(value, encoding, data, problems)
    op = value.get("op", _MISSING)
    event = value.get("t")
    seq = value.get("s")
    if type(op) is not int:
        op, problems = _odd_opcode(op, problems)
    if event is not None and not isinstance(event, str):
        event, problems = None, (*problems, f"t is {type(event).__name__}, not text")
    if seq is not None and type(seq) is not int:
        seq, problems = None, (*problems, f"s is {type(seq).__name__}, not a whole number")
    extra = {k: v for k, v in value.items() if k not in _GATEWAY_KEYS} if value.keys() - _GATEWAY_KEYS else {}
    return Payload(encoding, data, op, event, seq, value.get("d", ABSENT), extra, problems)


def _read_voice(value: Any, encoding: str, data: bytes, problems: tuple[str, ...]) -> Payload:
    if type(value) is not dict:
        return _not_an_envelope(value, encoding, data, problems)
    op = value.get("op", _MISSING)
    seq = value.get("seq")
    if type(op) is not int:
        op, problems = _odd_opcode(op, problems)
    if seq is not None and type(seq) is not int:
        seq, problems = None, (*problems, f"seq is {type(seq).__name__}, not a whole number")
    extra = {k: v for k, v in value.items() if k not in _VOICE_KEYS}
    return Payload(encoding, data, op, None, seq, value.get("d", ABSENT), extra, problems)


def _read_remote_auth(value: Any, encoding: str, data: bytes, problems: tuple[str, ...]) -> Payload:
    if type(value) is not dict:
        return _not_an_envelope(value, encoding, data, problems)
    op = value.get("op")
    if not isinstance(op, str):
        op, problems = _odd_opcode(op, problems)
    rest = {k: v for k, v in value.items() if k != "op"}
    return Payload(encoding, data, op, None, None, rest or ABSENT, {}, problems)


def _read_rpc(value: Any, encoding: str, data: bytes, problems: tuple[str, ...]) -> Payload:
    if type(value) is not dict:
        return _not_an_envelope(value, encoding, data, problems)
    command, event = value.get("cmd"), value.get("evt")
    rest = {k: v for k, v in value.items() if k not in ("cmd", "evt")}
    op = command if isinstance(command, str) else None
    if op is None:
        problems += ("there is no cmd",)
    return Payload(encoding, data, op, event if isinstance(event, str) else None, None, rest or ABSENT, {}, problems)


def _not_an_envelope(value: Any, encoding: str, data: bytes, problems: tuple[str, ...]) -> Payload:
    found = "null" if value is None else type(value).__name__
    return Payload(encoding, data, None, None, None, value, {}, (*problems, f"not an object with op and d but {found}"))


def _odd_opcode(op: Any, problems: tuple[str, ...]) -> tuple[int | None, tuple[str, ...]]:
    """Make the best of an opcode that is no whole number; clients have been seen to send it as text."""
    if op is _MISSING or op is None:
        return None, (*problems, "there is no op")
    if isinstance(op, str) and op.isascii() and op.isdigit() and len(op) < 10:
        return int(op), (*problems, f"op is the text {op!r}, not a number")
    if isinstance(op, float) and op.is_integer() and abs(op) < 1e9:
        return int(op), (*problems, f"op is written {op}, not as a whole number")
    return None, (*problems, f"op is {type(op).__name__}, not a number")


_GATEWAY_KEYS = frozenset({"op", "d", "s", "t"})
_VOICE_KEYS = frozenset({"op", "d", "seq"})
_READ: dict[Plane, Callable[[Any, str, bytes, tuple[str, ...]], Payload]] = {
    Plane.GATEWAY: _read_gateway,
    Plane.VOICE: _read_voice,
    Plane.REMOTE_AUTH: _read_remote_auth,
    Plane.RPC: _read_rpc,
}
