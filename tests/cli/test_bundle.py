"""One archive for an issue, all of it from the scrubbed capture."""

import stat
import zipfile
from pathlib import Path

import pytest

from inspector.protocol.registry import default
from inspector.store.writer import Writer
from tests.canaries import Detector, canaries, recorded, streamed

from .conftest import TOKEN, Run

SAMPLE = Path(__file__).parents[2] / "sample_captures" / "zombie-unnoticed.gwcap"


def test_it_has_the_capture_a_report_the_cases_and_versions(run: Run, tmp_path: Path) -> None:
    result = run("bundle", SAMPLE, "-o", tmp_path / "bug.zip")
    assert (result.code, result.out) == (0, "")
    with zipfile.ZipFile(tmp_path / "bug.zip") as archive:
        assert archive.namelist() == ["capture.gwcap", "report.html", "cases.md", "versions.txt"]
        archive.extractall(tmp_path / "out")
    for name in archive.namelist():
        assert name in result.err
    assert stat.S_IMODE((tmp_path / "bug.zip").stat().st_mode) == 0o600
    assert "gwinspect" in (tmp_path / "out" / "versions.txt").read_text()
    before, after = (
        run("diagnose", path, "--fail-on", "never", "--format", "markdown").out.splitlines()
        for path in (SAMPLE, tmp_path / "out" / "capture.gwcap")
    )
    assert [line.split("|")[1:4] for line in before[1:]] == [line.split("|")[1:4] for line in after[1:]]
    assert (tmp_path / "out" / "cases.md").read_text().splitlines()[1:] == after[1:]


@pytest.mark.parametrize("streams", [False, True], ids=["alone", "in-streams"])
def test_no_canary_is_in_any_of_its_files(run: Run, tmp_path: Path, streams: bool) -> None:
    sent, received = canaries("sent"), canaries("received")
    writer = Writer(tmp_path / "bot.gwcap", default(), made_by="test", keep_secrets=True)
    writer.write(list(streamed(received) if streams else recorded(sent, received)))
    writer.finish()
    assert run("bundle", tmp_path / "bot.gwcap", "-o", tmp_path / "bug.zip").code == 0
    detector = Detector([*sent, *received])
    with zipfile.ZipFile(tmp_path / "bug.zip") as archive:
        assert {name: found for name in archive.namelist() if (found := detector.leaks(archive.read(name)))} == {}


def test_a_bundle_is_not_replaced_unasked(run: Run, capture: Path, tmp_path: Path) -> None:
    (tmp_path / "bug.zip").write_text("mine")
    result = run("bundle", capture, "-o", tmp_path / "bug.zip")
    assert (result.code, (tmp_path / "bug.zip").read_text()) == (2, "mine")
    assert "--force replaces it" in result.err


def test_a_report_can_be_scrubbed(run: Run, capture: Path, tmp_path: Path) -> None:
    assert run("report", capture, "--scrub", "-o", tmp_path / "report.html").code == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "This recording is scrubbed" in page
    assert TOKEN not in page
    assert capture.name not in page
    result = run("report", capture, "--scrub", "--reveal", "-o", tmp_path / "other.html")
    assert (result.code, "give one of them" in result.err) == (2, True)
