"""Processes that outlive the one that started them: how to know one again, and how to end it.

A number alone names no process: numbers are used again. Anyone who acts on one that is not a child of ours asks first
whether it still is the process that was meant.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

# Stands for the exit code of a process that somebody else started: only its parent is told.
UNKNOWN = -1000

# Seconds that a process has to end once it was told to more firmly than by Ctrl-C.
LAST_LIMIT = 1.0
# Seconds between two looks at a process that is no child of ours; each may cost a run of ``ps``.
_BEAT = 0.2


class Process(Protocol):
    """What `subprocess.Popen` and `Found` have in common."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """Return the exit code, None while it runs; below zero: killed by that signal, or `UNKNOWN`."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code. Raises subprocess.TimeoutExpired."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, distinguished from all others that had or will have its number."""

    pid: int
    began: str
    """When it began, as the system says it."""

    def lives(self) -> bool:
        """Say whether that very process still runs."""
        return identify(self.pid) == self


class Found:
    """A running process that is not a child of ours."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._gone = False
        self._looked = 0.0

    @property
    def pid(self) -> int:
        return self._identity.pid

    def poll(self) -> int | None:
        now = time.monotonic()
        if not self._gone and now - self._looked >= _BEAT:
            self._looked = now
            self._gone = not self._identity.lives()
        return UNKNOWN if self._gone else None

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                assert timeout is not None
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(_BEAT)
        return UNKNOWN


def exit_code(code: int) -> int:
    """Return an exit code of `Process` as a shell has it: 128 and more where a signal ended it, -1 if it is unknown."""
    if code == UNKNOWN:
        return -1
    return code if code >= 0 else 128 - code


def identify(pid: int) -> Identity | None:
    """Return the identity of the process with that number, None where there is none or it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return None if Path("/proc/self/stat").exists() else _asked(pid)
    # The name of the program is in brackets and may have some in it. Then: state, …, start in ticks since boot.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else Identity(pid, f"{_boot()} {fields[19]}")


def end(process: Process, limit: float, *, group: bool = False, first: int = signal.SIGINT) -> None:
    """End a process as Ctrl-C does, so that it can say its goodbyes; after `limit` seconds end it for good.

    `group`: those that it has started too, where it leads a process group of its own. `first`: the first signal.
    """
    if process.poll() is not None:
        return
    for number, seconds in ((first, limit), (signal.SIGTERM, LAST_LIMIT), (signal.SIGKILL, LAST_LIMIT)):
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        if process.poll() is not None:
            break
    if group:
        # A group lives as long as anybody is in it, also when its leader has gone.
        _end_for_good(lambda number: os.killpg(process.pid, number))


def finish_off(family: Iterable[Identity]) -> None:
    """End those of `family` that are left, for good."""
    for identity in family:
        if identity.lives():
            _end_for_good(partial(_signal, identity))


def descendants(pid: int) -> list[Identity]:
    """Return the children of a process, theirs, and so on."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found, waiting = [], list(children.get(pid, ()))
    while waiting:
        child = waiting.pop()
        waiting += children.get(child, ())
        identity = identify(child)
        if identity is not None:
            found.append(identity)
    return found


def _parents() -> Iterator[tuple[int, int]]:
    """Yield the number of each process with that of its parent."""
    if Path("/proc/self/stat").exists():
        # Not by `Path.glob`, which asks for each whether it exists, and raises where it ends meanwhile.
        for name in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{name}/stat").read_text("ascii", "replace")
                yield int(name), int(stat.rpartition(")")[2].split()[1])
        return
    with contextlib.suppress(OSError):
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True).stdout
        for line in listed.splitlines():
            child, parent = map(int, line.split())
            yield child, parent


def _signal(identity: Identity, number: int) -> None:
    if not identity.lives():
        raise ProcessLookupError
    os.kill(identity.pid, number)


def _end_for_good(send: Callable[[int], None]) -> None:
    """End whatever `send` sends a signal to; it raises ProcessLookupError once nothing is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(signal.SIGTERM)
        deadline = time.monotonic() + LAST_LIMIT
        while time.monotonic() < deadline:
            send(0)
            time.sleep(0.02)
        send(signal.SIGKILL)


@contextmanager
def output_to(log: Path | None) -> Iterator[int]:
    """Give the number of a file for a process to write to: the end of `log`, private to its owner, else our stderr."""
    if log is None:
        yield sys.stderr.fileno()
        return
    output = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        yield output
    finally:
        os.close(output)


def _asked(pid: int) -> Identity | None:
    """Ask ``ps``, where there is no ``/proc``."""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout
    except OSError:
        return None
    state, _, began = said.strip().partition(" ")
    return None if not began or state.startswith("Z") else Identity(pid, " ".join(began.split()))


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
