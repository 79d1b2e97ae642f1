"""``gwinspect record`` with a gateway of one's own on loopback, a real mitmdump and a client process."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from inspector.store.reader import Reader

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


@pytest.mark.e2e
def test_a_command_is_run_through_the_proxy_and_its_exit_code_kept(gateway: int, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GWINSPECT_CONFDIR", str(tmp_path / "mitmproxy"))
    capture = tmp_path / "own.gwcap"
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    result = subprocess.run(
        [sys.executable, "-c", "from inspector.cli.main import main; main()", "record", "--listen", "127.0.0.1:0"]
        + ["--capture", str(capture), "--host", f"127.0.0.1:{gateway}"]
        + ["--", sys.executable, str(script), f"http://127.0.0.1:{gateway}/?v=10&encoding=json"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 7, result.stderr
    assert [json.loads(line)["op"] for line in result.stdout.splitlines()] == [10, 11]
    assert "closed by client, 4000 Unknown error" in result.stderr
    events = Reader(capture).events()
    assert [(event.kind.value, event.op) for event in events] == [
        ("open", None),
        ("payload", 10),
        ("payload", 1),
        ("payload", 11),
        ("close", None),
    ]
    assert capture.stat().st_mode & 0o777 == 0o600
    assert not capture.with_name("own.gwcap-wal").exists()
