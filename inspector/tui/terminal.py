"""The terminal under the screen: Textual's driver, and what it lacks, which is to notice that the terminal is gone.

A terminal that vanishes need not send SIGHUP: not under nohup, and not where it is nobody's controlling terminal, as
with `docker exec` or a panel of an IDE. Then stdin is at its end for ever, which Textual's input thread takes for a
pause (8.0 to 8.2: it reads on, at 100 % of a core), and its output thread dies of the first write.
"""

import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

from textual.drivers.linux_driver import LinuxDriver


class Terminal(LinuxDriver):
    """Textual's driver for a terminal that may go away."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        assert self._file is not None
        self._outlet = _Outlet(self._file)
        self._file = self._outlet  # type: ignore[assignment]

    def is_gone(self) -> bool:
        """Say whether nobody can see or type any more."""
        if self._outlet.is_broken:
            return True
        try:
            termios.tcgetattr(self.fileno)
        except (termios.error, ValueError):
            return True
        return False

    def run_input_thread(self) -> None:
        # Where there is nothing to read from any more; `is_gone` says it.
        with suppress(OSError):
            super().run_input_thread()


class _Outlet:
    """A file that takes text for a terminal, and throws it away once the terminal is gone."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.is_broken = False

    def write(self, text: str) -> int:
        self._do(lambda: self._file.write(text))
        return len(text)

    def flush(self) -> None:
        self._do(self._file.flush)

    def _do(self, action: Callable[[], object]) -> None:
        if not self.is_broken:
            try:
                action()
            except OSError:
                self.is_broken = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
