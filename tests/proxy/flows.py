"""Conversations as flows of mitmproxy."""

from urllib.parse import urlsplit

from mitmproxy.http import HTTPFlow
from mitmproxy.test import tflow
from mitmproxy.websocket import WebSocketData, WebSocketMessage
from wsproto.frame_protocol import Opcode

from inspector.model import Closed, Frame, Mark, Opened
from tests.conversation import Conversation


def flow_of(talk: Conversation) -> HTTPFlow:
    """Return the flow that mitmproxy would have of `talk`."""
    opened = talk.happenings[0]
    assert isinstance(opened, Opened)
    flow = tflow.twebsocketflow(messages=False)
    flow.request.url = opened.url.replace("ws", "http", 1)
    flow.request.headers["host"] = urlsplit(opened.url).netloc
    flow.request.timestamp_start = flow.response.timestamp_start = opened.at_ns / 1e9
    flow.websocket = WebSocketData()
    go_on(flow, talk)
    return flow


def go_on(flow: HTTPFlow, talk: Conversation) -> list[WebSocketMessage]:
    """Let happen to `flow` what has come to `talk` since, and return the new messages."""
    websocket = flow.websocket
    assert websocket is not None
    frames = [each for each in talk.happenings if isinstance(each, Frame)]
    new = [message_of(frame) for frame in frames[len(websocket.messages) :]]
    websocket.messages += new
    for closed in talk.happenings:
        if isinstance(closed, Closed):
            websocket.close_code, websocket.close_reason = closed.code, closed.reason
            websocket.closed_by_client = {"client": True, "server": False}.get(closed.by or "")
            websocket.timestamp_end = closed.at_ns / 1e9
    return new


def message_of(frame: Frame) -> WebSocketMessage:
    """Return a frame as mitmproxy's message."""
    sort = Opcode.TEXT if frame.is_text else Opcode.BINARY
    injected, dropped = bool(frame.marks & Mark.INJECTED), bool(frame.marks & Mark.DROPPED)
    return WebSocketMessage(sort, frame.from_client, frame.data, frame.at_ns / 1e9, dropped, injected)
