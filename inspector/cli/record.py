"""``gwinspect record``: a proxy with the addon, and perhaps the client that goes through it."""

import tempfile
from pathlib import Path

import click

from inspector.cli.ending import INCOMPLETE, end_client, until_told
from inspector.cli.output import note
from inspector.cli.proxying import (
    default_capture,
    missing_from,
    proxy_options,
    settings_of,
    start_client,
    sum_up,
    way_in,
    where_it_went,
)
from inspector.proxy.launch.environment import write_bundle
from inspector.proxy.mitmdump import Proxy
from inspector.proxy.process import exit_code
from inspector.store.parts import Trail


@click.command(epilog="Example: gwinspect record --capture bot.gwcap -- python bot.py")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@proxy_options
def record(
    command: tuple[str, ...],
    capture: Path | None,
    listen: str | None,
    modes: tuple[str, ...],
    hosts: tuple[str, ...],
    keep_secrets: bool,
    no_media: bool,
) -> None:
    """Record a client's gateway traffic through a proxy, until Ctrl-C.

    With COMMAND, runs it with the proxy and its certificate in the environment, ends when it ends, and exits as it did.
    Only Discord's gateways are decrypted; everything else passes through untouched.
    """
    settings = settings_of(
        capture or default_capture(), listen, modes, hosts, keep_secrets=keep_secrets, no_media=no_media
    )
    missed = missing_from(settings.capture)
    code: int | None = 0
    with Proxy(settings) as proxy:
        trail = Trail(settings.capture)
        note(f"proxy {way_in(settings)}, certificate {proxy.ca_path}")
        note(f"recording into {settings.capture}; Ctrl-C ends it")
        with until_told() as ending:
            code = _run(proxy, command) if command else proxy.wait()
    is_whole = sum_up(where_it_went(trail), "show", missed=missed)
    code = ending.exit_code(interrupted=bool(command)) or (code if is_whole else INCOMPLETE)
    if code:
        raise SystemExit(code)


def _run(proxy: Proxy, command: tuple[str, ...]) -> int:
    with tempfile.TemporaryDirectory(prefix="gwinspect-") as folder:
        bundle = write_bundle(Path(folder, "ca-bundle.pem"), proxy.ca_path)
        process = start_client(command, proxy.address if proxy.settings.is_http_proxy else None, bundle)
        try:
            code = process.wait()
        except (KeyboardInterrupt, SystemExit) as told:
            had_to = end_client(process, by_terminal=isinstance(told, KeyboardInterrupt))
            code = process.wait()
            if had_to:
                note(f"{command[0]} was told to end, and did so with exit code {exit_code(code)}")
                raise
    note(f"{command[0]} ended with exit code {code}")
    return exit_code(code)
