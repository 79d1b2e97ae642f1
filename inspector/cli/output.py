"""Where rows go: as text or JSON lines to stdout, with everything else on stderr."""

import os
import shutil
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress

import click

from inspector.model import Event, Kind
from inspector.report.jsonl import line
from inspector.report.packets import PacketReader
from inspector.report.present import Presenter
from inspector.report.rows import Rows
from inspector.report.text import TextRows

# Before what belongs to the row above.
_INDENT = " " * 26
# Rows shown on a terminal where no limit is given.
SCREENFUL = 500


class Printer:
    """Prints rows in one format, as the terminal can show them."""

    def __init__(
        self, presenter: Presenter, output_format: str, *, raw: bool = False, packets: PacketReader | None = None
    ) -> None:
        self._presenter = presenter
        self._jsonl = output_format == "jsonl"
        self._raw = raw
        self.packets = packets
        """Where the packets of voice media are, if they are wanted one by one."""
        terminal = sys.stdout.isatty()
        self._text = TextRows(
            colour=paints(),
            width=shutil.get_terminal_size((120, 40)).columns if terminal else None,
            ascii_only=ascii_only(),
        )

    def print(self, event: Event, rows: Rows) -> None:
        """Print one row."""
        shown = self._presenter.show(event, rows)
        if self._jsonl:
            raw = self._presenter.raw(event, rows) if self._raw or event.kind is Kind.UNDECODED else None
            sys.stdout.buffer.write(line(shown, raw, self.packets.of(event) if self.packets else None))
            return
        for text in self._text.lines(shown):
            self._write(text)
        for text in self.packets.lines(event) if self.packets is not None else ():
            self._write(_INDENT + text)

    def _write(self, text: str) -> None:
        sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace") + b"\n")

    def flush(self) -> None:
        """Let what was printed be seen."""
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
    """Tell the person at the terminal something that is not data."""
    # A terminal that was closed is no reason not to end what was begun.
    with suppress(OSError):
        click.echo(f"gwinspect: {text}", err=True)


def last(events: Iterable[Event], limit: int | None) -> Iterator[Event]:
    """Yield the last `limit` events, all where it is 0; None: as many as a terminal is good for, all elsewhere."""
    if limit is None:
        limit = SCREENFUL if sys.stdout.isatty() else 0
    if limit == 0:
        yield from events
        return
    kept: deque[Event] = deque(maxlen=limit)
    count = 0
    for event in events:
        kept.append(event)
        count += 1
    if count > limit:
        note(f"showing the last {limit:,} of {count:,} events; --limit 0 shows all")
    yield from kept


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
