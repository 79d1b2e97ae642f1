"""Flow files of mitmproxy (``-w``, ``save_stream_file``, "save flows"): the one importer that knows mitmproxy.

mitmproxy writes a flow when it ends, so a file is in the order in which connections ended. A glance at every flow tells
where it is and when it began; then each is read from its place, message by message, when its time comes. So happenings
come in the order of time over all connections, and nothing is held but what was open at the same moment.

A flow is one tnetstring, ``length:…}``. The length tells where the next begins, so a flow that cannot be read costs no
other, and one that the file's end cuts off still gives the messages that were written. In a flow the messages stand
before the address, so what was cut off is known by its Hello.

What mitmproxy usually writes is read by `inspector.importers.flows`. For the rest mitmproxy is imported, which takes a
fifth of a second and holds a flow whole in memory: for flows that were edited, and for those of other versions. The
latter are written once more, as of today's version, into a temporary file: some are whole only in the file's order.
"""

import os
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from inspector.importers import flows
from inspector.importers.candidates import MAX_FRAMES
from inspector.importers.order import OrderedTracks, Track
from inspector.importers.refusals import why_refused
from inspector.importers.source import Source, at_ns, clean, kept_headers, refusal_of, websocket_url
from inspector.importers.startlimit import PATH, asks_for_limit, start_limit, unpacked
from inspector.importers.tnetstrings import LENGTH, LENGTH_BYTES, Malformed, Part, Window
from inspector.inert import inert
from inspector.model import REACHED_AT, Closed, Frame, Happening, Knows, Mark, Opened, Plane, Side, StartLimit
from inspector.protocol.hosts import plane_of
from inspector.session.messages import udp_url
from inspector.wire.packets import read_packet
from inspector.words import counted

if TYPE_CHECKING:
    from mitmproxy.connection import Client
    from mitmproxy.http import HTTPFlow
    from mitmproxy.udp import UDPFlow, UDPMessage
    from mitmproxy.websocket import WebSocketMessage

