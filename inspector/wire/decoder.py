"""Frames to payloads: one `Decoder` per connection, fed with its frames in order.

Three rules keep it whole. It never raises because of what it is fed: what cannot be read comes back as `Undecoded`. A
compression context belongs to one connection and sees exactly what the sender sent: messages that the proxy injected
are read apart from it. And once a context is lost nothing is guessed: that is said once, and what follows is counted.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, NamedTuple

import msgspec

from inspector.model import ABSENT, Frame, Mark, Payload, Plane, Undecoded
from inspector.wire import etf, jsontext
from inspector.wire.dialect import Compression, Dialect, dialect_of, sniff
from inspector.wire.inflate import MAX_PAYLOAD, Budget, InflateError, Zlib, Zstd, inflate_whole
from inspector.wire.packets import described, read_packet
from inspector.wire.voice import read_binary
from inspector.words import kind_of

# Failed attempts to read one payload that arrives in pieces before attempts get rarer (each one reads it all again).
EAGER_ATTEMPTS = 32
# The same in bytes that were read.
EAGER_BYTES = 64 * 1024 * 1024
# Payloads read out of one message. Real ones hold one; without a bound, a bomb of small payloads would fill the memory.
MAX_PAYLOADS = 100
# Those of a connection that were not the only one of their message; without a bound, a small file would fill the disk.
MAX_EXTRA = 1000

# Lists and objects in each other that are surely read as the long way reads them: orjson takes 1024.
_LEVELS = 1000
_ZLIB_FLUSH = b"\x00\x00\xff\xff"
_MISSING = object()
_STREAMS = (Compression.ZLIB, Compression.ZSTD)


class Last(msgspec.Struct):
    """The last frame that a reading came from."""

    number: int
    at_ns: int
    from_client: bool
    marks: Mark = Mark.NONE


class Reading(msgspec.Struct):
    """One thing read, and where it came from."""

    what: Payload | Undecoded
    first_frame: int
    """Number of the first frame it came from."""
    wire_bytes: int
    last: Last | None = None
    """The last; None where that is the frame just fed."""


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
        self._read = _READ[plane]
        self._inflater: Zlib | Zstd | None = None
        # What has arrived of a payload: its decoded bytes, its first frame, the bytes of its frames. These may be some
        # although nothing could be inflated yet.
        self._held = bytearray()
        self._held_first = 0
        self._held_wire = 0
        self._attempts = 0
        self._attempted = 0
        self._next_attempt = 0
        self._tail = b""
        self._extra = 0
        self._budget = Budget()
        # Of what was read last.
        self._has_atom_keys = False

    def receive(self, frame: Frame, number: int = 0) -> list[Reading]:
        """Return what `frame` completes: mostly one payload, none while one is still arriving.

        `number` is the frame's place in the recording; it comes back in `Reading.first_frame`.
        """
        data, marks = frame.data, frame.marks
        # Arithmetic with flags takes as long as parsing a small message, and hardly any frame has one.
        marked = marks is not Mark.NONE
        if marked and marks & Mark.WITHHELD:
            if self.compression is None and not (frame.is_text or frame.from_client) and self.plane is Plane.GATEWAY:
                # Only what is in no stream is withheld.
                self.compression, self.compression_seen = Compression.NONE, Compression.NONE.value
            return [Reading(*_why_withheld(data, number))]
        if not data:
            return [Reading(Undecoded("empty", "the message has no bytes", 0), number, 0)]
        self._budget.receive(len(data))
        injected = marked and marks & Mark.INJECTED
        if frame.is_text or frame.from_client or injected or self.plane is not Plane.GATEWAY:
            return [Reading(self._read_alone(frame), number, len(data))]
        if self.lost is not None:
            self.unread_frames += 1
            self.unread_bytes += len(data)
            return []
        if self.compression is None:
            self.compression = self._choose(data)
            self.compression_seen = self.compression.value
        if self.compression is Compression.NONE:
            return [Reading(self._read_alone(frame), number, len(data))]
        return self._read_stream(data, number)

    def is_of_stream(self, frame: Frame) -> bool:
        """Return whether a message surely is part of the server's compressed stream: nothing is to be done alone."""
        is_own = self.compression in _STREAMS and not (frame.is_text or frame.from_client)
        return is_own and frame.marks is Mark.NONE and self.plane is Plane.GATEWAY

    @property
    def is_between_payloads(self) -> bool:
        """Whether no payload has arrived in part."""
        return not (self._held or self._held_wire)

    def read_alone(self, frame: Frame) -> Payload | Undecoded | None:
        """Read a message that shares no state with others; None for one of the server's compressed stream.

        Takes all frames of the connection, in order.
        """
        if not frame.data:
            return Undecoded("empty", "the message has no bytes", 0)
        injected = frame.marks is not Mark.NONE and frame.marks & Mark.INJECTED
        if not (frame.is_text or frame.from_client or injected or self.plane is not Plane.GATEWAY):
            self.compression = self.compression or self._choose(frame.data)
            if self.compression is not Compression.NONE:
                return None
        return self._read_alone(frame)

    def skip(self, received: int) -> list[Reading]:
        """Go on after messages that were not recorded, `received` of them the server's; return what was left of one."""
        if not received or self.plane is not Plane.GATEWAY or self.lost is not None:
            return []
        left = self._give_up("messages are missing")
        compression = self.compression or self.dialect.compression
        if compression in (Compression.ZLIB, Compression.ZSTD):
            self.lost = Undecoded("missing", _LOST["missing"])
            self._inflater = None
        elif compression is None:
            # If it turns out to be compressed after all, its beginning is missing.
            self._joined_late = True
        return left

    def finish(self) -> list[Reading]:
        """Return what is left of a payload that never came whole. To be called when the connection has ended."""
        return self._give_up("the connection ended")

    def let_go(self) -> None:
        """Give up the compression context and its memory. To be called after `finish`."""
        if self._inflater is not None:
            self.lost = self.lost or Undecoded("missing", _LOST["missing"])
            self._inflater = None

    def _choose(self, data: bytes) -> Compression:
        """Decide the server's transport compression from its first binary message, else from the URL."""
        claimed, seen = self.dialect.compression, sniff(data)
        if seen is Compression.ZLIB:
            # Either a zlib-stream, whatever the URL says, or Identify's payload compression, where each message is a
            # stream of its own that ends.
            probe = Zlib()
            with suppress(InflateError):
                self._budget.inflate(probe.feed, data)
                return Compression.NONE if probe.ended else Compression.ZLIB
        if seen is Compression.ZSTD:
            return seen
        # The middle of a stream may begin with any byte, those of JSON and ETF among them.
        if (claimed or self._joined_late) and not isinstance(self._first(data, self._read)[0], Payload):
            return claimed or Compression.ZLIB
        return Compression.NONE

    def _read_stream(self, data: bytes, number: int) -> list[Reading]:
        if self._inflater is None:
            self._inflater = Zlib() if self.compression is Compression.ZLIB else Zstd()
        begins = not self._held and not self._held_wire
        if begins:
            self._held_first = number
        self._held_wire += len(data)
        try:
            out = self._budget.inflate(self._inflater.feed, data, held=len(self._held))
        except InflateError as error:
            return self._lose(error)
        if self.compression is Compression.ZLIB:
            # A payload ends with a sync flush. The four bytes can also stand inside a message, or be cut by one.
            self._tail = data[-4:] if len(data) >= 4 else (self._tail + data)[-4:]
            if self._tail != _ZLIB_FLUSH:
                self._held += out
                return []
        if begins and (payload := self._read_shortly(out)) is not None:
            self._held_wire = 0
            return [Reading(payload, number, len(data))]
        if self._held and self._is_payload(out):
            # So what was held back is broken, and nothing will ever complete it.
            self._held_wire -= len(data)
            broken = self._give_up("another payload began")
            self._held_first, self._held_wire = number, len(data)
            return broken + self._take(out, number)
        return self._take(out, number)

    def _is_payload(self, text: bytes) -> bool:
        if text[:1] not in (b"{", b"\x83"):
            return False
        what, rest = self._first(text, self._read)
        return isinstance(what, Payload) and what.op is not None and not rest

    def _take(self, out: bytes, number: int) -> list[Reading]:
        """Return the payloads that `out` completes, and hold back what is not yet whole."""
        text = out
        if self._held:
            self._held += out
            if len(self._held) < self._next_attempt:
                return []
            text = bytes(self._held)
        readings: list[Reading] = []
        while text:
            what, rest = self._first(text, self._read_value)
            if what is None:
                self._attempts += 1
                self._attempted += len(text)
                eager = self._attempts < EAGER_ATTEMPTS and self._attempted < EAGER_BYTES
                self._next_attempt = 0 if eager else 2 * len(text)
                break
            if readings:
                self._extra += 1
                too_many = f"{MAX_PAYLOADS} payloads in a message" if len(readings) == MAX_PAYLOADS else ""
                if self._extra > MAX_EXTRA:
                    too_many = f"{MAX_EXTRA:,} payloads on this connection that were not the first of their message"
                if too_many:
                    found = f"more than {too_many}; the other {len(text):,} bytes are not read"
                    what, rest = Undecoded("limit", found, 0), b""
            readings.append(Reading(what, self._held_first, self._held_wire))
            self._held_first, self._held_wire = number, 0
            self._attempts = self._attempted = self._next_attempt = 0
            text = rest
        self._held = bytearray(text)
        return readings

    def _give_up(self, why: str) -> list[Reading]:
        """Return what is held back, be it whole or not."""
        self._next_attempt = 0
        readings = self._take(b"", self._held_first)
        if self._held or self._held_wire:
            decoded = len(self._held)
            text = f"{why} inside a payload, after {decoded:,} decoded bytes of it"
            readings.append(Reading(Undecoded("truncated", text, decoded), self._held_first, self._held_wire))
            self._forget()
        return readings

    def _lose(self, error: InflateError) -> list[Reading]:
        reason = "joined-late" if self._joined_late and error.reason == "corrupt" else error.reason
        self.lost = Undecoded(reason, _LOST.get(reason, "{0}").format(error), error.offset)
        reading = Reading(self.lost, self._held_first, self._held_wire)
        self._forget()
        self._inflater = None
        return [reading]

    def _forget(self) -> None:
        self._held = bytearray()
        self._held_wire = 0

    def _read_alone(self, frame: Frame) -> Payload | Undecoded:
        """Read a message that shares no state with others."""
        data, is_text, from_client = frame.data, frame.is_text, frame.from_client
        if (payload := self._read_shortly(data)) is not None:
            return payload
        if self.plane is Plane.VOICE and not is_text and not _looks_like_json(data):
            return read_binary(data, from_client, self.dialect.version)
        problems: tuple[str, ...] = ()
        refused = False
        if not is_text and sniff(data) is Compression.ZLIB:
            try:
                data = self._budget.inflate(inflate_whole, data)
            except InflateError as error:
                return Undecoded(error.reason, f"a compressed payload that does not inflate: {error}", error.offset)
            if not from_client and not frame.marks & Mark.INJECTED:
                self.compression_seen = "payload"
            if from_client:
                problems = ("clients must not compress what they send (close 4002)",)
                refused = True
            elif (payload := self._read_shortly(data)) is not None:
                return payload
        if self.plane is Plane.VOICE and not is_text:
            problems += ("JSON in a binary message, which the voice gateway refuses",)
            refused = from_client
        what, rest = self._first(data, self._read_value)
        if what is None:
            end = len(data)
            return Undecoded("truncated", f"the payload ends in the middle, after {end:,} bytes", end)
        if isinstance(what, Payload):
            if rest:
                problems += (f"{len(rest):,} more bytes follow the payload",)
            if from_client and self._has_atom_keys:
                problems += ("map keys are atoms; from a client they must be binaries (close 4002)",)
                refused = True
            what.problems += problems
            what.refused = refused
        return what

    def _read_shortly(self, text: bytes) -> Payload | None:
        """Return the payload that `text` is, where the short way leads to it."""
        # With the first payload of an encoding it is compared with what the URL says.
        return read_shortly(text) if self.encoding == "json" and self.plane is Plane.GATEWAY else None

    def _first(self, text: bytes, read: Callable[..., Payload]) -> tuple[Payload | Undecoded | None, bytes]:
        what, rest, self._has_atom_keys = _first_payload(text, read, self._budget)
        return what, rest

    def _read_value(self, value: Any, encoding: str, data: bytes, problems: tuple[str, ...]) -> Payload:
        claimed = self.dialect.encoding
        if claimed != encoding and encoding != self.encoding and claimed in ("json", "etf"):
            problems += (f"the URL says {claimed}, this is {encoding}",)
        self.encoding = encoding
        return self._read(value, encoding, data, problems)


