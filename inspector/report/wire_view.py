"""How a row crossed the wire: the frames it came from, what they decode to, and their bytes to look at.

One rule keeps it whole: bytes leave this module with their secrets masked, unless they are to be revealed. Where there
are secrets in compressed bytes, or no one knows what is in the bytes, none of them are shown.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from inspector.model import ABSENT, Event, Kind, Knows, Mark, Payload, Plane
from inspector.protocol.registry import Registry
from inspector.report.packets import line_of
from inspector.report.present import Shown
from inspector.report.rows import CaptureRows
from inspector.session.redact import Redactor, mask_reason, mask_unknown
from inspector.session.state import Connection
from inspector.store.reader import StoredFrame, explained
from inspector.wire.decoder import read_payload
from inspector.wire.dialect import Compression, sniff
from inspector.wire.packets import described
from inspector.words import size

ROW = 16
"""Bytes of one line of a hexdump."""

# Rows around one among which its neighbours in the same message are looked for.
_NEAR = 500


@dataclass(frozen=True, slots=True)
class WireFrame:
    """One message, ping, pong or end of a connection, as it is shown."""

    number: int
    """From 1, over all connections of the capture."""
    at_ns: int
    from_client: bool | None
    is_text: bool | None
    """None for what is not a message."""
    marks: Mark
    data: bytes
    """As its sender sent it, of the same length; masked unless secrets are revealed."""
    forwarded: bytes | None = None
    """What the other end got instead, where the proxy changed it; masked likewise."""
    packet: str = ""
    """Of voice media: what is in it in clear, in words."""


@dataclass(slots=True)
class WireFacts:
    """All that the wire view shows of a row."""

    frames: tuple[WireFrame, ...]
    """None for an open."""
    wire_bytes: int
    """Of all frames."""
    decoded_bytes: int
    """0 where nothing was decoded."""
    encoding: str | None
    """``json``, ``etf`` or ``binary``."""
    compression: str | None
    """``zlib-stream``, ``zstd-stream`` or ``payload``; None where these bytes were not compressed."""
    notes: tuple[str, ...]
    """Sentences: what the proxy did, what was undone before the bytes were stored."""
    _payload: bytes | None = field(repr=False)
    _mask: "_Mask | None" = field(repr=False)

    @property
    def decoded(self) -> bytes | None:
        """What the frames decode to, masked; None where that is nothing. The first call takes 0.1 s for each MB."""
        if self._mask is not None and self._payload is not None:
            self._payload, self._mask = self._mask.plain(self._payload), None
        return self._payload

    @property
    def ratio(self) -> float | None:
        """Decoded bytes for each byte on the wire; None where nothing was decoded."""
        return self.decoded_bytes / self.wire_bytes if self.wire_bytes and self.decoded_bytes else None


class HexLine(NamedTuple):
    """Sixteen bytes, or what is left."""

    offset: str
    """Eight hex digits, more where that is not enough."""
    hex: str
    """``7b 22 6f 70 22 3a 31 30  2c 22 64 22 3a 7b 7d 7d``: 48 columns, whatever is in it."""
    text: str
    """The same in ASCII, ``.`` for what cannot be printed."""


def wire_facts(shown: Shown, rows: CaptureRows, registry: Registry, *, reveal: bool = False) -> WireFacts:
    """Return how the row `shown` of a capture crossed the wire."""
    event = shown.event
    connection = rows.connection(event.connection)
    stored = rows.reader.frames(event)
    compression = _compression(event, connection, stored)
    mask = None if reveal else _Mask(event, connection, registry, _neighbours(event, rows) if compression else ())
    frames = tuple(_shown(frame, event.plane, compression, mask) for frame in stored)
    payload = event.payload if event.kind is Kind.PAYLOAD else None
    if len(stored) == 1 and stored[0].data == payload:
        # It is masked already.
        payload, mask = frames[0].data, None
    return WireFacts(
        frames=frames,
        wire_bytes=event.wire_bytes,
        decoded_bytes=event.decoded_bytes,
        encoding=event.encoding,
        compression=compression,
        notes=(*_notes(event, connection, stored), *(mask.notes(compressed=compression is not None) if mask else ())),
        _payload=payload,
        _mask=mask,
    )


def hex_lines(data: bytes) -> int:
    """Return how many lines the hexdump of `data` has."""
    return -(-len(data) // ROW)


def hexdump(data: bytes, offset: int = 0, count: int = 1000) -> Iterator[HexLine]:
    """Yield at most `count` lines of the hexdump of `data`, beginning with line number `offset`, from 0.

    Takes time for those lines only, however long `data` is.
    """
    first = max(0, offset)
    for line in range(first, min(hex_lines(data), first + max(0, count))):
        at = line * ROW
        piece = data[at : at + ROW]
        left, right = piece[:8].hex(" "), piece[8:].hex(" ")
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
        yield HexLine(f"{at:08x}", f"{left:23}  {right:23}", text)


def _shown(frame: StoredFrame, plane: Plane, compression: str | None, mask: "_Mask | None") -> WireFrame:
    data, forwarded = b"" if frame.marks & Mark.WITHHELD else frame.data, frame.forwarded
    if mask is not None:
        data = mask.wire(data, compressed=compression is not None)
        forwarded = forwarded if forwarded is None else mask.wire(forwarded, compressed=compression is not None)
    packet = (
        line_of({**described(frame.data), "bytes": len(frame.data)})
        if plane is Plane.MEDIA and frame.is_text is not None
        else ""
    )
    return WireFrame(frame.number, frame.at_ns, frame.from_client, frame.is_text, frame.marks, data, forwarded, packet)


def _compression(event: Event, connection: Connection, stored: list[StoredFrame]) -> str | None:
    """Return how these very bytes were compressed: not all that crosses a compressed connection is."""
    if event.kind not in (Kind.PAYLOAD, Kind.UNDECODED) or not stored or stored[0].is_text:
        return None
    streams = (Compression.ZLIB.value, Compression.ZSTD.value)
    if not event.from_client and not event.marks & Mark.INJECTED and connection.compression in streams:
        return connection.compression
    return "payload" if event.encoding != "binary" and sniff(stored[0].data) is Compression.ZLIB else None


def _neighbours(event: Event, rows: CaptureRows) -> list[Event]:
    """Return the other payloads that are in the same messages: in a stream, one may end where the next begins."""
    with explained(rows.reader.path):
        found = rows.reader.db.execute(
            "select id from event where id between ? and ? and id <> ? and connection = ? and kind = ?"
            " and from_client is ? and first_frame <= ? and last_frame >= ? limit ?",
            (
                *(event.n - _NEAR, event.n + _NEAR, event.n),
                *(event.connection, Kind.PAYLOAD.value, event.from_client),
                *(event.last_frame, event.first_frame, _NEAR),
            ),
        ).fetchall()
    return [other for (number,) in found for other in rows.reader.events(number - 1, 1)]


def _notes(event: Event, connection: Connection, stored: list[StoredFrame]) -> Iterator[str]:
    if event.marks & Mark.INJECTED:
        yield "The proxy created this; the other end never sent it."
    if event.marks & Mark.DROPPED:
        yield "The proxy did not forward it."
    for frame in stored:
        if frame.forwarded is not None:
            sizes = f"{size(len(frame.forwarded))} instead of {size(len(frame.data))}"
            yield f"The proxy forwarded something else in place of frame {frame.number:,}: {sizes}."
    if event.kind in (Kind.PAYLOAD, Kind.UNDECODED) and stored and not event.wire_bytes:
        yield "It came in the same message as the row before, which has all of the bytes."
    if any(frame.marks & Mark.WITHHELD for frame in stored):
        yield "It could not be read, so secrets in it could not be found: its bytes were not recorded."
    elif any(frame.marks & Mark.REDACTED for frame in stored):
        yield "Secrets were masked in these bytes when they were recorded; they are not in the capture."
    if Knows.WIRE not in connection.opened.knows:
        yield "They are the payload as its log has it; what was on the wire is not known."
    if "permessage-deflate" in connection.opened.headers.get("response-sec-websocket-extensions", ""):
        yield "WebSocket's own compression (permessage-deflate) was undone before these bytes were stored."


class _Mask:
    """Masks the secrets of one event, in its frames and in what they decode to. The length stays where it can."""

    def __init__(
        self, event: Event, connection: Connection, registry: Registry, neighbours: Iterable[Event] = ()
    ) -> None:
        self._redactor = Redactor(registry)
        self._event = event
        self._name = _name(event, registry)
        self._version = connection.version
        self._d = _body(event, connection)
        self._is_secret = (
            self._d is ABSENT
            or self._has_secrets(event, self._name, self._d)
            or any(self._has_secrets(other, _name(other, registry), _body(other, connection)) for other in neighbours)
        )

    def _has_secrets(self, event: Event, name: str, d: Any) -> bool:
        return self._redactor.mask(event.plane, name, d) is not d

    def wire(self, data: bytes, *, compressed: bool) -> bytes:
        """Return the bytes of one frame masked."""
        if self._event.kind is Kind.CLOSE:
            return data[:2] + mask_reason(data[2:].decode(errors="replace")).encode()
        if self._event.kind is Kind.CONTROL:
            return mask_unknown(data)
        if self._event.plane is Plane.MEDIA and self._event.kind is Kind.PAYLOAD:
            return data
        if self._event.kind is Kind.UNDECODED:
            return b"*" * len(data)
        if compressed:
            return data[:4].ljust(len(data), b"*") if self._is_secret else data
        return self.plain(data)

    def notes(self, *, compressed: bool) -> Iterator[str]:
        """Yield a sentence where bytes are not shown."""
        if self._event.marks & Mark.WITHHELD:
            return
        if self._event.kind is Kind.UNDECODED and self._event.wire_bytes:
            yield "These bytes could not be read, so they may hold secrets: hidden unless secrets are revealed."
        elif self._event.kind is Kind.PAYLOAD and compressed and self._is_secret:
            yield "These compressed bytes contain a secret: hidden unless secrets are revealed."

    def plain(self, data: bytes) -> bytes:
        """Return JSON text, an ETF term or a voice gateway's binary message masked."""
        found = read_payload(
            self._event.plane,
            self._event.encoding or "json",
            data,
            from_client=bool(self._event.from_client),
            version=self._version,
        )
        if not isinstance(found, Payload) or not data.startswith(found.data):
            return b"*" * len(data)
        d = {"d": found.d, **found.extra}
        masked = self._redactor.mask_bytes(self._event.plane, self._name, found.encoding, found.data, d)
        # What follows a payload belongs to none.
        return masked + b"*" * (len(data) - len(found.data))


def _name(event: Event, registry: Registry) -> str:
    return event.event or registry.name(event.plane, event.op)


def _body(event: Event, connection: Connection) -> Any:
    """Return the body of a payload as it came, with what else is in the message; `ABSENT` if there is none."""
    if event.kind is not Kind.PAYLOAD or event.payload is None or event.encoding is None:
        return ABSENT
    payload = read_payload(
        event.plane, event.encoding, event.payload, from_client=bool(event.from_client), version=connection.version
    )
    return {"d": payload.d, **payload.extra} if isinstance(payload, Payload) else ABSENT
