"""Clients of mitmproxy's reverse mode that lose the line resume through the proxy, at the host that READY named."""

import asyncio
import contextlib
import json
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp
import discord
import hikari
import pytest
import yarl
import zstandard
from hikari.impl import HTTPSettings

from inspector.model import REACHED_AT, Frame, Mark
from inspector.proxy.mitmdump import Proxy, free_port
from inspector.proxy.reverse import PREFIX
from inspector.simulator import content
from inspector.simulator.client.scripted import _Everywhere, trust
from inspector.simulator.etf_encode import encode
from inspector.simulator.journal import JournalEntry
from inspector.simulator.server import rest
from inspector.simulator.server.gateway import RESUME_HOST
from inspector.simulator.server.simulator import Simulator
from inspector.simulator.server.stage import Discord
from inspector.store.reader import Reader, stored_happenings
from inspector.wire import etf
from tests.conversation import DIALECTS
from tests.e2e.playing import assert_agree, simulated, talks_of_capture, talks_of_journal

pytestmark = [pytest.mark.compat, pytest.mark.e2e]

MODE = "reverse:https://gateway.discord.gg"


async def loses_the_line(discord: Discord) -> None:
    gateway = await discord.gateway()
    gateway.cut_at = 500
    await gateway.login(content.guild(members=20), interval_ms=1000)
    await gateway.dispatch("MESSAGE_CREATE", content.message(1, "This line is about to go down."))
    await gateway.close(4000, "try again")
    gateway.miss("MESSAGE_CREATE", content.message(2, "Nobody hears this."))
    gateway = await discord.gateway()
    gateway.cut_at = 500
    await gateway.resume(interval_ms=1000)
    await gateway.goodbye()


