"""``--where``: the filter of a command, as a search, and the rows that pass it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from inspector.cli.streams import typed
from inspector.model import Event
from inspector.protocol.registry import default
from inspector.report.rows import CaptureRows
from inspector.store.reader import BATCH, Reader

if TYPE_CHECKING:
    from inspector.query.search import Search


def search_for(where: str) -> "Search | None":
    """Return the search for a filter, None for one that lets everything through. Raises FilterError."""
    if not where.strip():
        return None
    # Imported here: most commands are given no filter, and this is a quarter of what they would import.
    from inspector.query.grammar import parse
    from inspector.query.search import Search

    return Search(parse(typed(where), default()), default())


def passing(rows: CaptureRows, search: "Search | None") -> Iterator[Event]:
    """Yield the rows that pass, all where there is no search. They are found without reading the rest."""
    if search is None:
        yield from rows
        return
    for step in search.numbers(rows.reader, 0, rows.reader.last()):
        yield from _events(rows.reader, step.found)
    rows.conclude()
    if search.problem:
        rows.notes.append(search.problem)


def _events(reader: Reader, numbers: Sequence[int]) -> Iterator[Event]:
    """Yield the rows with those numbers, in order; those that follow each other are read together."""
    start = 0
    for at in range(1, len(numbers) + 1):
        if at == len(numbers) or numbers[at] != numbers[at - 1] + 1 or at - start == BATCH:
            yield from reader.events(numbers[start] - 1, at - start)
            start = at
