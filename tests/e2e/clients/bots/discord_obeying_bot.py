"""discord_obeying_bot.py TOKEN: obeys the words of the simulator."""

import sys

import discord

bot = discord.Client(intents=discord.Intents.all(), chunk_guilds_at_startup=False)


@bot.event
async def on_message(message):
    if message.content == "!status":
        await bot.change_presence(status=discord.Status.idle)
    elif message.content == "!members":
        await message.guild.query_members("a", limit=100, cache=False)
    elif message.content == "!goodbye":
        await bot.close()


bot.run(sys.argv[1], log_handler=None)
