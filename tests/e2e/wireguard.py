"""A WireGuard client in user space: one tunnel that carries UDP over IPv4, as a device with mitmproxy's keys has it.

It is for the tests: one handshake, no rekeying, no cookies, no roaming. What comes in and does not verify raises, so
that a test fails where the tunnel is at fault.

Handshake and messages: https://www.wireguard.com/papers/wireguard.pdf section 5.4, Noise_IKpsk2 with BLAKE2s.
IPv4 and UDP: RFC 791 section 3.1, RFC 768.
"""

import asyncio
import hmac
import json
import struct
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2s
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

Address = tuple[str, int]

DEVICE = "10.0.0.1"
"""The address that mitmproxy gives the device."""
# Seconds that the server may take to shake hands.
_PATIENCE = 10

_CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
_IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
_INITIATION = struct.Struct("<II32s48s28s")
_RESPONSE = struct.Struct("<III32s16s16s16s")
_TRANSPORT = struct.Struct("<IIQ")
_IPV4 = struct.Struct(">BBHHHBBH4s4s")
_UDP = struct.Struct(">HHHH")
_UDP_PROTOCOL = 17
# Our number for the session.
_INDEX = 0x5EED


class Datagram(NamedTuple):
    """UDP as it goes through the tunnel."""

    source: Address
    to: Address
    data: bytes


