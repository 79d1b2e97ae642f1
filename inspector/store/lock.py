"""One recorder to a capture: a lock that ends with its holder, however that one ends.

It is BSD's flock, on a file of its own next to the capture: ``bot.gwcap`` has ``bot.gwcap.lock`` meanwhile. Not on the
capture itself, where SQLite keeps readers and writers apart by POSIX locks. A process loses its POSIX locks on a file
when it closes any descriptor of that file, and on macOS, and on NFS under Linux, the two kinds get in each other's way.
Nor is it a POSIX lock: two recorders in one process would not see each other's.
"""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from inspector.errors import CaptureInUse

# Times that a lock file is opened again because its last holder has just removed it.
_ATTEMPTS = 100
# Seconds between two looks at a lock that is waited for.
_BEAT = 0.02


class Lock:
    """Held from its making until `release`. Raises CaptureInUse where somebody else holds it.

    Where there can be no lock, as on some network file systems, there is none, and `problem` says why.
    """

    def __init__(self, capture: Path) -> None:
        self.path = path_of(capture)
        self.problem = ""
        self._file: IO[bytes] | None = None
        for _ in range(_ATTEMPTS):
            try:
                handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except OSError as error:
                self.problem = f"{self.path} cannot be made ({error.strerror or error})"
                return
            file = os.fdopen(handle, "r+b", buffering=0)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _holder(file)
                file.close()
                raise CaptureInUse(
                    f"{capture} is being written by another gwinspect{holder}; end that one first, or choose another "
                    "name"
                ) from None
            except OSError as error:
                file.close()
                self.path.unlink(missing_ok=True)
                self.problem = f"files cannot be locked in {self.path.parent} ({error.strerror or error})"
                return
            if _is_still(file, self.path):
                file.truncate()
                file.write(b"%d\n" % os.getpid())
                self._file = file
                return
            file.close()
        self.problem = f"{self.path} keeps being replaced"

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def release(self) -> None:
        """Let others have the capture. May be called twice."""
        if self._file is None:
            return
        # Removed while it is held: anyone who takes one that is there no more tries again.
        with suppress(OSError):
            if _is_still(self._file, self.path):
                self.path.unlink()
        self._file.close()
        self._file = None


def path_of(capture: Path) -> Path:
    """Return the name of a capture's lock, the same for all names that lead to it."""
    real = Path(os.path.realpath(capture))
    return real.with_name(real.name + ".lock")


def check_free(capture: Path) -> None:
    """Raise CaptureInUse where somebody writes `capture`. Removes the lock file of one who was killed."""
    if path_of(capture).exists():
        Lock(capture).release()


def await_free(capture: Path, limit: float) -> bool:
    """Wait, at most `limit` seconds, until no one writes `capture` any more; return whether that is so."""
    deadline = time.monotonic() + limit
    while True:
        try:
            check_free(capture)
        except CaptureInUse:
            if time.monotonic() > deadline:
                return False
            time.sleep(_BEAT)
        else:
            return True


def _is_still(file: IO[bytes], path: Path) -> bool:
    try:
        there, held = path.stat(), os.fstat(file.fileno())
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)


def _holder(file: IO[bytes]) -> str:
    """Say which process has it, if it has said so."""
    number = file.read(20).strip()
    return f" (process {int(number)})" if number.isdigit() else ""
