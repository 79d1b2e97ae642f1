"""Two processes with one token, through a real mitmdump: what is told of the one that is pushed out names the other."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from inspector.model import Event, Kind, Plane
from inspector.protocol.ops import GatewayOp
from inspector.simulator import content
from inspector.simulator.client import discordpy, scripted
from inspector.simulator.scenarios.catalogue import scenario
from inspector.simulator.server.gateway import GatewaySocket
from inspector.simulator.server.stage import Discord
from inspector.store.reader import Reader
from tests.e2e.playing import simulated

pytestmark = pytest.mark.e2e

CODES = (4004, 4005, 4006)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripted client is up all the time. discord.py comes again and again, and is turned away in another way."""
    folder = tmp_path_factory.mktemp("rivals")
    is_up, chosen = asyncio.Event(), scenario("plain-json")

    async def welcome(discord: Discord) -> GatewaySocket:
        gateway = await discord.gateway()
        await gateway.welcome(content.guild())
        return gateway

    async def script(discord: Discord) -> None:
        first = await welcome(discord)
        is_up.set()
        # After that one it does not come back.
        await (await welcome(discord)).close(4004)
        for code in (4005, 4006):
            await (await welcome(discord)).close(code)
            await (await welcome(discord)).goodbye()
        second = await welcome(discord)
        await second.invalid_session(resumable=False)
        await second.gone()
        await (await welcome(discord)).goodbye()
        await first.goodbye()

    async def play() -> None:
        async with simulated(script, folder) as (simulator, proxy):
            url, ca = f"http://{proxy.address}", [proxy.ca_path, simulator.ca_path]
            other = asyncio.create_task(scripted.play(chosen, ca=ca, proxy=url))
            await asyncio.wait_for(is_up.wait(), 20)
            for _ in (*CODES, "op 9"):
                await discordpy.run(chosen, url, ca)
            await other
            await simulator.finished()

    asyncio.run(asyncio.wait_for(play(), 60))
    return folder / "played.gwcap"


def events(capture: Path) -> list[Event]:
    with closing(Reader(capture)) as reader:
        return [event for event in reader.all_events() if event.plane is Plane.GATEWAY]


OTHER = "Another process uses the same token and shard: connection 1, from '127.0.0.1' with user agent 'Python/3"


@pytest.mark.parametrize("code", CODES)
def test_the_verdict_on_a_close_names_the_other_process(code: int, capture: Path) -> None:
    [verdict] = [
        each.verdict for each in events(capture) if each.kind is Kind.CLOSE and each.closed and each.closed.code == code
    ]
    assert verdict is not None
    assert OTHER in verdict.cause
    assert {each.n for each in events(capture) if each.connection == 1} & {*verdict.evidence}


def test_what_is_told_of_an_invalid_session_names_the_other_process(capture: Path) -> None:
    [refused] = [each for each in events(capture) if each.op == GatewayOp.INVALID_SESSION]
    [told] = [each for each in refused.findings if each.rule == "invalid-session"]
    assert OTHER in told.text
