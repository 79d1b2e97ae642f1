"""The mitmproxy addon: sees gateway WebSockets go by and hands copies to the scribe.

A hook holds up the message it is called for, so hooks stamp, copy and queue, and nothing else. The recorder never
changes traffic. What `inspector.proxy.reverse` changes for a client is recorded as the server sent it. Works in
mitmproxy, mitmdump and mitmweb, on 11.0.2 and later.
"""

import ast
import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from mitmproxy import connection, ctx, exceptions, http, tls, udp, version
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import layer, layers
from mitmproxy.proxy import server as proxy_server
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.websocket import WebSocketMessage

from inspector.errors import GwinspectError
from inspector.importers.mitm import (
    IDLE_LIMIT,
    closed_of,
    is_discovery,
    limit_of,
    opened_of,
    packet_of,
    plane_of_flow,
    udp_opened_of,
)
from inspector.importers.source import at_ns
from inspector.inert import inert
from inspector.model import Closed, Control, Frame, Mark, Opened
from inspector.protocol.hosts import host_of, redirects, shape_of
from inspector.proxy.closes import Closes
from inspector.proxy.eventlog import INERT_LOG, log, make_all_inert
from inspector.proxy.intake import Stream
from inspector.proxy.recorded import RecordedFlows
from inspector.proxy.refusals import Refusals
from inspector.proxy.remote import RemoteScribe
from inspector.proxy.reverse import original_of
from inspector.proxy.scribe import ALERT, Amendment, Scribe
from inspector.proxy.upgrades import why_no_websocket, why_unreadable
from inspector.store.file import check_target
from inspector.store.lock import check_free, path_of

# Seconds of silence after which mitmproxy is to end a path of UDP. Its own 20 harm a call: its network stack forgets a
# path only 60 s after the last packet, and swallows what comes until then where the path has ended. A bot that is quiet
# for 20 s and speaks again would not be heard for as long as it speaks. Read in mitmproxy_rs 0.12.11 (its file
# src/network/udp.rs), and seen with 0.10.7 and 0.12.15.
_UDP_TIMEOUT = 90

# The code of an end without a close frame.
_BROKEN_OFF = 1006
# How an upgrade begins.
_UPGRADE = b"GET "
# How DTLS begins, and bytes of its header: RFC 6347, section 4.1.
_DTLS, _DTLS_HEADER = b"\x16\xfe", 13

# What mitmproxy says where one of its own bugs ends what it does for a connection.
_CRASHED = "mitmproxy has crashed!"
_PING = re.compile(r"^Received WebSocket (ping|pong) from (client|server) \(payload: (b.*)\)$", re.DOTALL)


