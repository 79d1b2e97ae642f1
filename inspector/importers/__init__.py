"""Frames out of other people's files: one module per format, chosen by what is in the file and never by its name.

An importer is a module with one `Source`. To add one, write it like its neighbours and name it in `IMPORTERS`.
"""

from collections.abc import Iterable
from pathlib import Path

from inspector.errors import CaptureError, NotACapture
from inspector.importers.foreign import describe
from inspector.importers.frames import FramesFile
from inspector.importers.har import HarFile
from inspector.importers.mitm import FlowFile
from inspector.importers.pcap import PacketCapture
from inspector.importers.source import Source

__all__ = ["IMPORTERS", "Source", "open_source"]

IMPORTERS: tuple[type[Source], ...] = (FramesFile, FlowFile, HarFile, PacketCapture)

# Bytes that are enough to know a format by.
_HEAD_BYTES = 16 * 1024


def open_source(path: Path, extra_hosts: Iterable[str] = (), keys: Iterable[Path] = ()) -> Source:
    """Open a file that another program wrote. Our own captures are not for here.

    `extra_hosts`: hosts of the user's own that count as Discord's (see `inspector.protocol.hosts.plane_of`).
    `keys`: key logs of TLS, for packet captures.

    Raises:
        NotACapture: if nothing that we read is in it.
        CaptureError: if there is no such file, or it cannot be read.
    """
    try:
        if path.is_dir():
            raise CaptureError(f"{path} is a folder; give a file in it")
        if path.exists() and not path.is_file():
            raise CaptureError(f"{path} is not a regular file; save its output to a file and give that")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        for importer in IMPORTERS:
            if importer.recognizes(head):
                return importer(path, extra_hosts, keys)
    except FileNotFoundError as error:
        raise CaptureError(f"{path} does not exist") from error
    except PermissionError as error:
        raise CaptureError(f"permission denied: {path}") from error
    except (OSError, ValueError) as error:
        raise CaptureError(f"{path} could not be opened: {error}") from error
    raise NotACapture(
        f"{path} is {describe(head)}; gwinspect reads its own captures (.gwcap), frames (.frames.jsonl), "
        "flow files of mitmproxy, HAR files with WebSocket messages and packet captures (pcap, pcapng)"
    )
