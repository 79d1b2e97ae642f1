"""What formats are given that hold all that was recorded: happenings, with their secrets masked."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from inspector.importers.merge import Input
from inspector.model import Happening
from inspector.protocol.registry import Registry
from inspector.scrub.masking import Masking
from inspector.scrub.recoding import Recoder

Progress = Callable[[int, int], None]
"""Is told how many bytes of the capture are done, and how many there are."""

# Happenings between two reports of how far it is.
_STEP = 500


def happenings(
    path: Path, registry: Registry, *, reveal: bool = False, progress: Progress | None = None
) -> Iterator[Happening]:
    """Yield what the capture `path` recorded, in the order of time.

    Secrets are masked unless `reveal`; for that compressed streams are built anew, so that their messages have about
    the size that they had. Raises CaptureError.
    """
    told = _told(path, progress)
    return told if reveal else Recoder(Masking(registry)).all(told)


def _told(path: Path, progress: Progress | None) -> Iterator[Happening]:
    with closing(Input(path)) as source:
        for number, happening in enumerate(source.happenings()):
            if progress is not None and number % _STEP == 0:
                progress(*source.progress)
            yield happening
