"""Keeps sessions behind the proxy in mitmproxy's reverse mode, as an addon of its own.

READY tells a client where to resume: at a host of Discord's, past a proxy that it only reached by being told to connect
to it. So the client is told the proxy's own address, with the host in the path (``ws://127.0.0.1:8080/gwinspect-resume/
gateway-us-east1-b.discord.gg``), and what comes back there is led to that host. The path survives what libraries do to
this URL: discord.py replaces its query, hikari rebuilds it, discord.js and eris append to its text.

The rules: only hosts that a READY named are ever led to, so this is no open relay. Only listeners that the user asked
for are touched. It is to be loaded before the recorder, which asks `original_of` what the server really sent.
"""

import asyncio
import re
from collections.abc import MutableMapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from weakref import WeakKeyDictionary

from mitmproxy import connection, ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import events, layer
from mitmproxy.websocket import WebSocketMessage

from inspector.importers.mitm import ENDED_BECAUSE, is_reverse, reached_at
from inspector.model import REACHED_AT, Plane
from inspector.protocol.hosts import plane_of, shape_of
from inspector.proxy.eventlog import log
from inspector.proxy.rewriting import Rewriter

# What is before the host in the path that a client is told.
PREFIX = "/gwinspect-resume/"
# Hosts that are remembered for each listener.
MAX_HOSTS = 1000

_HOST_HEADER = re.compile(rb"\r\nHost:[ \t]*([^\r\n]+?)[ \t]*\r\n", re.IGNORECASE)
# A host name or an address, perhaps with a port, and nothing that would mean more in a URL.
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_PORTS = {"ws": 80, "wss": 443}


class Upstream(NamedTuple):
    """Where a READY sent its client."""

    scheme: str
    """As mitmproxy has it: http or https."""
    host: str
    port: int


class Original(NamedTuple):
    """What the server sent, where the client got other bytes."""

    data: bytes
    changed: bool
    """What it says was changed; else it is only compressed again."""
    held: bool
    """The client gets it with a later message."""


# These outlive the addon: mitmproxy loads a script again when its file changes, and a client whose stream is ours
# cannot read any other.
_rewriters: dict[str, Rewriter] = {}
_originals: MutableMapping[WebSocketMessage, Original] = WeakKeyDictionary()
_handed_out: dict[str, dict[str, Upstream]] = {}


def original_of(message: WebSocketMessage) -> Original | None:
    """Return what the server sent in place of `message`; None where that is the very same."""
    # Mostly nothing is rewritten, and a look into weak references costs each message most of a microsecond.
    return _originals.get(message) if _rewriters else None


