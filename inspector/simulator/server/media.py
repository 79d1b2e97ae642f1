"""The voice server's UDP: tells a client under which address it is seen, answers pings, and speaks when told to.

The rule: what is said has the form that Discord's has, down to both encryptions, and is no sound that anybody made.
Layouts: https://docs.discord.com/developers/topics/voice-connections and RFC 3550.
"""

import asyncio
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from inspector.errors import EnvironmentProblem
from inspector.wire.packets import DISCOVERY, DISCOVERY_LENGTH, read_packet

FRAME_SECONDS = 0.02
"""How long an Opus frame is."""
SILENT_FRAMES = 5
"""Frames of silence that end what is said."""
FRAMES = 40
"""Frames that clients say when they are told to speak."""
SILENCE = b"\xf8\xff\xfe"
"""A frame of silence."""
_REQUEST, _RESPONSE = 1, 2
_OPUS = 120
_SAMPLES = 960
# One element, an audio level: id 1, one byte; then zeros up to a whole word.
_LEVEL = bytes((0x10, 0x80 | 30, 0, 0))
_EXTENSION = struct.pack(">HH", 0xBEDE, 1)


class MediaServer(asyncio.DatagramProtocol):
    """All of Discord's media servers. `port` is what clients are told, where something is in between."""

    _transport: asyncio.DatagramTransport

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.heard: Counter[int] = Counter()
        """RTP packets that have come, by SSRC."""
        self.asked = asyncio.Event()
        """Set when a client asks for its address, or tries to."""
        self._clients: dict[int, Any] = {}

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.port = self.port or transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        packet = read_packet(data)
        if packet.kind == "rtp" and packet.ssrc is not None:
            self.heard[packet.ssrc] += 1
        if packet.kind == "discovery" and packet.ssrc is not None:
            self.asked.set()
            self._clients[packet.ssrc] = addr
        if (answer := answer_to(data, addr[0], addr[1])) is not None:
            self._transport.sendto(answer, addr)

    def send(self, client: int, packet: bytes) -> int:
        """Send a packet to the client with that SSRC, if it has ever shown where it is; return how many were sent."""
        if client not in self._clients:
            return 0
        self._transport.sendto(packet, self._clients[client])
        return 1


def answer_to(packet: bytes, address: str, port: int) -> bytes | None:
    """Return the answer to a packet from `address` and `port`; None where it asks for nothing."""
    found = read_packet(packet)
    if found.kind == "keep-alive":
        return packet
    if found.kind == "ping":
        return b"\x13\x37\xf0\x0d" + packet[4:]
    if found.kind != "discovery":
        return None
    kind, length, ssrc, _, _ = DISCOVERY.unpack(packet)
    return DISCOVERY.pack(_RESPONSE, length, ssrc, address.encode("ascii"), port) if kind == _REQUEST else None


def discovery_request(ssrc: int) -> bytes:
    """Return the packet by which a client asks for its address."""
    return DISCOVERY.pack(_REQUEST, DISCOVERY_LENGTH, ssrc, b"", 0)


def discovery_answer(ssrc: int) -> bytes:
    """Return the packet in which nobody is told an address."""
    return DISCOVERY.pack(_RESPONSE, DISCOVERY_LENGTH, ssrc, b"", 0)


class Speaker:
    """One source of sound: makes its packets, numbered, timed and encrypted for the voice server."""

    def __init__(self, ssrc: int, mode: str, key: bytes) -> None:
        self.ssrc = ssrc
        self._seal = _sealer(mode, key)
        # Sources begin anywhere; this one near the place where numbers wrap.
        self._sequence = 0xFFF0
        self._timestamp = 48_000
        self._counter = 0

    def packet(self, frame: bytes) -> bytes:
        """Return the next packet, which carries a frame."""
        header = struct.pack(">BBHII", 0x90, _OPUS, self._sequence, self._timestamp, self.ssrc) + _EXTENSION
        counter = struct.pack(">I", self._counter)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + _SAMPLES) & 0xFFFFFFFF
        self._counter += 1
        return header + self._seal(_LEVEL + frame, header, counter) + counter


def speech(count: int) -> list[bytes]:
    """Return `count` frames and the silence behind them."""
    # The first byte says what an Opus frame is like: 20 ms, mono.
    frames = [bytes((0x78, *((7 * number + at) & 0xFF for at in range(60 + number % 20)))) for number in range(count)]
    return frames + [SILENCE] * SILENT_FRAMES


def _sealer(mode: str, key: bytes) -> Callable[[bytes, bytes, bytes], bytes]:
    """Return what encrypts a plaintext, given with the clear header and the counter."""
    if mode == "aead_aes256_gcm_rtpsize":
        return lambda plain, clear, counter: AESGCM(key).encrypt(counter.ljust(12, b"\0"), plain, clear)
    if mode == "aead_xchacha20_poly1305_rtpsize":
        from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt

        return lambda plain, clear, counter: bytes(encrypt(plain, clear, counter.ljust(24, b"\0"), key))
    raise EnvironmentProblem(f"the simulator's voice server does not know the mode {mode}")
