"""Folders and patterns in place of files."""

import json
import shutil
from pathlib import Path

import pytest

from .conftest import Run

SAMPLES = Path(__file__).parents[2] / "sample_captures"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "captures"
    folder.mkdir()
    for name in ("resume.gwcap", "voice.gwcap"):
        shutil.copy(SAMPLES / name, folder)
    (folder / "words.txt").write_text("words")
    return folder


def test_a_folder_is_one_timeline(run: Run, folder: Path) -> None:
    files = folder / "resume.gwcap", folder / "voice.gwcap"
    shown = run("show", folder)
    assert (shown.code, shown.out) == (0, run("show", *files).out)
    assert f"{folder}: skipped 1 file that is not a recording (words.txt)" in shown.err
    assert run("show", folder / "*.gwcap").out == shown.out


def test_a_folder_with_one_capture_is_that_capture(run: Run, folder: Path) -> None:
    (folder / "voice.gwcap").unlink()
    assert run("show", folder).out == run("show", folder / "resume.gwcap").out


def test_stats_counts_each_on_its_own(run: Run, folder: Path) -> None:
    found = run("stats", folder, "--format", "jsonl").out.splitlines()
    names = dict.fromkeys(json.loads(line).get("capture") for line in found)
    assert list(map(str, filter(None, names))) == [str(folder / "resume.gwcap"), str(folder / "voice.gwcap")]


def test_diagnose_reads_them_together_or_apart(run: Run, folder: Path) -> None:
    files = folder / "resume.gwcap", folder / "voice.gwcap"
    assert run("diagnose", folder).out == run("diagnose", *files).out
    assert run("diagnose", folder, "--separate").out == run("diagnose", *files, "--separate").out


def test_convert_and_export_take_folders(run: Run, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "both.gwcap"
    assert run("convert", folder, "-o", output).code == 0
    assert run("show", output).out == run("show", folder).out
    assert run("export", folder, "--to", "jsonl").out == run("show", folder, "--format", "jsonl").out


def test_a_folder_without_recordings_says_what_is_in_it(run: Run, folder: Path) -> None:
    for name in ("resume.gwcap", "voice.gwcap"):
        (folder / name).unlink()
    result = run("show", folder)
    assert (result.code, result.out) == (2, "")
    assert f"there are no recordings in {folder}" in result.err
    assert "(words.txt)" in result.err


def test_what_two_files_recorded_is_shown_once(run: Run, folder: Path) -> None:
    (folder / "voice.gwcap").unlink()
    alone = run("show", folder).out
    assert (
        run("export", folder / "resume.gwcap", "--to", "frames", "--reveal", "-o", folder / "again.frames.jsonl").code
        == 0
    )
    shown = run("show", folder)
    assert (shown.code, shown.out) == (0, alone)
    what = "2 connections are in both again.frames.jsonl and resume.gwcap, and shown as in again.frames.jsonl"
    assert f"{what}; --duplicates shows both" in shown.err
    both = run("show", folder, "--duplicates")
    assert len(both.out) > len(alone)
    assert "both" not in both.err
