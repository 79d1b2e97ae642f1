import asyncio
import stat
from typing import Any

import aiohttp
import pytest

from inspector.protocol.ops import GatewayOp
from inspector.simulator.client.scripted import play, trust
from inspector.simulator.content import TOKEN
from inspector.simulator.scenarios.catalogue import scenario
from inspector.simulator.script import Scenario
from inspector.simulator.server.connection import ScriptError
from inspector.simulator.server.simulator import Simulator
from inspector.simulator.server.stage import Discord

pytestmark = pytest.mark.compat


async def _get(simulator: Simulator, path: str, token: str = TOKEN) -> tuple[int, Any]:
    headers = {"Host": "discord.com", "Authorization": f"Bot {token}"}
    url = f"https://127.0.0.1:{simulator.port}{path}"
    tls = trust([simulator.ca_path])
    async with (
        aiohttp.ClientSession() as http,
        http.get(url, headers=headers, ssl=tls, server_hostname="discord.com") as answer,
    ):
        return answer.status, await answer.json()


def _ask(path: str, **token: str) -> tuple[int, Any]:
    async def ask() -> tuple[int, Any]:
        async with Simulator(scenario("hello"), pace=0) as simulator:
            return await _get(simulator, path, **token)

    return asyncio.run(ask())


def test_a_bot_is_told_where_the_gateway_is() -> None:
    status, answer = _ask("/api/v10/gateway/bot")
    assert (status, answer["url"], answer["shards"]) == (200, "wss://gateway.discord.gg", 1)


def test_a_wrong_token_is_refused() -> None:
    assert _ask("/api/v10/users/@me", token="wrong") == (401, {"message": "401: Unauthorized", "code": 0})


def test_an_unknown_route_answers_as_discord_does() -> None:
    assert _ask("/api/v10/nothing") == (404, {"message": "404: Not Found", "code": 0})


def test_the_certificate_is_private_and_goes_away() -> None:
    async def run() -> None:
        async with Simulator(scenario("hello"), pace=0) as simulator:
            assert stat.S_IMODE(simulator.ca_path.stat().st_mode) == 0o600
            assert stat.S_IMODE(simulator.ca_path.parent.stat().st_mode) == 0o700
        assert not simulator.ca_path.parent.exists()

    asyncio.run(run())


def test_a_client_that_does_not_play_along_fails_the_script() -> None:
    async def script(discord: Discord) -> None:
        gateway = await discord.gateway()
        await gateway.login()
        await gateway.invalid_session(resumable=False)
        await gateway.expect(GatewayOp.PRESENCE_UPDATE)

    async def run() -> None:
        chosen = Scenario("unfair", "", "", script)
        async with Simulator(chosen, pace=0) as simulator:
            await play(chosen, ca=[simulator.ca_path], connect_to=("127.0.0.1", simulator.port))
            await simulator.finished()

    with pytest.raises(ScriptError, match=r"connection 1: the client left \(close 1000\) before op 3"):
        asyncio.run(run())


def test_after_the_end_nobody_is_let_in() -> None:
    async def script(discord: Discord) -> None:
        pass

    async def run() -> None:
        chosen = Scenario("empty", "", "", script)
        async with Simulator(chosen, pace=0) as simulator:
            await simulator.finished()
            await play(chosen, ca=[simulator.ca_path], connect_to=("127.0.0.1", simulator.port))

    with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
        asyncio.run(run())
