"""Every command says of a crafted capture, in a sentence, that it cannot be read; or reads it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.crafted import BOMBS, RECIPES, craft_cell, damaged
from tests.store.crafted import run as run_sql

COMMANDS = ("show", "stats", "diagnose", "report", "sql", "reindex", "convert")
CELLS = [
    ("event", "wire_bytes", "text"),
    ("event", "id", "largest"),
    ("event", "at", "fraction"),
    ("finding", "evidence", "json-endless"),
    ("frame", "raw", "text"),
    ("frame", "at", "negative"),
    ("connection", "headers", "json-deep"),
    ("connection", "plane", "blob"),
    ("verdict", "cause", "blob"),
    ("payload_chunk", "data", "fraction"),
]
# Nested so deeply that Python gives up.
DEEP = json.dumps("x").join(["[" * 100_000, "]" * 100_000])


def outcomes(run, capture: Path) -> dict[str, int]:
    """Run all commands on a capture, and return their exit codes."""
    before = capture.read_bytes()
    codes = {}
    for command in COMMANDS:
        more = {
            "sql": ["select * from event", "--timeout", "20"],
            "convert": ["-o", capture.with_name("out.gwcap")],
            "report": ["-o", capture.with_name("out.html")],
        }
        capture.write_bytes(before)
        result = run(command, capture, *more.get(command, []))
        codes[command] = result.code
        assert "Traceback" not in result.err
        assert not {"\x1b", "\u202e"} & {*result.out, *result.err}
        if result.code == 2:
            assert "cannot be read" in result.err or "SQLite says" in result.err
            if command != "convert":
                assert capture.read_bytes() == before
    return codes


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_not_made_as_ours_is_refused(run, capture: Path, name: str) -> None:
    RECIPES[name](capture)
    assert outcomes(run, capture) == dict.fromkeys(COMMANDS, 2)


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(run, capture: Path, name: str) -> None:
    BOMBS[name](capture)
    # These need no payloads, or only those of the messages.
    assert outcomes(run, capture).items() >= {"reindex": 0, "convert": 0, "sql": 0}.items()


@pytest.mark.parametrize(("table", "column", "value"), CELLS)
def test_cells(run, capture: Path, table: str, column: str, value: str) -> None:
    craft_cell(capture, table, column, value)
    codes = outcomes(run, capture)
    assert {*codes.values()} <= {0, 1, 2}
    if table not in ("connection", "frame"):
        assert codes["reindex"] == 0


@pytest.mark.parametrize(("name", "recipe"), damaged(range(20)))
def test_torn_files(run, capture: Path, name: str, recipe) -> None:
    recipe(capture)
    assert {*outcomes(run, capture).values()} <= {0, 1, 2}


@pytest.mark.parametrize("key", ["missing", "clock", "lost", "finished_at", "part", "recording"])
@pytest.mark.parametrize(
    "value", [DEEP, "[]", "{}", "1e999", "-5", "\x1b[2J\u202e", '{"messages": [], "connections": {}}']
)
def test_what_a_capture_says_of_itself_may_be_anything(run, capture: Path, key: str, value: str) -> None:
    with closing(sqlite3.connect(capture)) as db:
        db.execute("insert or replace into meta values (?, ?)", (key, value))
        db.commit()
    assert {*outcomes(run, capture).values()} <= {0, 1, 2}


def test_triggers_of_a_capture_that_is_continued_never_run(run, capture: Path) -> None:
    run_sql(capture, "create trigger evil after insert on frame begin delete from frame; end")
    before = capture.read_bytes()
    result = run("record", "--capture", capture, "--", "true")
    assert result.code == 2
    assert "contains a trigger" in result.err
    assert capture.read_bytes() == before
