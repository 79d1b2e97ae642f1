import sys

import nextcord

bot = nextcord.Client(intents=nextcord.Intents.default())
bot.run(sys.argv[1])
