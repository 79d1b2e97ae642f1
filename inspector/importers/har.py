"""HAR files: a browser's or a proxy's log of HTTP, with WebSocket messages where the program writes them.

Messages are in ``_webSocketMessages`` of an entry, which is no part of HAR but what Chrome began with version 76 and
others took up (https://developer.chrome.com/blog/new-in-devtools-76#websocket): ``type`` (``send``, ``receive``; in
Chrome ``error`` too), ``time``, ``opcode`` of RFC 6455 and ``data``, base64 where it is binary. The dialects are told
apart by what is there, not by the program's name:

- Chrome, HTTP Toolkit and mitmproxy give seconds since the epoch, Playwright milliseconds, or -1 for all of them
  (``mode: "minimal"``).
- Playwright can keep the messages as JSON Lines in a file of its own, which ``response.content._file`` names: next to
  the HAR, below it (``resourcesDir``), or in the same zip archive. Its folder as a whole is read like its HAR.
- Playwright's traces have the same entries as JSON Lines, ``snapshot`` of ``resource-snapshot``, with the messages in
  files that ``_file`` names, in 1.61 ``_sha1``.
- Firefox, Safari, and Playwright before 1.61 or with ``content: "omit"``, list the connections without messages.
- HTTP Toolkit adds ``_webSocketClose``. No one else says how a connection ended, so it counts as ended with its last
  message, and its `Opened.knows` says that this is all that is known.

A HAR is one JSON document, and the one line of it that matters may be its last, so it is read through before anything
is given. Only the WebSockets are kept: where each begins in memory, all else in a temporary file once it is large. Of a
file that breaks off, what is before that is given.
"""

import json
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO

from inspector.importers import jsonpull
from inspector.importers.candidates import MAX_FRAMES
from inspector.importers.harfiles import Broken, FileMissing, HarFiles, HarFolder, HarZip, attached_files, har_in
from inspector.importers.hints import NO_HINTS, Hints
from inspector.importers.jsonpull import MAX_VALUES, Damaged, Pull
from inspector.importers.order import OrderedTracks, Track
from inspector.importers.source import Source, at_ns, clean, kept_headers, refusal_of, unbase64, websocket_url
from inspector.importers.startlimit import MAX_TEXT, asks_for_limit, start_limit
from inspector.inert import inert
from inspector.model import Closed, Control, Frame, Happening, Knows, Opened, Plane, StartLimit
from inspector.protocol.hosts import plane_of
from inspector.words import counted

# Bytes of messages that are kept in memory.
_IN_MEMORY = 32 * 1024 * 1024
# No time in seconds is as large before the year 5138, and none in milliseconds as small since 1973.
_MILLISECONDS = 1e11
# Files of messages that are missing and named.
_NAMED_FILES = 3

_HAR = re.compile(r'\s*\{.*?"log"\s*:\s*\{', re.DOTALL)
_TEXT, _BINARY, _PING, _PONG = 1, 2, 9, 10
# A message as it is kept: when it was sent, -1 where that is not known; whether by the client; opcode; bytes of data.
_RECORD = struct.Struct("<q?BI")
# Programs that leave messages out, by what they are called in their HARs, and what to do about it. As read in Firefox's
# devtools/client/netmonitor/src/har/har-builder.js, WebKit's HARBuilder.js and Playwright's harTracer.ts.
_INSTEAD = "record with Chrome or Edge, or with gwinspect itself"
_SILENT = {
    "Firefox": f"Firefox leaves WebSocket messages out of its HARs; {_INSTEAD}",
    "WebKit Web Inspector": f"Safari leaves WebSocket messages out of its HARs; {_INSTEAD}",
    "Playwright": "Playwright leaves WebSocket messages out before version 1.61 and with content: 'omit'; record with "
    "content: 'embed' or 'attach'",
}
# What of an entry is looked at, next to its messages.
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
    untimed: int = 0
    """How many of these have no time."""
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
    """An entry of a WebSocket."""

    opened: Opened
    talk: _Talk
    closed: Closed | None
    """How it ended, at the earliest; None where the HAR does not say so."""


