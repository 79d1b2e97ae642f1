"""Clients that a launch hook led to the proxy: they speak to it as to the gateway itself, without CONNECT.

A hook (`inspector.proxy.launch`) only changes where a connection goes. What the client says first still names the
gateway: the SNI of its TLS handshake, or the Host header where there is no TLS. So mitmproxy is told that a CONNECT to
that name came first, and from there on all is as with any client of an HTTP proxy, behind another proxy too. Only
names of gateways are taken: for others the proxy is no way out.
"""

import re
from typing import Any

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import HttpLayer, modes
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.tls import parse_client_hello

from inspector.protocol.hosts import redirects
from inspector.proxy.launch.reports import port_of

# Bytes of a request's head, or of a ClientHello, that are waited for before it is left to mitmproxy.
_MAX_HEAD = 32 * 1024

_REQUEST = re.compile(rb"[A-Z]{3,20} /")
_HOST = re.compile(rb"\r\nhost:[ \t]*([^\r\n]+?)[ \t]*\r\n", re.IGNORECASE)


class Direct:
    """A mitmproxy addon: takes connections that begin as to a gateway itself, in the modes regular and upstream."""

    def load(self, loader: Loader) -> None:
        loader.add_option(
            "gwinspect_hooks",
            str,
            "",
            "File that the hooks of a client started by gwinspect write their reports to.",
        )

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """mitmproxy's hook: it is to be decided what a connection speaks."""
        context, data = nextlayer.context, nextlayer.data_client()
        if nextlayer.layer is not None or len(context.layers) != 1:
            return
        if isinstance(context.layers[0], modes.HttpProxy | modes.HttpUpstreamProxy) and _begins_directly(data):
            target = _target(data)
            if target is Ellipsis:
                nextlayer.layer = _Waiting(context)
            elif target is not None:
                nextlayer.layer = AsIfConnect(context, target)


class AsIfConnect(layer.Layer):  # type: ignore[misc]
    """Puts a CONNECT before what the client says, and keeps the answer to it from the client."""

    def __init__(self, context: Context, target: str) -> None:
        super().__init__(context)
        upstream = isinstance(context.layers[0], modes.HttpUpstreamProxy)
        self._http = HttpLayer(context, HTTPMode.upstream if upstream else HTTPMode.regular)
        self._connect = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()
        self._opened = self._refused = False

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if self._connect and isinstance(event, events.DataReceived):
            event = events.DataReceived(event.connection, self._connect + event.data)
            self._connect = b""
        for command in self._http.handle_event(event):
            to_client = isinstance(command, commands.SendData) and command.connection is self.context.client
            if self._opened or not to_client:
                yield command
            elif command.data.startswith(b"HTTP/1.1 200"):
                self._opened = True
            elif not self._refused:
                # No way to tell the client what is wrong: it waits for the gateway's own handshake.
                self._refused = True
                yield commands.CloseConnection(self.context.client)


class _Waiting(layer.Layer):  # type: ignore[misc]
    """Holds back the beginning of a connection until it is whole: mitmproxy would decide without it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._data = b""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            self._data += event.data
            if _target(self._data) is Ellipsis:
                return
            event = events.DataReceived(event.connection, self._data)
        elif isinstance(event, events.Start):
            return
        # Asked again, `Direct` and mitmproxy's own addon decide on all there is.
        self.context.layers.remove(self)
        child = layer.NextLayer(self.context)
        self._handle_event = child.handle_event  # type: ignore[method-assign]
        yield from child.handle_event(events.Start())
        yield from child.handle_event(event)


def _begins_directly(data: bytes) -> bool:
    return starts_like_tls_record(data) or _REQUEST.match(data) is not None


def _target(data: bytes) -> Any:
    """Return ``host:port`` of the gateway that the first bytes of a connection are for, None where they are for none.

    Ellipsis where that cannot be told before more has come.
    """
    wanted = redirects(ctx.options.gwinspect_hosts)
    if starts_like_tls_record(data):
        try:
            hello = parse_client_hello(data)
        except ValueError:
            return None
        if hello is None:
            return ... if len(data) < _MAX_HEAD else None
        name = hello.sni or ""
        found = next((each for each in wanted if each.matches(name)), None)
        if found is None:
            return None
        # The handshake does not say which port was meant. The hook has written it down.
        reported = port_of(ctx.options.gwinspect_hooks, name) if ctx.options.gwinspect_hooks else None
        return f"{name}:{reported or (found.ports[-1] if found.ports else 443)}"
    host = _HOST.search(data)
    if host is None:
        return None if b"\r\n\r\n" in data or len(data) >= _MAX_HEAD else ...
    name, _, port = host[1].decode("ascii", "replace").rpartition(":")
    if not port.isdecimal():
        name, port = host[1].decode("ascii", "replace"), "80"
    return f"{name}:{port}" if any(each.matches(name, int(port)) for each in wanted) else None
