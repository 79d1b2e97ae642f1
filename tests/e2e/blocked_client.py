"""The discord.py bot, which computes for a while when it reads ``!think``, and lets nothing else run meanwhile."""

import sys
import time

import discord

from inspector.simulator.client import discordpy as discordpy_client

# Seconds: longer than the server of the scenario has patience.
_THINKING = 3.0


class _Thinking(discord.Client):
    def __init__(self, **options: object) -> None:
        super().__init__(enable_debug_events=True, **options)

    async def on_socket_raw_receive(self, message: str) -> None:
        if '"!think"' in message:
            time.sleep(_THINKING)


if __name__ == "__main__":
    discord.Client = _Thinking  # type: ignore[misc]
    sys.exit(discordpy_client.main())
