"""What the commands that read recordings have in common: whatever they are given, a capture is what they read."""

import tempfile
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from inspector.cli.ending import tidy_up
from inspector.cli.output import note
from inspector.cli.progress import looking_at, progress_bar
from inspector.cli.stdin import STDIN, with_stdin
from inspector.errors import CaptureError, UsageError
from inspector.importers.hints import NO_HINTS, Hints
from inspector.protocol.registry import default
from inspector.store.file import is_capture, passing_file

# Files that a line names.
_NAMED = 5

Decorated = Callable[..., Any]


def hint_options(command: Decorated) -> Decorated:
    """Add the options by which the user tells of files of other formats; the command gets them as ``hints``."""

    @wraps(command)
    def with_hints(
        *, hosts: tuple[str, ...], keys: tuple[Path, ...], fields: tuple[str, ...], duplicates: bool, **others: Any
    ) -> Any:
        return command(hints=Hints(hosts, keys, _pairs(fields), duplicates), **others)

    for option in (
        click.option(
            "--host", "hosts", multiple=True, metavar="HOST", help="Another host that is a gateway; may be repeated"
        ),
        click.option(
            "--keys",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="TLS key log (SSLKEYLOGFILE) for packet captures; CAPTURE.keys.log needs no option; may be repeated",
        ),
        click.option(
            "--duplicates",
            is_flag=True,
            help="Show a connection that several files recorded once for each, instead of the most complete one",
        ),
        click.option(
            "--map",
            "fields",
            multiple=True,
            metavar="WHAT=FIELD",
            help="Field of a log's JSON records that holds WHAT (payload, at, direction, shard, …); may be repeated",
        ),
    ):
        with_hints = option(with_hints)
    return with_hints


def _pairs(fields: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return what ``--map`` says. Raises UsageError."""
    # Imported here: most commands are told nothing of fields.
    from inspector.importers.logs.jsonlines import FIELDS

    pairs = []
    for said in fields:
        what, equals, field = said.partition("=")
        if what not in FIELDS or not equals or not field:
            raise UsageError(f"--map {said} is not WHAT=FIELD; WHAT is one of {', '.join(FIELDS)}")
        pairs.append((what, field))
    return tuple(dict(pairs).items())


def import_options(command: Decorated) -> Decorated:
    """Add the options of commands that read files of other formats by way of the cache."""
    return hint_options(click.option("--no-cache", is_flag=True, help="Do not cache imports of other formats")(command))


def check_hints(captures: Sequence[Path], hints: Hints) -> None:
    """Raise UsageError where key logs are given, or fields named, that no recording has a use for."""
    if hints.keys and not any(map(_has_packets, captures)):
        raise UsageError(f"--keys is for packet captures (.pcap, .pcapng); {captures[0].name} is not one")
    if hints.fields and not any(_is_log(path, hints) for path in captures):
        raise UsageError(f"--map is for logs with JSON records; {captures[0].name} is not one")


def _has_packets(path: Path) -> bool:
    from inspector.importers.pcap.packetfile import HEAD_BYTES, is_packet_file

    try:
        with path.open("rb") as file:
            return is_packet_file(file.read(HEAD_BYTES))
    except OSError:
        # What is wrong with it is said when it is read.
        return True


def named(paths: Sequence[Path]) -> str:
    """Return the names of files for a line of a screen: the first, and how many more."""
    names = [path.name for path in paths]
    return ", ".join(names if len(names) <= _NAMED else [*names[:_NAMED], f"{len(names) - _NAMED} more"])


def gathered(captures: Sequence[Path]) -> tuple[Path, ...]:
    """Return the recordings that the names stand for, which may be folders and patterns; say what is left out.

    Raises CaptureError.
    """
    # Most are files. Anything else is for those that know the formats, which take a while to import.
    if all(path == STDIN or (path.exists() and not path.is_dir()) for path in captures):
        return tuple(captures)
    from inspector.importers.gathering import gather

    found = gather(captures)
    for text in found.notes:
        note(text)
    return found.paths


def _is_log(path: Path, hints: Hints) -> bool:
    from inspector.importers.formats import open_source
    from inspector.importers.logs import LogFile

    try:
        return not is_capture(path) and isinstance(open_source(path, hints), LogFile)
    except CaptureError:
        # What is wrong with it is said when it is read.
        return True


concurrency_option = click.option(
    "--max-concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many shards the bot may start within 5 seconds: max_concurrency of GET /gateway/bot",
)


def as_capture(
    captures: Sequence[Path],
    hints: Hints = NO_HINTS,
    *,
    no_cache: bool = False,
    keep_secrets: bool = False,
    max_concurrency: int | None = None,
) -> Path:
    """Return one capture with all that is in the files `captures`: the one that is named, or one that they make.

    That one is in the cache, or, where no one is to keep it, gone when the command ends: with `no_cache`, for what
    comes through a pipe, and where it has secrets that are usually masked (`keep_secrets`). With `max_concurrency`
    captures are read again, too. Raises CaptureError, UsageError, EnvironmentProblem.
    """
    captures = gathered(captures)
    paths = with_stdin(captures)
    check_hints(paths, hints)
    if len(paths) == 1 and not paths[0].is_dir() and is_capture(paths[0]) and max_concurrency is None:
        return paths[0]
    registry = default().allowing(max_concurrency)
    tidy_up()
    # Imported here: captures have no need of them.
    from inspector.importers.cache import MADE_BY, Place, imported
    from inspector.importers.merge import Input, merge

    place = None
    if not no_cache and not keep_secrets and paths == tuple(captures):
        with progress_bar(looking_at(named(paths))) as report:
            place = Place(paths, registry, hints, report=report)
    with progress_bar(f"importing {named(paths)}") as report:
        if place is not None:
            return imported(place, report=report)
        inputs = [Input(path, hints) for path in paths]
        target = click.get_current_context().with_resource(
            passing_file(Path(tempfile.gettempdir()) / "gwinspect-import.gwcap")
        )
        merge(inputs, target, registry, made_by=MADE_BY, keep_secrets=keep_secrets, report=report)
        return target
