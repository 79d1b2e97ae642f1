"""The addon for reverse mode, with the recorder behind it, under mitmproxy's own test aids."""

import json
import logging
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from mitmproxy import http, websocket
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons, tflow
from wsproto.frame_protocol import Opcode

from inspector.model import REACHED_AT, Closed, Frame, Happening, Mark, Opened
from inspector.proxy import reverse
from inspector.proxy.recorder import Recorder
from inspector.proxy.reverse import MAX_HOSTS, PREFIX, Reverse
from inspector.store.reader import Reader, stored_happenings
from tests.conversation import HELLO, Conversation, compressor, dispatch, identify
from tests.proxy.scribes import in_this_process

pytestmark = pytest.mark.compat

MODE = "reverse:https://gateway.discord.gg"
RESUME = "gateway-us-east1-b.discord.gg"
ZLIB = "compress=zlib-stream"


class Stand:
    """Both addons in a mitmproxy that never leaves its test: the hooks are called as mitmproxy calls them."""

    def __init__(self, capture: Path) -> None:
        self.capture = capture
        self.addons = [Reverse(), Recorder(in_this_process)]
        self.context = taddons.context(*self.addons)
        self.context.configure(self.addons[1], gwinspect_capture=str(capture))
        self.addons[1].running()

    def call(self, hook: str, flow: http.HTTPFlow) -> None:
        for addon in self.addons:
            if hasattr(addon, hook):
                getattr(addon, hook)(flow)

    def asks(self, path: str = "/?v=10&encoding=json", mode: str = MODE, **client: object) -> http.HTTPFlow:
        """Let a client ask for a WebSocket, and return its flow as it goes upstream."""
        flow = tflow.twebsocketflow(messages=False)
        flow.client_conn.sni = client.get("sni")
        flow.client_conn.sockname = client.get("sockname", ("127.0.0.1", 8080))
        flow.client_conn.tls = bool(client.get("tls"))
        flow.client_conn.proxy_mode = ProxyMode.parse(mode)
        flow.request.url = "https://gateway.discord.gg/"
        flow.request.path = path
        flow.request.headers["host"] = "gateway.discord.gg"
        if "host" in client:
            data = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % str(client["host"]).encode()
            self.addons[0].next_layer(
                SimpleNamespace(context=SimpleNamespace(client=flow.client_conn), data_client=lambda: data)
            )
        self.call("requestheaders", flow)
        return flow

    def opens(self, *args: str, **client: object) -> http.HTTPFlow:
        flow = self.asks(*args, **client)
        flow.websocket = websocket.WebSocketData()
        flow.request.timestamp_start = flow.response.timestamp_start = time.time()
        self.call("websocket_start", flow)
        return flow

    def says(self, flow: http.HTTPFlow, data: bytes, *, from_client: bool = False) -> websocket.WebSocketMessage:
        kind = Opcode.TEXT if data[:1] == b"{" else Opcode.BINARY
        message = websocket.WebSocketMessage(kind, from_client, data)
        flow.websocket.messages.append(message)
        self.call("websocket_message", flow)
        return message

    def logs_in(self, flow: http.HTTPFlow, url: str = f"wss://{RESUME}") -> str:
        """Return where the client of a connection without compression is told to resume."""
        self.says(flow, _json(identify()), from_client=True)
        told: str = json.loads(self.says(flow, _json(_ready(url))).content)["d"]["resume_gateway_url"]
        return told

    def recorded(self) -> list[Happening]:
        """End the recorder and return what is in the capture."""
        self.addons[1].done()
        reader = Reader(self.capture)
        happenings = [each for batch in stored_happenings(reader.db) for each in batch]
        reader.close()
        return happenings


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    stand = Stand(tmp_path / "bot.gwcap")
    with stand.context:
        yield stand
        stand.addons[1].done()
    reverse._rewriters.clear()
    reverse._handed_out.clear()


def _json(said: object) -> bytes:
    return Conversation().encoded(said)


def _ready(url: str = f"wss://{RESUME}") -> object:
    return dispatch("READY", {"session_id": "5e55" * 8, "resume_gateway_url": url}, 1)


def test_the_client_is_told_to_resume_here(stand: Stand) -> None:
    assert stand.logs_in(stand.opens()) == f"ws://127.0.0.1:8080{PREFIX}{RESUME}"


