"""The discord.py bot, which writes down what it saw itself: one JSON line a payload, into the file named by SEEN."""

import json
import os
import sys
from typing import Any

import discord

from inspector.simulator.client import discordpy as discordpy_client


class _Telling(discord.Client):
    def __init__(self, **options: Any) -> None:
        super().__init__(enable_debug_events=True, **options)

    async def on_socket_raw_receive(self, message: str) -> None:
        _tell(False, message)

    async def on_socket_raw_send(self, payload: str) -> None:
        _tell(True, payload)


def _tell(from_client: bool, text: str) -> None:
    with open(os.environ["SEEN"], "a", encoding="utf-8") as seen:
        seen.write(json.dumps([from_client, json.loads(text)]) + "\n")


if __name__ == "__main__":
    discord.Client = _Telling  # type: ignore[misc]
    sys.exit(discordpy_client.main())