class Recorder:
    """Records Discord's WebSockets into a capture."""

    def __init__(self, make_scribe: Callable[..., Scribe | RemoteScribe] = RemoteScribe) -> None:
        """`make_scribe` takes the capture's path, `keep_secrets` and `max_concurrency`."""
        self._make_scribe = make_scribe
        # mitmproxy copies an option's value at each look, which is too dear for each message.
        self._trims = False
        self._scribe: Scribe | RemoteScribe | None = None
        self._streams: dict[str, _Flow] = {}
        self._paths: dict[str, _Path] = {}
        self._foreign: set[str] = set()
        self._crashed: set[object] = set()
        self._closes = Closes(lambda flow: flow.id in self._streams, self._closed, _idle_limit)
        self._refusals = Refusals(self._refused, lambda: ctx.options.gwinspect_hosts)
        self._log = _LogListener(self)
        self.flows = RecordedFlows()

    @property
    def capture(self) -> Path | None:
        """The file that is being written; None while nothing is recorded."""
        return None if self._scribe is None else self._scribe.path

    def load(self, loader: Loader) -> None:
        if os.environ.get(INERT_LOG):
            make_all_inert()
        loader.add_option(
            "gwinspect_capture",
            str,
            "",
            "Capture file for Discord gateway traffic; an existing one is continued. "
            "Default: gwinspect-DATE-TIME.gwcap in the current folder.",
        )
        loader.add_option(
            "gwinspect_hosts",
            Sequence[str],
            [],
            "More hosts whose WebSockets are Discord gateways, such as your own server: HOST, HOST:PORT or *.HOST.",
        )
        loader.add_option(
            "gwinspect_keep_secrets",
            bool,
            False,
            "Keep secrets in the capture. Default: they are masked before they are stored.",
        )
        loader.add_option(
            "gwinspect_max_concurrency",
            int,
            0,
            "How many shards the bot may start within 5 seconds (max_concurrency of GET /gateway/bot). Default: not "
            "known.",
        )
        loader.add_option(
            "gwinspect_media",
            bool,
            True,
            "Record the UDP packets of voice calls too, in modes of mitmproxy that carry UDP: some 30 MB an hour for "
            "each voice, much more for video.",
        )
        loader.add_option(
            "gwinspect_closes",
            bool,
            True,
            "Pass closes on as they are: a broken connection is broken for the other end too. If off, mitmproxy sends "
            "1000 (Normal Closure), and clients start a new session instead of resuming.",
        )
        loader.add_option(
            "gwinspect_trim",
            bool,
            False,
            "Drop messages from mitmproxy once gwinspect has them, so that memory stays flat over days. "
            "mitmproxy's own views and -w then lack them.",
        )

    def configure(self, updated: set[str]) -> None:
        self._trims = ctx.options.gwinspect_trim
        if "gwinspect_capture" in updated and ctx.options.gwinspect_capture:
            wanted = Path(ctx.options.gwinspect_capture).expanduser()
            try:
                check_target(wanted)
                # At the start `running` says it: mitmproxy would put a traceback round what is raised here.
                if self._scribe is not None and path_of(self._scribe.path) != path_of(wanted):
                    check_free(wanted)
            except GwinspectError as error:
                raise exceptions.OptionsError(inert(str(error))) from error
            if self._scribe is not None:
                self._finish()
                self.running()

        if "gwinspect_closes" in updated and self._scribe is not None:
            self._keep_closes()

    def running(self) -> None:
        if self._scribe is not None:
            return
        if ctx.options.deferred:
            # mitmproxy passes over them silently. Not an error, which would end it: they may be in its config.yaml.
            log.warning("gwinspect: mitmproxy has no option %s; check --set", ", ".join(ctx.options.deferred))
        name = ctx.options.gwinspect_capture or f"gwinspect-{datetime.now():%Y%m%d-%H%M%S}.gwcap"
        try:
            scribe = self._make_scribe(
                Path(name).expanduser(),
                keep_secrets=ctx.options.gwinspect_keep_secrets,
                max_concurrency=ctx.options.gwinspect_max_concurrency or None,
            )
        except GwinspectError as error:
            log.error("gwinspect: nothing is recorded: %s", error)
            return
        proxy_server.UDP_TIMEOUT = _UDP_TIMEOUT
        scribe.on_close = self.flows.close
        scribe.start()
        self._scribe = scribe
        self._log.install()
        self._keep_closes()
        log.info("gwinspect: recording Discord gateways into %s", scribe.path)

    def done(self) -> None:
        self._finish()

    def websocket_start(self, flow: http.HTTPFlow) -> None:
        self._begin(flow)

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        if flow.id in self._foreign:
            return
        seen = self._streams.get(flow.id) or self._begin(flow, joined=True)
        if seen is None:
            return
        assert flow.websocket is not None
        seen.check_last()
        seen.take(flow.websocket.messages[-1])
        if self._trims:
            # The last one stays: mitmproxy's own addons look at it after us.
            del flow.websocket.messages[:-1]

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        self._foreign.discard(flow.id)
        self._closed(flow)
        self._streams.pop(flow.id, None)

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Have media relayed as they are. Else mitmproxy would pass them by, or take DTLS for something to open.

        And have the beginning of a request to a gateway taken for one. mitmproxy passes it by where its first line does
        not come whole, in a long URL say.

        What it passes by should pass at once. mitmproxy 11.0.2 holds datagrams back that are too short to tell whether
        they are DTLS, until more come, and never asks whether they begin like it.
        """
        context, data = nextlayer.context, nextlayer.data_client()
        if context.client.transport_protocol != "udp":
            if nextlayer.layer is None and _begins_request(context, data):
                nextlayer.layer = layers.HttpLayer(context, HTTPMode.transparent)
            return
        if self._is_media(context.server, data):
            nextlayer.layer = layers.UDPLayer(context)
        elif len(data) < _DTLS_HEADER and not data.startswith(_DTLS) and _is_passed_by(context):
            nextlayer.layer = layers.UDPLayer(context, ignore=not ctx.options.show_ignored_hosts)

    def udp_message(self, flow: udp.UDPFlow) -> None:
        path = self._paths.get(flow.id)
        if path is None:
            path = self._begin_path(flow)
            if path is None:
                return
        else:
            path.take(flow.messages[-1])
        if self._trims:
            del flow.messages[:-1]

    def udp_end(self, flow: udp.UDPFlow) -> None:
        path = self._paths.pop(flow.id, None)
        if path is not None:
            path.put(Closed(path.stream.connection, time.time_ns(), None))

    def udp_error(self, flow: udp.UDPFlow) -> None:
        self.udp_end(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        if flow.response.status_code != 101:
            self._refusals.upgrade(flow)
            if self._scribe is not None and (limit := limit_of(flow, ctx.options.gwinspect_hosts)) is not None:
                self._scribe.learn_limit(limit)
        elif flow.websocket is None:
            self._refusals.upgrade(flow, why_no_websocket(flow))
        elif (why := why_unreadable(flow)) is not None and self._is_gateway(flow):
            self._refusals.upgrade(flow, why)
            # mitmproxy would fail over it, and leave both ends waiting.
            flow.kill()

    def error(self, flow: http.HTTPFlow) -> None:
        if flow.websocket is None:
            self._refusals.upgrade(flow)

    def http_connect_error(self, flow: http.HTTPFlow) -> None:
        self._refusals.connect(flow)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        self._refusals.client_tls(data)

    def tls_failed_server(self, data: tls.TlsData) -> None:
        self._refusals.server_tls(data)

    def client_disconnected(self, client: connection.Client) -> None:
        self._refusals.left(client)
        self._crashed.discard(client.peername)

    def ping(self, client: object, from_client: bool, name: str, data: bytes) -> None:
        """Record a ping or pong on the connection of the client at the address `client`."""
        for seen in self._streams.values():
            if seen.client == client:
                assert name in ("ping", "pong")
                seen.put(Control(seen.stream.connection, time.time_ns(), from_client, name, data))  # type: ignore[arg-type]

    def crashed(self, client: object) -> None:
        """End what we follow of the client at the address `client`, as mitmproxy failed over it.

        mitmproxy keeps such a connection for ten minutes, does nothing more with it, and has no hook for its end.
        """
        # It may have failed between the answer to an upgrade and the hook for the WebSocket.
        self._crashed.add(client)
        for number, seen in list(self._streams.items()):
            if client is not None and seen.client == client:
                seen.check_last()
                if not seen.closed:
                    why = "mitmproxy failed on this connection, and the proxy ended it; mitmproxy's log says more"
                    seen.put(Closed(seen.stream.connection, time.time_ns(), _BROKEN_OFF, why, "proxy"))
                del self._streams[number]
                _cut_off(client)

    def _is_gateway(self, flow: http.HTTPFlow) -> bool:
        return plane_of_flow(flow, ctx.options.gwinspect_hosts) is not None

    def _keep_closes(self) -> None:
        """Have closes pass as they are, or leave them to mitmproxy, as the option says."""
        if not ctx.options.gwinspect_closes:
            self._closes.uninstall()
            return
        why = self._closes.install()
        if why is not None:
            log.log(
                ALERT,
                "gwinspect: mitmproxy %s is not built as expected (%s), so it sends 1000 to the other end of a broken "
                "connection; rows of such closes say so",
                version.VERSION,
                why,
            )

    def _closed(self, flow: http.HTTPFlow) -> None:
        """Record how a connection ends, once: with the first close frame. The other end may say more after that."""
        seen = self._streams.get(flow.id)
        if seen is None or flow.websocket is None:
            return
        seen.check_last()
        if seen.closed:
            return
        closed = closed_of(flow, seen.stream.connection, seen.last_ns, _idle_limit())
        if closed is not None:
            seen.closed = True
            seen.put(closed)

    def _begin(self, flow: http.HTTPFlow, *, joined: bool = False) -> "_Flow | None":
        """Begin to follow `flow` if it is a gateway's, or may be. `joined`: its beginning passed without us."""
        if self._scribe is None:
            # mitmproxy listens a moment before it is running. What is said until then is taken with the next message.
            return None
        url = flow.request.pretty_url
        plane = plane_of_flow(flow, ctx.options.gwinspect_hosts)
        guess = plane or shape_of(url)
        if guess is None:
            self._foreign.add(flow.id)
            self._scribe.saw(host_of(url))
            return None
        stream = self._scribe.begin(host_of(url), certain=plane is not None)
        seen = _Flow(self._scribe, stream, flow.client_conn.peername)
        self._streams[flow.id] = seen
        self.flows.add(flow, stream)
        seen.put(opened_of(flow, stream.connection, guess))
        if joined and flow.websocket is not None:
            # The addon was loaded, or loaded again, into a running mitmproxy. It still has what was said so far.
            for message in flow.websocket.messages[:-1]:
                seen.take(message)
        if flow.client_conn.state is connection.ConnectionState.CLOSED and flow.websocket.timestamp_end is None:
            # mitmproxy was already through with the client, and has no hook for the end of what it asked for. Of a flow
            # that was loaded from a file it has one.
            seen.put(Closed(stream.connection, time.time_ns(), _BROKEN_OFF, "", "client"))
            del self._streams[flow.id]
        elif seen.client in self._crashed:
            self.crashed(seen.client)
        return seen

    def _begin_path(self, flow: udp.UDPFlow) -> "_Path | None":
        """Begin to follow `flow` if it leads to a voice server; take what mitmproxy has of it so far."""
        if self._scribe is None:
            return None
        if not self._is_media(flow.server_conn, flow.messages[-1].content):
            return None
        stream = self._scribe.begin(str(flow.server_conn.address), certain=True)
        path = self._paths[flow.id] = _Path(self._scribe, stream)
        path.put(udp_opened_of(flow, stream.connection))
        for message in flow.messages:
            path.take(message)
        return path

    def _is_media(self, server: connection.Server, data: bytes) -> bool:
        """Say whether a datagram to or from `server` is of a voice call: its gateway named the address, or it shows.

        mitmproxy ends a path after a minute of silence, and the next to the same place begins in the middle of a call.
        So where IP discovery went is remembered.
        """
        if self._scribe is None or not ctx.options.gwinspect_media or not server.address:
            return False
        host, port = server.address[:2]
        if (host, port) in self._scribe.media:
            return True
        if not is_discovery(data):
            return False
        self._scribe.learn(host, port)
        return True

    def _refused(self, opened: Opened) -> None:
        if self._scribe is not None:
            self._scribe.refuse(opened)

    def _finish(self) -> None:
        if self._scribe is None:
            return
        self._log.uninstall()
        self._closes.uninstall()
        self._refusals.finish()
        for seen in self._streams.values():
            if not seen.closed:
                seen.put(Closed(seen.stream.connection, time.time_ns(), None, "mitmproxy was stopped", "proxy"))
        for path in self._paths.values():
            path.put(Closed(path.stream.connection, time.time_ns(), None, "mitmproxy was stopped", "proxy"))
        self._streams.clear()
        self._paths.clear()
        self._scribe.stop()
        self._scribe = None


