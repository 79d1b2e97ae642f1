"""A process that works mutants off, with bounded memory and time.

What takes too much of either ends the process, and `tests.fuzz.hunt` learns from its exit code and from `dump_of`
which mutant it was, which step, and where.
"""

import faulthandler
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field, replace
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

from inspector.cli.main import COMMANDS
from tests.fuzz.acceptance import Fault, Places, faults_of, left_behind, of_error
from tests.fuzz.mutant import ByDice, Command, Mutant, Source, Step
from tests.fuzz.shell import Shell

# Seconds of computing that a mutant may take; and seconds in all, as it may wait for others on a busy machine.
COMPUTING, WAITING = 5.0, 60.0
# Bytes that a process may have in all.
MEMORY = 500 * 1024**2

# Mutants after which another process goes on: what libraries keep would count as a mutant's memory.
_MOST = 3000


@dataclass(frozen=True)
class Task:
    """Which mutants a worker makes."""

    source: Source
    numbers: range
    until: float
    """When to stop, in seconds since the epoch."""
    folder: Path
    """The worker's own."""
    computing: float = COMPUTING


@dataclass
class Report:
    """What became of one mutant."""

    number: int
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    frames: int = 0
    seconds: float = 0.0


def dump_of(folder: Path) -> Path:
    """Return where a worker writes what it is at, and faulthandler where that was when it took too long."""
    return folder / "dump"


def work(task: Task, reports: Connection) -> None:
    """Make the mutants, take their steps, and send a `Report` of each; the whole of a worker process."""
    bench = _Bench(task)
    # From here on the time counts.
    reports.send(None)
    try:
        for number in task.numbers[:_MOST]:
            if time.time() >= task.until:
                break
            reports.send(bench.try_out(number))
    except BaseException:
        # stderr is a file by now that nobody reads.
        bench.say(traceback.format_exc())
        raise
    reports.close()


class _Bench:
    """The place in which one worker works: folders, streams, bounds."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._files = task.folder / "files"
        self._temporary = task.folder / "tmp"
        self._homes = task.folder / "home"
        self._places = Places(self._files, self._temporary, self._homes)
        self._dump = dump_of(task.folder).open("w", encoding="utf-8")
        self._set_up()
        self._shell = Shell(task.folder)
        self._warm_up()
        _bound_memory()
        faulthandler.enable(self._dump)
        # The kernel's signal for too much computing also ends what is stuck in C; faulthandler says where.
        faulthandler.register(signal.SIGPROF, self._dump, all_threads=True, chain=True)

    def try_out(self, number: int) -> Report:
        """Make one mutant and take its steps."""
        report = Report(number)
        began = time.monotonic()
        self.say(f"{number} making")
        signal.setitimer(signal.ITIMER_PROF, self._task.computing)
        try:
            mutant = self._task.source.make(number)
        except MemoryError:
            # Damage to a schema or a length may ask for more than a process has; nothing was tried then.
            return Report(number, Counter({"too large to make": 1}))
        except Exception as error:
            # A bug of ours, in the making: it is told like any other.
            return Report(number, Counter({"fault": 1}), [replace(of_error(error), step="making")])
        report.frames = mutant.frames
        self._lay_out(mutant)
        files = dict(mutant.files)
        for step in mutant.steps:
            self.say(f"{number} {_in_a_line(step)}")
            signal.setitimer(signal.ITIMER_PROF, self._task.computing)
            outcome = self._shell.run(step)
            if isinstance(step, Command):
                report.outcomes[f"{step.arguments[0]}: {'crash' if outcome.code is None else outcome.code}"] += 1
            found = [*faults_of(step, outcome), *left_behind(step, files, self._places)]
            if found:
                report.faults += [Fault(fault.what, fault.place, fault.detail, str(step)) for fault in found]
                break
            files |= _left(step, self._files)
        signal.setitimer(signal.ITIMER_PROF, 0)
        report.seconds = time.monotonic() - began
        report.outcomes["fault" if report.faults else "as documented"] += 1
        return report

    def _set_up(self) -> None:
        os.environ |= {
            "TMPDIR": str(self._temporary),
            "XDG_CACHE_HOME": str(self._homes / "cache"),
            "XDG_CONFIG_HOME": str(self._homes / "config"),
            "XDG_STATE_HOME": str(self._homes / "state"),
            "HOME": str(self._homes),
            "TZ": "UTC",
            "COLUMNS": "100",
            # Guards let through what they would contain.
            "GWINSPECT_STRICT": "1",
        }
        for name in ("FORCE_COLOR", "GWINSPECT_TABLES"):
            os.environ.pop(name, None)
        time.tzset()

    def _warm_up(self) -> None:
        """Import what mutants will, so that they are not charged with it."""
        ByDice(("wire",), 0).make(0)
        for number in self._task.numbers[:20]:
            self._task.source.make(number)
        for module in ("inspector.tui.app", "mitmproxy.io", *(f"inspector.cli.{name}" for name in COMMANDS)):
            import_module(module)

    def _lay_out(self, mutant: Mutant) -> None:
        os.chdir(self._task.folder)
        for folder in (self._files, self._homes, self._temporary):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        os.chdir(self._files)
        for name, data in mutant.files.items():
            for above in reversed(Path(name).parents[:-1]):
                above.mkdir(mode=0o700, exist_ok=True)
            Path(name).write_bytes(data)
            Path(name).chmod(0o600)

    def say(self, text: str) -> None:
        """Note what the process is at."""
        self._dump.seek(0)
        self._dump.truncate()
        self._dump.write(text + "\n")
        self._dump.flush()


def _in_a_line(step: Step) -> str:
    return ascii(str(step))[1:-1]


def _left(step: Step, folder: Path) -> dict[str, bytes]:
    """Return the files that a step was to make or change, as they are now."""
    if not isinstance(step, Command):
        return {}
    names = (name for name in (*step.makes, *step.changes) if (folder / name).exists())
    return {name: (folder / name).read_bytes() for name in names}


def _bound_memory() -> None:
    """Let an allocation fail that would bring the process above `MEMORY`. Only Linux says what there is already.

    What counts is data of the process's own: address space that is only reserved, as threads do, is no memory yet.
    """
    if sys.platform != "linux":
        return
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    data, resident = (int(status[name].split()[0]) * 1024 for name in ("VmData", "VmRSS"))
    bound = data + MEMORY - resident
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
