"""``gwinspect report``: a recording explained in one HTML file."""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from inspector.cli.output import note
from inspector.cli.progress import progress_bar
from inspector.cli.reading import as_capture, import_options
from inspector.cli.scrubbing import Scrubbing
from inspector.cli.stdin import STDIN
from inspector.errors import CaptureError, UsageError
from inspector.export.file import write_new
from inspector.export.html.embedded import PAYLOAD_BYTES
from inspector.export.html.page import page
from inspector.garbage import without_collector
from inspector.importers.hints import Hints
from inspector.protocol.registry import default
from inspector.report.recording import Recording
from inspector.words import size

_MB = 1_000_000


@click.command(epilog="Example: gwinspect report bot.gwcap -o report.html")
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The HTML file to make")
@click.option(
    "--payloads",
    type=click.IntRange(min=0),
    default=PAYLOAD_BYTES // _MB,
    show_default=True,
    metavar="MB",
    help="Payloads to put in at most, before compression; 0 for none",
)
@import_options
@click.option("--scrub", "scrubbed", is_flag=True, help="Replace names, texts and ids too, as `gwinspect scrub` does")
@click.option("--reveal", is_flag=True, help="Show tokens and other secrets instead of masking them")
@click.option("--force", is_flag=True, help="Replace the output if it exists")
def report(
    captures: tuple[Path, ...],
    output: Path,
    payloads: int,
    hints: Hints,
    no_cache: bool,
    scrubbed: bool,
    reveal: bool,
    force: bool,
) -> None:
    """Make one HTML file that explains recordings.

    It has the cases with the rows that prove them, what was recorded and with what, sessions, traffic and heartbeats
    over time, voice calls, sizes, and the timeline with its payloads. It opens from disk in any browser, loads nothing
    and needs no network. Several recordings become one report. CAPTURE is a file as `gwinspect show` reads it, or - for
    one on stdin.
    """
    if output.exists():
        if not force:
            raise CaptureError(f"{output} exists; --force replaces it")
        if any(each.exists() and each.samefile(output) for each in captures):
            raise UsageError(f"{output} is a recording that is to be read; choose another name")
    if scrubbed and reveal:
        raise UsageError("--scrub takes secrets out, --reveal shows them: give one of them")
    names = ["stdin" if each == STDIN else each.name for each in captures]
    path = as_capture(captures, hints, no_cache=no_cache, keep_secrets=reveal)
    if scrubbed:
        folder = Path(click.get_current_context().with_resource(TemporaryDirectory(prefix="gwinspect-")))
        Scrubbing().do(path, folder / "scrubbed.gwcap")
        # Names of files may name people.
        path, names = folder / "scrubbed.gwcap", ["a scrubbed recording"]
    with closing(Recording(path, default(), reveal=reveal)) as recording:
        with progress_bar(f"writing {output.name}") as progress, without_collector():
            made = page(recording, names, payload_bytes=payloads * _MB, progress=progress)
            written = write_new(output, made, replace=force)
        rows = recording.reader.last()
    note(f"{output} has {rows:,} rows ({size(written)})")
