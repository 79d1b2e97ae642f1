"""Imports are made once, found by content, private and bounded."""

import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from inspector.errors import CaptureError, EnvironmentProblem
from inspector.importers import cache
from inspector.importers.cache import LIMIT, Place, clear, kept
from inspector.importers.hints import Hints
from inspector.protocol.registry import default, load
from inspector.store.reader import Reader

SAMPLES = Path(__file__).parents[2] / "sample_captures"
RESUME, VOICE, ETF = (SAMPLES / f"{name}.gwcap" for name in ("resume", "voice", "etf"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "imports"


@pytest.fixture
def merges(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The imports that were really made."""
    made: list[Path] = []
    merge = cache.merge

    def counting(inputs, target, *arguments, **options):
        made.append(target)
        return merge(inputs, target, *arguments, **options)

    monkeypatch.setattr(cache, "merge", counting)
    return made


def imported(*about: Any, folder: Path, limit: int = LIMIT) -> Path:
    """Return the import of some files."""
    return cache.imported(Place(*about, folder=folder), limit=limit)


def rows(path: Path) -> tuple[int, int]:
    reader = Reader(path)
    try:
        return reader.last(), len(reader.connections())
    finally:
        reader.close()


def test_the_same_content_is_imported_once_whatever_its_name(tmp_path: Path, folder: Path, merges: list[Path]) -> None:
    copy = shutil.copy(RESUME, tmp_path / "other name")
    first = imported([RESUME], default(), folder=folder)
    assert imported([Path(copy)], default(), folder=folder) == first
    assert merges == [first]
    assert rows(first) == rows(RESUME)


def test_several_files_become_one(folder: Path) -> None:
    both = imported([RESUME, VOICE], default(), folder=folder)
    assert rows(both) == tuple(map(sum, zip(rows(RESUME), rows(VOICE), strict=True)))
    with closing(Reader(both)) as reader:
        assert set(reader.files().values()) == {"resume.gwcap", "voice.gwcap"}


def test_several_files_of_other_names_are_imported_again(tmp_path: Path, folder: Path) -> None:
    """What is found says in which of them."""
    copy = Path(shutil.copy(VOICE, tmp_path / "other.gwcap"))
    assert imported([RESUME, copy], default(), folder=folder) != imported([RESUME, VOICE], default(), folder=folder)


def test_changed_content_is_imported_again(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "file"
    shutil.copy(RESUME, path)
    before = imported([path], default(), folder=folder)
    shutil.copy(VOICE, path)
    after = imported([path], default(), folder=folder)
    assert before != after
    assert rows(after) == rows(VOICE)


def test_what_is_a_gateway_and_what_is_secret_makes_a_difference(tmp_path: Path, folder: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[secret]]\nkey = "invented_secret"\n')
    kinds = {
        imported([RESUME], default(), folder=folder),
        imported([RESUME], default(), Hints(("chat.example.org",)), folder=folder),
        imported([RESUME], load([own]), folder=folder),
    }
    assert len(kinds) == 3


def test_an_import_is_for_its_owner_alone(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o755)
    path = imported([RESUME], default(), folder=folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(folder.iterdir()) == [path]


def test_those_not_used_for_longest_go_when_there_are_too_many(tmp_path: Path, folder: Path) -> None:
    sizes = [imported([path], default(), folder=tmp_path / "other").stat().st_size for path in (RESUME, VOICE, ETF)]
    resume = imported([RESUME], default(), folder=folder)
    voice = imported([VOICE], default(), folder=folder)
    for age, path in ((100, voice), (200, resume)):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
    imported([RESUME], default(), folder=folder)
    etf = imported([ETF], default(), folder=folder, limit=sum(sizes) - 1)
    assert set(folder.iterdir()) == {resume, etf}


def test_the_newest_stays_however_large_it_is(folder: Path) -> None:
    imported([RESUME], default(), folder=folder)
    path = imported([VOICE], default(), folder=folder, limit=1)
    assert list(folder.iterdir()) == [path]


def test_what_was_left_unfinished_is_removed_when_it_is_old(folder: Path) -> None:
    folder.mkdir(parents=True)
    fresh, old = folder / "a.part", folder / "b.part"
    for path in (fresh, old):
        path.touch()
    os.utime(old, (0, 0))
    imported([RESUME], default(), folder=folder)
    assert (fresh.exists(), old.exists()) == (True, False)


def test_a_failed_import_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    har = tmp_path / "empty.har"
    har.write_text('{"log": {"version": "1.2", "creator": {"name": "invented"}, "entries": []}}')
    with pytest.raises(CaptureError, match="there is no gateway connection in") as failed:
        imported([har], default(), folder=folder)
    assert list(folder.iterdir()) == []
    assert "no gateway WebSocket in it" in failed.value.shown


def test_what_is_kept_is_listed_the_newest_first_and_cleared(folder: Path) -> None:
    assert (kept(folder), clear(folder)) == ([], (0, 0))
    made = [imported([path], default(), folder=folder) for path in (RESUME, VOICE)]
    os.utime(made[0], (0, 1000))
    broken = folder / "broken.gwcap"
    broken.write_text("no capture")
    os.utime(broken, (0, 500))
    (folder / "going-on.part").touch()
    sizes = [path.stat().st_size for path in made]
    found = kept(folder)
    assert [each.path for each in found] == [made[1], made[0], broken]
    assert [each.source for each in found] == ["voice.gwcap", "resume.gwcap", ""]
    assert [each.rows for each in found] == [rows(VOICE)[0], rows(RESUME)[0], 0]
    assert [each.bytes for each in found] == [sizes[1], sizes[0], 10]
    assert found[1].used == 1000
    assert clear(folder) == (3, sum(sizes) + 10)
    assert [path.name for path in folder.iterdir()] == ["going-on.part"]


def test_a_missing_file_is_said_before_anything_is_made(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(CaptureError, match="does not exist"):
        imported([tmp_path / "none"], default(), folder=folder)
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_said_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="set XDG_CACHE_HOME to another folder"):
        imported([RESUME], default(), folder=tmp_path / "file" / "imports")


def test_looking_it_up_tells_how_far_it_has_come(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_BLOCK", 10_000)
    told: list[tuple[int, int]] = []
    Place([RESUME, VOICE], default(), report=lambda *numbers: told.append(numbers), folder=folder).close()
    total = RESUME.stat().st_size + VOICE.stat().st_size
    assert {each for _, each in told} == {total}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert (told[0][0], told[-1][0]) == (10_000, total)
