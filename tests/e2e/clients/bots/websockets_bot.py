"""``websockets_bot.py TOKEN [uvloop] [no-proxy]``"""

import asyncio
import sys

import websockets
from login import BEAT, URL, identify, is_ready


async def main(token):
    # It reads the environment since version 15.
    options = {"proxy": None} if "no-proxy" in sys.argv else {}
    async with websockets.connect(URL, **options) as ws:
        await ws.recv()
        await ws.send(BEAT)
        await ws.send(identify(token))
        while not is_ready(await ws.recv()):
            pass
        await asyncio.sleep(60)


if "uvloop" in sys.argv:
    import uvloop

    uvloop.install()
asyncio.run(main(sys.argv[1]))
