"""``gwinspect run``: one more client for a proxy that is already running."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from inspector.cli.ending import tidy_up, until_signalled, wait_for_client
from inspector.cli.proxying import DEFAULT_HOST, DEFAULT_PORT, address_of, confdir, start_client, start_in
from inspector.errors import EnvironmentProblem, UsageError
from inspector.passive.keys import key_environment
from inspector.proxy import livefile
from inspector.proxy.launch.folder import REPORTS, Folder
from inspector.proxy.livefile import Live
from inspector.proxy.mitmdump import CA_NAME, Settings, is_free
from inspector.proxy.process import Process


@click.command(epilog="Example: gwinspect run --capture bot.gwcap -- node bot.js")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--capture", type=click.Path(path_type=Path), help="Capture that `gwinspect live` is recording: use its proxy"
)
@click.option(
    "--proxy",
    metavar="HOST:PORT",
    help=f"Address of a proxy with our addon  [default: {DEFAULT_HOST}:{DEFAULT_PORT}]",
)
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Another host that is a gateway; may be repeated")
@click.option(
    "--confdir",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder with mitmproxy's certificates  [default: ~/.mitmproxy]",
)
def run(
    command: tuple[str, ...], capture: Path | None, proxy: str | None, hosts: tuple[str, ...], folder: Path | None
) -> None:
    """Run another client through a proxy that is already running.

    COMMAND gets what `gwinspect live -- COMMAND` gives it: the proxy and its certificate in the environment, and a
    hook for its runtime. It ends with COMMAND, and exits as it did. The proxy is that of `gwinspect live`, or any
    mitmproxy with gwinspect's addon in mode regular or upstream. Where packets are recorded (--passive), COMMAND
    writes its TLS keys for that recording.
    """
    tidy_up()
    if capture is not None and proxy is not None:
        raise UsageError("--capture and --proxy both name a proxy; give one of them")
    live = _live(capture) if capture is not None else None
    reports = Path(live.folder, REPORTS) if live is not None else None
    if live is not None and live.keys:
        keys = Path(live.keys)
        _wait_for(lambda launch: start_in(key_environment(launch, keys), command, launch), command, reports)
        return
    settings, ca = _of(live) if live is not None else _proxy(proxy, folder)
    settings = replace(settings, hosts=(*settings.hosts, *hosts))
    if not settings.is_http_proxy:
        raise UsageError(
            f"that proxy is in mode {', '.join(settings.modes)}: point the client at it as that mode needs"
        )
    if is_free(settings.host, settings.port):
        raise EnvironmentProblem(
            f"no proxy listens on {settings.address}; start one with `gwinspect live`, or name another with --proxy"
        )
    if not ca.is_file():
        raise EnvironmentProblem(f"{ca}, the proxy's certificate, does not exist; --confdir names its folder")
    _wait_for(lambda launch: start_client(command, settings, ca, launch), command, reports)


def _wait_for(start: Callable[[Folder], Process], command: tuple[str, ...], reports: Path | None) -> None:
    """Start the command, wait for its end, and exit as it did."""
    launch = Folder(reports=reports)
    code = 0
    try:
        with until_signalled() as ending:
            code = wait_for_client(start(launch), command[0])
    finally:
        launch.clear()
    code = ending.exit_code(interrupted=True) or code
    if code:
        raise SystemExit(code)


def _live(capture: Path) -> Live:
    """Return what is known of the recording into a capture that is going on. Raises UsageError."""
    live = livefile.read(capture)
    if live is None:
        raise UsageError(f"nothing records into {capture}; start it with `gwinspect live --capture {capture}`")
    return live


def _of(live: Live) -> tuple[Settings, Path]:
    """Return how to reach the proxy of a recording: settings and certificate."""
    host, _, port = live.address.rpartition(":")
    return Settings(Path(), host.strip("[]"), int(port), live.modes, live.hosts), Path(live.ca)


def _proxy(address: str | None, folder: Path | None) -> tuple[Settings, Path]:
    host, port = address_of("--proxy", address) if address else (DEFAULT_HOST, DEFAULT_PORT)
    return Settings(Path(), host, port), Path(folder or confdir()).expanduser() / CA_NAME
