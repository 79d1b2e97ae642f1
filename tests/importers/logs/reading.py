"""Logs in tests: written, read, and told in short."""

from pathlib import Path

from inspector.importers.formats import open_source
from inspector.importers.hints import Hints
from inspector.importers.logs import LogFile
from inspector.model import Closed, Control, Frame, Gap, Happening, Opened

HELLO = '{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}'
IDENTIFY = '{"op":2,"d":{"token":"not-a-real-token","intents":1,"properties":{}}}'
READY = '{"t":"READY","s":1,"op":0,"d":{"v":10,"session_id":"abc"}}'
BEAT = '{"op":1,"d":1}'
ACK = '{"t":null,"s":null,"op":11,"d":null}'
TALK = (HELLO, IDENTIFY, READY, BEAT, ACK)


def read(folder: Path, text: str | bytes, **fields: str) -> tuple[list[Happening], list[str]]:
    """Return what is in a log, and the notes on it. `fields`: as the user says it."""
    path = folder / "bot.log"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = open_source(path, Hints(fields=tuple(fields.items())))
    assert isinstance(source, LogFile)
    happenings = list(source)
    assert source.progress == (path.stat().st_size, path.stat().st_size)
    return happenings, source.notes


def told(happenings: list[Happening]) -> list[str]:
    """Return each happening in a few words: ``1 > {"op":1}``."""
    return [f"{each.connection} {_told(each)}" for each in happenings]


def opened(happenings: list[Happening]) -> list[Opened]:
    return [each for each in happenings if isinstance(each, Opened)]


def _told(each: Happening) -> str:
    match each:
        case Opened():
            return f"open {each.url}".rstrip()
        case Frame():
            return f"{'>' if each.from_client else '<'} {each.data.decode()}"
        case Closed():
            return f"close {each.code} {each.reason!r} {each.by}"
        case Control() | Gap():
            raise AssertionError("no log has that")
