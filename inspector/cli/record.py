"""``gwinspect record``: a proxy with the addon, and perhaps the client that goes through it."""

import subprocess
from dataclasses import replace

import click

from inspector.cli.output import note
from inspector.cli.proxying import (
    ProxyChoice,
    UnseenNote,
    default_capture,
    note_unseen,
    proxy_options,
    settings_of,
    start_client,
    sum_up,
    way_in,
)
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.watch import Watch
from inspector.proxy.mitmdump import Proxy
from inspector.proxy.process import exit_code

# Seconds between two looks at the command.
_BEAT = 0.2


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
    watch = Watch(settings, folder)
    try:
        with Proxy(replace(settings, hooks=folder.reports)) as running:
            note(f"proxy {way_in(settings)}, certificate {running.ca_path}")
            note(f"recording into {settings.capture}; Ctrl-C ends it")
            try:
                code = _run(running, command, folder, watch) if command else running.wait()
            except KeyboardInterrupt:
                click.echo(err=True)
    finally:
        watch.stop()
        folder.clear()
    sum_up(settings.capture, "show")
    if watch.unseen is not None:
        note_unseen(watch.unseen)
        code = 2
    if code:
        raise SystemExit(code)


def _run(proxy: Proxy, command: tuple[str, ...], folder: Folder, watch: Watch) -> int:
    process = start_client(command, proxy.settings, proxy.ca_path, folder)
    watch.begin(process, command)
    told = UnseenNote(watch)
    while True:
        try:
            code = process.wait(_BEAT)
            break
        except subprocess.TimeoutExpired:
            told.look()
        except KeyboardInterrupt:
            code = process.wait()
            break
    note(f"{command[0]} ended with exit code {code}")
    return exit_code(code)
