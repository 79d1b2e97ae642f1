"""Each scenario, so each encoding, compression and way to end, through a real mitmdump."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from inspector.model import Kind
from inspector.protocol.ops import GatewayOp
from inspector.simulator.client import scripted as client
from inspector.simulator.client.scripted import trust
from inspector.simulator.journal import JournalEntry
from inspector.simulator.scenarios.catalogue import SCENARIOS
from inspector.simulator.server.stage import Discord
from inspector.store.reader import Reader
from tests.e2e.playing import assert_agree, simulated, talks_of_capture, talks_of_journal

pytestmark = pytest.mark.e2e


def test_every_scenario_is_recorded_as_it_was_played(tmp_path: Path) -> None:
    async def play_all() -> list[JournalEntry]:
        async def script(discord: Discord) -> None:
            for chosen in SCENARIOS.values():
                await chosen.script(discord)

        async with simulated(script, tmp_path) as (simulator, proxy):
            for chosen in SCENARIOS.values():
                await client.play(chosen, ca=[proxy.ca_path, simulator.ca_path], proxy=f"http://{proxy.address}")
            await simulator.finished()
            return list(simulator.journal)

    journal = asyncio.run(play_all())
    recorded = talks_of_capture(tmp_path / "played.gwcap")
    assert_agree(recorded, talks_of_journal(journal))
    assert len(recorded) > len(SCENARIOS)


def test_two_gateways_at_once_are_kept_apart_and_pings_are_seen(tmp_path: Path) -> None:
    async def play_both() -> list[JournalEntry]:
        async def script(discord: Discord) -> None:
            first, second = await discord.gateway(), await discord.gateway()
            for gateway in (first, second):
                await gateway.login()
            for number in range(20):
                await first.dispatch("FIRST", {"number": number})
                await second.dispatch("SECOND", {"number": number})
            await second.close(4000)
            await first.close(4001)

        async with (
            simulated(script, tmp_path) as (simulator, proxy),
            aiohttp.ClientSession(proxy=f"http://{proxy.address}") as http,
        ):
            url, tls = "wss://gateway.discord.gg/?v=10&encoding=json&compress=zstd-stream", trust([proxy.ca_path])
            async with http.ws_connect(url, ssl=tls) as first, http.ws_connect(url, ssl=tls) as second:
                await second.ping(b"\x00'")
                for ws in (first, second):
                    await ws.send_json({"op": GatewayOp.IDENTIFY, "d": {}})
                await asyncio.gather(*(_read_all(ws) for ws in (first, second)))
            await simulator.finished()
            return list(simulator.journal)

    journal = asyncio.run(play_both())
    recorded = talks_of_capture(tmp_path / "played.gwcap")
    assert_agree(recorded, talks_of_journal(journal))
    assert [talk.close[0] for talk in recorded] == [4001, 4000]
    reader = Reader(tmp_path / "played.gwcap")
    controls = [event for event in reader.events() if event.kind is Kind.CONTROL]
    assert [(c.connection, c.event, c.from_client, c.payload) for c in controls] == [
        (2, "ping", True, b"\x00'"),
        (2, "pong", False, b"\x00'"),
    ]
    reader.close()


async def _read_all(ws: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in ws:
        pass
