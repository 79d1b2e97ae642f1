"""Filters of before are there again, privately, and never in the way."""

import stat
from pathlib import Path

import pytest

from inspector.tui.widgets.input.history import MOST, History


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "filters"


def test_filters_are_there_the_next_time(path: Path) -> None:
    history = History(path)
    history.add("op == hello")
    history.add("  dir == send ")
    assert History(path).entries == ["op == hello", "dir == send"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["filters"]


def test_one_that_is_written_again_becomes_the_newest(path: Path) -> None:
    history = History(path)
    for text in ("a", "b", "a"):
        history.add(text)
    assert history.entries == ["b", "a"]


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "a\u2028b"])
def test_what_is_no_line_is_not_kept(path: Path, text: str) -> None:
    history = History(path)
    history.add(text)
    assert history.entries == []
    assert not path.exists()


def test_no_more_are_kept_than_anyone_looks_through(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("".join(f"text{number}\n" for number in range(MOST + 50)))
    history = History(path)
    assert len(history.entries) == MOST
    history.add("newest")
    assert len(path.read_text().splitlines()) == MOST
    assert history.entries[0] == "text51"
    assert history.entries[-1] == "newest"


def test_two_viewers_keep_what_the_other_added(path: Path) -> None:
    one, other = History(path), History(path)
    one.add("one")
    other.add("other")
    assert History(path).entries == ["one", "other"]


def test_what_cannot_be_written_is_remembered_until_the_end(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    history = History(tmp_path / "file" / "filters")
    history.add("a")
    history.add("b")
    assert history.entries == ["a", "b"]


def test_a_file_of_anything_at_all_is_read(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff\x00\x1b[2J\r\nop == hello\n\n")
    assert History(path).entries[-1] == "op == hello"
    History(path).add("ok")


def test_the_newest_that_contain_a_text_come_first(path: Path) -> None:
    history = History(path)
    for text in ("op == hello", "dir == send", "OP == resume"):
        history.add(text)
    assert history.containing("op ") == ["OP == resume", "op == hello"]


def test_it_is_kept_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "inspector.tui.widgets.input.history.user_state_path", lambda *names, **options: tmp_path / names[0]
    )
    assert History().path == tmp_path / "gwinspect" / "filters"
