"""Upgrades that mitmproxy makes nothing of."""

import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.test import tflow

from inspector.proxy.upgrades import why_no_websocket, why_unreadable

pytestmark = pytest.mark.compat


def _flow(**headers: str) -> HTTPFlow:
    flow = tflow.twebsocketflow(messages=False)
    flow.response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return flow


@pytest.mark.parametrize(
    "extensions",
    [
        "permessage-deflate; server_max_window_bits=x",
        "permessage-deflate; client_max_window_bits",
        "x-invented, permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=" + "9" * 5000,
    ],
)
def test_extensions_that_mitmproxy_fails_over_are_known(extensions: str) -> None:
    why = why_unreadable(_flow(sec_websocket_extensions=extensions))
    assert why is not None
    assert "mitmproxy cannot read the server's extension permessage-deflate; " in why
    assert len(why) < 300


@pytest.mark.parametrize(
    "extensions", ["", "permessage-deflate", "permessage-deflate; server_max_window_bits=15", ",;,"]
)
def test_extensions_that_it_reads_are_left_alone(extensions: str) -> None:
    assert why_unreadable(_flow(sec_websocket_extensions=extensions)) is None


def test_what_is_not_a_websocket_to_mitmproxy_says_why() -> None:
    flow = _flow(upgrade="tls" * 1000)
    flow.request.headers["sec-websocket-version"] = "8"
    assert why_no_websocket(flow).endswith("Sec-WebSocket-Version: 8); what follows passes unrecorded")
    assert len(why_no_websocket(flow)) < 300
