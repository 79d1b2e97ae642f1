"""``gwinspect cache``: what is kept of files of other formats."""

from datetime import datetime

import click

from inspector.cli.output import note, say
from inspector.importers.cache import cache_folder, clear, kept
from inspector.words import size


@click.command(epilog="Example: gwinspect cache --clear")
@click.option("--clear", "clears", is_flag=True, help="Remove all of it")
def cache(clears: bool) -> None:
    """List or clear cached imports of other formats.

    Files other than .gwcap are imported into a private cache when they are first read, and found there by
    their content from then on. The cache holds what the files hold, with client secrets masked. It keeps at most 2 GB;
    the least recently used imports are removed first.
    """
    if clears:
        count, bytes_ = clear()
        note(f"removed {count:,} import{'' if count == 1 else 's'}, {size(bytes_)}")
        return
    found = kept()
    for each in found:
        used = datetime.fromtimestamp(each.used).strftime("%Y-%m-%d %H:%M")
        say(f"{used}  {size(each.bytes):>9}  {each.rows:>11,} rows  {each.source or 'can no longer be read'}")
    total = size(sum(each.bytes for each in found))
    note(f"{len(found):,} import{'' if len(found) == 1 else 's'}, {total}, in {cache_folder()}")
