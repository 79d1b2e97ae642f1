"""What Python shows of a payload becomes the JSON of that payload."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inspector.importers.logs.literals import bytes_of, json_of

TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from("'\"\\\n\x1b\x7f\u2028\U0001f98a"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20)


@given(st.dictionaries(TEXTS, VALUES))
def test_a_dict_becomes_the_json_of_it(value: dict[str, Any]) -> None:
    assert json.loads(json_of(repr(value))) == value


@given(st.binary())
def test_bytes_become_themselves(data: bytes) -> None:
    assert bytes_of(repr(data)) == data


@given(st.text(st.sampled_from("'\"\\{}[],: NoneTrue\U0001f98a")))
def test_whatever_it_is_it_becomes_some_text(text: str) -> None:
    json_of(text)
    bytes_of(f"b'{text}'")


def test_lone_surrogates_stay_what_they_are() -> None:
    assert json_of(repr({"a": "\ud83e"})) == b'{"a": "\\ud83e"}'


def test_words_within_strings_stay() -> None:
    assert json_of("{'None': [None, 'True', True], \"it's False\": False}") == (
        b'{"None": [null, "True", true], "it\'s False": false}'
    )
