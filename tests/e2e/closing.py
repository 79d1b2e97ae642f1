"""Two ends of a WebSocket on raw sockets that close it in every way there is, and say what they saw of each other.

Nothing here knows what a close frame may hold: bytes go out and come in as they are.
"""

import asyncio
import base64
import hashlib
import os
import socket
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import trustme

PIECE, TEXT, CLOSE = 0, 1, 8
# Seconds that an end waits for what must come.
LIMIT = 20

HANG_UP = "hangs up"
RESET = "resets"
HALF = "hangs up and listens"
NOTHING = "says nothing"
PART = "breaks off in a message"
BAD = "sends a frame of no known opcode"


@dataclass(frozen=True, slots=True)
class Case:
    """One way to close."""

    name: str
    by: str
    """Who closes: ``client`` or ``server``."""
    body: bytes | None
    """Of its close frame; None where it sends none."""
    then: str = NOTHING
    """What it does after that, or instead of it: one of the constants above."""
    answer: bytes | None = b""
    """The body of the other end's close frame, the same as it got where that is empty; None where it hangs up."""
    late: int = 0
    """Messages that the other end sends before its answer."""
    extensions: str = ""
    """What both agree on."""


class View(NamedTuple):
    """What one end saw of the other, from the first message to the end."""

    messages: tuple[bytes, ...]
    close: bytes | None
    """The body of the close frame; None where none came."""


@dataclass
class Socket:
    """One end."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_client: bool
    _messages: list[bytes] = field(default_factory=list)
    _close: bytes | None = None

    def send(self, opcode: int, body: bytes, first: int = 0x80) -> None:
        if self.writer.transport.is_closing():
            return
        head = bytes([first | opcode, len(body) | (0x80 if self.is_client else 0)])
        if self.is_client:
            key = os.urandom(4)
            head, body = head + key, bytes(byte ^ key[at % 4] for at, byte in enumerate(body))
        self.writer.write(head + body)

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next frame, `PIECE` where it is not the end of a message; None where the other end is gone."""
        try:
            first, second = await self.reader.readexactly(2)
            length = second & 0x7F
            key = await self.reader.readexactly(4) if second & 0x80 else bytes(4)
            body = await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError):
            return None
        body = bytes(byte ^ key[at % 4] for at, byte in enumerate(body))
        if first & 0x40:
            # permessage-deflate. We send uncompressed, as anyone may; mitmproxy does not.
            body = zlib.decompressobj(-zlib.MAX_WBITS).decompress(body + b"\0\0\xff\xff")
        return (first & 15 if first & 0x80 else PIECE), body

    async def until_closed(self) -> bytes | None:
        """Take what comes until a close frame, or the end, and return the close frame's body."""
        while (frame := await self.receive()) is not None:
            opcode, body = frame
            if opcode == CLOSE:
                self._close = body
                return body
            if opcode == TEXT:
                self._messages.append(body)
        return None

    async def until_gone(self) -> None:
        while await self.receive() is not None:
            pass

    def hang_up(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Hang up with RST."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    async def play(self, case: Case) -> View:
        """Play this end's part, to the end."""
        closes = case.by == ("client" if self.is_client else "server")
        # Both have spoken before anyone closes.
        self.send(TEXT, b"hello")
        frame = await self.receive()
        assert frame == (TEXT, b"hello"), frame
        if closes:
            await self._close_as(case)
        else:
            body = await self.until_closed()
            for number in range(case.late):
                self.send(TEXT, b"late %d" % number)
            if body is not None and case.answer is not None:
                self.send(CLOSE, case.answer or body)
            if not self.is_client or case.answer is None or body is None:
                self.hang_up()
        await self.until_gone()
        self.hang_up()
        return View(tuple(self._messages), self._close)

    async def _close_as(self, case: Case) -> None:
        self.send(TEXT, b"last words")
        if case.then == PART:
            self.send(TEXT, b"not the end", 0)
            self.hang_up()
            return
        if case.body is not None:
            self.send(CLOSE, case.body)
        if case.then == BAD:
            self.send(3, b"")
        if case.then == HANG_UP:
            self.hang_up()
        elif case.then == RESET:
            # A reset overtakes what was written.
            await self.writer.drain()
            self.reset()
        elif case.then == HALF:
            self.writer.write_eof()
        if case.then in (NOTHING, HALF, BAD):
            await self.until_closed()
            if not self.is_client:
                self.hang_up()


@dataclass
class Theatre:
    """A server that plays the server's part of each case, and what it saw."""

    port: int
    url: str
    authority: trustme.CA
    views: dict[tuple[str, str], asyncio.Future[View]] = field(default_factory=dict)
    """By round and case."""

    def seen(self, part: str, case: Case) -> "asyncio.Future[View]":
        return self.views.setdefault((part, case.name), asyncio.get_running_loop().create_future())


@asynccontextmanager
async def theatre(cases: dict[str, Case], *, tls: bool = True) -> AsyncIterator[Theatre]:
    authority = trustme.CA()
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        query = parse_qs(urlsplit(request.split()[1].decode()).query)
        case, part = cases[query["case"][0]], query["round"][0]
        extensions = f"Sec-WebSocket-Extensions: {case.extensions}\r\n" if case.extensions else ""
        key = next(line.split()[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        writer.write(_response(key, extensions))
        seen = house.seen(part, case)
        try:
            seen.set_result(await Socket(reader, writer, is_client=False).play(case))
        except Exception as error:
            seen.set_exception(error)
        finally:
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    house = Theatre(port, f"{'wss' if tls else 'ws'}://localhost:{port}", authority)
    try:
        yield house
    finally:
        server.close()


def _response(key: bytes, extensions: str) -> bytes:
    accepted = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return f"{head}Sec-WebSocket-Accept: {accepted}\r\n{extensions}\r\n".encode()


Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def attend(house: Theatre, case: Case, part: str, connect: Connect) -> tuple[View, View]:
    """Play a case, the client's part here, over what `connect` returns. Return what client and server saw."""
    async with asyncio.timeout(LIMIT):
        reader, writer = await connect()
        key = base64.b64encode(os.urandom(16)).decode()
        target = f"/?v=10&encoding=json&case={case.name}&round={part}"
        extensions = f"Sec-WebSocket-Extensions: {case.extensions}\r\n" if case.extensions else ""
        writer.write(
            f"GET {target} HTTP/1.1\r\nHost: localhost:{house.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n".encode()
        )
        status = await reader.readuntil(b"\r\n\r\n")
        assert status.startswith(b"HTTP/1.1 101"), status
        mine = await Socket(reader, writer, is_client=True).play(case)
        return mine, await house.seen(part, case)


def to(port: int, context: ssl.SSLContext | None) -> Connect:
    """Connect to the server itself, or to a reverse proxy in its place."""
    name = "localhost" if context else None
    return lambda: asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)


def through(port: int, house: Theatre, context: ssl.SSLContext | None) -> Connect:
    """Connect through an HTTP proxy, by CONNECT."""

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"CONNECT localhost:{house.port} HTTP/1.1\r\nHost: localhost:{house.port}\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in answer, answer
        if context is not None:
            await writer.start_tls(context, server_hostname="localhost")
        return reader, writer

    return connect


def trusting(authority: bytes) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.decode())
