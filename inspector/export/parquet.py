"""Rows as Parquet, by DuckDB: columns as in JSON lines, `d` as JSON text. Needs ``gwinspect[archive]``."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from inspector.errors import CaptureError, EnvironmentProblem
from inspector.export import jsonl
from inspector.export.chosen import Chosen

# What a row has in JSON lines, with DuckDB's types.
COLUMNS = {
    "n": "BIGINT",
    "at": "TIMESTAMP",
    "connection": "BIGINT",
    "plane": "VARCHAR",
    "kind": "VARCHAR",
    "direction": "VARCHAR",
    "op": "VARCHAR",
    "name": "VARCHAR",
    "event": "VARCHAR",
    "seq": "BIGINT",
    "wire_bytes": "BIGINT",
    "decoded_bytes": "BIGINT",
    "encoding": "VARCHAR",
    "summary": "VARCHAR",
    "answers": "BIGINT",
    "latency_ms": "DOUBLE",
    "d": "JSON",
    "close": "JSON",
    "undecoded": "JSON",
    "findings": "JSON",
}
_HALF = b"\\ud"
# Bytes of the longest line that is read: payloads can be megabytes.
_LONGEST = 256 * 1024 * 1024


def write(chosen: Chosen, target: Path) -> int:
    """Make the file `target`, in place of what is there, and return how many rows it has. Raises CaptureError."""
    try:
        import duckdb
    except ImportError as error:
        raise EnvironmentProblem(
            "Parquet files are written by DuckDB, which is not installed; get it with the extra `archive`: "
            "pip install 'discord-gateway-inspector[archive]'"
        ) from error
    with TemporaryDirectory(prefix="gwinspect-", dir=target.parent) as folder:
        rows, made = Path(folder) / "rows.jsonl", Path(folder) / "rows.parquet"
        with rows.open("wb") as file:
            file.writelines(_lines(chosen))
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
        try:
            with duckdb.connect() as db:
                db.execute(
                    f"copy (select * from read_json(?, format = 'newline_delimited', columns = {{{columns}}}, "
                    f"maximum_object_size = {_LONGEST}) order by n) to '{_quoted(made)}' (format parquet)",
                    [str(rows)],
                )
        except duckdb.Error as error:
            raise CaptureError(f"{target} cannot be written: {error}") from error
        made.chmod(0o600)
        made.replace(target)
    return chosen.count


def _lines(chosen: Chosen) -> Iterator[bytes]:
    for line in jsonl.write(chosen):
        # Half a character, which JSON can hold and DuckDB cannot.
        whole = json.dumps(json.loads(line), ensure_ascii=False).encode("utf-8", "replace") if _HALF in line else line
        yield whole.rstrip(b"\n") + b"\n"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
