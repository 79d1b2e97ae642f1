"""An addon that writes down what passes, one line a message, with no buffer between: what a kill cannot take back.

The first line is the process, each other the time in nanoseconds since the epoch and the message in hexadecimal digits.
"""

import os
import time

from mitmproxy.http import HTTPFlow


class Witness:
    def __init__(self) -> None:
        self._file = os.open(os.environ["WITNESS"], os.O_CREAT | os.O_WRONLY)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def websocket_message(self, flow: HTTPFlow) -> None:
        assert flow.websocket is not None
        os.write(self._file, f"{time.time_ns()} {flow.websocket.messages[-1].content.hex()}\n".encode())


addons = [Witness()]
