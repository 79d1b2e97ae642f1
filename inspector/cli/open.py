"""``gwinspect open``: the timeline on recordings of any format."""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from inspector.cli.ending import tidy_up
from inspector.cli.filtering import search_for
from inspector.cli.follow import followed
from inspector.cli.output import note, on_screen
from inspector.cli.progress import looking_at, progress_bar
from inspector.cli.reading import check_hints, concurrency_option, gathered, import_options
from inspector.cli.stdin import STDIN, keys_from_terminal, with_stdin
from inspector.errors import UsageError
from inspector.importers.hints import Hints
from inspector.report.rows import notes_of
from inspector.store.file import is_capture
from inspector.store.reader import Reader

# Characters that names of files may have together; most file systems take 255 bytes.
_LONGEST_NAME = 50


@click.command(epilog="Example: gwinspect open bot.gwcap")
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option("--follow", "following", is_flag=True, help="Start at the newest row, and stay there as more come")
@click.option(
    "--where", default="", metavar="FILTER", help="Only rows that match, e.g. 'dir == send and op != heartbeat'"
)
@concurrency_option
@import_options
def open(  # noqa: A001
    captures: tuple[Path, ...],
    following: bool,
    where: str,
    max_concurrency: int | None,
    hints: Hints,
    no_cache: bool,
) -> None:
    """Open recordings in the timeline.

    CAPTURE is a .gwcap, also one that is still being recorded, frames (.frames.jsonl), a mitmproxy flow file, a HAR
    with WebSocket messages, a browser's DevTools events or a packet capture (.pcap, .pcapng; see --keys), recognised by
    content, not by name; - reads from stdin. Formats other than .gwcap are imported once into a private cache (see
    `gwinspect cache`), and shown during the import; frames that still grow are shown live with --follow. Several
    captures become one timeline, ordered by time; a folder or a pattern ('logs/*.mitm') means the recordings in it.
    """
    tidy_up()
    search_for(where)
    if STDIN not in captures:
        check_hints(captures, hints)
    piped = keys_from_terminal() if STDIN in captures else 0
    if not on_screen():
        raise UsageError("`gwinspect open` needs a terminal; `gwinspect show` prints rows anywhere")
    # Folders keep the name by which they are opened, whatever is in them.
    together = _together([each if each == STDIN else each.absolute() for each in captures])
    title = ", ".join("stdin" if each == STDIN else each.absolute().name for each in captures)
    captures = gathered(captures)
    late: list[str] = []
    notes_for: Path | None = captures[0]
    running, is_import = None, False
    if following:
        if max_concurrency is not None:
            raise UsageError("--max-concurrency is for recordings that are finished; `live` and `record` take it too")
        if len(captures) > 1:
            raise UsageError("--follow takes one capture")
        # What is told while the screen is open would be written over it.
        path = followed(captures[0], hints, tell=late.append, piped=piped)
    elif len(captures) == 1 and _is_capture(captures[0]) and max_concurrency is None:
        path = captures[0]
        following = _grows(path)
    else:
        # Imported here: captures have no need of it.
        from inspector.importers.running import watched
        from inspector.protocol.registry import default

        context = click.get_current_context()
        passing = Path(context.with_resource(TemporaryDirectory(prefix="gwinspect-"))) if no_cache else None
        paths = with_stdin(captures, piped)
        registry = default().allowing(max_concurrency)
        with progress_bar(looking_at(title)) as report:
            found = context.with_resource(watched(paths, registry, hints, passing=passing, report=report))
        path, running = found.path, found.running
        is_import = True
        notes_for = together
    if STDIN in captures:
        # There is no file next to which marks and notes could be; the import is found again by what is in it.
        notes_for = path

    from inspector.tui.run import run

    run(path, follow=following, where=where, notes_for=notes_for, title=title, filling=running)
    if is_import:
        with closing(Reader(path)) as reader:
            late += notes_of(reader)
    for text in late:
        note(text)


def _is_capture(path: Path) -> bool:
    return path != STDIN and not path.is_dir() and is_capture(path)


def _grows(path: Path) -> bool:
    """Say whether no one has finished a capture: it is being recorded, or its recorder was killed."""
    reader = Reader(path)
    finished = "finished_at" in reader.meta()
    reader.close()
    return not finished


def _together(paths: Sequence[Path]) -> Path:
    """Return a name next to the first file that is the same whenever these files are opened together."""
    name = "+".join(path.name for path in paths)
    if len(name) > _LONGEST_NAME:
        name = name[:_LONGEST_NAME] + "-" + hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:12]
    return paths[0].with_name(name)
