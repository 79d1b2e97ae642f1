"""What commands that record have in common: their options, the client that they run, and the last word."""

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from inspector import leaving
from inspector.analysis.diagnosis import diagnose as look_into
from inspector.cli.ending import has_terminal
from inspector.cli.output import note
from inspector.cli.reading import concurrency_option
from inspector.errors import EnvironmentProblem, UsageError
from inspector.model import Severity
from inspector.passive.dumper import default_interfaces, known_interfaces
from inspector.passive.recorder import Job
from inspector.proxy import livefile
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.install import launch_environment
from inspector.proxy.launch.proxychains import through_proxychains
from inspector.proxy.launch.watch import Lookout
from inspector.proxy.mitmdump import Settings, free_port, is_free
from inspector.proxy.process import output_to
from inspector.report.findings import named
from inspector.store.file import check_target
from inspector.store.lock import check_free
from inspector.store.parts import Trail
from inspector.store.reader import Reader
from inspector.store.settle import settle
from inspector.words import counted, listed

# Cases that are named at the end of a recording.
_NAMED = 3

# Options of mitmproxy that have one of ours, by which the rest of us knows of them too.
_OURS = {
    "confdir": "--confdir",
    "listen_host": "--listen",
    "listen_port": "--listen",
    "mode": "--mode",
    "scripts": "--script",
    "allow_hosts": "--host",
    "gwinspect_capture": "--capture",
    "gwinspect_hosts": "--host",
    "gwinspect_keep_secrets": "--keep-secrets",
    "gwinspect_media": "--no-media",
    "gwinspect_rewrite": "--no-rewrite",
    "gwinspect_closes": "--no-faithful-closes",
    "gwinspect_max_concurrency": "--max-concurrency",
}

LOOPBACK = ("127.", "localhost", "[::1]", "::1")
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8080


@dataclass(frozen=True, slots=True)
class ProxyChoice:
    """What the options of a recording say."""

    capture: Path | None
    listen: str | None
    modes: tuple[str, ...]
    hosts: tuple[str, ...]
    keep_secrets: bool
    no_media: bool
    no_rewrite: bool
    no_faithful_closes: bool
    max_concurrency: int | None
    scripts: tuple[Path, ...]
    options: tuple[str, ...]
    confdir: Path | None
    through: str | None
    passive: bool
    keys: tuple[Path, ...]
    interfaces: tuple[str, ...]
    ports: tuple[int, ...]


# Options that make sense for one of both ways alone, with their fields.
_OF_PROXIES = {
    "--listen": "listen",
    "--mode": "modes",
    "--no-rewrite": "no_rewrite",
    "--no-faithful-closes": "no_faithful_closes",
    "--script": "scripts",
    "--set": "options",
    "--confdir": "confdir",
    "--through": "through",
}
_OF_PACKETS = {"--keys": "keys", "--interface": "interfaces", "--port": "ports"}

_OPTIONS = (
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
        help="mitmproxy's mode: regular, local:NAME, wireguard, reverse:URL, upstream:URL, socks5; may be repeated",
    ),
    click.option(
        "--host", "hosts", multiple=True, metavar="HOST", help="Another host that is a gateway; may be repeated"
    ),
    click.option("--keep-secrets", is_flag=True, help="Keep secrets in the capture instead of masking them"),
    click.option("--no-media", is_flag=True, help="Do not record the UDP packets of voice calls"),
    click.option(
        "--no-rewrite", is_flag=True, help="In reverse mode, do not rewrite READY's URL: a resume leaves the proxy"
    ),
    click.option(
        "--no-faithful-closes",
        is_flag=True,
        help="Let mitmproxy send 1000 to the other end of a broken connection, as it does without gwinspect",
    ),
    concurrency_option,
    click.option(
        "-s",
        "--script",
        "scripts",
        multiple=True,
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        metavar="SCRIPT",
        help="Another addon for mitmproxy, loaded after gwinspect's; may be repeated",
    ),
    click.option(
        "--set", "options", multiple=True, metavar="NAME=VALUE", help="One of mitmproxy's own options; may be repeated"
    ),
    click.option(
        "--confdir",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Folder with mitmproxy's certificates and configuration  [default: ~/.mitmproxy]",
    ),
    click.option(
        "--through",
        type=click.Choice(["proxychains"]),
        help="Start COMMAND with proxychains4, for clients that no hook reaches (Linux)",
    ),
    click.option(
        "--passive",
        is_flag=True,
        help="Record packets instead of running a proxy, and decrypt them with the client's TLS keys",
    ),
    click.option(
        "--keys",
        multiple=True,
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="With --passive: the key log of a client that you start yourself; may be repeated",
    ),
    click.option(
        "--interface",
        "interfaces",
        multiple=True,
        metavar="NAME",
        help="With --passive: network interface to record; may be repeated  [default: all]",
    ),
    click.option(
        "--port",
        "ports",
        multiple=True,
        type=click.IntRange(1, 65535),
        metavar="PORT",
        help="With --passive: another TCP port to record, in addition to HTTPS; may be repeated",
    ),
)


