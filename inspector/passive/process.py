"""The recorder's process: how it is started, what it says when it does not start, how it ends."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import inspector
from inspector import leaving
from inspector.errors import EnvironmentProblem
from inspector.passive.recorder import Job
from inspector.proxy.process import Identity, Process, end, finish_off, identify, output_to
from inspector.store.lock import await_free

# Seconds that it may take until it records, and to write what it has and go.
START_LIMIT, STOP_LIMIT = 30.0, 15.0
_LONGEST_ANSWER = 64 * 1024


class PacketRecorder:
    """A running recorder, as a context manager. Raises EnvironmentProblem where it does not start.

    `log`: the file that takes what it says; None lets it speak on our stderr.
    """

    def __init__(self, job: Job, log: Path | None = None) -> None:
        self.job = job
        self.dumper = ""
        """Which program records the packets."""
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._program: Identity | None = None

    def __enter__(self) -> "PacketRecorder":
        with output_to(self._log) as output:
            self._process = leaving.start(
                [sys.executable, "-P", "-c", "from inspector.passive.recorder import main; main()", self.job.dumps()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                # Out of reach of the terminal's Ctrl-C: the client is to say its goodbyes while packets are recorded.
                start_new_session=True,
                env=_environment(),
            )
        try:
            self._await_start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """Number of the process."""
        assert self._process is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code if it has ended, None while it lives."""
        assert self._process is not None
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends on its own or is ended, and return its exit code. Raises TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(timeout)

    def _await_start(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        deadline, said = time.monotonic() + START_LIMIT, b""
        with self._process.stdout as pipe, selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while not said.endswith(b"\n") and len(said) < _LONGEST_ANSWER:
                leaving.check()
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    raise EnvironmentProblem(f"no packets were recorded within {START_LIMIT:.0f} s")
                piece = os.read(pipe.fileno(), _LONGEST_ANSWER)
                if not piece:
                    break
                said += piece
        answer = json.loads(said or b"{}")
        self.dumper = answer.get("dumper", "")
        if not self.dumper:
            words = answer.get("problem") or "the recorder of packets ended as it started; its output is above"
            problem = EnvironmentProblem(words)
            problem.shown = answer.get("shown", "")
            raise problem
        self._program = identify(answer["pid"])

    def _stop(self) -> None:
        if self._process is not None:
            stop(self._process, Path(self.job.capture))
        if self._program is not None:
            # A recorder that was killed has left it behind.
            finish_off([self._program])


def stop(process: Process, capture: Path) -> None:
    """End a recorder that writes `capture`, and wait until that is written."""
    end(process, STOP_LIMIT, first=signal.SIGTERM)
    await_free(capture, STOP_LIMIT)


def _environment() -> dict[str, str]:
    """Return an environment in which the process finds this very package, and is hooked by no one."""
    own = str(Path(inspector.__file__).parents[1])
    path = os.pathsep.join(filter(None, (own, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "GWINSPECT_HOOKS": "off"}
