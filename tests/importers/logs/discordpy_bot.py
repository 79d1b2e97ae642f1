"""discord.py playing along, as a user would log it: ``python -m tests.importers.logs.discordpy_bot FORMAT SCENARIO …``.

Its log goes to stdout. FORMAT is ``own`` for discord.py's, ``raw`` for its raw events as JSON Lines, else that of
`logging`. The rest is for `inspector.simulator.client.discordpy`.
"""

import json
import logging
import sys
import time
from typing import Any

import discord
from discord import utils

from inspector.simulator.client import discordpy


class Telling(discord.Client):
    """Prints what docs/logs.md has people write down."""

    def __init__(self, **options: Any) -> None:
        super().__init__(enable_debug_events=True, **options)

    async def on_socket_raw_receive(self, message: str) -> None:
        print(json.dumps({"at": time.time(), "direction": "receive", "payload": message}))

    async def on_socket_raw_send(self, payload: str) -> None:
        print(json.dumps({"at": time.time(), "direction": "send", "payload": payload}))


if __name__ == "__main__":
    form = sys.argv.pop(1)
    if form == "raw":
        discord.Client = Telling  # type: ignore[misc]
        sys.exit(discordpy.main())
    formatter = logging.Formatter("[{asctime}] [{levelname:<8}] {name}: {message}", "%Y-%m-%d %H:%M:%S", style="{")
    if form != "own":
        formatter = logging.Formatter(form)
    formatter.converter = time.gmtime
    utils.setup_logging(handler=logging.StreamHandler(sys.stdout), formatter=formatter, level=logging.DEBUG)
    sys.exit(discordpy.main())
