"""A small Discord client that plays along with any scenario, in any encoding and compression.

``python -m inspector.simulator.client.scripted SCENARIO --proxy http://127.0.0.1:8080 --ca mitmproxy-ca-cert.pem``

The rule: it does what a well-made bot does and no more, unless the scenario is of one that is not well made. Besides,
it obeys six words in a message, ``!status``, ``!members``, ``!join``, ``!speak``, ``!leave`` and ``!goodbye``, and
those of `inspector.simulator.client.manners`.
"""

import argparse
import asyncio
import contextlib
import json
import ssl
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from itertools import chain, count, repeat
from pathlib import Path
from socket import AF_INET, AddressFamily
from typing import Any

import aiohttp
import zstandard
from aiohttp.abc import AbstractResolver, ResolveResult

from inspector.errors import GwinspectError
from inspector.protocol.ops import BINARY, GatewayOp, VoiceOp
from inspector.simulator import content, etf_encode
from inspector.simulator.client.manners import EXCESSES, Manners, manners
from inspector.simulator.client.member import VERSION, Member, need_davey
from inspector.simulator.scenarios.catalogue import scenario
from inspector.simulator.script import Scenario
from inspector.simulator.server.connection import Json, to_json
from inspector.simulator.server.media import FRAME_SECONDS, FRAMES, Speaker, discovery_answer, discovery_request, speech
from inspector.simulator.server.voice import RESUMABLE
from inspector.wire import etf
from inspector.wire.packets import DISCOVERY

# Seconds that an ACK may be late: where scripts have short intervals, a busy machine may take longer than one.
_GRACE = 0.2
# Seconds that IP discovery may take, and between two packets that keep the path open.
_ANSWER_LIMIT = 5.0
_KEEP_ALIVE = 5.0
_GATEWAY = "wss://gateway.discord.gg"
# Times that it tries to connect before it gives up, and seconds between them.
_ATTEMPTS, _RETRY = 8, 0.05
# Close codes after which a session cannot be resumed; after others it is tried.
_LOST = frozenset({4003, 4004, 4006, 4007, *range(4009, 4015), 4016})


async def play(
    chosen: Scenario, *, ca: Sequence[Path], proxy: str | None = None, connect_to: tuple[str, int] | None = None
) -> list[Json]:
    """Play along with a scenario to its end and return the payloads received on the main gateway, in order.

    `ca`: PEM files of the authorities to trust. `proxy`: URL of the proxy to go through. `connect_to`: without a proxy,
    the address that every name leads to. Raises aiohttp's `ClientError` where no connection can be made, and
    `EnvironmentProblem` where the scenario takes davey and that is not installed.
    """
    if chosen.dave:
        need_davey()
    tls = trust(ca)
    resolver = _Everywhere(*connect_to) if connect_to else None
    connector = aiohttp.TCPConnector(ssl=tls, resolver=resolver)
    async with aiohttp.ClientSession(connector=connector, proxy=proxy) as http:
        headers = {"Authorization": f"Bot {content.TOKEN}"}
        async with http.get("https://discord.com/api/v10/gateway/bot", headers=headers) as answer:
            answer.raise_for_status()
        memory = _Memory()
        shared = memory if manners(chosen.client_fault).shares_session else None
        clients = [_Client(chosen, http, shard, shared) for shard in chosen.shards]
        async with _all_ended() as playing:
            for client in clients:
                playing.append(asyncio.ensure_future(client.play()))
                await first_of(client.ready, playing[-1])
            await asyncio.gather(*playing)
        return [payload for client in clients for payload in client.received]


