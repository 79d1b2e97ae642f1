"""What leaves a recording for other programs: rows as `show` prints them, frames with all that was recorded."""

import json
import stat
from pathlib import Path

import pytest

from .conftest import TOKEN, Run

SAMPLES = Path(__file__).parents[2] / "sample_captures"


@pytest.mark.parametrize("form", ["jsonl", "text"])
def test_rows_are_those_of_show(run: Run, form: str) -> None:
    path = SAMPLES / "resume.gwcap"
    assert run("export", path, "--to", form).out == run("show", path, "--format", form).out


def test_a_filter_chooses_rows(run: Run, capture: Path) -> None:
    found = run("export", capture, "--to", "jsonl", "--where", "dir == send").out
    assert [json.loads(line)["op"] for line in found.splitlines()] == [1, 2]


def test_frames_can_be_piped_back(run: Run, capture: Path, tmp_path: Path) -> None:
    output = tmp_path / "bot.frames.jsonl"
    assert run("export", capture, "--to", "frames", "-o", output).code == 0
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert run("show", output).out == run("show", capture).out


def test_frames_of_several_files_are_one_timeline(run: Run, tmp_path: Path) -> None:
    paths = [SAMPLES / "voice.gwcap", SAMPLES / "resume.gwcap"]
    output = tmp_path / "both.frames.jsonl"
    run("export", *paths, "--to", "frames", "-o", output, "--reveal")
    assert run("show", output).out == run("show", *paths).out


def test_frames_of_another_format_are_those_of_its_import(run: Run, capture: Path, tmp_path: Path) -> None:
    """A frames file is another format, too."""
    first, second = tmp_path / "1.frames.jsonl", tmp_path / "2.frames.jsonl"
    run("export", capture, "--to", "frames", "-o", first)
    run("export", first, "--to", "frames", "-o", second)
    assert second.read_text().splitlines()[1:] == first.read_text().splitlines()[1:]


def test_secrets_are_masked_unless_revealed(run: Run, tmp_path: Path) -> None:
    har = tmp_path / "bot.frames.jsonl"
    said = {"op": 2, "d": {"token": TOKEN, "intents": 1}}
    at = {"connection": 1, "at": "2026-01-31T12:00:00Z"}
    records = [
        {"format": "gwinspect-frames", "version": 1},
        {"kind": "open", **at, "url": "wss://gateway.discord.gg/?v=10&encoding=json"},
        {"kind": "message", **at, "direction": "send", "text": json.dumps(said)},
    ]
    har.write_text("".join(json.dumps(each) + "\n" for each in records))
    for form in ("frames", "jsonl", "csv", "text"):
        assert TOKEN not in run("export", har, "--to", form).out
    for form in ("frames", "jsonl"):
        assert TOKEN in run("export", har, "--to", form, "--reveal").out


def test_frames_have_no_rows_to_choose(run: Run, capture: Path) -> None:
    result = run("export", capture, "--to", "frames", "--where", "op == 1")
    assert (result.code, result.out) == (2, "")
    assert "--to frames takes no --where" in result.err


def test_an_existing_file_is_not_replaced_unasked(run: Run, capture: Path, tmp_path: Path) -> None:
    output = tmp_path / "bot.csv"
    output.write_text("mine")
    result = run("export", capture, "--to", "csv", "-o", output)
    assert (result.code, output.read_text()) == (2, "mine")
    assert "--force replaces it" in result.err
    assert run("export", capture, "--to", "csv", "-o", output, "--force").code == 0
    assert output.read_text().startswith("n,at,")
    assert stat.S_IMODE(output.stat().st_mode) == 0o600


def test_what_is_there_stays_where_the_export_fails(run: Run, capture: Path, tmp_path: Path) -> None:
    output = tmp_path / "bot.csv"
    output.write_text("mine")
    broken = tmp_path / "broken.gwcap"
    broken.write_bytes((Path(__file__).parents[1] / "corpus" / "text-for-numbers.gwcap").read_bytes())
    assert run("export", broken, "--to", "csv", "-o", output, "--force").code == 2
    assert output.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("bot.csv")) == ["bot.csv"]


def test_no_part_of_a_file_stays_where_the_export_fails(run: Run, tmp_path: Path) -> None:
    output = tmp_path / "bot.csv"
    broken = Path(__file__).parents[1] / "corpus" / "text-for-numbers.gwcap"
    assert run("export", broken, "--to", "csv", "-o", output).code == 2
    assert not output.exists()
