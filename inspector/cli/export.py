"""``gwinspect export``: a recording in a form that other programs read."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import click

from inspector.cli.filtering import search_for
from inspector.cli.output import flush, note, put
from inspector.cli.progress import progress_bar
from inspector.cli.reading import as_capture, import_options, named
from inspector.errors import CaptureError, UsageError
from inspector.export import frames
from inspector.export.chosen import Chosen
from inspector.export.file import FORMATS, save, save_over
from inspector.importers.hints import Hints
from inspector.protocol.registry import default
from inspector.query.search import Search
from inspector.report.recording import Recording

Progress = Callable[[int, int], None]

_FRAMES = "frames"


@click.command(
    epilog="Example: gwinspect export bot.gwcap --to frames -o bot.frames.jsonl",
)
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option("--to", "form", required=True, type=click.Choice([*FORMATS, _FRAMES]), help="The format")
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

    jsonl, text and csv have a line for each row, as `gwinspect show` prints them. frames has all that was recorded, for
    your own programs and for gwinspect itself (docs/frames.md): rows cannot be chosen, as a compressed stream of which
    some is missing cannot be decoded. Several captures become one, ordered by time. CAPTURE is a file as `gwinspect
    show` reads it, or - for one on stdin.

    Secrets are masked. What the server sent in a compressed stream stays as it is in frames, so these hold session ids
    and private messages: do not share them.
    """
    search = search_for(where)
    if form == _FRAMES and search is not None:
        raise UsageError("--to frames takes no --where: a compressed stream of which some is missing cannot be decoded")
    if output is not None and output.exists() and not force:
        raise CaptureError(f"{output} exists; --force replaces it")
    path = as_capture(captures, hints, no_cache=no_cache, keep_secrets=reveal)
    with progress_bar(f"exporting {named(captures)}") as progress:
        if form == _FRAMES:
            pieces = frames.write(path, default(), reveal=reveal, progress=progress)
        else:
            pieces = _rows(path, form, search, reveal, progress)
        if output is None:
            for data in pieces:
                put(data)
            flush()
        else:
            (save_over if force else save)(pieces, output)


def _rows(path: Path, form: str, search: Search | None, reveal: bool, progress: Progress) -> Iterator[bytes]:
    recording = Recording(path, default(), reveal=reveal)
    with closing(recording):
        numbers = range(1, recording.reader.last() + 1)
        if search is not None:
            steps = search.numbers(recording.reader, 0, recording.reader.last())
            yield from FORMATS[form](Chosen(recording, [number for step in steps for number in step.found], progress))
            if search.problem:
                note(search.problem)
        else:
            yield from FORMATS[form](Chosen(recording, numbers, progress))
