"""A mitmdump of our own: started with the addon, limited to Discord's gateways, ended when we end."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from inspector import leaving
from inspector.errors import EnvironmentProblem, UsageError
from inspector.proxy.eventlog import INERT_LOG
from inspector.proxy.process import Process, end, output_to
from inspector.store.lock import await_free
from inspector.store.parts import recording_of

# Seconds that mitmdump may take until it listens; it makes a CA the first time.
START_LIMIT = 30.0
# Seconds that it may take to write what it has and go.
STOP_LIMIT = 10.0
# Bytes of what it said that an error quotes at most.
_QUOTED = 2000

# Without Python's search for cycles while all is imported, in what was imported, and at the end: without it a start and
# an end together take 0.4 s of a processor in place of 0.7, and no search of 20 ms comes between messages.
_MITMDUMP = """
import atexit, gc
gc.disable()
from mitmproxy.tools import dump, main
gc.freeze()
gc.enable()
atexit.register(gc.freeze)
main.mitmdump()
"""

# The certificate of its authority, in mitmproxy's folder.
CA_NAME = "mitmproxy-ca-cert.pem"

# Hosts whose TLS is opened, as mitmproxy's allow_hosts wants them: a regular expression for "host:port". All others,
# Discord's REST API among them, pass through untouched.
GATEWAY_HOSTS = (
    r"(^|\.)discord\.gg:\d+$",
    r"(^|\.)discord\.media:\d+$",
    r"^(127\.0\.0\.1|localhost|discordapp\.io):64(6[3-9]|7[0-2])$",
)


def addon_path() -> Path:
    """Return the file that ``mitmproxy -s`` takes: next to the package in a checkout, inside it once installed."""
    package = Path(str(files("inspector")))
    for candidate in (package / "addons" / "gwinspect.py", package.parent / "addons" / "gwinspect.py"):
        if candidate.is_file():
            return candidate
    raise EnvironmentProblem(f"addons/gwinspect.py is missing next to {package}; reinstall gwinspect")


def free_port(host: str) -> int:
    """Return a TCP port of `host` that no one listens on right now."""
    with _bound(host, 0) as probe:
        return int(probe.getsockname()[1])


def free_udp_port(host: str) -> int:
    """Return a UDP port of `host` that no one has right now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Say whether a proxy could listen there right now."""
    try:
        with _bound(host, port):
            return True
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Settings:
    """What a proxy is to be started with."""

    capture: Path
    host: str = "127.0.0.1"
    port: int = 8080
    modes: Sequence[str] = ()
    """mitmproxy's ``--mode``; none means a regular HTTP proxy."""
    hosts: Sequence[str] = ()
    """More hosts that are gateways."""
    keep_secrets: bool = False
    scripts: Sequence[Path] = ()
    """More addons, loaded after ours."""
    options: Mapping[str, str] | None = None
    """More of mitmproxy's options."""
    more_options: Sequence[str] = ()
    """The user's, ``NAME=VALUE``; one that takes several values may come several times."""
    environment: Mapping[str, str] | None = None
    """Variables for mitmdump beyond those of this process."""
    hooks: Path | None = None
    """The file of reports of the client's launch hooks; see `inspector.proxy.launch`."""
    log: Path | None = None
    """The file that takes what mitmdump says; None lets it speak on our stderr."""

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def listens(self) -> bool:
        """Whether mitmdump listens on our port: not where each mode brings its own (``reverse:…@9000``)."""
        return self._has("regular", "upstream", "reverse", "socks5", "transparent")

    @property
    def is_http_proxy(self) -> bool:
        """Whether clients can be pointed at `address` as at any HTTP proxy."""
        return self._has("regular", "upstream")

    @property
    def rewrites(self) -> bool:
        """Whether clients of a reverse mode are told to resume at the proxy."""
        return (self.options or {}).get("gwinspect_rewrite") != "false"

    def _has(self, *kinds: str) -> bool:
        return not self.modes or any(mode.startswith(kinds) and "@" not in mode for mode in self.modes)