class HarFile(Source):
    """Reads a HAR, or a zip archive or a folder with one. Its connections come in the order of time."""

    format = "HAR"

    def __init__(self, path: Path, hints: Hints = NO_HINTS) -> None:
        super().__init__(path, hints)
        self._place = (har_in(path) if path.is_dir() else None) or path
        self._total = self._place.stat().st_size if self._place.exists() else 0

    def files(self) -> Iterable[Path]:
        return (self._place, *attached_files(self._place))

    @staticmethod
    def recognizes_folder(folder: Path) -> bool:
        """Say whether a folder has one HAR, and so is what Playwright writes with `attach`."""
        return har_in(folder) is not None

    @staticmethod
    def recognizes(head: bytes) -> bool:
        """Say whether the file is JSON whose ``log`` is an object, or a zip archive that begins with a HAR."""
        return HarZip.recognizes(head) or _HAR.match(head.decode(json.detect_encoding(head), "replace")) is not None

    def _begin(self) -> None:
        super()._begin()
        self._creator: Mapping[str, Any] = {}
        self._entries = 0
        self._has_messages = False
        self._broken = False
        self._left_out = 0
        self._errors = 0
        self._first_error = ""
        self._missing: list[str] = []
        self._untimed = 0

    def _happenings(self) -> Iterator[Happening]:
        with SpooledTemporaryFile(_IN_MEMORY) as self._said:
            index = self._load()
            self._read = self._total
            index.sort()
            tracks = (Track(begins_ns, partial(self._tell, place)) for begins_ns, place in index)
            timeline = OrderedTracks(self._with_limits(tracks))
            yield from timeline
            self.notes += timeline.notes()

    def _conclude(self) -> None:
        # Where the file breaks off in a message, that is not a message any more.
        if self._left_out and not self._broken:
            self.notes.append(f"skipped in lists of messages, because they are not messages: {self._left_out:,}")
        if self._errors:
            self.notes.append(f"errors that the browser recorded: {self._errors:,}, the first: {self._first_error}")
        if self._missing:
            more = ", …" if len(self._missing) > _NAMED_FILES else ""
            self.notes.append(
                f"files of messages that belong to {self.path.name} and could not be read: {len(self._missing):,} "
                f"({', '.join(self._missing[:_NAMED_FILES])}{more})"
            )
        if self._untimed:
            subject = counted(self._untimed, "gateway connection has/gateway connections have")
            why = "; record with mode: 'full'" if self._creator.get("name") == "Playwright" else ""
            self.notes.append(f"{subject} messages without times in the file{why}")
        super()._conclude()

    def _why_silent(self) -> str:
        # Where other connections have messages, these have none.
        return "" if self._has_messages else _SILENT.get(str(self._creator.get("name")), "")

    def _why_empty(self) -> str:
        if self._has_messages:
            return "none of its WebSockets went to a gateway"
        name, version = self._creator.get("name"), self._creator.get("version")
        author = clean(f"{name or 'an unknown program'} {version or ''}".rstrip())
        if why := self._why_silent():
            return f"{author} wrote it, and {why}"
        return (
            f"{author} wrote it, and none of its {self._entries:,} entries holds WebSocket messages "
            "(_webSocketMessages); a browser lists only what begins while its DevTools are open, so open them, "
            "load the page again and then save"
        )

    def _load(self) -> list[tuple[int, int]]:
        """Keep the WebSockets of the file, or of as much of it as can be read, in the temporary file.

        Return when each began, and its place there.
        """
        index: list[tuple[int, int]] = []
        try:
            with _files_of(self._place) as files:
                for document, is_har in files.documents():
                    with closing(document):
                        self._load_document(files, Pull(document), index, is_har=is_har)
        except Broken as error:
            self._broken = True
            self.notes.append(f"{self.path} cannot be read to the end: {error}; what came before that was read")
        return index

    def _load_document(self, files: HarFiles, pull: Pull, index: list[tuple[int, int]], *, is_har: bool) -> None:
        try:
            if is_har:
                for _ in _within(pull, "log"):
                    self._read_log(files, pull, index)
                pull.end()
            else:
                self._read_network(files, pull, index)
        except Damaged:
            self._broken = True
            place, line, total = pull.place()
            self.notes.append(
                f"{self.path} ends early or is damaged at character {place:,} of {total:,} "
                f"(line {line:,}): what comes before that was read"
            )
        except RecursionError as error:
            self.notes.append(f"{self.path} cannot be read as JSON: {error}")
        if pull.left_out:
            self.notes.append(
                f"left out of {self.path}, as they have more than {jsonpull.MAX_TEXT // 1024**2} MB of text or "
                f"{MAX_VALUES:,} values: {pull.left_out:,} of its parts"
            )

    def _read_log(self, files: HarFiles, pull: Pull, index: list[tuple[int, int]]) -> None:
        if pull.kind() != "{":
            pull.value()
            return
        for key in pull.members():
            if key == "creator":
                self._creator = _object(pull.value())
            elif key == "entries" and pull.kind() == "[":
                for _ in pull.items():
                    if pull.kind() == "{":
                        self._read_entry(files, pull, index)
                    else:
                        pull.value()
                    self._read = min(files.read, self._total)
                    self._step()
            else:
                pull.value()

    def _read_network(self, files: HarFiles, pull: Pull, index: list[tuple[int, int]]) -> None:
        """Read the entries of a trace: JSON Lines, which are values with white space between them."""
        self._creator = {"name": "Playwright"}
        while pull.kind():
            for _ in _within(pull, "snapshot"):
                if pull.kind() == "{":
                    self._read_entry(files, pull, index)
                else:
                    pull.value()
            self._read = min(files.read, self._total)

    def _read_entry(self, files: HarFiles, pull: Pull, index: list[tuple[int, int]]) -> None:
        """Keep what an entry tells of a WebSocket, even if the file breaks off in it; nothing of plain HTTP."""
        entry: dict[str, Any] = {}
        talk: _Talk | None = None
        self._entries += 1
        try:
            for key in pull.members():
                if key == "_webSocketMessages":
                    talk = self._new_talk()
                    self._read_messages(files, pull, talk)
                elif key in _KEYS:
                    entry[key] = pull.value()
                else:
                    pull.value()
        finally:
            if talk is None and entry.get("_resourceType") == "websocket":
                talk = self._read_attached(files, entry)
            found = _websocket(entry, talk)
            if found is not None:
                place = self._said.seek(0, 2)
                self._said.write(_packed(found))
                index.append((found.opened.at_ns, place))
            else:
                self._keep_limit(self._limit_of(entry))

    def _limit_of(self, entry: Mapping[str, Any]) -> StartLimit | None:
        """Return what an entry of plain HTTP tells of session starts; None where it is about anything else."""
        request, response = _object(entry.get("request")), _object(entry.get("response"))
        method, url, content = request.get("method"), request.get("url"), _object(response.get("content"))
        if not isinstance(method, str) or not isinstance(url, str) or response.get("status") != 200:
            return None
        text = content.get("text")
        if not asks_for_limit(method, url, self._hosts) or not isinstance(text, str) or len(text) > MAX_TEXT:
            return None
        sent = [value for name, value in _headers(request) if name.lower() == "authorization"]
        body = unbase64(text) if content.get("encoding") == "base64" else clean(text)
        # The duration is in milliseconds.
        answered_ns = _started_ns(entry) + at_ns(entry.get("time"), 0) // 1000
        return start_limit(sent[-1] if sent else "", body, answered_ns)

    def _new_talk(self) -> _Talk:
        self._has_messages = True
        return _Talk(self._said.seek(0, 2))

    def _read_messages(self, files: HarFiles, pull: Pull, talk: _Talk) -> None:
        if pull.kind() != "[":
            pull.value()
            return
        for _ in pull.items():
            message = pull.value()
            if isinstance(message, dict):
                self._keep(message, talk)
            self._read = min(files.read, self._total)
            self._step()

    def _read_attached(self, files: HarFiles, entry: Mapping[str, Any]) -> _Talk | None:
        """Read the messages of an entry out of the file that it names; None where it names none."""
        content = _object(_object(entry.get("response")).get("content"))
        name, name_in_trace = content.get("_file"), content.get("_sha1")
        if not isinstance(name, str):
            if not isinstance(name_in_trace, str):
                return None
            name = f"resources/{name_in_trace}"
        talk = self._new_talk()
        left_out = 0
        try:
            with closing(files.attached(name)) as file:
                pull = Pull(file)
                # JSON Lines is values with white space between them.
                while pull.kind():
                    left_out = talk.left_out
                    message = pull.value()
                    if isinstance(message, dict):
                        self._keep(message, talk)
                talk.left_out += pull.left_out
        except (FileMissing, Broken) as error:
            self._missing.append(f"{inert(name[:100])}: {error}")
        except (Damaged, RecursionError):
            # What it breaks off in is not a message.
            talk.left_out = left_out
            self._missing.append(f"{inert(name[:100])}: it ends early, after {talk.kept:,} messages")
        return talk

    def _keep(self, message: Mapping[str, Any], talk: _Talk) -> None:
        """Write down a message, or what is to be known of something else in the list of messages."""
        data, opcode, side = message.get("data"), message.get("opcode"), message.get("type")
        at = _message_ns(message.get("time"))
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
        raw = data.encode("utf-8", "surrogatepass") if opcode == _TEXT else unbase64(data)
        self._said.write(_RECORD.pack(at, side == "send", int(opcode), len(raw)) + raw)
        talk.kept += 1
        talk.untimed += at < 0
        talk.messages += opcode in (_TEXT, _BINARY)

    def _tell(self, place: int) -> Iterator[Happening]:
        """Yield what happened on a connection, in order; nothing where it is none of Discord's.

        `place`: where it is in the temporary file. The number is only for the connections of this source:
        `OrderedTracks` gives those that count.
        """
        self._said.seek(place)
        websocket = _unpacked(self._said)
        opened, talk = websocket.opened, websocket.talk
        if opened.refusal is not None and plane_of(opened.url, self._hosts) is None:
            return
        first = (each for each in self._kept(opened, talk) if isinstance(each, Frame))
        admitted = self._admit(opened, list(islice(first, MAX_FRAMES)))
        if admitted is None:
            return
        yield admitted
        if opened.refusal is not None:
            return
        self._left_out += talk.left_out
        self._silent += not talk.messages
        self._untimed += bool(talk.untimed)
        self._errors += talk.errors
        self._first_error = self._first_error or talk.first_error
        number, last_ns = admitted.connection, admitted.at_ns
        for happening in self._kept(admitted, talk):
            yield happening
            last_ns = max(last_ns, happening.at_ns)
        closed = websocket.closed or Closed(number, 0, None)
        yield replace(closed, connection=number, at_ns=max(closed.at_ns, last_ns))

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


