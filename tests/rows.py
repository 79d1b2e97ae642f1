"""Rows of recordings of any format, and of happenings that are in no file, as all is read: out of a capture."""

from collections.abc import Iterable
from pathlib import Path

from inspector.importers.merge import Input, merge
from inspector.model import Happening
from inspector.protocol.registry import default
from inspector.report.rows import CaptureRows
from inspector.store.file import is_capture
from inspector.store.reader import Reader
from inspector.store.writer import Writer


def rows_in(path: Path) -> CaptureRows:
    """Return the rows of a file; of what is no capture one is made beside it."""
    if not is_capture(path):
        made = path.with_name(f"{path.name}.imported.gwcap")
        merge([Input(path)], made, default(), made_by="test", keep_secrets=True)
        path = made
    return CaptureRows(Reader(path))


def rows_of(happenings: Iterable[Happening], path: Path) -> CaptureRows:
    """Return the rows that `happenings` make, out of the new capture `path`."""
    writer = Writer(path, default(), made_by="test", keep_secrets=True, bulk=True)
    writer.write(list(happenings))
    writer.finish()
    return CaptureRows(Reader(path))
