"""Notices a command of which no packets could be read: the packets' counterpart of `inspector.proxy.launch.watch`."""

import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from inspector.errors import CaptureError
from inspector.inert import inert
from inspector.passive.remarks import PATIENCE
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.reports import read_reports
from inspector.proxy.launch.runtimes import Runtime, Way, runtime_of
from inspector.proxy.launch.watch import GRACE, Unseen
from inspector.proxy.process import Process
from inspector.store.parts import Trail
from inspector.store.reader import Reader

# Seconds between two looks.
_BEAT = 1.0
# Those that can be told to write their keys.
_TOLD = (Runtime.PYTHON, Runtime.NODE, Runtime.DENO)


class PacketWatch:
    """Looks after one command: `begin` once it runs, `stop` once the recorder has written its last."""

    def __init__(self, capture: Path, folder: Folder) -> None:
        self._capture = capture
        self._folder = folder
        self._client: Process | None = None
        self._command: Sequence[str] = ()
        self._trail: Trail
        # Before the client begins: what it opens may be there before anyone looks.
        self._before = self._newest(capture) if capture.exists() else 0
        self._began = self._looked = self._ended = 0.0
        self._is_over = False
        self._unseen: Unseen | None = None

    def begin(self, client: Process, command: Sequence[str]) -> None:
        """Begin to look."""
        self._client, self._command = client, command
        self._trail = Trail(self._capture)
        self._began = time.monotonic()

    def stop(self) -> None:
        """Have a last look, at what the recorder has left."""
        self._is_over = True
        if self._client is not None:
            self._unseen = self._look(self._client, time.monotonic())

    @property
    def unseen(self) -> Unseen | None:
        """Why nothing is recorded; None while that is too early to say, or once something is."""
        now = time.monotonic()
        if self._client is not None and not self._is_over and now - self._looked >= _BEAT:
            self._looked = now
            self._unseen = self._look(self._client, now)
        return self._unseen

    def past_it(self) -> list[str]:
        """Return what is to be said of processes that nothing was seen of: packets pass by from all alike."""
        return []

    def _look(self, client: Process, now: float) -> Unseen | None:
        has_ended = client.poll() is not None
        if has_ended and not self._ended:
            self._ended = now
        is_certain = self._is_over or (has_ended and now - self._ended >= GRACE)
        if not is_certain and now - self._began < PATIENCE:
            return None
        self._trail.moved()
        if self._newest(self._trail.path) > self._before:
            return None
        name = inert(Path(self._command[0]).name)
        span = "ended" if has_ended else f"has run for {now - self._began:.0f} s"
        runtime = runtime_of(Path(shutil.which(self._command[0]) or self._command[0]).resolve())
        failed = next((each for each in read_reports(self._folder.reports) if each.what == "failed"), None)
        why = "It has not connected to one, or has not written its TLS keys."
        if failed is not None:
            why = f"The hook in process {failed.pid} ({inert(failed.runtime)}) failed: {inert(failed.text)}."
        elif runtime not in (*_TOLD, Runtime.UNKNOWN):
            why = f"It is made with {runtime.value}, which does not write its TLS keys by SSLKEYLOGFILE."
        ways = (Way("through a proxy", "the same command without --passive"),)
        return Unseen(f"{name} {span}, and no gateway connection was recorded.", (why,), ways)

    def _newest(self, path: Path) -> int:
        """Return the number of the newest connection in a capture that came about; 0 where it has none."""
        try:
            with closing(Reader(path)) as reader:
                wanted = "select coalesce(max(id), 0) from connection where plane != 'media' and refusal is null"
                return int(reader.db.execute(wanted).fetchone()[0])
        except CaptureError:
            return 0
