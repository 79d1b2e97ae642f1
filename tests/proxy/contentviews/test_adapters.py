"""The views as mitmproxy, whichever it is, asks for them."""

from collections.abc import Iterator

import pytest
from mitmproxy import contentviews
from mitmproxy.http import HTTPFlow
from mitmproxy.test import taddons, tflow

from inspector.proxy.views import Views
from tests.conversation import HELLO, Conversation, message, usual
from tests.proxy.flows import flow_of

pytestmark = pytest.mark.compat

IS_LEGACY = not hasattr(contentviews, "Contentview")


@pytest.fixture
def views() -> Iterator[Views]:
    with taddons.context(Views()) as context:
        yield context.master.addons.get("views")
    context.master.addons.clear()


def shown(flow: HTTPFlow, message: object, view: str = "auto") -> str:
    """Return a message as mitmproxy's windows get it."""
    if IS_LEGACY:
        _, lines, _ = contentviews.get_message_content_view(view, message, flow)
        return "\n".join("".join(text for _, text in line) for line in lines)
    text: str = contentviews.prettify_message(message, flow, view).text
    return text


@pytest.mark.usefixtures("views")
@pytest.mark.parametrize("compression", ["none", "zlib-stream", "zstd-stream"])
def test_a_gateways_messages_are_shown_by_our_view_unless_another_is_chosen(compression: str) -> None:
    flow = flow_of(usual(compression=compression))
    assert flow.websocket is not None
    in_order = [shown(flow, each) for each in flow.websocket.messages]
    assert all(" #1 " in text for text in in_order)
    assert [shown(flow, flow.websocket.messages[place]) for place in (6, 0, 2, 1)] == [
        in_order[place] for place in (6, 0, 2, 1)
    ]
    assert "MESSAGE_CREATE" in shown(flow, flow.websocket.messages[6])
    assert '  "content": "good morning",' in shown(flow, flow.websocket.messages[6]).split("\n")
    assert "#1" not in shown(flow, flow.websocket.messages[6], "raw")


@pytest.mark.usefixtures("views")
def test_other_messages_are_shown_as_ever() -> None:
    chat = tflow.twebsocketflow()
    assert shown(chat, chat.websocket.messages[0]) == "hello binary"
    plain = tflow.tflow(resp=True)
    assert shown(plain, plain.response) == "message"


@pytest.mark.usefixtures("views")
def test_our_view_chosen_for_something_else_does_no_harm() -> None:
    plain = tflow.tflow(resp=True)
    found = shown(plain, plain.response, "gwinspect")
    assert "message" in found or "not a message of a Discord gateway" in found


@pytest.mark.usefixtures("views")
def test_the_view_can_be_chosen_by_name() -> None:
    flow = flow_of(usual())
    assert flow.websocket is not None
    assert "Identify" in shown(flow, flow.websocket.messages[1], "gwinspect")


@pytest.mark.usefixtures("views")
def test_every_line_has_something_in_it() -> None:
    """mitmproxy's console crashes on a line without any pieces."""
    flow = flow_of(Conversation().opens().server(HELLO).server(message("")))
    assert flow.websocket is not None
    for each in flow.websocket.messages:
        assert all(shown(flow, each).split("\n"))


def test_loading_the_addon_again_replaces_the_view() -> None:
    """mitmproxy does when its file changes."""
    flow = flow_of(usual())
    assert flow.websocket is not None
    for _ in range(2):
        views = Views()
        with taddons.context(views) as context:
            assert "Identify" in shown(flow, flow.websocket.messages[1])
            context.master.addons.remove(views)
        assert "Identify" not in shown(flow, flow.websocket.messages[1])
