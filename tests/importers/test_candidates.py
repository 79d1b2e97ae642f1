"""What the server's first message tells."""

import json
import zlib

import pytest

from inspector.importers.candidates import MAX_FRAMES, begins_late, confirm
from inspector.model import Frame, Mark, Opened, Plane

GATEWAY = Opened(1, 0, Plane.GATEWAY, "wss://chat.example/?v=10&encoding=json")
ZLIB = Opened(1, 0, Plane.GATEWAY, "wss://chat.example/?v=10&encoding=json&compress=zlib-stream")
VOICE = Opened(1, 0, Plane.VOICE, "wss://voice.chat.example/?v=8")
REMOTE = Opened(1, 0, Plane.REMOTE_AUTH, "wss://remote.chat.example/?v=2")


def server(payload: object, marks: Mark = Mark.NONE) -> Frame:
    return Frame(1, 0, False, True, json.dumps(payload).encode(), marks)


def client(payload: object) -> Frame:
    return Frame(1, 0, True, True, json.dumps(payload).encode())


def zlib_stream(*payloads: object) -> list[Frame]:
    stream = zlib.compressobj()
    return [
        Frame(1, 0, False, False, stream.compress(json.dumps(payload).encode()) + stream.flush(zlib.Z_SYNC_FLUSH))
        for payload in payloads
    ]


HELLO = {"op": 10, "d": {"heartbeat_interval": 41250}}
READY = {"op": 0, "s": 1, "t": "READY", "d": {}}


@pytest.mark.parametrize(
    ("opened", "frames", "answer"),
    [
        (GATEWAY, [server(HELLO)], True),
        (GATEWAY, [client({"op": 2}), server(HELLO)], True),
        (GATEWAY, [server({"op": 8})], False),
        (GATEWAY, [server({"hello": "world"})], False),
        (GATEWAY, [server(HELLO, Mark.INJECTED), server(READY)], False),
        (GATEWAY, [Frame(1, 0, False, True, b"tick")], False),
        (GATEWAY, [], None),
        (GATEWAY, [client(n) for n in range(MAX_FRAMES - 1)], None),
        (GATEWAY, [client(n) for n in range(MAX_FRAMES)], False),
        (GATEWAY, [*(client(n) for n in range(MAX_FRAMES)), server(HELLO)], False),
        (ZLIB, zlib_stream(HELLO), True),
        (ZLIB, zlib_stream(HELLO, READY)[1:], False),
        (VOICE, [server({"op": 8, "d": {"v": 8}})], True),
        (VOICE, [server(HELLO)], False),
        (REMOTE, [server({"op": "hello"})], True),
    ],
)
def test_hello_confirms_a_candidate(opened: Opened, frames: list[Frame], answer: bool | None) -> None:
    assert confirm(opened, frames) is answer


def test_hello_may_come_in_pieces() -> None:
    whole = zlib_stream(HELLO)[0].data
    pieces = [Frame(1, 0, False, False, part) for part in (whole[:5], whole[5:])]
    assert confirm(ZLIB, pieces[:1]) is None
    assert confirm(ZLIB, pieces) is True


@pytest.mark.parametrize(
    ("opened", "frames", "late"),
    [
        (GATEWAY, [server(HELLO), server(READY)], False),
        (GATEWAY, [server(READY)], True),
        (GATEWAY, [client({"op": 1})], False),
        (GATEWAY, [], False),
        (GATEWAY, [server("no envelope")], False),
        (ZLIB, zlib_stream(HELLO, READY), False),
        (ZLIB, zlib_stream(HELLO, READY)[1:], True),
        (VOICE, [server({"op": 6})], True),
        (Opened(1, 0, Plane.RPC, "ws://127.0.0.1:6463/?v=1"), [server({"cmd": "DISPATCH", "evt": "READY"})], False),
    ],
)
def test_first_message_tells_a_late_start(opened: Opened, frames: list[Frame], late: bool) -> None:
    assert begins_late(opened, frames) is late
