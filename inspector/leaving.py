"""How a signal ends the program: at once, or, where something has to be tidied up first, by an exception.

An exception alone is not enough. What a signal handler raises inside a callback, such as a function that SQLite calls,
is lost or comes back as another error. So the signal is remembered until the program has ended or the signal was taken.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_received: int | None = None
_blocks = 0
_tell: Callable[[int], None] | None = None
_is_starting = False


def install() -> None:
    """Let SIGINT, SIGTERM and SIGHUP end the program from now on, but for those that it was started to ignore."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)


@contextmanager
def tidily() -> Iterator[None]:
    """Let signals raise KeyboardInterrupt or SystemExit in the block, so that what it has begun is ended or removed.

    The program ends with the block then, whatever became of the exception. Only the main thread's blocks count.
    """
    global _blocks
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _blocks += 1
    try:
        yield
    finally:
        _blocks -= 1
        if not _blocks and _received is not None:
            os._exit(128 + _received)


@contextmanager
def deferred(tell: Callable[[int], None]) -> Iterator[None]:
    """Let a signal that comes in the block be told to `tell`, which ends it soon, and raise it only then."""
    global _tell
    with tidily():
        _tell = tell
        try:
            yield
        finally:
            _tell = None
        check()


def start(command: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
    """Start a process, with `options` of Popen. Raises OSError.

    A signal that comes meanwhile ends the process and takes effect then: raised within Popen, it would leave one behind
    that no one knows.
    """
    global _is_starting
    # Every command imports this module, and few start anything.
    import subprocess

    if threading.current_thread() is not threading.main_thread():
        return subprocess.Popen(command, **options)
    _is_starting = True
    try:
        process = subprocess.Popen(command, **options)
    finally:
        _is_starting = False
    if _received is not None:
        process.kill()
        process.wait()
        _take_effect(_received)
    return process


def check() -> None:
    """Raise what a signal raised, if one came and its exception was lost. For loops that wait, and SQLite's errors."""
    if _received is not None:
        _raise(_received)


def take() -> int | None:
    """Return the signal that came, if one did, for the caller to act on; it does not end the program any more."""
    global _received
    number, _received = _received, None
    return number


def receive(number: int) -> None:
    """Act on a signal that was received in another way, as its handler would: the caller runs in the main thread."""
    global _received
    _received = number
    # A second one must not cut short what the first has begun.
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    if not _is_starting:
        _take_effect(number)


def _take_effect(number: int) -> None:
    if _tell is not None:
        _tell(number)
        return
    if not _blocks:
        os._exit(128 + number)
    _raise(number)


def _leave(number: int, frame: object) -> None:
    receive(number)


def _raise(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
