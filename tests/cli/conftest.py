"""Runs commands as the shell would, in this process."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import WSMsgType, web

from inspector.cli.main import main
from inspector.model import Closed, Frame, Happening, Opened, Plane
from inspector.protocol.registry import default
from inspector.store.writer import Writer

TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAw.GaaaaB.invented-token-of-nobody-0123456789"
URL = "wss://gateway.discord.gg/?v=10&encoding=json"
START = 1_769_860_800_000_000_000  # 2026-01-31 12:00:00 UTC

# A client of `gateway`: beats once, says what it hears, leaves.
CLIENT = """
import asyncio, os, sys, aiohttp
async def main():
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.ws_connect(sys.argv[1]) as ws:
            print(await ws.receive_str())
            await ws.send_str('{"op":1,"d":null}')
            print(await ws.receive_str())
            await ws.close(code=4000)
asyncio.run(main())
sys.exit(7)
"""


class Result(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("inspector.importers.cache.user_cache_path", lambda name: tmp_path / "cache")
    monkeypatch.setattr("signal.signal", lambda *arguments: None)

    def call(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["gwinspect", *map(str, arguments)])
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfdbinary.readouterr()
        return Result(int(left.value.code or 0), out.decode(), err.decode())

    return call


def happenings() -> Iterable[Happening]:
    """A bot that asks for an intent it was not given."""
    yield Opened(1, START, Plane.GATEWAY, URL, "127.0.0.1:50000")
    says = [
        (False, b'{"op":10,"d":{"heartbeat_interval":41250},"s":null,"t":null}'),
        (True, b'{"op":1,"d":null}'),
        (False, b'{"op":11}'),
        (True, b'{"op":2,"d":{"token":"%b","intents":33280,"properties":{"os":"linux"}}}' % TOKEN.encode()),
    ]
    for number, (from_client, data) in enumerate(says, start=1):
        yield Frame(1, START + number * 7_000_000, from_client, True, data)
    yield Closed(1, START + 40_000_000, 4014, "Disallowed intent(s).", "server")


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "bot.gwcap"
    writer = Writer(path, default(), made_by="test")
    writer.write(list(happenings()))
    writer.finish()
    return path


@pytest.fixture
def gateway() -> Iterator[int]:
    """A gateway that greets and acknowledges; gives its port."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str('{"op":10,"d":{"heartbeat_interval":41250},"s":null,"t":null}')
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str('{"op":11}')
        return ws

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[web.AppRunner, int]:
        app = web.Application()
        app.router.add_get("/", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, runner.addresses[0][1]

    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result()
    yield port
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
