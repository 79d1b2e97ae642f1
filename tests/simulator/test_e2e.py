"""Real libraries, a real mitmdump, the simulator: nothing leaves loopback."""

import asyncio
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader

from inspector.simulator.content import message
from inspector.simulator.journal import JournalEntry
from inspector.simulator.scenarios.catalogue import scenario
from inspector.simulator.scenarios.voice import join_encrypted, leave
from inspector.simulator.script import Scenario
from inspector.simulator.server.media import FRAMES
from inspector.simulator.server.simulator import Simulator
from inspector.simulator.server.stage import Discord
from tests.simulator.proxy import mitmdump

pytestmark = [pytest.mark.compat, pytest.mark.e2e, pytest.mark.lowest]

_CLIENTS = {
    "scripted": ["-m", "inspector.simulator.client.scripted", "{scenario}", "--proxy", "{proxy}", "--ca", "{ca}"],
    "discord.py": ["-m", "inspector.simulator.client.discordpy", "--proxy", "{proxy}", "--ca", "{ca}"],
    "hikari": [str(Path(__file__).with_name("hikari_client.py")), "{proxy}", "{ca}"],
}
_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("client", _CLIENTS)
def test_a_client_logs_in_through_mitmproxy_and_every_byte_is_seen(client: str, tmp_path: Path) -> None:
    journal = asyncio.run(_play(_CLIENTS[client], tmp_path, scenario("hello")))

    events = [entry.event for entry in journal if entry.event]
    assert events[:2] == ["READY", "GUILD_CREATE"]
    assert "RESUMED" in events
    hosts = [entry.host for entry in journal if entry.kind == "open"]
    assert hosts == ["gateway.discord.gg", "gateway-us-east1-b.discord.gg"]
    recorded = _recorded(tmp_path / "flows")
    lived = [
        _by_direction(
            (entry.from_client, frame) for entry in journal if entry.connection == n for frame in entry.frames
        )
        for n in (1, 2)
    ]
    for ours, truth in zip(recorded, lived, strict=True):
        # While one end closes, a message of the other may be on its way: past the proxy, or not there yet.
        for more, fewer in ((ours[True], truth[True]), (truth[False], ours[False])):
            assert more[: len(fewer)] == fewer
            assert len(more) - len(fewer) <= 2


@pytest.mark.parametrize("client", ["scripted", "discord.py"])
def test_a_client_that_is_told_to_speak_before_its_call_is_encrypted_waits_for_it(client: str, tmp_path: Path) -> None:
    """It is told by the gateway, and of the group by the voice server: one may overtake the other."""
    heard = []

    async def script(discord: Discord) -> None:
        gateway, voice, _ = await join_encrypted(discord)
        await gateway.dispatch("MESSAGE_CREATE", message(3, "!speak"))
        await asyncio.sleep(0.3)
        heard.append(voice.heard)
        await voice.commit()
        await voice.hear(FRAMES)
        heard.append(voice.heard)
        await leave(gateway, voice)

    asyncio.run(_play(_CLIENTS[client], tmp_path, Scenario("dave-call", "A test", "", script, media=True, dave=True)))
    assert heard[0] == 0
    assert heard[1] >= FRAMES


async def _play(command: list[str], folder: Path, played: Scenario) -> list[JournalEntry]:
    async with Simulator(played, pace=0) as simulator:
        async with mitmdump(simulator, folder) as proxy:
            arguments = [part.format(scenario=played.name, proxy=proxy.url, ca=proxy.ca) for part in command]
            client = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, env=os.environ | {"PYTHONPATH": str(_ROOT)}
            )
            try:
                await simulator.finished()
                assert await asyncio.wait_for(client.wait(), 60) == 0
            finally:
                if client.returncode is None:
                    client.kill()
        return simulator.journal


def _recorded(flows: Path) -> list[dict[bool, list[bytes]]]:
    with flows.open("rb") as file:
        found = [flow for flow in FlowReader(file).stream() if isinstance(flow, HTTPFlow) and flow.websocket]
    found.sort(key=lambda flow: flow.timestamp_start)
    return [_by_direction((each.from_client, each.content) for each in flow.websocket.messages) for flow in found]


def _by_direction(messages: Iterable[tuple[bool, bytes]]) -> dict[bool, list[bytes]]:
    """Part the client's (True) from the server's: what crosses on the way has no order that both ends agree on."""
    parted: dict[bool, list[bytes]] = {True: [], False: []}
    for from_client, frame in messages:
        parted[from_client].append(frame)
    return parted
