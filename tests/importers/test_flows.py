"""The reader of ordinary flows against mitmproxy's own."""

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.flow import Error
from mitmproxy.http import Headers
from mitmproxy.io import tnetstring
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import tflow
from mitmproxy.udp import UDPMessage
from mitmproxy.websocket import WebSocketMessage

from inspector.importers import flows
from inspector.importers.mitm import HOW_CLOSED, IN_FRAME, FlowFile
from inspector.importers.tnetstrings import Malformed, Part, Window
from inspector.model import Closed, Frame, Happening
from inspector.simulator.server.media import discovery_request
from tests.importers.test_mitm import (
    HELLO,
    IDENTIFY,
    READY,
    START,
    VOICE,
    dump,
    message,
    path_of_packets,
    refused,
    websocket,
)


def edited(**changes: Any) -> Any:
    """A WebSocket with other attributes of its parts, each by its path: ``request__port``."""
    flow = websocket()
    for path, value in changes.items():
        *parts, name = path.split("__")
        part: Any = flow
        for each in parts:
            part = getattr(part, each)
        setattr(part, name, value)
    return flow


def marked() -> Any:
    held = message(b"", 0.6)
    held.drop()
    flow = websocket(
        messages=[
            message(HELLO, 0.5),
            held,
            message(IDENTIFY, 1.25, from_client=True, injected=True),
            message(b"\x83m\0\0\0\0", 1.5, text=False),
            message(READY, 5e8),
            message(READY, 9e9),
        ]
    )
    flow.websocket.messages[2].dropped = True
    flow.metadata[HOW_CLOSED] = IN_FRAME
    flow.websocket.timestamp_end = START + 1.4
    return flow


def backed_up() -> Any:
    flow = websocket()
    flow.backup()
    flow.websocket.messages[1].content = b"{}"
    return flow


FLOWS: dict[str, Callable[[], Any]] = {
    "ordinary": websocket,
    "marked": marked,
    "voice": lambda: websocket(VOICE),
    "foreign": lambda: websocket("https://ws.example.org/x?y"),
    "many": lambda: websocket(messages=[message(HELLO, n / 7, from_client=n % 9 == 0) for n in range(40)]),
    "without messages": lambda: websocket(messages=[]),
    "reverse": lambda: edited(
        client_conn__proxy_mode=ProxyMode.parse("reverse:https://gateway.discord.gg@8080"),
        client_conn__sockname=("::1", 8080, 0, 0),
    ),
    "open": lambda: edited(websocket__close_code=None, websocket__timestamp_end=None),
    "failed": lambda: edited(
        websocket__close_code=None, websocket__timestamp_end=None, error=Error("Connection killed.", START + 3)
    ),
    "edited": backed_up,
    "HTTP/2": lambda: edited(request__http_version="HTTP/2.0", request__authority="gateway.discord.gg"),
    "ports": lambda: edited(request__port=8443, request__headers=Headers(host="gateway.discord.gg:2053")),
    "no host": lambda: edited(request__headers=Headers(upgrade="websocket")),
    "odd hosts": lambda: edited(request__headers=Headers(host="[::1]:6463", upgrade="websocket")),
    "two hosts": lambda: edited(request__headers=Headers([(b"Host", b"gateway.discord.gg"), (b"host", b"b")])),
    "no UTF-8": lambda: edited(request__headers=Headers([(b"user-agent", b"Bot \xff")]), response__reason="\xff"),
    "IPv6": lambda: edited(client_conn__peername=("::1", 50000, 0, 0)),
    "refused": refused,
    "unanswered": lambda: refused(None),
    "packets": lambda: path_of_packets((True, discovery_request(1001)), (False, b"\x80\x78" + bytes(60))),
    "plain": lambda: tflow.tflow(resp=True),
    "TCP": tflow.ttcpflow,
}


def made(name: str) -> Any:
    """Return a flow that is the same in every run."""
    flow = FLOWS[name]()
    flow.id, flow.timestamp_created = "a flow", START
    flow.client_conn.id, flow.server_conn.id = "a client", "a server"
    return flow


class Theirs(FlowFile):
    """Has mitmproxy read every flow."""

    def __iter__(self) -> Iterator[Happening]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(flows, "glance", _malformed)
            patched.setattr(flows, "read", _malformed)
            yield from list(super().__iter__())


def _malformed(window: Window, body: Part) -> None:
    raise Malformed("for mitmproxy")


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_is_read_as_mitmproxy_reads_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / "day.mitm"
    path.write_bytes(dump(made(name)))
    own, theirs = FlowFile(path), Theirs(path)
    assert list(own) == list(theirs)
    assert own.notes == theirs.notes