def proxy_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a recording; it gets them as one `ProxyChoice`, named `proxy`."""

    @wraps(command)
    def with_choice(**values: Any) -> None:
        chosen = {field.name: values.pop(field.name) for field in fields(ProxyChoice)}
        command(proxy=ProxyChoice(**chosen), **values)

    for option in reversed(_OPTIONS):
        with_choice = option(with_choice)
    return with_choice


def default_capture() -> Path:
    """Return the name of a new capture where none was given."""
    return Path(f"gwinspect-{datetime.now():%Y%m%d-%H%M%S}.gwcap")


def settings_of(chosen: ProxyChoice, capture: Path, *, has_command: bool = False) -> Settings:
    """Return what a proxy that records into `capture` is started with. Raises CaptureError, UsageError."""
    if (wrong := _chosen(chosen, _OF_PACKETS)) is not None:
        raise UsageError(f"{wrong} is for recording packets; add --passive, or leave {wrong} out")
    host, port = _listening(chosen.listen) if chosen.listen is not None else (DEFAULT_HOST, DEFAULT_PORT)
    if chosen.through is not None and not has_command:
        raise UsageError(f"--through {chosen.through} is for a COMMAND; give one after --")
    _check_capture(capture)
    options = {
        "confdir": str(chosen.confdir or confdir()),
        "gwinspect_media": "false" if chosen.no_media else "true",
        "gwinspect_rewrite": "false" if chosen.no_rewrite else "true",
        "gwinspect_closes": "false" if chosen.no_faithful_closes else "true",
        "gwinspect_max_concurrency": str(chosen.max_concurrency or 0),
    }
    settings = Settings(
        capture,
        host,
        port,
        chosen.modes,
        chosen.hosts,
        chosen.keep_secrets,
        chosen.scripts,
        options=options,
        more_options=_checked(chosen.options),
    )
    if chosen.listen is None and settings.listens and not is_free(host, port):
        settings = replace(settings, port=free_port(host))
        note(f"port {port} is taken, so the proxy listens on {settings.address}; --listen chooses another address")
    return settings


def job_of(chosen: ProxyChoice, capture: Path, *, has_command: bool) -> Job:
    """Return what is to be recorded of packets into `capture`. Raises CaptureError, UsageError."""
    if (wrong := _chosen(chosen, _OF_PROXIES)) is not None:
        raise UsageError(f"{wrong} is for a proxy, and --passive runs none; leave one of them out")
    if not has_command and not chosen.keys:
        raise UsageError("--passive needs the client's TLS keys: give a COMMAND after --, or its key log with --keys")
    known = known_interfaces()
    if unknown := [name for name in chosen.interfaces if name not in known]:
        raise UsageError(f"there is no network interface {unknown[0]}; this machine has {listed(known)}")
    _check_capture(capture)
    keys = tuple(str(path.absolute()) for path in chosen.keys)
    return Job(
        str(capture),
        keys,
        chosen.interfaces or tuple(default_interfaces()),
        chosen.hosts,
        chosen.ports,
        not chosen.no_media,
        chosen.keep_secrets,
        chosen.max_concurrency,
        () if has_command else keys,
        own_calls=has_command and not chosen.keys,
    )


def _chosen(chosen: ProxyChoice, options: Mapping[str, str]) -> str | None:
    """Return the first of some options that was given; None where none was."""
    return next((option for option, name in options.items() if getattr(chosen, name)), None)


def _check_capture(capture: Path) -> None:
    """Raise CaptureError or UsageError where nothing can be recorded into it."""
    check_target(capture)
    if (live := livefile.read(capture)) is not None:
        raise UsageError(
            f"{live.what} still records into {capture}; "
            f"`gwinspect live --capture {shlex.quote(str(capture))}` goes back to it"
        )
    check_free(capture)


def way_in(settings: Settings) -> str:
    """Return where traffic comes in: ``host:port``, or the mode where that is no port of ours."""
    return settings.address if settings.listens else ", ".join(settings.modes)


def confdir() -> str:
    """Return the folder with mitmproxy's certificates."""
    return os.environ.get("GWINSPECT_CONFDIR", "~/.mitmproxy")


def start_client(
    command: Sequence[str],
    settings: Settings,
    ca: Path,
    folder: Folder,
    *,
    through: str | None = None,
    screenless: bool = False,
) -> "subprocess.Popen[bytes]":
    """Start a command whose environment leads it to a proxy with these settings, and makes it trust `ca` (PEM).

    `folder` takes certificates and launch hooks, and stays until the command has ended. The command has our terminal;
    if `screenless` it has none, speaks into the folder's log, and lives on should we be killed. Raises
    EnvironmentProblem.
    """
    environment = launch_environment(settings, ca, folder)
    program = command[0]
    if through is not None:
        command = through_proxychains(command, settings, folder)
    return start_in(environment, command, folder, program=program, screenless=screenless)


