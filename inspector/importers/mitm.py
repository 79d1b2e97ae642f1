"""Flow files of mitmproxy (``-w``, ``save_stream_file``, "save flows"): the one importer that knows mitmproxy.

mitmproxy writes a flow when it ends, so a file is in the order in which connections ended. It is read one flow at a
time, and each connection is given whole before the next: connections are numbered as they stand in the file, and time
runs within a connection, not across them.

A flow is one tnetstring, ``length:…}``. The length tells where the next begins, so a flow that cannot be read costs no
other, and one that the file's end cuts off still gives the messages that were written. In a flow the messages stand
before the address, so what was cut off is known by its Hello.

mitmproxy is imported when a file is read and not before: it takes half a second.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO

from inspector.importers.candidates import MAX_FRAMES
from inspector.importers.refusals import why_refused
from inspector.importers.source import Source, at_ns, clean, kept_headers, refusal_of, websocket_url
from inspector.inert import inert
from inspector.model import REACHED_AT, Closed, Frame, Happening, Mark, Opened, Plane, Side
from inspector.protocol.hosts import plane_of
from inspector.session.said import udp_url
from inspector.wire.packets import read_packet
from inspector.words import counted

if TYPE_CHECKING:
    from mitmproxy.connection import Client
    from mitmproxy.http import HTTPFlow
    from mitmproxy.udp import UDPFlow, UDPMessage
    from mitmproxy.websocket import WebSocketMessage

# A dictionary's length, and its first key: text since mitmproxy 1.0, bytes before.
_FIRST_FLOW = re.compile(rb"\d{1,12}:\d{1,2}:[a-z_]{1,99}[;,]")
_LENGTH = re.compile(rb"(\d{1,12}):")
_LENGTH_BYTES = 13
# Characters of a reason that mitmproxy gives; it may quote the flow.
_LONGEST_REASON = 200

ENDED_BECAUSE = "gwinspect-ended-because"
"""Key of a flow's metadata: why the proxy ended the connection itself."""
HOW_CLOSED = "gwinspect_close"
"""The key in a flow's metadata under which `inspector.proxy.closes` leaves what became of its close."""
IN_FRAME = "close frame"
"""It passed as it was. With no such word mitmproxy made the close: what it tells the other end is known."""
FORBIDDEN = "forbidden code"
"""The same, with a code that no close frame may have."""
BROKEN = "broken off"
"""There was no close frame, and the proxy sent none."""
TIMED_OUT = "timed out"
"""mitmproxy hung up on both ends."""
BAD_FRAME = "bad frame"
"""mitmproxy closed both ends, because of a frame that breaks WebSocket's rules."""

IDLE_LIMIT = 600
"""Seconds without traffic after which mitmproxy gives a connection up, unless its option tcp_timeout says otherwise."""

# What wsproto, and so mitmproxy, says of frames that break the rules: its file frame_protocol.py, 1.2.0 to 1.3.2.
_OF_WSPROTO = re.compile(
    r"CLOSE with (1 byte payload|invalid code|unknown reserved code)$|remote CLOSE with local-only reason$"
    r"|Error decoding CLOSE reason: |(un)?expected CONTINUATION\b|error in extension$|Invalid opcode 0x"
    r"|Invalid attempt to fragment control frame$|(client|server) received unexpected (un)?masked frame$"
    r"|Control frame with payload len > 125$|(8-byte payload|Payload) length |Reserved bit set unexpectedly$"
    r"|'utf-8' codec can't decode "
)


