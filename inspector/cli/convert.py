"""``gwinspect convert``: other people's files, and captures, into one capture."""

from pathlib import Path

import click

from inspector.cli.ending import tidy_up
from inspector.cli.output import note
from inspector.cli.progress import progress_bar
from inspector.cli.reading import check_hints, gathered, hint_options, named
from inspector.cli.stdin import with_stdin
from inspector.errors import CaptureError
from inspector.importers.hints import Hints
from inspector.importers.merge import Input, merge
from inspector.protocol.registry import default
from inspector.store.lock import Lock


@click.command(epilog="Example: gwinspect convert flows.mitm traffic.har -o both.gwcap")
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The capture to make")
@hint_options
@click.option("--keep-secrets", is_flag=True, help="Keep secrets in the capture instead of masking them")
@click.option("--force", is_flag=True, help="Replace the output if it exists")
def convert(
    captures: tuple[Path, ...],
    output: Path,
    hints: Hints,
    keep_secrets: bool,
    force: bool,
) -> None:
    """Make a capture from frames, mitmproxy flows, HARs, DevTools events, packet captures or other captures.

    Several files become one capture, ordered by time, each with its own connections; one that several of them recorded
    is kept once. A folder means the recordings in it. - is a file on stdin.
    """
    tidy_up()
    paths = with_stdin(gathered(captures))
    check_hints(paths, hints)
    inputs = [Input(path, hints) for path in paths]
    if output.exists() and not force:
        raise CaptureError(f"{output} exists; --force replaces it")
    with Lock(output), progress_bar(f"reading {named(paths)}") as report:
        made = merge(inputs, output, default(), made_by="gwinspect convert", keep_secrets=keep_secrets, report=report)
    for text in made.notes:
        note(text)
    note(f"{output} has {made.events:,} events of {made.connections:,} connections")
