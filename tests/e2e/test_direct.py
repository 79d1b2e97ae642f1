"""Clients that speak to the proxy as to the gateway itself, as our launch hooks have them do, at a real mitmdump."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest

from inspector.proxy.mitmdump import Proxy, Settings, free_port
from inspector.simulator.client.scripted import trust
from inspector.simulator.script import Scenario
from inspector.simulator.server.simulator import Simulator
from inspector.simulator.server.stage import Discord
from tests.e2e.playing import simulated, talks_of_capture
from tests.e2e.tunnel import http_proxy

pytestmark = [pytest.mark.compat, pytest.mark.e2e]

NAME = "gateway.discord.gg"


async def greet_and_leave(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login()
    await gateway.close(4000)


class _Here(aiohttp.abc.AbstractResolver):
    """Answers any name with the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._port = proxy.settings.port

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, object]]:
        return [{"hostname": host, "host": "127.0.0.1", "port": self._port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


def test_a_gateway_is_reached_and_recorded(tmp_path: Path) -> None:
    async def play() -> None:
        async with simulated(greet_and_leave, tmp_path) as (_, proxy):
            await _say_hello(proxy)

    asyncio.run(play())
    (talk,) = talks_of_capture(tmp_path / "played.gwcap")
    assert (talk.url, talk.close[0]) == (f"wss://{NAME}/?v=10&encoding=json", 4000)


def test_behind_another_proxy_it_is_reached_through_that(tmp_path: Path) -> None:
    asked: list[str] = []

    async def play() -> None:
        simulator = Simulator(Scenario("test", "A test", "", greet_and_leave), pace=0)
        async with simulator, http_proxy(simulator, asked) as port:
            settings = Settings(
                tmp_path / "played.gwcap",
                port=free_port("127.0.0.1"),
                modes=(f"upstream:http://127.0.0.1:{port}",),
                options={
                    "confdir": str(tmp_path / "mitmproxy"),
                    "ssl_verify_upstream_trusted_ca": str(simulator.ca_path),
                },
            )
            proxy = Proxy(settings)
            await asyncio.to_thread(proxy.__enter__)
            try:
                await _say_hello(proxy)
            finally:
                await asyncio.to_thread(proxy.__exit__, None, None, None)

    asyncio.run(play())
    assert asked == [f"CONNECT {NAME}:443 HTTP/1.1"]
    (talk,) = talks_of_capture(tmp_path / "played.gwcap")
    assert talk.close[0] == 4000


async def _say_hello(proxy: Proxy) -> None:
    connector = aiohttp.TCPConnector(resolver=_Here(proxy), ssl=trust([proxy.ca_path]))
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.ws_connect(f"wss://{NAME}/?v=10&encoding=json") as ws,
    ):
        assert (await ws.receive_json())["op"] == 10
        await ws.send_json({"op": 2, "d": {"token": "a", "intents": 0}})
        async for _ in ws:
            pass
        assert ws.close_code == 4000


def test_a_handshake_in_pieces_is_taken_too(tmp_path: Path) -> None:
    async def play() -> None:
        async with simulated(greet_and_leave, tmp_path) as (_, proxy):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.settings.port)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = trust([proxy.ca_path]).wrap_bio(incoming, outgoing, server_hostname=NAME)
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
            hello = outgoing.read()
            for piece in (hello[:3], hello[3:100], hello[100:]):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.05)
            assert (await reader.read(5))[:2] == b"\x16\x03"
            writer.close()

    asyncio.run(play())


def test_a_gateway_that_cannot_be_reached_ends_the_connection_without_a_word(tmp_path: Path) -> None:
    """Plain text would be taken for a broken handshake."""

    async def play() -> bytes:
        async with simulated(greet_and_leave, tmp_path, environment={"GWINSPECT_SIMULATOR_PORT": "1"}) as (_, proxy):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.settings.port)
            tls = trust([proxy.ca_path])
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            handshake = tls.wrap_bio(incoming, outgoing, server_hostname=NAME)
            with pytest.raises(ssl.SSLWantReadError):
                handshake.do_handshake()
            writer.write(outgoing.read())
            return await reader.read()

    assert asyncio.run(play()) == b""
