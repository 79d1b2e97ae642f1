"""Happenings, written as libraries and programs log them: decoded, and as much of them as each of them says."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from inspector.model import ABSENT, Closed, Frame, Happening, Opened, Payload, Plane
from inspector.wire.decoder import Decoder

Told = Opened | Closed | tuple[Frame, Payload]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MADE = ("wss://gateway.discord.gg/?v=10&encoding=json", "Shard ID None has sent the IDENTIFY payload.")


def decoded(happenings: Iterable[Happening], *planes: Plane) -> Iterator[Told]:
    """Yield what a library sees of connections of `planes`: openings, payloads that can be read, closes."""
    decoders: dict[int, Decoder] = {}
    for each in happenings:
        if isinstance(each, Opened) and each.plane in planes and each.refusal is None:
            decoders[each.connection] = Decoder(each.plane, each.url, joined_late=each.joined_late)
            yield each
        elif isinstance(each, Frame) and each.connection in decoders:
            readings = decoders[each.connection].receive(each)
            yield from ((each, reading.what) for reading in readings if isinstance(reading.what, Payload))
        elif isinstance(each, Closed) and each.connection in decoders:
            yield each


def payload_text(payload: Payload, *, from_client: bool) -> str:
    """Return a payload as JSON, with the keys of its envelope as Discord sends them."""
    if payload.encoding == "json":
        return payload.data.decode("utf-8", "replace")
    own = {} if from_client else {"t": payload.event, "s": payload.seq}
    body = {} if payload.d is ABSENT else {"d": payload.d}
    return json.dumps({**own, "op": payload.op, **body}, default=str)


def json_lines(happenings: Iterable[Happening]) -> str:
    """Records that say all that a record may say."""
    lines = []
    urls: dict[int, Opened] = {}
    for each in decoded(happenings, Plane.GATEWAY, Plane.VOICE):
        record: dict[str, Any]
        if isinstance(each, Opened):
            urls[each.connection] = each
            continue
        if isinstance(each, Closed):
            record = {"time": moment(each.at_ns), "connection": each.connection, "kind": "close", "code": each.code}
            lines.append(json.dumps(record | {"reason": each.reason}))
            continue
        frame, payload = each
        opened = urls[frame.connection]
        record = {"time": moment(frame.at_ns), "connection": frame.connection, "url": opened.url}
        record |= {"plane": opened.plane.value, "dir": "out" if frame.from_client else "in"}
        text = payload_text(payload, from_client=frame.from_client).replace("\n", " ")
        lines.append(json.dumps(record)[:-1] + f', "data": {text}}}')
    return "\n".join(lines) + "\n"


def bare(happenings: Iterable[Happening]) -> str:
    """Payloads of the main gateway and nothing else."""
    lines = [payload_text(payload, from_client=frame.from_client) for frame, payload in _payloads(happenings)]
    return "".join(line.replace("\n", " ") + "\n" for line in lines)


def discord_py(happenings: Iterable[Happening], stamp: Callable[[int], str] | None = None) -> str:
    """The debug log of discord.py. `stamp`: what its format puts in front; by default what its own does."""
    stamp = stamp or (lambda at_ns: f"[{_second(at_ns)}] [DEBUG   ] discord.gateway: ")
    lines, asked = [f"{stamp(0)[:-17]}discord.client: logging in using static token"], False
    told = list(happenings)
    calls = {each.connection for each in told if isinstance(each, Opened) and each.plane is Plane.VOICE}
    for each in decoded(told, Plane.GATEWAY, Plane.VOICE):
        if _number_of(each) in calls:
            lines += [f"{stamp(frame.at_ns)}{line}" for frame, line in _of_call(each)]
        elif isinstance(each, Opened):
            lines.append(f"{stamp(each.at_ns)}Created websocket connected to {each.url.partition('?')[0]}")
        elif isinstance(each, Closed):
            if each.by == "server":
                message = f"WSMessage(type=<WSMsgType.CLOSE: 8>, data={each.code}, extra={each.reason!r})"
            else:
                message = "WSMessage(type=<WSMsgType.CLOSING: 256>, data=None, extra=None)"
            lines.append(f"{stamp(each.at_ns)}Received {message}")
            lines.append(f"{stamp(each.at_ns)}Websocket closed with {each.code}, attempting a reconnect.")
        else:
            frame, payload = each
            envelope = _values(payload_text(payload, from_client=frame.from_client))
            if not frame.from_client:
                asked = envelope.get("op") == 10
                lines.append(f"{stamp(frame.at_ns)}For Shard ID None: WebSocket Event: {envelope!r}")
            elif payload.op == 1 and not asked:
                beat = f"Keeping shard ID None websocket alive with sequence {envelope.get('d')}."
                lines.append(f"{stamp(frame.at_ns)}{beat}")
            elif payload.op == 4:
                lines.append(f"{stamp(frame.at_ns)}Updating our voice state to {envelope!r}.")
    return "\n".join(lines) + "\n"


def _number_of(each: Told) -> int:
    return each[0].connection if isinstance(each, tuple) else each.connection


def _of_call(each: Told) -> Iterator[tuple[Frame, str]]:
    """Yield what discord.py logs of a call: JSON messages, and of binary ones as much as nextcord does."""
    if not isinstance(each, tuple):
        return
    frame, payload = each
    if payload.encoding == "binary":
        word = (
            "Sending voice websocket binary frame"
            if frame.from_client
            else "Received binary message on voice websocket"
        )
        yield frame, f"{word}: {payload.data.hex()}"
        return
    shown = repr(_values(payload_text(payload, from_client=True)))
    yield (
        frame,
        f"Sending voice websocket frame: {shown}." if frame.from_client else f"Voice websocket frame received: {shown}",
    )


def hikari(happenings: Iterable[Happening]) -> str:
    """hikari's log at TRACE_HIKARI."""
    lines = []
    for each in decoded(happenings, Plane.GATEWAY):
        if isinstance(each, Opened):
            continue
        if isinstance(each, Closed):
            how = f"sending close frame with code {each.code} and message {each.reason.encode('utf-8', 'replace')!r}"
            if each.by == "server":
                how = f"server has closed the connection permanently [code:{each.code}, reason:{each.reason}]"
            lines.append(f"D {_moment(each.at_ns, ',')[:23]} hikari.gateway.0: {how}")
        else:
            frame, payload = each
            data = payload_text(payload, from_client=frame.from_client).encode("utf-8", "replace")
            word = "sending" if frame.from_client else "received"
            when = _moment(frame.at_ns, ",")[:23]
            lines.append(f"T {when} hikari.gateway.0: {word} payload with size {len(data)}\n    {data!r}")
    return "\n".join(lines) + "\n"


