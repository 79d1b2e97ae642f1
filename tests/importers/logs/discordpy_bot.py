"""discord.py playing along, as a user would log it: ``python -m tests.importers.logs.discordpy_bot FORMAT SCENARIO …``.

Its log goes to stdout. FORMAT is ``own`` for discord.py's, else that of `logging`. The rest is for
`inspector.simulator.client.discordpy`.
"""

import logging
import sys
import time

from discord import utils

from inspector.simulator.client import discordpy

if __name__ == "__main__":
    form = sys.argv.pop(1)
    formatter = logging.Formatter("[{asctime}] [{levelname:<8}] {name}: {message}", "%Y-%m-%d %H:%M:%S", style="{")
    if form != "own":
        formatter = logging.Formatter(form)
    formatter.converter = time.gmtime
    utils.setup_logging(handler=logging.StreamHandler(sys.stdout), formatter=formatter, level=logging.DEBUG)
    sys.exit(discordpy.main())