class _Flow:
    """One followed WebSocket, on the side of the hooks."""

    __slots__ = ("_last", "_scribe", "client", "closed", "last_ns", "stream")

    def __init__(self, scribe: Scribe | RemoteScribe, stream: Stream, client: object) -> None:
        self._scribe = scribe
        self._last: tuple[WebSocketMessage, bytes] | None = None
        self.stream = stream
        self.client = client
        self.closed = False
        """How it ends has been recorded."""
        self.last_ns = time.time_ns()

    def put(self, what: Opened | Frame | Control | Closed | Amendment) -> bool:
        return self._scribe.put(self.stream, what)

    def take(self, message: WebSocketMessage) -> None:
        """Copy one message. Bytes are immutable, so the copy is a reference."""
        content = message.content
        marks = Mark.NONE
        forwarded = None
        original = original_of(message)
        if original is not None:
            # Bytes that are only compressed again say the same, and are not kept.
            if original.changed:
                marks, forwarded = Mark.CHANGED, content
            self._last = None if original.held else (message, content)
            content = original.data
        elif message.injected or message.dropped:
            marks = (Mark.INJECTED if message.injected else marks) | (Mark.DROPPED if message.dropped else marks)
        else:
            self._last = message, content
        self.last_ns = at_ns(message.timestamp, self.last_ns)
        frame = Frame(
            self.stream.connection, self.last_ns, message.from_client, message.is_text, content, marks, forwarded
        )
        if not self.put(frame):
            # What becomes of it need not be noted.
            self._last = None

    def check_last(self) -> None:
        """Note what addons after us, or a person, did to the message before. It has been forwarded by now."""
        if self._last is None:
            return
        message, content = self._last
        self._last = None
        if message.dropped:
            self.put(Amendment(Mark.DROPPED, None))
        elif message.content is not content and message.content != content:
            self.put(Amendment(Mark.CHANGED, message.content))


