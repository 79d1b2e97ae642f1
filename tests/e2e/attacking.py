"""Two hostile ends of a WebSocket on raw sockets, with a proxy between them, and what each end heard of the other.

Nothing here knows what is right: frames and handshakes go out as an attack has them. What an end hears is kept as
digests, as messages may be of any size.
"""

import asyncio
import base64
import hashlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FIN = 0x80
# Seconds that one attack may take before it counts as a hang.
LIMIT = 20
# Bytes that are written before the other end is given time to read.
_PORTION = 1 << 18
_READ = 1 << 18

_KEY = "AAAAAAAAAAAAAAAAAAAAAA=="


@dataclass(frozen=True, slots=True)
class Frame:
    """One WebSocket frame, right or wrong."""

    body: bytes = b""
    opcode: int = TEXT
    first: int = FIN
    """FIN and the reserved bits."""
    masked: bool | None = None
    """None: as it should be, masked from a client only."""

    def wire(self, *, from_client: bool) -> bytes:
        """Return its bytes. Masked with zeros, so that nothing has to be computed."""
        mask = from_client if self.masked is None else self.masked
        length, bit = len(self.body), 0x80 if mask else 0
        if length < 126:
            head = bytes((self.first | self.opcode, bit | length))
        elif length < 1 << 16:
            head = struct.pack("!BBH", self.first | self.opcode, bit | 126, length)
        else:
            head = struct.pack("!BBQ", self.first | self.opcode, bit | 127, length)
        return head + bytes(4 if mask else 0) + self.body


Said = Frame | bytes
"""A frame, or raw bytes in its place."""


def pieces(body: bytes, size: int, opcode: int = TEXT) -> Iterator[Frame]:
    """Yield `body` as one message in frames of `size` bytes."""
    for at in range(0, len(body) or 1, size):
        yield Frame(body[at : at + size], 0 if at else opcode, FIN if at + size >= len(body) else 0)


class Outcome(StrEnum):
    """What is to become of a connection."""

    CROSSES = "all messages cross, then the client closes"
    BROKEN = "the proxy breaks it off"
    REFUSED = "no WebSocket comes about"
    LEFT = "the client hangs up once both have spoken"
    RESET = "the client resets the connection once both have spoken"
    CLOSED = "an end closes it"
    SILENT = "mitmproxy lets it pass as something other than a WebSocket"


@dataclass(frozen=True, slots=True)
class Attack:
    """What both ends of one connection do. What they say is built when it is said, as it may be large."""

    name: str
    server: Callable[[], Iterable[Said]] = tuple
    client: Callable[[], Iterable[Said]] = tuple
    query: str = "v=10&encoding=json"
    outcome: Outcome = Outcome.CROSSES
    answer: Callable[[bytes], bytes] | None = None
    """Takes the right answer to the upgrade and returns the one that is given."""
    request: Callable[[bytes], bytes] | None = None
    """The same of the client's request."""
    reverse: bool = False
    """Through a proxy in reverse mode."""
    rewritten: bool = False
    """What the client gets differs from what was sent, as the proxy has to change it."""
    in_turn: bool = False
    """The client speaks first, and the server once it has heard all of that."""
    path: str = ""
    """More of the path than the name."""
    extra: int = 0
    """Messages of the server that came with its answer, before what it says."""

    @property
    def target(self) -> str:
        return f"/{self.name}{self.path}?{self.query}"


class Heard(NamedTuple):
    """A message, by what can be kept of it."""

    is_text: bool
    length: int
    digest: bytes

    @classmethod
    def of(cls, is_text: bool, body: bytes) -> "Heard":
        return cls(is_text, len(body), hashlib.sha1(body).digest())


