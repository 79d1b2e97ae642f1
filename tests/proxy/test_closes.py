"""What mitmproxy gets of a followed WebSocket's messages: whole frames, and none that would fill its memory."""

import math

import pytest
from mitmproxy.proxy import events
from mitmproxy.proxy.layers.websocket import WebsocketLayer

from inspector.importers.mitm import BAD_FRAME, HOW_CLOSED, closed_of
from inspector.proxy import closes
from inspector.proxy.closes import Closes

pytestmark = pytest.mark.compat


@pytest.fixture
def layer() -> WebsocketLayer:
    relay = Closes(lambda flow: True, lambda flow: None, lambda: math.inf)
    made = closes._layer(relay._relay_of(WebsocketLayer.__dict__["relay_messages"]))
    closes._told(made, events.Start())
    return made


def _says(layer: WebsocketLayer, data: bytes) -> list[tuple[str, str]]:
    """Return what a message of the server leads to."""
    return closes._told(layer, events.DataReceived(layer.context.server, data))


def _parts(layer: WebsocketLayer) -> int:
    """Count the parts of messages that mitmproxy is given, and holds."""
    return len(layer.server_ws.frame_buf) - 1 + len(layer.server_ws.frame_buf[-1])


def test_a_frame_in_pieces_comes_to_mitmproxy_whole(layer: WebsocketLayer) -> None:
    """It would copy all that it has with each of them."""
    whole = "é" * 50
    frame = b"\x81\x64" + whole.encode()
    for at in range(len(frame) - 1):
        assert _says(layer, frame[at : at + 1]) == []
        assert _parts(layer) == 0
    assert ("client", whole.encode().hex()) in _says(layer, frame[-1:])
    assert [message.content for message in layer.flow.websocket.messages] == [whole.encode()]


def test_fragments_keep_their_places(layer: WebsocketLayer) -> None:
    told = [told for byte in b"\x02\x02ab\x00\x01c\x80\x00" for told in _says(layer, bytes((byte,)))]
    assert [said for said in told if said[0] == "client"] == [("client", "6162"), ("client", "63"), ("client", "")]
    assert [message.content for message in layer.flow.websocket.messages] == [b"abc"]


@pytest.mark.parametrize(
    "data", [b"\x82\x7e\xff\xff" + bytes(0xFFF0), b"\x02\x00" + b"\x00\x00" * 1000], ids=["bytes", "fragments"]
)
def test_a_message_that_would_fill_the_memory_ends_the_connection(
    layer: WebsocketLayer, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(closes, "_MAX_MESSAGE", 40_000)
    told = _says(layer, data)
    assert [side for side, said in told if said.startswith("03f1")] == ["server", "client"]
    assert ("hook", "websocket_end") in told
    assert layer.flow.metadata[HOW_CLOSED] == BAD_FRAME
    closed = closed_of(layer.flow, 1, 0)
    assert closed is not None
    assert (closed.code, closed.by) == (1009, "proxy")
