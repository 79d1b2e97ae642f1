"""What Discord told of session starts: kept in the capture, and in its turn wherever that is read again."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inspector.importers.merge import Input, merge
from inspector.model import Event, Happening, StartLimit
from inspector.protocol.registry import default
from inspector.store.limits import KEY, MOST, limits_in, written
from inspector.store.reader import Reader, stored_happenings
from inspector.store.reindex import reindex
from inspector.store.writer import Writer
from tests.conversation import HELLO, NOON, Conversation, identify
from tests.diagnose.login_talk import told


def capture(path: Path, *happenings: Happening) -> Path:
    writer = Writer(path, default(), made_by="test")
    writer.write(happenings)
    writer.finish()
    return path


def talk(connection: int, after_ms: int, **more: Any) -> list[Happening]:
    begun = Conversation(connection=connection, at_ns=NOON + after_ms * 1_000_000).opens().server(HELLO)
    return [*begun.client(identify(**more)).closes(1000).happenings]


def asked(*after_ms: int) -> list[StartLimit]:
    return [told(-ms, remaining=900 - i) for i, ms in enumerate(after_ms)]


def rows(path: Path) -> list[Event]:
    with closing(Reader(path)) as reader:
        return list(reader.all_events())


def limits(path: Path) -> list[StartLimit]:
    with closing(Reader(path)) as reader:
        return reader.start_limits()


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A bot that asks before and after each of its starts."""
    first, second, third = asked(0, 500, 2000)
    return capture(tmp_path / "a.gwcap", first, *talk(1, 100), second, *talk(2, 1000, shard=[1, 2]), third)


def test_it_is_kept_and_no_row_and_no_frame_is_made_of_it(recorded: Path, tmp_path: Path) -> None:
    assert limits(recorded) == asked(0, 500, 2000)
    bare = capture(tmp_path / "bare.gwcap", *talk(1, 100), *talk(2, 1000, shard=[1, 2]))
    assert [row.n for row in rows(recorded)] == [row.n for row in rows(bare)]
    with closing(Reader(recorded)) as reader:
        assert reader.db.execute("select count(*), max(id) from frame").fetchone() == (8, 8)


def test_each_start_counts_from_the_answer_before_it(recorded: Path) -> None:
    assert [row.note for row in rows(recorded) if row.op == 2] == ["899 session starts left", "898 session starts left"]


def test_reindex_reads_it_in_its_turn(recorded: Path) -> None:
    before = rows(recorded), limits(recorded)
    reindex(recorded, default())
    assert (rows(recorded), limits(recorded)) == before


def test_a_copy_reads_it_in_its_turn(recorded: Path, tmp_path: Path) -> None:
    merge([Input(recorded)], tmp_path / "b.gwcap", default(), made_by="test")
    assert (rows(tmp_path / "b.gwcap"), limits(tmp_path / "b.gwcap")) == (rows(recorded), limits(recorded))


def test_it_is_in_the_order_of_time_with_what_was_recorded(recorded: Path) -> None:
    with closing(Reader(recorded)) as reader:
        happenings = [each for batch in stored_happenings(reader.db) for each in batch]
    assert happenings == sorted(happenings, key=lambda each: each.at_ns)
    assert [each for each in happenings if isinstance(each, StartLimit)] == asked(0, 500, 2000)


def test_it_counts_for_the_same_bot_in_other_files(tmp_path: Path) -> None:
    other = "MTAwMDAwMDAwMDAwMDAwMDAw.GaaaaB.another-invented-token-9876543210"
    first = capture(tmp_path / "1.gwcap", *asked(0), *talk(1, 10, token=other))
    second = capture(tmp_path / "2.gwcap", *talk(1, 100))
    merge([Input(first), Input(second)], tmp_path / "both.gwcap", default(), made_by="test")
    both = rows(tmp_path / "both.gwcap")
    assert [(row.connection, row.note) for row in both if row.op == 2] == [(1, None), (2, "899 session starts left")]


def test_the_newest_are_kept() -> None:
    many = [told(-n) for n in range(MOST + 10)]
    assert limits_in({KEY: written(reversed(many))}) == many[10:]


def test_of_which_file_it_was_is_not_kept() -> None:
    assert limits_in({KEY: written([replace(told(), recording=3)])}) == [told()]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "null",
        "{}",
        "[null, 7, [], {}]",
        json.dumps([{"at_ns": 10**30}]),
        *(
            json.dumps([json.loads(written([told()]))[0] | {name: value}])
            for name in ("at_ns", "shards", "total", "remaining", "reset_after_ms", "max_concurrency")
            for value in (None, "1", 1.5, True, -1, 2**63)
        ),
    ],
)
def test_what_anybody_may_have_written_in_its_place_is_left_out(text: str, recorded: Path) -> None:
    assert limits_in({KEY: text}) == []
    with closing(sqlite3.connect(recorded)) as db:
        db.execute("update meta set value = ? where key = ?", (text, KEY))
        db.commit()
    assert reindex(recorded, default()) == 8
    assert [row.note for row in rows(recorded) if row.op == 2] == [None, None]


def test_a_token_that_is_none_is_no_ones() -> None:
    item = json.loads(written([told()]))[0]
    for token in (7, "\x1b[31m", None, ["a"]):
        assert limits_in({KEY: json.dumps([item | {"token": token}])}) == [told(token=None)]
