"""What is kept of files of other formats, and what is not."""

import os
from pathlib import Path

import pytest

from .test_convert import har

__all__ = ["har"]

READING = [["show"], ["stats"], ["diagnose", "--fail-on", "never"]]


def kept(har: Path) -> list[Path]:
    return list((har.parent / "cache").rglob("*.gwcap"))


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_a_file_is_imported_once(run, har: Path, command: list[str]) -> None:
    first = run(*command, har)
    [path] = kept(har)
    written = path.stat().st_ino
    assert run(*command, har) == first
    assert [path.stat().st_ino for path in kept(har)] == [written]


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_with_no_cache_the_same_is_said_and_nothing_kept(
    run, har: Path, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    result = run(*command, har, "--no-cache")
    assert (result.code, kept(har), list((tmp_path / "temporary").iterdir())) == (0, [], [])
    assert run(*command, har) == result


def test_a_file_can_be_asked_in_sql(run, har: Path) -> None:
    statement = "select op from event where op is not null"
    assert run("sql", har, statement).out.split() == ["op", "10", "2"]
    assert len(kept(har)) == 1
    assert run("sql", har, statement, "--no-cache").out.split() == ["op", "10", "2"]


def test_what_is_kept_is_listed_with_its_size_and_rows(run, har: Path) -> None:
    run("show", har)
    [path] = kept(har)
    os.utime(path, (1_769_860_800, 1_769_860_800))
    result = run("cache")
    assert result.code == 0
    day, _, size, unit, rows, word, name = result.out.split()
    assert (day, rows, word, name) == ("2026-01-31", "4", "rows", "traffic.har")
    assert (float(size) > 1, unit) == (True, "kB")
    assert f"gwinspect: 1 import, {size} {unit}, in {path.parent}" in result.err


def test_names_of_files_do_nothing_where_they_are_listed(run, har: Path) -> None:
    run("show", har.rename(har.with_name("a\x1b[31m\u202eb.har")))
    out = run("cache").out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_the_cache_is_cleared(run, har: Path) -> None:
    run("show", har)
    assert "removed 1 import, " in run("cache", "--clear").err
    assert kept(har) == []
    assert "removed 0 imports, 0 B" in run("cache", "--clear").err
    assert run("cache").out == ""


def test_captures_are_read_where_they_are(run, capture: Path) -> None:
    for command in READING:
        assert run(*command, capture).code == 0
    assert not (capture.parent / "cache").exists()
