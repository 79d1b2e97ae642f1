"""``gwinspect live`` with a gateway of our own on loopback, a real mitmdump and client processes.

The screen itself is tested in tests/tui; here a function stands in its place.
"""

import contextlib
import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspector.cli import live
from inspector.proxy import livefile
from inspector.proxy.process import descendants, identify
from inspector.store.reader import Reader
from inspector.tui import run as screen

from .conftest import CLIENT

pytestmark = pytest.mark.e2e

# A client that beats until Ctrl-C, and then says goodbye.
BEATER = """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession(trust_env=True) as session:
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


class Place:
    """A folder with what a recording takes, and the command line to begin one."""

    def __init__(self, folder: Path, gateway: int) -> None:
        self.capture = folder / "own.gwcap"
        self.folder = folder
        self._gateway = gateway
        self._running: list[subprocess.Popen] = []

    def client(self, script: str) -> list[str]:
        path = self.folder / "client.py"
        path.write_text(script)
        return [sys.executable, str(path), f"http://127.0.0.1:{self._gateway}/?v=10&encoding=json"]

    def options(self, *more: str) -> list[str]:
        return [
            *("--capture", str(self.capture), "--host", f"127.0.0.1:{self._gateway}"),
            *(() if "--listen" in more else ("--listen", "127.0.0.1:0")),
            *more,
        ]

    def start(self, *options: str, command: list[str] = [], name: str = "live") -> subprocess.Popen:  # noqa: B006
        main = [sys.executable, "-c", "from inspector.cli.start import main; main()"]
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            whole = [*main, name, *self.options(*options), "--", *command]
            process = subprocess.Popen(whole, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        self._running.append(process)
        return process

    def out(self) -> str:
        return (self.folder / "out").read_text()

    def err(self) -> str:
        return (self.folder / "err").read_text()

    def run(self, *options: str, command: list[str] = [], name: str = "live") -> int:  # noqa: B006
        return self.start(*options, command=command, name=name).wait(60)

    def events(self) -> int:
        """How many events there are by now."""
        try:
            reader = Reader(self.capture)
        except Exception:
            return 0
        try:
            return reader.last()
        finally:
            reader.close()

    def finished(self) -> bool:
        """Whether the capture is one finished file, and nothing else is left beside it."""
        with sqlite3.connect(f"file:{self.capture}?mode=ro", uri=True) as db:
            whole = db.execute("select count(*) from meta where key = 'finished_at'").fetchone()[0] == 1
            mode = db.execute("pragma journal_mode").fetchone()[0]
        db.close()
        beside = [path.name for path in self.folder.glob("own*")]
        return (whole, mode, beside) == (True, "delete", ["own.gwcap"])

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
        left = livefile.read(self.capture)
        if left is not None:
            for identity in (left.client, left.proxy):
                if identity is not None and identity.lives():
                    os.kill(identity.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mitmproxy's certificates, which take a moment to make."""
    return tmp_path_factory.mktemp("mitmproxy")


