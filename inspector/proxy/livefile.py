"""What a later gwinspect must know of a recording that is going on: ``bot.gwcap`` has ``bot.gwcap.live`` meanwhile.

The proxy and the client live on when the screen before them is killed; this file leads the next screen to them. It is
only believed as far as the processes in it are still the ones that were meant.
"""

import json
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inspector.proxy.process import Identity

# Bytes that such a file has at most.
_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Live:
    """A recording that is going on."""

    owner: Identity
    """The gwinspect that will end it."""
    proxy: Identity
    client: Identity | None
    """What runs through it, if something of ours does."""
    command: str | None
    """The same in words."""
    address: str
    """``host:port`` of the proxy."""
    modes: tuple[str, ...]
    """mitmproxy's ``--mode``."""
    ca: str
    """Path of the certificate that clients must trust."""
    folder: str
    """Where its logs, certificates and hooks are."""
    hosts: tuple[str, ...] = ()
    """The user's own hosts that are gateways."""
    recording: str = ""
    """Id of the recording, by which its file is found should it have had to continue in another."""
    keys: str = ""
    """Where clients write their TLS keys, where there is no proxy and packets are recorded; `proxy` records them then,
    `address` names the interfaces, and `ca` is empty."""

    @property
    def what(self) -> str:
        """What records, in words."""
        return f"a recorder of packets ({self.address})" if self.keys else f"a proxy on {self.address}"


def path_of(capture: Path) -> Path:
    """Return the name of the file for a capture."""
    return capture.with_name(capture.name + ".live")


def write(capture: Path, live: Live) -> None:
    """Write the file, whole or not at all, for its owner's eyes only. Raises OSError."""
    path = path_of(capture)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    try:
        with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(live), file)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read(capture: Path) -> Live | None:
    """Return the recording into `capture` that is going on; None, and the file removed, if its proxy has ended."""
    live = _read(path_of(capture))
    if live is not None and not live.proxy.lives():
        remove(capture)
        return None
    return live


def remove(capture: Path) -> None:
    """Remove the file, if there is one."""
    path_of(capture).unlink(missing_ok=True)


def _read(path: Path) -> Live | None:
    """Return what the file says; None where there is none, it is not ours, or it is not as we write it."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            # Processes are ended and a folder is emptied on its word: no one else may have written it.
            if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
                return None
            content: Any = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    try:
        owner, proxy, client = (content.pop(name) for name in ("owner", "proxy", "client"))
        live = Live(
            _identity(owner),
            _identity(proxy),
            None if client is None else _identity(client),
            modes=tuple(map(str, content.pop("modes"))),
            hosts=tuple(map(str, content.pop("hosts", ()))),
            **content,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    texts = (live.address, live.ca, live.folder, live.command or "", live.recording, live.keys)
    if not all(isinstance(text, str) for text in texts):
        return None
    if not live.keys and not live.address.rpartition(":")[2].isdecimal():
        return None
    return live


def _identity(said: Any) -> Identity:
    pid, began = said["pid"], said["began"]
    if type(pid) is not int or pid <= 1 or not isinstance(began, str) or not began:
        raise ValueError(f"{said!r} names no process")
    return Identity(pid, began)
