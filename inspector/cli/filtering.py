"""``--where``: the filter of a command, as a search, and the rows that pass it."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from inspector.cli.output import note
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


def passing(rows: CaptureRows, search: "Search | None", limit: int = 0) -> Iterator[Event]:
    """Yield the last `limit` rows that pass, all where it is 0; all pass where there is no search.

    No others are read. That there are more of them is said first.
    """
    reader = rows.reader
    if search is None:
        rows.after = reader.before_last(limit) if limit else 0
        if rows.after:
            _say_more(limit, reader.count())
        yield from rows
        return
    last = reader.last()
    total, kept = 0, deque[int](maxlen=min(limit, last))
    for step in search.numbers(reader, 0, last):
        total += len(step.found)
        kept.extend(step.found)
        if not limit:
            yield from _events(reader, step.found)
    if 0 < limit < total:
        _say_more(limit, total)
    yield from _events(reader, list(kept))
    rows.conclude()
    if search.problem:
        rows.notes.append(search.problem)


def _say_more(limit: int, total: int) -> None:
    note(f"showing the last {limit:,} of {total:,} events; --limit 0 shows all")


def _events(reader: Reader, numbers: Sequence[int]) -> Iterator[Event]:
    """Yield the rows with those numbers, in order; those that follow each other are read together."""
    start = 0
    for at in range(1, len(numbers) + 1):
        if at == len(numbers) or numbers[at] != numbers[at - 1] + 1 or at - start == BATCH:
            yield from reader.events(numbers[start] - 1, at - start)
            start = at