@pytest.fixture
def place(gateway: int, confdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("GWINSPECT_CONFDIR", str(confdir))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    place = Place(tmp_path, gateway)
    yield place
    place.end()


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def logs(place: Place) -> list[str]:
    return [path.name for path in (place.folder / "temporary").rglob("*") if path.is_file()]


def test_rows_are_printed_and_the_exit_code_is_that_of_the_command(place: Place) -> None:
    assert place.run(command=place.client(CLIENT)) == 7, place.err()
    rows = place.out().splitlines()
    assert [word in row for word, row in zip(["open", "Hello", "Heartbeat", "ACK"], rows[1:], strict=False)] == [
        True
    ] * 4
    assert "close 4000" in place.out()
    assert '{"op":11}' in place.err()
    assert place.finished()


def test_what_a_failed_command_said_is_kept_and_named(place: Place) -> None:
    assert place.run(command=place.client(CLIENT.replace("sys.exit(7)", "sys.exit('it is broken')"))) == 1
    assert "it is broken" in place.err()
    assert "python ended with exit code 1" in place.err()
    (log,) = (place.folder / "temporary").rglob("command.log")
    assert str(log) in place.err()
    assert "it is broken\n" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    assert logs(place) == ["command.log"]


def test_a_command_of_which_nothing_was_recorded_ends_with_2_and_why(place: Place) -> None:
    assert place.run(command=["sh", "-c", "echo it is broken; exit 3"]) == 2
    assert "sh ended, and no gateway connection came to the proxy" in place.err()
    (log,) = (place.folder / "temporary").rglob("command.log")
    assert log.read_text().startswith("it is broken\ngwinspect: sh ended, and no gateway connection")


def test_a_command_that_does_well_leaves_nothing(place: Place) -> None:
    assert place.run(command=place.client(CLIENT.replace("sys.exit(7)", ""))) == 0
    assert logs(place) == []
    assert place.finished()


def test_only_rows_that_pass_the_filter_are_printed_as_json_where_asked(place: Place) -> None:
    assert place.run("--where", "op == heartbeat", "--format", "jsonl", command=place.client(CLIENT)) == 7
    assert [json.loads(line)["op"] for line in place.out().splitlines()] == [1]


def test_a_filter_with_a_mistake_is_said_before_anything_begins(place: Place) -> None:
    assert place.run("--where", "op ==") == 2
    assert not place.capture.exists()


def test_a_command_that_cannot_be_run_ends_it_all(place: Place) -> None:
    assert place.run(command=["no-such-program"]) == 2
    assert "no-such-program cannot be run" in place.err()
    assert place.finished()


def test_a_proxy_that_does_not_start_is_quoted(place: Place) -> None:
    assert place.run("--mode", "regular@nowhere") == 2
    assert "mitmdump exited right away" in place.err()
    assert "regular@nowhere" in place.err().partition("its output is above")[0]
    assert logs(place) == []


def test_where_the_usual_port_is_taken_another_is_found(place: Place, run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("inspector.cli.proxying.DEFAULT_PORT", port)
        result = run("live", "--capture", place.capture, "--", "true")
        assert result.code == 2, result.err
        assert f"port {port} is taken, so the proxy listens on 127.0.0.1:" in result.err
        result = run("live", "--capture", place.capture, "--listen", f"127.0.0.1:{port}", "--", "true")
        assert result.code == 2
        assert f"cannot listen on 127.0.0.1:{port}" in result.err


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGHUP, 128 + signal.SIGHUP)],
)
def test_signals_end_client_and_proxy_and_finish_the_capture(place: Place, number: int, code: int) -> None:
    process = place.start(command=place.client(BEATER))
    until(lambda: place.events() > 5 and livefile.read(place.capture) is not None)
    word = livefile.read(place.capture)
    assert word is not None
    process.send_signal(number)
    assert process.wait(60) == code, place.err()
    assert "own.gwcap: 1 connection, " in place.err()
    assert not word.proxy.lives()
    assert word.client is not None
    assert not word.client.lives()
    assert place.finished()
    assert logs(place) == []
    reader = Reader(place.capture)
    assert reader.connection(1).closed.code == 4001
    reader.close()


def test_a_killed_gwinspect_leaves_the_client_undisturbed_and_the_next_one_goes_on(place: Place) -> None:
    process = place.start(command=place.client(BEATER))
    until(lambda: place.events() > 5)
    process.kill()
    process.wait()
    before = place.events()
    until(lambda: place.events() > before + 5)

    process = place.start(command=place.client(BEATER))
    until(lambda: "is still being recorded, so" in place.err())
    assert "is still being recorded" in place.err()
    until(lambda: place.out().count("Heartbeat ACK") > before / 2 + 5)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130, place.err()
    assert place.finished()
    assert logs(place) == []
    reader = Reader(place.capture)
    assert [connection.closed.code for connection in reader.connections()] == [4001]
    reader.close()


def test_a_client_that_ended_meanwhile_can_be_started_again_through_the_same_proxy(place: Place) -> None:
    process = place.start(command=place.client(CLIENT.replace("sys.exit", "import time; time.sleep(1); sys.exit")))
    until(lambda: place.events() >= 5 and livefile.read(place.capture) is not None)
    process.kill()
    process.wait()
    word = livefile.read(place.capture)
    assert word is not None
    until(lambda: not word.client.lives())
    assert place.run(command=place.client(CLIENT)) == 7, place.err()
    assert place.finished()
    reader = Reader(place.capture)
    assert len(reader.connections()) == 2
    reader.close()


def test_one_gwinspect_at_a_time(place: Place) -> None:
    process = place.start(command=place.client(BEATER))
    until(lambda: place.events() > 5)
    second = subprocess.run(
        [sys.executable, "-c", "from inspector.cli.start import main; main()", "live", *place.options()],
        capture_output=True,
        text=True,
    )
    assert second.returncode == 2
    assert f"another gwinspect (process {process.pid}) is recording into" in second.stderr
    process.kill()
    process.wait()
    assert place.run(name="record") == 2
    assert "still records into" in place.err()


def test_a_word_left_by_one_that_is_gone_is_passed_over(place: Place) -> None:
    place.run(command=["true"])
    gone = livefile.Identity(os.getpid(), "long ago")
    word = livefile.Live(gone, gone, None, None, "127.0.0.1:1", (), "/ca.pem", str(place.folder))
    livefile.write(place.capture, word)
    assert place.run(command=place.client(CLIENT)) == 7
    assert place.finished()


def test_a_proxy_that_dies_is_said_and_what_it_had_is_kept(place: Place) -> None:
    process = place.start(command=place.client(BEATER))
    until(lambda: place.events() > 5 and livefile.read(place.capture) is not None)
    word = livefile.read(place.capture)
    assert word is not None
    os.kill(word.proxy.pid, signal.SIGKILL)
    assert process.wait(60) != 0
    assert "the proxy ended on its own" in place.err()
    assert place.events() > 5
    assert [path.name for path in place.folder.glob("own*")] == ["own.gwcap"]


