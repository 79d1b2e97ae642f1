"""The voice server's UDP: what each packet is, and what is in it in clear.

No packet says what it is, so they are told apart in this order: IP discovery by its type and length, ping and pong by
their magic, STUN by its cookie, DTLS by its first byte, RTP and RTCP by version 2 and the packet type, a keep-alive by
its length and zeros. Whatever is left is ``unknown``.

Layouts: https://docs.discord.com/developers/topics/voice-connections for IP discovery, RFC 3550 sections 5.1 and 6 for
RTP and RTCP, RFC 8285 for extensions; pings and keep-alives as clients send them.
"""

import struct
from typing import Any, NamedTuple

DISCOVERY = struct.Struct(">HHI64sH")
"""IP discovery: type, length of what follows, SSRC, address in ASCII with zeros behind it, port."""
DISCOVERY_TYPES = {1: "request", 2: "response"}
DISCOVERY_LENGTH = 70
RTP_HEADER = 12
"""Bytes of an RTP header without CSRCs and extension."""
RTCP_HEADER = 8
"""Bytes of an RTCP header with the sender's SSRC, which stay in clear."""
RTCP_TYPES = {
    200: "sender report",
    201: "receiver report",
    202: "source description",
    203: "goodbye",
    204: "application",
    205: "transport feedback",
    206: "payload feedback",
}
KINDS = ("discovery", "ping", "pong", "keep-alive", "rtp", "rtcp", "stun", "dtls", "unknown")
"""All that a packet can be; each is an opcode of the plane ``media``."""

_PING, _PONG = b"\x13\x37\xca\xfe", b"\x13\x37\xf0\x0d"
_STUN = b"\x21\x12\xa4\x42"
_RTP = struct.Struct(">BBHII")
_WORD = struct.Struct(">I")
_EXTENSION = struct.Struct(">HH")
_KEEP_ALIVE_LENGTH = 8
_UNKNOWN_SHOWN = 32


class Rtp(NamedTuple):
    """The header of an RTP packet; in the modes that Discord uses, all of it is in clear."""

    sequence: int
    """16 bits."""
    timestamp: int
    """32 bits, in units of the codec's clock."""
    payload_type: int
    marker: bool
    padded: bool
    csrcs: tuple[int, ...]
    profile: int | None
    """Of the header extension; None where there is none."""
    words: int
    """Length of the extension's elements, in words of 4 bytes; they are encrypted."""
    header: int
    """Bytes in clear: what encryption authenticates besides the rest."""
    is_whole: bool
    """Whether the packet is as long as its header says."""


class Packet(NamedTuple):
    """One packet."""

    kind: str
    """One of `KINDS`."""
    ssrc: int | None = None
    rtp: Rtp | None = None
    number: int | None = None
    """Of a ping, a pong or a keep-alive: what its answer repeats."""


def read_packet(data: bytes) -> Packet:
    """Say what a packet is. Takes any bytes."""
    size = len(data)
    if size == DISCOVERY.size and data[:4] in (b"\x00\x01\x00\x46", b"\x00\x02\x00\x46"):
        return Packet("discovery", _WORD.unpack_from(data, 4)[0])
    if size >= RTCP_HEADER and data[0] >> 6 == 2:
        if 192 <= data[1] <= 223:
            return Packet("rtcp", _WORD.unpack_from(data, 4)[0])
        if size >= RTP_HEADER:
            return _rtp(data)
    magic = data[:4]
    if size == 8 and magic in (_PING, _PONG):
        return Packet("ping" if magic == _PING else "pong", number=_WORD.unpack_from(data, 4)[0])
    if size >= 20 and data[0] <= 3 and data[4:8] == _STUN:
        return Packet("stun")
    if size and 20 <= data[0] <= 63:
        return Packet("dtls")
    if size == _KEEP_ALIVE_LENGTH and not any(data[4:]):
        return Packet("keep-alive", number=int.from_bytes(data[:4], "little"))
    return Packet("unknown")


def _rtp(data: bytes) -> Packet:
    first, second, sequence, timestamp, ssrc = _RTP.unpack_from(data)
    count = first & 0x0F
    header = RTP_HEADER + 4 * count
    size = len(data)
    csrcs: tuple[int, ...] = ()
    if count:
        csrcs = tuple(_WORD.unpack_from(data, at)[0] for at in range(RTP_HEADER, min(header, size - 3), 4))
    profile, words = None, 0
    is_whole = header <= size
    if first & 0x10:
        if header + 4 <= size:
            profile, words = _EXTENSION.unpack_from(data, header)
        else:
            is_whole = False
        header += 4
    rtp = Rtp(
        sequence, timestamp, second & 0x7F, second > 0x7F, bool(first & 0x20), csrcs, profile, words, header, is_whole
    )
    return Packet("rtp", ssrc, rtp)


def described(data: bytes) -> dict[str, Any]:
    """Return the fields of a packet that are in it in clear, for people and for JSON."""
    packet = read_packet(data)
    found: dict[str, Any] = {}
    if packet.ssrc is not None:
        found["ssrc"] = packet.ssrc
    if packet.number is not None:
        found["number"] = packet.number
    if packet.kind == "discovery":
        kind, _, ssrc, address, port = DISCOVERY.unpack(data)
        text = address.rstrip(b"\0").decode("ascii", "backslashreplace")
        return {"type": DISCOVERY_TYPES[kind], "ssrc": ssrc, "address": text, "port": port}
    if packet.rtp is not None:
        found |= _described_rtp(packet.rtp, len(data))
    elif packet.kind == "rtcp":
        found["type"] = RTCP_TYPES.get(data[1], data[1])
        found["count"] = data[0] & 0x1F
        found["length"] = 4 * (int.from_bytes(data[2:4]) + 1)
    elif packet.kind == "unknown":
        found["begins"] = data[:_UNKNOWN_SHOWN].hex()
    return found


def _described_rtp(rtp: Rtp, size: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "sequence": rtp.sequence,
        "timestamp": rtp.timestamp,
        "payload_type": rtp.payload_type,
        "marker": rtp.marker,
    }
    if rtp.csrcs:
        found["csrcs"] = list(rtp.csrcs)
    if rtp.profile is not None:
        found["extension"] = {"profile": f"{rtp.profile:04x}", "bytes": 4 * rtp.words}
    if rtp.padded:
        found["padded"] = True
    if not rtp.is_whole:
        found["problem"] = f"its header should have {rtp.header} bytes, the packet has {size}"
    return found
