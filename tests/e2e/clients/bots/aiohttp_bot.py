"""``aiohttp_bot.py TOKEN [uvloop] [aiodns] [connector] [trust-env]``"""

import asyncio
import sys

import aiohttp
from login import BEAT, URL, identify, is_ready


async def main(token, how):
    options = {}
    if "aiodns" in how:
        options["connector"] = aiohttp.TCPConnector(resolver=aiohttp.AsyncResolver())
    if "connector" in how:
        options["connector"] = aiohttp.TCPConnector(limit=5, resolver=aiohttp.ThreadedResolver())
    session = aiohttp.ClientSession(trust_env="trust-env" in how, **options)
    async with session, session.ws_connect(URL) as ws:
        await ws.receive_str()
        await ws.send_str(BEAT)
        await ws.send_str(identify(token))
        while not is_ready(await ws.receive_str()):
            pass
        await asyncio.sleep(60)


if "uvloop" in sys.argv:
    import uvloop

    uvloop.install()
asyncio.run(main(sys.argv[1], sys.argv[2:]))
