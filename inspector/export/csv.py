"""A table for a spreadsheet, with a title line. What a spreadsheet would run gets an apostrophe before it."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from inspector.export.chosen import Chosen
from inspector.inert import inert
from inspector.report import cells, jsonl
from inspector.report.present import Shown, rendered

COLUMNS = (
    "n",
    "at",
    "connection",
    "plane",
    "kind",
    "direction",
    "op",
    "name",
    "event",
    "seq",
    "wire_bytes",
    "decoded_bytes",
    "summary",
)

# How a cell begins that a spreadsheet would run: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)


def write(chosen: Chosen) -> Iterator[bytes]:
    """Yield the title and a line for each row."""
    yield line(COLUMNS)
    for shown in chosen:
        yield rendered(shown, row)


def row(shown: Shown) -> bytes:
    """Return the line of one row."""
    found = jsonl.record(shown) | {"summary": cells.summary(shown)}
    return line([found[name] for name in COLUMNS])


def line(values: Sequence[Any], end: str = "\r\n") -> bytes:
    """Return one line of CSV in UTF-8. Texts are inert, bytes in hex; what would run in a spreadsheet gets an ``'``."""
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerow(map(_cell, values))
    return text.getvalue().encode(errors="backslashreplace")


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if not isinstance(value, str):
        return value
    is_formula = _FORMULA.match(value) is not None and _NUMBER.fullmatch(value) is None
    return inert("'" + value if is_formula else value)