class FlowFile(Source):
    """Reads a flow file, or several in a row in one file, of any version that the installed mitmproxy can read.

    What an addon changed is known only where mitmproxy kept the original (it does for edits by hand); elsewhere
    `Frame.data` is what went on.
    """

    format = "mitmproxy flows"

    @staticmethod
    def recognizes(head: bytes) -> bool:
        """Say whether the file begins with a flow."""
        return _FIRST_FLOW.match(head) is not None

    def _begin(self) -> None:
        super()._begin()
        self._flows = 0
        self._websockets = 0
        self._unreadable = 0

    def _happenings(self) -> Iterator[Happening]:
        with self.path.open("rb") as file:
            while (start := self._read) < self._total:
                file.seek(start)
                head = file.read(_LENGTH_BYTES)
                file.seek(start)
                length = _LENGTH.match(head)
                if length is None and not head.isdigit():
                    self.notes.append(f"{self.path} is damaged at byte {start:,}, and what follows was not read")
                    return
                # Behind the body stands one byte more, its type.
                end = start + length.end() + int(length[1]) + 1 if length else self._total + 1
                if end > self._total:
                    yield from self._torn(file.read(), start)
                else:
                    yield from self._flow(file, start)
                self._read = min(end, self._total)

    def _conclude(self) -> None:
        if self._unreadable > 1:
            self.notes.append(f"{self._unreadable:,} flows could not be read in all")
        super()._conclude()

    def _why_empty(self) -> str:
        if not self._flows:
            return "no flow in it could be read"
        if not self._websockets:
            return (
                f"none of its {self._flows:,} flows is a WebSocket; mitmproxy writes one down when it has ended, "
                "or when mitmproxy itself is ended in good order"
            )
        return f"of its {self._websockets:,} WebSockets none went to one"

    def _flow(self, file: BinaryIO, start: int) -> Iterator[Happening]:
        """Yield what the flow at the place of `file` holds, or note why it cannot be read."""
        from mitmproxy.io import FlowReader

        try:
            flow: Any = next(FlowReader(file).stream())
            self._flows += 1
            if flow.type == "udp":
                yield from self._packets(flow)
            elif flow.type == "http":
                yield from self._websocket(flow) if flow.websocket is not None else self._upgrade(flow)
        except OSError:
            raise
        except Exception as error:
            # mitmproxy raises whatever a malformed flow leads it into.
            self._unreadable += 1
            if self._unreadable == 1:
                self.notes.append(f"the flow at byte {start:,} of {self.path} could not be read ({_why(error)})")

    def _torn(self, rest: bytes, start: int) -> Iterator[Happening]:
        """Yield the messages of a flow of which only the beginning, `rest`, is there."""
        before, flows, unreadable, said = self._connections, self._flows, self._unreadable, len(self.notes)
        messages = 0
        try:
            mended = _mended(rest)
        except (TypeError, RecursionError):
            mended = b""
        for happening in self._flow(io.BytesIO(mended), start):
            messages += isinstance(happening, Frame)
            yield happening
        # That the cut-off flow lacks something is no news of its own.
        del self.notes[said:]
        self._flows, self._unreadable = flows, unreadable
        given = f"{counted(before, 'connection before that was/connections before that were')} read"
        if self._connections > before:
            given += f", and {messages:,} messages of the one that is cut off"
        self.notes.append(f"{self.path} is torn at byte {start:,}: {given}")

    def _websocket(self, flow: "HTTPFlow") -> Iterator[Happening]:
        assert flow.websocket is not None
        self._websockets += 1
        opened = opened_of(flow, self._connections + 1)
        originals = originals_of(flow)
        frames = (
            frame_of(message, opened, originals[i : i + 1])
            for i, message in enumerate(flow.websocket.messages)
            # Reverse mode lets go of pieces like this: their bytes are in a later message.
            if message.content or not message.dropped
        )
        first = list(islice(frames, MAX_FRAMES))
        admitted = self._admit(opened, first)
        if admitted is None:
            return
        yield admitted
        last_ns = opened.at_ns
        # Where closes pass as they are the other end may say something after the close frame.
        closing_ns = at_ns(flow.websocket.timestamp_end, 0) if HOW_CLOSED in flow.metadata else 0
        closed = None
        for frame in chain(first, frames):
            if closed is None and 0 < closing_ns < frame.at_ns:
                closed = closed_of(flow, opened.connection, last_ns)
                assert closed is not None
                yield closed
            last_ns = frame.at_ns
            yield frame
        if closed is None and (closed := closed_of(flow, opened.connection, last_ns)) is not None:
            yield closed

    def _packets(self, flow: "UDPFlow") -> Iterator[Happening]:
        """Yield the packets of a path to a voice server, which IP discovery tells from others."""
        if not any(is_discovery(message.content) for message in flow.messages[:MAX_FRAMES]):
            return
        self._connections += 1
        opened = udp_opened_of(flow, self._connections)
        yield opened
        last_ns = opened.at_ns
        for message in flow.messages:
            yield (frame := packet_of(message, opened.connection, last_ns))
            last_ns = frame.at_ns
        yield Closed(opened.connection, last_ns, None)

    def _upgrade(self, flow: "HTTPFlow") -> Iterator[Happening]:
        """Yield the opening of a gateway connection that mitmproxy has no messages of, mostly a refused one."""
        wanted = flow.request.headers.get("upgrade", "").lower() == "websocket"
        # Before mitmproxy 7 the upgrade and its messages were two flows, and the second says all of the first again.
        if not wanted or "websocket" in flow.metadata or plane_of(flow.request.pretty_url, self._extra_hosts) is None:
            return
        self._websockets += 1
        opened = self._admit(opened_of(flow, self._connections + 1), ())
        if opened is not None:
            yield opened
            if opened.refusal is None:
                self._silent += 1


