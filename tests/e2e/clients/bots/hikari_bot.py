import sys

import hikari

bot = hikari.GatewayBot(sys.argv[1], banner=None)
bot.run(check_for_updates=False)
