"""Real processes of the command line: started as a shell would, each with a home and a temporary folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from inspector.model import Frame, Opened, Plane
from inspector.protocol.registry import default
from inspector.proxy.process import descendants
from inspector.store.writer import Writer

from .conftest import START, URL

ROOT = Path(__file__).parents[2]
MAIN = (sys.executable, "-c", "from inspector.cli.start import main; main()")
# Seconds after which something that is waited for is taken not to come.
PATIENCE = 60


class Home:
    """A folder with all that a user has: home, cache, temporary files, a folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.temporary = folder / "temporary"
        for each in (self.work, self.temporary):
            each.mkdir(parents=True)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("LC_", "XDG_"))},
            "HOME": str(self.folder),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("GWINSPECT_TEST_PATH")])]),
            "TZ": "UTC",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            **more,
        }

    def start(
        self, *arguments: str | bytes | Path, variables: Mapping[str, str] | None = None, **options: object
    ) -> "subprocess.Popen[bytes]":
        streams = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(  # type: ignore[call-overload]
            [*MAIN, *map(os.fspath, arguments)],
            **{
                "cwd": self.work,
                "env": self.environment(**(variables or {})),
                "stdin": subprocess.DEVNULL,
                "start_new_session": True,
                **streams,
                **options,
            },
        )

    def run(self, *arguments: str | bytes | Path, **options: object) -> "subprocess.CompletedProcess[bytes]":
        with self.start(*arguments, **options) as process:
            out, err = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(process.args, code_of(process), out, err)

    def shell(self, script: str, *arguments: str | Path, **variables: str) -> "subprocess.CompletedProcess[bytes]":
        """Run a script of bash's, in which "$@" is gwinspect with these arguments."""
        whole = ["bash", "-c", script, "bash", *MAIN, *map(str, arguments)]
        return subprocess.run(
            whole,
            cwd=self.work,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )

    def files(self) -> set[str]:
        """Return all there is, but for imports, which are kept on purpose."""
        found = set()
        for each in (self.work, self.temporary, self.folder / ".cache" / "gwinspect" / "imports"):
            for path in each.rglob("*"):
                if each.name != "imports" or path.suffix != ".gwcap":
                    found.add(str(path.relative_to(self.folder)))
        return found


def code_of(process: "subprocess.Popen[bytes]") -> int:
    """Return the exit code of a process that has ended, as a shell has it."""
    code = process.wait(PATIENCE)
    return code if code >= 0 else 128 - code


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def hears_signals(process: "subprocess.Popen[bytes]") -> bool:
    """Say whether a process has ended, or has got as far as to have handlers of its own for signals."""
    if process.poll() is not None:
        return True
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("SigCgt:")[2].split()[0], 16) >> (signal.SIGTERM - 1) & 1 == 1


def end_all(process: "subprocess.Popen[bytes]") -> None:
    """End a process and those it has started, whatever became of the test."""
    for identity in descendants(process.pid):
        os.kill(identity.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def write_large(path: Path, rows: int) -> Path:
    """Make a capture over which a filter takes a while."""
    writer = Writer(path, default(), made_by="test", bulk=True)
    writer.write([Opened(1, START, Plane.GATEWAY, URL, "127.0.0.1:1")])
    text = b'{"op":0,"s":%d,"t":"TYPING_START","d":{"a":{"b":%d},"user_id":"1000"}}'
    for first in range(1, rows + 1, 1000):
        writer.write([Frame(1, START + n * 1_000_000, False, True, text % (n, n)) for n in range(first, first + 1000)])
    writer.finish()
    return path