@pytest.mark.parametrize("mode", ["regular", "local", "socks5", "upstream:http://127.0.0.1:1"])
def test_other_modes_are_left_alone(mode: str, stand: Stand) -> None:
    """The last is one of our own, for clients that asked for Discord's hosts."""
    flow = stand.opens(mode=mode)
    assert stand.logs_in(flow) == f"wss://{RESUME}"
    opened = stand.recorded()[0]
    assert isinstance(opened, Opened)
    assert REACHED_AT not in opened.headers


def test_it_can_be_turned_off(stand: Stand) -> None:
    stand.context.configure(stand.addons[0], gwinspect_rewrite=False)
    assert stand.logs_in(stand.opens()) == f"wss://{RESUME}"


@pytest.mark.parametrize("path", ["/?v=2", "/", "/?v=8"], ids=["remote auth", "none", "voice"])
def test_other_gateways_are_left_alone(path: str, stand: Stand) -> None:
    flow = stand.asks(path)
    flow.request.host = "remote-auth-gateway.discord.gg" if path == "/?v=2" else "voice.example.org"
    flow.websocket = websocket.WebSocketData()
    stand.addons[0].websocket_start(flow)
    assert stand.logs_in(flow) == f"wss://{RESUME}"


@pytest.mark.parametrize(
    ("client", "address"),
    [
        ({"host": "bots.internal:9000"}, "ws://bots.internal:9000"),
        ({"host": "[::1]:9000"}, "ws://[::1]:9000"),
        ({"sockname": ("::1", 8080, 0, 0)}, "ws://[::1]:8080"),
        ({"host": 'evil"/@x'}, "ws://127.0.0.1:8080"),
        ({"tls": True, "sni": "bots.internal"}, "wss://bots.internal:8080"),
        ({"tls": True}, "wss://127.0.0.1:8080"),
    ],
)
def test_the_address_is_the_one_that_the_client_used(client: dict[str, object], address: str, stand: Stand) -> None:
    flow = stand.opens(**client)
    assert stand.logs_in(flow) == f"{address}{PREFIX}{RESUME}"
    opened = stand.recorded()[0]
    assert isinstance(opened, Opened)
    assert opened.headers[REACHED_AT] == address


@pytest.mark.parametrize(
    ("named", "asked", "upstream", "path"),
    [
        (f"wss://{RESUME}", "?v=10", ("https", RESUME, 443), "/?v=10"),
        (f"wss://{RESUME}", "/?v=10", ("https", RESUME, 443), "/?v=10"),
        (f"wss://{RESUME}/", "", ("https", RESUME, 443), "/"),
        (f"wss://{RESUME}/some/where?a=b", "&v=10", ("https", RESUME, 443), "/some/where?a=b&v=10"),
        ("wss://chat.example.org:8443", "?v=10", ("https", "chat.example.org", 8443), "/?v=10"),
        ("ws://[::1]:3001", "?v=10", ("http", "::1", 3001), "/?v=10"),
    ],
)
def test_what_comes_back_is_led_to_the_host_that_ready_named(
    named: str, asked: str, upstream: tuple[str, str, int], path: str, stand: Stand
) -> None:
    told = stand.logs_in(stand.opens(), named)
    request = stand.asks(told.removeprefix("ws://127.0.0.1:8080") + asked).request
    assert (request.scheme, request.host, request.port) == upstream
    assert request.path == path
    assert request.host_header == named.split("/")[2]


def test_a_host_that_nobody_named_is_not_led_to(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    """After a restart of the proxy nothing is remembered; the first gateway resumes too, if less well."""
    flow = stand.asks(f"{PREFIX}169.254.169.254/?v=10")
    assert flow.request.url == "https://gateway.discord.gg/?v=10"
    assert "no READY here named" in caplog.text


def test_a_listener_leads_only_where_its_own_clients_were_sent(stand: Stand) -> None:
    stand.logs_in(stand.opens(mode=f"{MODE}@8080"))
    assert stand.asks(f"{PREFIX}{RESUME}", mode=f"{MODE}@8080").request.host == RESUME
    assert stand.asks(f"{PREFIX}{RESUME}", mode=f"{MODE}@8081").request.host == "gateway.discord.gg"


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com",
        "gateway.discord.gg",
        "wss://",
        "wss://user:password@discord.gg",
        "wss://a b.gg",
        "wss://a.gg:99999",
        "wss://[::1",
        "wss://a.gg%2f",
        "wss://a.gg/\ud800",
    ],
)
def test_what_is_no_plain_url_is_left_alone(url: str, stand: Stand) -> None:
    assert stand.logs_in(stand.opens(), url) == url


