"""stdin, stdout and stderr, whatever state they were handed over in: closed, full, or with no one at the other end."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from inspector.errors import EnvironmentProblem

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class ReaderGone(Exception):
    """The reader of our output has seen enough, as `head` has after ten lines."""


class OutputProblem(EnvironmentProblem):
    """stdout cannot be written."""


@contextmanager
def guarded() -> Iterator[None]:
    """Let stdout raise ReaderGone or OutputProblem where it cannot be written, and stderr nothing.

    Text that the terminal's encoding lacks is escaped. A stream that is closed is opened: without that, the next file
    opened would get its number, and what is printed.
    """
    for fd, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        _fill(fd, flags)
    kept = sys.stdout, sys.stderr
    sys.stdout = _text(_Stdout(1, "wb", closefd=False), kept[0])
    sys.stderr = _text(_Stderr(2, "wb", closefd=False), kept[1], line_buffering=True)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(ReaderGone, OutputProblem, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = kept


def typed(text: str) -> str:
    """Return what a person typed on the command line as text, also where the locale knows only ASCII."""
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Windows has arguments of UTF-16, where half a character may stand alone.
        data = text.encode("utf-8", "backslashreplace")
    return data.decode("utf-8", "backslashreplace")


class _Stdout(io.FileIO):
    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            # What is buffered would be tried again when Python ends.
            _abandon(1)
            if isinstance(error, BrokenPipeError):
                raise ReaderGone from None
            if error.errno == errno.EBADF:
                raise OutputProblem("stdout is closed, so nothing can be printed; open it") from error
            raise OutputProblem(
                f"stdout cannot be written ({error.strerror}), so the output is incomplete; send it elsewhere"
            ) from error


class _Stderr(io.FileIO):
    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _text(raw: io.FileIO, before: TextIO | None, *, line_buffering: bool = False) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=line_buffering or raw.isatty(),
    )


def _fill(fd: int, flags: int) -> None:
    try:
        os.fstat(fd)
    except OSError:
        opened = os.open(os.devnull, flags)
        if opened != fd:
            os.dup2(opened, fd)
            os.close(opened)
        os.set_inheritable(fd, True)


def _abandon(fd: int) -> None:
    opened = os.open(os.devnull, os.O_WRONLY)
    os.dup2(opened, fd)
    os.close(opened)
