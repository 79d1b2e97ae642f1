"""``gwinspect cache``: what is kept of files of other formats."""

from datetime import datetime

import click

from inspector.cli.output import note, say
from inspector.importers.cache import cache_folder, clear, kept
from inspector.words import size


@click.command(epilog="Example: gwinspect cache --clear")
@click.option("--clear", "clears", is_flag=True, help="Remove all of it")
def cache(clears: bool) -> None:
    """List or clear the imports that are kept of other formats.

    Files that are no .gwcap are imported into a private cache when they are read for the first time, and found there by
    their content from then on. It holds what the files hold, secrets of clients masked. At most 2 GB are kept; what was
    not used for longest goes first.
    """
    if clears:
        count, bytes_ = clear()
        note(f"removed {count:,} import{'' if count == 1 else 's'}, {size(bytes_)}")
        return
    found = kept()
    for each in found:
        used = datetime.fromtimestamp(each.used).strftime("%Y-%m-%d %H:%M")
        say(f"{used}  {size(each.bytes):>9}  {each.rows:>11,} rows  {each.source or 'cannot be read any more'}")
    total = size(sum(each.bytes for each in found))
    note(f"{len(found):,} import{'' if len(found) == 1 else 's'}, {total}, in {cache_folder()}")
