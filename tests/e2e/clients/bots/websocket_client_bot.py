"""``websocket_client_bot.py TOKEN [no-proxy]``"""

import sys
import time

import websocket
from login import BEAT, URL, identify, is_ready

options = {"http_no_proxy": ["*"]} if "no-proxy" in sys.argv else {}
ws = websocket.create_connection(URL, **options)
ws.recv()
ws.send(BEAT)
ws.send(identify(sys.argv[1]))
while not is_ready(ws.recv()):
    pass
time.sleep(60)
