"""``gwinspect reindex``: events again from the stored frames."""

from pathlib import Path

import click

from inspector.cli.ending import tidy_up
from inspector.cli.output import note
from inspector.cli.progress import progress_bar
from inspector.protocol.registry import default
from inspector.store.reindex import reindex as reindex_capture


@click.command(epilog="Example: gwinspect reindex bot.gwcap")
@click.argument("capture", type=click.Path(path_type=Path))
def reindex(capture: Path) -> None:
    """Decode a capture's stored frames again.

    Use it on a capture from an older gwinspect, or one whose recorder was killed before it had decoded everything.
    The frames themselves do not change. The result is written to a new file, which replaces the old one when it is
    complete.
    """
    tidy_up()
    with progress_bar("reindexing") as report:
        events = reindex_capture(capture, default(), report)
    note(f"{capture} has {events:,} events")
