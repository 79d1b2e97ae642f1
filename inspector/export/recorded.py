"""What formats are given that hold all that was recorded: happenings, masked as a recorder masks them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from inspector.importers.merge import Input
from inspector.model import Happening
from inspector.protocol.registry import Registry
from inspector.store.marking import Mask

Progress = Callable[[int, int], None]
"""Is told how many bytes of the capture are done, and how many there are."""

# Happenings between two reports of how far it is.
_STEP = 500


def happenings(
    path: Path, registry: Registry, *, reveal: bool = False, progress: Progress | None = None
) -> Iterator[Happening]:
    """Yield what the capture `path` recorded, in the order of time.

    Secrets are masked as a recorder masks them unless `reveal`: what the server sent in a compressed stream stays as it
    is. Raises CaptureError.
    """
    mask = None if reveal else Mask(registry)
    with closing(Input(path)) as source:
        for number, happening in enumerate(source.happenings()):
            if progress is not None and number % _STEP == 0:
                progress(*source.progress)
            yield happening if mask is None else mask(happening)
