"""The hikari bot, called as `inspector.cli.staging` calls its clients: ``--proxy URL --ca PEM``."""

import asyncio
import sys

from tests.simulator.hikari_client import run

if __name__ == "__main__":
    asyncio.run(run(sys.argv[2], sys.argv[4]))
