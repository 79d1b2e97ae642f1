"""``gwinspect record``: a proxy with the addon, and perhaps the client that goes through it."""

import os
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

import click

from inspector.cli.output import note
from inspector.errors import EnvironmentProblem, UsageError
from inspector.proxy.launch import Proxy, Settings, client_environment, free_port, write_bundle
from inspector.store.file import check_target
from inspector.store.reader import Reader

LOOPBACK = ("127.", "localhost", "[::1]", "::1")


@click.command(epilog="Example: gwinspect record --capture bot.gwcap -- python bot.py")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--capture", type=click.Path(path_type=Path), help="File to record into  [default: gwinspect-DATE-TIME.gwcap]"
)
@click.option(
    "--listen",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="HOST:PORT",
    help="Address of the proxy; port 0 takes a free one",
)
@click.option(
    "--mode",
    "modes",
    multiple=True,
    metavar="MODE",
    help="mitmproxy's mode: regular, local:NAME, wireguard, reverse:URL",
)
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="One more host that is a gateway; may be repeated")
@click.option("--keep-secrets", is_flag=True, help="Keep tokens that clients send instead of masking them")
def record(
    command: tuple[str, ...],
    capture: Path | None,
    listen: str,
    modes: tuple[str, ...],
    hosts: tuple[str, ...],
    keep_secrets: bool,
) -> None:
    """Record a client's gateway traffic through a proxy, until Ctrl-C.

    With COMMAND, runs it with the proxy and its certificate in the environment, ends when it ends, and exits as it did.
    Only Discord's gateways are decrypted; everything else passes through untouched.
    """
    host, port = _address(listen)
    target = capture or Path(f"gwinspect-{datetime.now():%Y%m%d-%H%M%S}.gwcap")
    check_target(target)
    settings = Settings(
        target, host, port or free_port(host), modes, hosts, keep_secrets, options={"confdir": _confdir()}
    )
    code = 0
    with Proxy(settings) as proxy:
        _tell(proxy)
        try:
            code = _run(proxy, command) if command else proxy.wait()
        except KeyboardInterrupt:
            click.echo(err=True)
    _sum_up(target)
    if code:
        raise SystemExit(code)


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--listen wants HOST:PORT, such as 127.0.0.1:8080, not {listen!r}")
    host = host.strip("[]") or "127.0.0.1"
    if not host.startswith(LOOPBACK):
        note(f"listening on {host}: whoever reaches it can use this proxy")
    return host, int(port)


def _confdir() -> str:
    return os.environ.get("GWINSPECT_CONFDIR", "~/.mitmproxy")


def _tell(proxy: Proxy) -> None:
    note(f"proxy {proxy.address}, certificate {proxy.ca_path}")
    note(f"recording into {proxy.settings.capture}; Ctrl-C ends it")


def _run(proxy: Proxy, command: tuple[str, ...]) -> int:
    with tempfile.TemporaryDirectory(prefix="gwinspect-") as folder:
        bundle = write_bundle(Path(folder, "ca-bundle.pem"), proxy.ca_path)
        environment = {**os.environ, **client_environment(proxy.address, bundle)}
        try:
            process = subprocess.Popen(command, env=environment)
        except OSError as error:
            raise EnvironmentProblem(f"{command[0]} cannot be run: {error.strerror or error}") from error
        try:
            code = process.wait()
        except KeyboardInterrupt:
            code = process.wait()
    note(f"{command[0]} ended with exit code {code}")
    return code if code >= 0 else 128 - code


def _sum_up(capture: Path) -> None:
    reader = Reader(capture)
    note(f"{capture}: {len(reader.connections()):,} connections, {reader.last():,} events; gwinspect show {capture}")
    reader.close()
