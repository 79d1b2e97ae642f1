import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.scrub.rewriting import Keys, Unwalkable, Visitor, rewrite_etf, rewrite_json
from tests.wire.etf_encoder import encode

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=20)
    | st.floats(allow_nan=False, width=32),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


class Leaving(Visitor):
    """Lets all stay, and notes what it was asked."""

    def __init__(self) -> None:
        self.plain = {}
        self.asked: list[tuple[Keys, Any]] = []

    def text(self, keys: Keys, value: str, size: int) -> str | None:
        self.asked.append((keys, value))
        return None

    def number(self, keys: Keys, value: int) -> int | None:
        self.asked.append((keys, value))
        return None

    def key(self, keys: Keys, value: str, size: int) -> str | None:
        return None

    def data(self, keys: Keys, value: bytes) -> bytes:
        return value


class Crossing(Leaving):
    """Replaces every text by as many x, and every number by the next one."""

    def text(self, keys: Keys, value: str, size: int) -> str | None:
        return "x" * size

    def number(self, keys: Keys, value: int) -> int | None:
        return value + 1


@given(VALUES)
def test_what_stays_stays_byte_for_byte(value: Any) -> None:
    for data in (
        json.dumps(value).encode(),
        json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "replace"),
    ):
        assert rewrite_json(data, Leaving()) == data
    data = encode(value)
    assert rewrite_etf(data, Leaving()) == data


@given(VALUES)
def test_json_with_other_values_is_still_json(value: Any) -> None:
    data = json.dumps(value).encode()
    made = json.loads(rewrite_json(data, Crossing()))
    assert type(made) is type(value)
    if isinstance(value, dict):
        assert list(made) == list(value)


def test_a_value_is_told_with_the_keys_that_lead_to_it() -> None:
    visitor = Leaving()
    rewrite_json(b'{"op": 0, "d": {"id": "1", "roles": ["2", {"x": "3"}]}, "t": "A"}', visitor)
    assert visitor.asked == [
        (("op",), 0),
        (("d", "id"), "1"),
        (("d", "roles"), "2"),
        (("d", "roles", "x"), "3"),
        (("t",), "A"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": "one", "a": "two"}',
        b'{"a":"one"}{"a":"two"} trailing',
        b'{"a": "one", }',
        b'{"a": "cut he',
        b'["one", 01, 1.5e3, -0, NaN]',
        b'{"a\\u0062": "\\ud800 one"}',
        b"]]]}}}",
    ],
)
def test_what_is_wrong_with_json_stays_wrong(data: bytes) -> None:
    assert rewrite_json(data, Leaving()) == data


def test_texts_are_replaced_by_as_many_bytes_and_nothing_else_moves() -> None:
    data = '{"a": "grün\\n", "b": ["ß", ""], "c": 1.5}'.encode()
    assert rewrite_json(data, Crossing()) == b'{"a": "xxxxxxx", "b": ["xx", ""], "c": 1.5}'


@pytest.mark.parametrize("cut", range(1, 40))
def test_etf_that_ends_early_is_refused(cut: int) -> None:
    data = encode({"op": 0, "d": {"name": "somebody", "ids": [10**18, 5, 2**31]}})
    with pytest.raises(Unwalkable):
        rewrite_etf(data[:-cut], Leaving())
