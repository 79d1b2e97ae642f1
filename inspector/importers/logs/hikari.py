"""The log of hikari at its level TRACE_HIKARI: all payloads of both sides, each in a line of its own below the one that
announces it. The token is masked in it already.

Source: ``hikari/impl/shard.py`` of hikari 2.7 (https://github.com/hikari-py/hikari).
"""

import re
from collections.abc import Iterator

from inspector.importers.logs.entries import Ended, Entry, Line, Said, Unreadable
from inspector.importers.logs.literals import bytes_of
from inspector.importers.logs.payloads import envelope_of

_LOGGER = re.compile(r"hikari\.gateway\.(\d{1,6})\b")
_PAYLOAD = re.compile(r"(received|sending) payload with size \d+\s*$")
_SENDING_CLOSE = re.compile(r"sending close frame with code (\w{1,40}) and message b?['\"](.{0,200})['\"]\s*$")
_CLOSED = re.compile(r"server has closed the connection.{0,60}\[code:(\d{1,5}), reason:(.{0,200})\]\s*$")
_RESET = "connection got reset by server"
# As hikari calls codes that it sends itself: `hikari.errors.ShardCloseCode`.
_CODES = {"NORMAL_CLOSURE": 1000, "GOING_AWAY": 1001, "PROTOCOL_ERROR": 1002, "UNEXPECTED_CONDITION": 1011}


class Hikari:
    """Reads its lines."""

    name = "hikari"

    def __init__(self) -> None:
        self._announced: tuple[str, Line, bool] | None = None

    def receive(self, line: Line) -> Iterator[Entry]:
        announced, self._announced = self._announced, None
        if announced is not None and line.text.startswith("    "):
            yield from _said(*announced, line.text.strip())
            return
        logger = _LOGGER.search(line.text)
        if logger is None:
            return
        shard, text = logger[1], line.text[logger.end() :]
        if found := _PAYLOAD.search(text):
            self._announced = shard, line, found[1] == "sending"
        elif found := _SENDING_CLOSE.search(text):
            code = int(found[1]) if found[1].isdecimal() else _CODES.get(found[1])
            yield Ended(shard, line.at, code, found[2], "client")
        elif found := _CLOSED.search(text):
            yield Ended(shard, line.at, int(found[1]), found[2].replace("None", ""), "server")
        elif _RESET in text:
            yield Ended(shard, line.at, 1006)


def _said(shard: str, announced: Line, from_client: bool, shown: str) -> Iterator[Entry]:
    data = bytes_of(shown) or shown.encode("utf-8", "surrogatepass")
    envelope = envelope_of(data)
    if envelope is None:
        yield Unreadable("is not whole")
    else:
        yield Said(shard, announced.at, from_client, data, envelope)