class Ear:
    """Reads what an end gets: messages as digests, and the body of the close frame."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.controls = 0
        self.close: bytes | None = None
        self.deaf = False
        """What comes is no longer WebSocket's, as an attack on the handshake may have it."""
        self._buffer = bytearray()
        self._opcode = 0
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> None:
        if self.deaf:
            return
        buffer = self._buffer
        buffer += data
        at, end = 0, len(buffer)
        while end - at >= 2:
            first, length = buffer[at], buffer[at + 1] & 0x7F
            mask = 4 if buffer[at + 1] & 0x80 else 0
            start = at + 2 + (2 if length == 126 else 8 if length == 127 else 0)
            if end < start + mask:
                break
            if length > 125:
                length = int.from_bytes(buffer[at + 2 : start])
            if end < start + mask + length:
                break
            body = bytes(buffer[start + mask : start + mask + length])
            if mask and (key := buffer[start : start + 4]) != b"\0\0\0\0":
                body = _unmasked(body, bytes(key))
            self._take(first, body)
            at = start + mask + length
        del buffer[:at]

    def _take(self, first: int, body: bytes) -> None:
        opcode = first & 15
        if opcode == CLOSE:
            if self.close is None:
                self.close = body
        elif opcode & 8:
            self.controls += 1
        else:
            self._opcode = opcode or self._opcode
            self._parts.append(body)
            if first & FIN:
                self.heard.append(Heard.of(self._opcode == TEXT, b"".join(self._parts)))
                self._parts.clear()


