"""How a search goes over a capture: in short steps, beside others, and whatever state the file is in."""

import sqlite3
import time
from pathlib import Path

import pytest

from inspector.errors import CaptureError
from inspector.protocol.registry import default
from inspector.query.grammar import parse
from inspector.query.search import Search
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import HELLO, Conversation, dispatch, identify, ready

REGISTRY = default()


def written(path: Path, count: int, *, finish: bool = True, text: str = "words " * 20) -> Writer:
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    for number in range(count):
        talk.server(dispatch("MESSAGE_CREATE", {"id": str(10**18 + number), "content": text}, number))
    writer = Writer(path, REGISTRY, made_by="test")
    writer.write(talk.happenings)
    if finish:
        writer.finish()
    return writer


def search(text: str) -> Search:
    return Search(parse(text, REGISTRY), REGISTRY)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("captures") / "many.gwcap"
    written(path, 3000)
    return path


def test_steps_cover_every_row_once_in_order(path: Path) -> None:
    reader = Reader(path)
    steps = list(search("d.content =~ words*").numbers(reader, 0, reader.last()))
    assert len(steps) > 3
    assert [step.done for step in steps] == sorted({step.done for step in steps})
    assert steps[-1].done == reader.last()
    assert [n for step in steps for n in step.found] == list(range(5, 3005))


def test_backwards_the_newest_come_first(path: Path) -> None:
    reader = Reader(path)
    steps = list(search("d.content").backwards(reader, 2000))
    assert steps[0].found[-1] == 1999
    assert steps[-1].done == 1
    assert [n for step in reversed(steps) for n in step.found] == list(range(5, 2000))


def test_a_step_is_short_where_payloads_are_large(tmp_path: Path) -> None:
    written(tmp_path / "large.gwcap", 400, text="x" * 40_000)
    reader = Reader(tmp_path / "large.gwcap")
    began = time.perf_counter()
    next(search("d.content =~ *y").numbers(reader, 0, reader.last()))
    # Far above what it takes, for machines under load.
    assert time.perf_counter() - began < 0.5


def test_two_searches_of_one_reader_do_not_disturb_each_other(path: Path) -> None:
    reader = Reader(path)
    words, nothing = search("d.content =~ /words/"), search("d.content =~ nowhere or event =~ /no/")
    pairs = list(zip(words.numbers(reader, 0, 2000), nothing.numbers(reader, 0, 2000), strict=False))
    assert all(len(one.found) and not other.found for one, other in pairs)


def test_a_search_of_a_capture_may_be_asked_of_single_rows_meanwhile(path: Path) -> None:
    reader = Reader(path)
    words = search("d.id > 1000000000000002000")
    event = reader.events(3, 1)[0]
    found = []
    for step in words.numbers(reader, 0, reader.last()):
        found += step.found
        assert not words.matches(event, reader.connection(1))
    assert found == list(range(2006, 3005))


def test_payloads_that_are_not_packed_yet_are_found(tmp_path: Path) -> None:
    writer = written(tmp_path / "growing.gwcap", 100, finish=False)
    reader = Reader(tmp_path / "growing.gwcap")
    assert reader.db.execute("select count(*) from payload_tail").fetchone()[0]
    found = [n for step in search("words and d.id").numbers(reader, 0, reader.last()) for n in step.found]
    assert found == list(range(5, 105))
    writer.finish()
    assert [n for step in search("words").numbers(reader, 0, reader.last()) for n in step.found] == found


def test_no_cursor_is_open_between_steps(path: Path) -> None:
    reader = Reader(path)
    steps = search("words").numbers(reader, 0, reader.last())
    next(steps)
    # SQLite refuses to replace a function that an open statement uses.
    reader.db.create_function("payload_holds", 6, None)
    assert next(steps).found


def test_indexed_filters_touch_no_payload(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.gwcap"
    copy.write_bytes(path.read_bytes())
    with sqlite3.connect(copy) as db:
        db.execute("update payload_chunk set data = x'00'")
    reader = Reader(copy)
    for text in ("op == 0", "event =~ MESSAGE_*", "event =~ /^MESS/ and finding == null", "not dir == send"):
        assert search(text).indexed
        assert any(len(step.found) for step in search(text).numbers(reader, 0, reader.last()))
    cheap_first = search("d.content and op == 3")
    assert not cheap_first.indexed
    assert not any(len(step.found) for step in cheap_first.numbers(reader, 0, reader.last()))


def test_a_damaged_payload_is_said_of_the_capture(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.gwcap"
    copy.write_bytes(path.read_bytes())
    with sqlite3.connect(copy) as db:
        db.execute("update payload_chunk set data = x'00'")
    with pytest.raises(CaptureError, match=r"copy\.gwcap cannot be read: row \d+ of its table payload_chunk"):
        list(search("d.content").numbers(Reader(copy), 0, 3000))


def test_an_empty_capture_has_no_steps(tmp_path: Path) -> None:
    Writer(tmp_path / "empty.gwcap", REGISTRY, made_by="test").finish()
    reader = Reader(tmp_path / "empty.gwcap")
    assert list(search("time > +1s").numbers(reader, 0, 0)) == []
    assert list(search("hello").backwards(reader, 1)) == []