def test_ordinary_flows_need_no_mitmproxy(tmp_path: Path) -> None:
    """What is odd about the others is left to it; so this says which are ours."""
    left = set()
    for name in FLOWS:
        data = dump(made(name))
        start = data.index(b":") + 1
        try:
            flows.glance(Window(io.BytesIO(data)), Part(data[-1], start, len(data) - 1))
            if name not in ("plain", "TCP"):
                flows.read(Window(io.BytesIO(data)), Part(data[-1], start, len(data) - 1))
        except Malformed:
            left.add(name)
    assert left == {"edited", "HTTP/2", "odd hosts", "two hosts"}


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Return a flow with a byte flipped, gone or another, or a piece twice; mostly one that is as long as it says."""
    start = data.index(b":") + 1
    body = bytearray(data[start:-1])
    at = dice.randrange(len(body))
    match dice.randrange(6):
        case 0:
            body[at] ^= 1 << dice.randrange(8)
        case 1:
            body[at : at + 1] = b""
        case 2:
            body[at:at] = body[at : at + dice.randrange(1, 200)]
        case 3:
            del body[at : at + dice.randrange(1, 200)]
        case _:
            # The length or the kind of a value.
            places = [place for place in range(len(body)) if body[place : place + 1] in b":,;#^!~]}0123456789"]
            body[dice.choice(places)] = dice.choice(b":,;#^!~]}0123456789")
    return b"%d:%s%s" % (len(body), bytes(body), data[-1:])


# Damaged ones of each flow.
TRIES = 60
# What the importer does not look at, so that damage there is none of its business.
UNSEEN = {
    "client_conn": {"peername", "sockname", "tls", "timestamp_start", "proxy_mode"},
    "request": {"host", "port", "scheme", "path", "http_version", "method", "timestamp_start", "headers"},
    "response": {"timestamp_start", "status_code", "reason", "headers"},
    "error": {"msg", "timestamp"},
}
SEEN = {"version", "type", "backup", "metadata", *UNSEEN}


def values_of(data: memoryview) -> Iterator[tuple[Any, memoryview]]:
    """Yield what a list or a dictionary consists of, and the bytes of each; nothing for what cannot be read."""
    while data:
        length, rest = tnetstring.split(data, b":")
        value, data = rest[: length + 1], rest[length + 1 :]
        try:
            yield tnetstring.parse(value[length], value[:length]), value[:length]
        except (ValueError, TypeError, IndexError):
            yield None, value[:length]


def put_right(data: bytes, good: dict[str, Any]) -> bytes:
    """Return a damaged flow with what the importer does not look at as in `good`, and the messages that are whole."""
    state: dict[str, Any] = {**good}
    found = list(values_of(memoryview(data)[data.index(b":") + 1 : -1]))
    for (key, _), (value, raw) in zip(found[::2], found[1::2], strict=True):
        if key in UNSEEN and good.get(key) is not None:
            inner = list(values_of(raw))
            kept = {name: each for (name, _), (each, _) in zip(inner[::2], inner[1::2], strict=True)}
            state[key] = good[key] | {name: kept[name] for name in UNSEEN[key] if name in kept}
            if key == "client_conn" and not state[key]["proxy_mode"].startswith("reverse:"):
                state[key]["proxy_mode"] = "regular"
        elif key == "websocket" and good.get(key) is not None:
            inner = list(values_of(raw))
            kept = {name: (each, part) for (name, _), (each, part) in zip(inner[::2], inner[1::2], strict=True)}
            state[key] = {name: kept[name][0] for name in good[key]} | {
                "messages": whole(WebSocketMessage, kept["messages"][1])
            }
        elif key == "messages":
            state[key] = whole(UDPMessage, raw)
        elif key in SEEN:
            state[key] = value
    mended: bytes = tnetstring.dumps(state)
    return mended


def whole(kind: type[WebSocketMessage] | type[UDPMessage], data: memoryview) -> list[Any]:
    """Return the messages up to the first that mitmproxy would not take, or that are not bytes."""
    found: list[Any] = []
    try:
        for value, _ in values_of(data):
            if not isinstance(kind(*value).content, bytes):
                break
            found.append(value)
    except (ValueError, TypeError, IndexError):
        pass
    return found


@pytest.mark.parametrize("name", FLOWS)
def test_a_damaged_flow_is_read_as_mitmproxy_reads_it_or_up_to_the_damage(tmp_path: Path, name: str) -> None:
    """mitmproxy refuses a flow for any damage. What is read all the same is what it would have read without that."""
    path = tmp_path / "day.mitm"
    flow = made(name)
    data, dice = dump(flow), random.Random(name)
    outcomes = {"equal": 0, "more": 0}
    for _ in range(TRIES):
        sample = damaged(data, dice)
        path.write_bytes(sample)
        own, theirs = FlowFile(path), Theirs(path)
        found, expected = list(own), list(theirs)
        if any("could not be read (" in note for note in theirs.notes) and found:
            outcomes["more"] += 1
            path.write_bytes(put_right(sample, flow.get_state()))
            expected = list(Theirs(path))
            if any("to its end" in note for note in own.notes):
                *found, end = found
                assert isinstance(end, Closed), sample
                assert not end.is_recorded, sample
                assert found == expected[: len(found)], sample
                assert list(map(type, found)).count(Frame) == list(map(type, expected)).count(Frame), sample
                continue
        else:
            outcomes["equal"] += 1
        assert found == expected, sample
    assert outcomes["equal"]
