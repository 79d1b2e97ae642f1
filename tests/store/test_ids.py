"""Ids of any size: stored, named, found by filters, the same as SQL sees them and as single rows are matched."""

import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Event
from inspector.protocol.registry import default
from inspector.protocol.snowflake import MOST_DIGITS
from inspector.query.grammar import FilterError, parse
from inspector.query.search import Search
from inspector.report.jsonl import line
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows
from inspector.store.ids import cell_of, id_of
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import HELLO, Conversation, dispatch, identify, message, ready
from tests.fed import fed
from tests.store.older import age

REGISTRY = default()
EDGE = 2**63
LARGEST = 10**MOST_DIGITS - 1
IDS = [0, 7, 10**17, EDGE - 1, EDGE, EDGE + 1, 2**64 - 1, 2**64, 10**19, 10**20 - 1, 10**30, LARGEST]


def capture(path: Path, talk: Conversation) -> Reader:
    writer = Writer(path, REGISTRY, made_by="test")
    writer.write(talk.happenings)
    writer.finish()
    return Reader(path)


def with_guilds(guilds: list[object], encoding: str = "json") -> Conversation:
    talk = Conversation(encoding).opens().server(HELLO).client(identify()).server(ready())
    for seq, guild in enumerate(guilds, 2):
        talk.server(dispatch("TYPING_START", {"guild_id": guild, "channel_id": guild, "user_id": guild}, seq))
    return talk


def found(reader: Reader, where: str) -> list[int]:
    """Return the guilds of the rows that pass, which the capture and single rows agree on."""
    search, single = (Search(parse(where, REGISTRY), REGISTRY) for _ in range(2))
    numbers = [number for step in search.numbers(reader, 0, reader.last()) for number in step.found]
    events = list(reader.all_events())
    passed = [event for event in events if single.matches(event, reader.connection(event.connection))]
    assert numbers == [event.n for event in passed]
    return [event.guild_id for event in passed if event.guild_id is not None]


@pytest.mark.parametrize("number", IDS)
def test_an_id_survives_its_cell(number: int) -> None:
    assert id_of(cell_of(number)) == number


@pytest.mark.parametrize("cell", [None, "7", 1.5, b"", b"1x", b"-1", b"1" * 41, "9" * 30])
def test_a_cell_of_anything_else_is_no_id(cell: object) -> None:
    assert id_of(cell) is None


@pytest.mark.parametrize("number", [10**MOST_DIGITS, 10**5000, -(2**63) - 1], ids=["long", "very long", "negative"])
def test_what_cannot_be_an_id_has_no_cell(number: int) -> None:
    assert cell_of(number) is None


@given(st.integers(0, LARGEST), st.integers(0, LARGEST), st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
def test_filters_order_ids_as_numbers(stored: int, wanted: int, operator: str) -> None:
    event = Event(1, 1, 0, *_GATEWAY_PAYLOAD, guild_id=stored)
    search = Search(parse(f"guild {operator} {wanted}", REGISTRY), REGISTRY)
    assert search.matches(event, _CONNECTION) is eval(f"{stored} {operator} {wanted}")


@pytest.mark.parametrize("encoding", ["json", "etf"])
@pytest.mark.parametrize("as_text", [False, True], ids=["numbers", "text"])
def test_ids_of_any_size_are_stored_and_filtered(tmp_path: Path, encoding: str, as_text: bool) -> None:
    reader = capture(tmp_path / "a.gwcap", with_guilds([str(n) if as_text else n for n in IDS], encoding))
    assert found(reader, "guild != null") == IDS
    assert found(reader, f"guild == {EDGE}") == [EDGE]
    assert found(reader, f"user in (7, {2**64}, {LARGEST})") == [7, 2**64, LARGEST]
    assert found(reader, f"channel < {EDGE}") == [n for n in IDS if n < EDGE]
    assert found(reader, f"channel > {2**64 - 1}") == [n for n in IDS if n > 2**64 - 1]
    assert found(reader, f"not guild <= {10**19}") == [n for n in IDS if n > 10**19]


def test_sql_gives_the_digits_of_any_id(tmp_path: Path) -> None:
    reader = capture(tmp_path / "a.gwcap", with_guilds(list(IDS)))
    digits = reader.db.execute("select cast(guild_id as text) from event where guild_id not null order by id")
    assert [row[0] for row in digits] == [str(number) for number in IDS]


@pytest.mark.parametrize(
    "guild", [-1, -EDGE, -(10**30), 10**MOST_DIGITS, 10**4000, 1e308, 1.5, True, "1" * 41, "x", []]
)
@pytest.mark.parametrize("encoding", ["json", "etf"])
def test_what_is_no_id_is_left_out_and_shown(tmp_path: Path, guild: object, encoding: str) -> None:
    reader = capture(tmp_path / "a.gwcap", with_guilds([guild], encoding))
    (event,) = (event for event in reader.all_events() if event.event == "TYPING_START")
    assert event.guild_id is None
    shown = json.loads(line(Presenter(REGISTRY).show(event, CaptureRows(reader))))
    assert shown["d"]["guild_id"] == guild


def test_large_ids_have_names_and_all_digits(tmp_path: Path) -> None:
    d = {"id": 2**64, "name": "Tea house", "channels": [{"id": str(EDGE), "name": "kettle"}]}
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    talk.server(dispatch("GUILD_CREATE", d, 2)).server(
        dispatch("TYPING_START", {"guild_id": 2**64, "channel_id": EDGE, "user_id": 2**65}, 3)
    )
    reader = capture(tmp_path / "a.gwcap", talk)
    assert dict(reader.names) == {EDGE: "kettle", 2**64: "Tea house"}
    *_, typing = reader.all_events()
    shown = Presenter(REGISTRY).show(typing, CaptureRows(reader))
    assert "#kettle" in shown.summary
    assert f'"channel_id":{EDGE}' in line(shown).decode().replace(": ", ":")
    assert -1 not in reader.names
    assert 10**50 not in reader.names


def test_a_filter_says_which_ids_it_takes() -> None:
    with pytest.raises(FilterError, match="an id of at most 40 digits"):
        parse(f"guild == {10**MOST_DIGITS}", REGISTRY)
    with pytest.raises(FilterError, match="an id of at most 40 digits"):
        parse(f"guild > -{10**30}", REGISTRY)


def test_an_older_capture_is_continued_with_large_ids(tmp_path: Path) -> None:
    path = tmp_path / "old.gwcap"
    capture(path, with_guilds([7])).close()
    age(path, 3)
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(
        "drop table name; create table name (id integer primary key, name text not null);"
        "insert into name values (7, 'Old')"
    )
    db.close()
    assert dict(Reader(path).names) == {7: "Old"}
    writer = Writer(path, REGISTRY, made_by="test")
    talk = Conversation(connection=2).opens().server(HELLO)
    talk.server(dispatch("GUILD_CREATE", {"id": EDGE, "name": "New"}, 1))
    writer.write(talk.happenings)
    writer.finish()
    assert dict(Reader(path).names) == {7: "Old", EDGE: "New"}


def _event() -> tuple[Event, object]:
    from inspector.pipeline import Pipeline

    pipeline = Pipeline(REGISTRY)
    talk = Conversation().opens().server(message("hello"))
    *_, event = fed(talk.happenings, pipeline).rows
    return event, pipeline.connections[0]


_SAMPLE, _CONNECTION = _event()
_GATEWAY_PAYLOAD = _SAMPLE.plane, _SAMPLE.kind
