"""Runs a command as a shell would, in this process, with everything it writes kept.

The process must be one of its own: stdin, stdout and stderr are pointed elsewhere, for good.
"""

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspector.cli.main import main
from inspector.errors import GwinspectError
from inspector.protocol.registry import default
from tests.fuzz.mutant import Call, Command, Step

# Bytes of an output that are looked at; what a bomb prints beyond is as it begins.
LOOKED_AT = 8 * 1024 * 1024


@dataclass
class Outcome:
    """What came of a step."""

    code: int | None = None
    """The exit code of a command; None where it was left by an exception, and for a call."""
    out: bytes = b""
    err: bytes = b""
    errors: list[BaseException] = field(default_factory=list)
    """What nobody caught: in the main thread, in others, in destructors."""


class Shell:
    """Keeps what is printed in two files of `folder`."""

    def __init__(self, folder: Path) -> None:
        self._files = [os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600) for name in ("out", "err")]
        self._uncaught: list[BaseException] = []
        threading.excepthook = lambda args: self._note(args.exc_value)
        sys.unraisablehook = lambda args: self._note(args.exc_value)

    def run(self, step: Step) -> Outcome:
        """Take one step in the folder that is the current one."""
        self._uncaught = []
        outcome = Outcome()
        with self._streams(step.stdin if isinstance(step, Command) else None):
            try:
                if isinstance(step, Call):
                    step.function(Path.cwd())
                else:
                    self._command(step)
            except SystemExit as end:
                outcome.code = end.code if isinstance(end.code, int) else 1 if end.code else 0
            except GwinspectError as error:
                # A library's user is told in the same way. Of a command nobody would be.
                if isinstance(step, Command):
                    self._note(error)
            except BaseException as error:
                self._note(error)
        outcome.out, outcome.err = (self._printed(file) for file in self._files)
        outcome.errors = self._uncaught
        return outcome

    def _command(self, command: Command) -> None:
        before, arguments = dict(os.environ), sys.argv
        sys.argv = ["gwinspect", *command.arguments]
        os.environ.update(command.environment)
        if command.environment:
            # Each process reads its tables, which its environment may name.
            default.cache_clear()
        try:
            main()
        finally:
            sys.argv = arguments
            os.environ.clear()
            os.environ.update(before)
            if command.environment:
                default.cache_clear()

    @contextmanager
    def _streams(self, stdin: str | None) -> Iterator[None]:
        for number, file in enumerate(self._files, 1):
            os.lseek(file, 0, os.SEEK_SET)
            os.ftruncate(file, 0)
            os.dup2(file, number)
        given = os.open(stdin or os.devnull, os.O_RDONLY)
        os.dup2(given, 0)
        os.close(given)
        before = sys.stdin, sys.stdout, sys.stderr
        sys.stdin, sys.stdout, sys.stderr = (_text_stream(number) for number in range(3))
        ours = sys.stdout, sys.stderr
        try:
            yield
        finally:
            for stream in ours:
                with suppress(ValueError, OSError):
                    stream.flush()
            sys.stdin, sys.stdout, sys.stderr = before

    def _printed(self, file: int) -> bytes:
        return os.pread(file, LOOKED_AT, 0)

    def _note(self, error: BaseException | None) -> None:
        if error is not None:
            self._uncaught.append(error)


def _text_stream(number: int) -> Any:
    mode = "rb" if number == 0 else "wb"
    buffered: Any = open(number, mode, closefd=False)  # noqa: SIM115
    errors = "backslashreplace" if number == 2 else "strict"
    return io.TextIOWrapper(buffered, "utf-8", errors=errors, line_buffering=number == 2)
