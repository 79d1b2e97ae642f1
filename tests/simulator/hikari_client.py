"""A bot on an unmodified hikari: ``python hikari_client.py PROXY CA``. It obeys the words of the scripted client."""

import asyncio
import ssl
import sys

import hikari
from hikari.impl import HTTPSettings, ProxySettings

from inspector.simulator.content import GUILD_ID, TOKEN


async def run(proxy: str, ca: str) -> None:
    bot = hikari.GatewayBot(
        TOKEN,
        banner=None,
        logs="WARNING",
        intents=hikari.Intents.ALL,
        http_settings=HTTPSettings(ssl=ssl.create_default_context(cafile=ca)),
        proxy_settings=ProxySettings(url=proxy),
    )

    started = asyncio.Event()

    @bot.listen()
    async def on_message(event: hikari.GuildMessageCreateEvent) -> None:
        await started.wait()  # before that, hikari refuses to speak
        if event.content == "!status":
            await bot.update_presence(status=hikari.Status.IDLE)
        elif event.content == "!members":
            await bot.request_guild_members(int(GUILD_ID), query="a", limit=100)
        elif event.content == "!goodbye":
            await bot.close()

    try:
        await bot.start(check_for_updates=False)
        started.set()
        await bot.join()
    except hikari.GatewayError as end:
        print(f"hikari stops: {end}", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