def _why(error: Exception) -> str:
    """Return why mitmproxy cannot read a flow, in its own words where they are words and not Python."""
    from mitmproxy.exceptions import FlowReadException

    if not isinstance(error, FlowReadException | ValueError):
        return "its parts are not as mitmproxy writes them"
    # "Invalid value for sockname. Expected <class 'str'>, got …"
    said = str(error).partition(". Expected ")[0][:_LONGEST_REASON]
    return "its parts are not as mitmproxy writes them" if "<class " in said else inert(said)


def opened_of(flow: "HTTPFlow", connection: int, plane: Plane = Plane.GATEWAY) -> Opened:
    """Return how a WebSocket flow, or an upgrade that was refused, began: live or out of a file."""
    request, response = flow.request, flow.response
    headers = kept_headers(request.headers.items(multi=True), response.headers.items(multi=True) if response else ())
    if response is None:
        address = f"{request.host}:{request.port}"
        refusal = why_refused(clean(flow.error.msg), address) if flow.error else "no answer was recorded"
    elif response.status_code == 101 and flow.error is not None and flow.websocket is None:
        # It began like an answer that accepts.
        refusal = why_refused(clean(flow.error.msg), f"{request.host}:{request.port}")
    elif response.status_code == 101:
        refusal = None
    else:
        refusal = refusal_of(response.status_code, response.reason, headers)
    if is_reverse(flow.client_conn):
        headers[REACHED_AT] = reached_at(flow)
    asked_ns = at_ns(request.timestamp_start, 0)
    return Opened(
        connection,
        at_ns(response.timestamp_start, asked_ns) if response else asked_ns,
        plane,
        websocket_url(request.pretty_url) or websocket_url(request.url),
        _address(flow.client_conn.peername),
        response.status_code if response else None,
        refusal if flow.websocket is None else None,
        headers,
    )


def plane_of_flow(flow: "HTTPFlow", hosts: Iterable[str]) -> Plane | None:
    """Return the plane of a gateway that a flow leads to, by the name that its client gave, or by its address.

    A client may write anything into its Host header. `hosts` are the user's own.
    """
    return plane_of(flow.request.pretty_url, hosts) or plane_of(flow.request.url, hosts)


def udp_opened_of(flow: "UDPFlow", connection: int) -> Opened:
    """Return how a path of UDP began: live or out of a file."""
    host, port = (flow.server_conn.address or ("", 0))[:2]
    url = udp_url(host, port)
    first_ns = at_ns(flow.messages[0].timestamp, 0) if flow.messages else 0
    began_ns = at_ns(flow.client_conn.timestamp_start, first_ns)
    return Opened(connection, began_ns, Plane.MEDIA, url, _address(flow.client_conn.peername), None)


def packet_of(message: "UDPMessage", connection: int, last_ns: int) -> Frame:
    """Return a datagram as it was sent; `last_ns` is the time of the one before."""
    at = at_ns(message.timestamp, last_ns)
    return Frame(connection, at, bool(message.from_client), False, bytes(message.content))


def is_discovery(data: bytes) -> bool:
    """Return whether a datagram is IP discovery, by which the path to a voice server is known."""
    return read_packet(data).kind == "discovery"


def frame_of(message: "WebSocketMessage", opened: Opened, original: Sequence[Any] = ()) -> Frame:
    """Return a message as it was sent. `original`: that of `originals_of` in a list, if there is one."""
    marks = Mark.NONE
    if message.injected:
        marks |= Mark.INJECTED
    if message.dropped:
        marks |= Mark.DROPPED
    data, forwarded = message.content, None
    match original:
        # The same message before it was edited; its time tells that the lists have not shifted.
        case [[_, _, bytes(before), time, *_]] if time == message.timestamp and before != data:
            marks |= Mark.CHANGED
            data, forwarded = before, None if message.dropped else data
    if not isinstance(data, bytes):
        raise ValueError("the data of a message is not bytes")
    at = at_ns(message.timestamp, opened.at_ns)
    return Frame(opened.connection, at, bool(message.from_client), message.is_text, data, marks, forwarded)


def originals_of(flow: "HTTPFlow") -> list[Any]:
    """Return the messages as they were before the flow was edited; empty where it was not."""
    backup: Any = flow._backup
    websocket = backup.get("websocket") if isinstance(backup, Mapping) else None
    messages = websocket.get("messages") if isinstance(websocket, Mapping) else None
    return messages if isinstance(messages, list) else []