# A dictionary's length, and its first key: text since mitmproxy 1.0, bytes before.
_FIRST_FLOW = re.compile(rb"\d{1,12}:\d{1,2}:[a-z_]{1,99}[;,]")
# Bytes of converted flows that are kept in memory.
_IN_MEMORY = 32 * 1024 * 1024
_ENDLESS = 2**63
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
BROKEN = "broken"
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
    `Frame.data` is what continued.
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
        self._torn_at = -1
        self._torn_connections = 0
        self._torn_messages = 0

    def _happenings(self) -> Iterator[Happening]:
        with self.path.open("rb") as self._file, SpooledTemporaryFile(_IN_MEMORY) as converted:
            self._converted = cast(BinaryIO, converted)
            self._window, self._converted_window = Window(self._file), Window(self._converted)
            begins, places = self._index()
            # For a file without connections that overlap this is their order already.
            order = sorted(range(len(begins)), key=begins.__getitem__)
            tracks = (Track(begins[each], partial(self._flow, places[each])) for each in order)
            timeline = OrderedTracks(self._with_limits(tracks))
            yield from timeline
            self.notes.extend(timeline.notes())

    def _index(self) -> "tuple[array[int], array[int]]":
        """Return when each flow that is of interest begins, and its place."""
        begins, places = array("q"), array("q")
        start = 0
        while start < self._total:
            head = self._window.get(start, start + LENGTH_BYTES)
            if LENGTH.match(head) is None and not head.isdigit():
                self.notes.append(f"{self.path} is damaged at byte {start:,}, and what follows was not read")
                break
            body = self._body(start)
            found = self._glance(start, body) if body.kind else self._glance_at_torn(start, body)
            end = min(body.stop + 1, self._total)
            if found is not None:
                begins.append(found[0])
                places.append(found[1])
            if found is None or found[1] >= self._total:
                self._read += end - start
            start = end
            self._step()
        return begins, places

    def _body(self, place: int) -> Part:
        """Return where the values of a flow are; their kind is 0 where it is cut off.

        A place is one in the file, or behind its end in what was converted.
        """
        window, start, size = self._window, place, self._total
        if place >= self._total:
            window, start, size = self._converted_window, place - self._total, _ENDLESS
        length = LENGTH.match(window.get(start, start + LENGTH_BYTES))
        stop = start + length.end() + int(length[1]) if length else size
        if length is None or stop >= size:
            return Part(0, start + (length.end() if length else 0), size)
        kind = window.get(stop, stop + 1)
        return Part(kind[0] if kind else 0, start + length.end(), stop)

    def _glance(self, start: int, body: Part) -> tuple[int, int] | None:
        """Return when the flow at `start` begins, and the place to read it from; None if nothing in it is for us."""
        try:
            seen = flows.glance(self._window, body)
            if seen.asks_for_limit:
                self._keep_limit(limit_of(flows.read(self._window, body), self._hosts))
            if seen.asks_for_one and not self._is_refused(flows.read(self._window, body)):
                seen = flows.NOT_A_GATEWAY
        except Malformed:
            return self._convert(start)
        self._flows += 1
        if seen.begins is None:
            return None
        self._websockets += seen.type == "http"
        return at_ns(seen.begins, 0), start

    def _glance_at_torn(self, start: int, body: Part) -> tuple[int, int] | None:
        """The same for the flow that the end of the file cuts off."""
        self._torn_at = start
        try:
            torn = flows.read_torn(self._window, body)
        except Malformed:
            return None
        return (opened_of(torn, 0).at_ns, start) if torn is not None else None

    def _convert(self, start: int) -> tuple[int, int] | None:
        """Have mitmproxy read a flow, and write it as of today's version."""
        from mitmproxy.io import FlowWriter

        try:
            flow = _mitmproxys(self._file, start)
            self._flows += 1
            if flow.type == "udp":
                opened = udp_opened_of(flow, 0, _first_ns(flow))
            elif flow.type == "http" and (flow.websocket is not None or self._is_refused(flow)):
                opened = opened_of(flow, 0)
                self._websockets += 1
            else:
                if flow.type == "http":
                    self._keep_limit(limit_of(flow, self._hosts))
                return None
            self._converted.seek(0, os.SEEK_END)
            place = self._total + self._converted.tell()
            FlowWriter(self._converted).add(flow)
        except OSError:
            raise
        except Exception as error:
            # mitmproxy raises whatever a malformed flow leads it into.
            self._cannot_read(f"the flow at byte {start:,} of {self.path} could not be read", error)
            return None
        return opened.at_ns, place

    def _cannot_read(self, said: str, error: Exception) -> None:
        self._unreadable += 1
        if self._unreadable == 1:
            self.notes.append(f"{said} ({_why(error)})")

    def _flow(self, place: int) -> Iterator[Happening]:
        """Yield what the flow at a place holds, and note where it cannot be read any further."""
        if place == self._torn_at:
            yield from self._torn(place)
            return
        is_converted = place >= self._total
        window, file = (self._converted_window, self._converted) if is_converted else (self._window, self._file)
        body = self._body(place)
        left = 0 if is_converted else body.stop + 1 - place

        def advance(size: int) -> None:
            nonlocal left
            if not is_converted:
                left -= size
                self._read += size

        flow: Any = None
        try:
            try:
                flow = flows.read(window, body)
            except Malformed:
                flow = _mitmproxys(file, place - self._total if is_converted else place)
            if isinstance(flow, flows.Flow):
                yield from self._connection(flow, partial(_frames, window, flow, advance))
            else:
                yield from self._connection(flow, partial(_frames_of_mitmproxy, flow))
        except OSError:
            raise
        except Exception as error:
            if isinstance(flow, flows.Flow) and not isinstance(error, Malformed):
                raise
            which = f"a flow of {self.path}" if is_converted else f"the flow at byte {place:,} of {self.path}"
            self._cannot_read(f"{which} could not be read{'' if flow is None else ' to its end'}", error)
        finally:
            self._read += left

    def _torn(self, place: int) -> Iterator[Happening]:
        """Yield the messages of the flow that is cut off. That it lacks something is no news of its own."""
        try:
            flow = flows.read_torn(self._window, self._body(place))
            if flow is not None:
                for happening in self._connection(flow, partial(_frames, self._window, flow, lambda size: None)):
                    self._torn_connections = 1
                    self._torn_messages += isinstance(happening, Frame)
                    yield happening
        except Malformed:
            pass
        finally:
            self._read += self._total - place

    def _connection(
        self, flow: "HTTPFlow | UDPFlow | flows.Flow", frames_of: Callable[[Opened], Iterator[Frame]]
    ) -> Iterator[Happening]:
        if flow.type == "udp":
            return self._packets(flow, frames_of)
        return self._upgrade(flow) if flow.websocket is None else self._websocket(flow, frames_of)

    def _conclude(self) -> None:
        if self._torn_at >= 0:
            before = self._connections - self._torn_connections
            given = f"{counted(before, 'connection before that was/connections before that were')} read"
            if self._torn_connections:
                given += f", and {self._torn_messages:,} messages of the one that is cut off"
            self.notes.append(f"{self.path} is cut off at byte {self._torn_at:,}: {given}")
        if self._unreadable > 1:
            self.notes.append(f"{self._unreadable:,} flows could not be read in total")
        super()._conclude()

    def _why_empty(self) -> str:
        if not self._flows:
            return "no flow in it could be read"
        if not self._websockets:
            return (
                f"none of its {self._flows:,} flows is a WebSocket; mitmproxy saves one when it ends, "
                "or when mitmproxy itself exits normally"
            )
        return f"none of its {self._websockets:,} WebSockets went to a gateway"

    def _websocket(
        self, flow: "HTTPFlow | flows.Flow", frames_of: Callable[[Opened], Iterator[Frame]]
    ) -> Iterator[Happening]:
        opened = replace(opened_of(flow, self._connections + 1), knows=_knows(flow))
        readable = _UpToDamage(frames_of(opened))
        frames = iter(readable)
        first = list(islice(frames, MAX_FRAMES))
        admitted = self._admit(opened, first)
        if admitted is None:
            return
        yield admitted
        last_ns = opened.at_ns
        assert flow.websocket is not None
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
        if readable.damage is not None:
            # How it ended is in the flow, but after messages that are lost.
            yield Closed(opened.connection, last_ns, None)
            raise readable.damage
        if closed is None:
            yield closed_of(flow, opened.connection, last_ns) or Closed(opened.connection, last_ns, None)

    def _packets(
        self, flow: "UDPFlow | flows.Flow", frames_of: Callable[[Opened], Iterator[Frame]]
    ) -> Iterator[Happening]:
        """Yield the packets of a path to a voice server, which IP discovery tells from others."""
        first_ns = 0 if isinstance(flow, flows.Flow) else _first_ns(flow)
        opened = udp_opened_of(flow, self._connections + 1, first_ns)
        readable = _UpToDamage(frames_of(opened))
        frames = iter(readable)
        first = list(islice(frames, MAX_FRAMES))
        if not any(is_discovery(frame.data) for frame in first):
            return
        self._connections += 1
        yield opened
        last_ns = opened.at_ns
        for frame in chain(first, frames):
            last_ns = frame.at_ns
            yield frame
        yield Closed(opened.connection, last_ns, None)
        if readable.damage is not None:
            raise readable.damage

    def _upgrade(self, flow: "HTTPFlow | flows.Flow") -> Iterator[Happening]:
        """Yield the opening of a gateway connection that mitmproxy has no messages of, mostly a refused one."""
        opened = self._admit(replace(opened_of(flow, self._connections + 1), knows=Knows.NOTHING), ())
        if opened is not None:
            yield opened
            if opened.refusal is None:
                self._silent += 1
                yield Closed(opened.connection, opened.at_ns, None)

    def _is_refused(self, flow: "HTTPFlow | flows.Flow") -> bool:
        """Say whether a flow without messages asked for a gateway."""
        wanted = flow.request.headers.get("upgrade", "").lower() == "websocket"
        # Before mitmproxy 7 the upgrade and its messages were two flows, and the second says all of the first again.
        ours = wanted and "websocket" not in flow.metadata
        return ours and plane_of(flow.request.pretty_url, self._hosts) is not None


