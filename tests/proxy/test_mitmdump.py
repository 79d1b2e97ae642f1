"""The start of a mitmdump, its regular expressions under mitmproxy's own reading of them."""

import socket
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.proxy.context import Context
from mitmproxy.test import taddons, tflow

from inspector.errors import EnvironmentProblem, UsageError
from inspector.proxy import mitmdump
from inspector.proxy.mitmdump import Proxy, Settings, addon_path, free_port
from inspector.store.file import is_capture

pytestmark = pytest.mark.compat


def _opened(address: tuple[str, int], hosts: tuple[str, ...] = ()) -> bool:
    """Say whether a mitmproxy that was started for `hosts` looks into a TLS connection to `address`."""
    command = mitmdump._command(Settings(Path("bot.gwcap"), hosts=hosts))
    allowed = [after for option, after in pairwise(command) if option == "--allow-hosts"]
    layers = NextLayer()
    with taddons.context(layers) as mitmproxy:
        mitmproxy.configure(layers, allow_hosts=allowed)
        context = Context(tflow.tclient_conn(), mitmproxy.options)
        context.client.sni = context.client.alpn = None
        context.server.address = address
        return layers._ignore_connection(context, b"neither TLS nor HTTP", b"") is False


@pytest.mark.parametrize(
    "address",
    [
        ("gateway.discord.gg", 443),
        ("GATEWAY.Discord.GG", 443),
        ("gateway-us-east1-b.discord.gg", 443),
        ("remote-auth-gateway.discord.gg", 443),
        ("invented1.discord.media", 2048),
        ("127.0.0.1", 6463),
        ("localhost", 6472),
    ],
)
def test_gateways_are_decrypted(address: tuple[str, int]) -> None:
    assert _opened(address)


@pytest.mark.parametrize(
    "address",
    [
        ("discord.com", 443),
        ("cdn.discordapp.com", 443),
        ("evildiscord.gg", 443),
        ("gateway.discord.gg.example.org", 443),
        ("127.0.0.1", 6473),
        ("127.0.0.1", 443),
        ("example.org", 443),
    ],
)
def test_nothing_else_is_decrypted(address: tuple[str, int]) -> None:
    assert not _opened(address)


@pytest.mark.parametrize(
    ("host", "yes", "no"),
    [
        ("chat.example.org", ("chat.example.org", 8443), ("chatXexample.org", 443)),
        ("chat.example.org", ("chat.example.org", 443), ("www.chat.example.org", 443)),
        ("chat.example.org:8443", ("chat.example.org", 8443), ("chat.example.org", 443)),
        (" *.example.org", ("a.b.example.org", 443), ("example.org", 443)),
        ("*.example.org:8443", ("chat.example.org", 8443), ("evilexample.org", 8443)),
        ("[::1]:8443", ("::1", 8443), ("::1", 443)),
        ("[::1]", ("::1", 443), ("::2", 443)),
    ],
)
def test_hosts_of_the_users_own_are_decrypted_too(host: str, yes: tuple[str, int], no: tuple[str, int]) -> None:
    assert _opened(yes, (host,))
    assert not _opened(no, (host,))


@pytest.mark.parametrize("host", ["", "*.", "chat.example.org:http", "chat.example.org:99999"])
def test_a_host_that_is_none_is_wrong_usage(host: str) -> None:
    with pytest.raises(UsageError, match="a host is HOST, HOST:PORT or"):
        _opened(("example.org", 443), (host,))


def test_the_addon_is_where_mitmproxy_is_told_it_is() -> None:
    assert addon_path().parts[-2:] == ("addons", "gwinspect.py")
    assert "addons = all_addons()" in addon_path().read_text("utf-8")


def test_an_ipv6_address_is_written_for_urls() -> None:
    assert Proxy(Settings(Path("bot.gwcap"), host="::1", port=8080)).address == "[::1]:8080"


def test_a_port_that_is_taken_is_said_so_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        proxy = Proxy(Settings(tmp_path / "bot.gwcap", port=port))
        with (
            pytest.raises(EnvironmentProblem, match=rf"cannot listen on 127.0.0.1:{port} \(.*\); --listen chooses"),
            proxy,
        ):
            pass
    assert not (tmp_path / "bot.gwcap").exists()


@pytest.mark.e2e
def test_a_proxy_that_dies_at_once_is_said_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = Settings(
        tmp_path / "bot.gwcap",
        port=free_port("127.0.0.1"),
        modes=["regular@nowhere"],
        options={"confdir": str(tmp_path)},
    )
    with pytest.raises(EnvironmentProblem, match=r"mitmdump exited right away \(exit code 1\)"), Proxy(settings):
        pass
    assert "regular@nowhere" in capfd.readouterr().err


@pytest.mark.e2e
def test_a_proxy_runs_as_long_as_its_block(tmp_path: Path) -> None:
    capture = tmp_path / "bot.gwcap"
    settings = Settings(
        capture, port=free_port("127.0.0.1"), options={"confdir": str(tmp_path / "mitmproxy")}, hosts=("[::1]:8443",)
    )
    with Proxy(settings) as proxy:
        assert proxy.poll() is None
        assert proxy.ca_path.exists()
        assert is_capture(capture)
        assert stat.S_IMODE(capture.stat().st_mode) == 0o600
    assert proxy.poll() == 0
    assert [path.name for path in tmp_path.glob("bot.*")] == ["bot.gwcap"]


def test_cycles_are_searched_for_while_it_runs_but_not_among_what_it_has_imported() -> None:
    """A search through all that mitmproxy is made of takes 20 ms, in which no message passes."""
    script = """
import sys, types
sys.modules["mitmproxy.tools"] = tools = types.ModuleType("mitmproxy.tools")
tools.dump, tools.main = None, types.ModuleType("main")
tools.main.mitmdump = lambda: print(gc.isenabled(), gc.get_freeze_count() > 0)
"""
    command = [sys.executable, "-c", script + mitmdump._MITMDUMP]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "True True\n"
