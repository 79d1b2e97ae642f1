"""``gwinspect record``: a proxy with the addon, and perhaps the client that goes through it."""

from dataclasses import replace

import click

from inspector.cli.output import note
from inspector.cli.proxying import (
    ProxyChoice,
    default_capture,
    proxy_options,
    settings_of,
    start_client,
    sum_up,
    way_in,
)
from inspector.proxy.launch.folder import Folder
from inspector.proxy.mitmdump import Proxy
from inspector.proxy.process import exit_code


@click.command(epilog="Example: gwinspect record --capture bot.gwcap -- python bot.py")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@proxy_options
def record(
    command: tuple[str, ...],
    proxy: ProxyChoice,
) -> None:
    """Record a client's gateway traffic through a proxy, until Ctrl-C.

    With COMMAND, runs it with the proxy and its certificate in the environment, ends when it ends, and exits as it did.
    Only Discord's gateways are decrypted; everything else passes through untouched.
    """
    settings = settings_of(proxy, proxy.capture or default_capture())
    code = 0
    folder = Folder()
    try:
        with Proxy(replace(settings, hooks=folder.reports)) as running:
            note(f"proxy {way_in(settings)}, certificate {running.ca_path}")
            note(f"recording into {settings.capture}; Ctrl-C ends it")
            try:
                code = _run(running, command, folder) if command else running.wait()
            except KeyboardInterrupt:
                click.echo(err=True)
    finally:
        folder.clear()
    sum_up(settings.capture, "show")
    if code:
        raise SystemExit(code)


def _run(proxy: Proxy, command: tuple[str, ...], folder: Folder) -> int:
    process = start_client(command, proxy.settings, proxy.ca_path, folder)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = process.wait()
    note(f"{command[0]} ended with exit code {code}")
    return exit_code(code)
