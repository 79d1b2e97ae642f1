import asyncio
import sys

from login import BEAT, URL, identify, is_ready
from picows import WSListener, WSMsgType, ws_connect


class Listener(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.TEXT:
            self.heard.put_nowait(frame.get_payload_as_utf8_text())


async def main():
    Listener.heard = asyncio.Queue()
    transport, _ = await ws_connect(Listener, URL)
    await Listener.heard.get()
    transport.send(WSMsgType.TEXT, BEAT.encode())
    transport.send(WSMsgType.TEXT, identify(sys.argv[1]).encode())
    while not is_ready(await Listener.heard.get()):
        pass
    await asyncio.sleep(60)


asyncio.run(main())
