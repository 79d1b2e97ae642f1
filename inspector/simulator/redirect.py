"""Leads every TCP connection of a mitmproxy to the simulator: ``mitmdump -s redirect.py``.

The rule: it imports nothing of mitmproxy, and it acts before any name is resolved. The name the client asked for stays
in the TLS handshake, so the simulator's certificate is verified as Discord's would be. The port comes from the
environment variable ``GWINSPECT_SIMULATOR_PORT``.
"""

import os
from typing import Any


def server_connect(data: Any) -> None:
    """mitmproxy's hook: a connection to a server is about to be made. UDP already leads to where it should."""
    if data.server.transport_protocol == "udp":
        return
    data.server.address = ("127.0.0.1", int(os.environ["GWINSPECT_SIMULATOR_PORT"]))
