"""Flows of today's version as mitmproxy writes them, read without mitmproxy and message by message.

A flow here has the attributes of mitmproxy's own that the importer looks at, by the same names, so that both kinds go
through the same functions (see `inspector.importers.mitm`). What has any other shape than the usual one is `Malformed`,
and mitmproxy has the last word on it. What the importer does not look at is passed over unread: a flow whose
certificate is damaged is read here, while mitmproxy refuses all of it.

A flow's messages come first in it and its type comes last, so all else is known before the first message is read.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from inspector.importers.source import at_ns
from inspector.importers.startlimit import MAX_BODY, PATH
from inspector.importers.tnetstrings import (
    BYTES,
    FLOAT,
    INTEGER,
    LENGTH,
    LENGTH_BYTES,
    LIST,
    MAPPING,
    NOTHING,
    TEXT,
    TRUTH,
    Malformed,
    Part,
    Window,
    load,
    parse,
    parts,
)
from inspector.model import Frame

VERSION = 21
"""The format of flows that mitmproxy 11 and 12 write."""

# Bytes of a request that is looked through as a whole.
_SHORT = 8 * 1024
# Bytes of messages that are read at once.
_AHEAD = 32 * 1024
# A host name that every rule for host names allows, and a port.
_HOST = re.compile(r"(?!.*xn--)([a-z0-9_-]{1,60}(?:\.[a-z0-9_-]{1,60}){0,3})(?::([1-9]\d{0,4}))?", re.I | re.A)
_PORTS = {"http": 80, "https": 443}

_PATH = PATH.encode()
_OPCODES = (0, 1, 2, 8, 9, 10)

# A message that no one dropped or injected: its length, its type, who sent it, the length of its data; then behind the
# data its time, of a length that is told right, in this century.
_TIME = rb",(?:" + rb"|".join(rb"%d:(1\d{9}\.\d{%d})" % (11 + digits, digits) for digits in (6, 7, 5, 4, 3, 2, 1))
_WEBSOCKET = (
    re.compile(rb"(\d{1,9}):1:([12])#(?:(4:true)|5:false)!(\d{1,9}):"),
    re.compile(_TIME + rb")\^5:false!5:false!\]"),
)
_PACKET = re.compile(rb"(\d{1,9}):()(?:(4:true)|5:false)!(\d{1,9}):"), re.compile(_TIME + rb")\^\]")


@dataclass(frozen=True, slots=True)
class Headers:
    """The headers of a request or an answer, in order."""

    fields: tuple[tuple[str, str], ...] = ()

    def items(self, multi: bool) -> tuple[tuple[str, str], ...]:
        """Return them all."""
        assert multi
        return self.fields

    def get(self, name: str, default: str) -> str:
        """Return the values of a header, joined; `default` where there is none."""
        found = [value for key, value in self.fields if key.lower() == name]
        return ", ".join(found) if found else default


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. The defaults are those of a flow that was cut off before its request."""

    timestamp_start: float
    method: str = ""
    path: str = ""
    host: str = ""
    port: int = 80
    url: str = ""
    pretty_url: str = ""
    """The URL with the host's name as the client gave it."""
    headers: Headers = Headers()


@dataclass(frozen=True, slots=True)
class Response:
    """The server's answer."""

    timestamp_start: float
    status_code: int
    reason: str
    headers: Headers
    raw_content: bytes | None = None
    """Its body, still compressed; None where there is none, or it is too large to be of interest."""


@dataclass(frozen=True, slots=True)
class Mode:
    """How mitmproxy came to a connection: ``regular``, ``reverse:https://…``."""

    full_spec: str


@dataclass(frozen=True, slots=True)
class Client:
    """The client's end."""

    timestamp_start: float = 0.0
    peername: Any = None
    sockname: Any = None
    tls: bool = False
    proxy_mode: Mode = Mode("regular")


