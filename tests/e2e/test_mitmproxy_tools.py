"""The addon as people load it by hand: in each of mitmproxy's programs, by the path that ``gwinspect addon`` prints."""

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp import WSMsgType, web
from click.testing import CliRunner

from inspector.cli.addon import addon
from inspector.proxy.mitmdump import Proxy, Settings, free_port
from inspector.simulator import redirect
from inspector.simulator.client import scripted as client
from inspector.simulator.client.scripted import trust
from inspector.simulator.scenarios.catalogue import scenario
from inspector.simulator.server.simulator import Simulator
from inspector.store.reader import Reader
from tests.e2e.playing import assert_agree, talks_of_capture, talks_of_journal

pytestmark = [pytest.mark.compat, pytest.mark.e2e]

START_LIMIT = 30.0
HELLO = '{"op":10,"d":{"heartbeat_interval":41250},"s":null,"t":null}'


@pytest.mark.parametrize("tool", ["mitmproxy", "mitmweb"])
def test_the_addon_records_in(tool: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with Simulator(scenario("plain-json"), pace=0) as simulator:
            more = ["--no-web-open-browser", "--web-port", str(free_port("127.0.0.1"))] if tool == "mitmweb" else []
            with _running(tool, simulator, tmp_path, *more) as port:
                authorities = [tmp_path / "mitmproxy-ca-cert.pem"]
                url = f"http://127.0.0.1:{port}"
                await client.play(simulator.scenario, ca=authorities, proxy=url)
                await simulator.finished()
            assert_agree(talks_of_capture(tmp_path / "by-hand.gwcap"), talks_of_journal(simulator.journal))

    asyncio.run(play())


def test_the_addon_records_behind_a_reverse_proxy(tmp_path: Path) -> None:
    async def play() -> None:
        async with Simulator(scenario("login-failure"), pace=0) as simulator:
            # Lazily, as the name to ask for is to be known before redirect.py changes the address.
            more = ["--mode", "reverse:https://gateway.discord.gg", "--set", "connection_strategy=lazy"]
            with _running("mitmdump", simulator, tmp_path, *more) as port:
                url = f"ws://127.0.0.1:{port}/?v=10&encoding=json"
                async with aiohttp.ClientSession() as http, http.ws_connect(url) as ws:
                    await ws.receive_json()
                    await ws.send_json({"op": 2, "d": {"intents": 0}})
                    assert (await ws.receive()).data == 4004
                await simulator.finished()
            talk = talks_of_capture(tmp_path / "by-hand.gwcap")[0]
            truth = talks_of_journal(simulator.journal)[0]
            assert (talk.url, talk.frames, talk.close) == (truth.url, truth.frames, truth.close)

    asyncio.run(play())


def test_other_websockets_are_left_alone(tmp_path: Path) -> None:
    """In the clear: one that is no gateway is not recorded, one that turns out to be is. In TLS: not even opened."""

    async def talk() -> tuple[int, int]:
        async with _echo(tmp_path) as (plain, tls, authority):
            settings = Settings(
                tmp_path / "played.gwcap",
                port=free_port("127.0.0.1"),
                options={"confdir": str(tmp_path), "termlog_verbosity": "warn"},
                keep_secrets=True,
            )
            with Proxy(settings) as proxy:
                async with aiohttp.ClientSession(proxy=f"http://{proxy.address}") as http:
                    # Not ws://, which mitmproxy refuses: "Invalid request scheme".
                    for url in (
                        f"http://127.0.0.1:{plain}/chat",
                        f"http://127.0.0.1:{plain}/?v=10&encoding=json&first=hi",
                        f"http://127.0.0.1:{plain}/?v=10&encoding=json&first=hello",
                        f"https://localhost:{tls}/?v=10&encoding=json&first=hello",
                    ):
                        async with http.ws_connect(url, ssl=trust([authority])) as ws:
                            await ws.receive_str()
                            await ws.send_str("{}")
                            assert await ws.receive_str() == "{}"
            return plain, tls

    plain, _ = asyncio.run(talk())
    reader = Reader(tmp_path / "played.gwcap", reveal=True)
    urls = [connection.opened.url for connection in reader.connections()]
    assert urls == [f"ws://127.0.0.1:{plain}/?v=10&encoding=json&first=hello"]
    assert reader.last() == 5
    reader.close()


@contextlib.contextmanager
def _running(tool: str, simulator: Simulator, folder: Path, *more: str) -> Iterator[int]:
    """Run one of mitmproxy's programs in a terminal of its own and give the port that it listens on."""
    path = CliRunner().invoke(addon).stdout.strip()
    port = free_port("127.0.0.1")
    options = {
        "confdir": folder,
        "gwinspect_capture": folder / "by-hand.gwcap",
        "gwinspect_keep_secrets": "true",
        "ssl_verify_upstream_trusted_ca": simulator.ca_path,
    }
    command = [str(Path(sys.executable).with_name(tool)), "-s", path, "-s", redirect.__file__, *more]
    command += ["--listen-host", "127.0.0.1", "--listen-port", str(port)]
    for name, value in options.items():
        command += ["--set", f"{name}={value}"]
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm", "GWINSPECT_SIMULATOR_PORT": str(simulator.port)},
    )
    os.close(its)
    screen = bytearray()
    reading = threading.Thread(target=_read, args=(ours, screen))
    reading.start()
    try:
        deadline = time.monotonic() + START_LIMIT
        while not (_listens(port) and (folder / "by-hand.gwcap").exists()):
            assert process.poll() is None, screen.decode(errors="replace")
            assert time.monotonic() < deadline, screen.decode(errors="replace")
            time.sleep(0.05)
        yield port
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    finally:
        process.kill()
        process.wait()
        reading.join()
        os.close(ours)


def _read(terminal: int, screen: bytearray) -> None:
    with contextlib.suppress(OSError):  # how a pty says that the other end is gone
        while data := os.read(terminal, 65536):
            screen += data


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.asynccontextmanager
async def _echo(folder: Path) -> AsyncIterator[tuple[int, int, Path]]:
    """A WebSocket server that says one thing and then repeats; gives its ports for ws and wss, and its authority."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str(HELLO if request.query.get("first") == "hello" else '"hi"')
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
        return ws

    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "echo-ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    for context in (None, tls):
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1], runner.addresses[1][1], folder / "echo-ca.pem"
    finally:
        await runner.cleanup()
