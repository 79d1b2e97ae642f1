"""HAR files: a browser's or a proxy's log of HTTP, with WebSocket messages where the program writes them.

Messages stand in ``_webSocketMessages`` of an entry, which is no part of HAR but what Chrome began with version 76 and
others took up (https://developer.chrome.com/blog/new-in-devtools-76#websocket): ``type`` (``send``, ``receive``; in
Chrome ``error`` too), ``time`` (seconds since the epoch), ``opcode`` of RFC 6455 and ``data``, base64 where it is
binary. HTTP Toolkit adds ``_webSocketClose``; nobody else says how a connection ended.

A HAR is one JSON document and is read whole. One that breaks off is closed where it still makes sense.
"""

import base64
import binascii
import heapq
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, NamedTuple

from inspector.importers.candidates import MAX_FRAMES
from inspector.importers.source import Source, at_ns, clean, kept_headers, refusal_of, websocket_url
from inspector.model import Closed, Control, Frame, Happening, Opened, Plane
from inspector.protocol.hosts import plane_of

_HAR = re.compile(r'\s*\{.*?"log"\s*:\s*\{', re.DOTALL)
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],"]', re.DOTALL)
_URLSAFE = str.maketrans("-_", "+/", " \t\r\n=")
_TEXT, _BINARY, _PING, _PONG = 1, 2, 9, 10


class HarFile(Source):
    """Reads a HAR. Connections are numbered in the order in which they began, and time runs through all of them."""

    format = "HAR"

    @staticmethod
    def recognizes(head: bytes) -> bool:
        """Say whether the file is JSON whose ``log`` is an object."""
        return _HAR.match(_decode(head)) is not None

    def _begin(self) -> None:
        super()._begin()
        self._log: Mapping[str, Any] = {}
        self._broken = False
        self._left_out = 0
        self._errors: list[str] = []

    def _happenings(self) -> Iterator[Happening]:
        self._log = self._load()
        self._read = self._total
        websockets = [found for entry in _objects(self._log.get("entries")) if (found := self._websocket(entry))]
        websockets.sort(key=lambda websocket: websocket.opened.at_ns)
        told = (told for websocket in websockets if (told := self._tell(websocket)))
        yield from heapq.merge(*told, key=attrgetter("at_ns"))

    def _conclude(self) -> None:
        # Where the file breaks off in a message, that is no message any more.
        if self._left_out and not self._broken:
            self.notes.append(f"left out of the lists of messages, as they are none: {self._left_out:,}")
        if self._errors:
            self.notes.append(f"errors that the browser noted: {len(self._errors):,}, the first: {self._errors[0]}")
        super()._conclude()

    def _why_empty(self) -> str:
        entries = _objects(self._log.get("entries"))
        if any("_webSocketMessages" in entry for entry in entries):
            return "none of its WebSockets went to one"
        creator = _object(self._log.get("creator"))
        author = clean(f"{creator.get('name') or 'an unknown program'} {creator.get('version') or ''}".rstrip())
        if creator.get("name") == "Firefox":
            return f"{author} wrote it, and Firefox leaves WebSocket messages out of its HARs; Chrome and Edge do not"
        return (
            f"{author} wrote it, and none of its {len(entries):,} entries holds WebSocket messages "
            "(_webSocketMessages); a browser lists only what begins while its DevTools are open, so open them, "
            "load the page again and then save"
        )

    def _load(self) -> Mapping[str, Any]:
        """Return ``log`` of the file, or of as much of it as can be read."""
        text = _decode(self.path.read_bytes())
        try:
            return _object(_object(json.loads(text)).get("log"))
        except json.JSONDecodeError as error:
            whole = text[: error.pos]
            self._broken = True
            self.notes.append(
                f"{self.path} breaks off or is damaged at character {error.pos:,} of {len(text):,} "
                f"(line {error.lineno:,}): what stands before that was read"
            )
        except (ValueError, RecursionError) as error:
            self.notes.append(f"{self.path} cannot be read as JSON: {error}")
            return {}
        try:
            return _object(_object(json.loads(_close(whole))).get("log"))
        except (ValueError, RecursionError):
            return {}

    def _websocket(self, entry: Mapping[str, Any]) -> "_WebSocket | None":
        """Return what an entry tells of a WebSocket; None where it is plain HTTP."""
        request, response = _object(entry.get("request")), _object(entry.get("response"))
        headers = kept_headers(_headers(request), _headers(response))
        messages = _objects(entry.get("_webSocketMessages"))
        upgrade = any(name.lower() == "upgrade" and value.lower() == "websocket" for name, value in _headers(request))
        if "_webSocketMessages" not in entry and entry.get("_resourceType") != "websocket" and not upgrade:
            return None
        url = request.get("url")
        status = response.get("status")
        first = next((at for message in messages if (at := at_ns(message.get("time"), 0))), 0)
        asked = _started_ns(entry) or first
        opened = Opened(
            connection=0,
            at_ns=min(asked, first) if first else asked,
            plane=Plane.GATEWAY,
            url=websocket_url(url) if isinstance(url, str) else "",
            status=status if type(status) is int and 0 < status < 1000 else None,
            refusal=_refusal(response, messages, headers),
            headers=headers,
        )
        return _WebSocket(entry, opened, messages)

    def _tell(self, websocket: "_WebSocket") -> list[Happening]:
        """Return what happened on a connection, in order; nothing where it is none of Discord's."""
        entry, opened, messages = websocket
        number = self._connections + 1
        said, left_out = _said(replace(opened, connection=number), messages)
        frames = [message for message in said if isinstance(message, Frame)]
        if opened.refusal is not None and plane_of(opened.url, self._extra_hosts) is None:
            return []
        admitted = self._admit(opened, frames[:MAX_FRAMES])
        if admitted is None:
            return []
        if opened.refusal is not None:
            return [admitted]
        self._left_out += left_out
        self._silent += not frames
        self._errors += [clean(str(message.get("data"))) for message in messages if message.get("type") == "error"]
        closed = _closed(entry, number, said[-1].at_ns if said else opened.at_ns)
        return [admitted, *said, *([closed] if closed else [])]


