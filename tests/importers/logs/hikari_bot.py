"""hikari playing along, as a user would log it: ``python -m tests.importers.logs.hikari_bot --proxy URL --ca PEM``.

Its log goes to stdout, in the format of hikari's own set-up.
"""

import asyncio
import logging
import sys
import time

from hikari.internal import ux

from tests.simulator.hikari_client import run

if __name__ == "__main__":
    logging.Formatter.converter = time.gmtime
    form = "%(levelname)-1.1s %(asctime)23.23s %(name)s: %(message)s"
    logging.basicConfig(level=ux.TRACE, stream=sys.stdout, format=form)
    asyncio.run(run(sys.argv[2], sys.argv[4]))
