"""HAR files: a browser's or a proxy's log of HTTP, with WebSocket messages where the program writes them.

Messages stand in ``_webSocketMessages`` of an entry, which is no part of HAR but what Chrome began with version 76 and
others took up (https://developer.chrome.com/blog/new-in-devtools-76#websocket): ``type`` (``send``, ``receive``; in
Chrome ``error`` too), ``time`` (seconds since the epoch), ``opcode`` of RFC 6455 and ``data``, base64 where it is
binary. HTTP Toolkit adds ``_webSocketClose``; nobody else says how a connection ended.

A HAR is one JSON document, and the one line of it that matters may be its last, so it is read through before anything
is given. Only the WebSockets are kept: what they are in memory, what was said on them in a temporary file once it is
large. Of a file that breaks off, what stands before is given.
"""

import base64
import binascii
import heapq
import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from operator import attrgetter
from tempfile import SpooledTemporaryFile
from typing import Any

from inspector.importers.candidates import MAX_FRAMES
from inspector.importers.jsonpull import MAX_TEXT, MAX_VALUES, Damaged, Pull
from inspector.importers.source import Source, at_ns, clean, kept_headers, refusal_of, websocket_url
from inspector.model import Closed, Control, Frame, Happening, Opened, Plane
from inspector.protocol.hosts import plane_of

# Bytes of messages that are kept in memory.
_IN_MEMORY = 32 * 1024 * 1024

_HAR = re.compile(r'\s*\{.*?"log"\s*:\s*\{', re.DOTALL)
_URLSAFE = str.maketrans("-_", "+/", " \t\r\n=")
_TEXT, _BINARY, _PING, _PONG = 1, 2, 9, 10
# A message as it is kept: when it was sent, -1 where that is not known; whether by the client; opcode; bytes of data.
_RECORD = struct.Struct("<q?BI")
# What of an entry is looked at, beside its messages.
_KEYS = frozenset({"request", "response", "startedDateTime", "time", "_resourceType", "_webSocketClose"})


@dataclass(slots=True)
class _Talk:
    """The messages of an entry: what is to be known of them before they are given, and where they are kept."""

    start: int
    """Where in the file of messages."""
    kept: int = 0
    """How many are there."""
    messages: int = 0
    """How many of these are no pings or pongs."""
    first_ns: int = 0
    """The first time that any of them has."""
    is_proof: bool = False
    """One of them was sent or received, so there was a connection."""
    left_out: int = 0
    """Those that could not be read as messages."""
    errors: int = 0
    """Those that are errors of the browser."""
    first_error: str = ""
    first_text: str = ""


@dataclass(slots=True)
class _WebSocket:
    opened: Opened
    talk: _Talk | None
    about_close: Mapping[str, Any] = field(default_factory=dict)
    """What `_closed` looks at."""


