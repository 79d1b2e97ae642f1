from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Event, Kind, Plane
from inspector.protocol.registry import default
from inspector.query.grammar import MAX_LENGTH, parse
from inspector.query.search import Search
from inspector.query.tree import And, Compare, Everything, Text
from inspector.store.reader import Reader
from inspector.tui.bindings import MAIN
from inspector.tui.tasks.presets import PRESETS, Narrowing, quoted

SAMPLES = Path(__file__).parents[2] / "sample_captures"
SENDS, ERRORS, CONNECTION, EVENT = (PRESETS[name] for name in ("sends", "errors", "connection", "event"))


def row(**more: Any) -> Event:
    values = {"n": 7, "connection": 2, "at_ns": 0, "plane": Plane.GATEWAY, "kind": Kind.PAYLOAD, "op": 0, **more}
    return Event(**values)


def values_of(text: str) -> list[object]:
    found = parse(text, default())
    items = found.items if isinstance(found, And) else (found,)
    return [value for item in items if isinstance(item, Compare) for value in item.values]


# One preset.


@pytest.mark.parametrize(
    ("name", "more", "clause"),
    [
        ("sends", {}, "dir == send"),
        ("errors", {}, "finding >= error"),
        ("connection", {}, "conn == 2"),
        ("event", {"event": "READY"}, "event == READY"),
        ("event", {"op": 11}, "plane == gateway and op == 11"),
        ("event", {"plane": Plane.REMOTE_AUTH, "op": "nonce_proof"}, 'plane == remote-auth and op == "nonce_proof"'),
        ("event", {"kind": Kind.CLOSE, "op": None}, "kind == close"),
        ("event", {"kind": Kind.UNDECODED, "op": None}, "kind == undecoded"),
        ("event", {"op": None}, None),
        ("guild", {"guild_id": 42}, "guild == 42"),
        ("guild", {}, None),
        ("user", {"user_id": 43}, "user == 43"),
        ("user", {}, None),
    ],
)
def test_a_preset_is_a_filter_made_from_the_row(name: str, more: dict[str, Any], clause: str | None) -> None:
    assert PRESETS[name].clause(row(**more)) == clause
    if clause:
        parse(clause, default())


@pytest.mark.parametrize("name", ["connection", "event", "guild", "user"])
def test_what_depends_on_the_row_needs_one(name: str) -> None:
    assert PRESETS[name].clause(None) is None
    assert PRESETS[name].missing


def test_every_preset_has_a_key() -> None:
    actions = {binding.action for binding in MAIN}  # type: ignore[union-attr]
    assert {f"preset('{name}')" for name in PRESETS} < actions


def test_the_noise_is_gone_and_the_rest_stays() -> None:
    reader = Reader(SAMPLES / "voice.gwcap")
    noise = PRESETS["noise"].clause(None)
    assert noise is not None
    search = Search(parse(noise, default()), default())
    found = {number for step in search.numbers(reader, 0, reader.last()) for number in step.found}
    # Heartbeats and their ACKs, on the gateway (4, 8) and on voice.
    assert set(range(1, reader.last() + 1)) - found == {4, 8, 15, 18, 28, 33}
    reader.close()


@pytest.mark.parametrize(
    "name", ['a"b', "a\\", 'x" or op == 1 or event == "', "and", "(", "[b]", "ä b", "", "*", "=~ /x/", "null"]
)
def test_a_hostile_event_name_is_taken_as_it_is(name: str) -> None:
    clause = EVENT.clause(row(event=name))
    assert clause is not None
    assert values_of(clause) == [name]


@given(st.text(max_size=200))
def test_any_event_name_can_be_filtered_for(name: str) -> None:
    assert values_of(f"event == {quoted(name)}") == [name]


@pytest.mark.parametrize("plane", [Plane.REMOTE_AUTH, Plane.RPC])
def test_every_documented_opcode_that_is_a_word_can_be_filtered_for(plane: Plane) -> None:
    words = [opcode.number for opcode in default().opcodes() if opcode.plane == plane]
    assert words
    for word in words:
        clause = EVENT.clause(row(plane=plane, op=word))
        assert clause is not None
        parse(clause, default())


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True).filter(lambda name: name.lower() != "null"))
def test_a_usual_name_stands_without_quotes(name: str) -> None:
    assert quoted(name) == name


