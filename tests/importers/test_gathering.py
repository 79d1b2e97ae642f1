"""What a folder or a pattern stands for."""

import os
import shutil
from pathlib import Path

import pytest

from inspector.errors import CaptureError
from inspector.importers import formats, gathering
from inspector.importers.frames import FramesFile
from inspector.importers.gathering import gather

SAMPLES = Path(__file__).parents[2] / "sample_captures"
FRAMES = '{"format":"gwinspect-frames","version":1}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two recordings, one of them a level below, and what is around them."""
    folder = tmp_path / "captures"
    (folder / "monday").mkdir(parents=True)
    shutil.copy(SAMPLES / "resume.gwcap", folder / "monday" / "a.gwcap")
    (folder / "b.frames.jsonl").write_text(FRAMES)
    for name in ("a.gwcap.notes", "b.pcap.keys.log", "c.gwcap.lock", ".hidden.frames.jsonl"):
        (folder / name).write_text(FRAMES)
    return folder


def names(folder: Path, *named: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in gather(named or [folder]).paths]


def test_a_folder_stands_for_the_recordings_in_it(folder: Path) -> None:
    assert names(folder) == ["b.frames.jsonl", "monday/a.gwcap"]
    assert gather([folder]).notes == ()


def test_what_is_not_a_recording_is_counted_and_the_first_are_named(folder: Path) -> None:
    for number in range(5):
        (folder / f"{number}.txt").write_text("words\n")
    assert names(folder) == ["b.frames.jsonl", "monday/a.gwcap"]
    assert gather([folder]).notes == (f"{folder}: skipped 5 files that are not recordings (0.txt, 1.txt, 2.txt, …)",)


def test_what_cannot_be_opened_is_left_out_and_said(folder: Path) -> None:
    (folder / "torn.gwcap").write_bytes((SAMPLES / "resume.gwcap").read_bytes()[:5000])
    assert names(folder) == ["b.frames.jsonl", "monday/a.gwcap"]
    [note] = gather([folder]).notes
    assert note.startswith(f"skipped torn.gwcap: {folder}/torn.gwcap is a gwinspect capture but cannot be read")


def test_symbolic_links_in_a_folder_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c.frames.jsonl").write_text(FRAMES)
    (folder / "link").symlink_to(outside)
    (folder / "up").symlink_to(folder.parent)
    (folder / "latest.gwcap").symlink_to(folder / "monday" / "a.gwcap")
    assert names(folder) == ["b.frames.jsonl", "monday/a.gwcap"]
    assert gather([folder]).notes == (f"{folder}: skipped 3 symbolic links; name a link to follow it",)


def test_a_link_that_is_named_is_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert names(tmp_path / "link", tmp_path / "link") == ["b.frames.jsonl", "monday/a.gwcap"]


def test_a_file_is_read_once_however_often_it_is_named(folder: Path) -> None:
    again = folder / "monday" / "a.gwcap"
    assert names(folder, again, folder, folder / "monday") == ["monday/a.gwcap", "b.frames.jsonl"]


def test_a_pattern_stands_for_what_it_matches(folder: Path) -> None:
    assert names(folder, folder / "*.jsonl") == ["b.frames.jsonl"]
    assert names(folder, folder / "m*") == ["monday/a.gwcap"]
    assert names(folder, folder / "*" / "[a-c].gwcap") == ["monday/a.gwcap"]


def test_a_file_with_the_name_of_a_pattern_is_that_file(folder: Path) -> None:
    odd = folder / "[1].frames.jsonl"
    odd.write_text(FRAMES)
    assert names(folder, odd) == ["[1].frames.jsonl"]


def test_names_of_files_are_left_as_they_are(tmp_path: Path) -> None:
    """Whether they are there is found out by those that open them."""
    named = (tmp_path / "none.gwcap", Path("-"))
    assert gather(named).paths == named


def test_a_folder_that_is_a_recording_as_a_whole_stands_for_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Archive(FramesFile):
        @staticmethod
        def recognizes_folder(folder: Path) -> bool:
            return (folder / "index").exists()

    monkeypatch.setattr(formats, "IMPORTERS", (Archive, *formats.IMPORTERS))
    (folder / "archive").mkdir()
    (folder / "archive" / "index").touch()
    (folder / "archive" / "part.frames.jsonl").write_text(FRAMES)
    assert names(folder) == ["archive", "b.frames.jsonl", "monday/a.gwcap"]
    assert names(folder, folder / "archive") == ["archive"]


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("empty", "empty is a folder with nothing in it"),
        ("words", "there are no recordings in .*words"),
        ("*.gwcap", r"no file matches .*\*\.gwcap"),
    ],
)
def test_no_recording_at_all_is_an_error(tmp_path: Path, named: str, why: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_text("words")
    with pytest.raises(CaptureError, match=why) as raised:
        gather([tmp_path / named])
    assert ("skipped 1 file that is not a recording (a.txt)" in raised.value.shown) == (named == "words")


def test_a_folder_is_searched_within_bounds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = folder.joinpath(*"abcdef")
    deep.mkdir(parents=True)
    (deep / "deep.frames.jsonl").write_text(FRAMES)
    assert names(folder) == ["b.frames.jsonl", "monday/a.gwcap"]
    assert gather([folder]).notes == (f"{folder}: skipped 1 folder deeper than 5 levels",)
    monkeypatch.setattr(gathering, "MOST_ENTRIES", 5)
    with pytest.raises(CaptureError, match="has more than 5 files; name a folder with fewer"):
        gather([folder])
    monkeypatch.undo()
    monkeypatch.setattr(gathering, "MOST_RECORDINGS", 1)
    with pytest.raises(CaptureError, match="has more than 1 recordings; name some of them"):
        gather([folder])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_in_a_folder_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert names(folder) == ["b.frames.jsonl", "monday/a.gwcap"]


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may read everything")
def test_a_folder_of_someone_else_is_told(folder: Path) -> None:
    (folder / "monday").chmod(0)
    with pytest.raises(CaptureError, match="monday cannot be read: Permission denied"):
        gather([folder])
