"""``gwinspect scrub``: a capture that can be shared."""

from pathlib import Path

import click

from inspector.cli.ending import tidy_up
from inspector.cli.output import note, say
from inspector.cli.reading import as_capture, import_options
from inspector.cli.scrubbing import Scrubbing, scrub_options
from inspector.errors import CaptureError, UsageError
from inspector.importers.hints import Hints
from inspector.scrub import making
from inspector.scrub.kinds import MEANINGS, Kind
from inspector.words import counted


@click.command(
    epilog="Example: gwinspect scrub bot.gwcap -o for-the-issue.gwcap",
    short_help="Make a capture without secrets and people, to share",
)
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The capture to make")
@click.option("--dry-run", is_flag=True, help="Make none; list what would be replaced, by kind and count")
@click.option("--force", is_flag=True, help="Replace the output if it exists")
@scrub_options
@import_options
def scrub(
    captures: tuple[Path, ...],
    output: Path | None,
    dry_run: bool,
    force: bool,
    scrubbing: Scrubbing,
    hints: Hints,
    no_cache: bool,
) -> None:
    """Make a capture without secrets and people, to share.

    It tells the same story: the same payloads in the same order, with the same sizes, times, closes and findings.
    Tokens and keys are gone. Ids, names, texts, URLs and addresses are replaced by invented ones, the same one for the
    same value; ids keep their day and their order, guilds stay on their shard. Of what cannot be read only its size is
    kept. Then the new file is searched for everything that was replaced: if anything is left, nothing is written.
    """
    tidy_up()
    if dry_run == (output is not None):
        raise UsageError("-o names the capture to make; --dry-run makes none: give one of them")
    if output is not None and output.exists() and not force:
        raise CaptureError(f"{output} exists; --force replaces it")
    path = as_capture(captures, hints, no_cache=no_cache)
    made = scrubbing.do(path, output)
    for line in _lines(made):
        if dry_run:
            say(line)
        else:
            note(line)
    if output is not None:
        note(f"{output} has {counted(made.events, 'row')}, and nothing of what was replaced was found in it")


def _lines(made: making.Scrubbed) -> list[str]:
    widest = max((len(MEANINGS[kind]) for kind in made.counts), default=0)
    return [
        f"{kind:14} {made.counts[kind]:>9,}  {MEANINGS[kind]:{widest}}"
        f"  ({made.different.get(kind, 0):,} different)".rstrip()
        for kind in Kind
        if made.counts.get(kind)
    ] or ["nothing to replace"]
