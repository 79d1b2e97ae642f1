"""A bot on an unmodified discord.py, to show the inspector what a real library does.

``python -m inspector.simulator.client.discordpy SCENARIO --proxy http://127.0.0.1:8080 --ca mitmproxy-ca-cert.pem``

The rule: only public parts of the library are used, and it obeys the same words as the scripted client. What it is told
of a scenario is how many clients it takes, and what is wrong with them. To join, the library takes PyNaCl and davey
besides.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from inspector.simulator.client.manners import manners
from inspector.simulator.client.scripted import first_of, trust
from inspector.simulator.content import LOUNGE, TOKEN
from inspector.simulator.scenarios.catalogue import scenario
from inspector.simulator.script import Scenario
from inspector.simulator.server.media import FRAME_SECONDS, FRAMES, speech

if TYPE_CHECKING:
    import discord


async def run(chosen: Scenario, proxy: str, ca: Sequence[Path]) -> None:
    """Log in, obey, and return when told goodbye or when the gateway takes no one any more.

    A scenario of several shards has a client for each; the next begins when the one before has its READY.

    `ca`: PEM files of the authorities to trust. Raises `ImportError` without discord.py, aiohttp's
    `ClientError` where not even the login works.
    """
    playing: list[asyncio.Task[None]] = []
    for shard in chosen.shards:
        ready = asyncio.Event()
        playing.append(asyncio.create_task(_run_one(chosen, shard, ready, proxy, ca)))
        await first_of(ready, playing[-1])
    await asyncio.gather(*playing)


async def _run_one(
    chosen: Scenario, shard: tuple[int, int], ready: asyncio.Event, proxy: str, ca: Sequence[Path]
) -> None:
    import discord

    tls, behaving = trust(ca), manners(chosen.client_fault)
    options: dict[str, Any] = {"intents": discord.Intents.all(), "chunk_guilds_at_startup": False}
    if len(chosen.shards) > 1:
        options["shard_id"], options["shard_count"] = behaving.shard(*shard)
    async with (
        aiohttp.TCPConnector(ssl=tls) as connector,
        discord.Client(proxy=proxy, connector=connector, **options) as bot,
    ):
        # One word after the other: a goodbye in the middle of leaving a call makes the library leave it twice.
        obeying = asyncio.Lock()

        async def on_message(message: discord.Message) -> None:
            async with obeying:
                await _obey(bot, message)

        async def on_connect() -> None:
            ready.set()

        async def on_disconnect() -> None:
            if not bot.is_closed():
                connecting.cancel()

        # No one listens for the end without need: discord.py 2.7.0 cannot tell of it once the bot is closed.
        for listener in (on_message, on_connect, *([] if behaving.returns else [on_disconnect])):
            bot.event(listener)
        await bot.login(TOKEN)
        connecting = asyncio.ensure_future(bot.connect(reconnect=False))
        try:
            await connecting
        except asyncio.CancelledError:
            print("discord.py does not come back", file=sys.stderr)
        except (discord.ConnectionClosed, discord.PrivilegedIntentsRequired, aiohttp.ClientError) as end:
            print(f"discord.py stops: {end}", file=sys.stderr)


async def _obey(bot: "discord.Client", message: "discord.Message") -> None:
    import discord

    match message.content:
        case "!status":
            watching = discord.Activity(type=discord.ActivityType.watching, name="the gateway")
            await bot.change_presence(activity=watching, status=discord.Status.idle)
        case "!members":
            # Who says goodbye need not wait for all of them.
            asking = asyncio.ensure_future(message.guild.query_members("a", limit=100, cache=False))
            asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())
        case "!join":
            try:
                await message.guild.get_channel(int(LOUNGE)).connect()
            except RuntimeError as missing:
                print(f"discord.py cannot join: {missing}; install it and try again", file=sys.stderr)
                await bot.close()
        case "!speak":
            # The word comes by the gateway, and may overtake the commit that makes the group. What is said before that
            # would go unencrypted. Of the scenarios, only encrypted calls have this word.
            while not message.guild.voice_client.voice_privacy_code:
                await asyncio.sleep(FRAME_SECONDS)
            for frame in speech(FRAMES):
                message.guild.voice_client.send_audio_packet(frame, encode=False)
                await asyncio.sleep(FRAME_SECONDS)
        case "!leave":
            await message.guild.voice_client.disconnect()
        case "!goodbye":
            await bot.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m inspector.simulator.client.discordpy", description="Play along with a scenario by discord.py."
    )
    parser.add_argument("scenario", nargs="?", default="hello")
    parser.add_argument("--proxy", required=True, help="URL of the proxy to go through, e.g. http://127.0.0.1:8080")
    parser.add_argument(
        "--ca", type=Path, action="append", required=True, help="PEM of an authority to trust; repeatable"
    )
    options = parser.parse_args()
    try:
        asyncio.run(run(scenario(options.scenario), options.proxy, options.ca))
    except ImportError as error:
        print(f"discord.py is needed to play this client ({error}); install discord.py and try again", file=sys.stderr)
        return 2
    except (aiohttp.ClientError, OSError) as error:
        print(f"discord.py could not log in: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