class Proxy:
    """A running mitmdump, as a context manager. Raises EnvironmentProblem where it does not start."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        options = dict(settings.options or {})
        self.confdir = Path(options.get("confdir", "~/.mitmproxy")).expanduser()
        self._process: subprocess.Popen[bytes] | None = None
        self._before = ""

    @property
    def address(self) -> str:
        """``host:port`` for clients."""
        return self.settings.address

    @property
    def ca_path(self) -> Path:
        """The certificate that clients must trust."""
        return self.confdir / CA_NAME

    def __enter__(self) -> "Proxy":
        if self.settings.listens:
            self._check_port()
        self._before = recording_of(self.settings.capture)
        for path in _key_files(self.settings, self.confdir):
            # mitmproxy makes it as the umask lets it, so an old one may be open to others.
            with suppress(OSError):
                path.chmod(0o600)
        with output_to(self.settings.log) as output:
            self._process = leaving.start(
                _command(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Out of reach of the terminal's Ctrl-C: the client is to say its goodbyes through a proxy that lives.
                start_new_session=True,
                umask=_umask(self.settings),
                # What it says is to be seen when it says it, in a file too.
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    # Hooked itself, as inside another launch, it would take its own way to the gateway for a client's.
                    "GWINSPECT_HOOKS": "off",
                    INERT_LOG: "1",
                    **(self.settings.environment or {}),
                },
            )
        try:
            self._await_listening()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """Number of the process."""
        assert self._process is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code if the proxy has died, None while it lives."""
        assert self._process is not None
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the proxy ends on its own or is ended, and return its exit code. Raises TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(timeout)

    def _await_listening(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if self.poll() is not None:
                raise self._not_started(f"exited right away (exit code {self.poll()})")
            # The CA is made during the start, and the addon opens the capture when mitmproxy already listens.
            if self._listens() and self.ca_path.exists() and self._records():
                return
            time.sleep(0.05)
        raise self._not_started(f"did not listen on {self.address} within {START_LIMIT:.0f} s")

    def _not_started(self, what: str) -> EnvironmentProblem:
        """Return the error, with the end of what mitmdump said unless that is on stderr already."""
        log = self.settings.log
        said = "" if log is None else log.read_bytes()[-_QUOTED:].decode("utf-8", "replace").strip()
        where = "its output is above" if said or log is None else "it printed nothing"
        problem = EnvironmentProblem(f"mitmdump {what}; {where}")
        problem.shown = said
        return problem

    def _records(self) -> bool:
        """Say whether the addon has opened the capture, so that one it continues no longer says that it is finished."""
        capture = self.settings.capture
        # Not before it is in WAL mode: a reader could be in the way of that.
        return Path(f"{capture}-wal").exists() and recording_of(capture) not in ("", self._before)

    def _check_port(self) -> None:
        """Raise EnvironmentProblem if the address cannot be had. Later, another program there would pass for ours."""
        try:
            _bound(self.settings.host, self.settings.port).close()
        except OSError as error:
            raise EnvironmentProblem(
                f"the proxy cannot listen on {self.address} ({error.strerror}); --listen chooses another address"
            ) from error

    def _listens(self) -> bool:
        if not self.settings.listens:
            return True
        try:
            with socket.create_connection((self.settings.host, self.settings.port), timeout=1):
                return True
        except OSError:
            return False

    def _stop(self) -> None:
        if self._process is not None:
            stop(self._process, self.settings.capture)


def stop(process: Process, capture: Path) -> None:
    """End a mitmdump that records into `capture`, and wait until that is written."""
    # mitmproxy then runs its addons' done(), which finishes the capture. To Ctrl-C it does so too, but while it still
    # starts, Python shows where.
    end(process, STOP_LIMIT, first=signal.SIGTERM)
    # The process that writes outlives a proxy that was killed.
    await_free(capture, STOP_LIMIT)


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound there, as a server's would be. Raises OSError."""
    probe = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
    except BaseException:
        probe.close()
        raise
    return probe


def _command(settings: Settings) -> list[str]:
    options = {
        "listen_host": settings.host,
        "listen_port": str(settings.port),
        "gwinspect_capture": str(settings.capture),
        "gwinspect_keep_secrets": "true" if settings.keep_secrets else "false",
        "gwinspect_trim": "true",
        "gwinspect_hooks": str(settings.hooks or ""),
        "flow_detail": "0",
        **({"connection_strategy": "lazy"} if any(map(_may_lead_elsewhere, settings.modes)) else {}),
        "termlog_verbosity": _verbosity(settings),
        **(settings.options or {}),
    }
    command = [sys.executable, "-c", _MITMDUMP]
    for script in (addon_path(), *settings.scripts):
        command += ["--scripts", str(script)]
    for mode in settings.modes:
        command += ["--mode", mode]
    for host in (*GATEWAY_HOSTS, *map(_allowed, settings.hosts)):
        command += ["--allow-hosts", host]
    for host in settings.hosts:
        command += ["--set", f"gwinspect_hosts={host}"]
    for name, value in options.items():
        command += ["--set", f"{name}={value}"]
    for option in settings.more_options:
        command += ["--set", option]
    return command


def _may_lead_elsewhere(mode: str) -> bool:
    """Say whether a mode is a reverse proxy for WebSockets: a resume goes to another host than the one it is set to.

    mitmproxy would connect to that one before it has seen the request, and leave the line idle.
    """
    return mode.startswith("reverse:") and not mode.startswith(("reverse:udp:", "reverse:dtls:", "reverse:dns:"))


def _key_files(settings: Settings, confdir: Path) -> list[Path]:
    """Return the files with private keys that the modes of a proxy have, or will have."""
    modes = [mode.rpartition("@")[0] or mode for mode in settings.modes if mode.startswith("wireguard")]
    named = [mode.partition(":")[2] for mode in modes]
    return [Path(name).expanduser() if name else confdir / "wireguard.conf" for name in named]


def _umask(settings: Settings) -> int:
    """Return the umask of mitmdump, -1 for ours. Certificates are for others too, but not where keys are written."""
    return 0o077 if any(mode.startswith("wireguard") for mode in settings.modes) else -1


def _verbosity(settings: Settings) -> str:
    """Return how much mitmdump is to say: in a log, also who refused its certificate, which a screen then shows."""
    if any(mode.startswith("wireguard") for mode in settings.modes):
        # The keys for the other device are said at this level.
        return "info"
    return "alert" if settings.log is None else "warn"


def _allowed(host: str) -> str:
    """Return the user's ``host``, ``host:port`` or ``*.host`` as a regular expression for ``host:port``."""
    wanted = host.strip()
    try:
        parts = urlsplit("//" + wanted.removeprefix("*."))
        name, port = parts.hostname, parts.port
    except ValueError:
        name, port = None, None
    if not name:
        raise UsageError(f"a host is HOST, HOST:PORT or *.HOST, not {host!r}")
    start = r"\." if wanted.startswith("*.") else "^"
    return start + re.escape(name) + ":" + (str(port) if port else r"\d+") + "$"