def discord_js(happenings: Iterable[Happening]) -> str:
    """What a bot on discord.js prints of its events ``debug`` and ``raw``."""
    lines = []
    for each in decoded(happenings, Plane.GATEWAY):
        if isinstance(each, Opened):
            lines.append(f"[WS => Shard 0] Connecting to {each.url}")
        elif isinstance(each, Closed):
            reason = each.reason or "none"
            lines += ["[WS => Shard 0] Destroying shard", f"\tReason: {reason}", f"\tCode: {each.code}"]
            lines += ["\tRecover: Resume", "[WS => Shard 0] Connection status during destroy"]
            lines.append(f"\tNeeds closing: {'false' if each.by == 'server' else 'true'}")
        elif not each[0].from_client and each[1].op == 0:
            lines.append(payload_text(each[1], from_client=False).replace("\n", " "))
    return "\n".join(lines) + "\n"


def eris(happenings: Iterable[Happening]) -> str:
    """What a bot on eris prints of its events ``debug`` and ``rawWS``, with the time in front."""
    lines = []
    for each in decoded(happenings, Plane.GATEWAY):
        if isinstance(each, Opened):
            continue
        if isinstance(each, Closed):
            if each.by == "server":
                lines.append(f"{moment(each.at_ns)} debug Unclean WS close: {each.code}: {each.reason}")
        else:
            frame, payload = each
            word = "debug" if frame.from_client else "rawWS"
            text = payload_text(payload, from_client=frame.from_client).replace("\n", " ")
            lines.append(f"{moment(frame.at_ns)} {word} {text}")
    return "\n".join(lines) + "\n"


def oceanic(happenings: Iterable[Happening]) -> str:
    """What a bot on oceanic.js prints: ``debug`` has all that it sends, ``packet`` only events."""
    lines = eris(happenings).splitlines(keepends=True)
    return "".join(line for line in lines if "rawWS" not in line or '"op":0' in line.replace('"op": 0', '"op":0'))


WRITERS: dict[str, Callable[[Iterable[Happening]], str]] = {
    "JSON Lines": json_lines,
    "bare JSON Lines": bare,
    "discord.py": discord_py,
    "hikari": hikari,
    "discord.js": discord_js,
    "eris": eris,
    "oceanic.js": oceanic,
}


def moment(at_ns: int) -> str:
    """Return a time as JavaScript writes it, with six digits."""
    return _moment(at_ns, ".").replace(" ", "T") + "Z"


def _payloads(happenings: Iterable[Happening]) -> Iterator[tuple[Frame, Payload]]:
    return (each for each in decoded(happenings, Plane.GATEWAY) if isinstance(each, tuple))


def _moment(at_ns: int, point: str) -> str:
    try:
        return f"{_EPOCH + timedelta(microseconds=at_ns // 1000):%Y-%m-%d %H:%M:%S{point}%f}"
    except OverflowError:
        return f"9999-12-31 23:59:59{point}000000"


def _second(at_ns: int) -> str:
    return _moment(at_ns, ".")[:19]


def _values(text: str) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
