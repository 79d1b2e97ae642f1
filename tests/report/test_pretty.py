"""Payloads as JSON text in lines."""

import json

from hypothesis import given
from hypothesis import strategies as st

from inspector.report.pretty import coloured, pretty
from inspector.wire import jsontext

TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(1 << 64, 1 << 70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


@given(VALUES)
def test_the_text_says_the_same_as_that_for_programs(value: object) -> None:
    assert json.loads(pretty(value)) == json.loads(jsontext.dumps(value))


@given(VALUES)
def test_both_ways_of_writing_it_agree(value: object) -> None:
    assert pretty([value]) == pretty([value, 1 << 70])[: -len(f",\n  {1 << 70}\n]")] + "\n]"


def test_deep_nesting_and_bytes_are_written_too() -> None:
    deep: object = {"data": b"\xff"}
    for _ in range(1000):
        deep = [deep]
    assert '"base64": "/w=="' in pretty(deep)


@given(VALUES)
def test_colouring_changes_no_text(value: object) -> None:
    for line in pretty(value).split("\n"):
        assert "".join(text for text, _ in coloured(line)) == line


def test_keys_and_values_have_colours_of_their_own() -> None:
    assert [style for text, style in coloured('  "id": "5",') if text.strip()] == ["key", "muted", "string", "muted"]
    assert [style for text, style in coloured("    -1.5e+3, true, null")][1::2] == ["number", "boolean", "null"]
