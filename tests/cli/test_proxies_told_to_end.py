"""SIGINT, SIGTERM and SIGHUP to commands that have started others: these end too, and nothing is left behind."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspector.proxy.process import Identity, descendants, identify

from .processes import PATIENCE, Home, code_of, end_all, hears_signals, until

pytestmark = pytest.mark.e2e

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LISTEN = ("--capture", "own.gwcap", "--listen", "127.0.0.1:0", "--confdir", "CONFDIR")
SLEEPER = ("--", "sleep", "1000")
COMMANDS = {
    "record": ["record", *LISTEN],
    "record COMMAND": ["record", *LISTEN, *SLEEPER],
    "live": ["live", *LISTEN],
    "live COMMAND": ["live", *LISTEN, *SLEEPER],
    "demo": ["demo", "hello", "--client", "scripted"],
    "doctor": ["doctor", "--confdir", "CONFDIR"],
}
# Seconds after a command hears signals: while it starts others, and when they are at work.
MOMENTS = [random.Random(7 + n).uniform(*span) for n, span in enumerate([(0, 0.4), (0.4, 1.2), (1.2, 3)])]


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mitmproxy")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_ends_with_all_that_it_has_started(home: Home, confdir: Path, name: str, number: int) -> None:
    # Each signal at one moment, and another one for the next command.
    moment = MOMENTS[(list(COMMANDS).index(name) + SIGNALS.index(number)) % len(MOMENTS)]
    words = [str(confdir) if word == "CONFDIR" else word for word in COMMANDS[name]]
    # As at a terminal: in one process group. A Ctrl-C there reaches all of it.
    process = home.start(*words, stdout=subprocess.DEVNULL)
    try:
        until(lambda: hears_signals(process))
        time.sleep(moment)
        started = family(process)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        end_all(process)
    said = err.decode()
    has_ended_itself = name in ("demo", "doctor")
    is_recording = "Ctrl-C ends it" in said or "q ends it" in said
    expected = {128 + number} | ({0, 1} if has_ended_itself else set())
    if number == signal.SIGINT and is_recording:
        # The usual end of a recording; with a COMMAND, of which nothing was recorded, or only begun to be.
        expected |= {0, 2}
    assert code_of(process) in expected, said
    assert "Traceback" not in said
    until(lambda: not any(each.lives() for each in started))
    kept = {"work/own.gwcap"}
    assert {name for name in home.files() if not is_log(name)} <= kept


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
def test_a_signal_to_the_whole_group_leaves_nothing_either(home: Home, number: int) -> None:
    """As from a terminal: Ctrl-C reaches all who share it, and so does its hang-up."""
    process = home.start("demo", "hello", "--client", "scripted", stdout=subprocess.DEVNULL)
    try:
        until(lambda: hears_signals(process))
        until(lambda: len(descendants(process.pid)) >= 4 or process.poll() is not None)
        started = family(process)
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        end_all(process)
    assert code_of(process) == 128 + number, err
    assert b"Traceback" not in err
    until(lambda: not any(each.lives() for each in started))
    assert home.files() == set()


@pytest.fixture
def proxy(home: Home, confdir: Path) -> Iterator[str]:
    process = home.start("record", "--capture", "other.gwcap", "--listen", "127.0.0.1:0", "--confdir", confdir)
    assert process.stderr is not None
    line = process.stderr.readline().decode()
    yield line.split()[2].rstrip(",")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    end_all(process)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
def test_run_ends_its_command(home: Home, confdir: Path, proxy: str, number: int) -> None:
    there = home.files()
    process = home.start("run", "--proxy", proxy, "--confdir", confdir, *SLEEPER)
    try:
        until(lambda: descendants(process.pid))
        started = family(process)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        end_all(process)
    assert code_of(process) == 128 + number, err
    assert b"Traceback" not in err
    until(lambda: not any(each.lives() for each in started))
    assert home.files() == there


def family(process: "subprocess.Popen[bytes]") -> list[Identity]:
    return [each for each in (identify(process.pid), *descendants(process.pid)) if each is not None]


def is_log(name: str) -> bool:
    """Say whether it is a log that is kept because it says why nothing was recorded, or the folder with it."""
    return name.endswith("command.log") or (name.count("/") == 1 and name.startswith("temporary/gwinspect-"))
