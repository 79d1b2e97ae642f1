"""The addon in a mitmproxy without anything of ours: what it records is what was said."""

import asyncio
import json
import os
import stat
from pathlib import Path

import aiohttp
import orjson
import pytest

from inspector.importers.merge import Input
from inspector.model import Control, Opened
from inspector.protocol.hosts import host_of
from inspector.protocol.ops import GatewayOp
from inspector.proxy.mitmdump import addon_path, free_port
from inspector.simulator import content
from inspector.simulator.client import scripted as client
from inspector.simulator.client.scripted import trust
from inspector.simulator.scenarios.catalogue import SCENARIOS, scenario
from inspector.simulator.script import Scenario
from inspector.simulator.server.simulator import Simulator
from inspector.simulator.server.stage import Discord
from tests.e2e.plain import Plain, converted, running
from tests.e2e.playing import assert_agree, talks_of_capture, talks_of_journal

pytestmark = [pytest.mark.compat, pytest.mark.e2e]

# Every encoding and compression, closes of both sides and of none, a resume, hostile texts, voice's binary messages.
PLAYED = ("plain-json", "zlib-stream", "etf", "payload-compression", "resume", "hostile", "large", "voice", "dave-call")


def test_what_is_recorded_is_what_was_said_byte_for_byte(tmp_path: Path) -> None:
    async def play_all() -> None:
        async def script(discord: Discord) -> None:
            for name in PLAYED:
                await SCENARIOS[name].script(discord)

        async with Simulator(Scenario("test", "A test", "", script), pace=0) as simulator:
            with running(tmp_path, simulator.port, simulator.ca_path, "--set", "gwinspect_keep_secrets=true") as plain:
                for name in PLAYED:
                    await client.play(SCENARIOS[name], ca=[plain.ca, simulator.ca_path], proxy=plain.url)
                await simulator.finished()
            recorded = talks_of_capture(converted(plain.frames))
            assert_agree(recorded, talks_of_journal(simulator.journal))
            assert len(recorded) > len(PLAYED)

    asyncio.run(play_all())


