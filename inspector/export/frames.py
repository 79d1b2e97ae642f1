"""All that a capture recorded as frames (docs/frames.md): what other programs can read, and gwinspect reads back.

It has no rows to choose: a compressed stream of which some is missing cannot be decoded.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from inspector import __version__
from inspector.export.recorded import Progress, happenings
from inspector.importers.frames.writing import header_of, lines
from inspector.protocol.registry import Registry
from inspector.store.reader import Reader


def write(path: Path, registry: Registry, *, reveal: bool = False, progress: Progress | None = None) -> Iterator[bytes]:
    """Yield the lines of the frames of the capture `path`. As `happenings` otherwise."""
    with closing(Reader(path)) as reader:
        meta, files, notes = reader.meta(), reader.recordings(), reader.notes()
    header = header_of(f"gwinspect {__version__}", meta.get("created_at", ""), files)
    told = happenings(path, registry, reveal=reveal, progress=progress)
    yield from lines(told, header, notes, ended="finished_at" in meta)
