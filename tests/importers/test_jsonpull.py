"""What a document says does not depend on the pieces in which it is read."""

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.importers import jsonpull
from inspector.importers.jsonpull import Damaged, Pull

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


def walked(pull: Pull) -> Any:
    """Read a document by walking through all of it."""
    if pull.kind() == "{":
        return {key: walked(pull) for key in pull.members()}
    return [walked(pull) for _ in pull.items()] if pull.kind() == "[" else pull.value()


@pytest.mark.parametrize(("block", "short"), [(7, 40), (16, 64), (4096, 40)])
def test_a_document_reads_the_same_in_pieces_of_any_size(
    block: int, short: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonpull, "_BLOCK", block)
    monkeypatch.setattr(jsonpull, "_SHORT", short)

    @given(value=st.dictionaries(st.text(max_size=5), JSON, max_size=4), indent=st.sampled_from([None, 1]))
    def check(value: Any, indent: int | None) -> None:
        text = json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "backslashreplace")
        for read in (walked, Pull.value):
            pull = Pull(io.BytesIO(text))
            assert read(pull) == json.loads(text)
            pull.end()
            assert pull.left_out == 0

    check()


@pytest.mark.parametrize("short", [5, 1024 * 1024])
def test_a_document_that_breaks_off_says_where(short: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonpull, "_SHORT", short)

    def read(pull: Pull) -> None:
        for _ in pull.members():
            pull.value()

    text = '{"a": [1, 2],\n "b": {"c": "d", "e": tru'
    for cut in range(len(text)):
        pull = Pull(io.BytesIO(text[:cut].encode()))
        with pytest.raises(Damaged):
            read(pull)
        place, line, total = pull.place()
        assert place <= total == cut
        assert line == 1 + text.count("\n", 0, place)


def test_what_breaks_off_gives_what_is_whole_of_it() -> None:
    pull = Pull(io.BytesIO(b'{"a": {"b": 1, "c": [2, 3, "d'))
    with pytest.raises(Damaged):
        assert [(key, pull.value()) for key in pull.members()] == []
    pull = Pull(io.BytesIO(b'{"a": {"b": 1, "c": [2, 3, "d'))
    assert pull.value() == {"a": {"b": 1, "c": [2, 3]}}
    with pytest.raises(Damaged):
        pull.end()


@pytest.mark.parametrize(
    "large",
    [
        b'"' + b"x" * 5_000_000 + b'"',
        b"[" + b"[]," * 1_600_000 + b"[]]",
        b'{"a":[' + b'{"b":""},' * 40_000 + b"0]}",
    ],
    ids=["text", "lists", "objects"],
)
def test_what_is_too_large_goes_by_in_bounded_memory(large: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MAX_TEXT", "MAX_VALUES", "_SHORT"):
        monkeypatch.setattr(jsonpull, limit, getattr(jsonpull, limit) // 8)
    text = b'{"before": 1, "large": ' + large + b', "after": 2}'
    tracemalloc.start()
    try:
        pull = Pull(io.BytesIO(text))
        assert {key: pull.value() for key in pull.members()} == {"before": 1, "large": None, "after": 2}
        assert pull.left_out == 1
        # The text of `MAX_TEXT` once as it was and once as it grows.
        assert tracemalloc.get_traced_memory()[1] < 4 * jsonpull.MAX_TEXT
    finally:
        tracemalloc.stop()


def test_a_long_text_is_read_whatever_is_in_it() -> None:
    """The largest messages are JSON within JSON, and full of commas."""
    value = ['{"a": [1, 2]}' * 200_000]
    pull = Pull(io.BytesIO(json.dumps(value).encode()))
    assert pull.value() == value
    assert pull.left_out == 0


def test_an_integer_of_too_many_digits_costs_only_itself() -> None:
    assert Pull(io.BytesIO(b"[1, " + b"9" * 5000 + b", 2]")).value() == [1, None, 2]