def closed_of(flow: "HTTPFlow", connection: int, last_ns: int, idle_limit: float = IDLE_LIMIT) -> Closed | None:
    """Return how the connection ended; None where the flow was saved while it was open.

    `last_ns` is the time of its last message. After `idle_limit` seconds of silence mitmproxy gives a connection up.
    """
    websocket = flow.websocket
    assert websocket is not None
    if websocket.close_code is None and websocket.timestamp_end is None:
        return Closed(connection, at_ns(flow.error.timestamp, last_ns), None) if flow.error else None
    by: Side | None = None
    if websocket.closed_by_client is not None:
        by = "client" if websocket.closed_by_client else "server"
    ended_ns = max(at_ns(websocket.timestamp_end, last_ns), last_ns)
    code, reason = websocket.close_code, clean(websocket.close_reason or "")
    how = flow.metadata.get(HOW_CLOSED)
    marks = Mark.NONE
    if how is None:
        # mitmproxy made the close itself. It tells the other end of a connection that broke off 1000.
        if code == 1006:
            marks = Mark.TOLD_1000
            how = TIMED_OUT if ended_ns - last_ns >= idle_limit * 1_000_000_000 else None
        elif code is not None and _OF_WSPROTO.match(reason):
            how = BAD_FRAME
    elif how == FORBIDDEN:
        marks = Mark.FORBIDDEN
    if how == TIMED_OUT:
        silent_s = min(round((ended_ns - last_ns) / 1e9), idle_limit)
        reason, by = f"nothing was said for {silent_s:g} s, so mitmproxy closed the connection", "proxy"
    elif how == BAD_FRAME:
        reason, by = f"the {by or 'other end'} sent a bad frame: {reason}", "proxy"
    match flow.metadata.get(ENDED_BECAUSE):
        case str(why):
            reason, by = clean(why), "proxy"
    return Closed(connection, ended_ns, code, reason, by, marks)


def is_allowed(code: int) -> bool:
    """Return whether a close frame may have a code: https://www.rfc-editor.org/rfc/rfc6455#section-7.4"""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def is_reverse(client: "Client") -> bool:
    """Return whether a client came to a reverse mode that the user asked for, and so knows the proxy as its server."""
    mode = str(getattr(client.proxy_mode, "full_spec", ""))
    return mode.startswith("reverse:")


def reached_at(flow: "HTTPFlow") -> str:
    """Return the address at which the client of a reverse mode reached the proxy: ``ws://127.0.0.1:8080``."""
    match flow.metadata.get(REACHED_AT), flow.client_conn.sockname:
        case str(address), _:
            return clean(address)
        case _, [str(host), int(port), *_]:
            scheme = "wss" if flow.client_conn.tls else "ws"
            return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    return "unknown"


def _address(peername: Any) -> str | None:
    match peername:
        case [str(host), int(port), *_] if host:
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return None


def _mended(flow: bytes) -> bytes:
    """Return a cut-off flow as a whole one of today's version: what is not there is made up, and empty."""
    from mitmproxy.connection import Client, Server
    from mitmproxy.http import Headers, HTTPFlow, Request
    from mitmproxy.io import tnetstring

    parts = _whole_parts(flow)
    match parts.get("websocket"):
        case {"messages": [[_, _, _, int() | float() as began, *_], *_]}:
            pass
        case _:
            began = 0.0
    empty = HTTPFlow(Client(peername=("", 0), sockname=("", 0), timestamp_start=began), Server(address=None))
    empty.request = Request("", 80, b"GET", b"http", b"", b"/", b"HTTP/1.1", Headers(), b"", None, began, began)
    mended: bytes = tnetstring.dumps(empty.get_state() | parts)
    return mended


def _whole_parts(flow: bytes) -> dict[str, Any]:
    """Return as much of a cut-off flow as came through; of its messages, those that are whole."""
    keys, rest = _values(_body(memoryview(flow)))
    state = _pairs(keys)
    if len(keys) % 2 and keys[-1] == "websocket":
        inner, rest = _values(_body(rest))
        messages = _values(_body(rest))[0] if len(inner) % 2 and inner[-1] == "messages" else []
        if messages:
            unknown = dict.fromkeys(("closed_by_client", "close_code", "close_reason", "timestamp_end"))
            state["websocket"] = {"messages": messages, **unknown, **_pairs(inner)}
    return state


def _body(value: memoryview) -> memoryview:
    """Return what stands behind the length of a cut-off value."""
    length = _LENGTH.match(value)
    return value[length.end() :] if length else value[:0]


def _values(data: memoryview) -> tuple[list[Any], memoryview]:
    """Return the values that are whole, and what is left."""
    from mitmproxy.io import tnetstring

    values: list[Any] = []
    while data:
        try:
            value, data = tnetstring.pop(data)
        except ValueError:
            break
        values.append(value)
    return values, data


def _pairs(values: list[Any]) -> dict[str, Any]:
    return dict(zip(values[::2], values[1::2], strict=False))
