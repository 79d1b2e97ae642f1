"""The one place that prints: rows and other data to stdout, everything else to stderr.

Whatever is printed as text is made inert here, whatever was done to it before: file names, what SQLite or mitmproxy
say, what a file claims that is not ours. Only colours that we painted stay. Nothing else in `inspector.cli` prints.
"""

import io
import os
import shutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from inspector.errors import GwinspectError
from inspector.inert import inert
from inspector.model import Event, Kind
from inspector.report.colour import coloured, inert_but_colours
from inspector.report.jsonl import line
from inspector.report.present import Presenter
from inspector.report.rows import Rows
from inspector.report.text import TextRows

if TYPE_CHECKING:
    from inspector.report.packets import PacketReader

# Before what belongs to the row above.
_INDENT = " " * 26
# Rows shown on a terminal where no limit is given.
SCREENFUL = 500


class Printer:
    """Prints rows in one format, as the terminal can show them."""

    def __init__(
        self, presenter: Presenter, output_format: str, *, raw: bool = False, packets: "PacketReader | None" = None
    ) -> None:
        self._presenter = presenter
        self._jsonl = output_format == "jsonl"
        self._raw = raw
        self.packets = packets
        """Where the packets of voice media are, if they are wanted one by one."""
        terminal = sys.stdout.isatty()
        self._colours = paints()
        self._text = TextRows(
            colour=self._colours,
            width=shutil.get_terminal_size((120, 40)).columns if terminal else None,
            ascii_only=ascii_only(),
        )

    def print(self, event: Event, rows: Rows) -> None:
        """Print one row."""
        if self._jsonl:
            shown = self._presenter.show(event, rows)
            raw = self._presenter.raw(event, rows) if self._raw or event.kind is Kind.UNDECODED else None
            put(line(shown, raw, self.packets.of(event) if self.packets else None))
            return
        for text in self._text.lines(self._presenter.line(event, rows)):
            say(text, colours=self._colours)
        for text in self.packets.lines(event) if self.packets is not None else ():
            say(_INDENT + text)

    def flush(self) -> None:
        """Let what was printed be seen."""
        flush()


def say(line: str, *, colours: bool = False) -> None:
    """Print one line to stdout, for people. `colours`: it has been painted, where it is to be."""
    text = inert_but_colours(line) if colours else inert(line)
    put(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace") + b"\n")


def put(data: bytes) -> None:
    """Print to stdout what programs read, as it is; who makes it has escaped what has to be."""
    sys.stdout.buffer.write(data)


def flush() -> None:
    """Let what was printed to stdout be seen."""
    sys.stdout.buffer.flush()


def paints() -> bool:
    """Say whether what is printed is to have colours."""
    return (sys.stdout.isatty() and "NO_COLOR" not in os.environ) or "FORCE_COLOR" in os.environ


def ascii_only() -> bool:
    """Say whether stdout cannot take the signs that we draw with."""
    return not _can_print("▶◀✕●→…")


def on_screen() -> bool:
    """Say whether there is a terminal for a full screen: keys come from stdin, Textual draws on stderr."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream.isatty() for stream in streams) and os.environ.get("TERM") != "dumb"


def note(text: str) -> None:
    """Tell the person at the terminal something that is not data, in one line."""
    tell(f"gwinspect: {text}")


def tell(line: str = "") -> None:
    """Print one line to stderr."""
    _to_stderr(inert(line))


def pass_on(line: str) -> None:
    """Print to stderr what another program said, with its colours where stderr is a terminal."""
    _to_stderr(f"  {coloured(line)}")


def fail(error: GwinspectError | click.ClickException) -> None:
    """Say why the command could not be done."""
    if isinstance(error, click.ClickException):
        # With the usage above it, which only click can write.
        written = io.StringIO()
        error.show(written)
        _tell_lines(written.getvalue().expandtabs(4))
        return
    if error.shown:
        _tell_lines(error.shown)
    note(str(error))
    if error.slug != "usage":
        tell(f"More: gwinspect explain {error.slug}")


def _tell_lines(text: str) -> None:
    for each in text.rstrip("\n").split("\n"):
        tell(each)


def _to_stderr(line: str) -> None:
    # A terminal that was closed is no reason not to end what was begun.
    with suppress(OSError):
        click.echo(line, err=True)


def rows_that_fit(limit: int | None) -> int:
    """Return how many rows to show at most, 0 for all; where `limit` is None, as many as a terminal is good for."""
    if limit is None:
        return SCREENFUL if sys.stdout.isatty() else 0
    return limit


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
