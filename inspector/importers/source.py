"""What every importer is: an iterable of happenings that says afterwards what it could not give.

Rules that keep an importer whole: what is wrong with the file is told in `Source.notes`, and what is left of it is
given; secrets that are in headers (cookies, authorization) are never kept, and of HTTP only one answer is read (see
`inspector.importers.startlimit`); every text is clean (see `clean`).
"""

import base64
import binascii
import heapq
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from inspector.errors import CaptureError
from inspector.importers.candidates import identify
from inspector.importers.hints import NO_HINTS, Hints
from inspector.importers.order import Track
from inspector.importers.startlimit import MAX_LIMITS
from inspector.model import Frame, Happening, Opened, StartLimit
from inspector.protocol.hosts import host_of
from inspector.words import counted

# Small pieces of a file from one beat to the next: some 5 ms of work.
_BEAT_STEPS = 256
# How many names of hosts a note lists.
_NAMED_HOSTS = 5
# The largest time that fits the signed 64 bits of a capture, in seconds since the epoch (the year 2262).
_LAST_SECOND = 9.2e9

_URLSAFE = str.maketrans("-_", "+/", " \t\r\n=")

# Characters of a header that are kept: servers and clients may send any number.
_LONGEST_HEADER = 8000

_REQUEST_HEADERS = frozenset({"user-agent", "origin", "sec-websocket-extensions", "sec-websocket-protocol"})
_RESPONSE_HEADERS = frozenset({"sec-websocket-extensions", "cf-ray", "server"})


class Source(ABC):
    """A file of another program, read as happenings. May be iterated again; `notes` then begin again."""

    format: str
    """What kind of file it is, in words: ``mitmproxy flows``, ``HAR``."""

    advice = "make sure that the client goes through the proxy"
    """What to do where nothing of Discord's is in it."""

    def __init__(self, path: Path, hints: Hints = NO_HINTS) -> None:
        self.path = path
        self.notes: list[str] = []
        """Sentences for a person, about what was left out and why. Complete once the iteration has ended."""
        self.beat: Callable[[], object] = lambda: None
        """Is called now and then while the file is looked through before anything is given of it."""
        self.recordings: list[str] = []
        """Names of the recordings that are in it, by `Opened.recording`; none where all of it is one."""
        self._hosts = hints.hosts
        self._key_files = hints.keys
        self._fields = hints.fields
        self._read = 0
        self._total = path.stat().st_size if path.exists() else 0
        self._begin()

    def files(self) -> Iterable[Path]:
        """Return the files that make it what it is, those first that are read first; they need not exist."""
        return (self.path,)

    @property
    def progress(self) -> tuple[int, int]:
        """Bytes of the file that were read, and how many it has."""
        return self._read, self._total

    def __iter__(self) -> Iterator[Happening]:
        """Yield the happenings of each connection in order: ``Opened``, what was said, ``Closed`` where that is known.

        Raises:
            CaptureError: if the file cannot be read any further.
        """
        self._begin()
        try:
            yield from self._happenings()
        except OSError as error:
            raise CaptureError(f"{self.path} could not be read: {error.strerror or error}") from error
        self._conclude()

    @staticmethod
    def recognizes_folder(folder: Path) -> bool:
        """Say whether a folder, as a whole, is a recording of this format. Raises OSError."""
        return False

    @staticmethod
    @abstractmethod
    def recognizes(head: bytes) -> bool:
        """Say whether a file that begins with `head` is of this format. `head`: all of it, or some kilobytes."""

    @abstractmethod
    def _happenings(self) -> Iterator[Happening]:
        """Yield what is in the file."""

    def _why_silent(self) -> str:
        """Return a sentence's second half: why connections have no messages in the file; empty where no one knows."""
        return ""

    @abstractmethod
    def _why_empty(self) -> str:
        """Return a sentence's second half: why the file has no gateway WebSocket."""

    def _begin(self) -> None:
        self.notes.clear()
        self.recordings.clear()
        self._read = 0
        self._steps = 0
        self._connections = 0
        self._foreign = 0
        self._foreign_hosts: dict[str, None] = {}
        self._silent = 0
        self._limits: list[StartLimit] = []

    def _admit(self, opened: Opened, first: Sequence[Frame]) -> Opened | None:
        """Return `opened` with its plane and number if it is a gateway of Discord's; else count it as foreign.

        `first`: the first `candidates.MAX_FRAMES` messages of the connection, or all.
        """
        found = identify(opened, first, self._hosts)
        if found is None:
            self._foreign += 1
            if len(self._foreign_hosts) <= _NAMED_HOSTS:
                self._foreign_hosts[host_of(opened.url) or "one without an address"] = None
            return None
        self._connections += 1
        return replace(found, connection=self._connections)

    def _step(self) -> None:
        """Say that the file is being looked through; to be called for each small piece of it."""
        self._steps += 1
        if not self._steps % _BEAT_STEPS:
            self.beat()

    def _keep_limit(self, limit: StartLimit | None) -> None:
        """Keep what Discord told of session starts, if it did."""
        if limit is not None and len(self._limits) < MAX_LIMITS:
            self._limits.append(limit)

    def _with_limits(self, tracks: Iterable[Track]) -> Iterator[Track]:
        """Yield `tracks`, which are in order, with what was kept as one more."""
        limits = sorted(self._limits, key=lambda limit: limit.at_ns)
        own = [Track(limits[0].at_ns, limits.__iter__)] if limits else []
        return heapq.merge(own, tracks, key=lambda track: track.begins_ns)

    def _conclude(self) -> None:
        """Note what can only be said at the end."""
        if self._silent:
            subject = counted(self._silent, "gateway connection was/gateway connections were")
            why = self._why_silent()
            self.notes.append(f"{subject} opened, but without messages in the file{why and f': {why}'}")
        if self._foreign:
            subject = "1 WebSocket was not a Discord gateway"
            if self._foreign > 1:
                subject = f"{self._foreign:,} WebSockets were not Discord gateways"
            hosts = list(self._foreign_hosts)
            if len(hosts) > _NAMED_HOSTS:
                hosts[_NAMED_HOSTS] = "…"
            self.notes.append(f"{subject}: {', '.join(hosts)}")
        if not self._connections:
            self.notes.append(f"{self.path} has no gateway WebSocket in it: {self._why_empty()}")