class _WebSocket(NamedTuple):
    entry: Mapping[str, Any]
    opened: Opened
    messages: list[Mapping[str, Any]]


def _said(opened: Opened, messages: list[Mapping[str, Any]]) -> tuple[list[Frame | Control], int]:
    """Return the messages of an entry, and how many of them could not be read as such."""
    said: list[Frame | Control] = []
    left_out = 0
    last_ns = opened.at_ns
    for message in messages:
        data, opcode, side = message.get("data"), message.get("opcode"), message.get("type")
        if not isinstance(data, str) or side not in ("send", "receive"):
            # Chrome writes its own errors between the messages.
            left_out += side != "error"
            continue
        last_ns = at_ns(message.get("time"), last_ns)
        from_client = side == "send"
        if opcode == _BINARY:
            said.append(Frame(opened.connection, last_ns, from_client, False, _bytes(data)))
        elif opcode == _TEXT:
            said.append(Frame(opened.connection, last_ns, from_client, True, data.encode("utf-8", "surrogatepass")))
        elif opcode in (_PING, _PONG):
            said.append(
                Control(opened.connection, last_ns, from_client, "ping" if opcode == _PING else "pong", _bytes(data))
            )
        else:
            left_out += 1
    return said, left_out


def _refusal(response: Mapping[str, Any], messages: list[Mapping[str, Any]], headers: dict[str, str]) -> str | None:
    """Return why there is no connection; None where there was one: messages are proof, whatever the status."""
    status = response.get("status")
    # No response at all is what a file lacks that breaks off there.
    if not response or status == 101 or any(message.get("type") in ("send", "receive") for message in messages):
        return None
    if type(status) is int and 0 < status < 1000:
        reason = response.get("statusText")
        return refusal_of(status, reason if isinstance(reason, str) else "", headers)
    errors = [response.get("_error"), *(message.get("data") for message in messages)]
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


def _decode(data: bytes) -> str:
    """Return JSON as text: UTF-8, UTF-16 or UTF-32, with or without a byte order mark."""
    return data.decode(json.detect_encoding(data), "replace")


def _close(text: str) -> str:
    """Return the beginning of a JSON document as a document: what is not whole is cut off, what is open is closed."""
    closers: list[str] = []
    end = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "{" | "[" as opener:
                closers.append("}" if opener == "{" else "]")
                end = token.end()
            case "}" | "]":
                if closers:
                    closers.pop()
                end = token.end()
            case ",":
                end = token.start()
            case '"':
                # A string that does not end.
                break
    return text[:end] + "".join(reversed(closers))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _headers(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = ((header.get("name"), header.get("value")) for header in _objects(message.get("headers")))
    return [(name, value) for name, value in pairs if isinstance(name, str) and isinstance(value, str)]
