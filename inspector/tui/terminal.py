"""The terminal under the screen: Textual's driver, and what it lacks, which is to notice that the terminal is gone.

A terminal that vanishes need not send SIGHUP: not under nohup, and not where it is no one's controlling terminal, as
with `docker exec` or a panel of an IDE. Then stdin is at its end for ever, which Textual's input thread takes for a
pause (8.0 to 8.2: it reads on, at 100 % of a core), and its output thread dies of the first write. One that no one
reads from any more keeps that thread waiting, and the screen for it.
"""

import os
import select
import termios
import time
from contextlib import suppress
from typing import Any, TextIO

from textual.drivers.linux_driver import LinuxDriver

# Seconds that a terminal has to take what is written, once the screen is to end.
_LAST_WORDS = 1.0
# Seconds between two looks whether it is.
_BEAT = 0.1


class Terminal(LinuxDriver):
    """Textual's driver for a terminal that may go away."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        assert self._file is not None
        self._outlet = _Outlet(self._file)
        self._file = self._outlet  # type: ignore[assignment]

    def is_gone(self) -> bool:
        """Say whether no one can see or type any more."""
        if self._outlet.is_broken:
            return True
        try:
            termios.tcgetattr(self.fileno)
        except (termios.error, ValueError):
            return True
        return False

    def hurry(self) -> None:
        """Wait no longer than a moment for the terminal: the screen is to end."""
        self._outlet.give_up_at = time.monotonic() + _LAST_WORDS

    def run_input_thread(self) -> None:
        # Where there is nothing to read from any more; `is_gone` says it.
        with suppress(OSError):
            super().run_input_thread()

    def close(self) -> None:
        super().close()
        self._outlet.close()


class _Outlet:
    """A file that takes text for a terminal, and throws it away once the terminal is gone."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._fd = _unblocked(file)
        self.is_broken = False
        self.give_up_at: float | None = None

    def write(self, text: str) -> int:
        data = text.encode(self._file.encoding, self._file.errors or "backslashreplace")
        while data and not self.is_broken:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                self.is_broken = self.give_up_at is not None and time.monotonic() > self.give_up_at
                select.select([], [self._fd], [], _BEAT)
            except OSError:
                self.is_broken = True
        return len(text)

    def flush(self) -> None:
        """Do nothing: all is written by now."""

    def close(self) -> None:
        if self._fd != self._file.fileno():
            os.close(self._fd)
            self._fd = self._file.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _unblocked(file: TextIO) -> int:
    """Return a descriptor of a terminal by which no write waits, or the one that there is, where there is no other.

    One of its own, as others share the first: a shell would find it unblocked.
    """
    there = file.fileno()
    with suppress(OSError):
        file.flush()
        found = os.open(os.ttyname(there), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        if os.fstat(found).st_rdev == os.fstat(there).st_rdev:
            return found
        os.close(found)
    return there
