"""Recordings that are piped in, and frames that are followed."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.importers.test_frames import AT, HEADER, OPEN, SAID

from .test_convert import har

__all__ = ["har"]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def piped() -> Iterator[Callable[[Path], None]]:
    """Gives a function that has stdin come from a file."""
    before = os.dup(0)

    def pipe(path: Path) -> None:
        file = os.open(path, os.O_RDONLY)
        os.dup2(file, 0)
        os.close(file)

    yield pipe
    os.dup2(before, 0)
    os.close(before)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    path = tmp_path / "bot.frames.jsonl"
    append(path, HEADER, OPEN, SAID)
    return path


def append(path: Path, *records: dict) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("kind", ["frames", "har", "capture"])
def test_any_format_is_read_from_stdin(run, piped, kind: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(kind)
    named = run("show", path, "--format", "jsonl").out
    piped(path)
    assert run("show", "-", "--format", "jsonl").out == named
    assert named


def test_the_commands_that_read_recordings_read_stdin(run, piped, frames: Path, tmp_path: Path) -> None:
    for command, said in (("stats", "stdin\n"), ("diagnose", "stdin "), ("convert", "")):
        piped(frames)
        more = ["-o", tmp_path / "out.gwcap"] if command == "convert" else []
        result = run(command, "-", *more)
        assert (result.code, result.out.startswith(said)) == (0, True)
    assert (tmp_path / "out.gwcap").exists()


def test_what_came_on_stdin_is_kept_by_nobody(run, piped, frames: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    piped(frames)
    for command in (["show", "-"], ["stats", "-"], ["diagnose", "-"], ["sql", "-", "select 1"]):
        piped(frames)
        assert run(*command).code == 0
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not list((tmp_path / "cache").rglob("*.gwcap"))


def test_what_is_wrong_with_it_is_said_in_a_sentence(run, piped, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n")
    piped(tmp_path / "notes.txt")
    result = run("show", "-")
    assert (result.code, result.out) == (2, "")
    assert "stdin is text; gwinspect reads " in result.err


def test_stdin_can_be_named_once(run, piped, frames: Path) -> None:
    piped(frames)
    assert "- is given twice" in run("show", "-", "-").err


def test_a_terminal_is_not_read(run) -> None:
    ours, its = os.openpty()
    before = os.dup(0)
    os.dup2(its, 0)
    try:
        result = run("show", "-")
    finally:
        os.dup2(before, 0)
        for each in (ours, its, before):
            os.close(each)
    assert result.code == 2
    assert "stdin is a terminal; pipe one in" in result.err


def test_frames_that_have_ended_are_followed_to_their_end(run, piped, frames: Path) -> None:
    append(frames, {"kind": "end", "at": AT})
    result = run("show", "--follow", frames)
    assert (result.code, result.out) == (0, run("show", frames).out)
    assert [path for path in (frames.parent / "cache").rglob("*") if path.suffix != ".gwcap" and path.is_file()] == []


def test_a_pipe_is_followed_to_its_end(run, piped, frames: Path) -> None:
    piped(frames)
    assert run("show", "--follow", "-").out == run("show", frames).out


@pytest.mark.parametrize("kind", ["har", "capture"])
def test_other_formats_out_of_a_pipe_cannot_be_followed(run, piped, kind: str, request: pytest.FixtureRequest) -> None:
    piped(request.getfixturevalue(kind))
    result = run("show", "--follow", "-")
    assert result.code == 2
    assert "--follow takes one capture, a .gwcap or .frames.jsonl" in result.err


def test_rows_are_printed_as_frames_come(frames: Path, tmp_path: Path) -> None:
    """The whole way: each record is a row on stdout before the next is written; Ctrl-C ends it."""
    command = [sys.executable, "-c", "from inspector.cli.start import main; main()", "show", "--follow", str(frames)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache"), "TZ": "UTC"}
    process = subprocess.Popen(
        [*command, "--format", "jsonl"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        for number in range(1, 6):
            assert json.loads(process.stdout.readline())["n"] == number
            append(frames, SAID)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    finally:
        watchdog.cancel()
        process.kill()
    assert (process.returncode, said.strip()) == (130, b"")
    assert list((tmp_path / "cache" / "gwinspect" / "imports").iterdir()) == []


def test_without_any_terminal_the_screen_says_what_works_instead(frames: Path) -> None:
    command = [sys.executable, "-c", "from inspector.cli.start import main; main()", "open", "-"]
    with frames.open("rb") as stdin:
        result = subprocess.run(
            command,
            stdin=stdin,
            capture_output=True,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            timeout=60,
        )
    assert (result.returncode, result.stdout) == (2, b"")
    assert (
        b"`gwinspect open -` needs a terminal for its keys, but there is none; `gwinspect show -` works"
        in result.stderr
    )
