"""A real terminal, tmux, for programs that draw a screen."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.e2e.playing import ROOT

# Seconds that anything may take to show up; a proxy and a client have to start.
PATIENCE = 60
# Variables that say how large, or of what kind, the terminal is that the tests run in.
_NOT_OURS = ("NO_COLOR", "TMUX", "COLUMNS", "LINES")


class Terminal:
    """A tmux session of its own server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = 0

    def start(self, *arguments: str, columns: int = 150, lines: int = 40, piped: str = "") -> None:
        """Run gwinspect in a server of its own, and say its exit code after it. `piped`: the command before it."""
        script = "from inspector.cli.start import main; main()"
        self.run([sys.executable, "-c", script, *arguments], columns=columns, lines=lines, piped=piped)

    def run(
        self,
        program: Sequence[str],
        *,
        columns: int,
        lines: int,
        variables: Mapping[str, str] | None = None,
        piped: str = "",
    ) -> None:
        """Run a program in a server of its own, and say its exit code after it."""
        self._started += 1
        command = f"{piped} | " * bool(piped) + shlex.join(program)
        environment = {
            **{name: value for name, value in os.environ.items() if name not in _NOT_OURS},
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(self._folder),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            **(variables or {}),
        }
        size = ["-x", str(columns), "-y", str(lines)]
        self._run("new-session", "-d", *size, f"{command}; echo EXIT $?; exec sleep 1000", environment=environment)

    @property
    def _tmux(self) -> list[str]:
        return ["tmux", "-S", str(self._folder / f"tmux-{self._started}"), "-f", "/dev/null"]

    def press(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def leave(self, word: str) -> None:
        """Press Escape where `word` is shown, and wait until it is gone: the next key might be read as Alt with it."""
        self.shows(word)
        self.press("Escape")
        self._wait(lambda text: word not in text, f"{word!r} did not go from")

    def type(self, text: str) -> None:
        self._run("send-keys", "-l", text)

    def text(self) -> str:
        return self._run("capture-pane", "-p")

    def shows(self, *words: str) -> str:
        """Wait until all of `words` are on the screen, and return it."""
        return self._wait(lambda text: all(word in text for word in words), f"{words} did not show up in")

    def _wait(self, until: Callable[[str], bool], otherwise: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            text = self.text()
            if until(text):
                return text
            time.sleep(0.05)
        raise AssertionError(f"{otherwise}:\n{self.text()}")

    def keep_output(self, path: Path) -> None:
        """Write all that the program sends to the terminal from now on to a file, as it is."""
        self._run("pipe-pane", "-O", f"cat > {shlex.quote(str(path))}")

    def process(self) -> int:
        """Return the number of the process that draws the screen."""
        pane = self._run("display-message", "-p", "#{pane_pid}").strip()
        return int(subprocess.run(["pgrep", "-P", pane], capture_output=True, text=True, check=True).stdout.split()[0])

    def end(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)

    def _run(self, *arguments: str, environment: dict[str, str] | None = None) -> str:
        result = subprocess.run([*self._tmux, *arguments], capture_output=True, text=True, check=True, env=environment)
        return result.stdout
