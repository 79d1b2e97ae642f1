"""`gwinspect report`: any recording becomes one HTML file."""

import os
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.export.html.reading import Read

SAMPLES = Path(__file__).parents[2] / "sample_captures"
BLOCKED, RESUME = SAMPLES / "blocked-loop.gwcap", SAMPLES / "resume.gwcap"


def test_it_makes_a_file_for_its_owner_alone(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    result = run("report", BLOCKED, "-o", target)
    assert (result.code, result.out) == (0, "")
    assert result.err == f"gwinspect: {target} has 35 rows ({target.stat().st_size / 1000:.0f} kB)\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    read = Read(target.read_bytes())
    assert len(read.rows) == 35
    assert "blocked-loop.gwcap" in read.said["header"]


def test_several_recordings_are_one_report(run: Run, tmp_path: Path) -> None:
    result = run("report", BLOCKED, RESUME, "-o", tmp_path / "x.html")
    assert result.code == 0, result.err
    read = Read((tmp_path / "x.html").read_bytes())
    assert len(read.rows) == 35 + 22
    assert "blocked-loop.gwcap and resume.gwcap" in read.said["header"]


def test_it_overwrites_nothing_unless_asked_to(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "x.html"
    target.write_text("mine")
    result = run("report", BLOCKED, "-o", target)
    assert (result.code, target.read_text()) == (2, "mine")
    assert "--force replaces it" in result.err
    assert run("report", BLOCKED, "-o", target, "--force").code == 0
    assert target.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert os.listdir(tmp_path) == ["x.html"]


def test_it_never_replaces_what_it_reads_or_what_is_not_a_file(run: Run, tmp_path: Path) -> None:
    capture = tmp_path / "x.gwcap"
    capture.write_bytes(BLOCKED.read_bytes())
    result = run("report", capture, "-o", capture, "--force")
    assert result.code == 2
    assert "is a recording" in result.err
    assert capture.read_bytes() == BLOCKED.read_bytes()
    folder = tmp_path / "folder"
    folder.mkdir()
    result = run("report", capture, "-o", folder, "--force")
    assert result.code == 2
    assert "is not a file" in result.err
    assert folder.is_dir()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_what_cannot_be_read_leaves_no_file(run: Run, tmp_path: Path, force: list[str]) -> None:
    bad = tmp_path / "bad.gwcap"
    bad.write_bytes(BLOCKED.read_bytes()[:20_000])
    result = run("report", bad, "-o", tmp_path / "x.html", *force)
    assert result.code == 2
    assert "Traceback" not in result.err
    assert os.listdir(tmp_path) == ["bad.gwcap"]


def test_payloads_can_be_left_out(run: Run, tmp_path: Path) -> None:
    run("report", BLOCKED, "-o", tmp_path / "x.html", "--payloads", "0")
    read = Read((tmp_path / "x.html").read_bytes())
    assert not any(read.rows[row]["kind"] == "payload" for row in read.payloads)
    assert "keeps 0 B of them" in read.said["left-out"]
