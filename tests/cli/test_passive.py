"""``--passive``: what is refused, and recordings of a gateway of our own on loopback, without TLS."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from inspector.passive.packets import Unrecordable, recording
from inspector.proxy import livefile
from inspector.store.reader import Reader
from tests.e2e.terminal import Terminal

from .conftest import CLIENT

GWINSPECT = [sys.executable, "-c", "from inspector.cli.main import main; main()"]

# A client that beats until Ctrl-C, and then says goodbye.
BEATER = """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(sys.argv[1]) as ws:
            try:
                while True:
                    print(await ws.receive_str())
                    await asyncio.sleep(0.05)
                    await ws.send_str('{"op":1,"d":null}')
            finally:
                await ws.close(code=4001)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--passive"], "--passive needs the client's TLS keys: give a COMMAND after --, or its key log with --keys"),
        (["--passive", "--listen", "127.0.0.1:0", "--", "true"], "--listen is for a proxy, and --passive runs none"),
        (["--passive", "--set", "a=b", "--", "true"], "--set is for a proxy, and --passive runs none"),
        (["--keys", "keys.log"], "--keys is for recording packets; add --passive, or leave --keys out"),
        (["--interface", "lo", "--", "true"], "--interface is for recording packets; add --passive"),
        (["--passive", "--port", "0", "--", "true"], "0 is not in the range"),
        (["--passive", "--interface", "no0", "--", "true"], "there is no network interface no0; this machine has "),
    ],
)
@pytest.mark.parametrize("command", ["record", "live"])
def test_what_makes_no_sense_is_refused(run, tmp_path: Path, command: str, options: list[str], words: str) -> None:
    result = run(command, "--capture", tmp_path / "own.gwcap", *options)
    assert result.code == 2
    assert words in result.err
    assert not (tmp_path / "own.gwcap").exists()


REFUSED = """#!/bin/sh
echo "Capturing on 'any'" >&2
echo 'dumpcap: You do not have permission to capture on device "any".' >&2
echo '(socket: Operation not permitted)' >&2
exit 2
"""


