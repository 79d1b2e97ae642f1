"""``gwinspect stats``: a recording in numbers."""

import shutil
import sys
from contextlib import closing, nullcontext
from pathlib import Path

import click

from inspector.analysis.stats import Survey
from inspector.cli.filtering import search_for
from inspector.cli.output import ascii_only, flush, note, paints, put, say
from inspector.cli.progress import progress_bar
from inspector.cli.reading import as_capture, gathered, import_options
from inspector.cli.stdin import STDIN
from inspector.importers.hints import Hints
from inspector.protocol.registry import default
from inspector.report.rows import CaptureRows
from inspector.report.stats_jsonl import jsonl
from inspector.report.stats_text import LIMIT, lines
from inspector.store.reader import Reader

# Columns beyond which a line is hard to follow.
_WIDEST = 140
# Rows from which on counting takes long enough for a bar: half a second.
_LONG = 100_000


@click.command(
    epilog="Example: gwinspect stats bot.gwcap --where 'dir == receive' --by bytes",
)
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option("--format", "output_format", type=click.Choice(["text", "jsonl"]), default="text", show_default=True)
@click.option(
    "--by",
    type=click.Choice(["count", "bytes"]),
    default="count",
    show_default=True,
    help="Order of opcodes and events: by messages, or by bytes on the wire",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=LIMIT,
    show_default=True,
    help="Lines that a table of the text has, 0 for all",
)
@click.option(
    "--where", default="", metavar="FILTER", help="Only rows that match, e.g. 'dir == send and op != heartbeat'"
)
@import_options
def stats(
    captures: tuple[Path, ...],
    output_format: str,
    by: str,
    limit: int,
    where: str,
    hints: Hints,
    no_cache: bool,
) -> None:
    """Count what recordings hold.

    Traffic by connection, direction, opcode and event, with sizes, rates and compression; round trips of heartbeats;
    voice media; findings by rule. CAPTURE is a .gwcap, frames (.frames.jsonl), a mitmproxy flow file, a HAR with
    WebSocket messages, a browser's DevTools events or a packet capture (.pcap, .pcapng; see --keys), recognised by
    content, not by name; - is stdin; a folder means the recordings in it. Each is counted on its own. Formats other
    than .gwcap are imported once into a private cache (see `gwinspect cache`).
    """
    search = search_for(where)
    width = min(shutil.get_terminal_size((100, 40)).columns, _WIDEST) if sys.stdout.isatty() else 100
    for number, path in enumerate(gathered(captures)):
        name = "stdin" if path == STDIN else str(path)
        with closing(Reader(as_capture([path], hints, no_cache=no_cache))) as reader:
            with progress_bar(path.name) if reader.last() >= _LONG else nullcontext(_ignore_progress) as progress:
                found = Survey(reader, default(), search, by=by).take(progress)
            rows = CaptureRows(reader)
            rows.conclude()
        if output_format == "jsonl":
            for line in jsonl(found, name):
                put(line)
        else:
            if number:
                say("")
            for text in lines(found, name, limit=limit, width=width, colour=paints(), ascii_only=ascii_only()):
                say(text, colours=paints())
        flush()
        for text in rows.notes:
            note(text)


def _ignore_progress(done: int, total: int) -> None:
    """Take the place of a bar that would be gone before it was seen."""
