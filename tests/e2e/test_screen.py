"""The screen in a real terminal, tmux: on the demo with a real mitmproxy and client, and on a growing capture."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import ACK, HEARTBEAT, HELLO, Conversation, identify, ready

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")]

ROOT = Path(__file__).parents[2]
# Seconds that anything may take to show up; a proxy and a client have to start.
PATIENCE = 40


class Terminal:
    """A tmux session of its own server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = 0

    def start(self, *arguments: str, columns: int = 150, lines: int = 40, piped: str = "") -> None:
        """Run gwinspect in a server of its own, and say its exit code after it. `piped`: the command before it."""
        self._started += 1
        script = "from inspector.cli.main import main; main()"
        command = f"{piped} | " * bool(piped) + shlex.join([sys.executable, "-c", script, *arguments])
        environment = {
            **{name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TMUX")},
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(self._folder),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }
        size = ["-x", str(columns), "-y", str(lines)]
        self._run("new-session", "-d", *size, f"{command}; echo EXIT $?; exec sleep 1000", environment=environment)

    @property
    def _tmux(self) -> list[str]:
        return ["tmux", "-S", str(self._folder / f"tmux-{self._started}"), "-f", "/dev/null"]

    def press(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def escape(self) -> None:
        """Press Escape, and wait until nothing that follows could be taken for the rest of an escape sequence."""
        self.press("Escape")
        time.sleep(0.3)

    def type(self, text: str) -> None:
        self._run("send-keys", "-l", text)

    def text(self) -> str:
        return self._run("capture-pane", "-p")

    def shows(self, *words: str) -> str:
        """Wait until all of `words` are on the screen, and return it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            text = self.text()
            if all(word in text for word in words):
                return text
            time.sleep(0.05)
        raise AssertionError(f"{words} did not show up in:\n{self.text()}")

    def process(self) -> int:
        """Return the number of the process that draws the screen."""
        pane = self._run("display-message", "-p", "#{pane_pid}").strip()
        return int(subprocess.run(["pgrep", "-P", pane], capture_output=True, text=True, check=True).stdout.split()[0])

    def end(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)

    def _run(self, *arguments: str, environment: dict[str, str] | None = None) -> str:
        result = subprocess.run([*self._tmux, *arguments], capture_output=True, text=True, check=True, env=environment)
        return result.stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    made.end()


def test_the_demo_can_be_watched_filtered_searched_and_looked_into(terminal: Terminal, tmp_path: Path) -> None:
    capture = tmp_path / "demo.gwcap"
    terminal.start("demo", "resume", "--capture", str(capture))
    terminal.shows("LIVE  127.0.0.1:", "READY", "The Invented Guild, 4 members", "close 1006", "RESUMED")
    terminal.press("f")
    terminal.shows("Enter applies")
    terminal.type("event == MESSAGE_CREATE")
    terminal.press("Enter")
    terminal.shows("event MESSAGE_CREATE", "5 of 5")
    terminal.press("0")
    terminal.shows("row 22 of 22")
    terminal.press("/")
    terminal.shows("search text in")
    terminal.type("line is down")
    terminal.press("Enter")
    terminal.shows("paused", "row 16 of 22")
    terminal.press("Enter")
    terminal.shows("Payload", "JSON", "Explain", "Wire", "Compare", "channel_id")
    terminal.press("]", "]")
    terminal.shows("MESSAGE_CREATE", "docs.discord.com")
    terminal.escape()
    terminal.press("p")
    terminal.shows("plots", "event mix")
    terminal.escape()
    terminal.press("?")
    terminal.shows("keys", "Narrow the timeline with a filter")
    terminal.escape()
    terminal.press("s", "s")
    terminal.shows("closed 1006")
    terminal.press("q")
    terminal.shows("EXIT 0")
    reader = Reader(capture)
    assert "finished_at" in reader.meta()
    assert not Path(f"{capture}-wal").exists()
    reader.close()


def test_a_screen_that_is_killed_can_be_opened_again_on_the_growing_capture(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "growing.gwcap"
    writer = Writer(path, default(), made_by="test")
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    writer.write(talk.happenings)
    terminal.start("open", str(path), "--follow")
    terminal.shows("READY", "FOLLOWING", "row 4 of 4")
    os.kill(terminal.process(), 9)
    terminal.shows("EXIT 137")
    done = len(talk.happenings)
    talk.client(HEARTBEAT).server(ACK)
    writer.write(talk.happenings[done:])
    terminal.end()
    terminal.start("open", str(path), "--follow", columns=80, lines=24)
    terminal.shows("row 6 of 6", "Heartbeat ACK", "following")
    writer.finish()
    terminal.shows("FINISHED")
    terminal.press("q")
    terminal.shows("EXIT 0")


def test_without_colours_and_unicode_the_same_can_be_read(terminal: Terminal) -> None:
    os.environ["GWINSPECT_ASCII"] = "1"
    try:
        terminal.start("open", str(ROOT / "sample_captures" / "resume.gwcap"))
    finally:
        del os.environ["GWINSPECT_ASCII"]
    text = terminal.shows("< receive", "> send", "x server", "close 1006")
    assert not any(mark in text for mark in "▶◀✕●→…")
