"""``httpx_ws_bot.py TOKEN [trio] [no-proxy]``; on asyncio without `trio`."""

import sys

import anyio
import httpx
from httpx_ws import aconnect_ws
from login import BEAT, URL, identify, is_ready


async def main():
    async with httpx.AsyncClient(trust_env="no-proxy" not in sys.argv) as client, aconnect_ws(URL, client) as ws:
        await ws.receive_text()
        await ws.send_text(BEAT)
        await ws.send_text(identify(sys.argv[1]))
        while not is_ready(await ws.receive_text()):
            pass
        await anyio.sleep(60)


anyio.run(main, backend="trio" if "trio" in sys.argv else "asyncio")
