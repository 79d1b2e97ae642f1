"""Attempts that came to nothing: one row each, whatever number of hooks mitmproxy calls for it.

Where TLS with the server fails, mitmproxy continues with the client, and answers its upgrade with 502: so what failed
first waits for what the client wanted, or for the client to leave.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from weakref import WeakSet

from mitmproxy import connection, http, tls

from inspector.importers.mitm import opened_of, plane_of_flow
from inspector.importers.refusals import why_no_tls, why_no_tls_with_client, why_refused
from inspector.model import Opened, Plane
from inspector.protocol.hosts import is_discord, plane_of

_BAD_GATEWAY = 502


class Refusals:
    """Tells `put` of each attempt, without a number. `hosts` returns the user's own."""

    def __init__(self, put: Callable[[Opened], object], hosts: Callable[[], Sequence[str]]) -> None:
        self._put = put
        self._hosts = hosts
        self._waiting: dict[str, Opened] = {}
        # An answer that is cut off is one to mitmproxy first, and then an error.
        self._told: WeakSet[http.HTTPFlow] = WeakSet()

    def upgrade(self, flow: http.HTTPFlow, why: str | None = None) -> None:
        """Take in an upgrade that was refused, by either side or the proxy. `why`: where the answer does not say it."""
        if flow in self._told or flow.request.headers.get("upgrade", "").lower() != "websocket":
            return
        plane = plane_of_flow(flow, self._hosts())
        if plane is None:
            return
        self._told.add(flow)
        failed = self._waiting.pop(flow.client_conn.id, None)
        opened = opened_of(flow, 0, plane)
        if failed is not None:
            why = failed.refusal
        self._put(opened if why is None else replace(opened, refusal=why))

    def connect(self, flow: http.HTTPFlow) -> None:
        """Take in that a client asked for a tunnel to a gateway, and the proxy could not connect."""
        host, port = flow.request.host, flow.request.port
        url = _url(host, port)
        plane = plane_of(url, self._hosts())
        if plane is None:
            return
        answer = flow.response
        if answer is not None and answer.status_code != _BAD_GATEWAY:
            why = f"the proxy refused the client's CONNECT: HTTP {answer.status_code} {answer.reason}".rstrip()
        else:
            said = flow.server_conn.error or (answer and answer.get_text(strict=False)) or ""
            why = why_refused(said, f"{host}:{port}")
        self._put(_opened(url, plane, flow.client_conn, why))

    def server_tls(self, data: tls.TlsData) -> None:
        """Take in that TLS with a server failed."""
        failed = self._no_tls(data, why_no_tls(data.conn.error or ""))
        if failed is not None:
            self._waiting[data.context.client.id] = failed

    def client_tls(self, data: tls.TlsData) -> None:
        """Take in that TLS with a client failed."""
        # One attempt, one row: what was wrong with the server's TLS it never got to know.
        self._waiting.pop(data.context.client.id, None)
        failed = self._no_tls(data, why_no_tls_with_client(data.conn.error or ""))
        if failed is not None:
            self._put(failed)

    def left(self, client: connection.Client) -> None:
        """Take in that a client has gone."""
        failed = self._waiting.pop(client.id, None)
        if failed is not None:
            self._put(failed)

    def finish(self) -> None:
        """Tell what still waits."""
        for failed in self._waiting.values():
            self._put(failed)
        self._waiting.clear()

    def _no_tls(self, data: tls.TlsData, why: str) -> Opened | None:
        address = data.context.server.address
        host = data.conn.sni or data.context.client.sni or (address[0] if address else "")
        if not host or not is_discord(host, self._hosts()):
            return None
        url = _url(host, address[1] if address else 443)
        return _opened(url, plane_of(url, self._hosts()) or Plane.GATEWAY, data.context.client, why)


def _opened(url: str, plane: Plane, client: connection.Client, refusal: str) -> Opened:
    peer = client.peername
    return Opened(0, time.time_ns(), plane, url, f"{peer[0]}:{peer[1]}" if peer else None, None, refusal)


def _url(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"wss://{name}/" if port == 443 else f"wss://{name}:{port}/"
