"""``gwinspect record``: a proxy with the addon, or a recorder of packets, and perhaps the client that is recorded."""

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
    sum_up,
    where_it_went,
)
from inspector.cli.ways import Way, way_of
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.watch import Lookout
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

    With --passive, records packets instead: no proxy, no certificate, and COMMAND writes its TLS keys.
    """
    tidy_up()
    way = way_of(proxy, proxy.capture or default_capture(), has_command=bool(command))
    missed = missing_from(way.capture)
    code = 0
    folder = Folder()
    watch = way.watch(folder)
    try:
        with way.recording(folder) as running:
            trail = Trail(way.capture)
            note(way.told())
            note(f"recording into {way.capture}; Ctrl-C ends it")
            with until_signalled() as ending:
                code = _run(way, command, folder, watch) if command else running.wait()
            has_died = running.poll() is not None
    finally:
        watch.stop()
        folder.clear()
    is_whole = sum_up(where_it_went(trail), "show", missed=missed, has_notes=way.has_notes) and not (
        has_died and command
    )
    unseen = note_unseen(watch)
    code = ending.exit_code(interrupted=bool(command), unseen=unseen) or (code if is_whole else INCOMPLETE)
    if code:
        raise SystemExit(code)


def _run(way: Way, command: tuple[str, ...], folder: Folder, watch: Lookout) -> int:
    process = way.start(command, folder)
    watch.begin(process, command)
    return wait_for_client(process, command[0], UnseenNote(watch).look)
