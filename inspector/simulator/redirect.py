"""Leads every TCP connection of a mitmproxy to the simulator: ``mitmdump -s redirect.py``.

The rule: it imports nothing of mitmproxy, and it acts before any name is resolved. The name the client asked for stays
in the TLS handshake, so the simulator's certificate is verified as Discord's would be. The port comes from the
environment variable ``GWINSPECT_SIMULATOR_PORT``; ``GWINSPECT_SIMULATOR_CLOCK`` names the file that tells how much time
a script has skipped, if it skips any.
"""

import os
from pathlib import Path
from typing import Any

_CLOCK = os.environ.get("GWINSPECT_SIMULATOR_CLOCK")
if _CLOCK:
    from inspector.simulator.clock import Follower

    _FOLLOWER: Follower | None = Follower(Path(_CLOCK))
else:
    _FOLLOWER = None


def server_connect(data: Any) -> None:
    """mitmproxy's hook: a connection to a server is about to be made. UDP already leads to where it should."""
    if data.server.transport_protocol == "udp":
        return
    data.server.address = ("127.0.0.1", int(os.environ["GWINSPECT_SIMULATOR_PORT"]))


def websocket_message(flow: Any) -> None:
    """mitmproxy's hook: a message is about to be passed on."""
    _count(flow.websocket.messages[-1].from_client)


def websocket_end(flow: Any) -> None:
    """mitmproxy's hook: a connection has ended."""
    _count(from_client=False)


def udp_message(flow: Any) -> None:
    """mitmproxy's hook: the same, of a datagram."""
    _count(flow.messages[-1].from_client)


def _count(from_client: bool) -> None:
    if _FOLLOWER is not None and not from_client:
        _FOLLOWER.passed()