# All of them together.


def test_nothing_chosen_lets_everything_through() -> None:
    narrowing = Narrowing()
    assert (narrowing.text, narrowing.shown) == ("", "")
    assert isinstance(parse(narrowing.text, default()), Everything)


def test_one_part_alone_stands_as_it_was_written() -> None:
    assert Narrowing("  op == 0 or op == 1 ").text == "op == 0 or op == 1"


def test_parts_hold_together() -> None:
    """An `or` of one part must not reach into the next."""
    narrowing = Narrowing("op == 1 or op == 11")
    narrowing.chosen = ("conn == 2", "only #2")
    narrowing.toggle(SENDS, row())
    assert narrowing.text == "(conn == 2) and (op == 1 or op == 11) and (dir == send)"
    assert narrowing.shown == "(op == 1 or op == 11) and (dir == send)"
    assert isinstance(parse(narrowing.text, default()), And)


def test_a_word_needs_no_brackets() -> None:
    narrowing = Narrowing("hello")
    narrowing.toggle(SENDS, row())
    assert narrowing.text == "hello and (dir == send)"
    found = parse(narrowing.text, default())
    assert isinstance(found, And)
    assert found.items[0] == Text("hello")


def test_a_preset_again_goes() -> None:
    narrowing = Narrowing()
    assert narrowing.toggle(SENDS, row()) is None
    assert narrowing.toggle(SENDS, row(n=8)) is None
    assert narrowing.text == ""


def test_a_preset_again_on_another_row_moves_there() -> None:
    narrowing = Narrowing()
    narrowing.toggle(CONNECTION, row(connection=1))
    narrowing.toggle(CONNECTION, row(connection=2))
    assert narrowing.text == "conn == 2"
    narrowing.toggle(CONNECTION, row(connection=2))
    assert narrowing.text == ""


def test_a_preset_goes_even_where_the_row_has_nothing_for_it() -> None:
    """Else it could not be taken away where the view has no row at all."""
    narrowing = Narrowing()
    narrowing.toggle(CONNECTION, row())
    assert narrowing.toggle(CONNECTION, None) is None
    assert narrowing.text == ""


def test_why_a_preset_cannot_be_is_said_and_nothing_changes() -> None:
    narrowing = Narrowing("op == 0")
    assert narrowing.toggle(PRESETS["guild"], row()) == "it is not about a guild"
    assert narrowing.toggle(CONNECTION, None) == "there is no row under the cursor"
    assert narrowing.text == "op == 0"


def test_what_is_typed_takes_the_place_of_presets_but_not_of_the_tree() -> None:
    narrowing = Narrowing()
    narrowing.chosen = ("conn == 2", "only #2")
    narrowing.toggle(SENDS, row())
    narrowing.type(" op == 0 ")
    assert narrowing.text == "(conn == 2) and (op == 0)"
    assert not narrowing.presets


def test_what_stands_in_the_bar_typed_again_keeps_its_presets() -> None:
    narrowing = Narrowing()
    narrowing.toggle(SENDS, row())
    narrowing.toggle(ERRORS, row())
    narrowing.type(narrowing.shown)
    assert list(narrowing.presets) == ["sends", "errors"]
    narrowing.toggle(SENDS, row())
    assert narrowing.text == "finding >= error"


def test_clearing_takes_all_parts_away() -> None:
    narrowing = Narrowing("op == 0")
    narrowing.chosen = ("conn == 2", "only #2")
    narrowing.toggle(SENDS, row())
    narrowing.clear()
    assert (narrowing.text, narrowing.shown, narrowing.chosen) == ("", "", None)


@given(st.lists(st.sampled_from(sorted(PRESETS)), max_size=8), st.sampled_from(["", "hello", "op == 1 or op == 11"]))
def test_any_presets_together_are_a_filter(names: list[str], typed: str) -> None:
    narrowing = Narrowing(typed)
    there = row(event="READY", guild_id=42, user_id=43)
    for name in names:
        narrowing.toggle(PRESETS[name], there)
    parse(narrowing.text, default())
    assert len(narrowing.text) < MAX_LENGTH
    assert set(narrowing.presets) == {name for name in names if names.count(name) % 2}
