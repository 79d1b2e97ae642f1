"""``gwinspect export``: a recording in a form that other programs read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import click

from inspector.cli.filtering import search_for
from inspector.cli.output import flush, note, put
from inspector.cli.progress import progress_bar
from inspector.cli.reading import as_capture, import_options, named
from inspector.errors import CaptureError, UsageError
from inspector.export import capture, fixture, parquet
from inspector.export.chosen import Chosen
from inspector.export.file import write_new
from inspector.export.formats import NAMES, PLACES, WHOLE, rows_format
from inspector.importers.hints import Hints
from inspector.protocol.registry import default
from inspector.query.search import Search
from inspector.report.recording import Recording
from inspector.words import counted

Progress = Callable[[int, int], None]


@click.command(
    epilog="Example: gwinspect export bot.gwcap --to har -o bot.har",
)
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option("--to", "form", required=True, metavar="FORMAT", help=f"The format: {', '.join(NAMES)}")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write  [default: stdout]")
@click.option(
    "--where", default="", metavar="FILTER", help="Only rows that match, e.g. 'dir == send and op != heartbeat'"
)
@click.option("--reveal", is_flag=True, help="Write tokens and other secrets instead of masking them")
@click.option("--force", is_flag=True, help="Replace the output if it exists")
@import_options
def export(
    captures: tuple[Path, ...],
    form: str,
    output: Path | None,
    where: str,
    reveal: bool,
    force: bool,
    hints: Hints,
    no_cache: bool,
) -> None:
    """Write recordings in a form that other programs read.

    jsonl, text, csv, markdown and parquet have a line for each row, as `gwinspect show` prints them. frames
    (docs/frames.md), har and perfetto have all that was recorded; gwcap has the connections that have a matching row,
    with their sessions and calls; fixture is a folder for the tests of a library (docs/fixtures.md). Several captures
    become one, ordered by time. CAPTURE is a file as `gwinspect show` reads it, or - for one on stdin.

    Secrets are masked, also in what the server compressed. Names and texts are not: `gwinspect scrub` replaces them.
    """
    search = search_for(where)
    if form in WHOLE or form == "fixture":
        if search is not None:
            raise UsageError(f"--to {form} takes no --where; `gwinspect export --to gwcap` cuts out connections first")
    elif form not in PLACES:
        rows_format(form)
    if form in PLACES and output is None:
        raise UsageError(f"--to {form} needs -o, a name to write to")
    if output is not None and output.exists() and not (force and form != "fixture"):
        raise CaptureError(
            f"{output} exists; " + ("choose another name" if form == "fixture" else "--force replaces it")
        )
    path = as_capture(captures, hints, no_cache=no_cache, keep_secrets=reveal)
    with progress_bar(f"exporting {named(captures)}") as progress:
        if form in PLACES and output is not None:
            done = _write(path, output, form, search, reveal, progress)
        else:
            _stream(path, output, form, search, reveal, progress, force=force)
            done = ""
    if done:
        note(f"{output} has {done}")


def _write(path: Path, output: Path, form: str, search: Search | None, reveal: bool, progress: Progress) -> str:
    """Write what needs a place of its own, and return what is in it, in words."""
    if form == "fixture":
        return counted(fixture.write(path, output, default(), reveal=reveal, progress=progress), "payload")
    with closing(Recording(path, default(), reveal=reveal)) as recording:
        numbers = _chosen(recording, search)
        if form == "parquet":
            return counted(parquet.write(Chosen(recording, numbers, progress), output), "row")
    rows = None if search is None else numbers
    return counted(capture.write(path, output, default(), rows=rows, reveal=reveal, progress=progress), "row")


def _stream(
    path: Path, output: Path | None, form: str, search: Search | None, reveal: bool, progress: Progress, *, force: bool
) -> None:
    if form in WHOLE:
        pieces = WHOLE[form](path, default(), reveal=reveal, progress=progress)
    else:
        pieces = _rows(path, form, search, reveal, progress)
    if output is None:
        for data in pieces:
            put(data)
        flush()
    else:
        write_new(output, pieces, replace=force)


def _rows(path: Path, form: str, search: Search | None, reveal: bool, progress: Progress) -> Iterator[bytes]:
    with closing(Recording(path, default(), reveal=reveal)) as recording:
        yield from rows_format(form)(Chosen(recording, _chosen(recording, search), progress))


def _chosen(recording: Recording, search: Search | None) -> Sequence[int]:
    last = recording.reader.last()
    if search is None:
        return range(1, last + 1)
    found = [number for step in search.numbers(recording.reader, 0, last) for number in step.found]
    if search.problem:
        note(search.problem)
    return found
