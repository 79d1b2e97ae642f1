"""Happenings as packets: what a machine would have seen on its network card, TLS and all.

    wired = Wired(usual().happenings, "TLSv1.3")
    path.write_bytes(pcapng(wired.packets, log=wired.log))

TLS is Python's own, so its bytes differ each time. Without it they are the same each time.
"""

import zlib
from collections.abc import Sequence
from urllib.parse import urlsplit

from inspector.model import Closed, Control, Frame, Happening, Opened, Plane
from tests.packets import CLIENT, SERVER, Packet, TcpTalk, udp
from tests.tls import Contexts, TlsPair

DEFLATE = "permessage-deflate"
_MASK = b"mask"


class Wired:
    """The packets of some connections. `version`: of TLS; None for none. `deflate`: use permessage-deflate."""

    def __init__(
        self,
        happenings: Sequence[Happening],
        version: str | None = "TLSv1.3",
        cipher: str = "TLS_AES_128_GCM_SHA256",
        *,
        deflate: bool = False,
        segment: int = 1400,
        server: tuple[str, int] = SERVER,
    ) -> None:
        self._contexts = Contexts(version, cipher) if version else None
        self._connections: dict[int, _Connection] = {}
        self._media: dict[int, list[Packet]] = {}
        for happening in happenings:
            number = happening.connection
            if isinstance(happening, Opened) and happening.plane is Plane.MEDIA:
                self._media[number] = []
            elif number in self._media:
                if isinstance(happening, Frame):
                    self._media[number].append((happening.at_ns, _datagram(number, happening)))
            elif isinstance(happening, Opened):
                talk = TcpTalk((CLIENT[0], CLIENT[1] + number), server, segment=segment, step_ns=0)
                self._connections[number] = _Connection(talk, self._contexts, deflate)
                self._connections[number].open(happening)
            elif number in self._connections:
                self._connections[number].add(happening)

    @property
    def packets(self) -> list[Packet]:
        """All of them, in order of time."""
        found = [packet for each in self._connections.values() for packet in each.talk.packets]
        found += [packet for packets in self._media.values() for packet in packets]
        return sorted(found, key=lambda packet: packet[0])

    @property
    def log(self) -> bytes:
        """The key log."""
        return self._contexts.log if self._contexts is not None else b""


class _Connection:
    def __init__(self, talk: TcpTalk, contexts: Contexts | None, deflate: bool) -> None:
        self.talk = talk
        self._tls = TlsPair(contexts=contexts) if contexts is not None else None
        self._passed = 0
        self._deflaters = {side: zlib.compressobj(wbits=-15) for side in (True, False)} if deflate else {}

    def open(self, opened: Opened) -> None:
        try:
            url = urlsplit(opened.url)
        except ValueError:
            url = urlsplit("")
        self.talk.at_ns = opened.at_ns
        self.talk.opens()
        if self._tls is not None:
            self._tls.shake_hands()
        lines = [f"GET {url.path or '/'}{f'?{url.query}' if url.query else ''} HTTP/1.1", f"Host: {url.netloc}"]
        lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
        self._say(True, "\r\n".join([*lines, "", ""]).encode("utf-8", "replace"))
        if opened.refusal is not None:
            self._say(False, f"HTTP/1.1 {opened.status} Refused\r\nContent-Length: 2\r\n\r\nno".encode())
            return
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Extensions: {DEFLATE}"] if self._deflaters else []
        self._say(False, "\r\n".join([*lines, "", ""]).encode())

    def add(self, happening: Happening) -> None:
        self.talk.at_ns = happening.at_ns
        match happening:
            case Frame():
                opcode, data = 0x81 if happening.is_text else 0x82, happening.data
                if self._deflaters:
                    deflater = self._deflaters[happening.from_client]
                    opcode, data = opcode | 0x40, (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
                self._say(happening.from_client, frame_of(opcode, data, masked=happening.from_client))
            case Control():
                opcode = 0x89 if happening.name == "ping" else 0x8A
                self._say(happening.from_client, frame_of(opcode, happening.data[:125], masked=happening.from_client))
            case Closed() if happening.by in ("client", "server"):
                self._close(happening, happening.by == "client")

    def _close(self, closed: Closed, from_client: bool) -> None:
        sides = ("client", "server") if from_client else ("server", "client")
        if closed.code == 1006:
            if "RST" in closed.reason:
                self.talk.resets(sides[0])
            else:
                self.talk.ends_with(sides[0])
            return
        for side in (from_client, not from_client):
            body = b""
            if closed.code is not None and closed.code != 1005:
                body = (closed.code % 65_536).to_bytes(2, "big") + closed.reason.encode("utf-8", "replace")[:123]
            self._say(side, frame_of(0x88, body, masked=side))
        self.talk.ends_with("server")

    def _say(self, from_client: bool, data: bytes) -> None:
        if self._tls is None:
            self.talk.say("client" if from_client else "server", data)
            return
        self._tls.say("client" if from_client else "server", data)
        for of_client, flight in self._tls.flights[self._passed :]:
            self.talk.say("client" if of_client else "server", flight)
        self._passed = len(self._tls.flights)


def frame_of(first: int, data: bytes, *, masked: bool) -> bytes:
    """Return a frame of WebSocket with this first byte."""
    size, bit = len(data), 0x80 if masked else 0
    if size < 126:
        head = bytes([first, bit | size])
    else:
        head = bytes([first, bit | 126]) + size.to_bytes(2, "big") if size < 65_536 else b""
        head = head or bytes([first, bit | 127]) + size.to_bytes(8, "big")
    if masked:
        head += _MASK
        data = bytes(byte ^ _MASK[place % 4] for place, byte in enumerate(data))
    return head + data


def _datagram(number: int, frame: Frame) -> bytes:
    ends = (CLIENT[0], 60_000 + number), (SERVER[0], 50_001)
    return udp(*(ends if frame.from_client else ends[::-1]), frame.data)
