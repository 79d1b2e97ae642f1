"""What discord.js says in its event ``debug``: where connections begin and end.

Payloads are in ``raw``, printed as JSON (see `jsonlines`). Those are dispatches only: Hello, heartbeats and all that
the client sends are missing. Of the ACK of a heartbeat, which has nothing in it, ``debug`` tells.

Sources: ``packages/ws/src/ws/WebSocketShard.ts`` of discord.js 14, ``src/client/websocket/WebSocketShard.js`` of 13
(https://github.com/discordjs/discord.js).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inspector.importers.logs.entries import Began, Ended, Entry, Line, Said, Unreadable
from inspector.importers.logs.payloads import Envelope

_SHARD = re.compile(r"\[WS => (?:Shard (\d{1,6})|Manager)\] ?(.*)")
_CONNECTING = re.compile(r"Connecting to (wss?://\S{1,2000})")
_LOST = re.compile(r"Shard not recoverable: (\d{4})\b")
_DETAIL = re.compile(r"\s+(Reason|Code|Event Code|Gateway|Needs closing)\s*: ?(.{0,2000})")
_ACK = "Heartbeat acknowledged, latency of "
_NO_REASON = "No reason received"
_TOPICS = ("Destroying shard", "Connection status during destroy", "[CONNECT]", "[CLOSE]")
# How console.log shows a payload.
_SHOWN = re.compile(r"\{? {1,3}t: (?:'[A-Z_]{1,60}'|null),")


@dataclass(slots=True)
class _Destroyed:
    """Why the client gave a connection up."""

    code: int | None = None
    reason: str = ""


class DiscordJs:
    """Reads its lines."""

    name = "discord.js"

    def __init__(self) -> None:
        self._shard, self._topic = "", ""
        # Its raw events have ACKs, too.
        self._is_13 = False
        self._destroyed: dict[str, _Destroyed] = {}

    def receive(self, line: Line) -> Iterator[Entry]:
        text = line.text
        if found := _SHARD.search(text):
            self._shard, said = found[1] or "", found[2]
            self._topic = next((topic for topic in _TOPICS if said.startswith(topic)), "")
            yield from self._said(said, line)
        elif self._topic and (found := _DETAIL.match(text)):
            yield from self._detailed(found[1], found[2].strip(), line)
        else:
            if not text[:1].isspace():
                self._topic = ""
            if _SHOWN.match(text):
                yield Unreadable(
                    "was printed by console.log, which leaves out most of it; print JSON.stringify(packet)"
                )

    def _said(self, said: str, line: Line) -> Iterator[Entry]:
        if not self._shard:
            return
        if found := _CONNECTING.match(said):
            yield Began(self._shard, line.at, found[1])
        elif self._topic == "[CONNECT]":
            self._is_13 = True
        elif said.startswith(_ACK) and not self._is_13:
            data = b'{"op":11}'
            yield Said(self._shard, line.at, False, data, Envelope(11), is_all=False)
        elif found := _LOST.match(said):
            yield Ended(self._shard, line.at, int(found[1]), by="server")
        elif self._topic == _TOPICS[0]:
            self._destroyed[self._shard] = _Destroyed()

    def _detailed(self, name: str, value: str, line: Line) -> Iterator[Entry]:
        shard = self._shard
        match name:
            case "Gateway":
                yield Began(shard, line.at, value)
            case "Event Code":
                self._destroyed[shard] = _Destroyed(int(value) if value.isdecimal() and len(value) < 6 else None)
            case "Reason" if self._topic == "[CLOSE]":
                # Version 13 does not say who closed.
                why = self._destroyed.pop(shard, _Destroyed())
                yield Ended(shard, line.at, why.code, "" if value == _NO_REASON else value[:200])
            case "Reason" if shard in self._destroyed:
                self._destroyed[shard].reason = value[:200]
            case "Code" if shard in self._destroyed and value.isdecimal() and len(value) < 6:
                self._destroyed[shard].code = int(value)
            case "Needs closing":
                why = self._destroyed.pop(shard, _Destroyed())
                if value == "true":
                    yield Ended(shard, line.at, why.code, why.reason, "client")
                else:
                    # The reason is the library's own.
                    yield Ended(shard, line.at, why.code, by="server" if why.code != 1006 else None)
