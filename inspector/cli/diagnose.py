"""``gwinspect diagnose``: what went wrong, why, and what to do."""

import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

import click

from inspector.analysis import baseline
from inspector.analysis.diagnosis import Diagnosis
from inspector.analysis.diagnosis import diagnose as look_into
from inspector.cli.output import ascii_only, flush, note, paints, put, say
from inspector.cli.reading import as_capture, concurrency_option, gathered, import_options
from inspector.cli.stdin import STDIN
from inspector.cli.streams import ReaderGone
from inspector.diagnose.ids import close_of
from inspector.diagnose.rules import RULES
from inspector.errors import GwinspectError
from inspector.importers.hints import Hints
from inspector.model import Severity
from inspector.protocol.registry import default
from inspector.report.diagnosis_files import github, jsonl, junit, markdown
from inspector.report.diagnosis_text import lines, notes

_LEVELS = {severity.name.lower(): severity for severity in Severity}
_FORMATS = ["text", "jsonl", "junit", "github", "markdown"]


def _patterns(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what no rule and no close is called."""
    for pattern in given:
        known = any(fnmatchcase(rule.id, pattern) for rule in RULES) or close_of(pattern, default()) is not None
        if not known and "close-" not in pattern:
            raise click.BadParameter(f"no rule is called {pattern}; `gwinspect explain rules` lists them")
    return given


@click.command(
    epilog="Example: gwinspect diagnose bot.gwcap --format junit > findings.xml",
)
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option(
    "--fail-on",
    type=click.Choice([*_LEVELS, "never"]),
    default="warn",
    show_default=True,
    help="Exit with 1 if there is a case of this severity or worse",
)
@click.option("--format", "output_format", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--all", "everything", is_flag=True, help="Print every case in full, with each of its findings")
@click.option(
    "--only",
    multiple=True,
    metavar="RULE",
    callback=_patterns,
    help="Report only findings of this rule; may be repeated",
)
@click.option(
    "--ignore", multiple=True, metavar="RULE", callback=_patterns, help="Ignore findings of this rule; may be repeated"
)
@click.option("--separate", is_flag=True, help="Read each file on its own: the files are unrelated")
@click.option(
    "--baseline",
    "accepted",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Leave out the cases that this file accepts",
)
@click.option(
    "--write-baseline",
    "to_accept",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a baseline that accepts the cases found now",
)
@concurrency_option
@import_options
def diagnose(
    captures: tuple[Path, ...],
    fail_on: str,
    output_format: str,
    everything: bool,
    only: tuple[str, ...],
    ignore: tuple[str, ...],
    separate: bool,
    accepted: Path | None,
    to_accept: Path | None,
    max_concurrency: int | None,
    hints: Hints,
    no_cache: bool,
) -> int:
    """Explain what went wrong, why, and what to do.

    Findings with one cause form one case: the name of its rule, the rows that prove it, what followed from it and what
    to do. `gwinspect explain RULE` says more, `explain rules` lists all rules. RULE may contain * and ?.
    Several recordings are read together, ordered by time, so that sessions are followed from one to the next.
    Exits with 1 if there is a case that --fail-on asks for, and with 2 if a file could not be read, so a bot's test run
    can end with this command. CAPTURE is a file as `gwinspect show` reads it, a folder of such files, or - for one on
    stdin.
    """
    known: baseline.Accepted = {} if accepted is None else baseline.read(accepted)
    captures = gathered(captures)
    groups = [(capture,) for capture in captures] if separate else [captures]
    found: list[Diagnosis] = []
    beside: list[str] = []
    refused: list[tuple[str, str]] = []
    failure: GwinspectError | None = None
    for group in groups:
        names = ["stdin" if each == STDIN else each.name for each in group]
        try:
            path = as_capture(group, hints, no_cache=no_cache, max_concurrency=max_concurrency)
            made = look_into(path, files=names, wanted=_wanted(only, ignore))
        except GwinspectError as error:
            refused.append((", ".join(names), str(error)))
            failure = error
            continue
        beside += notes(made, path)
        found.append(baseline.without(made, known))
    if to_accept is not None:
        _accept(to_accept, found)
    level = _LEVELS.get(fail_on)
    # What was found counts, also where its reader has seen enough.
    with suppress(ReaderGone):
        _print(found, level, output_format, refused, everything=everything)
    for text in [*beside, *(why for _, why in refused[:-1])]:
        note(text)
    if failure is not None:
        raise failure
    return int(level is not None and any(each.worst is not None and each.worst >= level for each in found))


def _wanted(only: Sequence[str], ignore: Sequence[str]) -> Callable[[str], bool]:
    def wanted(rule: str) -> bool:
        if any(fnmatchcase(rule, pattern) for pattern in ignore):
            return False
        return not only or any(fnmatchcase(rule, pattern) for pattern in only)

    return wanted


def _accept(path: Path, found: list[Diagnosis]) -> None:
    try:
        count = baseline.write(path, found)
    except OSError as error:
        raise click.FileError(str(path), hint=error.strerror or str(error)) from None
    note(f"{path} accepts {count} case{'s' * (count != 1)}")


def _print(
    found: list[Diagnosis],
    level: Severity | None,
    output_format: str,
    refused: list[tuple[str, str]],
    *,
    everything: bool,
) -> None:
    match output_format:
        case "jsonl":
            for diagnosis in found:
                for line in jsonl(diagnosis):
                    put(line)
        case "junit":
            put(junit(found, level, refused))
        case "github" | "markdown":
            for diagnosis in found:
                for text in (github if output_format == "github" else markdown)(diagnosis):
                    say(text, colours=False)
        case _:
            width = shutil.get_terminal_size((100, 40)).columns if sys.stdout.isatty() else 100
            for number, diagnosis in enumerate(found):
                if number:
                    say("", colours=False)
                told = lines(
                    diagnosis,
                    width=min(width, 120),
                    colour=paints(),
                    ascii_only=ascii_only(),
                    everything=everything,
                )
                for text in told:
                    say(text, colours=paints())
    flush()
