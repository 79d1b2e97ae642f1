"""``gwinspect scrub``: a capture that can be shared."""

import re
from pathlib import Path

import click

from inspector.cli.ending import tidy_up
from inspector.cli.output import note, say
from inspector.cli.progress import progress_bar
from inspector.cli.reading import as_capture, import_options
from inspector.errors import CaptureError, UsageError
from inspector.importers.hints import Hints
from inspector.protocol.registry import default
from inspector.scrub import making
from inspector.scrub.kinds import MEANINGS, Kind
from inspector.words import counted

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _kinds(context: click.Context, parameter: click.Parameter, value: str) -> frozenset[Kind]:
    named = [name.strip() for name in value.split(",") if name.strip()]
    for name in named:
        if name not in tuple(Kind) or name == Kind.SECRET:
            raise UsageError(
                f"--keep: {name!r} is not one of {', '.join(kind for kind in Kind if kind is not Kind.SECRET)}"
            )
    return frozenset(map(Kind, named))


def _span(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    found = re.fullmatch(r"([+-]?\d{1,6})(ms|s|m|h|d)", value.strip())
    if found is None:
        raise UsageError(f"--shift: {value!r} is not a span of time; write -30d, 12h or 90m")
    return int(found[1]) * _UNITS_MS[found[2]]


@click.command(
    epilog="Example: gwinspect scrub bot.gwcap -o for-the-issue.gwcap",
    short_help="Make a capture without secrets and people, to share",
)
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The capture to make")
@click.option("--dry-run", is_flag=True, help="Make none; list what would be replaced, by kind and count")
@click.option(
    "--keep",
    default="",
    callback=_kinds,
    metavar="KINDS",
    help=f"What to leave as it is, with commas between: {', '.join(kind for kind in Kind if kind is not Kind.SECRET)}",
)
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Replace a value by the same one in every capture that is made with this key; made where there is none",
)
@click.option(
    "--shift",
    callback=_span,
    metavar="SPAN",
    help="Move all times by the same span, such as -30d; without it ids and times in payloads move within their day",
)
@click.option("--force", is_flag=True, help="Replace the output if it exists")
@import_options
def scrub(
    captures: tuple[Path, ...],
    output: Path | None,
    dry_run: bool,
    keep: frozenset[Kind],
    key_file: Path | None,
    shift: int | None,
    force: bool,
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
    key = making.Key.load(key_file) if key_file is not None else None
    path = as_capture(captures, hints, no_cache=no_cache)
    with progress_bar("scrubbing") as report:
        made = making.scrub(path, output, default(), key=key, shift_ms=shift, keep=keep, report=report)
    if key_file is not None and not dry_run:
        made.key.save(key_file)
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
