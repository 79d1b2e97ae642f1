"""Which packets of a call end in DAVE's trailer: looked up while the call's key is at hand, and marked for good.

The trailer is inside the transport encryption, and the key to that is masked before anything is stored. So it has to be
looked for in passing. What was seen is a mark on the packet, and never more: rules read that, also when a capture is
derived again and no one has the key any more.

A few packets of each stream suffice: at most five a second, at some 10 us each. Of a video frame only the last packet
has the trailer, and that has RTP's marker; silence passes without it.

Source: https://github.com/discord/dave-protocol/blob/main/protocol.md
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import orjson

from inspector.model import Closed, Frame, Mark, Opened, Plane
from inspector.protocol.ops import VoiceOp
from inspector.session.media import MAX_RUNS, USUAL_CODECS
from inspector.wire.packets import DISCOVERY, RTP_HEADER, Packet, read_packet

# Time from one packet of a stream that is looked into to the next.
_EVERY_NS = 200_000_000
# Calls whose keys are remembered, and voice and media connections that are followed at once.
_MAX_KEYS, _MAX_CONNECTIONS = 256, 1000
# Bytes of the largest Ready or Session Description that is read.
_MAX_TEXT = 64 * 1024


class _Key(NamedTuple):
    mode: str
    secret: bytes


@dataclass(slots=True)
class _Voice:
    ssrc: int | None = None
    """What Ready gave the client."""


@dataclass(slots=True)
class _Media:
    ssrc: int | None = None
    """The client's, as IP discovery or its own sound shows."""
    due_ns: OrderedDict[tuple[bool, bytes], int] = field(default_factory=OrderedDict)
    """By direction and SSRC: when the stream is looked into next."""


class Trailers:
    """Follows calls as they are recorded, in order, before secrets are masked."""

    def __init__(self) -> None:
        self._keys: OrderedDict[int, _Key] = OrderedDict()
        """By the SSRC of the client. A call that is resumed keeps its key."""
        self.followed: OrderedDict[int, _Voice | _Media] = OrderedDict()
        """Connections whose messages are to be passed to `look`, by number."""

    def follow(self, what: Opened | Closed) -> None:
        """Take in that a connection begins or ends."""
        self.followed.pop(what.connection, None)
        if isinstance(what, Opened) and what.refusal is None and what.plane in (Plane.VOICE, Plane.MEDIA):
            self.followed[what.connection] = _Voice() if what.plane is Plane.VOICE else _Media()
            if len(self.followed) > _MAX_CONNECTIONS:
                self.followed.popitem(last=False)

    def look(self, frame: Frame) -> Frame:
        """Return a message of one of `followed`, with `Mark.DAVE` or `Mark.NO_DAVE` where it is a packet that shows."""
        connection = self.followed[frame.connection]
        if isinstance(connection, _Voice):
            if not frame.from_client and frame.is_text and len(frame.data) <= _MAX_TEXT:
                self._hear(connection, frame.data)
            return frame
        mark = self._seen(connection, frame)
        return replace(frame, marks=frame.marks | mark) if mark else frame

    def _hear(self, voice: _Voice, text: bytes) -> None:
        """Take in what the voice gateway says of SSRC and key."""
        if b'"modes"' not in text and b'"secret_key"' not in text:
            return
        try:
            said = orjson.loads(text)
        except (ValueError, RecursionError):
            return
        match said:
            case {"op": VoiceOp.READY, "d": {"ssrc": int(ssrc)}}:
                voice.ssrc = ssrc
            case {"op": VoiceOp.SESSION_DESCRIPTION, "d": {"mode": str(mode), "secret_key": [*numbers]}}:
                is_key = any(numbers) and all(type(each) is int and 0 <= each < 256 for each in numbers)
                if voice.ssrc is not None and is_key:
                    self._keys[voice.ssrc] = _Key(mode, bytes(numbers))
                    self._keys.move_to_end(voice.ssrc)
                    if len(self._keys) > _MAX_KEYS:
                        self._keys.popitem(last=False)

    def _seen(self, media: _Media, frame: Frame) -> Mark:
        data = frame.data
        if len(data) == DISCOVERY.size and frame.from_client and (packet := read_packet(data)).kind == "discovery":
            # It comes before the key.
            media.ssrc = packet.ssrc
        # Nearly all packets are passed over, so they are told apart before they are read.
        elif self._keys and len(data) >= RTP_HEADER and _may_end_frame(data) and self._is_due(media, frame):
            packet = read_packet(data)
            if media.ssrc is None and frame.from_client and packet.ssrc in self._keys:
                media.ssrc = packet.ssrc
            key = self._keys.get(media.ssrc) if media.ssrc is not None else None
            if key is not None and packet.rtp is not None:
                return _ending(data, packet, key)
        return Mark.NONE

    def _is_due(self, media: _Media, frame: Frame) -> bool:
        """Return whether a packet is to be looked at, and when the next of its stream is."""
        stream = frame.from_client, frame.data[8:12]
        if frame.at_ns < media.due_ns.get(stream, 0):
            return False
        media.due_ns[stream] = frame.at_ns + _EVERY_NS
        if len(media.due_ns) > MAX_RUNS:
            media.due_ns.popitem(last=False)
        return True


def _may_end_frame(data: bytes) -> bool:
    """Return whether RTP would have the marker here, or the payload type of sound, each packet of which is a frame."""
    return data[1] > 0x7F or data[1] in USUAL_CODECS


def _ending(data: bytes, packet: Packet, key: _Key) -> Mark:
    """Return what a packet shows once its transport encryption is undone."""
    # Ciphers take a while to load, and few recordings have packets.
    from inspector.wire.unsealed import SILENCE, SealedError, unseal

    try:
        found = unseal(data, packet, key.mode, key.secret)
    except SealedError:
        return Mark.NONE
    if not found.payload or found.payload == SILENCE:
        return Mark.NONE
    return Mark.NO_DAVE if found.trailer is None else Mark.DAVE
