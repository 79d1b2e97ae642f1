"""Signals to ``gwinspect record``: the command says its goodbyes through the proxy, and no process is left behind."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from inspector.proxy.process import Identity, descendants, identify
from inspector.store.reader import Reader

from .test_live import Place, confdir, place, until

__all__ = ["confdir", "place"]

pytestmark = pytest.mark.e2e

# Beats until it is told to end, says goodbye, and has a child that only more than Ctrl-C would end.
CLIENT = """
import asyncio, signal, subprocess, sys, aiohttp
signal.signal(signal.SIGINT, signal.default_int_handler)
child = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(1000)"])
async def main():
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.ws_connect(sys.argv[1]) as ws:
            try:
                while True:
                    await ws.receive_str()
                    await asyncio.sleep(0.05)
                    await ws.send_str('{"op":1,"d":null}')
            finally:
                await asyncio.sleep(0.5)
                await ws.close(code=4001)
asyncio.run(main())
"""


@pytest.fixture
def started() -> Iterator[list[Identity]]:
    """What a test has started, to be ended whatever becomes of it."""
    found: list[Identity] = []
    yield found
    for identity in found:
        if identity.lives():
            os.kill(identity.pid, signal.SIGKILL)


def command(place: Place) -> list[str]:
    main = [sys.executable, "-c", "from inspector.cli.start import main; main()"]
    return [*main, "record", *place.options(), "--", *place.client(CLIENT)]


def family(pid: int, started: list[Identity]) -> list[Identity]:
    """Return all of a recording's processes: itself, mitmdump, the client and its child."""
    until(lambda: len(descendants(pid)) >= 3)
    found = [identity for identity in (identify(pid), *descendants(pid)) if identity is not None]
    started += found
    return found


def said_goodbye(place: Place) -> bool:
    reader = Reader(place.capture)
    closed = reader.connection(1).closed
    reader.close()
    return closed is not None and (closed.code, closed.by) == (4001, "client")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_record_alone_ends_all_of_it(place: Place, started: list[Identity], number: int) -> None:
    with (place.folder / "err").open("wb") as err:
        process = subprocess.Popen(
            command(place), stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True
        )
    found = family(process.pid, started)
    until(lambda: place.events() > 5)
    process.send_signal(number)
    assert process.wait(30) == 128 + number, place.err()
    assert not any(identity.lives() for identity in found)
    assert said_goodbye(place)
    assert "own.gwcap: 1 connection, " in place.err()
    assert place.finished()


@pytest.mark.parametrize("how", ["Ctrl-C", signal.SIGINT, signal.SIGTERM])
def test_at_a_terminal_the_command_says_goodbye_once(place: Place, started: list[Identity], how: str | int) -> None:
    pid, terminal = pty.fork()
    if not pid:
        os.execv(sys.executable, command(place))
    found = family(pid, started)
    until(lambda: place.events() > 5)
    if isinstance(how, str):
        os.write(terminal, b"\x03")
    else:
        os.kill(pid, how)
    said = read_all(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    # Of Ctrl-C the command has heard itself, so what it ends with counts. Python makes of it death by SIGINT, or 1.
    assert code in ((130, 1) if how == "Ctrl-C" else (128 + int(how),)), said
    assert ("was asked to stop" in said) is (how != "Ctrl-C")
    until(lambda: not any(identity.lives() for identity in found))
    assert said_goodbye(place)
    assert "own.gwcap: 1 connection, " in said


def read_all(terminal: int) -> str:
    """Return what is said at a terminal until nobody is there any more."""
    said, deadline = b"", time.monotonic() + 40
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            try:
                data = os.read(terminal, 10_000)
            except OSError:
                break
            if not data:
                break
            said += data
    return said.decode("utf-8", "replace")
