"""The debug log of discord.py, and of nextcord, disnake and Pycord, which have its lines word for word.

``discord.gateway`` says at DEBUG what it receives, as Python shows the dict, and of what it sends only some: heartbeats
but the first, presences and voice states. It names no shard where a connection is made, and none where it ends.

Source: ``discord/gateway.py`` of discord.py 1.7 to 2.7 (https://github.com/Rapptz/discord.py).
"""

import re
from collections.abc import Iterator

from inspector.importers.logs.entries import Began, Ended, Entry, Line, Said, Unreadable
from inspector.importers.logs.literals import json_of
from inspector.importers.logs.payloads import Envelope, envelope_of
from inspector.model import Plane, Side

_EVENT = re.compile(r"For Shard ID (\w{1,20}): WebSocket Event: (\{.*)", re.DOTALL)
_BEAT = re.compile(r"Keeping shard ID (\w{1,20}) websocket alive with sequence (\d{1,15}|None)\.")
# What is in front of a payload and behind it. Not as patterns: one that begins anywhere and must end somewhere takes a
# hostile line's length squared.
_PRESENCE = ('Sending "', '" to change status')
_VOICE_STATE = ("Updating our voice state to ", ".")
_VOICE_SENT, _VOICE_HEARD = ("Sending voice websocket frame: ", "."), ("Voice websocket frame received: ", "")
# nextcord and disnake show binary messages, discord.py and Pycord only their sizes.
_BINARY = re.compile(
    r"(Sending|received|Received)"
    r"(?: voice websocket (?:binary frame|frame \(binary\))| binary message on voice websocket)?: ([0-9a-f]{6,})\.?$"
)
_MADE = re.compile(r"Created websocket connected to (wss?://[\w.:/?&=%+-]{1,2000})")
_MESSAGE = re.compile(r"Received (?:an error |error )?WSMessage\w{0,20}\(")
_TYPE = re.compile(r"WSMsgType\.(CLOSE|CLOSED|CLOSING)\b")
_REASON = re.compile(r"extra='([^'\\]{1,200})'")
_CLOSED = re.compile(r"Websocket closed with (\d{1,5}|None), (?:attempting a reconnect|cannot reconnect)")
_RETURN = re.compile(r"Got a request to \w+ the websocket(?: at Shard ID (\d+))?")
_INVALID = re.compile(r"Shard ID (\w{1,20}) session has been invalidated\.")
# With what the library closes a connection by itself: `DiscordWebSocket.close`, and where a session is not valid.
_OWN_CODE, _INVALID_CODE = 4000, 1000
# Whose connection a call is. There is a line for each of its messages but no name.
_CALL = "voice"


class DiscordPy:
    """Reads its lines."""

    name = "discord.py"

    def __init__(self) -> None:
        self._shards: dict[str, None] = {}
        self._newest = ""
        self._closing: tuple[Side | None, str] = (None, "")
        self._ended: Ended | None = None

    def receive(self, line: Line) -> Iterator[Entry]:
        text = line.text
        if "ebsocket" in text or "WebSocket" in text:
            yield from self._of_websocket(line)
        elif shown := _between(text, *_PRESENCE):
            yield from _said(self._only(), line, shown.encode("utf-8", "surrogatepass"), True)
        elif shown := _between(text, *_VOICE_STATE):
            yield from _said(self._only(), line, json_of(shown), True)
        elif "Received RECONNECT opcode." in text:
            # It follows the payload at once.
            yield Ended(self._newest, line.at, _OWN_CODE, by="client")
        elif found := _INVALID.search(text):
            yield Ended(found[1], line.at, _INVALID_CODE, by="client")
        elif (found := _MESSAGE.search(text)) and (kind := _TYPE.search(text, found.end())):
            reason = _REASON.search(text, found.end())
            self._closing = ("server", reason[1] if reason else "") if kind[1] == "CLOSE" else ("client", "")

    def _of_websocket(self, line: Line) -> Iterator[Entry]:
        text = line.text
        if found := _EVENT.search(text):
            self._newest = found[1]
            self._shards[self._newest] = None
            yield from _said(self._newest, line, json_of(found[2].rstrip()), False)
        elif found := _BEAT.search(text):
            sequence = found[2].replace("None", "null")
            yield from _said(found[1], line, b'{"op":1,"d":%s}' % sequence.encode(), True)
        elif shown := _between(text, *_VOICE_SENT):
            yield from _said(_CALL, line, json_of(shown), True, Plane.VOICE)
        elif shown := _between(text, *_VOICE_HEARD):
            yield from _said(_CALL, line, json_of(shown), False, Plane.VOICE)
        elif "binary" in text and (found := _BINARY.search(text)):
            yield from _binary(line, bytes.fromhex(found[2][: len(found[2]) & ~1]), found[1] == "Sending")
        elif found := _MADE.search(text):
            yield Began("", line.at, found[1])
        elif found := _CLOSED.search(text):
            (by, reason), self._closing = self._closing, (None, "")
            code = int(found[1]) if found[1] != "None" else 1006
            ended = Ended("", line.at, code, reason, by)
            if len(self._shards) == 1:
                yield Ended(self._only(), line.at, code, reason, by)
            else:
                # The next line but few says of which shard that is.
                self._ended = ended
        elif found := _RETURN.search(text):
            ended, self._ended = self._ended or Ended("", None), None
            if ended.code is not None and found[1]:
                yield Ended(found[1], ended.at, ended.code, ended.reason, ended.by)

    def _only(self) -> str:
        """Return the only shard; the newest, where there are several."""
        return next(iter(self._shards)) if len(self._shards) == 1 else self._newest


def _between(text: str, before: str, after: str) -> str:
    """Return what is behind the text `before`, which the line ends with but for `after`; empty where it does not."""
    begin = text.find(before + "{")
    end = len(text.rstrip())
    return text[begin + len(before) : end - len(after)] if begin >= 0 and text.endswith(after, 0, end) else ""


def _said(key: str, line: Line, data: bytes, from_client: bool, plane: Plane | None = None) -> Iterator[Entry]:
    envelope = envelope_of(data)
    if envelope is None:
        yield Unreadable("is not a dict as Python shows it, or not all of it")
    else:
        yield Said(key, line.at, from_client, data, envelope, is_all=False, plane=plane)


def _binary(line: Line, data: bytes, from_client: bool) -> Iterator[Said]:
    """Yield a binary message of a call, whose opcode comes first; the server's, behind its sequence number."""
    envelope = Envelope(data[0 if from_client else 2])
    yield Said(_CALL, line.at, from_client, data, envelope, is_all=False, is_text=False, plane=Plane.VOICE)
