"""``gwinspect convert``: other people's files, and captures, into one capture."""

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import click

from inspector.cli.output import note
from inspector.cli.progress import progress_bar
from inspector.errors import CaptureError
from inspector.importers import open_source
from inspector.model import Happening
from inspector.protocol.registry import default
from inspector.store.file import is_capture
from inspector.store.reader import Reader, stored_happenings
from inspector.store.writer import BULK_BATCH, Writer


@click.command(epilog="Example: gwinspect convert flows.mitm traffic.har -o both.gwcap")
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CAPTURE...")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The capture to make")
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="One more host that is a gateway; may be repeated")
@click.option("--keep-secrets", is_flag=True, help="Keep tokens that clients sent instead of masking them")
@click.option("--force", is_flag=True, help="Replace the output if it exists")
def convert(captures: tuple[Path, ...], output: Path, hosts: tuple[str, ...], keep_secrets: bool, force: bool) -> None:
    """Make a capture from mitmproxy flows, a HAR or other captures.

    Several files become one capture, one after the other, each with connections of its own.
    """
    sources = [_Source(path, hosts) for path in captures]
    if output.exists() and not force:
        raise CaptureError(f"{output} exists; --force replaces it")
    part = output.with_name(output.name + ".part")
    part.unlink(missing_ok=True)
    writer = Writer(
        part,
        default(),
        made_by="gwinspect convert",
        source=", ".join(path.name for path in captures),
        keep_secrets=keep_secrets,
        bulk=True,
    )
    try:
        events, connections = 0, 0
        for source in sources:
            with progress_bar(source.path.name) as report:
                happenings = source.happenings(connections)
                while batch := list(islice(happenings, BULK_BATCH)):
                    events += len(writer.write(batch))
                    connections = max(connections, *(happening.connection for happening in batch))
                    report(*source.progress)
            for text in source.notes:
                note(text)
        events += len(writer.finish())
        if not connections:
            raise CaptureError(f"there is no gateway connection to convert in {', '.join(map(str, captures))}")
        os.replace(part, output)
    finally:
        for leftover in (part, Path(f"{part}-wal"), Path(f"{part}-shm")):
            leftover.unlink(missing_ok=True)
    note(f"{output} has {events:,} events of {connections:,} connections")


class _Source:
    """Any file that holds happenings: a capture, or a format that the importers know."""

    def __init__(self, path: Path, hosts: tuple[str, ...]) -> None:
        self.path = path
        self._reader = Reader(path) if is_capture(path) else None
        self._foreign = None if self._reader else open_source(path, hosts)
        self.notes: list[str] = []
        self.progress = (0, 0)

    def happenings(self, connections: int) -> Iterator[Happening]:
        """Yield all there is, with the numbers of connections moved up by `connections`."""
        for happening in self._all():
            yield replace(happening, connection=happening.connection + connections) if connections else happening

    def _all(self) -> Iterator[Happening]:
        if self._reader is not None:
            for batch in stored_happenings(self._reader.db):
                yield from batch
        elif self._foreign is not None:
            for happening in self._foreign:
                self.progress = self._foreign.progress
                yield happening
            self.notes = self._foreign.notes
