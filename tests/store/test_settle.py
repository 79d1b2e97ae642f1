"""A capture that nobody writes any more is one file."""

import sqlite3
from pathlib import Path

from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.settle import settle
from inspector.store.writer import Writer


def test_what_a_recorder_left_half_done_becomes_one_file(tmp_path: Path) -> None:
    path = tmp_path / "bot.gwcap"
    writer = Writer(path, default(), made_by="test")
    reader = Reader(path)
    reader.last()
    writer.finish()
    reader.close()
    settle(path)
    assert [each.name for each in tmp_path.iterdir()] == ["bot.gwcap"]
    with sqlite3.connect(path) as db:
        assert db.execute("pragma journal_mode").fetchone() == ("delete",)
    db.close()


def test_a_viewer_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bot.gwcap"
    writer = Writer(path, default(), made_by="test")
    viewer = Reader(path)
    writer.finish()
    settle(path)
    assert viewer.last() == 0
    viewer.close()
