"""What browsers recorded, on the command line."""

import json
import shutil
from pathlib import Path

import pytest

RECORDED = Path(__file__).parents[1] / "importers" / "browser"
OURS = ("--host", "127.0.0.1")
# Openings, messages and ends, and the connection that was refused.
ROWS = 16


def rows(out: str) -> int:
    return len(out.splitlines())


@pytest.mark.parametrize("name", ["attach", "trace.zip", "devtools.har", "events.cdp.jsonl"])
def test_every_command_reads_them(run, tmp_path: Path, name: str) -> None:
    path = RECORDED / name
    assert rows(run("show", path, *OURS, "--format", "jsonl").out) == ROWS
    assert "3 connections" in run("stats", path, *OURS).out
    assert run("diagnose", path, *OURS, "--fail-on", "never").code == 0
    assert run("convert", path, *OURS, "-o", tmp_path / "made.gwcap").code == 0
    assert rows(run("show", tmp_path / "made.gwcap", "--format", "jsonl").out) == ROWS


def test_the_folder_one_is_in_may_be_given(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(RECORDED / "attach")
    assert rows(run("show", ".", *OURS, "--format", "jsonl").out) == ROWS


def test_messages_that_come_later_are_not_missed_by_an_import_that_is_kept(run, tmp_path: Path) -> None:
    """Of a HAR that someone sent, and its files after it."""
    har = tmp_path / "har.har"
    shutil.copy(RECORDED / "attach" / "har.har", har)
    first = run("show", har, *OURS, "--format", "jsonl")
    assert "could not be read: 2 (" in first.err
    for path in (RECORDED / "attach").glob("*.jsonl"):
        shutil.copy(path, tmp_path)
    for path in (har, tmp_path):
        then = run("show", path, *OURS, "--format", "jsonl")
        assert (rows(first.out), rows(then.out), then.err) == (5, ROWS, "")


def test_a_har_and_events_are_one_timeline(run) -> None:
    """They are read together like any two recordings; what both have of the same browser is shown once."""
    for options, count in ((("--duplicates",), 6), ((), 3)):
        both = (RECORDED / "embed.har", RECORDED / "events.cdp.jsonl")
        out = run("show", *both, *OURS, *options, "--format", "jsonl").out
        assert {json.loads(line)["connection"] for line in out.splitlines()} == set(range(1, count + 1))
