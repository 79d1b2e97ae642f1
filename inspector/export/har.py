"""A HAR with WebSocket messages, as Chrome writes it: for Chrome itself, mitmproxy, and whatever reads HARs.

A HAR lists connections one after the other, so what was said on each is put aside in a temporary file first. It has no
place for packets of calls, for gaps, and for what the proxy did to a message; how a connection ended is written as HTTP
Toolkit writes it, pings and pongs as messages with the opcodes 9 and 10, which Chrome leaves out.
"""

import base64
import json
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from inspector import __version__
from inspector.export.recorded import Progress, happenings
from inspector.model import Closed, Control, Frame, Opened, Plane
from inspector.protocol.registry import Registry

# Bytes of messages that are kept in memory.
_IN_MEMORY = 32 * 1024 * 1024
_OPCODES = {"ping": 9, "pong": 10}


@dataclass(slots=True)
class _Talk:
    """A connection: its entry but for the messages, and where these are."""

    opened: Opened
    closed: Closed | None = None
    last_ns: int = 0
    places: "array[int]" = field(default_factory=lambda: array("Q"))


def write(path: Path, registry: Registry, *, reveal: bool = False, progress: Progress | None = None) -> Iterator[bytes]:
    """Yield the HAR of the capture `path`, in pieces. As `happenings` otherwise."""
    talks: dict[int, _Talk] = {}
    with SpooledTemporaryFile(_IN_MEMORY) as said:
        for happening in happenings(path, registry, reveal=reveal, progress=progress):
            number = happening.connection
            talk = talks.get(number)
            if isinstance(happening, Opened):
                talks[number] = _Talk(happening, last_ns=happening.at_ns)
            elif talk is not None and talk.opened.plane is not Plane.MEDIA:
                talk.last_ns = happening.at_ns
                if isinstance(happening, Frame | Control):
                    talk.places.append(said.tell())
                    said.write(json.dumps(_message(happening), separators=(",", ":")).encode() + b"\n")
                elif isinstance(happening, Closed):
                    talk.closed = happening
        about = {"version": "1.2", "creator": {"name": "gwinspect", "version": __version__}, "pages": []}
        yield b'{"log":' + json.dumps(about).encode()[:-1] + b',"entries":[\n'
        is_first = True
        for talk in talks.values():
            if talk.opened.plane is Plane.MEDIA:
                continue
            yield b"" if is_first else b",\n"
            is_first = False
            yield json.dumps(_entry(talk)).encode()[:-1] + b',"_webSocketMessages":['
            for at, place in enumerate(talk.places):
                said.seek(place)
                yield (b",\n" if at else b"\n") + said.readline().rstrip(b"\n")
            yield b"]}"
        yield b"\n]}}\n"


def _message(happening: Frame | Control) -> dict[str, Any]:
    if isinstance(happening, Control):
        opcode, is_text = _OPCODES[happening.name], False
    else:
        opcode, is_text = (1 if happening.is_text else 2), happening.is_text
    data = happening.data
    try:
        text = data.decode() if is_text else base64.b64encode(data).decode()
    except UnicodeDecodeError:
        # Text that is not UTF-8 is not to be sent, but may have been.
        opcode, text = 2, base64.b64encode(data).decode()
    side = "send" if happening.from_client else "receive"
    return {"type": side, "time": _seconds(happening.at_ns), "opcode": opcode, "data": text}


def _entry(talk: _Talk) -> dict[str, Any]:
    opened, closed = talk.opened, talk.closed
    sent = {name: value for name, value in opened.headers.items() if not name.startswith("response-")}
    got = {
        name.removeprefix("response-"): value for name, value in opened.headers.items() if name.startswith("response-")
    }
    url = opened.url or "wss://unknown.invalid/"
    entry: dict[str, Any] = {
        "startedDateTime": _iso(opened.at_ns),
        "time": (talk.last_ns - opened.at_ns) / 1e6,
        "request": {
            "method": "GET",
            "url": url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _pairs({"upgrade": "websocket", "connection": "Upgrade"} | sent),
            "queryString": [{"name": name, "value": value} for name, value in _query(url)],
            "headersSize": -1,
            "bodySize": 0,
        },
        "response": {
            "status": opened.status or 0,
            "statusText": _status_text(opened),
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _pairs(got),
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
        "_resourceType": "websocket",
    }
    if opened.refusal is not None and not opened.status:
        entry["response"]["_error"] = opened.refusal
    if closed is not None and closed.code is not None:
        entry["_webSocketClose"] = "aborted" if closed.code == 1006 else {"code": closed.code, "reason": closed.reason}
    return entry


def _status_text(opened: Opened) -> str:
    if opened.refusal is None:
        return "Switching Protocols"
    return opened.refusal.removeprefix(f"HTTP {opened.status}").partition(" (cf-ray")[0].strip()


def _pairs(headers: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return []


def _seconds(at_ns: int) -> float:
    return at_ns // 1000 / 1e6


def _iso(at_ns: int) -> str:
    second, rest = divmod(at_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