@pytest.mark.parametrize("name", ["resume", "etf"])
def test_no_token_is_in_the_file(name: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with Simulator(scenario(name), pace=0) as simulator:
            with running(tmp_path, simulator.port, simulator.ca_path) as plain:
                await client.play(simulator.scenario, ca=[plain.ca], proxy=plain.url)
                await simulator.finished()
            written = plain.frames.read_bytes()
            assert content.TOKEN.encode() not in written
            ours, truth = talks_of_capture(converted(plain.frames)), talks_of_journal(simulator.journal)
            for talk, lived in zip(ours, truth, strict=True):
                sent = list(zip(talk.frames[True], lived.frames[True], strict=False))
                assert [len(seen) for (_, seen), _ in sent] == [len(said) for _, (_, said) in sent]
                assert all(content.TOKEN.encode() not in seen for _, seen in talk.frames[True])
                assert any(b"masked-" in seen for _, seen in talk.frames[True])
                assert talk.frames[False] == lived.frames[False][: len(talk.frames[False])]

    asyncio.run(play())


@pytest.mark.parametrize("tool", ["mitmproxy", "mitmweb"])
def test_it_records_in(tool: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with Simulator(scenario("plain-json"), pace=0) as simulator:
            more = ["--no-web-open-browser", "--web-port", str(free_port("127.0.0.1"))] if tool == "mitmweb" else []
            more += ["--set", "gwinspect_keep_secrets=true"]
            with running(tmp_path, simulator.port, simulator.ca_path, *more, tool=tool) as plain:
                await client.play(simulator.scenario, ca=[plain.ca], proxy=plain.url)
                await simulator.finished()
            assert_agree(talks_of_capture(converted(plain.frames)), talks_of_journal(simulator.journal))

    asyncio.run(play())


def test_pings_refusals_and_a_certificate_that_is_not_trusted_are_recorded(tmp_path: Path) -> None:
    async def play() -> None:
        async def script(discord: Discord) -> None:
            gateway = await discord.gateway()
            await gateway.login()
            await gateway.close(4000)

        url = "wss://gateway.discord.gg/?v=10&encoding=json"
        async with Simulator(Scenario("test", "A test", "", script), pace=0) as simulator:
            with running(tmp_path, simulator.port, simulator.ca_path) as plain:
                async with aiohttp.ClientSession(proxy=plain.url) as http:
                    async with http.ws_connect(url, ssl=trust([plain.ca])) as ws:
                        await ws.ping(b"\x00'")
                        await ws.send_json({"op": GatewayOp.IDENTIFY, "d": {}})
                        async for _ in ws:
                            pass
                    await simulator.finished()
                    with pytest.raises(aiohttp.WSServerHandshakeError):
                        await http.ws_connect(url, ssl=trust([plain.ca]))
                    with pytest.raises(aiohttp.ClientConnectorError):
                        await http.ws_connect(url, ssl=trust([]))

    asyncio.run(play())
    happenings = list(Input(tmp_path / "by-hand.frames.jsonl").happenings())
    controls = [(each.name, each.from_client, each.data) for each in happenings if isinstance(each, Control)]
    assert controls == [("ping", True, b"\x00'"), ("pong", False, b"\x00'")]
    _, refused, distrusted = (each for each in happenings if isinstance(each, Opened))
    assert (refused.status, refused.refusal) == (503, "HTTP 503 Service Unavailable")
    assert (host_of(distrusted.url), distrusted.status) == ("gateway.discord.gg", None)
    assert str(distrusted.refusal).startswith("TLS failed, the client did not accept the proxy's certificate (")


def test_it_says_at_start_why_where_and_what_to_type(tmp_path: Path) -> None:
    with running(tmp_path, 9, tmp_path / "none.pem", "--set", "gwinspect_nonsense=3") as plain:
        pass
    said = _lines(plain)
    frames = plain.frames
    assert f"{frames} as frames, because gwinspect is not installed in mitmproxy's Python" in said
    assert f"gwinspect open --follow {frames}" in said
    assert r"--allow-hosts '(^|\.)discord\.(gg|media):\d+$'" in said
    assert stat.S_IMODE(frames.stat().st_mode) == 0o600
    assert [json.loads(line).get("kind") for line in frames.read_bytes().splitlines()] == [None, "end"]


def test_with_allow_hosts_it_says_nothing_of_them(tmp_path: Path) -> None:
    with running(tmp_path, 9, tmp_path / "none.pem", "--allow-hosts", "discord") as plain:
        pass
    assert "allow_hosts is not set" not in _lines(plain)


def test_in_a_checkout_it_names_what_is_missing(tmp_path: Path) -> None:
    with running(tmp_path, 9, tmp_path / "none.pem", addon=addon_path()) as plain:
        pass
    assert "because gwinspect cannot be used by mitmproxy's Python, which lacks " in _lines(plain)


@pytest.mark.parametrize("package", ["inspector.py", "inspector/__init__.py", "inspector/proxy/__init__.py"])
def test_another_package_of_that_name_does_not_stop_it(package: str, tmp_path: Path) -> None:
    path = tmp_path / "others" / package
    path.parent.mkdir(parents=True)
    path.write_text("raise SystemExit('this is not for you')\n")
    environment = {"PYTHONPATH": str(tmp_path / "others")}
    with running(tmp_path, 9, tmp_path / "none.pem", environment=environment) as plain:
        pass
    assert "because gwinspect is not installed in mitmproxy's Python; its inspector is " in _lines(plain)


def test_in_a_checkout_with_all_that_it_needs_it_is_the_whole_recorder(tmp_path: Path) -> None:
    """As mitmproxy's Python would be after `pip install` of what is missing. Another inspector there is no matter."""
    other = tmp_path / "others" / "inspector"
    other.mkdir(parents=True)
    (other / "__init__.py").touch()
    site = Path(orjson.__file__).parents[1]
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "others"), str(site)])}
    (tmp_path / "by-hand.frames.jsonl").write_text("so that nobody waits for it")
    with running(tmp_path, 9, tmp_path / "none.pem", addon=addon_path(), environment=environment) as plain:
        pass
    assert "as frames" not in _lines(plain)
    assert (tmp_path / "by-hand.gwcap").read_bytes().startswith(b"SQLite")


def _lines(plain: Plain) -> str:
    """Return what was said, without the terminal's line breaks."""
    return plain.screen.decode(errors="replace").replace("\r\n", "\n")