def _files_of(path: Path) -> HarFiles:
    with path.open("rb") as file:
        is_archive = file.read(2) == b"PK"
    return HarZip(path) if is_archive else HarFolder(path)


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
    url, status = request.get("url"), response.get("status")
    has_messages, talk = talk is not None, talk or _Talk(0)
    asked = _started_ns(entry) or talk.first_ns
    closed = _closed(entry)
    knows = Knows.WIRE | (Knows.BOTH_SIDES if has_messages else Knows.NOTHING)
    knows |= Knows.NOTHING if talk.untimed else Knows.TIMES
    knows |= Knows.PINGS if talk.kept > talk.messages else Knows.NOTHING
    knows |= Knows.END if closed is not None else Knows.NOTHING
    opened = Opened(
        connection=0,
        at_ns=min(asked, talk.first_ns) if talk.first_ns else asked,
        plane=Plane.GATEWAY,
        url=websocket_url(url) if isinstance(url, str) else "",
        status=status if type(status) is int and 0 < status < 1000 else None,
        refusal=_refusal(response, talk, headers),
        headers=headers,
        knows=knows,
    )
    return _WebSocket(opened, talk, closed)


def _packed(websocket: _WebSocket) -> bytes:
    """Return what is known of a WebSocket as one line."""
    opened, closed = websocket.opened, websocket.closed
    facts = [
        [opened.at_ns, opened.url, opened.status, opened.refusal, dict(opened.headers), int(opened.knows)],
        astuple(websocket.talk),
        [closed.at_ns, closed.code, closed.reason] if closed is not None else None,
    ]
    return json.dumps(facts).encode() + b"\n"