def start_in(
    environment: dict[str, str], command: Sequence[str], folder: Folder, *, program: str = "", screenless: bool = False
) -> "subprocess.Popen[bytes]":
    """Start a command in an environment, as `start_client` does. `program`: its name, where it is started by another.

    Raises EnvironmentProblem.
    """
    try:
        if not screenless:
            # Without a terminal it has a session of its own, so that all of it can be ended. Else it shares ours, to
            # read from it and to hear Ctrl-C.
            return leaving.start(command, env=environment, start_new_session=not has_terminal())
        # Python keeps back what it says to a file until there is enough of it.
        environment["PYTHONUNBUFFERED"] = "1"
        with output_to(folder.command_log) as output:
            return leaving.start(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        raise EnvironmentProblem(f"{program or command[0]} cannot be run: {error.strerror or error}") from error


def note_unseen(watch: Lookout | None) -> bool:
    """Tell the person at the terminal why nothing of a command was recorded, if that is so; return whether it is."""
    unseen = watch.unseen if watch is not None else None
    if unseen is None:
        for line in watch.past_it() if watch is not None else ():
            note(line)
        return False
    for line in unseen.lines():
        note(line)
    return True


class UnseenNote:
    """Tells once, while a command runs, that nothing of it is seen."""

    def __init__(self, watch: Lookout | None) -> None:
        self._watch = watch
        self._told = False

    def look(self) -> None:
        """Tell it, if there is something to tell by now."""
        if not self._told and self._watch is not None and self._watch.unseen is not None:
            self._told = note_unseen(self._watch)


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
        note(f"{asked} was deleted or replaced; the recording is in {trail.path}")
    return trail.path


def sum_up(capture: Path, command: str | None, *, missed: int = 0, has_notes: bool = False) -> bool:
    """Make a capture whose recorder has ended one file, and say what it has and the command to look at it.

    `command` is None for a capture that is about to be thrown away; `missed` messages were missing from it before;
    `has_notes`: its recorder has noted in it what it lacks. Returns whether all that passed since is in it.
    """
    settle(capture)
    reader = Reader(capture)
    events, connections, meta, lacks = reader.last(), len(reader.connections()), reader.meta(), reader.notes()
    reader.close()
    counts = f"{counted(connections, 'connection')}, {counted(events, 'event')}"
    note(f"{capture}: {counts}; gwinspect {command} {shlex.quote(str(capture))}" if command else counts)
    if command and connections:
        _conclude(capture)
    for each in lacks if has_notes else ():
        note(each)
    if missing := int(meta.get("missing", 0)) - missed:
        note(f"{counted(missing, 'message is/messages are')} missing from it; its rows say where and why")
    if "finished_at" not in meta:
        note("its end is missing, because its recorder could not finish it")
    return not missing and "finished_at" in meta


def _conclude(capture: Path) -> None:
    """Say what is wrong in a recording, the worst first, and how to read more of it."""
    found = [case for case in look_into(capture).cases if case.severity > Severity.INFO]
    if found:
        names = [f"{named(case)} ×{case.count:,}" if case.count > 1 else named(case) for case in found[:_NAMED]]
        more = [f"{len(found) - _NAMED} more"] if len(found) > _NAMED else []
        path = shlex.quote(str(capture))
        note(
            f"{counted(len(found), 'case')}: {listed([*names, *more])}; gwinspect diagnose {path}, "
            f"to report it gwinspect bundle {path} -o bug.zip"
        )


def _checked(options: Sequence[str]) -> Sequence[str]:
    """Return options of mitmproxy, ``NAME=VALUE``. Raises UsageError where one has an option of ours, or is none."""
    for each in options:
        name, equals, _ = each.partition("=")
        if not equals or not name.replace("_", "").isalnum():
            raise UsageError(f"--set takes NAME=VALUE, such as tcp_timeout=1200, not {each!r}")
        if name in _OURS:
            raise UsageError(f"--set {name} does not work here; use {_OURS[name]}")
    return options


def address_of(option: str, said: str) -> tuple[str, int]:
    """Return host and port out of ``HOST:PORT``. Raises UsageError, which names the option."""
    host, colon, port_text = said.rpartition(":")
    if not colon or not port_text.isdigit() or int(port_text) > 65535:
        raise UsageError(f"{option} takes HOST:PORT, such as 127.0.0.1:8080, not {said!r}")
    return host.strip("[]") or DEFAULT_HOST, int(port_text)


def _listening(listen: str) -> tuple[str, int]:
    host, port = address_of("--listen", listen)
    if not host.startswith(LOOPBACK):
        note(f"listening on {host}: anyone who can reach it can use this proxy")
    return host, port or free_port(host)
