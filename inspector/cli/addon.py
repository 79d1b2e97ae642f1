"""``gwinspect addon``: where the addon is."""

import click

from inspector.proxy.mitmdump import addon_path


@click.command(epilog='Example: mitmdump -s "$(gwinspect addon)" --set gwinspect_capture=bot.gwcap')
def addon() -> None:
    """Print the path of the addon for mitmproxy -s.

    The mitmproxy that loads it must be the one installed with gwinspect.
    """
    click.echo(addon_path())