@pytest.mark.parametrize("command", ["record", "live"])
def test_a_right_that_is_missing_is_said_with_how_to_get_it(tmp_path: Path, command: str) -> None:
    program = tmp_path / "dumpcap"
    program.write_text(REFUSED)
    program.chmod(0o755)
    result = subprocess.run(
        [*GWINSPECT, command, "--passive", "--capture", str(tmp_path / "own.gwcap"), "--", "true"],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2
    assert 'dumpcap cannot record packets: You do not have permission to capture on device "any".' in result.stderr
    if sys.platform == "linux":
        assert "sudo usermod -aG wireshark $USER" in result.stderr
        assert f"setcap cap_net_raw,cap_net_admin=eip {program}" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dumpcap"]


class Place:
    """A folder with what a recording takes, and the command line to begin one."""

    def __init__(self, folder: Path, gateway: int) -> None:
        self.capture, self.folder, self._gateway = folder / "own.gwcap", folder, gateway
        self._running: list[subprocess.Popen] = []

    def client(self, script: str) -> list[str]:
        path = self.folder / "client.py"
        path.write_text(script)
        return [sys.executable, str(path), f"http://127.0.0.1:{self._gateway}/?v=10&encoding=json"]

    def options(self, name: str) -> list[str]:
        given = ["--passive", "--interface", "lo", "--host", f"127.0.0.1:{self._gateway}"] if name != "run" else []
        return ["--capture", str(self.capture), *given]

    def start(self, name: str, *options: str, command: list[str]) -> subprocess.Popen:
        with (self.folder / f"{name}.out").open("wb") as out, (self.folder / f"{name}.err").open("wb") as err:
            process = subprocess.Popen(
                [*GWINSPECT, name, *self.options(name), *options, "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self._running.append(process)
        return process

    def run(self, name: str, *options: str, command: list[str]) -> int:
        return self.start(name, *options, command=command).wait(60)

    def out(self, name: str) -> str:
        return (self.folder / f"{name}.out").read_text()

    def err(self, name: str) -> str:
        return (self.folder / f"{name}.err").read_text()

    def events(self) -> int:
        with suppress(Exception), closing(Reader(self.capture)) as reader:
            return reader.last()
        return 0

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
        left = livefile.read(self.capture)
        for identity in (left.client, left.proxy) if left is not None else ():
            if identity is not None and identity.lives():
                os.kill(identity.pid, signal.SIGKILL)


@pytest.fixture
def place(gateway: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    try:
        with recording(["lo"], "udp"):
            pass
    except Unrecordable as problem:
        pytest.skip(f"packets cannot be recorded here: {problem}")
    place = Place(tmp_path, gateway)
    yield place
    place.end()


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


ROWS = [("open", None), ("payload", 10), ("payload", 1), ("payload", 11), ("close", None)]


@pytest.mark.e2e
def test_a_server_of_ones_own_is_recorded_and_the_exit_code_kept(place: Place) -> None:
    assert place.run("record", command=place.client(CLIENT)) == 7, place.err("record")
    with closing(Reader(place.capture)) as reader:
        assert [(event.kind.value, event.op) for event in reader.all_events()] == ROWS
        assert reader.meta()["made_by"].startswith("packets recorded by ")


@pytest.mark.e2e
def test_without_a_screen_rows_are_printed(place: Place) -> None:
    assert place.run("live", "--format", "jsonl", command=place.client(CLIENT)) == 7, place.err("live")
    assert [(row["kind"], row["op"]) for row in map(json.loads, place.out("live").splitlines())] == ROWS
    assert "records packets of Discord on lo" in place.err("live")


@pytest.mark.e2e
def test_a_killed_gwinspect_leaves_the_client_undisturbed_and_the_next_one_goes_on(place: Place) -> None:
    process = place.start("live", command=place.client(BEATER))
    until(lambda: place.events() > 5)
    process.kill()
    process.wait()
    before = place.events()
    until(lambda: place.events() > before + 5)
    process = place.start("live", command=place.client(BEATER))
    until(lambda: "is still being recorded, so" in place.err("live"))
    assert "reusing its recorder" in place.err("live")
    before = place.events()
    until(lambda: place.events() > before + 5)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    with closing(Reader(place.capture)) as reader:
        # The server may have answered a last heartbeat before it saw that.
        assert [event.closed.code for event in reader.all_events() if event.closed is not None] == [4001]
        assert "finished_at" in reader.meta()
    assert not livefile.path_of(place.capture).exists()


@pytest.mark.e2e
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_command_and_recording(place: Place, number: int, code: int) -> None:
    process = place.start("record", command=place.client(BEATER))
    until(lambda: place.events() > 5)
    process.send_signal(number)
    assert process.wait(30) == code
    with closing(Reader(place.capture)) as reader:
        # The server may have answered a last heartbeat before it saw that.
        assert [event.closed.code for event in reader.all_events() if event.closed is not None] == [4001]
        assert "finished_at" in reader.meta()
    assert sorted(path.name for path in (place.folder / "temporary").iterdir()) == []


@pytest.mark.e2e
def test_one_more_client_can_be_run_for_it(place: Place) -> None:
    process = place.start("live", command=place.client(BEATER))
    until(lambda: place.events() > 5)
    environment = "import os, sys; print(os.environ['SSLKEYLOGFILE']); sys.exit('HTTPS_PROXY' in os.environ)"
    assert place.run("run", command=[sys.executable, "-c", environment]) == 0
    keys = Path(place.out("run").strip())
    assert keys.stat().st_mode & 0o777 == 0o600
    process.send_signal(signal.SIGINT)
    process.wait(30)
    assert not keys.exists()


@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_the_screen_shows_packets_as_they_pass(place: Place) -> None:
    terminal = Terminal(place.folder)
    try:
        terminal.start("live", *place.options("live"), "--", *place.client(BEATER))
        terminal.shows("LIVE  lo", "Heartbeat ACK")
        terminal.press("q")
        terminal.shows("A client is still connected; quitting ends the recording.")
        terminal.press("q")
        terminal.shows("1 connection, ", "EXIT 0")
    finally:
        terminal.end()


@pytest.mark.e2e
def test_a_command_without_a_gateway_is_said(place: Place) -> None:
    assert place.run("record", command=["true"]) == 2
    said = place.err("record")
    assert "true ended, and no gateway connection was recorded." in said
    assert "no Discord gateway was seen" in said
    assert "the same command without --passive" in said
