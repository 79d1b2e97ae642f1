"""Happenings, written as other programs write them."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mitmproxy.http import HTTPFlow
from mitmproxy.test import tflow
from mitmproxy.udp import UDPFlow, UDPMessage
from mitmproxy.websocket import WebSocketData, WebSocketMessage
from wsproto.frame_protocol import Opcode

from inspector.importers.frames import writing
from inspector.model import Closed, Control, Frame, Gap, Happening, Mark, Opened, Plane

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# When the clock of a browser began to run, in seconds since the epoch.
_BOOTED = 1_769_800_000


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _moment(at_ns: int) -> str:
    try:
        return (
            (_EPOCH + timedelta(microseconds=at_ns // 1000)).isoformat(timespec="microseconds").replace("+00:00", "Z")
        )
    except OverflowError:
        return "9999-12-31T23:59:59Z"


def record_of(happening: Happening) -> dict[str, Any]:
    """Return the record of a frames file, also at a time that none can have."""
    if isinstance(happening, Gap):
        happening = replace(happening, since_ns=_possible(happening.since_ns), until_ns=_possible(happening.until_ns))
    return writing.record_of(replace(happening, at_ns=_possible(happening.at_ns)))


def _possible(at_ns: int) -> int:
    return min(max(at_ns, 0), 2**63 - 1)


def har_of(happenings: list[Happening], creator: str) -> dict[str, Any]:
    """Return a HAR with an entry for each connection, as Chrome, mitmproxy or HTTP Toolkit writes it."""
    entries = []
    for number in dict.fromkeys(each.connection for each in happenings):
        own = [each for each in happenings if each.connection == number]
        opened = next((each for each in own if isinstance(each, Opened)), None)
        closed = next((each for each in own if isinstance(each, Closed)), None)
        entries.append(_entry(opened, closed, own, creator))
    return {"log": {"version": "1.2", "creator": {"name": creator, "version": "1.0"}, "pages": [], "entries": entries}}


def _entry(opened: Opened | None, closed: Closed | None, own: list[Happening], creator: str) -> dict[str, Any]:
    url = opened.url if opened else "wss://gateway.discord.gg/"
    entry: dict[str, Any] = {
        "_resourceType": "websocket",
        "_webSocketMessages": [message for each in own if (message := _message(each)) is not None],
        "request": {
            "method": "GET",
            "url": url if creator == "WebInspector" else url.replace("ws", "http", 1),
            "headers": [{"name": "Upgrade", "value": "websocket"}, {"name": "User-Agent", "value": "Browser/1.0"}],
        },
        "response": {
            "status": opened.status if opened else 101,
            "statusText": opened.refusal if opened and opened.refusal else "Switching Protocols",
            "headers": [{"name": "CF-RAY", "value": "8f00000000000000-XYZ"}],
        },
        "startedDateTime": _moment(own[0].at_ns),
        "time": 10_000.0,
    }
    if creator == "HTTP Toolkit" and closed is not None:
        entry["_webSocketClose"] = {"code": closed.code, "reason": closed.reason, "timestamp": 12.5}
    if opened and opened.refusal:
        entry["_webSocketMessages"].append({"type": "error", "time": 1, "opcode": -1, "data": opened.refusal})
    return entry


def _message(happening: Happening) -> dict[str, Any] | None:
    match happening:
        case Frame():
            text = happening.is_text
            data = happening.data.decode("utf-8", "replace") if text else _base64(happening.data)
            side = "send" if happening.from_client else "receive"
            return {"type": side, "time": happening.at_ns / 1e9, "opcode": 1 if text else 2, "data": data}
        case Control():
            opcode = 9 if happening.name == "ping" else 10
            return {"type": "send", "time": happening.at_ns / 1e9, "opcode": opcode, "data": _base64(happening.data)}
    return None


def cdp_of(happenings: list[Happening]) -> list[dict[str, Any]]:
    """Return events of the Chrome DevTools Protocol, as Chrome sends them: without pings and close frames."""
    return [{"method": f"Network.{name}", "params": params} for each in happenings for name, params in _events(each)]


def _events(happening: Happening) -> list[tuple[str, dict[str, Any]]]:
    of = {"requestId": f"1000.{happening.connection}"}
    common = of | {"timestamp": happening.at_ns / 1e9 - _BOOTED}
    match happening:
        case Opened():
            headers = {"Upgrade": "websocket", "User-Agent": "Browser/1.0"}
            asked = common | {"wallTime": happening.at_ns / 1e9, "request": {"headers": headers}}
            response = {"status": 101, "statusText": "Switching Protocols", "headers": {"Upgrade": "websocket"}}
            found = [("webSocketCreated", of | {"url": happening.url}), ("webSocketWillSendHandshakeRequest", asked)]
            if happening.refusal is None:
                return [*found, ("webSocketHandshakeResponseReceived", common | {"response": response})]
            error = common | {"errorMessage": happening.refusal}
            return [*found, ("webSocketFrameError", error), ("webSocketClosed", common)]
        case Frame():
            data = happening.data.decode("utf-8", "replace") if happening.is_text else _base64(happening.data)
            frame = {"opcode": 1 if happening.is_text else 2, "mask": happening.from_client, "payloadData": data}
            name = "webSocketFrameSent" if happening.from_client else "webSocketFrameReceived"
            return [(name, common | {"response": frame})]
        case Closed():
            return [("webSocketClosed", common)]
    return []


def archive_of(happenings: list[Happening]) -> dict[str, bytes]:
    """Return the files of an archive of discordless: what servers said, with the times of it."""
    files = {"gateway_index": b"", "request_index": b""}
    opened = {each.connection: each for each in happenings if isinstance(each, Opened)}
    numbers: dict[int, int] = {}
    for each in happenings:
        if not isinstance(each, Frame) or each.from_client:
            continue
        if each.connection not in numbers:
            numbers[each.connection] = len(numbers)
            begun = opened.get(each.connection)
            url = (begun.url if begun else "wss://gateway.discord.gg/").replace("ws", "http", 1)
            at = (begun or each).at_ns / 1e9
            files["gateway_index"] += f"{at} {url} {numbers[each.connection]}\n".encode("utf-8", "replace")
        name = f"gateways/{numbers[each.connection]}_"
        files[name + "data"] = files.get(name + "data", b"") + each.data
        line = f"{each.at_ns / 1e9} {len(each.data)}\n".encode()
        files[name + "timeline"] = files.get(name + "timeline", b"") + line
    return files


def write_archive(happenings: list[Happening], folder: Path) -> None:
    """Write an archive of discordless into a new folder."""
    (folder / "gateways").mkdir(parents=True)
    for name, data in archive_of(happenings).items():
        (folder / name).write_bytes(data)


def flows_of(happenings: list[Happening]) -> list[dict[str, Any]]:
    """Return the states of mitmproxy's flows, one for each connection, with ids that are the same each time."""
    states = []
    for number in dict.fromkeys(each.connection for each in happenings):
        own = [each for each in happenings if each.connection == number]
        opened = next((each for each in own if isinstance(each, Opened)), None)
        is_media = opened is not None and opened.plane is Plane.MEDIA
        state: dict[str, Any] = (_udp(own) if is_media else _websocket(opened, own)).get_state()
        states.append(_settled(state, number) | {"timestamp_created": own[0].at_ns / 1e9})
    return states


