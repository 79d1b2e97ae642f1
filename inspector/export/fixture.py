"""A folder for the tests of a library: what each connection received and sent, byte for byte, and what that decodes to.

It needs nothing of gwinspect to be read (docs/fixtures.md). ``manifest.json`` names the connections. Each has two files
of JSON Lines: ``frames``, the messages as they crossed the wire, and ``payloads``, what they decode to, each with the
number of the message that completes it.
"""

import base64
import json
import os
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

from inspector import __version__
from inspector.errors import CaptureError
from inspector.export.recorded import Progress, happenings
from inspector.model import ABSENT, Closed, Frame, Opened, Payload, Plane, Undecoded
from inspector.protocol.registry import Registry
from inspector.wire import jsontext
from inspector.wire.decoder import Decoder

FORMAT, VERSION = "gwinspect-fixture", 1
# Connections of which files are open at the same time; those of more are not written.
MOST_CONNECTIONS = 200


class _Talk:
    """A connection: what the manifest is to say of it, and its files."""

    def __init__(self, folder: Path, opened: Opened, files: ExitStack) -> None:
        self._decoder = Decoder(opened.plane, opened.url, joined_late=opened.joined_late)
        name = f"connection-{opened.connection}"
        self._frames: IO[bytes] = files.enter_context((folder / f"{name}.frames.jsonl").open("wb"))
        self._payloads: IO[bytes] = files.enter_context((folder / f"{name}.payloads.jsonl").open("wb"))
        self.about: dict[str, Any] = {
            "plane": opened.plane.value,
            "url": opened.url,
            "encoding": None,
            "compression": None,
            "frames": f"{name}.frames.jsonl",
            "payloads": f"{name}.payloads.jsonl",
            "frame_count": 0,
            "payload_count": 0,
            "close": None,
        }

    def take(self, frame: Frame) -> None:
        number = self.about["frame_count"]
        record = {
            "at_ns": frame.at_ns,
            "direction": _direction(frame),
            "is_text": frame.is_text,
            "base64": base64.b64encode(frame.data).decode(),
        }
        self._frames.write(json.dumps(record).encode() + b"\n")
        for reading in self._decoder.receive(frame):
            self._say(reading.what, number, _direction(frame))
        self.about["frame_count"] = number + 1
        self.about["encoding"], self.about["compression"] = self._decoder.encoding, self._decoder.compression_seen

    def end(self, closed: Closed | None) -> None:
        for reading in self._decoder.finish():
            self._say(reading.what, self.about["frame_count"] - 1, "receive")
        if closed is not None and closed.is_recorded:
            self.about["close"] = {"code": closed.code, "reason": closed.reason, "by": closed.by}

    def _say(self, what: Payload | Undecoded, frame: int, direction: str) -> None:
        record: dict[str, Any] = {"frame": frame, "direction": direction}
        if isinstance(what, Undecoded):
            record["undecoded"] = what.reason
        else:
            record |= {"op": what.op, "event": what.event, "seq": what.seq}
            if what.d is not ABSENT:
                record["d"] = what.d
            if what.problems:
                record["problems"] = list(what.problems)
        self._payloads.write(jsontext.line(record, finite=False))
        self.about["payload_count"] += 1


def _direction(frame: Frame) -> str:
    return "send" if frame.from_client else "receive"


def write(
    path: Path, target: Path, registry: Registry, *, reveal: bool = False, progress: Progress | None = None
) -> int:
    """Make the folder `target`, which must not exist, and return how many payloads are in it. Raises CaptureError."""
    if target.exists():
        raise CaptureError(f"{target} exists; choose another name")
    part = target.with_name(f"{target.name}.part")
    try:
        part.mkdir(mode=0o700)
        try:
            count = _fill(part, path, registry, reveal=reveal, progress=progress)
            os.rename(part, target)
        except BaseException:
            with suppress(OSError):
                shutil.rmtree(part)
            raise
    except OSError as error:
        raise CaptureError(f"{target} cannot be written: {error.strerror or error}") from error
    return count


def _fill(folder: Path, path: Path, registry: Registry, *, reveal: bool, progress: Progress | None) -> int:
    talks: dict[int, _Talk] = {}
    with ExitStack() as files:
        for each in happenings(path, registry, reveal=reveal, progress=progress):
            talk = talks.get(each.connection)
            match each:
                case Opened() if each.plane is not Plane.MEDIA and each.refusal is None:
                    if len(talks) == MOST_CONNECTIONS:
                        raise CaptureError(
                            f"{path} has more than {MOST_CONNECTIONS} connections; choose some of them with "
                            "`gwinspect export --to gwcap --where 'conn == 1'` first"
                        )
                    talks[each.connection] = _Talk(folder, each, files)
                case Frame() if talk is not None:
                    talk.take(each)
                case Closed() if talk is not None:
                    talk.end(each)
    connections = [talk.about for talk in talks.values()]
    manifest = {"format": FORMAT, "version": VERSION, "tool": f"gwinspect {__version__}", "connections": connections}
    (folder / "manifest.json").write_bytes(json.dumps(manifest, indent=2).encode() + b"\n")
    return sum(talk.about["payload_count"] for talk in talks.values())
