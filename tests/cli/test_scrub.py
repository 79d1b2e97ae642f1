import json
from pathlib import Path

from .conftest import TOKEN


def test_a_scrubbed_capture_shows_the_same_rows_without_their_texts(run, capture: Path, tmp_path: Path) -> None:
    result = run("scrub", capture, "-o", tmp_path / "out.gwcap")
    assert (result.code, result.out) == (0, "")
    assert "nothing of what was replaced was found in it" in result.err
    before, after = (
        [json.loads(line) for line in run("show", path, "--format", "jsonl").out.splitlines()]
        for path in (capture, tmp_path / "out.gwcap")
    )
    told = ("n", "at", "kind", "direction", "op", "event", "seq", "wire_bytes")
    assert [[row.get(key) for key in told] for row in before] == [[row.get(key) for key in told] for row in after]
    assert TOKEN.encode() not in (tmp_path / "out.gwcap").read_bytes()


def test_other_formats_can_be_scrubbed_too(run, tmp_path: Path) -> None:
    har = Path(__file__).parents[1] / "importers" / "browser" / "embed.har"
    assert run("scrub", har, "--host", "127.0.0.1", "-o", tmp_path / "out.gwcap").code == 0
    assert run("show", tmp_path / "out.gwcap").code == 0


def test_a_dry_run_lists_what_would_be_replaced_and_makes_nothing(run, capture: Path, tmp_path: Path) -> None:
    result = run("scrub", capture, "--dry-run")
    assert result.code == 0
    assert "secrets" in result.out
    assert list(tmp_path.glob("*.gwcap")) in ([], [capture])


def test_a_capture_says_that_it_is_scrubbed(run, capture: Path, tmp_path: Path) -> None:
    run("scrub", capture, "-o", tmp_path / "out.gwcap", "--keep", "texts,urls")
    for command in ("show", "stats", "diagnose"):
        err = run(command, tmp_path / "out.gwcap").err
        assert "this capture is scrubbed: names, texts and ids in it are invented, but for texts and urls" in err


def test_an_existing_file_is_not_replaced_unasked(run, capture: Path) -> None:
    before = capture.read_bytes()
    result = run("scrub", capture, "-o", capture)
    assert (result.code, capture.read_bytes()) == (2, before)
    assert "--force replaces it" in result.err


def test_a_capture_can_be_scrubbed_in_its_own_place(run, capture: Path) -> None:
    assert run("scrub", capture, "-o", capture, "--force").code == 0
    assert "this capture is scrubbed" in run("show", capture).err


def test_what_cannot_be_understood_is_said(run, capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gwcap"
    for arguments, said in (
        ((), "-o names the capture to make"),
        (("-o", out, "--dry-run"), "give one of them"),
        (("-o", out, "--keep", "secrets"), "'secrets' is not one of ids, guild-names"),
        (("-o", out, "--keep", "nams"), "'nams' is not one of"),
        (("-o", out, "--shift", "soon"), "'soon' is not a span of time"),
        (("-o", out, "--key", capture), "not a key of `gwinspect scrub`"),
        (("-o", tmp_path / "no" / "out.gwcap"), "out.gwcap"),
    ):
        result = run("scrub", capture, *arguments)
        assert result.code == 2, arguments
        assert said in result.err
    assert not out.exists()


def test_a_key_makes_captures_comparable(run, capture: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run("scrub", capture, "-o", tmp_path / name, "--key", tmp_path / "key").code == 0
    rows = [run("show", tmp_path / name, "--format", "jsonl", "--reveal").out for name in ("one", "two")]
    assert rows[0] == rows[1]
