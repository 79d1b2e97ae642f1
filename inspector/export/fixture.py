"""A folder for the tests of a library: what each connection received and sent, byte for byte, and what it decodes to.

It needs nothing of gwinspect to be read (docs/fixtures.md). ``manifest.json`` names the connections; each has two files
of JSON Lines: ``frames``, one for each message as it crossed the wire, and ``payloads``, what they are to decode to, each
with the number of the last frame that it came in.
"""

import base64
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from inspector import __version__
from inspector.errors import CaptureError
from inspector.model import Closed, Event, Frame, Kind, Plane
from inspector.protocol.registry import Registry
from inspector.export.recorded import Progress, happenings
from inspector.report.jsonl import plain
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows
from inspector.session.state import Connection
from inspector.store.reader import Reader

FORMAT, VERSION = "gwinspect-fixture", 1


def write(
    path: Path, target: Path, registry: Registry, *, reveal: bool = False, progress: Progress | None = None
) -> int:
    """Make the folder `target`, which must not exist, and return how many payloads are in it. Raises CaptureError."""
    part = target.with_name(f"{target.name}.part")
    try:
        if target.exists():
            raise CaptureError(f"{target} exists; choose another name")
        part.mkdir(mode=0o700)
        try:
            frames = _write_frames(part, path, registry, reveal, progress)
            count = _write_rest(part, path, registry, reveal, frames)
            os.rename(part, target)
        except BaseException:
            with suppress(OSError):
                shutil.rmtree(part)
            raise
    except OSError as error:
        raise CaptureError(f"{target} cannot be written: {error.strerror or error}") from error
    return count


def _write_frames(
    folder: Path, path: Path, registry: Registry, reveal: bool, progress: Progress | None
) -> dict[int, dict[int, int]]:
    """Write what crossed the wire; return, for each connection, the number of each happening's frame in its file."""
    placed: dict[int, dict[int, int]] = {}
    for number, each in enumerate(happenings(path, registry, reveal=reveal, progress=progress), 1):
        if not isinstance(each, Frame):
            continue
        here = placed.setdefault(each.connection, {})
        here[number] = len(here)
        record: dict[str, Any] = {
            "at_ns": each.at_ns,
            "direction": "send" if each.from_client else "receive",
            "is_text": each.is_text,
            "base64": base64.b64encode(each.data).decode(),
        }
        with _file(folder, each.connection, "frames").open("ab") as file:
            file.write(json.dumps(record).encode() + b"\n")
    return placed


def _write_rest(folder: Path, path: Path, registry: Registry, reveal: bool, frames: dict[int, dict[int, int]]) -> int:
    """Write the payloads, and the manifest; return how many payloads there are."""
    counts: dict[int, int] = {}
    closes: dict[int, Closed] = {}
    with closing(Reader(path, reveal=reveal)) as reader:
        rows, presenter = CaptureRows(reader), Presenter(registry, reveal=reveal)
        for event in reader.all_events():
            if event.kind is Kind.CLOSE and event.closed is not None:
                closes[event.connection] = event.closed
            if event.kind is not Kind.PAYLOAD or event.plane is Plane.MEDIA:
                continue
            shown = presenter.show(event, rows)
            record = _payload(event, plain(shown.d), frames.get(event.connection, {}))
            with _file(folder, event.connection, "payloads").open("ab") as file:
                file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
            counts[event.connection] = counts.get(event.connection, 0) + 1
        connections = [
            _about(each, len(frames.get(each.id, {})), counts.get(each.id, 0), closes.get(each.id))
            for each in reader.connections()
            if each.opened.plane is not Plane.MEDIA
        ]
    manifest = {"format": FORMAT, "version": VERSION, "tool": f"gwinspect {__version__}", "connections": connections}
    (folder / "manifest.json").write_bytes(json.dumps(manifest, indent=2).encode() + b"\n")
    return sum(counts.values())
