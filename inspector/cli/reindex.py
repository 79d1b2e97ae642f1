"""``gwinspect reindex``: events anew from the stored frames."""

from pathlib import Path

import click

from inspector.cli.ending import tidy_up
from inspector.cli.progress import progress_bar
from inspector.errors import NotACapture
from inspector.protocol.registry import default
from inspector.store.file import is_capture
from inspector.store.writer import Writer


@click.command(epilog="Example: gwinspect reindex bot.gwcap")
@click.argument("capture", type=click.Path(path_type=Path))
def reindex(capture: Path) -> None:
    """Decode a capture's stored frames anew.

    For a capture that was made by an older gwinspect, or whose recorder was killed before it had decoded everything.
    The frames themselves are not touched.
    """
    if not is_capture(capture):
        raise NotACapture(f"{capture} is not a gwinspect capture; `gwinspect convert` makes one from other formats")
    tidy_up()
    writer = Writer(capture, default(), made_by="gwinspect reindex", keep_secrets=True)
    with progress_bar("reindexing") as report:
        events = writer.rebuild(report)
    writer.finish()
    click.echo(f"gwinspect: {capture} has {events:,} events", err=True)