class Reverse:
    """Rewrites the resume URL for clients of a reverse mode, and leads them to where it pointed."""

    def __init__(self) -> None:
        self._asked_for: dict[str, str] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def load(self, loader: Loader) -> None:
        loader.add_option(
            "gwinspect_rewrite",
            bool,
            True,
            "In reverse mode, tell clients to resume at this proxy, so that their sessions stay behind it.",
        )

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Remember by which name the client reached us: mitmproxy overwrites the header before any hook for it."""
        client = nextlayer.context.client
        if is_reverse(client) and (found := _HOST_HEADER.search(nextlayer.data_client())):
            self._asked_for[client.id] = found[1].decode("latin-1")

    def client_disconnected(self, client: connection.Client) -> None:
        self._asked_for.pop(client.id, None)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if not is_reverse(flow.client_conn):
            return
        self._note_address(flow)
        if flow.request.path.startswith(PREFIX):
            _lead(flow)

    def websocket_start(self, flow: http.HTTPFlow) -> None:
        if not is_reverse(flow.client_conn) or not ctx.options.gwinspect_rewrite:
            return
        # The same, unless the user has mitmproxy keep the client's Host header.
        url = flow.request.pretty_url
        if not any(_is_main_gateway(each) for each in (url, flow.request.url)):
            return
        listener, address = flow.client_conn.proxy_mode.full_spec, reached_at(flow)
        _rewriters[flow.id] = Rewriter(url, lambda resume_url: _hand_out(listener, address, resume_url))

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        rewriter = _rewriters.get(flow.id)
        if rewriter is None:
            return
        assert flow.websocket is not None
        message = flow.websocket.messages[-1]
        if message.injected or message.dropped:
            return
        data = message.content
        if message.from_client:
            rewriter.client_said(data)
            return
        passed = rewriter.server_said(data, is_text=message.is_text)
        if passed.broken:
            message.drop()
            self._end(flow, passed.broken)
        elif passed.data is None:
            # Without bytes of its own, so that it disturbs no one who reads mitmproxy's flows: a later one has them.
            message.drop()
            message.content = b""
            _originals[message] = Original(data, False, True)
        elif passed.data is not data:
            message.content = passed.data
            _originals[message] = Original(data, passed.changed, False)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        _rewriters.pop(flow.id, None)

    def _note_address(self, flow: http.HTTPFlow) -> None:
        """Note where the client reached us, where that is not the very address that we listen on.

        In TLS its Host header is gone by now: the name is that of the handshake, the port the one we listen on.
        """
        client = flow.client_conn
        named = self._asked_for.get(client.id, "")
        if client.sni and client.sockname:
            named = f"{client.sni}:{client.sockname[1]}"
        if _AUTHORITY.fullmatch(named):
            flow.metadata[REACHED_AT] = f"{'wss' if client.tls else 'ws'}://{named}"

    def _end(self, flow: http.HTTPFlow, why: str) -> None:
        """End a connection whose server can no longer be understood: nothing that we send would be what it said."""
        if ENDED_BECAUSE in flow.metadata:
            return
        reason = f"the proxy ended this connection, as the server's stream could not be read: {why}"
        flow.metadata[ENDED_BECAUSE] = reason
        log.warning("gwinspect: %s", reason)
        server: Any = ctx.master.addons.get("proxyserver")
        try:
            handler = server.connections[flow.client_conn.id]
            # What mitmproxy does itself where the server's end of the line is lost.
            closing = handler.server_event(events.ConnectionClosed(flow.server_conn))
            task = asyncio.get_running_loop().create_task(closing)
        except (AttributeError, KeyError, RuntimeError) as error:
            log.error("gwinspect: the connection could not be ended (%r); its client gets no more messages", error)
            return
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _is_main_gateway(url: str) -> bool:
    """Return whether a URL leads to a main gateway, or looks as if it did: then it is one, or has no READY."""
    return (plane_of(url, ctx.options.gwinspect_hosts) or shape_of(url)) is Plane.GATEWAY


def _hand_out(listener: str, address: str, resume_url: str) -> str | None:
    """Return the URL for the client, and remember where it leads; None for what is no WebSocket's URL."""
    parts = _split(resume_url)
    if parts is None:
        return None
    hosts = _handed_out.setdefault(listener, {})
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    hosts.pop(parts.netloc, None)
    hosts[parts.netloc] = Upstream("https" if parts.scheme == "wss" else "http", host, port)
    if len(hosts) > MAX_HOSTS:
        del hosts[next(iter(hosts))]
    return f"{address}{PREFIX}{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        usable = url.isascii() and parts.scheme in _PORTS and _AUTHORITY.fullmatch(parts.netloc) and parts.port != 0
    except ValueError:
        return None
    return parts if usable and parts.hostname else None


def _lead(flow: http.HTTPFlow) -> None:
    """Send an upgrade to the host that its path names, if a READY named it here, and take that out of the path."""
    request = flow.request
    cut = re.split(r"(?=[/?])", request.path.removeprefix(PREFIX), maxsplit=1)
    name, rest = unquote(cut[0]), cut[1] if len(cut) > 1 else ""
    request.path = rest if rest.startswith("/") else "/" + rest
    upstream = _handed_out.get(flow.client_conn.proxy_mode.full_spec, {}).get(name)
    if upstream is None:
        log.warning("gwinspect: a client resumes at a host that no READY here named; it is sent to %s", request.host)
        return
    request.scheme, request.host, request.port = upstream
    # mitmproxy writes the header too, but not so that an IPv6 address can be read in it.
    request.host_header = name
