"""Every way in which a gateway connection does not come about: one attempt is one row, which says whose side it is."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from inspector.model import Event
from inspector.proxy.mitmdump import Proxy, Settings, free_port
from tests.rows import rows_in

pytestmark = pytest.mark.e2e

# Seconds that a client waits for what must come.
LIMIT = 20
NOWHERE = "nowhere.invented.example"
# Fails as a resolver does that knows no such name, without asking one.
NO_SUCH_NAME = f"""
import socket

ask = socket.getaddrinfo


def getaddrinfo(host, *more, **named):
    if host in ({NOWHERE!r}, {NOWHERE.encode()!r}):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return ask(host, *more, **named)


socket.getaddrinfo = getaddrinfo
"""


class Upstream:
    """Servers that refuse, each in its own way, and a proxy that trusts one authority."""

    def __init__(self, ports: dict[str, int], proxy: Proxy) -> None:
        self.ports = ports
        self.proxy = proxy

    async def attempt(self, name: str, *, tls: bool = True, trust: bool = True) -> bytes:
        """Ask for a WebSocket through the proxy, as clients do, and return what comes back."""
        host = NOWHERE if name == "nowhere" else "localhost"
        authority = f"{host}:{self.ports[name]}"
        async with asyncio.timeout(LIMIT):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.settings.port)
            try:
                writer.write(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
                answer = await reader.readuntil(b"\r\n\r\n")
                if b" 200 " not in answer.split(b"\r\n")[0]:
                    return answer
                if tls:
                    context = ssl.create_default_context()
                    if trust:
                        context.load_verify_locations(self.proxy.ca_path)
                    await writer.start_tls(context, server_hostname=host)
                writer.write(
                    f"GET /?v=10&encoding=json&case={name} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                    "Sec-WebSocket-Version: 13\r\n\r\n".encode()
                )
                return await reader.readuntil(b"\r\n\r\n")
            except (ssl.SSLError, OSError, asyncio.IncompleteReadError) as error:
                return repr(error).encode()
            finally:
                writer.close()


@asynccontextmanager
async def upstream(folder: Path, **options: str) -> AsyncIterator[Upstream]:
    trusted, other = trustme.CA(), trustme.CA()
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificates = {
        "untrusted": other.issue_cert("localhost"),
        "expired": trusted.issue_cert("localhost", not_after=past),
        "misnamed": trusted.issue_cert("another.invented.example"),
        **{f"status-{status}": trusted.issue_cert("localhost") for status in (403, 429, 503)},
        "hangs-up": trusted.issue_cert("localhost"),
        "distrusted": trusted.issue_cert("localhost"),
    }
    servers = []
    ports = {"nobody": free_port("127.0.0.1"), "nowhere": 443}
    for name in (*certificates, "plain", "plain-hangs-up"):
        context = None
        if name in certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificates[name].configure_cert(context)
        servers.append(await asyncio.start_server(_refuser(name), "127.0.0.1", 0, ssl=context))
        ports[name] = servers[-1].sockets[0].getsockname()[1]
    ca, script = folder / "ca.pem", folder / "names.py"
    trusted.cert_pem.write_to_path(str(ca))
    script.write_text(NO_SUCH_NAME, "utf-8")
    settings = Settings(
        folder / "refusals.gwcap",
        port=free_port("127.0.0.1"),
        hosts=("localhost", NOWHERE),
        scripts=(script,),
        options={"confdir": str(folder / "mitmproxy"), "ssl_verify_upstream_trusted_ca": str(ca), **options},
        log=folder / "proxy.log",
    )
    proxy = Proxy(settings)
    await asyncio.to_thread(proxy.__enter__)
    try:
        yield Upstream(ports, proxy)
    finally:
        await asyncio.to_thread(proxy.__exit__, None, None, None)
        for server in servers:
            server.close()


def _refuser(name: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            if name.endswith("hangs-up"):
                await reader.read(1)
            elif name == "plain":
                await reader.read(100)
                writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            else:
                await reader.readuntil(b"\r\n\r\n")
                status = name.rpartition("-")[2]
                writer.write(f"HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    return meet


async def test_each_attempt_is_one_row_that_says_whose_side_it_is(tmp_path: Path) -> None:
    async with upstream(tmp_path) as there:
        for name in there.ports:
            await there.attempt(name, trust=name != "distrusted")
    names = {str(port): name for name, port in there.ports.items()}
    rows: dict[str, list[Event]] = {name: [] for name in there.ports}
    for event in rows_in(there.proxy.settings.capture):
        assert event.opened is not None
        name = names.get(event.opened.url.split("/")[2].partition(":")[2], "nowhere")
        rows[name].append(event)
    assert {name: len(found) for name, found in rows.items()} == dict.fromkeys(rows, 1)
    refusals = {name: found[0].opened.refusal for name, found in rows.items() if found[0].opened is not None}
    no_tls = "TLS with the server failed:"
    not_accepted = f"{no_tls} the proxy does not accept the server's certificate"
    assert refusals == {
        "nobody": f"the proxy could not connect to localhost:{there.ports['nobody']}: connection refused, nothing "
        "is listening there",
        "nowhere": f"the proxy could not connect to {NOWHERE}:443: no such host (Name or service not known)",
        "untrusted": f"{not_accepted} (unable to get local issuer certificate)",
        "expired": f"{not_accepted} (certificate has expired)",
        "misnamed": f"{not_accepted} (hostname mismatch)",
        "plain": f"{no_tls} what answers there does not speak TLS",
        "plain-hangs-up": f"{no_tls} the server hung up during the handshake",
        "hangs-up": "the server hung up without answering the upgrade",
        "distrusted": refusals["distrusted"],
        **{f"status-{status}": f"HTTP {status} Refused" for status in (403, 429, 503)},
    }
    assert (refusals["distrusted"] or "").startswith("TLS with the client failed: ")
    assert "not trust the proxy's certificate" in (refusals["distrusted"] or "")
    found = {name: events[0].findings[0].text for name, events in rows.items()}
    assert found["status-403"] == "There is no WebSocket: the server answered HTTP 403 Refused."
    for name, text in found.items():
        assert text.endswith(f"{refusals[name]}."), name
    ordered = [events[0].at_ns for events in rows.values()]
    assert ordered == sorted(ordered)


async def test_a_client_that_leaves_after_the_servers_tls_failed_leaves_a_row(tmp_path: Path) -> None:
    """It never asked for a WebSocket, so nothing else tells of the attempt."""
    async with upstream(tmp_path) as there:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.proxy.settings.port)
        authority = f"localhost:{there.ports['expired']}"
        writer.write(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        context = ssl.create_default_context()
        context.load_verify_locations(there.proxy.ca_path)
        await writer.start_tls(context, server_hostname="localhost")
        writer.close()
        await writer.wait_closed()
    [event] = rows_in(there.proxy.settings.capture)
    assert event.opened is not None
    assert "certificate has expired" in (event.opened.refusal or "")
