import sys

import discord

bot = discord.Client(intents=discord.Intents.default())
bot.run(sys.argv[1])