async def first_of(event: asyncio.Event, task: "asyncio.Future[Any]") -> None:
    """Wait until an event has come, or a task has ended."""
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def trust(authorities: Sequence[Path]) -> ssl.SSLContext:
    """Return a client's TLS context that trusts the authorities in these PEM files and no others."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for authority in authorities:
        tls.load_verify_locations(authority)
    return tls


@dataclass(slots=True)
class _Memory:
    """What a client has to know to resume."""

    url: str = _GATEWAY
    session_id: str | None = None
    seq: int | None = None

    def forget(self) -> None:
        self.url, self.session_id, self.seq = _GATEWAY, None, None


class _Client:
    def __init__(
        self, chosen: Scenario, http: aiohttp.ClientSession, shard: tuple[int, int], memory: _Memory | None
    ) -> None:
        self.received: list[Json] = []
        self.ready = asyncio.Event()
        """Set with its first READY."""
        self._scenario = chosen
        self._manners = manners(chosen.client_fault)
        self._http = http
        self._shard = shard
        self._memory = memory or _Memory()
        self._left_at_once = 0
        self._done = False
        self._heard = True
        self._leaving: asyncio.Task[bool] | None = None
        self._guild_id = content.GUILD_ID
        self._voice_session: str | None = None
        self._voice_server: Json | None = None
        self._voice: _Voice | None = None
        self._voices: list[asyncio.Future[None]] = []

    async def play(self) -> None:
        async with _all_ended() as self._voices:
            for _ in range(self._scenario.connections):
                if not self._done:
                    await self._connect()
            for voice in self._voices:
                await voice

    async def _connect(self) -> None:
        query = {"v": "10", "encoding": self._scenario.encoding}
        if self._scenario.compress:
            query["compress"] = self._scenario.compress
        ws = await self._reach(query)
        async with ws:
            if self._manners.beats_before_hello and self._memory.session_id is not None:
                await self._beat(ws)
            async with _heart() as start_beating:
                async for payload in _payloads(ws, self._scenario):
                    await self._receive(ws, payload, start_beating)
            if self._leaving is not None:
                await self._leaving
            await ws.close()
        code = ws.close_code or 1006
        self._done = self._done or not self._manners.returns
        if code in _LOST or not self._manners.resumes:
            self._memory.forget()

    async def _reach(self, query: dict[str, str]) -> aiohttp.ClientWebSocketResponse:
        """Connect where a session is to be resumed, or else where it all began. Where nobody lets it in, try again."""
        for _ in range(_ATTEMPTS):
            url = self._memory.url if self._manners.keeps_resume_url else _GATEWAY
            try:
                return await self._http.ws_connect(url, params=query, max_msg_size=0, autoclose=False)
            except aiohttp.WSServerHandshakeError as error:
                refused = error
                if self._manners.tries_other_hosts:
                    self._memory.url = _GATEWAY
                await asyncio.sleep(_RETRY)
        raise refused

    async def _receive(
        self, ws: aiohttp.ClientWebSocketResponse, payload: Json, start_beating: Callable[..., None]
    ) -> None:
        self.received.append(payload)
        self._heard = True
        if payload["s"] is not None:
            self._memory.seq = payload["s"]
        leaves_at_once = self._memory.session_id is not None and self._left_at_once < self._manners.leaves_at_once
        match payload["op"]:
            case GatewayOp.HELLO if leaves_at_once:
                await self._identify_or_resume(ws)
            case GatewayOp.DISPATCH if leaves_at_once and payload["t"] == "RESUMED":
                self._left_at_once += 1
                await ws.close(code=4000, message=b"no ACK")
            case GatewayOp.HELLO:
                start_beating(payload["d"]["heartbeat_interval"], lambda: self._beat(ws), self._manners.beats)
                await self._identify_or_resume(ws)
            case GatewayOp.HEARTBEAT if self._manners.answers:
                await self._send(ws, GatewayOp.HEARTBEAT, self._memory.seq)
            case GatewayOp.RECONNECT if self._manners.reconnects:
                await ws.close(code=self._manners.leaves_with, message=b"reconnecting")
            case GatewayOp.INVALID_SESSION if not self._manners.minds_invalid_session:
                pass
            case GatewayOp.INVALID_SESSION if payload["d"]:
                if not self._manners.reads_invalid_session:
                    self._memory.forget()
                await ws.close(code=4000, message=b"coming back")
            case GatewayOp.INVALID_SESSION:
                self._memory.forget()
                await ws.close(code=1000)
            case GatewayOp.DISPATCH:
                await self._take(ws, payload["t"], payload["d"])

    async def _take(self, ws: aiohttp.ClientWebSocketResponse, event: str, d: Any) -> None:
        match event:
            case "READY":
                self._memory.session_id, self._memory.url = d["session_id"], d["resume_gateway_url"]
                self.ready.set()
            case "MESSAGE_CREATE":
                await self._obey(ws, d["content"])
            case "VOICE_STATE_UPDATE" if str(d["user_id"]) == content.BOT["id"]:
                self._voice_session = d["session_id"] if d["channel_id"] is not None else None
                self._join(ws)
            case "VOICE_SERVER_UPDATE" if self._voice_session is not None or self._manners.joins_in_any_order:
                self._voice_server = d
                self._join(ws)

    async def _obey(self, ws: aiohttp.ClientWebSocketResponse, text: str) -> None:
        match text:
            case "!status":
                await self._send(ws, GatewayOp.PRESENCE_UPDATE, content.status("the gateway"))
            case "!members":
                asked = {"guild_id": self._guild_id, "query": "", "limit": 0, "presences": False, "nonce": "members"}
                await self._send(ws, GatewayOp.REQUEST_GUILD_MEMBERS, asked)
            case "!join":
                await self._be_in(ws, content.LOUNGE)
            case "!leave":
                await self._be_in(ws, None)
                if self._voice is not None:
                    await self._voice.leave()
            case "!speak" if self._voice is not None:
                await self._voice.say(FRAMES)
            case "!goodbye":
                self._done = True
                await ws.close(code=1000)
            case _:
                for op, d in EXCESSES.get(text, list)():
                    await self._send(ws, op, d)

    async def _beat(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """Send the heartbeat that is due, or leave where the last one was met with silence.

        Any word of the server will do: behind a burst, an ACK may wait for longer than an interval.
        """
        if not self._heard and self._manners.minds_silence:
            await asyncio.sleep(_GRACE)
        if not self._heard and self._manners.minds_silence:
            self._leaving = asyncio.ensure_future(ws.close(code=4000, message=b"no ACK"))
            return
        self._heard = False
        await self._send(ws, GatewayOp.HEARTBEAT, self._memory.seq)

    async def _be_in(self, ws: aiohttp.ClientWebSocketResponse, channel_id: str | None) -> None:
        state = {"channel_id": channel_id, "self_mute": False, "self_deaf": False}
        await self._send(ws, GatewayOp.VOICE_STATE_UPDATE, {"guild_id": self._guild_id} | state)

    def _join(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """Connect to the voice server as soon as it is known and the voice state is, too."""
        if self._voice_session is None or self._voice_server is None or self._voice_server["endpoint"] is None:
            return
        self._voice = _Voice(self._http, self._scenario, self._voice_server, self._voice_session, self._manners)
        self._voice_server = None
        self._voices.append(asyncio.ensure_future(self._speak(ws, self._voice)))

    async def _speak(self, ws: aiohttp.ClientWebSocketResponse, voice: "_Voice") -> None:
        code = await voice.play()
        if self._scenario.stubborn and code != 1000:
            await self._be_in(ws, content.LOUNGE)

    async def _identify_or_resume(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        if self._memory.session_id is not None and self.ready.is_set():
            resume = {"token": content.TOKEN, "session_id": self._memory.session_id, "seq": self._memory.seq}
            await self._send(ws, GatewayOp.RESUME, resume)
            return
        properties = {"os": "linux", "browser": "gwinspect simulator", "device": "gwinspect simulator"}
        identify = {
            "token": content.TOKEN,
            "properties": properties,
            "compress": self._scenario.compress_payloads,
            "large_threshold": 250,
            "shard": self._manners.shard(*self._shard),
            "presence": {"since": None, "activities": [], "status": "online", "afk": False},
            "intents": self._manners.intents,
        }
        for _ in range(self._manners.identifies):
            await self._send(ws, GatewayOp.IDENTIFY, identify)
        if not self._manners.waits_for_ready:
            await self._send(ws, GatewayOp.PRESENCE_UPDATE, content.status("a game that has begun already"))

    async def _send(self, ws: aiohttp.ClientWebSocketResponse, op: GatewayOp, d: Any) -> None:
        payload = {"op": int(op), "d": d}
        if self._scenario.encoding == "etf":
            await ws.send_bytes(etf_encode.encode(payload))
        else:
            await ws.send_str(to_json(payload).decode())


class _Voice:
    """One voice connection, over the sockets that resume it. It opens UDP where the scenario has media."""

    def __init__(
        self, http: aiohttp.ClientSession, chosen: Scenario, server: Json, session_id: str, behaving: Manners
    ) -> None:
        self._http = http
        self._scenario = chosen
        self._version = chosen.voice_version
        self._manners = behaving
        self._server = server
        self._session_id = session_id
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._seq: int | None = None
        self._ssrc = 0
        self._mode = ""
        self._member: Member | None = None
        self._udp: _Udp | None = None
        self._left = False
        self._speaker: Speaker | None = None

    async def play(self) -> int:
        """Connect, and resume as long as that makes sense. Returns the last close code."""
        code = await self._connect(resuming=False)
        while code in RESUMABLE:
            code = await self._connect(resuming=self._manners.resumes_voice)
        if self._udp is not None:
            self._udp.close()
        return code

    async def say(self, frames: int) -> None:
        """Speak, for so many frames of sound; in an encrypted call as soon as its group is there.

        The word to speak comes by the gateway, and may overtake the group, which comes by the voice connection.
        """
        if self._udp is None or self._speaker is None:
            return
        while self._member is not None and not self._member.session.ready:
            await asyncio.sleep(FRAME_SECONDS)
        for frame in speech(frames):
            self._udp.send(self._speaker.packet(frame if self._member is None else self._member.encrypt(frame)))
            await asyncio.sleep(FRAME_SECONDS)

    async def leave(self) -> None:
        self._left = True
        if self._ws is not None:
            await self._ws.close(code=1000)

    async def _connect(self, *, resuming: bool) -> int:
        if not resuming:
            self._seq = None
        url = f"wss://{self._server['endpoint']}/?v={self._version}"
        async with self._http.ws_connect(url, autoclose=False) as ws:
            self._ws = ws
            await self._send(*(self._resume() if resuming else self._identify()))
            async with _heart() as start_beating:
                async for message in ws:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        await self._receive(json.loads(message.data), start_beating)
                    elif message.type is aiohttp.WSMsgType.BINARY:
                        await self._receive_binary(message.data)
            await ws.close()
        # The answer to a close of its own may still be on its way.
        return 1000 if self._left else ws.close_code or 1006

    async def _receive(self, payload: Json, start_beating: Callable[..., None]) -> None:
        self._seq = payload.get("seq", self._seq)
        d = payload["d"]
        match payload["op"]:
            case VoiceOp.HELLO:
                start_beating(d["heartbeat_interval"], self._beat)
            case VoiceOp.READY:
                self._ssrc, self._mode = d["ssrc"], d["modes"][0]
                address, port = "203.0.113.1", 50001
                if self._scenario.media:
                    self._udp = await _Udp.to(d["ip"], d["port"])
                    if not self._manners.discovers:
                        self._udp.send(discovery_answer(self._ssrc))
                        return
                    address, port = await self._udp.discover(self._ssrc)
                data = {"address": address, "port": port, "mode": self._mode}
                await self._send(VoiceOp.SELECT_PROTOCOL, {"protocol": "udp", "data": data})
            case VoiceOp.SESSION_DESCRIPTION:
                self._speaker = Speaker(self._ssrc, d["mode"], bytes(d["secret_key"]))
                if d["dave_protocol_version"]:
                    self._member = Member(content.BOT, content.LOUNGE)
                    await self._send(VoiceOp.MLS_KEY_PACKAGE, self._member.key_package())
                await self._send(VoiceOp.SPEAKING, {"speaking": 1, "delay": 0, "ssrc": self._ssrc})
            case VoiceOp.DAVE_PREPARE_TRANSITION:
                await self._be_ready(d["transition_id"])
            case VoiceOp.DAVE_PREPARE_EPOCH if d["epoch"] == 1 and self._member is not None:
                self._member.start_over()
                await self._send(VoiceOp.MLS_KEY_PACKAGE, self._member.key_package())

    async def _receive_binary(self, data: bytes) -> None:
        if self._version >= 8:
            self._seq, data = int.from_bytes(data[:2]), data[2:]
        if self._member is None:
            return
        match data[0]:
            case VoiceOp.MLS_EXTERNAL_SENDER:
                self._member.trust(data[1:])
            case VoiceOp.MLS_PROPOSALS:
                if (commit := self._member.consider(data[1:])) is not None:
                    await self._send(VoiceOp.MLS_COMMIT_WELCOME, commit)
            case VoiceOp.MLS_ANNOUNCE_COMMIT:
                await self._enter(self._member, int.from_bytes(data[1:3]), self._member.follow(data[3:]))
            case VoiceOp.MLS_WELCOME:
                await self._enter(self._member, int.from_bytes(data[1:3]), self._member.enter(data[3:]))

    async def _enter(self, member: Member, transition_id: int, usable: bool) -> None:
        """Answer a commit or a Welcome."""
        if usable:
            await self._be_ready(transition_id)
            return
        await self._send(VoiceOp.MLS_INVALID_COMMIT_WELCOME, {"transition_id": transition_id})
        if not self._scenario.negligent:
            member.start_over()
            await self._send(VoiceOp.MLS_KEY_PACKAGE, member.key_package())

    async def _be_ready(self, transition_id: int) -> None:
        if transition_id and not self._scenario.negligent:
            await self._send(VoiceOp.DAVE_TRANSITION_READY, {"transition_id": transition_id})

    def _identify(self) -> tuple[VoiceOp, Json]:
        version = VERSION if self._scenario.dave else 0
        who = self._where() | {"user_id": content.BOT["id"]}
        return VoiceOp.IDENTIFY, who | self._proof() | {"max_dave_protocol_version": version}

    def _resume(self) -> tuple[VoiceOp, Json]:
        seen = {"seq_ack": self._last_seq()} if self._version >= 8 else {}
        return VoiceOp.RESUME, self._where() | self._proof() | seen

    def _where(self) -> Json:
        channel = {"channel_id": content.LOUNGE} if self._version >= 9 else {}
        return {"server_id": str(self._server["guild_id"])} | channel

    def _proof(self) -> Json:
        return {"session_id": self._session_id, "token": self._server["token"]}

    async def _beat(self) -> None:
        nonce = time.time_ns() // 1_000_000
        await self._send(VoiceOp.HEARTBEAT, {"t": nonce, "seq_ack": self._last_seq()} if self._version >= 8 else nonce)

    def _last_seq(self) -> int:
        return -1 if self._seq is None else self._seq

    async def _send(self, op: VoiceOp, d: Any) -> None:
        """Send a payload; `d` is bytes for a binary opcode."""
        assert self._ws is not None
        if op in BINARY:
            await self._ws.send_bytes(bytes((op,)) + d)
        else:
            await self._ws.send_str(to_json({"op": int(op), "d": d}).decode())


class _Udp(asyncio.DatagramProtocol):
    """A path to a voice server."""

    _transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self._answers: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self._beating: asyncio.Task[None] | None = None

    @classmethod
    async def to(cls, host: str, port: int) -> "_Udp":
        loop = asyncio.get_running_loop()
        return (await loop.create_datagram_endpoint(cls, remote_addr=(host, port)))[1]

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self._answers.full():
            self._answers.put_nowait(data)

    async def discover(self, ssrc: int) -> tuple[str, int]:
        """Ask for the address under which the server sees us, and keep the path open from then on."""
        self.send(discovery_request(ssrc))
        answer = await asyncio.wait_for(self._answers.get(), _ANSWER_LIMIT)
        *_, address, port = DISCOVERY.unpack(answer)
        self._beating = asyncio.ensure_future(self._keep_alive())
        return address.rstrip(b"\0").decode("ascii"), port

    def send(self, packet: bytes) -> None:
        self._transport.sendto(packet)

    def close(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
        self._transport.close()

    async def _keep_alive(self) -> None:
        for counter in count():
            self.send(counter.to_bytes(4, "little") + bytes(4))
            await asyncio.sleep(_KEEP_ALIVE)


@contextlib.asynccontextmanager
async def _all_ended() -> AsyncIterator[list[asyncio.Future[None]]]:
    """Give a list for tasks, of which none goes on when the block is left."""
    tasks: list[asyncio.Future[None]] = []
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _heart() -> AsyncIterator[Callable[..., None]]:
    """Give a function that beats from now on, at once and then each `interval_ms`, until the block is left.

    It takes the pauses between beats too, in intervals, of which the last continues for good; None for no more beats.
    """
    beating: list[asyncio.Task[None]] = []

    async def beat(interval_ms: int, send: Callable[[], Any], pauses: Sequence[float | None] = (1,)) -> None:
        with contextlib.suppress(ConnectionError):
            for pause in chain(pauses, repeat(pauses[-1])):
                await send()
                if pause is None:
                    break
                await asyncio.sleep(pause * interval_ms / 1000)

    try:
        yield lambda *how: beating.append(asyncio.ensure_future(beat(*how)))
    finally:
        for task in beating:
            task.cancel()


async def _payloads(ws: aiohttp.ClientWebSocketResponse, chosen: Scenario) -> AsyncIterator[Json]:
    """Yield what the server says until it leaves."""
    inflate = _inflater(chosen.compress)
    held = b""
    async for message in ws:
        if message.type is aiohttp.WSMsgType.TEXT:
            yield json.loads(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            data = message.data
            if chosen.compress_payloads:
                data = zlib.decompress(data)
            elif chosen.compress == "zlib-stream":
                held += data
                if not held.endswith(b"\x00\x00\xff\xff"):
                    continue
                data, held = inflate(held), b""
            elif chosen.compress == "zstd-stream":
                data = inflate(data)
            yield etf.decode(data).value if chosen.encoding == "etf" else json.loads(data)


def _inflater(compress: str | None) -> Callable[[bytes], bytes]:
    if compress == "zstd-stream":
        return zstandard.ZstdDecompressor().decompressobj().decompress
    return zlib.decompressobj().decompress


class _Everywhere(AbstractResolver):
    """Leads every name, and every port, to one address."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_INET) -> list[ResolveResult]:
        address = ResolveResult(hostname=host, host=self._host, port=self._port, family=AF_INET, proto=0, flags=0)
        return [address]

    async def close(self) -> None:
        pass


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m inspector.simulator.client.scripted", description="Play along with a scenario of the simulator."
    )
    parser.add_argument("scenario")
    parser.add_argument("--proxy", help="URL of the proxy to go through, e.g. http://127.0.0.1:8080")
    parser.add_argument("--connect-to", metavar="HOST:PORT", help="without a proxy: where every name leads to")
    parser.add_argument(
        "--ca", type=Path, action="append", required=True, help="PEM of an authority to trust; repeatable"
    )
    options = parser.parse_args()
    host, _, port = (options.connect_to or "").rpartition(":")
    try:
        connect_to = (host, int(port)) if host else None
        asyncio.run(play(scenario(options.scenario), ca=options.ca, proxy=options.proxy, connect_to=connect_to))
    except GwinspectError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except (aiohttp.ClientError, OSError) as error:
        print(f"the scenario was not played to its end: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
