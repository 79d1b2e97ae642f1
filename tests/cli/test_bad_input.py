"""Bad input gets one clear sentence on stderr, nothing on stdout, and an exit code of 1 or 2."""

import os
import sqlite3
from pathlib import Path

import pytest

READERS = ["show", "stats", "reindex", "sql", "convert"]


def arguments(command: str, path: Path) -> list[str | Path]:
    more = {"sql": ["select 1"], "convert": ["-o", path.parent / "out.gwcap"]}
    return [command, path, *more.get(command, [])]


def said(result) -> str:
    """The sentence; progress and hints stand on lines of their own."""
    assert result.out == ""
    assert "Traceback" not in result.err
    first, *rest = result.err.splitlines()
    assert all(line.startswith("More: gwinspect explain ") for line in rest)
    return first.removeprefix("gwinspect: ")


@pytest.mark.parametrize("command", READERS)
def test_a_missing_file(run, tmp_path: Path, command: str) -> None:
    result = run(*arguments(command, tmp_path / "none.gwcap"))
    assert result.code == 2
    assert "does not exist" in said(result)


@pytest.mark.parametrize("command", READERS)
def test_a_folder(run, tmp_path: Path, command: str) -> None:
    result = run(*arguments(command, tmp_path))
    assert result.code == 2
    assert "is a folder" in said(result)


@pytest.mark.parametrize("command", READERS)
def test_an_empty_file(run, tmp_path: Path, command: str) -> None:
    path = tmp_path / "empty.gwcap"
    path.touch()
    result = run(*arguments(command, path))
    assert result.code == 2
    assert str(path) in said(result)


@pytest.mark.parametrize("command", READERS)
def test_something_that_is_no_capture(run, tmp_path: Path, command: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n")
    result = run(*arguments(command, path))
    assert result.code == 2
    assert str(path) in said(result)


@pytest.mark.parametrize("command", READERS)
def test_a_capture_that_was_cut(run, capture: Path, command: str) -> None:
    capture.write_bytes(capture.read_bytes()[:5000])
    result = run(*arguments(command, capture))
    assert result.code == 2
    assert str(capture) in said(result)


@pytest.mark.parametrize("command", READERS)
def test_a_capture_of_a_newer_version(run, capture: Path, command: str) -> None:
    with sqlite3.connect(capture) as db:
        db.execute("pragma user_version = 99")
    result = run(*arguments(command, capture))
    assert result.code == 2
    assert said(result).endswith("upgrade to open it")
    assert "More: gwinspect explain newer-capture" in result.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("command", READERS)
def test_a_file_that_may_not_be_read(run, capture: Path, command: str) -> None:
    capture.chmod(0)
    result = run(*arguments(command, capture))
    assert result.code == 2
    assert "permission denied: " in said(result)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["show", "a", "b", "--follow"], "--follow takes one capture"),
        (["show", "a", "--raw"], "--raw needs --format jsonl"),
        (["record", "--listen", "8080x"], "--listen takes HOST:PORT, such as 127.0.0.1:8080, not '8080x'"),
        (["demo", "helo"], "there is no scenario 'helo'; did you mean hello?"),
        (["explain", "HEARTBEET"], "nothing is called 'HEARTBEET'; did you mean Heartbeat,"),
    ],
)
def test_wrong_usage(run, command: list[str], sentence: str) -> None:
    result = run(*command)
    assert result.code == 2
    assert said(result).startswith(sentence)


def test_a_capture_in_no_folder(run, tmp_path: Path) -> None:
    result = run("record", "--capture", tmp_path / "none" / "bot.gwcap")
    assert result.code == 2
    assert "make it first" in said(result)


def test_recording_over_something_else(run, tmp_path: Path) -> None:
    path = tmp_path / "thesis.txt"
    path.write_text("chapter one")
    result = run("record", "--capture", path)
    assert result.code == 2
    assert "not overwriting it" in said(result)
    assert path.read_text() == "chapter one"
