"""Which runtime a program runs on, as far as its file and its command line tell, and which ways in fit it.

A way that cannot work here is never named: see `ways_in`.
"""

import mmap
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

# Bytes at the end of a program in which those who pack one say so.
_TAIL = 16 * 1024
# Bytes of a program that are searched for what its linker left; larger ones are packed, not linked.
_SEARCHED = 256 * 1024 * 1024


class Runtime(StrEnum):
    """What a client is made with."""

    PYTHON = "Python"
    NODE = "Node"
    BUN = "Bun"
    DENO = "Deno"
    GO = "Go"
    JAVA = "Java"
    DOTNET = ".NET"
    CONTAINER = "a container"
    FROZEN_PYTHON = "Python, packed into one program"
    FROZEN_NODE = "Node, packed into one program"
    UNKNOWN = "an unknown runtime"

    @property
    def hooked(self) -> bool:
        """Whether we have a launch hook for it."""
        return self in (Runtime.PYTHON, Runtime.NODE, Runtime.BUN, Runtime.DENO)


_NAMES = (
    (re.compile(r"(python|pypy)[\d.]*w?"), Runtime.PYTHON),
    (re.compile(r"node(js)?[\d.]*"), Runtime.NODE),
    (re.compile(r"bunx?"), Runtime.BUN),
    (re.compile(r"deno"), Runtime.DENO),
    (re.compile(r"javaw?"), Runtime.JAVA),
    (re.compile(r"dotnet"), Runtime.DOTNET),
    (re.compile(r"docker|podman|nerdctl|docker-compose"), Runtime.CONTAINER),
)


def runtime_of(program: Path) -> Runtime:
    """Return what a program runs on, by its name, else by its bytes."""
    name = program.name.lower().removesuffix(".exe")
    for pattern, runtime in _NAMES:
        if pattern.fullmatch(name):
            return runtime
    try:
        with program.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - _TAIL, 0))
            tail = file.read()
            # The cookie of PyInstaller, and the trailer of `bun build --compile`.
            if b"MEI\x0c\x0b\x0a\x0b\x0e" in tail:
                return Runtime.FROZEN_PYTHON
            if b"---- Bun! ----" in tail:
                return Runtime.BUN
            if 0 < size <= _SEARCHED:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    if content.find(b"\xff Go buildinf:") >= 0:
                        return Runtime.GO
                    if content.find(b"NODE_SEA_FUSE") >= 0:
                        return Runtime.FROZEN_NODE
    except (OSError, ValueError):
        pass
    return Runtime.UNKNOWN


def unhooked_by(runtime: Runtime, arguments: Sequence[str]) -> str | None:
    """Return the option on a command line that keeps the runtime from loading our hook, None where there is none."""
    if runtime is Runtime.PYTHON:
        for argument in arguments[1:]:
            if not argument.startswith("-") or argument in ("-c", "-m", "-"):
                return None
            found = re.fullmatch(r"-[a-zA-Z]*?([IES])[a-zA-Z]*", argument)
            if found is not None:
                return f"-{found[1]}"
    return None


@dataclass(frozen=True, slots=True)
class Way:
    """A way by which a client gets to the proxy."""

    name: str
    """In a few words: ``a proxy of its own``."""
    how: str
    """One line: a setting, or a command to type."""


def ways_in(runtime: Runtime, program: str, address: str) -> list[Way]:
    """Return the ways that can work on this machine for a client that our hooks and variables did not bring in.

    `program` is its name, `address` ``host:port`` of the proxy. The best comes first.
    """
    url = f"http://{address}"
    found = []
    match runtime:
        case Runtime.PYTHON:
            found.append(Way("discord.py", f'Client(proxy="{url}"); the URL is in GWINSPECT_PROXY too'))
        case Runtime.GO:
            found.append(Way("in code", "give its websocket.Dialer Proxy: http.ProxyFromEnvironment"))
        case Runtime.JAVA:
            found.append(Way("in code", f"give its HTTP client or WebSocketFactory the proxy {url}"))
        case Runtime.DOTNET:
            found.append(Way("in code", f'ClientWebSocket.Options.Proxy = new WebProxy("{url}")'))
        case Runtime.CONTAINER:
            found.append(Way("in the container", "put gwinspect into its image and start the bot with it"))
    if sys.platform == "linux" and runtime not in (Runtime.GO, Runtime.BUN, Runtime.CONTAINER):
        if shutil.which("proxychains4"):
            found.append(Way("any program", "start it with --through proxychains"))
        else:
            found.append(Way("any program", "install proxychains4, then start it with --through proxychains"))
    if can_capture_locally() is None:
        found.append(Way("any program", f"gwinspect live --mode local:{program} -- COMMAND"))
    found += [
        Way("own gateway URL", f"gwinspect live --mode reverse:https://gateway.discord.gg, then connect to {address}"),
        Way("a container or device", "gwinspect live --mode wireguard"),
    ]
    return found


def can_capture_locally() -> str | None:
    """Return why mitmproxy's mode ``local:`` cannot work here, None where nothing speaks against it."""
    if sys.platform not in ("linux", "darwin", "win32"):
        return f"mitmproxy has it for Linux, macOS and Windows, not for {sys.platform}"
    if sys.platform == "linux":
        installed = version("mitmproxy")
        if tuple(int(part) for part in installed.split(".")[:2]) < (11, 1):
            return f"on Linux it needs mitmproxy 11.1, which needs Python 3.12; this is mitmproxy {installed}"
        if os.geteuid() != 0:
            return "on Linux it loads an eBPF program, which needs root"
    return None
