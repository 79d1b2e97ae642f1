"""``httpx_ws_sync_bot.py TOKEN [no-proxy]``"""

import sys
import time

import httpx
from httpx_ws import connect_ws
from login import BEAT, URL, identify, is_ready

with httpx.Client(trust_env="no-proxy" not in sys.argv) as client, connect_ws(URL, client) as ws:
    ws.receive_text()
    ws.send_text(BEAT)
    ws.send_text(identify(sys.argv[1]))
    while not is_ready(ws.receive_text()):
        pass
    time.sleep(60)
