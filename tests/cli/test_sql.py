"""``gwinspect sql`` reads a capture's tables, and does nothing else."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

# Rows without an end; the first ones come at once.
ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"
# The same, and not one row.
SILENT = f"select count(*) from ({ENDLESS})"


def start(capture: Path, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from inspector.cli.start import main; main()", "sql", str(capture), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment})


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ("insert into meta values ('a', 'b')", "insert"),
        ("update meta set value = ''", "update"),
        ("delete from event", "delete"),
        ("drop table event", "d"),
        ("create table x (y)", "insert"),
        ("create temp table x (y)", "insert"),
        ("create temp view x as select 1", "insert"),
        ("create temp trigger x after insert on meta begin select 1; end", "create temp trigger"),
        ("create virtual table temp.x using fts5(y)", "insert"),
        ("alter table event add column x", "alter table"),
        ("reindex", "reindex"),
        ("analyze", "analyze"),
        ("attach 'other.db' as other", "attach"),
        ("attach ':memory:' as other", "attach"),
        ("detach temp", "detach"),
        ("vacuum", "attach"),
        ("vacuum into 'other.db'", "attach"),
        ("begin", "transaction"),
        ("savepoint x", "savepoint"),
        ("pragma user_version = 7", "pragma user_version"),
        ("pragma journal_mode = wal", "pragma journal_mode"),
        ("pragma query_only = off", "pragma query_only"),
        ("pragma trusted_schema = on", "pragma trusted_schema"),
        ("pragma writable_schema = on", "pragma writable_schema"),
        ("pragma temp_store_directory = '/'", "pragma temp_store_directory"),
        ("pragma wal_checkpoint", "pragma wal_checkpoint"),
        ("select load_extension('x.so')", "function load_extension"),
    ],
)
def test_what_is_more_than_a_question_is_refused(run, capture: Path, statement: str, refused: str, monkeypatch) -> None:
    monkeypatch.chdir(capture.parent)
    before, files = capture.read_bytes(), sorted(os.listdir(capture.parent))
    result = run("sql", capture, statement)
    assert (result.code, result.out) == (2, "")
    # SQLite may ask for leave for a part of it first.
    assert f"only reads a capture's tables, so it does not run: {refused}" in result.err
    assert capture.read_bytes() == before
    assert sorted(os.listdir(capture.parent)) == files


@pytest.mark.parametrize("name", ["writefile('x', 'y')", "readfile('/etc/passwd')", "edit('x')"])
def test_functions_that_reach_out_are_not_there(run, capture: Path, name: str) -> None:
    result = run("sql", capture, f"select {name}")
    assert (result.code, result.out) == (2, "")


@pytest.mark.parametrize(
    "statement",
    [
        "select sql from sqlite_master",
        "pragma table_info(event)",
        "select name from pragma_table_info('event')",
        "pragma user_version",
        "select count(*) from event e join connection c on c.id = e.connection",
        "select value from json_each('[1, 2]')",
        "select max(id) over (order by id) from event",
        "explain query plan select * from event where id = 1",
        "select payload(id) from event",
        "select event from event where event like '%create%'",
        f"{ENDLESS} limit 3",
    ],
)
def test_questions_are_answered(run, capture: Path, statement: str) -> None:
    result = run("sql", capture, statement)
    assert (result.code, result.err) == (0, "")
    assert result.out


def test_several_statements_are_refused_in_a_sentence(run, capture: Path) -> None:
    result = run("sql", capture, "select 1; select 2")
    assert result.code == 2
    assert "one statement at a time" in result.err


def test_what_sqlite_says_is_inert(run, capture: Path) -> None:
    result = run("sql", capture, 'select "\x1b[2J\u202e" from nowhere')
    assert result.code == 2
    assert "\x1b" not in result.err
    result = run("sql", capture, "select \x1b[31m from event")
    assert result.code == 2
    assert "\x1b" not in result.err


def test_a_query_that_takes_too_long_is_stopped(run, capture: Path) -> None:
    result = run("sql", capture, SILENT, "--timeout", "0.2")
    assert (result.code, result.out) == (2, "")
    assert "took longer than 0.2 s" in result.err


@pytest.mark.parametrize("statement", [ENDLESS, SILENT, f"select payload(i % 3) from ({ENDLESS}) where i < 0"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_query(capture: Path, statement: str, number: int, code: int) -> None:
    command = start(capture, statement, "--format", "jsonl")
    try:
        assert command.stdout is not None
        if statement == ENDLESS:
            command.stdout.read(10_000)
        else:
            _until_it_works(command.pid)
        command.send_signal(number)
        _, err = command.communicate(timeout=30)
    finally:
        command.kill()
        command.wait()
    assert command.returncode == code
    assert b"Traceback" not in err
    assert b"cannot be read" not in err


def _until_it_works(pid: int) -> None:
    """Wait until a process has the capture open and spends its time in SQLite."""
    spent = Path(f"/proc/{pid}/stat")
    if not spent.exists():
        pytest.skip("there is no /proc")
    while True:
        links = []
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                links.append(os.readlink(each))
        if any(link.endswith(".gwcap") for link in links):
            ticks = sum(map(int, spent.read_text().rpartition(")")[2].split()[11:13]))
            # Enough for all that comes before the query, and one more look at the clock.
            start_ticks = ticks
            while ticks < start_ticks + 20:
                time.sleep(0.01)
                ticks = sum(map(int, spent.read_text().rpartition(")")[2].split()[11:13]))
            return
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("'=1+1'", "'=1+1"),
        ("'+cmd'", "'+cmd"),
        ("'-cmd'", "'-cmd"),
        ("'@sum(a1)'", "'@sum(a1)"),
        ("' =1'", "' =1"),
        ("char(9) || '=1'", r"'\t=1"),
        ("char(13) || '=1'", r"'\r=1"),
        ("char(0xff1d) || '1'", "'\uff1d1"),
        ("'-5'", "-5"),
        ("'+1.5e3'", "+1.5e3"),
        ("-7", "-7"),
        ("'plain'", "plain"),
        ("char(27) || '[31m'", r"\x1b[31m"),
        ("char(0x202e)", r"\u202e"),
        ("x'00ff'", "2 bytes"),
        ("null", ""),
    ],
)
def test_no_cell_of_csv_is_a_formula_or_an_escape(run, capture: Path, value: str, cell: str) -> None:
    out = run("sql", capture, f"select {value} as x, 1 as y", "--format", "csv").out
    assert list(csv.reader(io.StringIO(out))) == [["x", "y"], [cell, "1"]]


def test_names_of_columns_are_cells_too(run, capture: Path) -> None:
    statement = 'select 1 as "=\x1b[31m"'
    head, _ = csv.reader(io.StringIO(run("sql", capture, statement, "--format", "csv").out))
    assert head == [r"'=\x1b[31m"]
    assert run("sql", capture, statement).out.splitlines()[0] == r"=\x1b[31m"
    assert "\x1b" not in run("sql", capture, statement, "--format", "jsonl").out


def test_columns_of_the_same_name_are_all_there(run, capture: Path) -> None:
    out = run("sql", capture, 'select 1 as id, 2 as id, 3 as "id:2", 4 as id', "--format", "jsonl").out
    assert json.loads(out) == {"id": 1, "id:3": 2, "id:2": 3, "id:4": 4}


@pytest.mark.parametrize("output_format", ["text", "csv", "jsonl"])
def test_any_locale_will_do(capture: Path, output_format: str) -> None:
    ascii_only = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = start(capture, "select 'caf\u00e9 \u2603' as x", "--format", output_format, **ascii_only)
    out, err = command.communicate(timeout=60)
    assert (command.returncode, err) == (0, b"")
    assert ("caf\u00e9 \u2603".encode() in out) or (output_format == "text" and rb"caf\xe9 \u2603" in out)


def test_many_rows_have_the_widths_of_the_first(run, capture: Path) -> None:
    out = run("sql", capture, f"select i, 'x' as y from ({ENDLESS} limit 5000)").out.splitlines()
    assert len(out) == 5001
    assert {line.index("x") for line in out[1:]} == {6}


def test_payloads_of_rows_that_cannot_be_are_nothing(run, capture: Path) -> None:
    values = "(-9223372036854775808), (0), (9223372036854775807), ('x'), (null), (1.5)"
    out = run("sql", capture, f"select payload(column1) is null as n from (values {values})", "--format", "csv").out
    assert out.split() == ["n", *["1"] * 6]
