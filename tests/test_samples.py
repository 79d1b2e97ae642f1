"""The sample captures read as they did when they were made."""

import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cli.reindex import reindex
from inspector.simulator.scenarios.catalogue import scenario
from inspector.store.file import is_capture
from inspector.store.reader import Reader
from sample_captures.make import EXPECTED, FORMATS, HERE, SAMPLES, shown

# The simulator's own addresses: loopback, and one of the range that RFC 5737 keeps for examples.
ADDRESSES = {"127.0.0.1", "203.0.113.1"}


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_shown_as_expected(name: str, output_format: str) -> None:
    """After a change that is meant: ``python sample_captures/make.py --expected``, and read the diff."""
    expected = EXPECTED / f"{name}{FORMATS[output_format]}"
    assert shown(HERE / f"{name}.gwcap", output_format) == expected.read_bytes()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_reads_the_same_after_a_reindex(name: str, tmp_path: Path) -> None:
    copy = tmp_path / f"{name}.gwcap"
    shutil.copyfile(HERE / copy.name, copy)
    assert CliRunner().invoke(reindex, [str(copy)]).exit_code == 0
    assert shown(copy, "jsonl") == (EXPECTED / f"{name}.jsonl").read_bytes()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_small_finished_and_whole(name: str) -> None:
    path = HERE / f"{name}.gwcap"
    assert is_capture(path)
    assert path.stat().st_size < 100_000
    assert not path.with_name(f"{name}.gwcap-wal").exists()
    reader = Reader(path)
    assert reader.meta()["host"] == "sample"
    assert "finished_at" in reader.meta()
    assert reader.undecoded_frames() == 0
    assert all(connection.closed for connection in reader.connections())
    reader.close()
    db = sqlite3.connect(path)
    assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
    db.close()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_tells_nothing_of_who_made_it(name: str) -> None:
    text = (EXPECTED / f"{name}.jsonl").read_text("utf-8")
    raw = (HERE / f"{name}.gwcap").read_bytes()
    for trace in ("/home/", "/Users/", "/root", "/tmp", "Linux-", "macOS-"):
        assert trace not in text
        assert trace.encode() not in raw
    assert set(re.findall(r"\b(?:\d{1,3}\.){3}\d{1,3}\b", text)) <= ADDRESSES
    assert "simulator.opens-nothing-anywhere" not in text
    # A sample with a call keeps its secrets, as the call's key is one. All are invented.
    assert b"simulator.opens-nothing-anywhere" not in raw or scenario(name).media


def test_each_sample_has_its_line_in_the_readme() -> None:
    readme = (HERE / "README.md").read_text("utf-8")
    assert re.findall(r"^\| `([a-z0-9-]+)`", readme, re.MULTILINE) == list(SAMPLES)
    assert sorted(path.stem for path in HERE.glob("*.gwcap")) == sorted(SAMPLES)
