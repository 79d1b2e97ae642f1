import sys

import trio
from login import BEAT, URL, identify, is_ready
from trio_websocket import open_websocket_url


async def main():
    async with open_websocket_url(URL) as ws:
        await ws.get_message()
        await ws.send_message(BEAT)
        await ws.send_message(identify(sys.argv[1]))
        while not is_ready(await ws.get_message()):
            pass
        await trio.sleep(60)


trio.run(main)
