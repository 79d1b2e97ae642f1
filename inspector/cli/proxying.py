"""What commands with a proxy have in common: its options, the client that runs through it, and the last word."""

import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click

from inspector.cli.ending import has_terminal
from inspector.cli.output import note
from inspector.errors import EnvironmentProblem, UsageError
from inspector.model import Severity
from inspector.proxy import livefile
from inspector.proxy.launch.environment import client_environment
from inspector.proxy.mitmdump import Settings, free_port, is_free
from inspector.proxy.process import output_to
from inspector.store.file import check_target
from inspector.store.lock import check_free
from inspector.store.parts import Trail
from inspector.store.reader import Reader
from inspector.store.settle import settle

LOOPBACK = ("127.", "localhost", "[::1]", "::1")
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8080

_Command = TypeVar("_Command", bound=Callable[..., object])


def proxy_options(command: _Command) -> _Command:
    """Give a command the options of a proxy that records."""
    options = (
        click.option(
            "--capture",
            type=click.Path(path_type=Path),
            help="File to record into  [default: gwinspect-DATE-TIME.gwcap]",
        ),
        click.option(
            "--listen",
            metavar="HOST:PORT",
            help="Address of the proxy; port 0 takes a free one  [default: 127.0.0.1:8080, or a free port if taken]",
        ),
        click.option(
            "--mode",
            "modes",
            multiple=True,
            metavar="MODE",
            help="mitmproxy's mode: regular, local:NAME, wireguard, reverse:URL",
        ),
        click.option(
            "--host", "hosts", multiple=True, metavar="HOST", help="One more host that is a gateway; may be repeated"
        ),
        click.option("--keep-secrets", is_flag=True, help="Keep tokens that clients send instead of masking them"),
        click.option("--no-media", is_flag=True, help="Leave out the UDP packets of voice calls"),
    )
    for option in reversed(options):
        command = option(command)
    return command


def default_capture() -> Path:
    """Return the name of a new capture where none was given."""
    return Path(f"gwinspect-{datetime.now():%Y%m%d-%H%M%S}.gwcap")


def settings_of(
    capture: Path,
    listen: str | None,
    modes: Sequence[str],
    hosts: Sequence[str],
    *,
    keep_secrets: bool = False,
    no_media: bool = False,
) -> Settings:
    """Return what a proxy is started with, as the options say. Raises CaptureError, UsageError."""
    host, port = _address(listen) if listen is not None else (DEFAULT_HOST, DEFAULT_PORT)
    check_target(capture)
    if (live := livefile.read(capture)) is not None:
        raise UsageError(
            f"a proxy on {live.address} still records into {capture}; "
            f"`gwinspect live --capture {shlex.quote(str(capture))}` goes back to it"
        )
    check_free(capture)
    options = {"confdir": confdir(), "gwinspect_media": "false" if no_media else "true"}
    settings = Settings(capture, host, port, modes, hosts, keep_secrets, options=options)
    if listen is None and settings.listens and not is_free(host, port):
        settings = replace(settings, port=free_port(host))
        note(f"port {port} is taken, so the proxy listens on {settings.address}; --listen chooses another address")
    return settings


def way_in(settings: Settings) -> str:
    """Return where traffic comes in: ``host:port``, or the mode where that is no port of ours."""
    return settings.address if settings.listens else ", ".join(settings.modes)


def confdir() -> str:
    """Return the folder with mitmproxy's certificates."""
    return os.environ.get("GWINSPECT_CONFDIR", "~/.mitmproxy")


def start_client(
    command: Sequence[str], proxy: str | None, bundle: Path, log: Path | None = None
) -> "subprocess.Popen[bytes]":
    """Start a command with the proxy at ``host:port`` and the certificates of `bundle` (PEM) in its environment.

    It has our terminal; with `log` it has none, speaks into that file, and lives on should we be killed. Raises
    EnvironmentProblem.
    """
    environment = {**os.environ, **client_environment(proxy, bundle)}
    try:
        if log is None:
            # Without a terminal it has a session of its own, so that all of it can be ended. Else it shares our
            # terminal: it may read from it, and Ctrl-C reaches it.
            return subprocess.Popen(command, env=environment, start_new_session=not has_terminal())
        # Python keeps back what it says to a file until there is enough of it.
        environment["PYTHONUNBUFFERED"] = "1"
        with output_to(log) as output:
            return subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        raise EnvironmentProblem(f"{command[0]} cannot be run: {error.strerror or error}") from error


def missing_from(capture: Path) -> int:
    """Return how many messages a capture lacks that is about to be continued."""
    if not capture.exists() or not capture.stat().st_size:
        return 0
    with closing(Reader(capture)) as reader:
        return int(reader.meta().get("missing", 0))


def where_it_went(trail: Trail) -> Path:
    """Return the file that a recording that has ended is in, and say so where it is not the one that was asked for."""
    asked = trail.origin
    trail.moved(at_once=True)
    if trail.path != asked:
        note(f"{asked} was taken away meanwhile; the recording is in {trail.path}")
    return trail.path


def sum_up(capture: Path, command: str | None, *, missed: int = 0) -> bool:
    """Make a capture whose recorder has ended one file, and say what it has and the command to look at it.

    `command` is None for a capture that is about to be thrown away; `missed` messages were missing from it before.
    Returns whether all that passed since is in it.
    """
    settle(capture)
    reader = Reader(capture)
    events, connections, meta = reader.last(), len(reader.connections()), reader.meta()
    worth_telling = "select count(*) from finding where severity >= ?"
    findings = reader.db.execute(worth_telling, (int(Severity.WARN),)).fetchone()[0]
    reader.close()
    counts = (
        f"{connections:,} connection{'' if connections == 1 else 's'}, {events:,} event{'' if events == 1 else 's'}"
    )
    note(f"{capture}: {counts}; gwinspect {command} {shlex.quote(str(capture))}" if command else counts)
    if findings and command:
        note(f"{findings:,} finding{'' if findings == 1 else 's'}; gwinspect diagnose {shlex.quote(str(capture))}")
    if missing := int(meta.get("missing", 0)) - missed:
        note(f"{missing:,} message{' is' if missing == 1 else 's are'} missing from it; its rows say where and why")
    if "finished_at" not in meta:
        note("its end is missing: the proxy could not finish it")
    return not missing and "finished_at" in meta


def _address(listen: str) -> tuple[str, int]:
    host, colon, port_text = listen.rpartition(":")
    if not colon or not port_text.isdigit() or int(port_text) > 65535:
        raise UsageError(f"--listen wants HOST:PORT, such as 127.0.0.1:8080, not {listen!r}")
    host = host.strip("[]") or DEFAULT_HOST
    if not host.startswith(LOOPBACK):
        note(f"listening on {host}: whoever reaches it can use this proxy")
    return host, int(port_text) or free_port(host)
