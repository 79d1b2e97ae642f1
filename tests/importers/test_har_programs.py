"""HARs in the very form in which each program writes them, by its source. Those that run here wrote theirs themselves:
`browser/` has Playwright's and DevTools', and tests/test_one_road.py has mitmproxy write one of each sample.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from inspector.importers.formats import open_source
from inspector.model import Closed, Frame, Happening, Knows, Opened, Plane

START_NS = 1_800_000_000 * 1_000_000_000
MAIN = "wss://gateway.discord.gg/?v=10&encoding=json"
HELLO = '{"op":10,"d":{"heartbeat_interval":41250}}'
IDENTIFY = '{"op":2,"d":{"token":"not-a-real-token"}}'


def read(tmp_path: Path, har: Any) -> tuple[list[Happening], list[str]]:
    path = tmp_path / "day.har"
    path.write_text(json.dumps(har, indent=2), "utf-8")
    source = open_source(path)
    return list(source), [note.replace(str(path), "day.har") for note in source.notes]


ABSENT = object()


def http_toolkit(close: Any) -> Any:
    """https://github.com/httptoolkit/httptoolkit-ui/blob/cc63e766/src/model/http/har.ts

    Times of messages are seconds since the epoch, computed from a clock that began to run with the program; that of the
    close is on this clock. The date has the offset of the local time zone (date-fns 1), the duration is in
    milliseconds, until the end where there is one.
    """
    entry = {
        "pageref": "Chrome (Linux)",
        "startedDateTime": "2027-01-15T13:30:00.250+05:30",
        "time": 4_750.25 if close is not ABSENT else 61.5,
        "request": {
            "method": "GET",
            "url": MAIN,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [
                {"name": "Host", "value": "gateway.discord.gg"},
                {"name": "Upgrade", "value": "websocket"},
                {"name": "User-Agent", "value": "Browser/1.0"},
            ],
            "queryString": [{"name": "v", "value": "10"}, {"name": "encoding", "value": "json"}],
            "headersSize": -1,
            "bodySize": 0,
        },
        "response": {
            "status": 101,
            "statusText": "Switching Protocols",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": "upgrade", "value": "websocket"}],
            "content": {"mimeType": "application/octet-stream", "size": 0, "text": ""},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": 0,
        },
        "cache": {},
        "timings": {"blocked": -1, "dns": -1, "connect": -1, "ssl": -1, "send": 1.25, "wait": 60.25, "receive": 0},
        "_resourceType": "websocket",
        "_webSocketMessages": [
            {"type": "receive", "opcode": 1, "data": HELLO, "time": 1_800_000_000.500125},
            {"type": "send", "opcode": 1, "data": IDENTIFY, "time": 1_800_000_000.75},
            {"type": "receive", "opcode": 2, "data": "g20=", "time": 1_800_000_001},
        ],
    }
    if close is not ABSENT:
        entry["_webSocketClose"] = close
    creator = {"name": "HTTP Toolkit", "version": "2026-06-26"}
    page = {"id": "Chrome (Linux)", "title": "Chrome (Linux)", "startedDateTime": "2027-01-15T13:30:00.000+05:30"}
    return {"log": {"version": "1.2", "creator": creator, "pages": [page | {"pageTimings": {}}], "entries": [entry]}}


ENDED = START_NS + 5_000_250_000


@pytest.mark.parametrize(
    ("close", "closed"),
    [
        ({"code": 4014, "reason": "Disallowed intents.", "timestamp": 96.31}, (ENDED, 4014, "Disallowed intents.")),
        # The close frame had no code: it is left out, as JSON knows no undefined.
        ({"reason": "", "timestamp": 96.31}, (ENDED, 1005, "")),
        ("aborted", (ENDED, 1006, "")),
        (ABSENT, (START_NS + 1_000_000_000, None, "")),
    ],
)
def test_http_toolkit(tmp_path: Path, close: Any, closed: tuple[int, int | None, str]) -> None:
    happenings, notes = read(tmp_path, http_toolkit(close))
    assert notes == []
    knows = Knows.TIMES | Knows.BOTH_SIDES | Knows.WIRE | (Knows.NOTHING if close is ABSENT else Knows.END)
    assert happenings == [
        Opened(
            1, START_NS + 250_000_000, Plane.GATEWAY, MAIN, None, 101, None, {"user-agent": "Browser/1.0"}, knows=knows
        ),
        Frame(1, START_NS + 500_125_000, False, True, HELLO.encode()),
        Frame(1, START_NS + 750_000_000, True, True, IDENTIFY.encode()),
        Frame(1, START_NS + 1_000_000_000, False, False, b"\x83m"),
        Closed(1, *closed),
    ]


def without_messages(creator: str, **more: Any) -> Any:
    """What Firefox and Safari tell of a WebSocket: an upgrade like any request."""
    headers = [{"name": "Host", "value": "gateway.discord.gg"}, {"name": "Upgrade", "value": "websocket"}]
    entry = {
        "startedDateTime": "2027-01-15T09:00:00.250+01:00",
        "request": {
            "bodySize": 0,
            "method": "GET",
            "url": MAIN,
            "httpVersion": "HTTP/1.1",
            "headers": headers,
            "cookies": [],
            "queryString": [{"name": "v", "value": "10"}, {"name": "encoding", "value": "json"}],
            "headersSize": 532,
        },
        "response": {
            "status": 101,
            "statusText": "Switching Protocols",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "upgrade", "value": "websocket"}],
            "cookies": [],
            "content": {"mimeType": "text/plain", "size": 0, "text": ""},
            "redirectURL": "",
            "headersSize": 210,
            "bodySize": 210,
        },
        "cache": {},
        "timings": {"blocked": 0, "dns": 0, "connect": 8, "ssl": 12, "send": 0, "wait": 30, "receive": 0},
        "time": 50,
        **more,
    }
    by = {"name": creator, "version": "145.0"}
    return {"log": {"version": "1.2", "creator": by, "browser": by, "pages": [], "entries": [entry]}}


@pytest.mark.parametrize(
    ("creator", "more", "name"),
    [
        # devtools/client/netmonitor/src/har/har-builder.js of Firefox
        ("Firefox", {"_securityState": "secure", "serverIPAddress": "127.0.0.1", "connection": "443"}, "Firefox"),
        # Source/WebInspectorUI/UserInterface/Controllers/HARBuilder.js of WebKit
        ("WebKit Web Inspector", {"pageref": "page_0", "_fetchType": "Network Load"}, "Safari"),
    ],
)
def test_a_browser_that_leaves_messages_out(tmp_path: Path, creator: str, more: Any, name: str) -> None:
    """The connection is shown, nothing is concluded from its silence, and a note says what to do."""
    happenings, notes = read(tmp_path, without_messages(creator, **more))
    assert happenings == [
        Opened(1, START_NS + 250_000_000, Plane.GATEWAY, MAIN, knows=Knows.TIMES | Knows.WIRE),
        Closed(1, START_NS + 250_000_000, None),
    ]
    assert notes == [
        f"1 gateway connection was opened, but without messages in the file: {name} leaves WebSocket messages out of "
        "its HARs; record with Chrome or Edge, or with gwinspect itself"
    ]
