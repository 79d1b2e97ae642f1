import sys
import time

from curl_cffi import Session
from login import BEAT, URL, identify, is_ready

with Session(impersonate="chrome") as session:
    ws = session.ws_connect(URL)
    ws.recv_str()
    ws.send_str(BEAT)
    ws.send_str(identify(sys.argv[1]))
    while not is_ready(ws.recv_str()):
        pass
    time.sleep(60)
