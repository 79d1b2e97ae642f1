"""``gwinspect show``: the timeline, printed."""

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.cli.filtering import passing, search_for
from inspector.cli.output import Printer, note, rows_that_fit
from inspector.cli.reading import as_capture, import_options
from inspector.errors import UsageError
from inspector.garbage import without_collector
from inspector.importers.hints import Hints
from inspector.protocol.registry import default
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows
from inspector.store.reader import Reader

# What only some options need is imported where they are handled, so that the rest begins at once.
if TYPE_CHECKING:
    from inspector.query.search import Search
    from inspector.store.parts import Trail


@click.command(
    epilog="Example: gwinspect show bot.gwcap --format jsonl | jq 'select(.event == \"READY\")'",
    short_help="Print recordings as an annotated timeline",
)
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option("--format", "output_format", type=click.Choice(["text", "jsonl"]), default="text", show_default=True)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help="Rows to print, the last ones; 0 for all  [default: 500 on a terminal, else all]",
)
@click.option("--follow", "following", is_flag=True, help="Keep printing while the capture grows, until it is finished")
@click.option(
    "--where", default="", metavar="FILTER", help="Only rows that match, e.g. 'dir == send and op != heartbeat'"
)
@import_options
@click.option("--reveal", is_flag=True, help="Show tokens and other secrets instead of masking them")
@click.option("--raw", is_flag=True, help="Add each row's frames to JSON lines, in base64")
@click.option("--packets", is_flag=True, help="Add the packets behind each row of voice media, one by one")
@click.option("--decrypt", is_flag=True, help="As --packets, and undo their transport encryption with the call's key")
def show(
    captures: tuple[Path, ...],
    output_format: str,
    limit: int | None,
    following: bool,
    where: str,
    hints: Hints,
    reveal: bool,
    raw: bool,
    packets: bool,
    decrypt: bool,
    no_cache: bool,
) -> None:
    """Print recordings as an annotated timeline.

    CAPTURE is a .gwcap, frames (.frames.jsonl), a mitmproxy flow file, a HAR with WebSocket messages, a browser's
    DevTools events or a packet capture (.pcap, .pcapng; see --keys), recognised by content, not by name; - reads from
    stdin, and a folder or a pattern ('logs/*.mitm') means the recordings in it. Several captures become one timeline,
    ordered by time; a connection that several of them recorded is shown once. Formats other than .gwcap are imported
    once into a private cache (see `gwinspect cache`). --follow takes a .gwcap, or frames, also from stdin.
    """
    if following and len(captures) > 1:
        raise UsageError("--follow takes one capture")
    if raw and output_format != "jsonl":
        raise UsageError("--raw needs --format jsonl")
    search = search_for(where)
    printer = Printer(Presenter(default(), reveal=reveal), output_format, raw=raw)
    if following:
        from inspector.cli.follow import followed

        _follow(followed(captures[0], hints), printer, search, packets=packets, decrypt=decrypt, reveal=reveal)
        return
    path = as_capture(captures, hints, no_cache=no_cache, keep_secrets=reveal)
    with closing(Reader(path, reveal=reveal)) as reader:
        rows = CaptureRows(reader)
        if packets or decrypt:
            from inspector.report.packets import PacketReader

            printer.packets = PacketReader(reader, decrypt=decrypt)
        with without_collector():
            for event in passing(rows, search, rows_that_fit(limit)):
                printer.print(event, rows)
        printer.flush()
        for text in rows.notes:
            note(text)


def _follow(
    path: Path, printer: Printer, search: "Search | None", *, packets: bool, decrypt: bool, reveal: bool
) -> None:
    """Print the rows of a capture that grows, until it is finished, or its recorder continues in another file."""
    from inspector.cli.follow import follow
    from inspector.report.packets import PacketReader
    from inspector.store.parts import Trail

    with closing(Reader(path, reveal=reveal)) as reader:
        rows = CaptureRows(reader)
        if packets or decrypt:
            printer.packets = PacketReader(reader, decrypt=decrypt)
        trail = Trail(path)
        for event in follow(reader, partial(_is_over, reader, trail)):
            if search is None or search.matches(event, rows.connection(event.connection)):
                printer.print(event, rows)
                printer.flush()
        if search is not None and search.problem:
            note(search.problem)
        if trail.path != path:
            note(f"{path} was deleted or replaced; `gwinspect show --follow {trail.path}` shows the rest")


def _is_over(reader: Reader, trail: "Trail") -> bool:
    return "finished_at" in reader.meta() or trail.moved()
