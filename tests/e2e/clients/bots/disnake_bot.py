import sys

import disnake

bot = disnake.Client(intents=disnake.Intents.default())
bot.run(sys.argv[1])
