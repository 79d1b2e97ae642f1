"""All that a capture recorded as frames (docs/frames.md): what other programs can read, and gwinspect reads back.

It has no rows to choose: a compressed stream of which some is missing cannot be decoded.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from inspector import __version__
from inspector.importers.frames.writing import header_of, lines
from inspector.importers.merge import Input
from inspector.model import Happening
from inspector.protocol.registry import Registry
from inspector.store.marking import Mask
from inspector.store.reader import Reader

# Happenings between two reports of how far it is.
_STEP = 500


def write(
    path: Path, registry: Registry, *, reveal: bool = False, progress: Callable[[int, int], None] | None = None
) -> Iterator[bytes]:
    """Yield the lines of the frames of the capture `path`.

    Secrets are masked as a recorder masks them unless `reveal`: what the server sent in a compressed stream stays as it
    is. `progress` is told how many bytes of the capture are done, and how many there are. Raises CaptureError.
    """
    with closing(Reader(path)) as reader:
        meta, files, notes = reader.meta(), reader.recordings(), reader.notes()
    source = Input(path)
    try:
        header = header_of(f"gwinspect {__version__}", meta.get("created_at", ""), files)
        happenings = _told(source, progress)
        kept = happenings if reveal else map(Mask(registry), happenings)
        yield from lines(kept, header, notes, ended="finished_at" in meta)
    finally:
        source.close()


def _told(source: Input, progress: Callable[[int, int], None] | None) -> Iterator[Happening]:
    for number, happening in enumerate(source.happenings()):
        if progress is not None and number % _STEP == 0:
            progress(*source.progress)
        yield happening