def _mitmproxys(file: BinaryIO, start: int) -> Any:
    """Return the flow at a place in a file as mitmproxy reads it. Raises whatever that leads mitmproxy into."""
    from mitmproxy.io import FlowReader

    file.seek(start)
    return next(iter(FlowReader(file).stream()))


def _first_ns(flow: "UDPFlow") -> int:
    return at_ns(flow.messages[0].timestamp, 0) if flow.messages else 0


class _UpToDamage:
    """The messages of a flow up to one that is damaged. To be iterated once."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self.damage: Malformed | None = None
        """What was wrong behind the last one, once all are read."""
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        try:
            yield from self._frames
        except Malformed as error:
            self.damage = error


def _frames(window: Window, flow: flows.Flow, advance: Callable[[int], None], opened: Opened) -> Iterator[Frame]:
    """Yield the messages of a flow that we read ourselves."""

    def unusual(values: list[Any], last_ns: int) -> Frame | None:
        message = flows.message_of(values, flow.type)
        if message.dropped and not message.content:
            return None
        return frame_of(message, opened, (), last_ns)

    assert flow.messages is not None
    return flows.frames(window, flow, opened.connection, opened.at_ns, unusual, advance)


def _frames_of_mitmproxy(flow: Any, opened: Opened) -> Iterator[Frame]:
    """Yield the messages of a flow that mitmproxy has read."""
    last_ns = opened.at_ns
    originals = [] if flow.type == "udp" else originals_of(flow)
    for i, message in enumerate(flow.messages if flow.type == "udp" else flow.websocket.messages):
        if flow.type == "udp":
            frame = packet_of(message, opened.connection, last_ns)
        # Reverse mode lets go of pieces like this: their bytes are in a later message.
        elif message.dropped and not message.content:
            continue
        else:
            frame = frame_of(message, opened, originals[i : i + 1], last_ns)
        last_ns = frame.at_ns
        yield frame


def _why(error: Exception) -> str:
    """Return why mitmproxy cannot read a flow, in its own words where they are words and not Python."""
    if isinstance(error, Malformed):
        return str(error)
    from mitmproxy.exceptions import FlowReadException

    if not isinstance(error, FlowReadException | ValueError):
        return "its parts are not in mitmproxy's form"
    # "Invalid value for sockname. Expected <class 'str'>, got …"
    said = str(error).partition(". Expected ")[0][:_LONGEST_REASON]
    return "its parts are not in mitmproxy's form" if "<class " in said else inert(said)


def opened_of(flow: "HTTPFlow | flows.Flow", connection: int, plane: Plane = Plane.GATEWAY) -> Opened:
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


def limit_of(flow: "HTTPFlow | flows.Flow", hosts: Iterable[str]) -> StartLimit | None:
    """Return what a flow without messages tells of session starts; None where it is about anything else."""
    request, response = flow.request, flow.response
    if PATH not in request.path or response is None or response.status_code != 200:
        return None
    if not any(asks_for_limit(request.method, url, hosts) for url in (request.pretty_url, request.url)):
        return None
    body = unpacked(response.raw_content or b"", response.headers.get("content-encoding", ""))
    asked_ns = at_ns(request.timestamp_start, 0)
    answered_ns = at_ns(response.timestamp_start, asked_ns)
    return None if body is None else start_limit(request.headers.get("authorization", ""), body, answered_ns)


def _knows(flow: "HTTPFlow | flows.Flow") -> Knows:
    """Return what a flow can know: its end only where it was saved after it; pings and pongs never."""
    knows = Knows.ALL & ~Knows.PINGS
    return knows if closed_of(flow, 0, 0) is not None else knows & ~Knows.END


def udp_opened_of(flow: "UDPFlow | flows.Flow", connection: int, first_ns: int = 0) -> Opened:
    """Return how a path of UDP began: live or out of a file. `first_ns`: when, if its client does not say so."""
    host, port = (flow.server_conn.address or ("", 0))[:2]
    url = udp_url(host, port)
    began_ns = at_ns(flow.client_conn.timestamp_start, first_ns)
    return Opened(connection, began_ns, Plane.MEDIA, url, _address(flow.client_conn.peername), None)


def packet_of(message: "UDPMessage | flows.Message", connection: int, last_ns: int) -> Frame:
    """Return a datagram as it was sent; `last_ns` is the time of the one before."""
    if not isinstance(message.content, bytes):
        raise Malformed("a packet is not bytes")
    at = at_ns(message.timestamp, last_ns)
    return Frame(connection, at, bool(message.from_client), False, message.content)


def is_discovery(data: bytes) -> bool:
    """Return whether a datagram is IP discovery, by which the path to a voice server is known."""
    return read_packet(data).kind == "discovery"


def frame_of(
    message: "WebSocketMessage | flows.Message",
    opened: Opened,
    original: Sequence[Any] = (),
    last_ns: int | None = None,
) -> Frame:
    """Return a message as it was sent. `original`: that of `originals_of` in a list, if there is one.

    One without a time has that of the message before it, `last_ns`, or else of the opening.
    """
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
        raise Malformed("the data of a message is not bytes")
    at = at_ns(message.timestamp, opened.at_ns if last_ns is None else last_ns)
    return Frame(opened.connection, at, bool(message.from_client), message.is_text, data, marks, forwarded)


def originals_of(flow: "HTTPFlow") -> list[Any]:
    """Return the messages as they were before the flow was edited; empty where it was not."""
    backup: Any = flow._backup
    websocket = backup.get("websocket") if isinstance(backup, Mapping) else None
    messages = websocket.get("messages") if isinstance(websocket, Mapping) else None
    return messages if isinstance(messages, list) else []


def closed_of(
    flow: "HTTPFlow | flows.Flow", connection: int, last_ns: int, idle_limit: float = IDLE_LIMIT
) -> Closed | None:
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
        # mitmproxy made the close itself. It tells the other end of a broken connection 1000.
        if code == 1006:
            marks = Mark.TOLD_1000
            how = TIMED_OUT if ended_ns - last_ns >= idle_limit * 1_000_000_000 else None
        elif code is not None and _OF_WSPROTO.match(reason):
            how = BAD_FRAME
    elif how == FORBIDDEN:
        marks = Mark.FORBIDDEN
    if how == TIMED_OUT:
        silent_s = min(round((ended_ns - last_ns) / 1e9), idle_limit)
        reason, by = f"no traffic for {silent_s:g} s, so mitmproxy closed the connection", "proxy"
    elif how == BAD_FRAME:
        reason, by = f"the {by or 'other end'} sent a bad frame: {reason}", "proxy"
    match flow.metadata.get(ENDED_BECAUSE):
        case str(why):
            reason, by = clean(why), "proxy"
    return Closed(connection, ended_ns, code, reason, by, marks)


def is_allowed(code: int) -> bool:
    """Return whether a close frame may have a code: https://www.rfc-editor.org/rfc/rfc6455#section-7.4"""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def is_reverse(client: "Client | flows.Client") -> bool:
    """Return whether a client came to a reverse mode that the user asked for, and so knows the proxy as its server."""
    mode = str(getattr(client.proxy_mode, "full_spec", ""))
    return mode.startswith("reverse:")


def reached_at(flow: "HTTPFlow | flows.Flow") -> str:
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
