"""Pipes, devices and folders in place of files: read where that makes sense, else said in a sentence."""

import json
import os
from pathlib import Path

import pytest

from inspector.errors import CaptureError
from inspector.store.notes import Notes

from .processes import ROOT, Home

pytestmark = pytest.mark.e2e

SAMPLE = ROOT / "sample_captures" / "resume.gwcap"
COMMANDS = {
    "show": ["show", "THING"],
    "stats": ["stats", "THING"],
    "diagnose": ["diagnose", "THING", "--fail-on", "never"],
    "convert": ["convert", "THING", "-o", "made.gwcap"],
    "sql": ["sql", "THING", "select 1"],
    "reindex": ["reindex", "THING"],
    "follow": ["show", "--follow", "THING"],
    "record": ["record", "--capture", "THING"],
    "live": ["live", "--capture", "THING"],
    "run": ["run", "--capture", "THING", "--", "true"],
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.mark.parametrize("name", ["show", "stats", "diagnose", "convert"])
def test_what_another_command_writes_can_be_read(home: Home, name: str) -> None:
    words = [str(word) for word in COMMANDS[name]]
    before, after = " ".join(words[: words.index("THING")]), " ".join(words[words.index("THING") + 1 :])
    done = home.shell(f'"$@" {before} <(sleep 0.3; gzip -c {SAMPLE} | zcat) {after}; exit $?')
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    assert done.stdout or name == "convert"
    assert {name for name in home.files() if "made.gwcap" not in name} == set()


def test_two_pipes_and_a_file_are_one_recording(home: Home) -> None:
    done = home.shell(f'"$@" show --duplicates --format jsonl <(cat {SAMPLE}) {SAMPLE} <(cat {SAMPLE})')
    once = home.run("show", SAMPLE, "--format", "jsonl")
    found, rows = ([json.loads(line) for line in result.stdout.splitlines()] for result in (done, once))
    assert [row["at"] for row in found] == sorted(row["at"] for row in rows * 3)
    assert {row["connection"] for row in found} == set(range(1, 7))


def test_a_named_pipe_waits_for_its_writer(home: Home) -> None:
    os.mkfifo(home.work / "pipe")
    done = home.shell(f'(sleep 0.7; cat {SAMPLE} > pipe) & "$@" show --format jsonl pipe; code=$?; wait; exit $code')
    assert done.returncode == 0
    assert done.stdout == home.run("show", SAMPLE, "--format", "jsonl").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_no_file_is_said(home: Home, name: str) -> None:
    os.mkfifo(home.work / "pipe")
    os.symlink("/dev/zero", home.work / "endless")
    (home.work / "folder").mkdir()
    reads_pipes = name in ("show", "stats", "diagnose", "convert", "sql")
    for thing in ("endless", "folder", "/dev/null", *(() if reads_pipes else ("pipe",))):
        done = home.run(*(thing if word == "THING" else word for word in COMMANDS[name]))
        assert done.returncode == 2, (thing, done.stderr)
        assert done.stderr.startswith(b"gwinspect: "), (thing, done.stderr)
        assert thing.encode() in done.stderr


@pytest.mark.parametrize("kind", ["pipe", "folder", "endless", "nothing", "huge"])
def test_notes_that_are_no_file_are_said(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bot.gwcap.notes"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "huge":
            with path.open("wb") as file:
                file.truncate(100 * 1024**3)
        case _:
            path.symlink_to("/dev/zero" if kind == "endless" else "/dev/null")
    with pytest.raises(CaptureError, match="should have marks and notes but cannot be read"):
        Notes(tmp_path / "bot.gwcap")
