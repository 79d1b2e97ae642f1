"""How a command that runs a proxy ends: on its own, or because a signal told it to."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import click

from inspector import leaving
from inspector.cli.output import note, tell
from inspector.proxy.process import Process, descendants, end, exit_code, finish_off

# What the command line exits with where a recording lacks something that passed.
INCOMPLETE = 2
# Seconds that a client may take to say its goodbyes.
CLIENT_LIMIT = 5.0
# Seconds between two looks while one runs.
_BEAT = 0.2


@dataclass(slots=True)
class Ending:
    """What ended a block."""

    signal: int | None = None
    """The signal that did; None where it ended on its own."""

    def exit_code(self, *, interrupted: bool, unseen: bool = False) -> int:
        """Return what the command line exits with; 0 where that is for others to say.

        `interrupted`: something was still running that was to end on its own. Else Ctrl-C is the usual end. `unseen`:
        nothing of it was recorded, which matters more than that a person lost patience.
        """
        if unseen and self.signal in (None, signal.SIGINT):
            return 2
        if self.signal is None or (self.signal == signal.SIGINT and not interrupted):
            return 0
        return 128 + self.signal


def tidy_up() -> None:
    """Let a signal end the command that is running by an exception: it has something to end or to remove."""
    context = click.get_current_context(silent=True)
    # Without one somebody calls the command as a function, and signals are theirs.
    if context is not None:
        context.with_resource(leaving.tidily())


@contextmanager
def until_signalled() -> Iterator[Ending]:
    """Let SIGINT, SIGTERM or SIGHUP end the block, not the program; no further one cuts short what comes after it."""
    ending = Ending()
    try:
        yield ending
    except BaseException:
        # What was raised is the signal's doing, whatever it became on its way.
        ending.signal = leaving.take()
        if ending.signal is None:
            raise
    else:
        ending.signal = leaving.take()
    if ending.signal is not None:
        tell()


def has_terminal() -> bool:
    """Say whether there is a terminal whose Ctrl-C reaches us and what we start."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def end_client(process: Process, *, by_terminal: bool) -> bool:
    """End a command and all that it has started, first as Ctrl-C does; return whether it had to be told.

    `by_terminal`: Ctrl-C may have reached it too, if it shares our terminal. A second one would cut its goodbyes short,
    so it gets a while to end on its own.
    """
    own_group = _leads_a_group(process)
    family = [] if own_group else descendants(process.pid)
    if by_terminal and not own_group:
        with suppress(subprocess.TimeoutExpired):
            process.wait(CLIENT_LIMIT)
    had_to = process.poll() is None
    end(process, CLIENT_LIMIT, group=own_group)
    finish_off(family)
    return had_to


def wait_for_client(process: Process, name: str, look: Callable[[], None] = lambda: None) -> int:
    """Wait until a command ends, and return its exit code as a shell has it; `look` is called meanwhile, now and then.

    A signal that ends us ends it first, and is raised again if the command had to be told.
    """
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(_BEAT)
                break
            leaving.check()
            look()
    except (KeyboardInterrupt, SystemExit) as told:
        had_to = end_client(process, by_terminal=isinstance(told, KeyboardInterrupt))
        code = process.wait()
        if had_to:
            note(f"{name} was asked to stop, and ended with exit code {exit_code(code)}")
            raise
    note(f"{name} ended with exit code {code}")
    return exit_code(code)


def _leads_a_group(process: Process) -> bool:
    with suppress(ProcessLookupError):
        return os.getpgid(process.pid) == process.pid
    return False