def test_the_screen_is_given_the_recording_and_quitting_it_ends_all(place: Place, run, monkeypatch) -> None:
    seen = {}

    def quit_after_some_rows(path: Path, *, source, **options: object) -> None:
        until(lambda: place.events() > 5)
        seen.update(options, path=path, state=source.state(), command=source.command, ca=source.ca, source=source)

    monkeypatch.setattr(live, "on_screen", lambda: True)
    monkeypatch.setattr(screen, "run", quit_after_some_rows)
    result = run("live", *place.options("--where", "op == 1"), "--", *place.client(BEATER))
    assert result.code == 0, result.err
    assert result.out == ""
    assert (seen["path"], seen["where"], seen["follow"]) == (place.capture, "op == 1", True)
    assert (seen["state"].proxy, seen["state"].client, seen["state"].client_running) == (None, None, True)
    assert '{"op":11}' in seen["state"].log
    assert seen["command"] == Path(sys.executable).name
    assert seen["ca"].exists()
    assert seen["source"].advice()
    assert seen["source"].state().proxy == 0
    assert f"gwinspect open {place.capture}" in result.err
    assert place.finished()


def test_the_screen_stays_when_the_command_has_ended_and_its_exit_code_is_kept(place: Place, run, monkeypatch) -> None:
    def quit_after_the_command(path: Path, *, source, **options: object) -> None:
        until(lambda: source.state().client is not None)

    monkeypatch.setattr(live, "on_screen", lambda: True)
    monkeypatch.setattr(screen, "run", quit_after_the_command)
    result = run("live", *place.options(), "--", *place.client(CLIENT))
    assert result.code == 7
    assert '{"op":11}' in result.err


def test_plain_and_format_keep_the_screen_away(place: Place, run, monkeypatch) -> None:
    monkeypatch.setattr(live, "on_screen", lambda: True)
    monkeypatch.setattr(screen, "run", lambda *arguments, **options: pytest.fail("a screen was opened"))
    for option in (["--plain"], ["--format", "jsonl"]):
        assert run("live", *place.options(), *option, "--", "true").code == 2


def test_a_commands_colours_stay_on_a_terminal_and_nothing_else_acts_on_it(place: Place) -> None:
    """A screen of our own takes what is said in a terminal, as a person's does."""
    main, terminal = pty.openpty()
    command = [sys.executable, "-c", r"print('\033[32mgreen\033[0m \033[2Jgone')"]
    run = [sys.executable, "-c", "from inspector.cli.start import main; main()", "live", "--plain"]
    process = subprocess.Popen([*run, *place.options(), "--", *command], stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    said = b""
    with contextlib.suppress(OSError):  # that is how a terminal without a writer ends
        while data := os.read(main, 4096):
            said += data
    os.close(main)
    assert process.wait(30) == 2
    assert b"\x1b[32mgreen\x1b[0m \\x1b[2Jgone" in said


def test_a_commands_colours_are_left_out_where_there_is_no_terminal(place: Place) -> None:
    assert place.run("--plain", command=[sys.executable, "-c", r"print('\033[32mgreen\033[0m')"]) == 2
    assert "  green\n" in place.err()


@pytest.mark.parametrize(
    ("where", "code", "word"), [("| true", 7, "the output was closed"), (">/dev/full", 2, "No space")]
)
def test_a_recording_goes_on_where_its_rows_cannot_be_printed(place: Place, where: str, code: int, word: str) -> None:
    main = [sys.executable, "-c", "from inspector.cli.start import main; main()", "live", "--plain", *place.options()]
    script = f'"$@" {where}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *main, "--", *place.client(CLIENT)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stderr
    assert word in done.stderr
    assert done.stderr.count("the recording continues") == 1
    assert place.finished()
    with closing(Reader(place.capture)) as reader:
        assert reader.connection(1).closed.code == 4000


def test_a_recording_that_was_killed_can_be_shown_and_diagnosed(place: Place) -> None:
    """What its recorder left: rows in a write-ahead log, and an end that is missing."""
    process = place.start(command=place.client(BEATER), name="record")
    until(lambda: place.events() > 5)
    family = descendants(process.pid)
    for identity in (identify(process.pid), *family):
        os.kill(identity.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not any(identity.lives() for identity in family))
    main = [sys.executable, "-c", "from inspector.cli.start import main; main()"]
    beside = {path.name for path in place.folder.glob("own*")}
    for command in ("show", "stats", "diagnose"):
        done = subprocess.run([*main, command, str(place.capture)], capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        assert "Traceback" not in done.stderr
        assert done.stdout
    # Who only looks leaves all as it was.
    assert {path.name for path in place.folder.glob("own*")} == beside
