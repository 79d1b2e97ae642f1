"""Connections that begin as to a gateway itself: which are taken, and where they are led."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers import modes
from mitmproxy.test import taddons, tflow

from inspector.proxy.direct import AsIfConnect, Direct, _target, _Waiting
from inspector.proxy.recorder import Recorder
from tests.proxy.scribes import in_this_process

pytestmark = pytest.mark.compat


def client_hello(name: str | None) -> bytes:
    """Return what a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@pytest.fixture
def mitmproxy() -> Iterator[taddons.context]:
    with taddons.context(Recorder(in_this_process), Direct()) as context:
        yield context


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("gateway.discord.gg", "gateway.discord.gg:443"),
        ("gateway-us-east1-b.discord.gg", "gateway-us-east1-b.discord.gg:443"),
        ("remote-auth-gateway.discord.gg", "remote-auth-gateway.discord.gg:443"),
        ("c-fra01-invented.discord.media", "c-fra01-invented.discord.media:443"),
        ("latency.discord.media", None),
        ("discord.gg", None),
        ("discord.com", None),
        ("gateway.discord.gg.example.org", None),
        ("example.org", None),
        (None, None),
    ],
)
def test_a_handshake_is_led_to_the_gateway_that_it_names(mitmproxy: taddons.context, name: str, target: str) -> None:
    assert _target(client_hello(name)) == target


def test_the_port_is_the_one_that_the_hook_wrote_down(mitmproxy: taddons.context, tmp_path: Path) -> None:
    reports = tmp_path / "hooks.jsonl"
    said = {"pid": 1, "runtime": "python 3.11.7", "what": "redirected", "name": "a.discord.media"}
    reports.write_text("no JSON\n" + "".join(json.dumps({**said, "port": port}) + "\n" for port in (2053, 2096, -1)))
    mitmproxy.options.update(gwinspect_hooks=str(reports))
    assert _target(client_hello("a.discord.media")) == "a.discord.media:2096"
    assert _target(client_hello("b.discord.media")) == "b.discord.media:443"


def test_hosts_of_the_users_own_are_led_to_their_port(mitmproxy: taddons.context) -> None:
    mitmproxy.options.update(gwinspect_hosts=["chat.example.org:8443", "*.example.net"])
    assert _target(client_hello("chat.example.org")) == "chat.example.org:8443"
    assert _target(client_hello("a.example.net")) == "a.example.net:443"


def test_plain_http_is_led_by_its_host_header(mitmproxy: taddons.context) -> None:
    mitmproxy.options.update(gwinspect_hosts=["localhost:3001"])
    assert _target(b"GET /?v=9 HTTP/1.1\r\nhost:  localhost:3001\r\n\r\n") == "localhost:3001"
    assert _target(b"GET /?v=9 HTTP/1.1\r\nHost: localhost:3002\r\n\r\n") is None
    assert _target(b"GET /?v=9 HTTP/1.1\r\nAccept: */*\r\n\r\n") is None


@pytest.mark.parametrize(
    "whole", [client_hello("gateway.discord.gg"), b"GET / HTTP/1.1\r\nHost: gateway.discord.gg\r\n\r\n"]
)
def test_a_beginning_that_comes_in_pieces_is_waited_for(mitmproxy: taddons.context, whole: bytes) -> None:
    for cut in (6, len(whole) // 2, len(whole) - 4):
        assert _target(whole[:cut]) is Ellipsis
        assert isinstance(_next_layer(mitmproxy, whole[:cut]), _Waiting)
    assert isinstance(_next_layer(mitmproxy, whole), AsIfConnect)


def test_what_is_no_beginning_is_left_to_mitmproxy(mitmproxy: taddons.context) -> None:
    for data in (b"", b"CONNECT gateway.discord.gg:443 HTTP/1.1\r\n", b"GET http://gateway.discord.gg/ HTTP/1.1\r\n"):
        assert _next_layer(mitmproxy, data) is None
    for data in (b"\x16\x03\x01\xff\xff" + bytes(40_000), b"GET /" + bytes(40_000)):
        assert _next_layer(mitmproxy, data) is None


def _next_layer(mitmproxy: taddons.context, data: bytes) -> object:
    context = Context(tflow.tclient_conn(), mitmproxy.options)
    modes.HttpProxy(context)
    asked = NextLayer(context)
    asked.data_client = lambda: data  # type: ignore[method-assign]
    Direct().next_layer(asked)
    return asked.layer
