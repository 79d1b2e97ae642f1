"""``gwinspect sql``: a capture asked in SQL."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import click

from inspector.cli.output import note, put, say
from inspector.cli.reading import as_capture, import_options
from inspector.cli.streams import typed
from inspector.errors import UsageError
from inspector.export import csv as table
from inspector.importers.hints import Hints
from inspector.inert import inert
from inspector.protocol.registry import default
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows
from inspector.session.redact import mask_headers, mask_text, mask_url
from inspector.store.cells import MAX_ROWS
from inspector.store.reader import Reader
from inspector.store.readonly import OnlyReads
from inspector.wire import jsontext

# Rows that the widths of columns are taken from, and characters of the widest.
_MEASURED = 1000
_WIDEST = 60
# Rows fetched at once, and bytes of them from which on it is fewer.
_FETCHED = 1000
_FETCHED_BYTES = 1024 * 1024

# Columns of bytes in which secrets may be.
_BYTES = frozenset({"frame.raw", "frame.forwarded", "payload_chunk.data", "payload_tail.data"})
# By these, connection.headers is known; it has no more characters.
_OF_HEADERS, _MOST = ("sec-websocket-protocol", "origin", "authorization", "cookie"), 20_000
_ADDRESS = re.compile(r"[a-z]+://\S+$")

Values = tuple[Any, ...]


@click.command(
    epilog='Example: gwinspect sql bot.gwcap "select event, count(*) from event group by 1 order by 2 desc"',
)
@click.argument("capture", type=click.Path(path_type=Path))
@click.argument("statement")
@click.option(
    "--format", "output_format", type=click.Choice(["text", "csv", "jsonl"]), default="text", show_default=True
)
@click.option("--reveal", is_flag=True, help="Show secrets, and bytes that may contain them, instead of masking them")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop a query that takes longer",
)
@import_options
def sql(
    capture: Path,
    statement: str,
    output_format: str,
    reveal: bool,
    timeout: float | None,
    hints: Hints,
    no_cache: bool,
) -> None:
    """Query a capture with SQL, read-only.

    The capture describes its own tables: select sql from sqlite_master. payload(id) gives the payload of an event
    as JSON, so that payload(id) ->> '$.content' is a message's text. Secrets in texts are masked, and the bytes of
    frames and payloads are null, unless --reveal is given.

    Only queries run: no statement can change the capture, or write or read another file. In csv, a cell that
    a spreadsheet would run as a formula has an apostrophe before it, and with --reveal bytes are hexadecimal.

    Formats other than .gwcap are imported once into a private cache (see `gwinspect cache`). - is a file on stdin.
    """
    statement = typed(statement)
    capture = as_capture([capture], hints, no_cache=no_cache, keep_secrets=reveal)
    # payload() reads what a statement may not.
    with closing(Reader(capture, reveal=reveal)) as reader, closing(Reader(capture, reveal=reveal)) as behind:
        rows = CaptureRows(behind)
        presenter = Presenter(default(), reveal=reveal)

        def payload(number: Any) -> str | None:
            events = behind.events(number - 1, 1) if isinstance(number, int) and 0 < number <= MAX_ROWS else []
            if not events or events[0].n != number or events[0].payload is None:
                return None
            return jsontext.dumps(presenter.show(events[0], rows).d or None).decode()

        reader.db.create_function("payload", 1, payload, deterministic=True)
        guard = OnlyReads(reader.db, hide=frozenset() if reveal else _BYTES)
        if timeout is not None:
            reader.db.stop_after(timeout)
        try:
            cursor = reader.db.execute(statement)
            columns = _distinct([str(column[0]) for column in cursor.description or ()])
            found = _fetched(cursor)
            if not reveal:
                columns, found = (
                    list(map(_masked, columns)),
                    ([tuple(map(_masked, row)) for row in batch] for batch in found),
                )
            _WRITERS[output_format](columns, found)
        except (sqlite3.Error, sqlite3.Warning, ValueError, UnicodeError) as error:
            raise UsageError(_said(error, guard, timeout)) from error
    for name in sorted(guard.hidden):
        note(f"{name} is null here, as it may contain secrets; --reveal shows it")


def _masked(value: Any) -> Any:
    if isinstance(value, bytes):
        # Made of something else.
        return f"{len(value)} bytes"
    if not isinstance(value, str):
        return value
    if value.startswith("{") and any(f'"{name}"' in value[:_MOST] for name in _OF_HEADERS):
        with suppress(ValueError, AttributeError):
            return json.dumps(mask_headers(json.loads(value)), ensure_ascii=False)
    return mask_url(value) if _ADDRESS.match(value) else mask_text(value)


def _said(error: Exception, guard: OnlyReads, timeout: float | None) -> str:
    if guard.refused:
        return f"`gwinspect sql` only reads a capture's tables, so it does not run: {inert(guard.refused)}"
    if timeout is not None and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
        return f"the query took longer than {timeout:g} s and was stopped; --timeout allows more"
    if isinstance(error, (sqlite3.Warning, sqlite3.ProgrammingError)) and "one statement" in str(error):
        return "`gwinspect sql` takes one statement at a time; remove all but the first"
    return f"SQLite says: {inert(str(error))}; `select sql from sqlite_master` lists tables and columns"


def _distinct(names: list[str]) -> list[str]:
    """Return the names of columns, with a number behind those that came before: ``id``, ``id:2``."""
    found: list[str] = []
    taken = set(names)
    for name in names:
        number, unique = 1, name
        while unique in found or (number > 1 and unique in taken):
            number += 1
            unique = f"{name}:{number}"
        found.append(unique)
    return found


def _fetched(cursor: sqlite3.Cursor) -> Iterator[list[Values]]:
    """Yield the rows in batches, small ones where rows are large."""
    size = 1
    while batch := cursor.fetchmany(size):
        yield batch
        held = sum(len(cell) for row in batch for cell in row if isinstance(cell, str | bytes))
        size = min(size * 2, _FETCHED) if held < _FETCHED_BYTES else 1


def _write_jsonl(columns: list[str], batches: Iterator[list[Values]]) -> None:
    for batch in batches:
        for row in batch:
            put(jsontext.line(dict(zip(columns, row, strict=True))))


def _write_csv(columns: list[str], batches: Iterator[list[Values]]) -> None:
    if columns:
        put(table.line(columns, "\n"))
    for batch in batches:
        for row in batch:
            put(table.line(row, "\n"))


def _write_text(columns: list[str], batches: Iterator[list[Values]]) -> None:
    head: list[list[str]] = [[inert(column) for column in columns]] if columns else []
    for batch in batches:
        head += [[_text_cell(cell) for cell in row] for row in batch]
        if len(head) > _MEASURED:
            break
    widths = [min(_WIDEST, max(len(cells[i]) for cells in head)) for i in range(len(columns))]

    def write(rows: list[list[str]]) -> None:
        for cells in rows:
            say("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())

    write(head)
    for batch in batches:
        write([[_text_cell(cell) for cell in row] for row in batch])


def _text_cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{len(value)} bytes" if isinstance(value, bytes) else inert(str(value))


_WRITERS: dict[str, Callable[[list[str], Iterator[list[Values]]], None]] = {
    "text": _write_text,
    "csv": _write_csv,
    "jsonl": _write_jsonl,
}
