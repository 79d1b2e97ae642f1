"""Which URLs are Discord's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Plane
from inspector.protocol.hosts import address_of, host_of, is_discord, plane_of, shape_of


@pytest.mark.parametrize(
    ("url", "plane"),
    [
        ("wss://gateway.discord.gg/?v=10&encoding=json", Plane.GATEWAY),
        ("wss://gateway.discord.gg", Plane.GATEWAY),
        ("WSS://GateWay.Discord.GG:443/?v=9", Plane.GATEWAY),
        ("wss://gateway.discord.gg./?v=9", Plane.GATEWAY),
        ("https://gateway.discord.gg/?v=10&encoding=etf&compress=zstd-stream", Plane.GATEWAY),
        ("wss://gateway-us-east1-b.discord.gg/?v=10", Plane.GATEWAY),
        ("wss://remote-auth-gateway.discord.gg/?v=2", Plane.REMOTE_AUTH),
        ("wss://us-east1234.discord.media:2053/?v=8", Plane.VOICE),
        ("wss://c-fra01-abc.discord.media/?v=9", Plane.VOICE),
        ("ws://127.0.0.1:6463/?v=1&client_id=200000000000000001&encoding=json", Plane.RPC),
        ("ws://localhost:6472/?client_id=200000000000000001", Plane.RPC),
        ("ws://[::1]:6464/?v=1", Plane.RPC),
        ("wss://discordapp.io:6463/?v=1", Plane.RPC),
        ("wss://localhost.discord.media:6470/?v=1", Plane.RPC),
    ],
)
def test_discords_hosts_have_a_plane(url: str, plane: Plane) -> None:
    assert plane_of(url) is plane


@pytest.mark.parametrize(
    "url",
    [
        "wss://gateway.discord.gg.example.org/?v=10&encoding=json",
        "wss://evilgateway.discord.gg/?v=10",
        "wss://gatewayx.discord.gg/",
        "wss://a.gateway-us-east1-b.discord.gg.example.org/",
        "wss://gateway.discord.gg@example.org/?v=10",
        "wss://notdiscord.media/?v=8",
        "wss://discord.media/?v=8",
        "wss://x.discord.media.example.org/?v=8",
        "https://latency.discord.media/rtc",
        "https://stun.discord.media/",
        "wss://localhost.discord.media/?v=8",
        "wss://discord.com/?v=10",
        "wss://cdn.discord.gg/",
        "ws://127.0.0.1:6463/",
        "ws://127.0.0.1:6473/?v=1",
        "ws://127.0.0.1:6462/?client_id=1",
        "ws://192.0.2.7:6463/?v=1&client_id=1",
        "ftp://gateway.discord.gg/",
        "gateway.discord.gg",
        "",
        "wss://[gateway.discord.gg/",
        "wss://gateway.discord.gg:port/",
        "wss:///?v=10",
    ],
)
def test_look_alikes_and_neighbours_have_none(url: str) -> None:
    assert plane_of(url) is None


@pytest.mark.parametrize(
    ("url", "extra", "plane"),
    [
        ("wss://gw.chat.example/?v=9&encoding=json", "gw.chat.example", Plane.GATEWAY),
        ("wss://gw.chat.example", "GW.Chat.Example", Plane.GATEWAY),
        ("wss://gw.chat.example:3004/?v=8", "gw.chat.example", Plane.VOICE),
        ("ws://127.0.0.1:3001/?v=10&encoding=json", "127.0.0.1:3001", Plane.GATEWAY),
        ("ws://[::1]:3001/?v=10&encoding=json", "[::1]:3001", Plane.GATEWAY),
        ("ws://[::1]:3001/?v=10&encoding=json", "[::1]", Plane.GATEWAY),
        ("wss://a.b.chat.example/", "*.chat.example", Plane.GATEWAY),
        ("wss://gw.chat.example/", "gw.chat.example:443", Plane.GATEWAY),
        ("ws://127.0.0.1:3002/?v=10&encoding=json", "127.0.0.1:3001", None),
        ("wss://chat.example/", "*.chat.example", None),
        ("wss://evilchat.example/", "*.chat.example", None),
        ("wss://a.chat.example/", "chat.example", None),
        ("wss://chat.example/", "", None),
        ("wss://chat.example/", "chat.example:port", None),
    ],
)
def test_hosts_of_the_user_are_believed(url: str, extra: str, plane: Plane | None) -> None:
    assert plane_of(url, [extra]) is plane


@pytest.mark.parametrize(
    ("url", "plane"),
    [
        ("wss://gw.chat.example/?encoding=json&v=9", Plane.GATEWAY),
        ("ws://10.0.0.7:3001/?v=10&encoding=ETF&compress=zlib-stream", Plane.GATEWAY),
        ("wss://voice.chat.example/?v=8", Plane.VOICE),
        ("wss://voice.chat.example/?v=10", None),
        ("wss://rt.example/.ws?v=5&ns=app", None),
        ("wss://rt.example/?encoding=json", None),
        ("wss://rt.example/?v=10&encoding=msgpack", None),
        ("wss://rt.example/?v=x&encoding=json", None),
        ("wss://rt.example/", None),
    ],
)
def test_shape_of_a_url_suggests_a_plane(url: str, plane: Plane | None) -> None:
    assert shape_of(url) is plane


@pytest.mark.parametrize("host", ["discord.com", "CDN.Discord.com.", "latency.discord.media", "::1", "a.chat.example"])
def test_names_of_discord_and_the_user_are_known_without_a_port(host: str) -> None:
    assert is_discord(host, ["[::1]:3001", "*.chat.example:443"])


@pytest.mark.parametrize("host", ["notdiscord.com", "discord.com.example.org", "chat.example", ""])
def test_other_names_are_not(host: str) -> None:
    assert not is_discord(host, ["*.chat.example"])


def test_host_is_read_off_in_lower_case() -> None:
    assert host_of("wss://User@WS.Example.Org:8443/x?y") == "ws.example.org"
    assert host_of("no url") == ""


def test_the_address_of_a_url_has_its_port_and_no_password() -> None:
    assert address_of("wss://User:secret@WS.Example.Org:8443/x?y") == "ws.example.org:8443"
    assert address_of("wss://[half") == address_of("no url") == ""


@given(st.one_of(st.text(max_size=60), st.text(max_size=60).map("wss://".__add__)), st.text(max_size=20))
def test_any_text_is_answered(url: str, extra: str) -> None:
    assert plane_of(url, [extra]) in {None, *Plane}
    assert shape_of(url) in {None, *Plane}
    assert isinstance(host_of(url), str)
    assert is_discord(url, [extra]) in (True, False)