@dataclass(frozen=True, slots=True)
class Server:
    """The server's end."""

    address: Any = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong."""

    msg: str
    timestamp: float


@dataclass(frozen=True, slots=True)
class WebSocketEnd:
    """How a WebSocket ended."""

    close_code: int | None = None
    close_reason: str | None = None
    closed_by_client: bool | None = None
    timestamp_end: float | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One that is out of the ordinary: dropped, injected, without a time."""

    type: int
    from_client: bool
    content: Any
    timestamp: Any = None
    dropped: bool = False
    injected: bool = False

    @property
    def is_text(self) -> bool:
        """Whether it is text."""
        return self.type == 1


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow without its messages."""

    type: str
    request: Request
    response: Response | None
    websocket: WebSocketEnd | None
    messages: Part | None
    """Where the messages are."""
    error: Failure | None = None
    client_conn: Client = Client()
    server_conn: Server = Server()
    metadata: Mapping[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Glance:
    """What a flow is, seen without reading it."""

    type: str
    asks_for_one: bool
    """Its request asks for a WebSocket, and there is none."""
    asks_for_limit: bool
    """Its request may ask how a bot may start its sessions."""
    begins: float | None
    """A time that is not after its first happening, in seconds; None where none is needed."""


NOT_A_GATEWAY = Glance("http", False, False, None)


def glance(window: Window, body: Part) -> Glance:
    """Return what a flow is. Raises Malformed."""
    found = _whole(window, body)
    kind = _type(window, found)
    if kind == "udp":
        client = parts(window, *_span(found, "client_conn", MAPPING))
        return Glance(kind, False, False, _get(window, client, "timestamp_start", INTEGER, FLOAT))
    if kind in ("tcp", "dns"):
        return Glance(kind, False, False, None)
    if kind != "http":
        raise Malformed("it is of an unknown type")
    is_websocket = _part(found, "websocket", NOTHING, MAPPING).kind == MAPPING
    has_answer = _part(found, "response", NOTHING, MAPPING).kind == MAPPING
    within: Mapping[str, Part] = {}
    asks = False
    if not is_websocket and _is_plain(window, _part(found, "request", MAPPING)):
        return NOT_A_GATEWAY
    if not is_websocket or not has_answer:
        within = parts(window, *_span(found, "request", MAPPING))
        asks = not is_websocket and b":upgrade," in window.get(*_span(within, "headers", LIST)).lower()
        if not is_websocket and not asks:
            asks_for_limit = has_answer and _PATH in window.get(*_span(within, "path", BYTES))
            return Glance("http", False, True, None) if asks_for_limit else NOT_A_GATEWAY
    # The connection is open from its answer on. Where that has no time, it is the request's.
    if has_answer:
        within = parts(window, *_span(found, "response", MAPPING))
    return Glance(kind, asks, False, _get(window, within, "timestamp_start", INTEGER, FLOAT))


def _is_plain(window: Window, request: Part) -> bool:
    """Return whether a request surely asks for nothing of interest: nearly all do, and this is soon told."""
    if request.stop - request.start > _SHORT:
        return False
    data = window.get(request.start, request.stop)
    return b":upgrade," not in data.lower() and _PATH not in data


def read(window: Window, body: Part) -> Flow:
    """Return a flow. Raises Malformed."""
    found = _whole(window, body)
    kind = _type(window, found)
    # One that was edited has its first state there.
    _part(found, "backup", NOTHING)
    client, server = _client(window, found), Server()
    if kind == "udp":
        if at_ns(client.timestamp_start, -1) < 0:
            raise Malformed("its client has no time")
        server = Server(
            _address(window, parts(window, *_span(found, "server_conn", MAPPING)), "address", NOTHING, LIST)
        )
        return Flow(kind, Request(0), None, None, _part(found, "messages", LIST), None, client, server)
    if kind != "http":
        raise Malformed("it is of another type")
    websocket = _part(found, "websocket", NOTHING, MAPPING)
    inner = parts(window, websocket.start, websocket.stop) if websocket.kind == MAPPING else None
    return Flow(
        kind,
        _request(window, found),
        _response(window, found),
        None if inner is None else _ending(window, inner),
        None if inner is None else _part(inner, "messages", LIST),
        _failure(window, found),
        client,
        server,
        _get(window, found, "metadata", MAPPING),
    )


def read_torn(window: Window, body: Part) -> Flow | None:
    """Return as much of a WebSocket's flow as the file has; None where not even a message is whole.

    What is missing is made up, and empty. Raises Malformed.
    """
    found = parts(window, body.start, body.stop, torn=True)
    websocket = found.pop("websocket", None)
    if websocket is None or websocket.kind not in (0, MAPPING):
        return None
    inner = parts(window, websocket.start, websocket.stop, torn=True)
    messages = inner.pop("messages", None)
    if messages is None or messages.kind not in (0, LIST):
        return None
    first = next(frames(window, Flow("http", Request(0), None, None, messages), 0, 0, _timed), None)
    if first is None:
        return None
    found = {name: part for name, part in found.items() if part.kind != 0}
    return Flow(
        "http",
        _request(window, found) if "request" in found else Request(first.at_ns / 1e9),
        _response(window, found) if "response" in found else None,
        _ending(window, inner) if inner else WebSocketEnd(),
        messages,
        _failure(window, found) if "error" in found else None,
        _client(window, found) if "client_conn" in found else Client(),
        Server(),
        _get(window, found, "metadata", MAPPING) if "metadata" in found else {},
    )


def _timed(values: list[Any], last_ns: int) -> Frame:
    return Frame(0, at_ns(message_of(values, "http").timestamp, last_ns), False, False, b"")


def frames(
    window: Window,
    flow: Flow,
    connection: int,
    last_ns: int,
    unusual: Callable[[list[Any], int], Frame | None],
    advance: Callable[[int], None] = lambda size: None,
) -> Iterator[Frame]:
    """Yield the messages of a flow as they are read. Where they are cut off, those that are whole.

    `unusual` makes one, or none, out of what a message consists of (see `message_of`) and the time of the one before.
    `last_ns` is the time before the first. `advance` is told how many bytes were read.

    Raises Malformed, and what `unusual` raises.
    """
    messages = flow.messages
    assert messages is not None
    head_of, tail_of = (pattern.match for pattern in (_WEBSOCKET if flow.type == "http" else _PACKET))
    torn, base, stop = messages.kind == 0, messages.start, messages.stop
    data, at = b"", 0
    while base + at < stop:
        head = head_of(data, at)
        if head is not None:
            size, opcode, from_client, length = head.groups()
            begin = head.end()
            end = begin + int(length)
            tail = tail_of(data, end)
            # All of it must be as long as it says.
            if tail is not None and tail.end() - head.end(1) - 2 == int(size):
                at = tail.end()
                last_ns = round(float(tail[tail.lastindex or 0]) * 1_000_000) * 1000
                yield Frame(connection, last_ns, from_client is not None, opcode == b"1", data[begin:end])
                continue
        length_of = LENGTH.match(data, at)
        if length_of is None and len(data) - at >= LENGTH_BYTES:
            raise Malformed("a message has no length")
        wanted = length_of.end() - at + int(length_of[1]) + 1 if length_of else LENGTH_BYTES
        if len(data) - at < wanted:
            base, at = base + at, 0
            if base + wanted > stop:
                if torn:
                    return
                raise Malformed("a message has no end")
            data = window.read(base, min(max(wanted, _AHEAD), stop - base))
            if len(data) < wanted:
                raise Malformed("the file got shorter")
            advance(len(data))
            continue
        assert length_of is not None
        values = parse(data[at + wanted - 1], data[length_of.end() : at + wanted - 1])
        at += wanted
        frame = unusual(values, last_ns)
        if frame is not None:
            last_ns = frame.at_ns
            yield frame


def message_of(values: Any, kind: str) -> Message:
    """Return the message of a flow of a kind that consists of `values`. Raises Malformed."""
    match kind, values:
        case "http", [opcode, from_client, data, *rest] if opcode in _OPCODES and len(rest) <= 3:
            return Message(opcode, from_client, data, *rest)
        case "udp", [from_client, data, *rest] if len(rest) <= 1:
            return Message(2, from_client, data, *rest)
    raise Malformed("a message is not in mitmproxy's form")


def _whole(window: Window, body: Part) -> dict[str, Part]:
    if body.kind != MAPPING:
        raise Malformed("it is not a flow")
    return parts(window, body.start, body.stop)


def _type(window: Window, found: Mapping[str, Part]) -> str:
    if _get(window, found, "version", INTEGER) != VERSION:
        raise Malformed("it is of another version")
    kind: str = _get(window, found, "type", TEXT)
    return kind


def _part(found: Mapping[str, Part], name: str, *kinds: int) -> Part:
    part = found.get(name)
    if part is None or part.kind not in kinds:
        raise Malformed(f"{name} is missing, or of another kind")
    return part


def _span(found: Mapping[str, Part], name: str, kind: int) -> tuple[int, int]:
    part = _part(found, name, kind)
    return part.start, part.stop


def _get(window: Window, found: Mapping[str, Part], name: str, *kinds: int) -> Any:
    return load(window, _part(found, name, *kinds))


def _request(window: Window, found: Mapping[str, Part]) -> Request:
    within = parts(window, *_span(found, "request", MAPPING))
    headers = _headers(window, within)
    host, port = _get(window, within, "host", TEXT), _get(window, within, "port", INTEGER)
    scheme, path = (_get(window, within, name, BYTES).decode("utf-8", "surrogateescape") for name in ("scheme", "path"))
    method = _get(window, within, "method", BYTES).decode("utf-8", "surrogateescape").upper()
    usual = _get(window, within, "http_version", BYTES) == b"HTTP/1.1" and scheme in _PORTS
    if not usual or method == "CONNECT":
        raise Malformed("it is an unusual request")
    path = "" if path == "*" else path
    url = pretty_url = _url(scheme, host, port, path)
    if named := headers.get("host", ""):
        match = _HOST.fullmatch(named)
        if match is None or int(match[2] or 0) > 65535:
            raise Malformed("it is an unusual host")
        pretty_url = _url(scheme, match[1], int(match[2] or _PORTS[scheme]), path)
    began = _get(window, within, "timestamp_start", INTEGER, FLOAT)
    return Request(began, method, path, host, port, url, pretty_url, headers)


def _url(scheme: str, host: str, port: int, path: str) -> str:
    return f"{scheme}://{host}{'' if port == _PORTS[scheme] else f':{port}'}{path}"


def _response(window: Window, found: Mapping[str, Part]) -> Response | None:
    part = _part(found, "response", NOTHING, MAPPING)
    if part.kind == NOTHING:
        return None
    within = parts(window, part.start, part.stop)
    content = _part(within, "content", NOTHING, BYTES)
    return Response(
        _get(window, within, "timestamp_start", INTEGER, FLOAT),
        _get(window, within, "status_code", INTEGER),
        _get(window, within, "reason", BYTES).decode("latin-1"),
        _headers(window, within),
        load(window, content) if content.stop - content.start <= MAX_BODY else None,
    )


def _headers(window: Window, found: Mapping[str, Part]) -> Headers:
    fields = []
    for each in _get(window, found, "headers", LIST):
        match each:
            case [bytes(name), bytes(value)]:
                fields.append((name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")))
            case _:
                raise Malformed("a header is not a name and a value")
    return Headers(tuple(fields))


def _client(window: Window, found: Mapping[str, Part]) -> Client:
    within = parts(window, *_span(found, "client_conn", MAPPING))
    return Client(
        _get(window, within, "timestamp_start", INTEGER, FLOAT),
        _address(window, within, "peername", LIST),
        _address(window, within, "sockname", LIST),
        _get(window, within, "tls", TRUTH),
        Mode(_get(window, within, "proxy_mode", TEXT)),
    )


def _address(window: Window, found: Mapping[str, Part], name: str, *kinds: int) -> Any:
    address = _get(window, found, name, *kinds)
    match address:
        case None | [str(), int(), *_]:
            return address
    raise Malformed(f"{name} is not an address")


def _ending(window: Window, found: Mapping[str, Part]) -> WebSocketEnd:
    return WebSocketEnd(
        _get(window, found, "close_code", INTEGER, NOTHING),
        _get(window, found, "close_reason", TEXT, NOTHING),
        _get(window, found, "closed_by_client", TRUTH, NOTHING),
        _get(window, found, "timestamp_end", INTEGER, FLOAT, NOTHING),
    )


def _failure(window: Window, found: Mapping[str, Part]) -> Failure | None:
    part = _part(found, "error", NOTHING, MAPPING)
    if part.kind == NOTHING:
        return None
    within = parts(window, part.start, part.stop)
    return Failure(_get(window, within, "msg", TEXT), _get(window, within, "timestamp", INTEGER, FLOAT))
