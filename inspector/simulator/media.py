"""The voice server's UDP: it tells a client under which address it is seen, and takes no media.

The rule: whatever else arrives is not answered. Layout: https://discord.com/developers/docs/topics/voice-connections,
"IP Discovery".
"""

import asyncio
import struct
from typing import Any

# Type, length of what follows, SSRC, address in ASCII with zeros behind it, port.
_PACKET = struct.Struct(">HHI64sH")
_REQUEST, _RESPONSE = 1, 2
_LENGTH = 70


class Discovery(asyncio.DatagramProtocol):
    """Answers IP discovery."""

    _transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if (answer := answer_to(data, addr[0], addr[1])) is not None:
            self._transport.sendto(answer, addr)


def answer_to(packet: bytes, address: str, port: int) -> bytes | None:
    """Return the answer to a packet from `address` and `port`; None where it asks for nothing."""
    if len(packet) != _PACKET.size:
        return None
    kind, length, ssrc, _, _ = _PACKET.unpack(packet)
    if (kind, length) != (_REQUEST, _LENGTH):
        return None
    return _PACKET.pack(_RESPONSE, _LENGTH, ssrc, address.encode("ascii"), port)
