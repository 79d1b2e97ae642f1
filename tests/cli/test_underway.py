"""What a screen is told of the processes behind a recording."""

import subprocess
from pathlib import Path

import pytest

from inspector.cli.underway import Log, Underway, advice_for
from inspector.proxy.mitmdump import Settings
from inspector.tui.live_proxy import ProxyState


def test_a_log_is_read_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Log(path)
    assert log.lines() == ()
    path.write_text("one\n\ntw")
    assert log.lines() == ("one", "tw")
    with path.open("a") as file:
        file.write("o\nthree\n")
    assert log.lines() == ("one", "two", "three")


def test_news_are_given_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Log(path)
    path.write_text("one\ntw")
    assert log.lines() == ("one", "tw")
    assert log.news() == ["one"]
    assert log.news() == []


def test_of_a_flood_the_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(100_000)) + b"x" * 1_000_000 + b"\nlast\n")
    lines = Log(path).lines()
    assert lines[-1] == "last"
    assert sum(map(len, lines)) < 100_000


def test_bytes_that_are_no_text_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\xff\xfe\0\n")
    assert Log(path).lines() == ("��\0",)


def test_the_state_is_that_of_the_processes(tmp_path: Path) -> None:
    proxy = subprocess.Popen(["sleep", "100"])
    client = subprocess.Popen(["sleep", "100"])
    underway = Underway("127.0.0.1:8080", None, proxy, client=client, command="sleep", log=Log(tmp_path / "log"))
    assert underway.state() == ProxyState(client_running=True)
    client.kill()
    client.wait()
    assert underway.state() == ProxyState(client=137)
    proxy.terminate()
    proxy.wait()
    assert underway.state() == ProxyState(proxy=143, client=137)


def test_advice_has_the_address() -> None:
    advice = {each.client: each.how for each in advice_for(Settings(Path("bot.gwcap"), port=9999))}
    assert "http://127.0.0.1:9999" in advice["discord.py"]
    assert "http://127.0.0.1:9999" in advice["hikari"]
    assert "127.0.0.1:9999" in advice["a browser"]
    assert "gwinspect run --capture bot.gwcap -- python bot.py" in advice["any command"]
    assert {"hikari", "a browser"} < advice.keys()


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("local:Discord", "start it again"),
        ("reverse:https://gateway.discord.gg", "connect to [::1]:9999 in place of https://gateway.discord.gg"),
        ("reverse:https://gateway.discord.gg@9000", "a session that resumes stays behind the proxy"),
        ("socks5", "socks5://[::1]:9999"),
        ("reverse:udp://192.0.2.1:50001@127.0.0.1:5000", "connect to 127.0.0.1:5000 in place of udp://192.0.2.1:50001"),
        ("socks5@1080", "socks5://[::1]:1080"),
        ("wireguard", "WireGuard"),
        ("wireguard@127.0.0.1:51820", "WireGuard"),
    ],
)
def test_other_modes_have_advice_of_their_own(mode: str, says: str) -> None:
    (advice,) = advice_for(Settings(Path("bot.gwcap"), host="::1", port=9999, modes=(mode,)))
    assert says in advice.how


def test_no_promise_is_made_that_rewriting_would_have_to_keep(tmp_path: Path) -> None:
    mode = "reverse:https://gateway.discord.gg"
    settings = Settings(tmp_path / "bot.gwcap", modes=[mode], options={"gwinspect_rewrite": "false"})
    assert settings.options is not None
    assert settings.options["gwinspect_rewrite"] == "false"
    (advice,) = advice_for(settings)
    assert "stays behind" not in advice.how