def at_ns(seconds: Any, fallback: int) -> int:
    """Return `seconds` since the epoch in nanoseconds, to the microsecond; `fallback` where it is no such time.

    A float of today's seconds is exact to a quarter of a microsecond, so finer digits would be invented.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < _LAST_SECOND:
        return fallback
    return round(seconds * 1_000_000) * 1000


def unbase64(data: str) -> bytes:
    """Return base64 undone, of either alphabet and padded or not; text that is none as its own bytes."""
    digits = data.translate(_URLSAFE)
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (ValueError, binascii.Error):
        return data.encode("utf-8", "surrogatepass")


def clean(text: str) -> str:
    """Return `text` without lone surrogates: they stand for bytes that are no UTF-8; no database takes them."""
    return text.encode("utf-8", "replace").decode()


def websocket_url(url: str) -> str:
    """Return `url` as a WebSocket's: the upgrade of ``https://…`` is a ``wss://…``. Empty where it names no host."""
    if not host_of(url):
        return ""
    scheme, colon, rest = clean(url).partition("://")
    return {"http": "ws", "https": "wss"}.get(scheme.lower(), scheme) + colon + rest


def kept_headers(request: Iterable[tuple[str, str]], response: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers of an upgrade that `Opened.headers` may hold. Where one came twice, the last counts.

    Of one that is too long the beginning is kept, and an ellipsis.
    """
    kept = {name.lower(): _kept(value) for name, value in request if name.lower() in _REQUEST_HEADERS}
    return kept | {
        "response-" + name.lower(): _kept(value) for name, value in response if name.lower() in _RESPONSE_HEADERS
    }


def _kept(value: str) -> str:
    return clean(value) if len(value) <= _LONGEST_HEADER else clean(value[:_LONGEST_HEADER]) + "…"


def refusal_of(status: int, reason: str, headers: dict[str, str]) -> str:
    """Return why an upgrade failed, in words: ``HTTP 403 Forbidden (cf-ray 8f…)``."""
    ray = headers.get("response-cf-ray")
    return f"HTTP {status} {clean(reason)}".rstrip() + (f" (cf-ray {ray})" if ray else "")
