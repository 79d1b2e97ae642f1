"""A capture derived again from its messages: whole, or as it was."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from inspector.errors import CaptureError, CaptureInUse
from inspector.model import Event
from inspector.protocol.registry import default
from inspector.store.lock import Lock
from inspector.store.reader import Reader
from inspector.store.reindex import reindex
from inspector.store.writer import Writer
from tests.conversation import usual
from tests.store.crafted import RECIPES, craft_cell


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "x.gwcap"
    writer = Writer(path, default(), made_by="test", source="here")
    writer.write(usual().happenings)
    writer.finish()
    return path


def events(path: Path) -> list[Event]:
    with closing(Reader(path)) as reader:
        return list(reader.all_events())


def meta(path: Path) -> dict[str, str]:
    with closing(Reader(path)) as reader:
        return {key: value for key, value in reader.meta().items() if key != "finished_at"}


def files(path: Path) -> list[str]:
    return sorted(os.listdir(path.parent))


def test_what_a_capture_says_of_itself_stays(capture: Path) -> None:
    before = events(capture), meta(capture)
    capture.chmod(0o644)
    assert reindex(capture, default()) == len(before[0])
    assert (events(capture), meta(capture)) == before
    assert files(capture) == ["x.gwcap"]
    assert capture.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_in_a_file_acts_on_it(capture: Path, name: str) -> None:
    RECIPES[name](capture)
    before = capture.read_bytes()
    with pytest.raises(CaptureError, match="cannot be read"):
        reindex(capture, default())
    assert capture.read_bytes() == before
    assert files(capture) == ["x.gwcap"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), OSError(28, "No space left on device")])
def test_one_that_is_cut_short_changes_nothing(capture: Path, error: BaseException) -> None:
    before = capture.read_bytes()

    def progress(done: int, total: int) -> None:
        raise error

    kind = CaptureError if isinstance(error, OSError) else type(error)
    with pytest.raises(kind) as raised:
        reindex(capture, default(), progress)
    if isinstance(error, OSError):
        assert str(raised.value) == f"{capture} could not be reindexed (No space left on device); it is unchanged"
    assert capture.read_bytes() == before
    assert files(capture) == ["x.gwcap"]


def test_what_a_killed_one_left_is_removed(capture: Path) -> None:
    (capture.parent / ".x.gwcap.abc.reindex").write_bytes(b"half")
    (capture.parent / ".y.gwcap.abc.reindex").write_bytes(b"not ours")
    reindex(capture, default())
    assert files(capture) == [".y.gwcap.abc.reindex", "x.gwcap"]


def test_a_capture_that_is_being_recorded_is_refused(capture: Path) -> None:
    with Lock(capture), pytest.raises(CaptureInUse):
        reindex(capture, default())
    assert files(capture) == ["x.gwcap"]


def test_what_a_killed_recorder_left_in_its_log_is_taken_in(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "x.gwcap", default(), made_by="test")
    writer.write(usual().happenings)
    folder = tmp_path / "killed"
    folder.mkdir()
    for end in ("", "-wal"):
        (folder / f"x.gwcap{end}").write_bytes(Path(f"{writer.path}{end}").read_bytes())
    writer.finish()
    assert reindex(folder / "x.gwcap", default()) == 11
    assert files(folder / "x.gwcap") == ["x.gwcap"]
    assert events(folder / "x.gwcap") == events(writer.path)


def test_a_viewer_keeps_the_old_one_until_it_opens_it_again(capture: Path) -> None:
    with closing(Reader(capture)) as reader:
        before = list(reader.all_events())
        with closing(sqlite3.connect(capture)) as db:
            db.execute("pragma journal_mode = wal")
        reindex(capture, default())
        assert list(reader.all_events()) == before
    assert events(capture) == before
    assert files(capture) == ["x.gwcap"]


def test_what_is_derived_is_mended(capture: Path) -> None:
    before = events(capture)
    craft_cell(capture, "event", "wire_bytes", "text")
    with pytest.raises(CaptureError, match="reindex"):
        events(capture)
    reindex(capture, default())
    assert events(capture) == before


def test_a_link_stays_a_link(capture: Path) -> None:
    link = capture.with_name("link.gwcap")
    link.symlink_to(capture)
    reindex(link, default())
    assert link.is_symlink()
    assert len(events(link)) == 11


def test_a_message_that_it_would_not_read_is_not_lost(capture: Path) -> None:
    with closing(sqlite3.connect(capture)) as db, db:
        db.execute("update frame set id = 0 where id = 1")
    before = capture.read_bytes()
    with pytest.raises(CaptureError, match="row 0 of its table frame has 0 as `id`"):
        reindex(capture, default())
    assert capture.read_bytes() == before
