import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import ABSENT
from inspector.report.compare import ById, Change, compare, place
from inspector.wire.etf import Atom

KEYS = st.sampled_from(["a", "b", "c", "name"])
PLAIN = (
    st.none() | st.booleans() | st.integers(0, 3) | st.floats(0, 1) | st.text("xy", max_size=2) | st.binary(max_size=1)
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


def changed(old: object, new: object) -> list[tuple[str, str, object, object]]:
    return [(change.kind, place(change.path), change.old, change.new) for change in compare(old, new).changes]


def test_each_kind_of_change_is_found_where_it_is() -> None:
    old = {"content": "hello", "nonce": "1", "author": {"id": "5", "name": "ada"}}
    new = {"content": "hello there", "flags": 4, "author": {"id": "5", "name": "eve"}}
    assert changed({"d": old}, {"d": new}) == [
        ("changed", "d.content", "hello", "hello there"),
        ("added", "d.flags", ABSENT, 4),
        ("changed", "d.author.name", "ada", "eve"),
        ("removed", "d.nonce", "1", ABSENT),
    ]


def test_equal_values_are_counted() -> None:
    found = compare({"a": 1, "b": [1, 2, {"c": None}]}, {"a": 1, "b": [1, 3, {"c": None}]})
    assert (found.equal, found.count("changed"), found.whole) == (3, 1, True)


def test_items_of_lists_are_told_by_their_id() -> None:
    old = [{"id": "1", "n": "a"}, {"id": "2", "n": "b"}]
    new = [{"id": "2", "n": "c"}, {"id": "1", "n": "a"}, {"id": "3"}]
    assert changed({"roles": old}, {"roles": new}) == [
        ("changed", "roles[id 2].n", "b", "c"),
        ("added", "roles[id 3]", ABSENT, {"id": "3"}),
    ]


def test_an_item_taken_from_the_front_is_the_only_change() -> None:
    items = [{"id": str(number)} for number in range(5)]
    assert changed(items, items[1:]) == [("removed", "[id 0]", {"id": "0"}, ABSENT)]


def test_items_without_an_id_of_their_own_are_told_by_position() -> None:
    assert changed([{"id": "1"}, {"id": "1", "x": 2}], [{"id": "1"}, {"id": "1", "x": 3}]) == [("changed", "1.x", 2, 3)]
    assert changed(["a", "b"], ["a"]) == [("removed", "1", "b", ABSENT)]
    assert changed([], [7]) == [("added", "0", ABSENT, 7)]


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), (1, 1.0), ("1", 1), (b"a", "a"), ({}, []), (None, {})])
def test_another_type_is_a_change(old: object, new: object) -> None:
    assert compare({"x": old}, {"x": new}).changes == (Change(("x",), "changed", old, new),)


def test_an_atom_that_stayed_is_no_change() -> None:
    assert compare({"x": Atom("ok")}, {"x": Atom("ok")}).equal == 1


def test_changes_beyond_the_limit_are_left_out_and_said_to_be() -> None:
    old = {str(number): number for number in range(10)}
    new = {str(number): -number - 1 for number in range(10)}
    assert (len(compare(old, new, 10).changes), compare(old, new, 10).whole) == (10, True)
    assert (len(compare(old, new, 9).changes), compare(old, new, 9).whole) == (9, False)


def test_deep_nesting_is_no_trouble() -> None:
    old: object = 1
    new: object = 2
    for _ in range(5000):
        old, new = [old], [new]
    assert [change.kind for change in compare(old, new).changes] == ["changed"]


def test_a_number_of_many_digits_can_be_an_id() -> None:
    assert place(("d", ById(1 << 20_000))) == "d[id integer of 20,001 bits]"


@given(VALUES)
def test_a_value_is_the_same_as_itself(value: object) -> None:
    found = compare(value, value)
    assert (found.changes, found.whole) == ((), True)


@given(OBJECTS, OBJECTS)
def test_the_changes_turn_the_old_into_the_new(old: dict[str, object], new: dict[str, object]) -> None:
    assert exact(applied(old, compare(old, new).changes)) == exact(new)


@given(VALUES, VALUES)
def test_both_ways_there_are_as_many_changes(old: object, new: object) -> None:
    there, back = compare(old, new), compare(new, old)
    assert there.equal == back.equal
    assert there.count("added") == back.count("removed")
    assert there.count("changed") == back.count("changed")


def applied(value: object, changes: tuple[Change, ...]) -> object:
    """`value` with `changes` made to a copy of it; items at the end of a list are taken away last to first."""
    value = copied(value)
    for change in [one for one in changes if one.kind != "removed"]:
        inner = value
        for step in change.path[:-1]:
            inner = inner[step]  # type: ignore[index]
        if isinstance(inner, list) and change.path[-1] == len(inner):
            inner.append(change.new)
        else:
            inner[change.path[-1]] = change.new  # type: ignore[index]
    for change in reversed([one for one in changes if one.kind == "removed"]):
        inner = value
        for step in change.path[:-1]:
            inner = inner[step]  # type: ignore[index]
        del inner[change.path[-1]]  # type: ignore[attr-defined]
    return value


def copied(value: object) -> object:
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def exact(value: object) -> object:
    """`value` so that two are equal only where all their types are too."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    return [exact(item) for item in value] if isinstance(value, list) else (type(value), value)
