import asyncio
import sys

from login import BEAT, URL, identify, is_ready
from tornado.websocket import websocket_connect


async def main():
    ws = await websocket_connect(URL)
    await ws.read_message()
    await ws.write_message(BEAT)
    await ws.write_message(identify(sys.argv[1]))
    while not is_ready(await ws.read_message()):
        pass
    await asyncio.sleep(60)


asyncio.run(main())