def _unmasked(body: bytes, key: bytes) -> bytes:
    length = len(body)
    whole = int.from_bytes(body) ^ int.from_bytes((key * (length // 4 + 1))[:length])
    return whole.to_bytes(length)


@dataclass
class End:
    """One end of a connection while it lasts."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_client: bool
    ear: Ear = field(default_factory=Ear)
    said: list[Heard] = field(default_factory=list)
    """Messages that went out, as far as they were well-formed."""
    has_spoken: asyncio.Event = field(default_factory=asyncio.Event)
    is_gone: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def speak(self, what: Iterable[Said]) -> None:
        """Send it all. What goes wrong meanwhile is the other end's doing, and shows there."""
        parts: list[bytes] = []
        opcode = waiting = 0
        portion = bytearray()
        try:
            for each in what:
                portion += each if isinstance(each, bytes) else each.wire(from_client=self.is_client)
                if isinstance(each, Frame) and each.opcode in (0, TEXT, BINARY):
                    opcode = each.opcode or opcode
                    parts.append(each.body)
                    if each.first & FIN:
                        self.said.append(Heard.of(opcode == TEXT, b"".join(parts)))
                        parts.clear()
                waiting += 1
                if len(portion) > _PORTION:
                    self.writer.write(bytes(portion))
                    portion.clear()
                    await self.writer.drain()
            self.writer.write(bytes(portion))
            await self.writer.drain()
        except OSError:
            pass
        finally:
            self.has_spoken.set()

    async def listen(self) -> None:
        """Take in what comes until the other end is gone."""
        with suppress(OSError):
            while data := await self.reader.read(_READ):
                self.ear.feed(data)
                self.news.set()
        self.is_gone.set()
        self.news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds, or the other end is gone."""
        while not condition() and not self.is_gone.is_set():
            self.news.clear()
            await self.news.wait()

    def hang_up(self) -> None:
        with suppress(OSError):
            self.writer.close()

    def reset(self) -> None:
        """Hang up with RST."""
        found = self.writer.get_extra_info("socket")
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass(slots=True)
class Account:
    """What one attack came to, as its ends tell it."""

    attack: Attack
    status: bytes = b""
    """The first line that the client got."""
    client: Ear | None = None
    server: Ear | None = None
    by_client: list[Heard] = field(default_factory=list)
    by_server: list[Heard] = field(default_factory=list)
    problem: str = ""


class Battlefield:
    """A server that plays the server's part of each attack, and the ways to it."""

    def __init__(self, attacks: Iterable[Attack]) -> None:
        self.attacks = {attack.name: attack for attack in attacks}
        self.port = 0
        self._ends: dict[str, asyncio.Future[End]] = {}

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection."""
        try:
            request = await _head(reader)
            name = request.split(b" ")[1].split(b"?")[0].split(b"/")[1].decode("latin-1")
        except (OSError, ValueError, IndexError, asyncio.IncompleteReadError):
            writer.close()
            return
        attack = self.attacks.get(name)
        if attack is None:
            await self._echo(End(reader, writer, is_client=False), request)
            return
        end = End(reader, writer, is_client=False)
        right = answer_to(request)
        writer.write(attack.answer(right) if attack.answer is not None else right)
        if attack.outcome is Outcome.REFUSED:
            with suppress(OSError):
                await writer.drain()
            end.hang_up()
        found = self._ends.get(name)
        if found is not None and not found.done():
            found.set_result(end)
        listening = asyncio.create_task(end.listen())
        try:
            if attack.in_turn:
                expected = len(heard_of(attack.client()))
                await end.until(lambda: len(end.ear.heard) >= expected)
            await end.speak(attack.server())
            await listening
        finally:
            listening.cancel()
            end.hang_up()

    async def _echo(self, end: End, request: bytes) -> None:
        """Answer each message with itself, for as long as there are any."""
        end.writer.write(answer_to(request))
        with suppress(OSError):
            while data := await end.reader.read(_READ):
                before = len(end.ear.heard)
                end.ear.feed(data)
                for _ in end.ear.heard[before:]:
                    end.writer.write(Frame(ACK).wire(from_client=False))
                if end.ear.close is not None:
                    end.writer.write(Frame(end.ear.close, CLOSE).wire(from_client=False))
                    break
        end.hang_up()

    async def play(self, attack: Attack, port: int) -> Account:
        """Play an attack through the proxy that listens on `port`."""
        account = Account(attack)
        self._ends[attack.name] = asyncio.get_running_loop().create_future()
        client = None
        try:
            async with asyncio.timeout(LIMIT):
                client = await self._connect(attack, port, account)
                if client is not None:
                    await self._play(attack, client, account)
        except TimeoutError:
            account.problem = "it hangs"
        except OSError as error:
            account.status = account.status or repr(error).encode()
        finally:
            if client is not None:
                client.hang_up()
        server = self._ends.pop(attack.name)
        if server.done():
            with suppress(TimeoutError):
                async with asyncio.timeout(LIMIT):
                    await server.result().is_gone.wait()
            account.server, account.by_server = server.result().ear, server.result().said
        return account

    async def _connect(self, attack: Attack, port: int, account: Account) -> End | None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        if not attack.reverse:
            writer.write(f"CONNECT localhost:{self.port} HTTP/1.1\r\nHost: localhost:{self.port}\r\n\r\n".encode())
            await _head(reader)
        where = f"127.0.0.1:{port}" if attack.reverse else f"localhost:{self.port}"
        request = (
            f"GET {attack.target} HTTP/1.1\r\nHost: {where}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        end = End(reader, writer, is_client=True)
        account.client = end.ear
        try:
            writer.write(attack.request(request) if attack.request is not None else request)
            head = await _head(reader)
        except (OSError, asyncio.IncompleteReadError) as error:
            account.status = getattr(error, "partial", b"").split(b"\r\n")[0]
            writer.close()
            return None
        account.status = head.split(b"\r\n")[0]
        if b" 101 " not in account.status + b" ":
            writer.close()
            return None
        return end

    async def _play(self, attack: Attack, client: End, account: Account) -> None:
        server = await self._ends[attack.name]
        listening = asyncio.create_task(client.listen())
        account.by_client = client.said
        try:
            await client.speak(attack.client())
            if attack.outcome is Outcome.CROSSES:
                await self._until_both_heard(client, server, attack.extra)
                client.writer.write(Frame(b"\x03\xe8", CLOSE).wire(from_client=True))
                await server.until(lambda: server.ear.close is not None)
                server.hang_up()
            elif attack.outcome in (Outcome.LEFT, Outcome.RESET, Outcome.SILENT):
                await server.has_spoken.wait()
                if attack.outcome is Outcome.SILENT:
                    await self._until_both_heard(client, server)
                client.reset() if attack.outcome is Outcome.RESET else client.hang_up()
            elif attack.outcome is Outcome.CLOSED:
                await server.has_spoken.wait()
                heard = [
                    asyncio.create_task(end.until(lambda end=end: end.ear.close is not None))
                    for end in (client, server)
                ]
                await asyncio.wait(heard, return_when=asyncio.FIRST_COMPLETED)
                for each in heard:
                    each.cancel()
                client.hang_up()
                server.hang_up()
            await client.is_gone.wait()
        finally:
            listening.cancel()

    async def _until_both_heard(self, client: End, server: End, extra: int = 0) -> None:
        await server.until(lambda: len(server.ear.heard) >= len(client.said))
        await server.has_spoken.wait()
        await client.until(lambda: len(client.ear.heard) >= len(server.said) + extra)


HELLO = b'{"op":10,"d":{"heartbeat_interval":41250}}'
BEAT = b'{"op":1,"d":null}'
ACK = b'{"op":11}'


class Lasting:
    """A client that behaves, for as long as all attacks take: each of its messages is answered."""

    def __init__(self, port: int, target: int, name: str) -> None:
        self._port, self._target, self._name = port, target, name
        self._end: End | None = None
        self.beats = 0

    async def open(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(f"CONNECT localhost:{self._target} HTTP/1.1\r\nHost: localhost:{self._target}\r\n\r\n".encode())
        await _head(reader)
        writer.write(
            f"GET /{self._name}?v=10&encoding=json HTTP/1.1\r\nHost: localhost:{self._target}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b" 101 " in await _head(reader)
        self._end = End(reader, writer, is_client=True)

    async def beat(self) -> None:
        """Send one message, and wait for its answer."""
        assert self._end is not None
        end = self._end
        async with asyncio.timeout(LIMIT):
            await end.speak([Frame(BEAT)])
            self.beats += 1
            while len(end.ear.heard) < self.beats:
                data = await end.reader.read(_READ)
                assert data, "the proxy cut off a client that behaves"
                end.ear.feed(data)

    async def close(self) -> None:
        assert self._end is not None
        self._end.writer.write(Frame(b"\x03\xe8", CLOSE).wire(from_client=True))
        async with asyncio.timeout(LIMIT):
            await self._end.listen()
        self._end.hang_up()


@asynccontextmanager
async def battlefield(attacks: Iterable[Attack]) -> AsyncIterator[Battlefield]:
    field = Battlefield(attacks)
    server = await asyncio.start_server(field.meet, "127.0.0.1", 0, limit=1 << 24)
    field.port = server.sockets[0].getsockname()[1]
    try:
        yield field
    finally:
        server.close()


async def open_and_abort(port: int, target: int, number: int) -> None:
    """Open connections all at once and reset each, at every stage of its beginning."""
    connect = f"CONNECT localhost:{target} HTTP/1.1\r\nHost: localhost:{target}\r\n\r\n".encode()
    upgrade = (
        b"GET /aborted?v=10&encoding=json HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: " + _KEY.encode() + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    stages = [b"", connect[:10], connect, connect + upgrade[:50], connect + upgrade, connect + upgrade + b"\x81\xfe"]

    async def one(stage: bytes) -> None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(stage)
            await asyncio.sleep(0)
            End(_, writer, is_client=True).reset()

    await asyncio.gather(*(one(stages[each % len(stages)]) for each in range(number)))


def answer_to(request: bytes) -> bytes:
    key = next(
        (line[18:].strip() for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")), b""
    )
    accepted = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accepted}\r\n\r\n"
    ).encode()


def heard_of(said: Iterable[Said]) -> list[Heard]:
    """Return the messages in what an end says."""
    ear = Ear()
    for each in said:
        if isinstance(each, Frame):
            ear.feed(Frame(each.body, each.opcode, each.first, False).wire(from_client=False))
    return ear.heard


async def _head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def random_bytes(seed: str, length: int) -> bytes:
    """Return bytes that look random and are the same in each run."""
    return hashlib.shake_128(seed.encode()).digest(length)
