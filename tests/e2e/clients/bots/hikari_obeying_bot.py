"""hikari_obeying_bot.py TOKEN: obeys the words of the simulator."""

import sys

import hikari

bot = hikari.GatewayBot(sys.argv[1], banner=None, logs="WARNING", intents=hikari.Intents.ALL)


@bot.listen()
async def on_message(event: hikari.GuildMessageCreateEvent) -> None:
    if event.content == "!status":
        await bot.update_presence(status=hikari.Status.IDLE)
    elif event.content == "!members":
        await bot.request_guild_members(event.guild_id, query="a", limit=100)
    elif event.content == "!goodbye":
        await bot.close()


bot.run(check_for_updates=False)
