import sys

import interactions

bot = interactions.Client(intents=interactions.Intents.DEFAULT)
bot.start(sys.argv[1])
