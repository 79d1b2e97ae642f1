"""The formats in which a recording leaves: by name, with what each is.

To add one, write a module like its neighbours and name it here. Other packages add formats of rows by an entry point,
``gwinspect.exporters``: a function that is given a `Chosen` and yields bytes.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from inspector.errors import UsageError
from inspector.export import csv, frames, har, jsonl, markdown, perfetto, text
from inspector.export.chosen import Chosen
from inspector.export.recorded import Progress
from inspector.protocol.registry import Registry

Rows = Callable[[Chosen], Iterator[bytes]]


class Whole(Protocol):
    """Writes all of a capture."""

    def __call__(
        self, path: Path, registry: Registry, *, reveal: bool = False, progress: Progress | None = None
    ) -> Iterator[bytes]: ...


ROWS: Mapping[str, Rows] = {"jsonl": jsonl.write, "text": text.write, "csv": csv.write, "markdown": markdown.write}
"""A line for each row that was chosen."""
WHOLE: Mapping[str, Whole] = {"frames": frames.write, "har": har.write, "perfetto": perfetto.write}
"""All of a capture, as a stream of bytes."""
PLACES = ("gwcap", "parquet", "fixture")
"""What needs a file, or a folder, to write to."""
NAMES = (*ROWS, *WHOLE, *PLACES)
GROUP = "gwinspect.exporters"


def rows_format(name: str) -> Rows:
    """Return a format of rows, of ours or of another package. Raises UsageError where there is none that works."""
    if name in ROWS:
        return ROWS[name]
    for point in entry_points(group=GROUP, name=name):
        try:
            found: Rows = point.load()
        except Exception as error:
            raise UsageError(
                f"the format {name!r} of the package {_package(point)} cannot be loaded: {error}"
            ) from error
        return found
    others = sorted({point.name for point in entry_points(group=GROUP)} - set(NAMES))
    raise UsageError(f"--to: {name!r} is not a format; there are {', '.join([*NAMES, *others])}")


def _package(point: object) -> str:
    dist = getattr(point, "dist", None)
    return str(getattr(dist, "name", "?"))
