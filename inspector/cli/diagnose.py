"""``gwinspect diagnose``: what went wrong, why, and what to do."""

import shutil
import sys
from contextlib import suppress
from pathlib import Path

import click

from inspector.analysis.diagnosis import Diagnosis
from inspector.analysis.diagnosis import diagnose as look_into
from inspector.cli.output import ascii_only, flush, note, paints, put, say
from inspector.cli.reading import as_capture, import_options
from inspector.cli.stdin import STDIN
from inspector.cli.streams import ReaderGone
from inspector.model import Severity
from inspector.protocol.registry import default
from inspector.report.diagnosis_files import jsonl, junit
from inspector.report.diagnosis_text import lines, notes

_LEVELS = {severity.name.lower(): severity for severity in Severity}


@click.command(
    epilog="Example: gwinspect diagnose bot.gwcap --format junit > findings.xml",
)
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option(
    "--fail-on",
    type=click.Choice([*_LEVELS, "never"]),
    default="warn",
    show_default=True,
    help="Exit with 1 if there is a finding of this severity or a worse one",
)
@click.option(
    "--format", "output_format", type=click.Choice(["text", "jsonl", "junit"]), default="text", show_default=True
)
@import_options
def diagnose(
    captures: tuple[Path, ...], fail_on: str, output_format: str, hosts: tuple[str, ...], no_cache: bool
) -> int:
    """Say what went wrong, why, and what to do.

    Each finding names its rule and the rows that prove it; `gwinspect explain RULE` says more, `explain rules` lists
    them all. Several recordings are read together, in the order of time, so that sessions are followed from one to the
    next. Exits with 1 if something was found that --fail-on asks for, so a test run of a bot can end with this command.
    CAPTURE is a file as `gwinspect show` reads it, or - for one on stdin.
    """
    path = as_capture(captures, hosts, no_cache=no_cache)
    names = ["stdin" if each == STDIN else each.name for each in captures]
    found = look_into(path, default(), files=names)
    beside = notes(found, path)
    level = _LEVELS.get(fail_on)
    # What was found counts, also where its reader has seen enough.
    with suppress(ReaderGone):
        _print(found, level, output_format)
    for text in beside:
        note(text)
    return int(level is not None and found.worst is not None and found.worst >= level)


def _print(found: Diagnosis, level: Severity | None, output_format: str) -> None:
    match output_format:
        case "jsonl":
            for line in jsonl(found):
                put(line)
        case "junit":
            put(junit(found, level))
        case _:
            width = shutil.get_terminal_size((100, 40)).columns if sys.stdout.isatty() else 100
            for text in lines(found, width=min(width, 120), colour=paints(), ascii_only=ascii_only()):
                say(text, colours=paints())
    flush()
