"""Many files into one capture, whole or not at all. What comes of each format is tested with `gwinspect convert`."""

from contextlib import contextmanager
from pathlib import Path

import pytest

from inspector.errors import CaptureError
from inspector.importers.merge import Input, merge
from inspector.protocol.registry import default
from inspector.store.reader import Reader

SAMPLES = Path(__file__).parents[2] / "sample_captures"


def test_progress_is_told_for_each_file_and_reaches_its_end(tmp_path: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}

    @contextmanager
    def progress(name: str):
        yield lambda done, total: told.setdefault(name, []).append((done, total))

    inputs = [Input(SAMPLES / name) for name in ("resume.gwcap", "voice.gwcap")]
    merge(inputs, tmp_path / "both.gwcap", default(), made_by="test", progress=progress)
    assert list(told) == ["resume.gwcap", "voice.gwcap"]
    assert all(steps[-1][0] == steps[-1][1] > 0 for steps in told.values())


def test_the_capture_says_what_it_was_made_of(tmp_path: Path) -> None:
    merge([Input(SAMPLES / "resume.gwcap")], tmp_path / "out.gwcap", default(), made_by="test")
    reader = Reader(tmp_path / "out.gwcap")
    meta = reader.meta()
    reader.close()
    assert (meta["made_by"], meta["source"]) == ("test", "resume.gwcap")


def test_what_was_there_stays_when_it_fails(tmp_path: Path) -> None:
    target = tmp_path / "out.gwcap"
    merge([Input(SAMPLES / "resume.gwcap")], target, default(), made_by="test")
    before = target.read_bytes()
    har = tmp_path / "empty.har"
    har.write_text('{"log": {"version": "1.2", "creator": {"name": "invented"}, "entries": []}}')
    with pytest.raises(CaptureError, match="there is no gateway connection"):
        merge([Input(har)], target, default(), made_by="test")
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.har", "out.gwcap"]


def test_a_target_in_no_folder_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="make it first"):
        merge([Input(SAMPLES / "resume.gwcap")], tmp_path / "none" / "out.gwcap", default(), made_by="test")