def _websocket(opened: Opened | None, own: list[Happening]) -> HTTPFlow:
    flow = tflow.twebsocketflow(messages=False)
    if opened is not None:
        try:
            flow.request.url = opened.url.replace("ws", "http", 1)
        except ValueError:
            flow.request.path = opened.url.encode(errors="replace").decode()
    assert flow.response is not None
    flow.request.timestamp_start = flow.response.timestamp_start = own[0].at_ns / 1e9
    flow.websocket = WebSocketData()
    for each in own:
        if isinstance(each, Frame):
            sort = Opcode.TEXT if each.is_text else Opcode.BINARY
            marks = bool(each.marks & Mark.DROPPED), bool(each.marks & Mark.INJECTED)
            flow.websocket.messages.append(
                WebSocketMessage(sort, each.from_client, each.data, each.at_ns / 1e9, *marks)
            )
        elif isinstance(each, Closed):
            flow.websocket.close_code, flow.websocket.close_reason = each.code, each.reason
            flow.websocket.closed_by_client = {"client": True, "server": False}.get(each.by or "")
            flow.websocket.timestamp_end = each.at_ns / 1e9
    if opened is not None and opened.refusal is not None:
        flow.websocket = None
        flow.response.status_code = opened.status or 403
        flow.request.headers["upgrade"] = "websocket"
    return flow


def _udp(own: list[Happening]) -> UDPFlow:
    flow = tflow.tudpflow()
    frames = [each for each in own if isinstance(each, Frame)]
    flow.messages = [UDPMessage(each.from_client, each.data, each.at_ns / 1e9) for each in frames]
    return flow


def _settled(state: Any, number: int) -> Any:
    """Return a state in which no id is random."""
    if isinstance(state, dict):
        return {key: f"id-{number}" if key == "id" else _settled(value, number) for key, value in state.items()}
    return state
