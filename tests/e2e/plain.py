"""A mitmproxy as most people have it: in a Python of its own, with nothing of ours.

It is installed on first use, and kept beside the environments that the Makefile makes: 11.0.2 where the tests run under
Python 3.11, 12 or newer elsewhere.
"""

import contextlib
import fcntl
import os
import pty
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from inspector.importers.merge import Input, merge
from inspector.protocol.registry import default
from inspector.proxy.mitmdump import addon_path, free_port
from inspector.simulator import redirect
from tests.e2e.playing import ROOT
from tests.installing import made_once

_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
# Seconds that a program may take to listen, and to end.
_START_LIMIT = 60.0
_STOP_LIMIT = 20.0


def programs() -> Path:
    """Return the folder with mitmproxy's programs. Skips the test where they cannot be installed."""
    folder = ROOT / ".venv" / f"plain-{_VERSION}"
    with made_once(folder) as to_make:
        if to_make:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
            if subprocess.run([*pip, "mitmproxy>=11.0.2"]).returncode:
                pytest.skip("mitmproxy cannot be installed into an environment of its own here")
    return folder / "bin"


@dataclass(frozen=True, slots=True)
class Plain:
    """A program of mitmproxy that runs."""

    url: str
    ca: Path
    frames: Path
    screen: bytearray
    """What it has written to its terminal."""
    process: "subprocess.Popen[bytes]"


@contextlib.contextmanager
def running(
    folder: Path,
    simulator_port: int,
    simulator_ca: Path,
    *more: str,
    tool: str = "mitmdump",
    addon: Path | None = None,
    environment: dict[str, str] | None = None,
    scripts: Sequence[Path] = (),
) -> Iterator[Plain]:
    """Run one of mitmproxy's programs with our addon, copied to where nothing else of ours is."""
    if addon is None:
        addon = folder / "copied" / "gwinspect.py"
        addon.parent.mkdir(exist_ok=True)
        shutil.copyfile(addon_path(), addon)
    port = free_port("127.0.0.1")
    frames = folder / "by-hand.frames.jsonl"
    command = [str(programs() / tool), "-s", str(addon), "-s", redirect.__file__]
    command += [each for script in scripts for each in ("-s", str(script))]
    options = {
        "confdir": folder,
        "gwinspect_capture": folder / "by-hand.gwcap",
        "listen_host": "127.0.0.1",
        "listen_port": port,
        "ssl_verify_upstream_trusted_ca": simulator_ca,
    }
    for name, value in options.items():
        command += ["--set", f"{name}={value}"]
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    process = subprocess.Popen(
        [*command, *more],
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        cwd=folder,
        env=clean | {"TERM": "xterm", "GWINSPECT_SIMULATOR_PORT": str(simulator_port)} | (environment or {}),
    )
    os.close(its)
    screen = bytearray()
    reading = threading.Thread(target=_read, args=(ours, screen))
    reading.start()
    try:
        deadline = time.monotonic() + _START_LIMIT
        while not (_listens(port) and frames.exists() and frames.stat().st_size):
            assert process.poll() is None, screen.decode(errors="replace")
            assert time.monotonic() < deadline, screen.decode(errors="replace")
            time.sleep(0.05)
        yield Plain(f"http://127.0.0.1:{port}", folder / "mitmproxy-ca-cert.pem", frames, screen, process)
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_LIMIT)
    finally:
        process.kill()
        process.wait()
        reading.join()
        os.close(ours)


def converted(frames: Path) -> Path:
    """Return a capture of what is in the file, as it is there."""
    capture = frames.with_name("converted.gwcap")
    made = merge([Input(frames)], capture, default(), made_by="test", keep_secrets=True)
    assert made.notes == ()
    return capture


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
