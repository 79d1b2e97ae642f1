"""The formats that are read, and which of them a file is in: told by what is in it, never by its name."""

from pathlib import Path

from inspector.errors import CaptureError, NotACapture
from inspector.importers.cdp import CdpFile
from inspector.importers.discordless import DiscordlessArchive
from inspector.importers.foreign import describe
from inspector.importers.frames import FramesFile
from inspector.importers.har import HarFile
from inspector.importers.hints import NO_HINTS, Hints
from inspector.importers.logs import LogFile
from inspector.importers.mitm import FlowFile
from inspector.importers.pcap import PacketCapture
from inspector.importers.plugins import made, recognizing
from inspector.importers.source import Source

IMPORTERS: tuple[type[Source], ...] = (
    FramesFile,
    FlowFile,
    CdpFile,
    HarFile,
    PacketCapture,
    DiscordlessArchive,
    LogFile,
)

# Bytes that are enough to know a format by.
_HEAD_BYTES = 16 * 1024


def open_source(path: Path, hints: Hints = NO_HINTS) -> Source:
    """Open a file, or a folder, that another program wrote. Our own captures are not for here.

    Raises:
        NotACapture: if nothing that we read is in it.
        CaptureError: if there is no such file, or it cannot be read.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise CaptureError(f"{path} is not a regular file; save its output to a file and give that")
        head = b"" if path.is_dir() else _head(path)
        problems: list[str] = []
        importer = _importer_of(path, head, problems)
        if importer is not None:
            return made(importer, path, hints)
        if hints.fields and not path.is_dir():
            return LogFile(path, hints)
    except FileNotFoundError as error:
        raise CaptureError(f"{path} does not exist") from error
    except PermissionError as error:
        raise CaptureError(f"permission denied: {path}") from error
    except (OSError, ValueError) as error:
        raise CaptureError(f"{path} could not be opened: {error}") from error
    if path.is_dir():
        raise CaptureError(f"{path} is a folder; give a file in it")
    unknown = NotACapture(
        f"{path} is {describe(head)}; gwinspect reads its own captures (.gwcap), frames (.frames.jsonl), "
        "flow files of mitmproxy, HAR files with WebSocket messages, DevTools events, packet captures (pcap, pcapng), "
        "archives of discordless and logs with payloads (of discord.py, hikari, discord.js, eris and oceanic.js, or as "
        "JSON Lines)"
    )
    unknown.shown = "\n".join(problems)
    raise unknown


def is_recording(path: Path, problems: list[str]) -> bool:
    """Say whether a file, or a folder as a whole, is in a format that is read, our own captures not among them.

    What is wrong with importers that were asked is added to `problems`. Raises OSError.
    """
    return _importer_of(path, b"" if path.is_dir() else _head(path), problems) is not None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _importer_of(path: Path, head: bytes, problems: list[str]) -> type[Source] | None:
    is_folder = path.is_dir()
    for importer in IMPORTERS:
        if importer is LogFile:
            # Logs may have any form, so those who know their own go first.
            found = recognizing(path, head, is_folder, problems)
            if found is not None:
                return found.importer
        if importer.recognizes_folder(path) if is_folder else importer.recognizes(head):
            return importer
    return None
