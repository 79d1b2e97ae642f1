"""What a run of the tests leaves behind: processes that it started, files beside the sources, temporary files.

All that a run starts inherits a variable with its name, so that runs side by side do not take each other's for theirs,
and a temporary folder of its own.
"""

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
RUN = "GWINSPECT_TEST_RUN"
# Seconds that processes may take to end after the last test: some are only told to.
_GRACE = float(os.environ.get("GWINSPECT_TEST_GRACE", "10"))


class Leftovers:
    """Looks before and after a run, for the process that leads it."""

    def __init__(self) -> None:
        os.environ[RUN] = uuid.uuid4().hex
        # pytest's own folders stay where people look for them.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
        self._temporary = Path(tempfile.mkdtemp(prefix="gwinspect-tests-"))
        os.environ["TMPDIR"] = tempfile.tempdir = str(self._temporary)
        self._sources = set(_sources())

    def found(self) -> list[str]:
        """Return what was left behind, a line for each, and end and remove it."""
        processes = _processes(os.environ[RUN])
        deadline = time.monotonic() + _GRACE
        while processes and time.monotonic() < deadline:
            time.sleep(0.1)
            processes = _processes(os.environ[RUN])
        lines = [f"process {process.pid}: {said}" for process, said in processes.items()]
        for process in processes:
            process.kill()
        lines += [f"file {path.relative_to(ROOT)}" for path in sorted(set(_sources()) - self._sources)]
        lines += [f"temporary {path.name}" for path in sorted(self._temporary.glob("*gwinspect*"))]
        lines += [f"temporary {path.name}" for path in sorted(self._temporary.glob("*.gwcap*"))]
        shutil.rmtree(self._temporary, ignore_errors=True)
        return lines


def _processes(run: str) -> dict[psutil.Process, str]:
    """Return the processes of a run but for this one, with their command lines."""
    found = {}
    for process in psutil.process_iter():
        try:
            is_ours = process.pid != os.getpid() and process.environ().get(RUN) == run
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                found[process] = " ".join(process.cmdline()) or process.name()
        except (psutil.Error, OSError):
            continue
    return found


def _sources() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        yield from (Path(folder, name) for name in names)
