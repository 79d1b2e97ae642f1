"""``gwinspect sql``: a capture asked in SQL."""

import csv
import json
import re
import sqlite3
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import click

from inspector.cli.output import note
from inspector.errors import UsageError
from inspector.protocol.registry import default
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows
from inspector.session.redact import mask_headers, mask_text, mask_url
from inspector.store.reader import Reader
from inspector.wire import jsontext

_BYTES = frozenset({"frame.raw", "frame.forwarded", "payload_chunk.data", "payload_tail.data"})
# By these, connection.headers is known; it has no more characters.
_OF_HEADERS, _MOST = ("sec-websocket-protocol", "origin", "authorization", "cookie"), 20_000
_ADDRESS = re.compile(r"[a-z]+://\S+$")


@click.command(
    epilog='Example: gwinspect sql bot.gwcap "select event, count(*) from event group by 1 order by 2 desc"',
)
@click.argument("capture", type=click.Path(path_type=Path))
@click.argument("statement")
@click.option(
    "--format", "output_format", type=click.Choice(["text", "csv", "jsonl"]), default="text", show_default=True
)
@click.option(
    "--reveal", is_flag=True, help="Show secrets, and the bytes in which they may be, instead of masking them"
)
def sql(capture: Path, statement: str, output_format: str, reveal: bool) -> None:
    """Ask a capture in SQL, read-only.

    Tables are described in the capture itself: select sql from sqlite_master. payload(id) gives the payload of an event
    as JSON, so that payload(id) ->> '$.content' is a message's text. Secrets in texts are masked, and the bytes of
    frames and payloads are null, unless --reveal is given.
    """
    reader = Reader(capture, reveal=reveal)
    # payload() reads what a statement may not.
    rows = CaptureRows(Reader(capture, reveal=reveal))
    presenter = Presenter(default(), reveal=reveal)

    def payload(number: Any) -> str | None:
        events = rows.reader.events(number - 1, 1) if isinstance(number, int) else []
        if not events or events[0].n != number or events[0].payload is None:
            return None
        return jsontext.dumps(presenter.show(events[0], rows).d or None).decode()

    reader.db.create_function("payload", 1, payload, deterministic=True)
    hidden: set[str] = set()
    if not reveal:
        reader.db.set_authorizer(partial(_hide, hidden))
    try:
        cursor = reader.db.execute(statement)
        columns = [column[0] for column in cursor.description or ()]
        found = cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise UsageError(f"SQLite says: {error}; `select sql from sqlite_master` lists tables and columns") from error
    if not reveal:
        columns, *found = [tuple(map(_masked, row)) for row in [tuple(columns), *found]]  # type: ignore[assignment]
    _print(list(columns), found, output_format)
    for name in sorted(hidden):
        note(f"{name} is null here, as secrets may be in it; --reveal shows it")


def _hide(hidden: set[str], action: int, table: str | None, column: str | None, *_: object) -> int:
    """Let columns read as null in which secrets may be, whatever is made of them: hex(), substr(), sizes."""
    if action == sqlite3.SQLITE_READ and f"{table}.{column}".lower() in _BYTES:
        hidden.add(f"{table}.{column}")
        return sqlite3.SQLITE_IGNORE
    return sqlite3.SQLITE_OK


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
