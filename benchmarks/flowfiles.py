"""Flow files: what mitmproxy would have written of connections that are made up."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mitmproxy.connection import Client, Server
from mitmproxy.http import Headers, HTTPFlow, Request, Response
from mitmproxy.io import FlowWriter
from mitmproxy.websocket import WebSocketData, WebSocketMessage
from wsproto.frame_protocol import Opcode

from inspector.model import Closed, Frame, Happening, Opened

# A certificate chain is most of a short connection's flow: some kilobytes. mitmproxy parses it, so it has to be one.
_REQUEST = ((b"Host", b"gateway.discord.gg"), (b"Upgrade", b"websocket"), (b"User-Agent", b"bench/1.0"))
_RESPONSE = ((b"Upgrade", b"websocket"), (b"CF-RAY", b"8f00000000000000-XYZ"), (b"Server", b"cloudflare"))


def write_flows(happenings: Iterable[Happening], path: Path) -> None:
    """Write connections as mitmproxy does: each when it ends, those without an end last."""
    flows: dict[int, HTTPFlow] = {}
    with path.open("wb") as file:
        writer: Any = FlowWriter(file)
        for happening in happenings:
            match happening:
                case Opened(connection=connection, at_ns=at_ns, url=url):
                    flows[connection] = _flow(url, at_ns / 1e9)
                case Frame(connection=connection):
                    kind = Opcode.TEXT if happening.is_text else Opcode.BINARY
                    message = WebSocketMessage(kind, happening.from_client, happening.data, happening.at_ns / 1e9)
                    _websocket(flows[connection]).messages.append(message)
                case Closed(connection=connection, at_ns=at_ns):
                    flow = flows.pop(connection)
                    websocket = _websocket(flow)
                    websocket.close_code, websocket.close_reason = happening.code, happening.reason
                    websocket.closed_by_client = None if happening.by is None else happening.by == "client"
                    websocket.timestamp_end = at_ns / 1e9
                    writer.add(flow)
        for flow in flows.values():
            writer.add(flow)


def _websocket(flow: HTTPFlow) -> WebSocketData:
    assert flow.websocket is not None
    return flow.websocket


def _flow(url: str, at: float) -> HTTPFlow:
    client = Client(peername=("127.0.0.1", 50000), sockname=("127.0.0.1", 8080), timestamp_start=at)
    flow = HTTPFlow(client, Server(address=("gateway.discord.gg", 443), timestamp_start=at))
    path = b"/" + url.partition("://")[2].partition("/")[2].encode()
    flow.request = Request(
        *("gateway.discord.gg", 443, b"GET", b"https", b"", path, b"HTTP/1.1", Headers(_REQUEST), b"", None, at, at)
    )
    flow.response = Response(b"HTTP/1.1", 101, b"Switching Protocols", Headers(_RESPONSE), b"", None, at, at)
    flow.websocket = WebSocketData()
    return flow
