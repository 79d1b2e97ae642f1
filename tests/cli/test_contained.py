"""Neither what crosses the wire nor a bug of ours in showing it ends ``gwinspect live``, its proxy or its recording."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from inspector.proxy import livefile
from inspector.store.reader import Reader
from tests.cli.conftest import CLIENT
from tests.cli.test_live import BEATER, Place, confdir, place, until
from tests.conversation import Conversation, dispatch
from tests.hostile import ODD, Hostile

__all__ = ["confdir", "place"]

pytestmark = pytest.mark.e2e

EDGE = 2**63

# Sends each line of a file as it is, text or, in hex, binary; waits for as many answers; then sends a last heartbeat.
SENDER = """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.ws_connect(sys.argv[1], max_msg_size=0) as ws:
            await ws.receive_str()
            for line in open(sys.argv[2], "rb"):
                data = bytes.fromhex(line[1:].decode())
                if line[:1] == b"t":
                    await ws._writer.send_frame(data, aiohttp.WSMsgType.TEXT)
                else:
                    await ws.send_bytes(data)
                await ws.receive()
            await ws.send_str('{"op":1,"d":251}')
            await ws.receive()
            await ws.close(code=4000)
asyncio.run(main())
"""

# Breaks what prints rows, or what shows them, in a process of its own. Guards of single rows are not what is tested.
BROKEN = """
import sys
import inspector.cli.output as output
from inspector.cli import main
from inspector.tui.screens.main import MainScreen
def broken(*args):
    token = "s3cret-" + "t0ken-" + "of-nobody-at-all"
    raise {error}
output.Printer.print = MainScreen.on_mount = broken
main.main()
"""


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A gateway that greets and says everything back, so that all that is hostile comes from both ends."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(max_msg_size=0)
        await ws.prepare(request)
        await ws.send_str('{"op":10,"d":{"heartbeat_interval":41250},"s":null,"t":null}')
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await ws.send_bytes(message.data)
        return ws

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[web.AppRunner, int]:
        app = web.Application()
        app.router.add_get("/", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result()
    yield port
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def messages(encoding: str) -> list[tuple[bool, bytes]]:
    """Return what is sent: ids of every size, and what a hostile end says; each whether it is text, and its bytes."""
    talk = Conversation(encoding)
    for seq, odd in enumerate((EDGE, 2**64, 10**30, -EDGE, *ODD)):
        d = {"guild_id": odd, "channel_id": odd, "user_id": odd, "author": {"id": odd}, "name": odd}
        talk.server(dispatch("MESSAGE_CREATE", d, seq))
        talk.server({"op": 8, "d": d})
    seeds = iter(range(1000))
    frames = talk.frames
    while len(frames) < 400:
        hostile = Hostile(next(seeds))
        wanted = [each for each in hostile.happenings() if getattr(each, "connection", 0) == 1]
        opened = wanted[0]
        if f"encoding={encoding}" in opened.url and "compress" not in opened.url:
            frames += [each for each in wanted if hasattr(each, "is_text") and each.data[:1] in (b"{", b"\x83")]
    return [(encoding == "json", frame.data) for frame in frames]


@pytest.mark.parametrize("encoding", ["json", "etf"])
def test_live_goes_on_whatever_is_sent(place: Place, echo: int, encoding: str) -> None:
    """In this test a display fault ends the printing: `GWINSPECT_STRICT` is set."""
    sent = messages(encoding)
    file = place.folder / "messages"
    # Text that is no UTF-8 cannot be sent as text: an honest library ends the connection for it.
    sent = [(is_text and _is_utf8(data), data) for is_text, data in sent]
    file.write_text("".join(f"{'t' if is_text else 'b'}{data.hex()}\n" for is_text, data in sent))
    place._gateway = echo
    command = place.client(SENDER)
    command[-1] = command[-1].replace("json", encoding)
    code = place.run("--format", "jsonl", command=[*command, str(file)])
    assert code == 0, place.err()[-3000:]
    assert "bug in gwinspect" not in place.err()
    rows = [json.loads(line) for line in place.out().splitlines()]
    assert not any("fault" in row for row in rows)
    # Hello, each message from both ends, the heartbeat from both, and the open and the close.
    assert len(rows) == 2 * len(sent) + 5
    assert rows[-1]["close"]["code"] == 4000
    assert place.finished()
    reader = Reader(place.capture)
    events = [event for event in reader.all_events() if event.event == "MESSAGE_CREATE"]
    assert {EDGE, 2**64, 10**30} <= {event.guild_id for event in events if not event.from_client}
    assert {EDGE, 2**64, 10**30} <= {event.guild_id for event in events if event.from_client}
    reader.close()
    for arguments in (
        ("show",),
        ("show", "--where", f"guild == {EDGE}"),
        ("stats",),
        ("diagnose", "--fail-on", "never"),
    ):
        main = [sys.executable, "-c", "from inspector.cli.start import main; main()"]
        shown = subprocess.run(
            [*main, arguments[0], str(place.capture), *arguments[1:]], capture_output=True, text=True
        )
        assert shown.returncode == 0, shown.stderr
        assert len(shown.stdout.splitlines()) >= 3


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def start_broken(place: Place, error: str, *options: str, client: str = BEATER, **streams: int) -> subprocess.Popen:
    script = place.folder / "broken.py"
    script.write_text(BROKEN.format(error=error))
    whole = [sys.executable, str(script), "live", *place.options(*options), "--", *place.client(client)]
    err = (place.folder / "err").open("wb")
    process = subprocess.Popen(whole, **({"stdin": subprocess.DEVNULL, "stdout": err, "stderr": err} | streams))
    err.close()
    place._running.append(process)
    return process


def test_printing_that_fails_leaves_the_recording_going(place: Place) -> None:
    process = start_broken(place, "ValueError(token)", "--plain")
    until(lambda: "The recording continues." in place.err())
    before = place.events()
    until(lambda: place.events() > before + 5)
    assert process.poll() is None
    text = place.err()
    assert "Traceback (most recent call last):" in text
    assert "in broken" in text
    assert "t0ken" not in text
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert place.finished()
    reader = Reader(place.capture)
    assert reader.connection(1).closed.code == 4001
    reader.close()


def test_printing_that_fails_is_said_in_the_exit_code(place: Place) -> None:
    process = start_broken(place, "KeyError(token)", "--plain", client=CLIENT.replace("sys.exit(7)", ""))
    assert process.wait(60) == 2
    assert f"{Path(sys.executable).name} ended with exit code 0" in place.err()
    # A client may have ended before its first row is printed.
    assert "The recording continues." in place.err() or "The recording is complete." in place.err()
    assert place.events() >= 5
    assert place.finished()


def test_a_screen_that_crashes_leaves_the_recording_going(place: Place) -> None:
    leader, follower = pty.openpty()
    process = start_broken(place, "ValueError(token)", stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    said = bytearray()

    def read() -> None:
        while True:
            try:
                data = os.read(leader, 65536)
            except OSError:
                return
            if not data:
                return
            said.extend(data)

    reading = threading.Thread(target=read)
    reading.start()
    until(lambda: b"The recording continues." in said, 40)
    before = place.events()
    until(lambda: place.events() > before + 5)
    assert process.poll() is None
    word = livefile.read(place.capture)
    assert word is not None
    assert word.proxy.lives()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    reading.join(20)
    os.close(leader)
    text = said.decode(errors="replace")
    assert "the UI crashed; the error is above" in text
    assert "in broken" in text
    assert "s3cret" not in text
    assert place.finished()