class Handshake:
    """The initiator's side of Noise_IKpsk2, with no pre-shared key."""

    def __init__(self, client_key: bytes, server_key: bytes) -> None:
        self._static = X25519PrivateKey.from_private_bytes(client_key)
        # mitmproxy's file has both private keys, as it sets up both ends.
        self._server = X25519PrivateKey.from_private_bytes(server_key).public_key()
        self._ephemeral = X25519PrivateKey.generate()
        self._chain = _hash(_CONSTRUCTION)
        self._seen = _hash(_hash(self._chain + _IDENTIFIER) + _raw(self._server))

    def initiation(self) -> bytes:
        """Return the first message."""
        ephemeral = _raw(self._ephemeral.public_key())
        self._note(ephemeral)
        (self._chain,) = _derive(self._chain, ephemeral, 1)
        static = self._seal(self._ephemeral.exchange(self._server), _raw(self._static.public_key()))
        now = time.time_ns()
        # TAI64N: seconds since 1970 and ten more, and nanoseconds.
        stamp = struct.pack(">QI", (1 << 62) + 10 + now // 10**9, now % 10**9)
        message = _INITIATION.pack(1, _INDEX, ephemeral, static, self._seal(self._static.exchange(self._server), stamp))
        mac1 = blake2s(message, key=_hash(b"mac1----" + _raw(self._server)), digest_size=16).digest()
        return message + mac1 + bytes(16)

    def finish(self, response: bytes) -> "Keys":
        """Take the second message and return the keys of the session. Raises InvalidTag, ValueError."""
        kind, index, mine, ephemeral, empty, _, _ = _RESPONSE.unpack(response)
        if (kind, mine) != (2, _INDEX):
            raise ValueError(f"a message of type {kind} for {mine:#x} is no response for {_INDEX:#x}")
        self._note(ephemeral)
        shared = (
            each.exchange(X25519PublicKey.from_public_bytes(ephemeral)) for each in (self._ephemeral, self._static)
        )
        for secret in (ephemeral, *shared):
            (self._chain,) = _derive(self._chain, secret, 1)
        self._chain, told, key = _derive(self._chain, bytes(32), 3)
        self._note(told)
        ChaCha20Poly1305(key).decrypt(bytes(12), empty, self._seen)
        send, receive = _derive(self._chain, b"", 2)
        return Keys(index, ChaCha20Poly1305(send), ChaCha20Poly1305(receive))

    def _note(self, said: bytes) -> None:
        self._seen = _hash(self._seen + said)

    def _seal(self, secret: bytes, plain: bytes) -> bytes:
        self._chain, key = _derive(self._chain, secret, 2)
        sealed = ChaCha20Poly1305(key).encrypt(bytes(12), plain, self._seen)
        self._note(sealed)
        return sealed


class Keys(NamedTuple):
    """What a session has once hands are shaken."""

    index: int
    """The server's number for it."""
    send: ChaCha20Poly1305
    receive: ChaCha20Poly1305


class Tunnel(asyncio.DatagramProtocol):
    """A session with a WireGuard server."""

    _transport: asyncio.DatagramTransport
    _keys: Keys

    def __init__(self) -> None:
        self._messages: asyncio.Queue[bytes] = asyncio.Queue()
        self._counter = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._messages.put_nowait(data)

    async def shake_hands(self, client_key: bytes, server_key: bytes) -> None:
        """Begin the session. Raises InvalidTag, TimeoutError, ValueError."""
        handshake = Handshake(client_key, server_key)
        self._transport.sendto(handshake.initiation())
        self._keys = handshake.finish(await asyncio.wait_for(self._messages.get(), _PATIENCE))

    def send(self, port: int, to: Address, data: bytes) -> None:
        """Send UDP from a port of the device."""
        packet = ip_packet(Datagram((DEVICE, port), to, data))
        nonce = struct.pack("<4xQ", self._counter)
        sealed = self._keys.send.encrypt(nonce, packet + bytes(-len(packet) % 16), b"")
        self._transport.sendto(_TRANSPORT.pack(4, self._keys.index, self._counter) + sealed)
        self._counter += 1

    async def receive(self) -> Datagram:
        """Return the next UDP that comes for the device. Raises InvalidTag, ValueError."""
        while True:
            message = await self._messages.get()
            kind, index, counter = _TRANSPORT.unpack_from(message)
            if (kind, index) != (4, _INDEX):
                raise ValueError(f"a message of type {kind} for {index:#x} is none of session {_INDEX:#x}")
            packet = self._keys.receive.decrypt(struct.pack("<4xQ", counter), message[_TRANSPORT.size :], b"")
            # An empty one only says that the server is there.
            if packet:
                return read_ip_packet(packet)


@asynccontextmanager
async def tunnel(configuration: Path, server: Address) -> AsyncIterator[Tunnel]:
    """Give a tunnel to the mitmproxy at `server`, with the keys of its `wireguard.conf`."""
    keys = json.loads(configuration.read_text("utf-8"))
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(Tunnel, remote_addr=server)
    try:
        await made.shake_hands(b64decode(keys["client_key"]), b64decode(keys["server_key"]))
        yield made
    finally:
        transport.close()


def ip_packet(datagram: Datagram) -> bytes:
    """Return the IPv4 packet of a datagram."""
    (source, source_port), (to, to_port), data = datagram
    addresses = IPv4Address(source).packed, IPv4Address(to).packed
    size = _UDP.size + len(data)
    udp = _UDP.pack(source_port, to_port, size, 0) + data
    udp = udp[:6] + struct.pack(">H", _checksum(_pseudo(addresses, udp)) or 0xFFFF) + data
    header = _IPV4.pack(0x45, 0, _IPV4.size + size, 0, 0, 64, _UDP_PROTOCOL, 0, *addresses)
    return header[:10] + struct.pack(">H", _checksum(header)) + header[12:] + udp


def read_ip_packet(packet: bytes) -> Datagram:
    """Return the datagram of an IPv4 packet, padding behind it left out. Raises ValueError."""
    first, _, total, _, _, _, protocol, _, *addresses = _IPV4.unpack_from(packet)
    start = 4 * (first & 0x0F)
    udp = packet[start:total]
    if first >> 4 != 4 or protocol != _UDP_PROTOCOL:
        raise ValueError(f"IP version {first >> 4}, protocol {protocol} is no UDP over IPv4")
    if _checksum(packet[:start]) or _checksum(_pseudo(tuple(addresses), udp)):
        raise ValueError("a checksum is wrong")
    source_port, to_port, _, _ = _UDP.unpack_from(udp)
    source, to = (str(IPv4Address(each)) for each in addresses)
    return Datagram((source, source_port), (to, to_port), udp[_UDP.size :])


def _pseudo(addresses: tuple[bytes, ...], udp: bytes) -> bytes:
    return b"".join(addresses) + struct.pack(">HH", _UDP_PROTOCOL, len(udp)) + udp


def _checksum(data: bytes) -> int:
    """Return the checksum of RFC 1071; 0 over data that hold the right one."""
    total = sum(word for (word,) in struct.iter_unpack(">H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _hash(data: bytes) -> bytes:
    return blake2s(data).digest()


def _derive(chain: bytes, secret: bytes, count: int) -> list[bytes]:
    """Return `count` keys of 32 bytes, by HKDF."""
    start = hmac.new(chain, secret, blake2s).digest()
    keys = [b""]
    for number in range(1, count + 1):
        keys.append(hmac.new(start, keys[-1] + bytes((number,)), blake2s).digest())
    return keys[1:]


def _raw(key: X25519PublicKey) -> bytes:
    return key.public_bytes_raw()