class HarFile(Source):
    """Reads a HAR. Connections are numbered in the order in which they began, and time runs through all of them."""

    format = "HAR"

    @staticmethod
    def recognizes(head: bytes) -> bool:
        """Say whether the file is JSON whose ``log`` is an object."""
        return _HAR.match(head.decode(json.detect_encoding(head), "replace")) is not None

    def _begin(self) -> None:
        super()._begin()
        self._creator: Mapping[str, Any] = {}
        self._entries = 0
        self._has_messages = False
        self._broken = False
        self._left_out = 0
        self._errors = 0
        self._first_error = ""

    def _happenings(self) -> Iterator[Happening]:
        with SpooledTemporaryFile(_IN_MEMORY) as self._said:
            websockets = self._load()
            self._read = self._total
            websockets.sort(key=lambda websocket: websocket.opened.at_ns)
            told = [told for websocket in websockets if (told := self._tell(websocket))]
            del websockets
            yield from heapq.merge(*told, key=attrgetter("at_ns"))

    def _conclude(self) -> None:
        # Where the file breaks off in a message, that is no message any more.
        if self._left_out and not self._broken:
            self.notes.append(f"left out of the lists of messages, as they are none: {self._left_out:,}")
        if self._errors:
            self.notes.append(f"errors that the browser noted: {self._errors:,}, the first: {self._first_error}")
        super()._conclude()

    def _why_empty(self) -> str:
        if self._has_messages:
            return "none of its WebSockets went to one"
        name, version = self._creator.get("name"), self._creator.get("version")
        author = clean(f"{name or 'an unknown program'} {version or ''}".rstrip())
        if name == "Firefox":
            return f"{author} wrote it, and Firefox leaves WebSocket messages out of its HARs; Chrome and Edge do not"
        return (
            f"{author} wrote it, and none of its {self._entries:,} entries holds WebSocket messages "
            "(_webSocketMessages); a browser lists only what begins while its DevTools are open, so open them, "
            "load the page again and then save"
        )

    def _load(self) -> list[_WebSocket]:
        """Return the WebSockets of the file, or of as much of it as can be read."""
        websockets: list[_WebSocket] = []
        with self.path.open("rb") as file:
            pull = Pull(file)
            try:
                for _ in _within(pull, "log"):
                    self._read_log(pull, websockets)
                pull.end()
            except Damaged:
                self._broken = True
                place, line, total = pull.place()
                self.notes.append(
                    f"{self.path} breaks off or is damaged at character {place:,} of {total:,} "
                    f"(line {line:,}): what stands before that was read"
                )
            except RecursionError as error:
                self.notes.append(f"{self.path} cannot be read as JSON: {error}")
        if pull.left_out:
            self.notes.append(
                f"left out of {self.path}, as they have more than {MAX_TEXT // 1024**2} MB of text or "
                f"{MAX_VALUES:,} values: {pull.left_out:,} of its parts"
            )
        return websockets

    def _read_log(self, pull: Pull, websockets: list[_WebSocket]) -> None:
        if pull.kind() != "{":
            pull.value()
            return
        for key in pull.members():
            if key == "creator":
                self._creator = _object(pull.value())
            elif key == "entries" and pull.kind() == "[":
                for _ in pull.items():
                    if pull.kind() == "{":
                        self._read_entry(pull, websockets)
                    else:
                        pull.value()
            else:
                pull.value()

    def _read_entry(self, pull: Pull, websockets: list[_WebSocket]) -> None:
        """Add what an entry tells of a WebSocket, even if the file breaks off in it; nothing where it is plain HTTP."""
        entry: dict[str, Any] = {}
        talk: _Talk | None = None
        self._entries += 1
        try:
            for key in pull.members():
                if key == "_webSocketMessages":
                    talk = _Talk(self._said.seek(0, 2))
                    self._has_messages = True
                    self._read_messages(pull, talk)
                elif key in _KEYS:
                    entry[key] = pull.value()
                else:
                    pull.value()
        finally:
            if (found := _websocket(entry, talk)) is not None:
                websockets.append(found)

    def _read_messages(self, pull: Pull, talk: _Talk) -> None:
        if pull.kind() != "[":
            pull.value()
            return
        for _ in pull.items():
            message = pull.value()
            if isinstance(message, dict):
                self._keep(message, talk)

    def _keep(self, message: Mapping[str, Any], talk: _Talk) -> None:
        """Write down a message, or what is to be known of something else in the list of messages."""
        data, opcode, side = message.get("data"), message.get("opcode"), message.get("type")
        at = at_ns(message.get("time"), -1)
        if not talk.first_ns and at > 0:
            talk.first_ns = at
        talk.is_proof = talk.is_proof or side in ("send", "receive")
        if side == "error":
            talk.errors += 1
            talk.first_error = talk.first_error or clean(str(data))
        if not isinstance(data, str) or side not in ("send", "receive"):
            # Chrome writes its own errors between the messages.
            talk.left_out += side != "error"
            if isinstance(data, str):
                talk.first_text = talk.first_text or data[:1000]
            return
        if opcode not in (_TEXT, _BINARY, _PING, _PONG):
            talk.left_out += 1
            return
        raw = data.encode("utf-8", "surrogatepass") if opcode == _TEXT else _bytes(data)
        self._said.write(_RECORD.pack(at, side == "send", int(opcode), len(raw)) + raw)
        talk.kept += 1
        talk.messages += opcode in (_TEXT, _BINARY)

    def _tell(self, websocket: _WebSocket) -> Iterator[Happening] | None:
        """Return what happened on a connection, in order; nothing where it is none of Discord's."""
        opened, talk = websocket.opened, websocket.talk or _Talk(0)
        number = self._connections + 1
        if opened.refusal is not None and plane_of(opened.url, self._extra_hosts) is None:
            return None
        first = (each for each in self._kept(replace(opened, connection=number), talk) if isinstance(each, Frame))
        admitted = self._admit(opened, list(islice(first, MAX_FRAMES)))
        if admitted is None:
            return None
        if opened.refusal is not None:
            return iter((admitted,))
        self._left_out += talk.left_out
        self._silent += not talk.messages
        self._errors += talk.errors
        self._first_error = self._first_error or talk.first_error
        return self._conversation(admitted, talk, websocket.about_close)

    def _conversation(self, opened: Opened, talk: _Talk, about_close: Mapping[str, Any]) -> Iterator[Happening]:
        yield opened
        last_ns = opened.at_ns
        for happening in self._kept(opened, talk):
            yield happening
            last_ns = happening.at_ns
        closed = _closed(about_close, opened.connection, last_ns)
        if closed is not None:
            yield closed

    def _kept(self, opened: Opened, talk: _Talk) -> Iterator[Frame | Control]:
        """Yield the messages of an entry, as they were kept."""
        number, last_ns, place = opened.connection, opened.at_ns, talk.start
        for _ in range(talk.kept):
            # Others read from the same file in between.
            self._said.seek(place)
            at, from_client, opcode, size = _RECORD.unpack(self._said.read(_RECORD.size))
            data = self._said.read(size)
            place += _RECORD.size + size
            last_ns = last_ns if at < 0 else at
            if opcode in (_TEXT, _BINARY):
                yield Frame(number, last_ns, from_client, opcode == _TEXT, data)
            else:
                yield Control(number, last_ns, from_client, "ping" if opcode == _PING else "pong", data)


