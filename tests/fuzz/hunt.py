"""Keeps workers going until a kind's mutants are used up or the time is, and collects what they found."""

import multiprocessing
import os
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.fuzz.acceptance import Fault
from tests.fuzz.mutant import Source
from tests.fuzz.worker import COMPUTING, WAITING, Report, Task, dump_of, work

_SPAWN = multiprocessing.get_context("spawn")
_PLACE = re.compile(r'File ".*/inspector/([^"]+)", line (\d+) in (\S+)')
_FRAME = re.compile(r'File "(?:.*/)?([^"/]+)", line (\d+) in')
# Seconds between two words on how it goes.
_BEAT = 0.5
# In memory where there is such a place: a disk that is waited for is not what is tried out.
_SHARED = Path("/dev/shm")


@dataclass
class Found:
    """What a hunt has come to, with the mutants of one kind."""

    kind: str
    mutants: int = 0
    frames: int = 0
    seconds: float = 0.0
    """In one process."""
    slowest: tuple[float, int] = (0.0, 0)
    """Seconds of the slowest mutant, and its number."""
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: dict[tuple[str, str], list[tuple[int, Fault]]] = field(default_factory=dict)
    """By sort and place, each with the numbers of its mutants."""

    def add(self, report: Report) -> None:
        self.mutants += 1
        self.frames += report.frames
        self.seconds += report.seconds
        self.outcomes += report.outcomes
        self.slowest = max(self.slowest, (report.seconds, report.number))
        for fault in report.faults:
            self.faults.setdefault((fault.what, fault.place), []).append((report.number, fault))


Hunted = dict[str, Found]
"""What was found, by kind."""


def hunt(
    source: Source,
    *,
    count: int,
    seconds: float,
    workers: int,
    first: int = 0,
    computing: float = COMPUTING,
    waiting: float = WAITING,
    progress: Callable[[Hunted], None] = lambda found: None,
) -> Hunted:
    """Try the mutants `first` to `first + count`, for so many seconds at most, and return what was found by kind.

    `computing`, `waiting`: seconds that a mutant may compute, and may take in all.
    """
    found: Hunted = {}
    began = time.time()
    with tempfile.TemporaryDirectory(prefix="gwinspect-fuzz-", dir=_SHARED if _SHARED.is_dir() else None) as folder:
        tasks = [
            Task(
                source,
                range(first + place, first + count, workers),
                began + seconds,
                Path(folder) / str(place),
                computing,
            )
            for place in range(workers)
        ]
        crew = {place: _Worker(task) for place, task in enumerate(tasks)}
        told = began
        while crew:
            places = {worker.reports: place for place, worker in crew.items()}
            for ready in wait(list(places), 1):
                place = places[ready]
                worker = crew[place]
                try:
                    report = worker.take()
                except EOFError:
                    report, following = worker.bury()
                    del crew[place]
                    if following is not None and time.time() < following.until:
                        crew[place] = _Worker(following)
                if report is not None:
                    kind = source.kind(report.number)
                    found.setdefault(kind, Found(kind)).add(report)
            for worker in crew.values():
                worker.end_if_silent(waiting)
            if time.time() - told > _BEAT:
                told = time.time()
                progress(found)
    return found


class _Worker:
    """A process, and what it still has to do."""

    def __init__(self, task: Task) -> None:
        self._task = task
        shutil.rmtree(task.folder, ignore_errors=True)
        task.folder.mkdir(parents=True)
        self.reports, theirs = _SPAWN.Pipe(duplex=False)
        self._process: BaseProcess = _SPAWN.Process(target=work, args=(task, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._left = task.numbers
        self._heard: float | None = None
        self._silent = False

    def take(self) -> Report | None:
        """Return the next report, None when it begins. Raises EOFError once there will be no more."""
        report: Report | None = self.reports.recv()
        self._heard = time.monotonic()
        if report is not None:
            self._left = self._left[1:]
        return report

    def end_if_silent(self, seconds: float) -> None:
        """End the process where nothing has come from it for so long: faulthandler then writes down where it is."""
        if self._heard is not None and time.monotonic() - self._heard > seconds and self._process.pid is not None:
            os.kill(self._process.pid, signal.SIGABRT)
            self._heard, self._silent = None, True

    def bury(self) -> tuple[Report | None, Task | None]:
        """Return what ended the process, None where it was done, and what is left to do."""
        self._process.join()
        self.reports.close()
        code = self._process.exitcode
        if code == 0:
            return None, replace(self._task, numbers=self._left) if self._left else None
        dump = dump_of(self._task.folder).read_text("utf-8", "replace")
        if not self._left or not dump.startswith(f"{self._left[0]} "):
            raise RuntimeError(f"a worker ended with {code} between two mutants:\n{dump}")
        report = Report(self._left[0], Counter({"fault": 1}), [_fault(code, dump, silent=self._silent)])
        return report, replace(self._task, numbers=rest) if (rest := self._left[1:]) else None


def _fault(code: int | None, dump: str, *, silent: bool) -> Fault:
    """Return what a process died of."""
    head, _, traces = dump.partition("\n")
    # The main thread comes last, and where it is told which one had the signal, that one.
    _, current, own = traces.rpartition("Current thread")
    main = own if current else traces.rpartition("Thread 0x")[2]
    place = _PLACE.search(main) or _PLACE.search(traces)
    where = f"{place[1]}:{place[2]} {place[3]}" if place else "outside of inspector/"
    what = "hang" if silent or code == -signal.SIGPROF else _signal_name(code)
    way = " < ".join(":".join(frame) for frame in _FRAME.findall(main)[:8])
    return Fault(what, where, way, head.partition(" ")[2])


def _signal_name(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"process ended with {code}"


def lines_of(found: Found, source: Source, most: int) -> Iterator[str]:
    """Yield a report on a kind for a person; at most so many examples of each fault."""
    speed = found.mutants / found.seconds if found.seconds else 0
    frames = f", {found.frames:,} damaged frames" if found.frames else ""
    slow, number = found.slowest
    yield (
        f"{found.kind}: {_mutants(found.mutants)}{frames}, {speed:.0f}/s in each process; "
        f"the slowest took {slow:.1f} s: {source.again(number)}"
    )
    counts: dict[str, list[str]] = {}
    for name, count in sorted(found.outcomes.items()):
        command, _, code = name.partition(": ")
        counts.setdefault(command, []).append(f"{code or 'mutants'} × {count:,}")
    for command, parts in counts.items():
        yield f"    {command:<14} {', '.join(parts)}"
    for (what, place), cases in sorted(found.faults.items(), key=lambda item: -len(item[1])):
        yield f"  FAULT {what} at {place}: {_mutants(len(cases))}"
        for number, fault in sorted(cases, key=lambda case: case[0])[:most]:
            yield f"    {source.again(number)}"
            yield f"      {fault.step[:200]}"
            yield f"      {fault.detail[:600]}"


def _mutants(count: int) -> str:
    return f"{count:,} mutant{'' if count == 1 else 's'}"