def _unpacked(file: BinaryIO | SpooledTemporaryFile[bytes]) -> _WebSocket:
    """Return the WebSocket of the line at the place of `file`."""
    (at, url, status, refusal, headers, knows), talk, closed = json.loads(file.readline())
    opened = Opened(0, at, Plane.GATEWAY, url, None, status, refusal, headers, knows=Knows(knows))
    return _WebSocket(opened, _Talk(*talk), None if closed is None else Closed(0, *closed))


def _message_ns(time: Any) -> int:
    """Return when a message was sent, whatever the unit is; -1 where that is not known."""
    if isinstance(time, int | float) and time >= _MILLISECONDS:
        try:
            time /= 1000
        except OverflowError:
            return -1
    return at_ns(time, -1)


def _refusal(response: Mapping[str, Any], talk: _Talk, headers: dict[str, str]) -> str | None:
    """Return why there is no connection; None where there was one: messages are proof, whatever the status."""
    status = response.get("status")
    # No response at all is what a file lacks that breaks off there.
    if not response or status == 101 or talk.is_proof:
        return None
    if type(status) is int and 0 < status < 1000:
        reason = response.get("statusText")
        return refusal_of(status, reason if isinstance(reason, str) else "", headers)
    # Chrome's and mitmproxy's name for it, and Playwright's.
    errors = [response.get("_error"), response.get("_failureText"), talk.first_text]
    return next((clean(error) for error in errors if isinstance(error, str) and error), "no answer was recorded")


def _closed(entry: Mapping[str, Any]) -> Closed | None:
    """Return what HTTP Toolkit says of the end; None where nothing is said.

    Its ``timestamp`` counts from when the program was started, so the entry's start and duration say when.
    """
    close = entry.get("_webSocketClose")
    if close is None:
        return None
    # The duration is in milliseconds.
    at = _started_ns(entry) + at_ns(entry.get("time"), 0) // 1000
    if not isinstance(close, Mapping):
        return Closed(0, at, 1006 if close == "aborted" else None)
    code, reason = close.get("code"), close.get("reason")
    known = code if type(code) is int and 0 <= code < 2**16 else 1005
    return Closed(0, at, known, clean(reason) if isinstance(reason, str) else "")


def _started_ns(entry: Mapping[str, Any]) -> int:
    """Return when the request was made; 0 where that cannot be read."""
    try:
        started = datetime.fromisoformat(entry["startedDateTime"])
        return at_ns((started if started.tzinfo else started.replace(tzinfo=UTC)).timestamp(), 0)
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _headers(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = ((header.get("name"), header.get("value")) for header in _objects(message.get("headers")))
    return [(name, value) for name, value in pairs if isinstance(name, str) and isinstance(value, str)]
