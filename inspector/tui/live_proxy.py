"""What a screen may know of what fills a capture: a proxy, where it listens and whether it lives, or an import.

A recorder of packets is known as a proxy is.

Who started it implements this; the screen only asks. Every call answers at once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from inspector.importers.running import Progress


@dataclass(frozen=True, slots=True)
class Advice:
    """One way to bring a client to the proxy."""

    client: str
    """Which client: ``discord.py``, ``a browser``."""
    how: str
    """One line: a setting, a command, a piece of code."""


@dataclass(frozen=True, slots=True)
class ProxyState:
    """How the recording is doing."""

    proxy: int | None = None
    """Exit code of the proxy, None while it lives."""
    client: int | None = None
    """Exit code of the command that runs through it, None while it runs or where there is none."""
    client_running: bool = False
    log: tuple[str, ...] = ()
    """The last lines that the proxy and the recorder said."""
    unseen: tuple[str, ...] = ()
    """Why nothing of the command has been recorded, and what to try; empty while there is nothing to say."""


def ended(code: int | None) -> str:
    """Return how something ended, in words; -1 is a code that no one was told."""
    return "has ended" if code in (None, -1) else f"ended with exit code {code}"


class LiveProxy(Protocol):
    """A recording that is going on."""

    name: str
    """What records, in a word: ``proxy`` or ``recorder``."""
    address: str
    """``host:port`` of the proxy, or what stands for it: a mode (``local:Discord``), the interfaces of packets."""
    ca: Path | None
    """The certificate that clients must trust; None where there is none to trust."""
    command: str | None
    """What runs through the proxy, in a word or two; None where nothing of ours does."""

    def advice(self) -> list[Advice]:
        """Return how to point clients at the proxy, the simplest way first."""

    def state(self) -> ProxyState:
        """Return how it is doing now."""


class Filling(Protocol):
    """An import that is going on."""

    def progress(self) -> Progress:
        """Return how far it has come."""
