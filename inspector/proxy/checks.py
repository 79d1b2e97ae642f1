"""What a recording needs of this machine, each point checked on its own: for ``gwinspect doctor``."""

import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

import psutil
from cryptography import x509

from inspector import __version__
from inspector.proxy.launch.runtimes import Runtime, can_capture_locally, runtime_of, unhooked_by, ways_in
from inspector.proxy.mitmdump import CA_NAME, is_free

# Seconds that a program may take to say its version.
_PATIENCE = 5
# How long before its end a certificate is worth a word.
_SOON = timedelta(days=30)

# Where Linux distributions keep the authorities that programs trust.
_STORES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")

# Programs that clients run on, and how each is asked for its version.
_RUNTIMES = {
    "python3": "--version",
    "node": "--version",
    "bun": "--version",
    "deno": "--version",
    "go": "version",
    "java": "-version",
    "dotnet": "--version",
}


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    """Something is not there that only some need."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """What was found at one point."""

    state: State
    what: str
    """The point, in a word or two."""
    found: str
    fix: str = ""
    """What to do, where something is to be done."""


def check_versions() -> Check:
    """Look at what is installed."""
    names = ("mitmproxy", "textual", "aiohttp")
    found = [f"gwinspect {__version__}", f"Python {platform.python_version()}", *(f"{n} {version(n)}" for n in names)]
    return Check(State.OK, "versions", ", ".join(found))


def check_authority(confdir: Path) -> list[Check]:
    """Look at the authority that the proxy signs with, who may read its key, and who trusts it."""
    path = confdir / CA_NAME
    if not path.is_file():
        return [Check(State.NOTE, "certificate", f"{path} does not exist yet", "The first recording makes it.")]
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        fix = f"Remove the mitmproxy-ca* files in {confdir}; the next recording makes new ones."
        return [Check(State.PROBLEM, "certificate", f"{path} cannot be read: {error}", fix)]
    ends = certificate.not_valid_after_utc
    checks = []
    if ends < datetime.now(UTC) + _SOON:
        fix = f"Remove the mitmproxy-ca* files in {confdir}; the next recording makes new ones."
        checks.append(Check(State.PROBLEM, "certificate", f"{path} is valid until {ends:%Y-%m-%d} only", fix))
    else:
        checks.append(Check(State.OK, "certificate", f"{path}, valid until {ends:%Y-%m-%d}"))
    key = confdir / "mitmproxy-ca.pem"
    if key.is_file() and stat.S_IMODE(key.stat().st_mode) & 0o077:
        found = f"{key} can be read by others: they can pass for any site where this authority is trusted"
        checks.append(Check(State.PROBLEM, "its key", found, f"chmod 600 {key}"))
    trusting = [store for store in _STORES if _contains(Path(store), path)]
    if trusting:
        found = f"{trusting[0]} holds it, so every program on this machine trusts it"
        fix = "gwinspect does not need that: a command that it starts trusts the certificate without it."
        checks.append(Check(State.NOTE, "who trusts it", found, fix))
    else:
        checks.append(Check(State.OK, "who trusts it", "only what gwinspect starts, and what you set up"))
    return checks


def check_port(host: str, port: int) -> Check:
    """Look whether the usual port of a proxy can be had."""
    if is_free(host, port):
        return Check(State.OK, "port", f"{host}:{port} is free")
    fix = "Nothing to do: live and record then take a free port. --listen chooses one."
    return Check(State.NOTE, "port", f"{host}:{port} is taken{_by_whom(port)}", fix)


def check_local_mode() -> Check:
    """Look whether mitmproxy can take the traffic of a program without a proxy setting."""
    reason = can_capture_locally()
    if reason is None:
        return Check(State.OK, "--mode local", "can be used")
    return Check(
        State.NOTE, "--mode local", f"cannot be used: {reason}", "Clients started by gwinspect do not need it."
    )


def check_runtimes() -> list[Check]:
    """Look which runtimes there are, and how their clients get in."""
    checks = []
    for name, option in _RUNTIMES.items():
        path = shutil.which(name)
        if path is None:
            continue
        way = "by our hook" if runtime_of(Path(path)).hooked else "by settings in its environment"
        checks.append(Check(State.OK, name, f"{_version(path, option)}; clients get in {way}"))
    if sys.platform == "linux":
        if shutil.which("proxychains4"):
            checks.append(Check(State.OK, "proxychains4", "there, for --through proxychains"))
        else:
            fix = "apt-get install proxychains4, for clients that no other way works for."
            checks.append(Check(State.NOTE, "proxychains4", "not installed", fix))
    return checks


def check_command(command: Sequence[str], address: str) -> list[Check]:
    """Look how a command would get in, without running it."""
    path = shutil.which(command[0])
    if path is None:
        fix = "Check the name, or give the path."
        return [Check(State.PROBLEM, "command", f"{command[0]} is not a program that can run here", fix)]
    runtime = runtime_of(Path(path).resolve())
    if runtime is Runtime.UNKNOWN:
        runtime = runtime_of(Path(path))
    option = unhooked_by(runtime, command)
    if option is not None:
        fix = f"Leave {option} out."
        return [Check(State.PROBLEM, "command", f"{runtime.value} does not load our hook because of {option}", fix)]
    if runtime.hooked:
        return [Check(State.OK, "command", f"{path} is {runtime.value}: its clients get in by our hook")]
    ways = "; ".join(f"{way.name}: {way.how}" for way in ways_in(runtime, Path(path).name, address))
    found = f"{path} is made with {runtime.value}: it gets in if it reads HTTPS_PROXY or finds its own way"
    return [Check(State.NOTE, "command", found, ways)]


def _version(path: str, option: str) -> str:
    try:
        said = subprocess.run(
            [path, option], capture_output=True, text=True, timeout=_PATIENCE, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return "its version is unknown"
    lines = (said.stdout or said.stderr).strip().splitlines()
    return lines[0][:80] if lines else "its version is unknown"


def _contains(store: Path, certificate: Path) -> bool:
    """Say whether a bundle of authorities has a certificate in it."""
    try:
        wanted = "".join(certificate.read_text("ascii").split())
        return wanted in "".join(store.read_text("utf-8", "replace").split())
    except OSError:
        return False


def _by_whom(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""
