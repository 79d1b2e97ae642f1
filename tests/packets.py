"""Packets around bytes, as a machine sends them, and capture files around packets: for tests without a network.

    talk = TcpTalk()
    talk.opens().client(b"GET / HTTP/1.1\\r\\n\\r\\n").server(b"…").ends("server")
    path.write_bytes(pcap(talk.packets))

Ten milliseconds pass with each packet. Checksums are zero, as where a network card fills them in.
"""

import gzip
import ipaddress
import struct
from collections.abc import Callable, Iterable, Sequence

from tests.conversation import NOON, STEP

Packet = tuple[int, bytes]
"""When it passed, and the IP packet."""

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLIENT, SERVER = ("10.0.0.2", 50_000), ("162.159.130.234", 443)
ETHERNET, RAW, COOKED, COOKED_2, NULL, LOOP = 1, 101, 113, 276, 0, 108


def ip(source: str, destination: str, protocol: int, body: bytes, *, fragment: int = 0, number: int = 0) -> bytes:
    """Return an IP packet, of the version of its addresses. `fragment`: as in the header of IPv4."""
    src, dst = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if src.version == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), number, fragment, 64, protocol, 0)
        return head + src.packed + dst.packed + body
    if fragment:
        place, more = fragment & 0x1FFF, fragment >> 13 & 1
        body, protocol = struct.pack("!BBHI", protocol, 0, place << 3 | more, number) + body, 44
    return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + src.packed + dst.packed + body


def fragments(source: str, destination: str, protocol: int, body: bytes, size: int) -> list[bytes]:
    """Return a datagram in fragments of `size` bytes, a multiple of 8."""
    starts = range(0, len(body), size)
    return [
        ip(
            source,
            destination,
            protocol,
            body[start : start + size],
            fragment=start // 8 | (0x2000 if start + size < len(body) else 0),
            number=7,
        )
        for start in starts
    ]


def udp(source: tuple[str, int], destination: tuple[str, int], data: bytes) -> bytes:
    """Return an IP packet with a UDP datagram."""
    head = struct.pack("!HHHH", source[1], destination[1], 8 + len(data), 0)
    return ip(source[0], destination[0], 17, head + data)


class TcpTalk:
    """One connection, as a transcript of what both ends say."""

    def __init__(
        self,
        client: tuple[str, int] = CLIENT,
        server: tuple[str, int] = SERVER,
        *,
        at_ns: int = NOON,
        numbers: tuple[int, int] = (1000, 2_000_000_000),
        segment: int = 1400,
        step_ns: int = STEP,
    ) -> None:
        self.ends = {"client": client, "server": server}
        self.next = dict(zip(("client", "server"), numbers, strict=True))
        self.packets: list[Packet] = []
        self.at_ns = at_ns
        self.segment = segment
        self.step_ns = step_ns

    def send(self, side: str, flags: int, data: bytes = b"", seq: int | None = None) -> "TcpTalk":
        """Send a segment, at its place or at `seq`."""
        other = "server" if side == "client" else "client"
        source, destination = self.ends[side], self.ends[other]
        number = self.next[side] if seq is None else seq
        ack = self.next[other] if flags & ACK else 0
        head = struct.pack(
            "!HHIIBBHHH", source[1], destination[1], number % 2**32, ack % 2**32, 5 << 4, flags, 64_000, 0, 0
        )
        self.packets.append((self.at_ns, ip(source[0], destination[0], 6, head + data)))
        self.at_ns += self.step_ns
        if seq is None:
            self.next[side] += len(data) + bool(flags & SYN) + bool(flags & FIN)
        return self

    def opens(self) -> "TcpTalk":
        return self.send("client", SYN).send("server", SYN | ACK).send("client", ACK)

    def say(self, side: str, data: bytes) -> "TcpTalk":
        """Send bytes in as many segments as they need, and the other end's ACK."""
        for start in range(0, len(data), self.segment):
            self.send(side, PSH | ACK, data[start : start + self.segment])
        return self.send("server" if side == "client" else "client", ACK)

    def client(self, data: bytes) -> "TcpTalk":
        return self.say("client", data)

    def server(self, data: bytes) -> "TcpTalk":
        return self.say("server", data)

    def ends_with(self, side: str) -> "TcpTalk":
        """Both ends close, `side` first."""
        other = "server" if side == "client" else "client"
        return self.send(side, FIN | ACK).send(other, FIN | ACK).send(side, ACK)

    def resets(self, side: str) -> "TcpTalk":
        return self.send(side, RST | ACK)


def _type(packet: bytes) -> bytes:
    return b"\x86\xdd" if packet[:1] >= b"\x60" else b"\x08\x00"


LINKS: dict[int, Callable[[bytes], bytes]] = {
    ETHERNET: lambda packet: (bytes(12) + _type(packet) + packet).ljust(60, b"\0"),
    RAW: lambda packet: packet,
    COOKED: lambda packet: bytes(14) + _type(packet) + packet,
    COOKED_2: lambda packet: _type(packet) + bytes(18) + packet,
    NULL: lambda packet: struct.pack("<I", 2) + packet,
    LOOP: lambda packet: struct.pack(">I", 2) + packet,
}
"""How each link type wraps an IP packet."""


def pcap(
    packets: Iterable[Packet],
    link: int = ETHERNET,
    *,
    order: str = "<",
    nanoseconds: bool = False,
    snaplen: int = 262_144,
) -> bytes:
    """Return a classic capture file."""
    magic, fraction = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1000)
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link)]
    for at_ns, packet in packets:
        data = LINKS[link](packet)
        kept = data[:snaplen]
        parts.append(
            struct.pack(order + "IIII", at_ns // 10**9 % 2**32, at_ns % 10**9 // fraction, len(kept), len(data)) + kept
        )
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """Return a block of pcapng."""
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = ETHERNET, order: str = "<", resolution: int | None = None, offset: int = 0) -> bytes:
    options = b"" if resolution is None else struct.pack(order + "HHBxxx", 9, 1, resolution)
    options += struct.pack(order + "HHq", 14, 8, offset) if offset else b""
    return block(1, struct.pack(order + "HHI", link, 0, 262_144) + options + bytes(4), order)


def packet_block(
    packet: Packet, link: int = ETHERNET, order: str = "<", number: int = 0, a_second: int = 10**6
) -> bytes:
    at_ns, data = packet[0], LINKS[link](packet[1])
    units = at_ns * a_second // 10**9
    head = struct.pack(order + "IIIII", number, units >> 32, units & 0xFFFFFFFF, len(data), len(data))
    return block(6, head + data, order)


def secrets_block(log: bytes, order: str = "<") -> bytes:
    return block(10, struct.pack(order + "II", 0x544C534B, len(log)) + log, order)


def pcapng(
    packets: Sequence[Packet], link: int = ETHERNET, *, order: str = "<", log: bytes = b"", log_last: bool = False
) -> bytes:
    """Return a pcapng of one section and one interface, with a key log in front of the packets or behind them."""
    secrets = secrets_block(log, order) if log else b""
    body = b"".join(packet_block(packet, link, order) for packet in packets)
    return section(order) + interface(link, order) + (body + secrets if log_last else secrets + body)


def packed(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)