def test_hosts_that_are_remembered_have_a_bound(stand: Stand) -> None:
    for number in range(MAX_HOSTS + 1):
        reverse._hand_out(MODE, "ws://here", f"wss://gateway-{number}.discord.gg")
    assert stand.asks(f"{PREFIX}gateway-0.discord.gg").request.host == "gateway.discord.gg"
    assert stand.asks(f"{PREFIX}gateway-{MAX_HOSTS}.discord.gg").request.host == f"gateway-{MAX_HOSTS}.discord.gg"


def test_what_is_only_compressed_anew_has_no_mark_and_is_stored_once(stand: Stand) -> None:
    compress, client = compressor("zlib-stream"), zlib.decompressobj()
    flow = stand.opens(f"/?v=10&encoding=json&{ZLIB}")
    hello, ready = compress(_json(HELLO)), compress(_json(_ready()))
    assert client.decompress(stand.says(flow, hello).content) == _json(HELLO)
    stand.says(flow, _json(identify()), from_client=True)
    held = stand.says(flow, ready[:40])
    assert (held.dropped, held.content) == (True, b"")
    forwarded = stand.says(flow, ready[40:]).content
    assert client.decompress(forwarded) == _json(_ready(f"ws://127.0.0.1:8080{PREFIX}{RESUME}"))
    frames = [each for each in stand.recorded() if isinstance(each, Frame) and not each.from_client]
    assert [(frame.data, frame.marks, frame.forwarded) for frame in frames] == [
        (hello, Mark.NONE, None),
        (ready[:40], Mark.NONE, None),
        (ready[40:], Mark.CHANGED, forwarded),
    ]


def test_what_a_later_addon_changes_is_still_noticed(stand: Stand) -> None:
    compress = compressor("zlib-stream")
    flow = stand.opens(f"/?v=10&encoding=json&{ZLIB}")
    for _ in range(2):
        stand.says(flow, compress(_json(HELLO)))
    stand.says(flow, compress(_json(HELLO))).content = b"other"
    stand.says(flow, compress(_json(HELLO)))
    marks = [(each.marks, each.forwarded) for each in stand.recorded() if isinstance(each, Frame)]
    assert marks == [(Mark.NONE, None), (Mark.NONE, None), (Mark.CHANGED, b"other"), (Mark.NONE, None)]


def test_a_client_is_followed_when_the_addon_is_loaded_again(stand: Stand) -> None:
    """mitmproxy does so when the script's file changes. The client's stream is ours then, and must go on."""
    compress, client = compressor("zlib-stream"), zlib.decompressobj()
    flow = stand.opens(f"/?v=10&encoding=json&{ZLIB}")
    client.decompress(stand.says(flow, compress(_json(HELLO))).content)
    stand.addons[0] = Reverse()
    assert client.decompress(stand.says(flow, compress(b'{"op":11}')).content) == b'{"op":11}'


def test_a_stream_that_breaks_is_said_to_be_ended_by_the_proxy(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    flow = stand.opens(f"/?v=10&encoding=json&{ZLIB}")
    stand.says(flow, compressor("zlib-stream")(_json(HELLO)))
    for _ in range(2):
        assert stand.says(flow, b"\x07\x07\x07\x07\x00\x00\xff\xff").dropped
    flow.websocket.close_code, flow.websocket.closed_by_client = 1006, False
    flow.websocket.timestamp_end = time.time()
    stand.call("websocket_end", flow)
    *frames, closed = stand.recorded()
    assert isinstance(closed, Closed)
    assert (closed.code, closed.by) == (1006, "proxy")
    assert "the server's stream could not be read" in closed.reason
    assert [each.marks for each in frames if isinstance(each, Frame)] == [Mark.NONE, Mark.DROPPED, Mark.DROPPED]
    # There is no connection to end here, and that is said too; once.
    assert caplog.text.count("could not be ended") == 1


def test_nothing_of_a_connection_is_kept_after_its_end(stand: Stand) -> None:
    flow = stand.opens()
    assert flow.id in reverse._rewriters
    stand.call("websocket_end", flow)
    assert not reverse._rewriters
    stand.addons[0].client_disconnected(flow.client_conn)
    assert not stand.addons[0]._asked_for