class Bot:
    """A client that knows no more than it is told: connects, logs in, resumes where READY says."""

    def __init__(self, encoding: str, compression: str, to_url: Callable[[str, str], str]) -> None:
        self.encoding = encoding
        self.compression = compression
        self.query = f"v=10&encoding={encoding}"
        if compression.endswith("stream"):
            self.query += f"&compress={compression}"
        self.to_url = to_url
        self.ready: dict[str, Any] = {}
        self.heard: list[dict[str, Any]] = []
        self.received: list[bytes] = []

    async def play(self, url: str, tls: Any = None) -> None:
        async with aiohttp.ClientSession() as http:
            for _ in range(2):
                async with http.ws_connect(self.to_url(url, self.query), ssl=tls, max_msg_size=0) as ws:
                    await self._talk(ws)
                url = self.ready["resume_gateway_url"]

    async def _talk(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        compressed, held = _inflater(self.compression), b""
        async for message in ws:
            data = message.data.encode() if message.type is aiohttp.WSMsgType.TEXT else message.data
            if self.compression == "zlib-stream":
                held += data
                if not held.endswith(b"\x00\x00\xff\xff"):
                    continue
                data, held = held, b""
            data = compressed(data)
            self.received.append(data)
            payload = etf.decode(data).value if self.encoding == "etf" else json.loads(data)
            self.heard.append(payload)
            if payload["op"] == 10:
                await self._introduce(ws)
            elif payload["t"] == "READY":
                self.ready = payload["d"]
            elif payload["t"] == "MESSAGE_CREATE" and payload["d"]["content"] == "!goodbye":
                await ws.close(code=1000)

    async def _introduce(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        d: dict[str, Any] = {"token": content.TOKEN}
        if self.ready:
            said = {"op": 6, "d": d | {"session_id": self.ready["session_id"], "seq": self.heard[-2]["s"]}}
        else:
            said = {"op": 2, "d": d | {"intents": 513, "compress": self.compression == "payload", "properties": {}}}
        await (ws.send_bytes(encode(said)) if self.encoding == "etf" else ws.send_str(json.dumps(said)))


def _inflater(compression: str) -> Callable[[bytes], bytes]:
    if compression == "payload":
        return lambda data: zlib.decompress(data) if data[:1] == b"\x78" else data
    if compression == "none":
        return bytes
    stream: Any = zlib if compression == "zlib-stream" else zstandard.ZstdDecompressor()
    inflate: Callable[[bytes], bytes] = stream.decompressobj().decompress
    return inflate


def _like_discord_py(url: str, query: str) -> str:
    return str(yarl.URL(url).with_query(query))


def _like_discord_js(url: str, query: str) -> str:
    return f"{url}?{query}"


def _with_a_slash(url: str, query: str) -> str:
    return f"{url.removesuffix('/')}/?{query}"


@contextlib.asynccontextmanager
async def _behind(folder: Path, *modes: str, **more: Any) -> AsyncIterator[tuple[Simulator, Proxy]]:
    async with simulated(loses_the_line, folder, modes=modes or (MODE,), **more) as (simulator, proxy):
        yield simulator, proxy


def _assert_recorded(folder: Path, simulator: Simulator) -> None:
    """Assert that both connections are recorded as the server lived them, the second at the host that it named."""
    recorded = talks_of_capture(folder / "played.gwcap")
    assert_agree(recorded, talks_of_journal(simulator.journal))
    assert [yarl.URL(talk.url).host for talk in recorded] == ["gateway.discord.gg", RESUME_HOST]
    assert [yarl.URL(talk.url).path for talk in recorded] == ["/", "/"]


def _findings(folder: Path) -> list[tuple[str, int, str]]:
    reader = Reader(folder / "played.gwcap")
    found = reader.db.execute("select rule, severity, text from finding where rule not like 'close-%'").fetchall()
    reader.close()
    ours = ("changed-by-proxy", "resume-past-proxy", "session-left-proxy", "resume-at-wrong-url", "undecodable")
    return [each for each in found if each[0] in ours]


@dataclass(frozen=True, slots=True)
class Stayed:
    """What is left of clients that came one after the other, one in each dialect."""

    folder: Path
    address: str
    bots: list[Bot]
    journal: list[JournalEntry]


@pytest.fixture(scope="module")
def stayed(tmp_path_factory: pytest.TempPathFactory) -> Stayed:
    folder = tmp_path_factory.mktemp("stayed")
    styles = (_like_discord_py, _like_discord_js, _with_a_slash)
    bots = [Bot(*dialect, style) for dialect, style in zip(DIALECTS, cycle(styles), strict=False)]

    async def all_of_them(discord: Discord) -> None:
        for _ in bots:
            await loses_the_line(discord)

    async def play() -> Stayed:
        async with simulated(all_of_them, folder, modes=(MODE,)) as (simulator, proxy):
            for bot in bots:
                await bot.play(f"ws://{proxy.address}")
            await simulator.finished()
        return Stayed(folder, proxy.address, bots, simulator.journal)

    return asyncio.run(play())


@pytest.mark.parametrize("number", range(len(DIALECTS)), ids=["-".join(dialect) for dialect in DIALECTS])
def test_a_session_stays_behind_the_proxy(number: int, stayed: Stayed) -> None:
    bot = stayed.bots[number]
    assert bot.ready["resume_gateway_url"] == f"ws://{stayed.address}{PREFIX}{RESUME_HOST}"
    assert bot.heard[-1]["d"]["content"] == "!goodbye"
    mine = (2 * number + 1, 2 * number + 2)
    lived = [e for e in stayed.journal if e.connection in mine and e.kind == "message" and not e.from_client]
    said = [json.loads(json.dumps(entry.payload)) for entry in lived]
    said[1]["d"]["resume_gateway_url"] = bot.ready["resume_gateway_url"]
    # Acknowledgements may still be on their way when the client leaves.
    assert bot.heard == said[: len(bot.heard)]
    assert len(said) - len(bot.heard) <= 2


def test_what_the_server_said_is_recorded_as_it_said_it(stayed: Stayed) -> None:
    recorded = talks_of_capture(stayed.folder / "played.gwcap")
    assert_agree(recorded, talks_of_journal(stayed.journal))
    assert [yarl.URL(talk.url).host for talk in recorded] == len(DIALECTS) * ["gateway.discord.gg", RESUME_HOST]
    assert {yarl.URL(talk.url).path for talk in recorded} == {"/"}


def test_only_ready_is_marked_as_changed(stayed: Stayed) -> None:
    findings = _findings(stayed.folder)
    assert [(rule, severity) for rule, severity, _ in findings] == len(DIALECTS) * [("changed-by-proxy", 1)]
    assert all(f"rewritten to ws://{stayed.address}" in text for _, _, text in findings)
    reader = Reader(stayed.folder / "played.gwcap")
    happenings = [each for batch in stored_happenings(reader.db) for each in batch]
    reached_at = {connection.opened.headers[REACHED_AT] for connection in reader.connections()}
    reader.close()
    frames = [each for each in happenings if isinstance(each, Frame) and (each.marks or each.forwarded)]
    assert [(frame.marks, frame.forwarded is not None) for frame in frames] == len(DIALECTS) * [(Mark.CHANGED, True)]
    assert reached_at == {f"ws://{stayed.address}"}


async def test_a_client_in_tls_comes_back_by_the_name_it_used(tmp_path: Path) -> None:
    async with _behind(tmp_path) as (simulator, proxy):
        bot = Bot("json", "zlib-stream", _like_discord_py)
        url = f"wss://localhost:{proxy.settings.port}"
        await bot.play(url, tls=trust([proxy.ca_path]))
        await simulator.finished()
    assert bot.ready["resume_gateway_url"] == f"{url}{PREFIX}{RESUME_HOST}"
    _assert_recorded(tmp_path, simulator)


async def test_each_listener_keeps_to_its_own(tmp_path: Path) -> None:
    ports = [free_port("127.0.0.1") for _ in range(2)]
    async with _behind(tmp_path, *(f"{MODE}@127.0.0.1:{port}" for port in ports)) as (simulator, _):
        bot = Bot("json", "none", _like_discord_py)
        async with asyncio.timeout(30):
            while not all(map(_listens, ports)):
                await asyncio.sleep(0.05)
        await bot.play(f"ws://127.0.0.1:{ports[1]}")
        await simulator.finished()
    assert bot.ready["resume_gateway_url"] == f"ws://127.0.0.1:{ports[1]}{PREFIX}{RESUME_HOST}"
    _assert_recorded(tmp_path, simulator)


def _listens(port: int) -> bool:
    import socket

    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


async def test_without_rewriting_it_is_said_that_the_session_leaves(tmp_path: Path) -> None:
    more = {"options": {"gwinspect_rewrite": "false"}}
    async with _behind(tmp_path, **more) as (_, proxy):
        bot = Bot("json", "zlib-stream", _like_discord_py)
        with pytest.raises(aiohttp.ClientError):
            await bot.play(f"ws://{proxy.address}")
    assert bot.ready["resume_gateway_url"] == f"wss://{RESUME_HOST}"
    assert [(rule, severity) for rule, severity, _ in _findings(tmp_path)] == [
        ("resume-past-proxy", 2),
        ("session-left-proxy", 1),
    ]


async def test_no_client_chooses_where_it_is_led(tmp_path: Path) -> None:
    async with _behind(tmp_path) as (simulator, proxy), aiohttp.ClientSession() as http:
        url = f"ws://{proxy.address}{PREFIX}gateway-evil.discord.gg?v=10&encoding=json"
        async with http.ws_connect(url) as ws:
            while not simulator.journal:
                await asyncio.sleep(0.01)
            await ws.close()
    assert simulator.journal[0].url == "wss://gateway.discord.gg/?v=10&encoding=json"


async def test_a_broken_stream_ends_the_connection(tmp_path: Path) -> None:
    """What the server sends can no longer be put into the client's stream."""

    async def breaks(discord: Discord) -> None:
        gateway = await discord.gateway()
        await gateway.login(content.guild(), interval_ms=1000)
        await gateway.send_raw(b"\x07\x07\x07\x07\x00\x00\xff\xff")
        await gateway.gone()

    async with simulated(breaks, tmp_path, modes=(MODE,)) as (simulator, proxy):
        bot = Bot("json", "zlib-stream", _like_discord_py)
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(bot.to_url(f"ws://{proxy.address}", bot.query)) as ws,
        ):
            await bot._talk(ws)
        await simulator.finished()
    assert bot.ready
    (talk,) = talks_of_capture(tmp_path / "played.gwcap")
    assert talk.close[2] == "proxy"
    assert "the server's stream could not be read" in talk.close[1]


async def test_discord_py_stays_behind_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with _behind(tmp_path) as (simulator, proxy):
        monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(f"ws://{proxy.address}"))
        connector = aiohttp.TCPConnector(
            ssl=trust([simulator.ca_path]), resolver=_Everywhere("127.0.0.1", simulator.port)
        )
        async with discord.Client(
            connector=connector, intents=discord.Intents.all(), chunk_guilds_at_startup=False
        ) as bot:

            async def on_message(message: discord.Message) -> None:
                if message.content == "!goodbye":
                    await bot.close()

            bot.event(on_message)
            await bot.login(content.TOKEN)
            await bot.connect()
        await simulator.finished()
    _assert_recorded(tmp_path, simulator)


async def test_hikari_stays_behind_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with _behind(tmp_path) as (simulator, proxy):
        monkeypatch.setitem(rest._GATEWAY, "url", f"ws://{proxy.address}")
        monkeypatch.setattr("aiohttp.connector.DefaultResolver", lambda **how: _Everywhere("127.0.0.1", simulator.port))
        settings = HTTPSettings(ssl=trust([simulator.ca_path]))
        bot = hikari.GatewayBot(
            content.TOKEN, banner=None, logs=None, intents=hikari.Intents.ALL, http_settings=settings
        )

        @bot.listen()
        async def on_message(event: hikari.GuildMessageCreateEvent) -> None:
            if event.content == "!goodbye":
                await bot.close()

        await bot.start(check_for_updates=False)
        await bot.join()
        await simulator.finished()
    _assert_recorded(tmp_path, simulator)