def read_payload(
    plane: Plane, encoding: str, data: bytes, *, from_client: bool = False, version: int | None = None
) -> Payload | Undecoded:
    """Read decoded bytes again, as a capture keeps them: `data` and `encoding` of an earlier `Payload`.

    `version` is that of the voice gateway's URL; its binary messages depend on it.
    """
    if encoding == "binary":
        return read_packet_alone(data) if plane is Plane.MEDIA else read_binary(data, from_client, version)
    if plane is Plane.GATEWAY and (payload := read_shortly(data)) is not None:
        return payload
    what, _, _ = _first_payload(data, _READ[plane])
    return what or Undecoded("truncated", f"the payload ends in the middle, after {len(data):,} bytes", len(data))


# What `_is_whole` says yes to.
_Whole = Annotated[int, msgspec.Meta(gt=-(1 << 63), le=(1 << 63) - 1)]


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """A payload of the main gateway that has nothing odd about it."""

    op: _Whole
    t: str | None = None
    s: _Whole | None = None
    d: Any = ABSENT


_envelope = msgspec.json.Decoder(_Envelope).decode


def read_shortly(text: bytes) -> Payload | None:
    """Return the payload of the main gateway that `text` is, read the short way.

    It leads to what the long way does in half the time, or to None: where the text is anything but one JSON object with
    the envelope's keys, each as it should be; or may hold more than is allowed, which the long way finds out.
    """
    if len(text) > 2 * _LEVELS and (len(text) > 2 * jsontext.MAX_VALUES or _may_nest_deep(text)):
        return None
    try:
        read = _envelope(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return Payload("json", text, read.op, read.t, read.s, read.d, {}, ())


def _may_nest_deep(text: bytes) -> bool:
    """Return whether a document may nest deeper than `_LEVELS`: msgspec goes as deep as the stack allows."""
    # A level takes a list two bytes and an object five, as it needs a key, so that counting the lists mostly will do.
    lists = text.count(b"[")
    return len(text) + 3 * lists > 5 * _LEVELS and lists + text.count(b"{") > _LEVELS


def withheld(why: Undecoded, size: int) -> bytes:
    """Return what is stored of a message of `size` bytes that could not be read, in place of its bytes."""
    return json.dumps({"reason": why.reason, "text": why.text, "offset": why.offset, "bytes": size}).encode()


def _why_withheld(data: bytes, number: int) -> tuple[Undecoded, int, int]:
    try:
        match json.loads(data):
            case {"reason": str(reason), "text": str(text), "offset": int() | None as offset, "bytes": int(size)}:
                return Undecoded(reason, text, offset), number, min(max(size, 0), MAX_PAYLOAD)
    except (ValueError, RecursionError):
        pass
    return Undecoded("corrupt", "it was not recorded, and its replacement cannot be read"), number, 0


def read_packet_alone(data: bytes) -> Payload | Undecoded:
    """Read a UDP packet of the voice server that has a row of its own."""
    if not data:
        return Undecoded("truncated", "the packet has no bytes", 0)
    return Payload("binary", data, read_packet(data).kind, None, None, described(data))


class _First(NamedTuple):
    """The payload that some text begins with."""

    what: Payload | Undecoded | None
    """None where more must come. `Undecoded` takes all of the text: there is no telling where the next one begins."""
    rest: bytes
    """What follows it."""
    has_atom_keys: bool = False


def _first_payload(text: bytes, read: Callable[..., Payload], budget: Budget | None = None) -> _First:
    """Read the payload that `text` begins with. `budget` is for what in it is compressed."""
    if text[:1] == b"\x83":
        try:
            term = etf.decode(text, budget=budget)
        except etf.EtfError as error:
            return _First(None, text) if error.reason == "truncated" else _First(_undecoded(error), b"")
        data = text if term.end == len(text) else text[: term.end]
        return _First(read(term.value, "etf", data, term.problems), text[term.end :], term.atom_keys)
    problems: list[str] = []
    try:
        value = jsontext.loads(text, problems)
    except jsontext.JsonError as whole:
        if whole.reason == "truncated":
            return _First(None, text)
        try:
            value, end = jsontext.first(text, 0, problems)
        except jsontext.JsonError as error:
            return _First(None, text) if error.reason == "truncated" else _First(_undecoded(error), b"")
        return _First(read(value, "json", text[:end], tuple(problems)), text[end:].lstrip(b" \t\r\n"))
    return _First(read(value, "json", text, tuple(problems)), b"")


def _undecoded(error: etf.EtfError | jsontext.JsonError) -> Undecoded:
    return Undecoded(error.reason, str(error), error.offset)


def _looks_like_json(data: bytes) -> bool:
    return data[:1] == b"{" and data[-1:] == b"}" and b'"op"' in data


_LOST = {
    "joined-late": "the recording begins in the middle of this compressed stream, and without its beginning the rest "
    "cannot be read ({0}); what the client sends still can",
    "corrupt": "a message was lost or damaged, and nothing after it in this compressed stream can be read ({0})",
    "ended": "the compressed stream ended, but the server kept sending ({0})",
    "missing": "messages are missing here, and nothing after them in this compressed stream can be read",
    "limit": "the stream inflates to more than any real one does, so reading it was stopped ({0})",
}


def _read_gateway(value: Any, encoding: str, data: bytes, problems: tuple[str, ...]) -> Payload:
    if type(value) is not dict:
        return _not_an_envelope(value, encoding, data, problems)
    op = value.get("op", _MISSING)
    event = value.get("t")
    seq = value.get("s")
    if not _is_whole(op):
        op, problems = _odd_opcode(op, problems)
    if event is not None and not isinstance(event, str):
        event, problems = None, (*problems, f"t is {kind_of(event)}, not text")
    if seq is not None and not _is_whole(seq):
        seq, problems = None, (*problems, f"s is {_kind(seq)}, not a whole number")
    extra = {} if value.keys() <= _GATEWAY_KEYS else {k: v for k, v in value.items() if k not in _GATEWAY_KEYS}
    return Payload(encoding, data, op, event, seq, value.get("d", ABSENT), extra, problems)


def _read_voice(value: Any, encoding: str, data: bytes, problems: tuple[str, ...]) -> Payload:
    if type(value) is not dict:
        return _not_an_envelope(value, encoding, data, problems)
    op = value.get("op", _MISSING)
    seq = value.get("seq")
    if not _is_whole(op):
        op, problems = _odd_opcode(op, problems)
    if seq is not None and not _is_whole(seq):
        seq, problems = None, (*problems, f"seq is {_kind(seq)}, not a whole number")
    extra = {k: v for k, v in value.items() if k not in _VOICE_KEYS}
    return Payload(encoding, data, op, None, seq, value.get("d", ABSENT), extra, problems)


def _read_remote_auth(value: Any, encoding: str, data: bytes, problems: tuple[str, ...]) -> Payload:
    if type(value) is not dict:
        return _not_an_envelope(value, encoding, data, problems)
    op = value.get("op")
    if not isinstance(op, str):
        op, problems = None, (*problems, "there is no op" if op is None else f"op is {kind_of(op)}, not a word")
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


def _read_media(value: Any, encoding: str, data: bytes, problems: tuple[str, ...]) -> Payload:
    """Read what we wrote ourselves about packets that were folded into a row."""
    if type(value) is not dict:
        return _not_an_envelope(value, encoding, data, problems)
    op = value.get("op")
    return Payload(
        encoding, data, op if isinstance(op, str) else None, None, None, value.get("d", ABSENT), {}, problems
    )


def _not_an_envelope(value: Any, encoding: str, data: bytes, problems: tuple[str, ...]) -> Payload:
    found = f"not an object with op and d but {kind_of(value)}"
    return Payload(encoding, data, None, None, None, value, {}, (*problems, found))


def _is_whole(value: Any) -> bool:
    """Return whether `value` is a number that can be counted with. ETF has some of millions of digits."""
    return type(value) is int and value.bit_length() < 64


def _kind(value: Any) -> str:
    return "a number of more than 64 bits" if type(value) is int else kind_of(value)


def _odd_opcode(op: Any, problems: tuple[str, ...]) -> tuple[int | None, tuple[str, ...]]:
    """Make the best of an opcode that is no whole number; clients have been seen to send it as text."""
    if op is _MISSING or op is None:
        return None, (*problems, "there is no op")
    if isinstance(op, str) and op.isascii() and op.isdigit() and len(op) < 10:
        return int(op), (*problems, f"op is the text {op!r}, not a number")
    if isinstance(op, float) and op.is_integer() and abs(op) < 1e9:
        return int(op), (*problems, f"op is written {op}, not as a whole number")
    return None, (*problems, f"op is {_kind(op)}, not a whole number")


_GATEWAY_KEYS = frozenset({"op", "d", "s", "t"})
_VOICE_KEYS = frozenset({"op", "d", "seq"})
_READ: dict[Plane, Callable[[Any, str, bytes, tuple[str, ...]], Payload]] = {
    Plane.GATEWAY: _read_gateway,
    Plane.VOICE: _read_voice,
    Plane.REMOTE_AUTH: _read_remote_auth,
    Plane.RPC: _read_rpc,
    Plane.MEDIA: _read_media,
}
