"""``websocket_client_bot.py TOKEN [no-proxy] [gevent]``"""

import sys

if "gevent" in sys.argv:
    from gevent import monkey

    monkey.patch_all()

import os
import time

import websocket
from login import BEAT, URL, identify, is_ready

if "no-proxy" in sys.argv:
    os.environ["NO_PROXY"] = "*"
ws = websocket.create_connection(URL)
ws.recv()
ws.send(BEAT)
ws.send(identify(sys.argv[1]))
while not is_ready(ws.recv()):
    pass
time.sleep(60)