class _Path:
    """One followed path of UDP, on the side of the hooks."""

    __slots__ = ("_last_ns", "_scribe", "stream")

    def __init__(self, scribe: Scribe | RemoteScribe, stream: Stream) -> None:
        self._scribe = scribe
        self._last_ns = time.time_ns()
        self.stream = stream

    def put(self, what: Opened | Frame | Closed) -> None:
        self._scribe.put(self.stream, what)

    def take(self, message: udp.UDPMessage) -> None:
        frame = packet_of(message, self.stream.connection, self._last_ns)
        self._last_ns = frame.at_ns
        self.put(frame)


class _LogListener(logging.Handler):
    """Pings have no hook in mitmproxy, and failures of its own neither; its log is the one place where they show."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(logging.INFO)
        self._recorder = recorder

    def install(self) -> None:
        logging.getLogger("mitmproxy.proxy.server").addHandler(self)

    def uninstall(self) -> None:
        logging.getLogger("mitmproxy.proxy.server").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith(_CRASHED):
            self._recorder.crashed(getattr(record, "client", None))
            return
        if not message.startswith("Received WebSocket p"):
            return
        found = _PING.match(message)
        if found is not None:
            data = ast.literal_eval(found[3])
            self._recorder.ping(getattr(record, "client", None), found[2] == "client", found[1], data)


def _cut_off(client: object) -> None:
    """Hang up on a client and on the server that it spoke to."""
    try:
        for handler in list(ctx.master.addons.get("proxyserver").connections.values()):
            if handler.client.peername == client:
                for transport in list(handler.transports.values()):
                    transport.handler.cancel("gwinspect: mitmproxy failed on it")
    except AttributeError as error:
        log.error("gwinspect: mitmproxy failed on a connection, and it could not be ended (%r)", error)


def _begins_request(context: Context, data: bytes) -> bool:
    """Say whether a connection to a gateway begins with what may be the first line of an upgrade, not yet whole."""
    if not context.server.address or b"\n" in data or not data or not _UPGRADE.startswith(data[: len(_UPGRADE)]):
        return False
    host, port = context.server.address[:2]
    return any(each.matches(host, port) for each in redirects(ctx.options.gwinspect_hosts))


def _is_passed_by(context: Context) -> bool:
    """Say whether `allow_hosts` has mitmproxy leave a destination alone, as far as its address tells."""
    allowed, address = ctx.options.allow_hosts, context.server.address
    if not allowed or not address or context.client.sni:
        return False
    return not any(re.search(each, f"{address[0]}:{address[1]}", re.IGNORECASE) for each in allowed)


def _idle_limit() -> float:
    """Return the seconds without traffic after which mitmproxy gives a connection up: an option since 12.2.1."""
    constant = getattr(proxy_server, "TCP_TIMEOUT", IDLE_LIMIT)
    return float(getattr(ctx.options, "tcp_timeout", constant))
