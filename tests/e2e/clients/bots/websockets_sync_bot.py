"""``websockets_sync_bot.py TOKEN [no-proxy]``"""

import sys
import time

from login import BEAT, URL, identify, is_ready
from websockets.sync.client import connect

options = {"proxy": None} if "no-proxy" in sys.argv else {}
with connect(URL, **options) as ws:
    ws.recv()
    ws.send(BEAT)
    ws.send(identify(sys.argv[1]))
    while not is_ready(ws.recv()):
        pass
    time.sleep(60)
