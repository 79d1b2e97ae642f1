"""Recordings that are piped in: ``-`` in place of a file's name.

Files are read more than once, so what comes on stdin goes into a private file first, which is gone when the command
ends. Only what is followed (`inspector.cli.follow`) is read as it comes.
"""

import os
import select
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from inspector.cli.ending import tidy_up
from inspector.cli.output import note
from inspector.errors import EnvironmentProblem, UsageError

STDIN = Path("-")

# Bytes that are taken at once.
_CHUNK = 256 * 1024
# Seconds after which a person should know that we wait.
_PATIENCE = 2.0


def with_stdin(captures: Sequence[Path], fd: int = 0) -> tuple[Path, ...]:
    """Return the files that are named, one with what is piped in taking the place of ``-``.

    `fd`: where it is piped in. Raises UsageError where nothing is, EnvironmentProblem where there is no room.
    """
    if STDIN not in captures:
        return tuple(captures)
    if captures.count(STDIN) > 1:
        raise UsageError("- is named twice, and stdin can be read once")
    check_piped(fd)
    tidy_up()
    folder = click.get_current_context().with_resource(tempfile.TemporaryDirectory(prefix="gwinspect-"))
    path = Path(folder) / "stdin"
    try:
        with path.open("xb") as file:
            path.chmod(0o600)
            if not select.select([fd], [], [], _PATIENCE)[0]:
                note("reading stdin to its end; `show` and `open` take --follow to show rows as they come")
            while data := os.read(fd, _CHUNK):
                file.write(data)
    except OSError as error:
        raise EnvironmentProblem(f"stdin cannot be saved to {path}: {error.strerror or error}") from error
    return tuple(path if each == STDIN else each for each in captures)


def check_piped(fd: int = 0) -> None:
    """Raise UsageError where stdin is a terminal: nobody types a recording."""
    if os.isatty(fd):
        raise UsageError("- reads a recording from stdin, and stdin is a terminal; pipe one in")


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
            "`gwinspect open -` needs a terminal for its keys, and there is none; `gwinspect show -` works without"
        ) from error
    os.dup2(terminal, 0)
    os.close(terminal)
    return piped
