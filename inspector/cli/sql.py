"""``gwinspect sql``: a capture asked in SQL."""

import csv
import sqlite3
import sys
from pathlib import Path
from typing import Any

import click

from inspector.cli.streams import typed
from inspector.errors import UsageError
from inspector.protocol.registry import default
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows
from inspector.store.reader import Reader
from inspector.wire import jsontext


@click.command(
    epilog='Example: gwinspect sql bot.gwcap "select event, count(*) from event group by 1 order by 2 desc"',
)
@click.argument("capture", type=click.Path(path_type=Path))
@click.argument("statement")
@click.option(
    "--format", "output_format", type=click.Choice(["text", "csv", "jsonl"]), default="text", show_default=True
)
@click.option("--reveal", is_flag=True, help="Let payload() show secrets instead of masking them")
def sql(capture: Path, statement: str, output_format: str, reveal: bool) -> None:
    """Ask a capture in SQL, read-only.

    Tables are described in the capture itself: select sql from sqlite_master. payload(id) gives the payload of an event
    as JSON, so that payload(id) ->> '$.content' is a message's text.
    """
    statement = typed(statement)
    reader = Reader(capture)
    rows = CaptureRows(reader)
    presenter = Presenter(default(), reveal=reveal)

    def payload(number: Any) -> str | None:
        events = reader.events(number - 1, 1) if isinstance(number, int) else []
        if not events or events[0].n != number or events[0].payload is None:
            return None
        return jsontext.dumps(presenter.show(events[0], rows).d or None).decode()

    reader.db.create_function("payload", 1, payload, deterministic=True)
    try:
        cursor = reader.db.execute(statement)
        columns = [column[0] for column in cursor.description or ()]
        found = cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise UsageError(f"SQLite says: {error}; `select sql from sqlite_master` lists tables and columns") from error
    _print(columns, found, output_format)


def _print(columns: list[str], found: list[tuple[Any, ...]], output_format: str) -> None:
    if output_format == "jsonl":
        for row in found:
            sys.stdout.buffer.write(jsontext.dumps(dict(zip(columns, row, strict=True))) + b"\n")
        return
    if output_format == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([columns, *found])
        return
    table = [columns, *([_cell(value) for value in record] for record in found)]
    widths = [min(60, max(len(cells[i]) for cells in table)) for i in range(len(columns))]
    for cells in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    from inspector.inert import inert

    if value is None:
        return ""
    return f"{len(value)} bytes" if isinstance(value, bytes) else inert(str(value))
