"""``gwinspect record``: a proxy with the addon, and perhaps the client that goes through it."""

from dataclasses import replace

import click

from inspector.cli.ending import INCOMPLETE, tidy_up, until_signalled, wait_for_client
from inspector.cli.output import note
from inspector.cli.proxying import (
    ProxyChoice,
    UnseenNote,
    default_capture,
    missing_from,
    note_unseen,
    proxy_options,
    settings_of,
    start_client,
    sum_up,
    way_in,
    where_it_went,
)
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.watch import Watch
from inspector.proxy.mitmdump import Proxy
from inspector.store.parts import Trail


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
    tidy_up()
    settings = settings_of(proxy, proxy.capture or default_capture(), has_command=bool(command))
    missed = missing_from(settings.capture)
    code = 0
    folder = Folder()
    watch = Watch(settings, folder)
    try:
        with Proxy(replace(settings, hooks=folder.reports)) as running:
            trail = Trail(settings.capture)
            note(f"proxy {way_in(settings)}, certificate {running.ca_path}")
            note(f"recording into {settings.capture}; Ctrl-C ends it")
            with until_signalled() as ending:
                code = _run(running, command, folder, watch, proxy.through) if command else running.wait()
    finally:
        watch.stop()
        folder.clear()
    is_whole = sum_up(where_it_went(trail), "show", missed=missed)
    unseen = note_unseen(watch)
    code = ending.exit_code(interrupted=bool(command), unseen=unseen) or (code if is_whole else INCOMPLETE)
    if code:
        raise SystemExit(code)


def _run(proxy: Proxy, command: tuple[str, ...], folder: Folder, watch: Watch, through: str | None) -> int:
    process = start_client(command, proxy.settings, proxy.ca_path, folder, through=through)
    watch.begin(process, command)
    return wait_for_client(process, command[0], UnseenNote(watch).look)
