"""``gwinspect open``: the timeline on recordings of any format."""

import hashlib
from pathlib import Path

import click

from inspector.cli.filtering import search_for
from inspector.cli.output import note, on_screen
from inspector.cli.progress import progress_bar
from inspector.errors import UsageError
from inspector.store.file import is_capture
from inspector.store.reader import Reader

# Characters that names of files may have together; most file systems take 255 bytes.
_LONGEST_NAME = 50


@click.command(epilog="Example: gwinspect open bot.gwcap")
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option("--follow", "following", is_flag=True, help="Begin at the newest row and stay there as more come")
@click.option(
    "--where", default="", metavar="FILTER", help="Only rows that pass, e.g. 'dir == send and op != heartbeat'"
)
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="One more host that is a gateway; may be repeated")
def open(captures: tuple[Path, ...], following: bool, where: str, hosts: tuple[str, ...]) -> None:  # noqa: A001
    """Open recordings in the timeline.

    CAPTURE is a .gwcap, also one that is still being recorded, a mitmproxy flow file or a HAR with WebSocket messages;
    its content decides, not its name. What is no .gwcap is imported once into a private cache. Several become one
    timeline, one after the other.
    """
    search_for(where)
    if not on_screen():
        raise UsageError("`gwinspect open` needs a terminal; `gwinspect show` prints rows anywhere")
    if len(captures) == 1 and is_capture(captures[0]):
        path = captures[0]
        following = following or _grows(path)
        title, notes_beside = path.name, path
    else:
        if following:
            raise UsageError("--follow takes one capture, a .gwcap; other files are read as they are now")
        # Imported here: they bring mitmproxy along.
        from inspector.importers.cache import imported
        from inspector.protocol.registry import default

        path = imported(captures, default(), hosts, progress=progress_bar, tell=note)
        title = ", ".join(each.name for each in captures)
        notes_beside = _together(captures)

    from inspector.tui.run import run

    run(path, follow=following, where=where, notes_beside=notes_beside, title=title)


def _grows(path: Path) -> bool:
    """Say whether nobody has finished a capture: it is being recorded, or its recorder was killed."""
    reader = Reader(path)
    finished = "finished_at" in reader.meta()
    reader.close()
    return not finished


def _together(paths: tuple[Path, ...]) -> Path:
    """Return a name beside the first file that is the same whenever these files are opened together."""
    name = "+".join(path.name for path in paths)
    if len(name) > _LONGEST_NAME:
        name = name[:_LONGEST_NAME] + "-" + hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:12]
    return paths[0].with_name(name)
