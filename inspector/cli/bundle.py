"""``gwinspect bundle``: what a maintainer needs of a recording, in one file."""

import os
import tempfile
from pathlib import Path

import click

from inspector.cli.ending import tidy_up
from inspector.cli.output import note
from inspector.cli.progress import progress_bar
from inspector.cli.reading import as_capture, import_options
from inspector.cli.scrubbing import Scrubbing, scrub_options
from inspector.errors import CaptureError
from inspector.export import bundle as bundles
from inspector.importers.hints import Hints
from inspector.protocol.registry import default
from inspector.store.file import passing_file
from inspector.words import size


@click.command(epilog="Example: gwinspect bundle bot.gwcap -o bug.zip")
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The zip archive to make")
@click.option("--force", is_flag=True, help="Replace the output if it exists")
@scrub_options
@import_options
def bundle(
    captures: tuple[Path, ...],
    output: Path,
    force: bool,
    scrubbing: Scrubbing,
    hints: Hints,
    no_cache: bool,
) -> None:
    """Make a zip archive of recordings for an issue.

    In it are the scrubbed capture (see `gwinspect scrub`), a report on it that opens in any browser, its cases as
    Markdown, and the versions of the tools and clients. All of it is made of the scrubbed capture. What is in it is
    listed before it is written.
    """
    tidy_up()
    if output.exists() and not force:
        raise CaptureError(f"{output} exists; --force replaces it")
    path = as_capture(captures, hints, no_cache=no_cache)
    with tempfile.TemporaryDirectory(prefix="gwinspect-") as name:
        folder = Path(name)
        scrubbing.do(path, folder / bundles.CAPTURE)
        with progress_bar("writing the report") as report:
            made = bundles.parts(folder / bundles.CAPTURE, folder, default(), progress=report)
        for part in made:
            note(f"{part.name:14} {size(part.size):>8}  {part.about}")
        try:
            with passing_file(output.with_name(f"{output.name}.part")) as packed:
                bundles.pack(folder, made, packed)
                os.replace(packed, output)
        except OSError as error:
            raise CaptureError(f"{output} cannot be written: {error.strerror or error}") from error
    note(f"{output} ({size(output.stat().st_size)}) has these files; look at them before you attach it")
