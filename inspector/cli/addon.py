"""``gwinspect addon``: where the addon is."""

import os
import sys

import click

from inspector.cli.output import put, say
from inspector.proxy.mitmdump import addon_path


@click.command(epilog='Example: mitmdump -s "$(gwinspect addon)" --set gwinspect_capture=bot.gwcap')
def addon() -> None:
    """Print the path of the addon for mitmproxy -s.

    Any mitmproxy from 11.0.2 on loads it. The one installed with gwinspect records a capture; any other, from Homebrew,
    pipx or mitmproxy's own download, records frames (NAME.frames.jsonl), which gwinspect reads, even live with
    `gwinspect open --follow`.
    """
    if sys.stdout.isatty():
        say(str(addon_path()))
    else:
        # For mitmproxy, which has to find it, whatever the folder is called.
        put(os.fsencode(addon_path()) + b"\n")
