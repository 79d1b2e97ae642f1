"""Recordings that are piped in: ``-`` in place of a file's name.

Files are read more than once, so what comes on stdin goes into a private file first, which is gone when the command
ends. Only what is followed (`inspector.cli.follow`) is read as it comes.
"""

import os
import select
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import click

from inspector.cli.ending import tidy_up
from inspector.cli.output import note
from inspector.errors import CaptureError, EnvironmentProblem, UsageError

STDIN = Path("-")

# Bytes that are taken at once.
_CHUNK = 256 * 1024
# Seconds after which a person should know that we wait.
_PATIENCE = 2.0


def with_stdin(captures: Sequence[Path], fd: int = 0) -> tuple[Path, ...]:
    """Return the files that are named; what comes through a pipe, by ``-`` or ``<(command)``, is in a file then.

    `fd`: where ``-`` is piped in. Raises UsageError where nothing is, EnvironmentProblem where there is no room.
    """
    if captures.count(STDIN) > 1:
        raise UsageError("- is given twice, but stdin can only be read once")
    if STDIN in captures:
        check_piped(fd)
    if not any(map(_is_pipe, captures)):
        return tuple(captures)
    tidy_up()
    folder = Path(click.get_current_context().with_resource(tempfile.TemporaryDirectory(prefix="gwinspect-")))
    found = []
    for number, path in enumerate(captures):
        if path == STDIN:
            found.append(_saved(fd, "stdin", folder / "stdin"))
        elif _is_pipe(path):
            with _opened(path) as file:
                found.append(_saved(file.fileno(), str(path), folder / f"pipe-{number}"))
        else:
            found.append(path)
    return tuple(found)


def _is_pipe(path: Path) -> bool:
    try:
        return path == STDIN or stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        # What is wrong with it is said by who opens it.
        return False


def _opened(path: Path) -> IO[bytes]:
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise CaptureError(f"{path} cannot be read: {error.strerror or error}") from error


def _saved(fd: int, name: str, path: Path) -> Path:
    """Write what comes through a pipe into `path`, and return that."""
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            if not select.select([fd], [], [], _PATIENCE)[0]:
                note(f"reading {name} to its end; `show` and `open` take --follow to show rows as they come")
            # A named pipe is readable once somebody has begun to write to it.
            while select.select([fd], [], []) and (data := os.read(fd, _CHUNK)):
                file.write(data)
    except OSError as error:
        raise EnvironmentProblem(f"{name} cannot be saved to {path}: {error.strerror or error}") from error
    return path


def check_piped(fd: int = 0) -> None:
    """Raise UsageError where stdin is a terminal: no one types a recording."""
    if os.isatty(fd):
        raise UsageError("- reads a recording from stdin, but stdin is a terminal; pipe one in")


def keys_from_terminal() -> int:
    """Give stdin to the terminal, so that a screen gets its keys, and return a descriptor for what is piped in.

    Raises UsageError where there is no terminal.
    """
    check_piped()
    piped = os.dup(0)
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError as error:
        os.close(piped)
        raise UsageError(
            "`gwinspect open -` needs a terminal for its keys, but there is none; `gwinspect show -` works without one"
        ) from error
    os.dup2(terminal, 0)
    os.close(terminal)
    return piped
