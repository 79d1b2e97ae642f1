"""An import that somebody looks at while it continues, made by a process of its own.

Reading and decoding keep a processor busy, and a screen that shared its interpreter would answer keys late. The process
fills a capture that grows as any other does. When it has come to its end it puts it into the cache under the name by
which it is found again; until everybody has left, the name that was looked at stays, too.

It ends with the one that started it, however that one ends, and takes an import that is not finished along.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import inspector
from inspector import leaving
from inspector.errors import CaptureError, EnvironmentProblem, GwinspectError
from inspector.faults import marked
from inspector.garbage import end_quickly
from inspector.importers.cache import MADE_BY, Place, trim
from inspector.importers.hints import NO_HINTS, Hints
from inspector.importers.merge import Input, Report, fill
from inspector.protocol.registry import Registry
from inspector.store.file import passing_file
from inspector.store.making import create
from inspector.store.settle import tidy

# Seconds between two reports of the process.
_BEAT = 0.1
# Seconds between two signs that a capture in the cache is in use, and attempts to put it there.
_SIGN, _ATTEMPTS = 3600.0, 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import has come."""

    done: int = 0
    """Bytes that were read."""
    total: int = 0
    """Bytes that there are."""
    happenings: int = 0
    """Messages, openings and closes so far."""
    is_over: bool = False
    problem: GwinspectError | None = None
    """Why it ended before its end."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What the process is to do."""

    paths: tuple[Path, ...]
    registry: Registry
    hints: Hints
    part: Path
    """The capture to fill."""
    target: Path | None
    """Where it is put when it is finished; None: it is not kept."""


class Running:
    """An import that continues."""

    def __init__(self, path: Path, job: _Job) -> None:
        self.path = path
        """The capture that grows."""
        self._progress = Progress()
        self._signed = time.monotonic()
        ours, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"from {__name__} import main; main({its.fileno()})"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # What it has to say comes by the socket: a screen has the terminal.
                stderr=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                env=_environment(),
                # Out of reach of the terminal's Ctrl-C: it ends with us.
                start_new_session=True,
            )
        self._pipe = Connection(ours.detach())
        self._pipe.send(job)

    def progress(self) -> Progress:
        """Return how far it has come. Answers at once."""
        if not self._progress.is_over:
            try:
                while not self._progress.is_over and self._pipe.poll():
                    self._progress = self._pipe.recv()
            except (EOFError, OSError):
                problem = EnvironmentProblem(
                    f"the import was stopped by another process (exit code {self._process.wait()}); try it again"
                )
                self._progress = replace(self._progress, is_over=True, problem=problem)
        elif time.monotonic() - self._signed > _SIGN:
            # What looks abandoned is cleared away.
            self._signed = time.monotonic()
            with suppress(OSError):
                os.utime(self.path)
        return self._progress

    def end(self) -> bool:
        """End it, where it has not ended on its own, and return whether it was finished."""
        progress = self.progress()
        if not progress.is_over:
            self._process.kill()
        self._process.wait()
        self._pipe.close()
        return progress.is_over and progress.problem is None


@dataclass(frozen=True, slots=True)
class Watched:
    """A capture to look at."""

    path: Path
    running: Running | None
    """What fills it; None where it is whole."""


@contextmanager
def watched(
    paths: Sequence[Path],
    registry: Registry,
    hints: Hints = NO_HINTS,
    *,
    passing: Path | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
    folder: Path | None = None,
) -> Iterator[Watched]:
    """Give a capture of what is in the files `paths`, captures among them: one that is kept, or one that grows.

    `passing`: a folder for one that is kept by no one and gone with the block. The rest, and what is raised, is as for
    `Place`; of what comes up later the progress tells.
    """
    target = None
    if passing is None:
        place = Place(paths, registry, hints, report=report, folder=folder)
        place.close()
        target = place.path
        if place.is_filled():
            yield Watched(target, None)
            return
    else:
        # What is no recording is said at once.
        for path in paths:
            Input(path, hints).close()
    with passing_file((passing / "import.part") if passing else place.path.with_suffix(".part")) as part:
        names = ", ".join(path.name for path in paths)
        # Open until the end, and the log there from the start: by that viewers know that it grows.
        with closing(create(part, MADE_BY, names)) as held:
            held.execute("pragma journal_mode=wal")
            held.execute("select count(*) from meta").fetchone()
            job = _Job(tuple(map(Path.absolute, paths)), registry, hints.absolute(), part, target)
            running = Running(part, job)
            is_whole = False
            try:
                yield Watched(part, running)
            finally:
                is_whole = running.end()
        if is_whole and target is not None:
            _settle(part, target)


def _settle(part: Path, target: Path) -> None:
    """Make what is kept one plain file, now that no one looks at it."""
    with suppress(CaptureError, OSError):
        tidied = tidy(part)
        if tidied and not target.exists():
            os.replace(part, target)


def main(fd: int) -> None:
    """Do one import, as a process of its own; `fd` is the socket to the one that started it."""
    leaving.install()
    end_quickly()
    pipe = Connection(fd)
    job: _Job = pipe.recv()
    told = Progress()
    reported = 0.0

    def tell(done: int, total: int, happenings: int) -> None:
        nonlocal told, reported
        told = Progress(done, total, happenings)
        if time.monotonic() - reported > _BEAT:
            reported = time.monotonic()
            pipe.send(told)

    # The program ends with the block where a signal has ended what is in it.
    with leaving.tidily():
        try:
            # In here, as who started it may have ended already: it must find the file to take along.
            threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
            try:
                _fill(job, tell)
            except GwinspectError as error:
                told = replace(told, problem=error)
            except Exception as error:
                told = replace(told, problem=GwinspectError(marked("the import ended early", error)))
            pipe.send(replace(told, is_over=True))
        except (OSError, SystemExit, KeyboardInterrupt):
            for end in ("", "-wal", "-shm"):
                Path(f"{job.part}{end}").unlink(missing_ok=True)


def _fill(job: _Job, tell: Report) -> None:
    inputs = [Input(path, job.hints) for path in job.paths]
    fill(inputs, job.part, job.registry, made_by=MADE_BY, followed=True, report=tell)
    if job.target is not None:
        _keep(job.part, job.target)
        trim(job.target)


def _keep(part: Path, target: Path) -> None:
    """Give the finished capture the name by which it is found again, once all of it is in its main file."""
    for _ in range(_ATTEMPTS):
        if tidy(part):
            # Where a file cannot have two names, it gets the other when no one looks at it any more.
            with suppress(OSError):
                os.link(part, target)
            return
        time.sleep(_BEAT)


def _end_with(pipe: Connection) -> None:
    """End this process when the one that started it has ended."""
    with suppress(EOFError, OSError):
        pipe.recv()
    os.kill(os.getpid(), signal.SIGTERM)


def _environment() -> dict[str, str]:
    """Return an environment in which the process finds this very package, whatever folder it is started in."""
    own = str(Path(inspector.__file__).parents[1])
    before = os.environ.get("PYTHONPATH")
    path = f"{own}{os.pathsep}{before}" if before else own
    return {**os.environ, "PYTHONPATH": path, "GWINSPECT_HOOKS": "off"}