def _within(pull: Pull, wanted: str) -> Iterator[None]:
    """Yield where the value of the key `wanted` begins, in the object that comes next, and read all others."""
    for key in pull.members():
        if key == wanted:
            yield
        else:
            pull.value()


def _websocket(entry: Mapping[str, Any], talk: _Talk | None) -> _WebSocket | None:
    """Return what an entry tells of a WebSocket; None where it is plain HTTP."""
    request, response = _object(entry.get("request")), _object(entry.get("response"))
    upgrade = any(name.lower() == "upgrade" and value.lower() == "websocket" for name, value in _headers(request))
    if talk is None and entry.get("_resourceType") != "websocket" and not upgrade:
        return None
    headers = kept_headers(_headers(request), _headers(response))
    url = request.get("url")
    status = response.get("status")
    first = talk.first_ns if talk else 0
    asked = _started_ns(entry) or first
    opened = Opened(
        connection=0,
        at_ns=min(asked, first) if first else asked,
        plane=Plane.GATEWAY,
        url=websocket_url(url) if isinstance(url, str) else "",
        status=status if type(status) is int and 0 < status < 1000 else None,
        refusal=_refusal(response, talk or _Talk(0), headers),
        headers=headers,
    )
    about_close = {key: entry[key] for key in ("_webSocketClose", "startedDateTime", "time") if key in entry}
    return _WebSocket(opened, talk, about_close)


def _refusal(response: Mapping[str, Any], talk: _Talk, headers: dict[str, str]) -> str | None:
    """Return why there is no connection; None where there was one: messages are proof, whatever the status."""
    status = response.get("status")
    # No response at all is what a file lacks that breaks off there.
    if not response or status == 101 or talk.is_proof:
        return None
    if type(status) is int and 0 < status < 1000:
        reason = response.get("statusText")
        return refusal_of(status, reason if isinstance(reason, str) else "", headers)
    errors = [response.get("_error"), talk.first_text]
    return next((clean(error) for error in errors if isinstance(error, str) and error), "no answer was recorded")


def _closed(entry: Mapping[str, Any], connection: int, last_ns: int) -> Closed | None:
    """Return what HTTP Toolkit says of the end; None where nothing is said.

    Its ``timestamp`` counts from when the program was started, so the entry's start and duration say when.
    """
    close = entry.get("_webSocketClose")
    if close is None:
        return None
    # The duration is in milliseconds.
    at = max(last_ns, _started_ns(entry) + at_ns(entry.get("time"), 0) // 1000)
    if not isinstance(close, Mapping):
        return Closed(connection, at, 1006 if close == "aborted" else None)
    code, reason = close.get("code"), close.get("reason")
    return Closed(connection, at, code if type(code) is int else 1005, clean(reason) if isinstance(reason, str) else "")


def _started_ns(entry: Mapping[str, Any]) -> int:
    """Return when the request was made; 0 where that cannot be read."""
    try:
        started = datetime.fromisoformat(entry["startedDateTime"])
        return at_ns((started if started.tzinfo else started.replace(tzinfo=UTC)).timestamp(), 0)
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0


def _bytes(data: str) -> bytes:
    """Return base64 undone, of either alphabet and padded or not; text that is none as its own bytes."""
    digits = data.translate(_URLSAFE)
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (ValueError, binascii.Error):
        return data.encode("utf-8", "surrogatepass")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _headers(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = ((header.get("name"), header.get("value")) for header in _objects(message.get("headers")))
    return [(name, value) for name, value in pairs if isinstance(name, str) and isinstance(value, str)]
