"""A screen whose terminal goes away: closed with a hang-up, or without one, as under nohup or `docker exec`."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inspector.proxy.process import Identity, descendants, identify
from tests.cli.processes import ROOT, Home, code_of, end_all, until

pytestmark = pytest.mark.e2e

SAMPLE = ROOT / "sample_captures" / "resume.gwcap"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Screen:
    """A command on a terminal of its own, which need not be its controlling terminal."""

    def __init__(self, home: Home, *arguments: str | Path, controlling: bool = False, ignoring: bool = False) -> None:
        self.main, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 40, 150, 0, 0))

        def prepare() -> None:
            if controlling:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if ignoring:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

        streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
        self.process = home.start(*arguments, preexec_fn=prepare, **streams)
        os.close(terminal)
        self.shown = b""
        self._is_closing = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def shows(self, word: str) -> None:
        until(lambda: word.encode() in self.shown or self.process.poll() is not None)
        assert word.encode() in self.shown, self.shown

    def stop_reading(self) -> None:
        self._is_closing.set()
        self._reader.join()

    def close(self) -> None:
        if self.main >= 0:
            self.stop_reading()
            os.close(self.main)
            self.main = -1

    def end(self) -> None:
        self.close()
        end_all(self.process)

    def _read(self) -> None:
        while not self._is_closing.is_set():
            if select.select([self.main], [], [], 0.02)[0]:
                try:
                    self.shown += os.read(self.main, 65536)
                except OSError:
                    return


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def screen(home: Home) -> Iterator[Callable[..., Screen]]:
    made: list[Screen] = []

    def make(*arguments: str | Path, **options: bool) -> Screen:
        made.append(Screen(home, *arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()


# Of a controlling terminal the kernel tells by SIGHUP; who ignores that, and who has another terminal, is not told.
TERMINALS = {
    "nobody's": {},
    "ours": {"controlling": True},
    "ours, under nohup": {"controlling": True, "ignoring": True},
}


@pytest.mark.parametrize("how", TERMINALS)
def test_a_screen_ends_with_its_terminal(screen: Callable[..., Screen], home: Home, how: str) -> None:
    there = home.files()
    shown = screen("open", SAMPLE, **TERMINALS[how])
    shown.shows("READY")
    shown.close()
    assert code_of(shown.process) == 129
    assert home.files() == there


@pytest.mark.parametrize("how", TERMINALS)
def test_a_recording_is_finished_when_its_screens_terminal_goes_away(
    screen: Callable[..., Screen], home: Home, how: str
) -> None:
    shown = screen("live", "--capture", "own.gwcap", "--listen", "127.0.0.1:0", "--", "sleep", "1000", **TERMINALS[how])
    shown.shows("LIVE")
    started = family(shown.process)
    assert len(started) >= 3
    shown.close()
    assert code_of(shown.process) == 129
    until(lambda: not any(each.lives() for each in started))
    # Of `sleep` nothing was recorded, and its log, which is kept, says so.
    assert {name for name in home.files() if not name.startswith("temporary/gwinspect-")} == {"work/own.gwcap"}
    assert [path.name for path in home.temporary.rglob("*") if path.is_file()] == ["command.log"]
    found = home.run("sql", "own.gwcap", "select count(*) from meta where key = 'finished_at'")
    assert found.stdout.split()[-1] == b"1"


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
def test_a_signal_ends_a_screen_and_gives_the_terminal_back(
    screen: Callable[..., Screen], home: Home, number: int
) -> None:
    shown = screen("open", SAMPLE)
    shown.shows("READY")
    shown.process.send_signal(number)
    assert code_of(shown.process) == 128 + number
    assert b"Traceback" not in shown.shown
    until(lambda: b"\x1b[?1049l" in shown.shown)


def test_a_signal_ends_a_screen_whose_terminal_takes_nothing_any_more(screen: Callable[..., Screen]) -> None:
    """As one that a person has detached from: what is written to it waits, for ever."""
    shown = screen("open", SAMPLE)
    shown.shows("READY")
    shown.stop_reading()
    for _ in range(100):
        # Help and back: each paints all of it.
        os.write(shown.main, b"?")
        time.sleep(0.02)
        os.write(shown.main, b"q")
        time.sleep(0.02)
    shown.process.send_signal(signal.SIGTERM)
    assert code_of(shown.process) == 143


def test_the_demo_ends_with_its_terminal(screen: Callable[..., Screen], home: Home) -> None:
    shown = screen("demo", "hello", "--client", "scripted")
    shown.shows("READY")
    started = family(shown.process)
    shown.close()
    assert code_of(shown.process) == 129
    until(lambda: not any(each.lives() for each in started))
    assert home.files() == set()


def family(process: "subprocess.Popen[bytes]") -> list[Identity]:
    return [each for each in (identify(process.pid), *descendants(process.pid)) if each is not None]
