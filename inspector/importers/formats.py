"""The formats that are read, and which of them a file is in: told by what is in it, never by its name."""

from pathlib import Path

from inspector.errors import CaptureError, NotACapture
from inspector.importers.discordless import DiscordlessArchive
from inspector.importers.foreign import describe
from inspector.importers.frames import FramesFile
from inspector.importers.har import HarFile
from inspector.importers.hints import NO_HINTS, Hints
from inspector.importers.logs import LogFile
from inspector.importers.mitm import FlowFile
from inspector.importers.pcap import PacketCapture
from inspector.importers.source import Source

IMPORTERS: tuple[type[Source], ...] = (FramesFile, FlowFile, HarFile, PacketCapture, DiscordlessArchive, LogFile)

# Bytes that are enough to know a format by.
_HEAD_BYTES = 16 * 1024


def open_source(path: Path, hints: Hints = NO_HINTS) -> Source:
    """Open a file, or a folder, that another program wrote. Our own captures are not for here.

    Raises:
        NotACapture: if nothing that we read is in it.
        CaptureError: if there is no such file, or it cannot be read.
    """
    try:
        if path.is_dir():
            for importer in IMPORTERS:
                if importer.recognizes_folder(path):
                    return importer(path, hints)
            raise CaptureError(f"{path} is a folder; give a file in it")
        if path.exists() and not path.is_file():
            raise CaptureError(f"{path} is not a regular file; save its output to a file and give that")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        for importer in IMPORTERS:
            if importer.recognizes(head):
                return importer(path, hints)
        if hints.fields:
            return LogFile(path, hints)
    except FileNotFoundError as error:
        raise CaptureError(f"{path} does not exist") from error
    except PermissionError as error:
        raise CaptureError(f"permission denied: {path}") from error
    except (OSError, ValueError) as error:
        raise CaptureError(f"{path} could not be opened: {error}") from error
    raise NotACapture(
        f"{path} is {describe(head)}; gwinspect reads its own captures (.gwcap), frames (.frames.jsonl), "
        "flow files of mitmproxy, HAR files with WebSocket messages, packet captures (pcap, pcapng), archives of "
        "discordless and logs with payloads (of discord.py, hikari, discord.js, eris and oceanic.js, or as JSON Lines)"
    )
