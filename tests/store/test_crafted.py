"""Captures that someone made to do harm: refused in a sentence, or read; never a traceback, a hang or a change."""

import json
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from inspector.analysis.findings import Findings
from inspector.analysis.lanes import LaneReader
from inspector.analysis.measure import Measures
from inspector.analysis.overview import Overview
from inspector.analysis.stats import Survey
from inspector.analysis.voice import VoiceReader
from inspector.errors import CaptureError
from inspector.protocol.registry import default
from inspector.query.grammar import parse
from inspector.query.search import Search
from inspector.report.recording import Recording
from inspector.report.rows import CaptureRows
from inspector.store.file import connect
from inspector.store.notes import Notes
from inspector.store.reader import Reader, explained, stored_happenings
from inspector.store.writer import Writer
from tests.conversation import usual
from tests.store.crafted import BOMBS, CELLS, RECIPES, TABLES, Recipe, craft_cell, damaged, run


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "x.gwcap"
    writer = Writer(path, default(), made_by="test")
    writer.write(usual().happenings)
    writer._db.execute("insert into finding values (90, 2, 'some-rule', 2, 'text', '[1, 3]')")
    writer._db.execute("update event set severity = 2 where id = 2")
    writer._db.execute("insert or ignore into name values (41771983423143937, 'Guild')")
    writer.finish()
    return path.read_bytes()


@pytest.fixture
def capture(tmp_path: Path, sound: bytes) -> Path:
    path = tmp_path / "x.gwcap"
    path.write_bytes(sound)
    # Beside it, rows that someone has marked.
    rows = [{"n": n, "connection": 1, "frame": n, "at_ns": n, "what": "payload", "marked": True} for n in range(1, 12)]
    Path(f"{path}.notes").write_text(json.dumps({"gwinspect_notes": 1, "rows": rows}))
    return path


def show(path: Path) -> None:
    with closing(Recording(path, default())) as recording:
        for event in recording.reader.all_events():
            recording.shown(event.n)
            recording.reader.frames(event)
            recording.reader.raw(event)


def conclude(path: Path) -> None:
    with closing(Reader(path)) as reader:
        CaptureRows(reader).conclude()
        reader.verdicts()
        reader.findings()
        list(reader.names.items())


def count(path: Path) -> None:
    with closing(Reader(path)) as reader:
        Survey(reader, default()).take()
        Survey(reader, default(), Search(parse("n > 0", default()), default())).take()


def watch(path: Path) -> None:
    with closing(Reader(path)) as reader:
        for view in (
            Overview(reader, default()), Measures(reader), LaneReader(reader), VoiceReader(reader), Findings(reader)
        ):  # fmt: skip
            while view.advance():
                pass
            view.snapshot()


def search(path: Path) -> None:
    with closing(Reader(path)) as reader:
        for text in ("d.a.* == 7", "hello", "finding >= warn", "d.guild_id == 1", "event =~ MESSAGE_*", "bytes > 3"):
            found = Search(parse(text, default()), default())
            list(found.numbers(reader, 0, reader.last()))
            list(found.backwards(reader, reader.last() + 1))


def convert(path: Path) -> None:
    with closing(Reader(path)) as reader, explained(path):
        for _ in stored_happenings(reader.db):
            pass


def annotate(path: Path) -> None:
    with closing(Reader(path)) as reader:
        notes = Notes(path)
        notes.relocate(reader)


LOOKS = [show, conclude, count, watch, search, convert, annotate]


def attempt(look: Callable[[Path], None], path: Path) -> str:
    """Return what is said of a capture: one sentence, or nothing where it could be read."""
    try:
        look(path)
    except CaptureError as error:
        text = str(error)
        assert "\n" not in text
        assert "\x1b" not in text
        assert len(text) < 2000
        return text
    return ""


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.__name__)
def test_a_sound_capture_is_read(capture: Path, look: Callable[[Path], None]) -> None:
    assert attempt(look, capture) == ""


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("write", [False, True])
def test_a_capture_that_is_not_made_as_ours_are_is_refused(capture: Path, name: str, write: bool) -> None:
    RECIPES[name](capture)
    before = capture.read_bytes()
    with pytest.raises(CaptureError, match=r"cannot be read") as refused:
        connect(capture, write=write)
    assert "\n" not in str(refused.value)
    assert capture.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trigger-that-deletes", "contains a trigger"),
        ("endless-view-event", "contains a view"),
        ("virtual-table", "contains a virtual table"),
        ("lacks-frame", "lacks the table frame"),
        ("lacks-a-column", "lacks the column note in its table event"),
        ("other-affinity", "defines 'wire_bytes text not null' in its table event"),
        ("index-on-an-expression", "contains an index on more than plain columns"),
        ("unique-index", "contains a unique index"),
        ("thousands-of-tables", "has more than 100 tables"),
    ],
)
def test_what_is_wrong_with_it_is_said(capture: Path, name: str, text: str) -> None:
    RECIPES[name](capture)
    assert text in attempt(show, capture)


def test_tables_and_indices_of_the_users_own_do_no_harm(capture: Path) -> None:
    run(
        capture,
        "create table mine (id integer primary key, x unique)",
        "create index fast on event (at desc, op)",
        "analyze",
    )
    assert attempt(show, capture) == ""


@pytest.mark.parametrize("table", TABLES)
def test_any_cell_may_hold_anything(capture: Path, sound: bytes, table: str) -> None:
    for number, (place, column, value) in enumerate(CELLS):
        if place == table:
            capture.write_bytes(sound)
            craft_cell(capture, table, column, value)
            # Each column in every way, but not with each value.
            for look in (LOOKS[number % len(LOOKS)], LOOKS[(number + 3) % len(LOOKS)]):
                try:
                    attempt(look, capture)
                except Exception as error:
                    raise AssertionError(f"{look.__name__} of {table}.{column} = {value}") from error


@pytest.mark.parametrize(
    ("table", "column", "value", "text"),
    [
        ("event", "wire_bytes", "text", "has text as `wire_bytes`, expected a whole number; `gwinspect reindex`"),
        ("event", "id", "largest", "has 9223372036854775807 as `id`, which is not the number of a row"),
        ("finding", "evidence", "json-endless", "something other than numbers of rows as `evidence`"),
        ("connection", "headers", "json-deep", "JSON that cannot be read"),
        ("connection", "headers", "json-list", "something other than texts by name as `headers`"),
    ],
)
def test_a_bad_cell_is_named(capture: Path, table: str, column: str, value: str, text: str) -> None:
    craft_cell(capture, table, column, value)
    assert text in (attempt(show, capture) or attempt(count, capture))


@pytest.mark.parametrize(("name", "recipe"), damaged(range(30)))
def test_a_torn_capture_is_read_or_refused(capture: Path, name: str, recipe: Recipe) -> None:
    recipe(capture)
    for look in LOOKS:
        attempt(look, capture)


@pytest.mark.parametrize("name", BOMBS)
def test_what_a_chunk_inflates_to_is_bounded(capture: Path, name: str) -> None:
    BOMBS[name](capture)
    tracemalloc.start()
    try:
        assert "cannot be read" in attempt(show, capture)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200 * 1024 * 1024
