import json
import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.wire import jsontext
from inspector.wire.etf import Atom, Tuple
from inspector.wire.jsontext import MAX_VALUES, JsonError, dumps, first, loads

pytestmark = pytest.mark.compat


def join_pairs(text: str) -> str:
    """Two surrogates that belong together are one character, in JSON as in UTF-16."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


text = st.text(max_size=20) | st.text(st.characters(), max_size=8).map(join_pairs)
integers = st.integers() | st.integers(-(2**70), 2**70) | st.integers(-(10**300), 10**300)
values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=20,
)
soup = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", ":", ",", " ", '"', '"a"', '"\\u12', "\\", "tru", "true", "nul", "-", "0", "1", "12", "."]
        + ["e", "E+", "NaN", "-Inf", "Infinity", "\n"]
    ),
    max_size=12,
).map(lambda parts: "".join(parts).encode())
WORDS = [b"true", b"false", b"null", b"NaN", b"Infinity"]
# One of them goes on wherever something can. The quote comes first: inside a string anything goes on.
COMPLETIONS = [b'"', b"}", b"]", b":0", b"0", *(word[at:] for word in WORDS for at in range(len(word)))]


def reason(data: bytes) -> str:
    """How reading ends: ``ok`` or the reason of the error."""
    try:
        loads(data)
    except JsonError as error:
        return error.reason
    return "ok"


@given(values)
def test_what_is_written_reads_as_the_same(value: Any) -> None:
    written = dumps(value)
    assert loads(written) == value
    assert b"\n" not in written


@given(values)
def test_a_value_reads_the_same_from_any_spelling(value: Any) -> None:
    assert loads(json.dumps(value, indent=1).encode()) == value
    assert loads(b"\xef\xbb\xbf" + dumps(value)) == value


@given(st.binary(max_size=40) | soup)
def test_any_bytes_give_a_value_or_an_error_with_a_known_reason(data: bytes) -> None:
    assert reason(data) in ("ok", "truncated", "not-json", "limit")


@given(values, st.data())
def test_a_proper_prefix_is_truncated(value: Any, data: st.DataObject) -> None:
    whole = dumps([value])
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert reason(whole[:cut]) == "truncated"


@given(soup)
def test_truncated_means_that_more_text_can_complete_it(data: bytes) -> None:
    """An assembler waits for more after ``truncated``, so it must not be said of what is lost already."""
    for _ in range(40):
        if reason(data) != "truncated":
            return
        data += next(more for more in COMPLETIONS if reason(data + more) in ("ok", "truncated"))
    pytest.fail(f"not completed: {data!r}")


@given(st.lists(st.lists(values, max_size=3), min_size=1, max_size=4), st.sampled_from([b"", b" ", b"\r\n"]))
def test_documents_back_to_back_are_read_one_by_one(documents: list[Any], between: bytes) -> None:
    data = between.join(map(dumps, documents))
    read, at = [], 0
    while at < len(data):
        value, at = first(data, at)
        read.append(value)
    assert read == documents


def test_the_first_document_takes_no_longer_for_what_follows() -> None:
    assert first(b'{"op":1}' + b"[" * 1_000_000) == ({"op": 1}, 8)
    assert first(b'[]{"op":[1, 2]} trailing', 2) == ({"op": [1, 2]}, 15)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2**64),
        ("-9223372036854775809", -(2**63) - 1),
        ('{"id":123456789012345678901234567890}', {"id": 123456789012345678901234567890}),
        (
            '{"hash":"12345678901234567890","id":-98765432109876543210}',
            {"hash": "1234567890" * 2, "id": -98765432109876543210},
        ),
        ("[12345678901234567890.5]", [12345678901234567890.5]),
        ("1" * 4300, int("1" * 4300)),
    ],
)
def test_integers_are_exact(text: str, value: Any) -> None:
    read = loads(text.encode())
    assert read == value
    assert type(read) is type(value)


def test_floats_stay_floats() -> None:
    assert loads(b"[1.5, 1e3, 0.12345678901234567890123, -1E-2]") == [1.5, 1000.0, 0.12345678901234568, -0.01]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000])
def test_what_is_no_number_in_python_is_text(number: str) -> None:
    assert loads(f'{{"d": [{number}]}}'.encode()) == {"d": [number]}


def test_lone_surrogates_survive_in_both_spellings() -> None:
    assert loads(rb'"\ud800 \udc00"') == "\ud800 \udc00"
    assert loads(b'"\xed\xa0\x80"') == "\ud800"
    assert loads(b'"\xed\xa0\xbd\xed\xb8\x80"') == "😀"
    assert dumps("\ud800ü") == '"\\ud800ü"'.encode()


def test_bytes_that_are_no_utf_8_are_replaced_and_reported() -> None:
    problems: list[str] = []
    assert loads(b'{"d":"a\xffb"}', problems) == {"d": "a\ufffdb"}
    assert problems == ["some bytes are not UTF-8"]


def test_a_byte_order_mark_is_skipped_and_reported() -> None:
    problems: list[str] = []
    assert loads(b'\xef\xbb\xbf{"op":1}', problems) == {"op": 1}
    assert first(b"\xef\xbb\xbf[][]", 0, problems) == ([], 5)
    assert problems == ["the text begins with a byte order mark"] * 2


def test_control_characters_in_strings_are_taken() -> None:
    assert loads(b'"a\x01\n"') == "a\x01\n"


@pytest.mark.parametrize(
    ("data", "why", "offset", "said"),
    [
        (b"", "truncated", 0, "there is no text"),
        (b" ", "truncated", 1, "the text ends after 1 bytes, before the document does"),
        (b'{"op":1', "truncated", 7, "the text ends after 7 bytes, before the document does"),
        (b'{"op":tru', "truncated", 9, "the text ends after 9 bytes, before the document does"),
        (b"\xef\xbb", "truncated", 2, "the text ends after 2 bytes, before the document does"),
        (b'{"op":1,}', "not-json", 8, "expected a key in quotes at byte 8, found '}'"),
        (b'{"op" 1}', "not-json", 6, "expected a colon at byte 6, found '1'"),
        (b"[1 2]", "not-json", 3, "expected a comma or ] at byte 3, found '2'"),
        (b'{"op":x}', "not-json", 6, "expected a value at byte 6, found 'x'"),
        (b"\x83t\0\0", "not-json", 0, "expected a value at byte 0, found byte 0x83"),
        (b'{"op":1} {', "not-json", 9, "the document ends at byte 8, and something follows at byte 9"),
        (b'"\\x"', "not-json", 0, "expected a value at byte 0, found '\"'"),
        (b"[1.5.", "not-json", 1, "expected a value at byte 1, found '1'"),
        (b"[" * 1_000_000, "limit", 512, "values nest deeper than 512 levels at byte 512"),
    ],
)
def test_errors_say_what_was_found(data: bytes, why: str, offset: int, said: str) -> None:
    with pytest.raises(JsonError) as caught:
        loads(data)
    assert (caught.value.reason, caught.value.offset, str(caught.value)) == (why, offset, said)


def test_nesting_is_bounded_both_ways() -> None:
    assert reason(b"[" * 500 + b"NaN" + b"]" * 500) == "ok"
    assert reason(b'{"a":' * 2000 + b"1" + b"}" * 2000) == "limit"
    deep = loads(b"[" * 1000 + b"]" * 1000)
    assert dumps(deep) == b"[" * 1000 + b"]" * 1000


def test_a_stack_without_room_is_a_limit_and_not_a_crash() -> None:
    outcomes = set()

    def deeper(levels: int) -> None:
        outcomes.add(reason(b"[" * 500 + b"NaN" + b"]" * 500))
        if levels:
            deeper(levels - 1)

    deeper(sys.getrecursionlimit() - 200)
    assert outcomes <= {"ok", "limit"}


def test_a_long_text_reads_in_linear_time() -> None:
    assert len(loads(b'["' + rb"\n" * 1_000_000 + b'", NaN]')[0]) == 1_000_000


def test_bytes_are_written_as_base64() -> None:
    assert dumps({"d": b"\xff\0"}) == b'{"d":{"base64":"/wA="}}'


def test_what_is_no_finite_number_is_written_as_text() -> None:
    assert dumps([math.nan, {"a": [math.inf]}, -math.inf]) == b'["NaN",{"a":["Infinity"]},"-Infinity"]'


def test_what_the_etf_decoder_returns_is_written() -> None:
    assert dumps({"a": Atom("online"), "t": Tuple([1, Tuple()]), "b": b""}) == (
        b'{"a":"online","t":[1,[]],"b":{"base64":""}}'
    )
    assert dumps(10**5000) == f'"{10**5000:#x}"'.encode()


def test_keys_that_are_no_text_are_written_as_text() -> None:
    assert dumps({1: 0, None: 1, 2**70: 2, Atom("a"): 3, 1.5: 4}) == (
        b'{"1":0,"null":1,"1180591620717411303424":2,"a":3,"1.5":4}'
    )


def test_what_is_no_json_at_all_is_an_error_of_ours() -> None:
    with pytest.raises(TypeError):
        dumps({"d": object()})


def test_a_document_of_very_many_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every three bytes of it would take sixty-four."""
    monkeypatch.setattr(jsontext, "MAX_VALUES", 10_000)
    many = b"[" + b"[]," * 10_000 + b"0]"
    for read in (loads, first):
        with pytest.raises(JsonError) as caught:
            read(many)
        assert caught.value.reason == "limit"


def test_a_long_text_is_one_value_whatever_is_in_it() -> None:
    text = "[],{" * (MAX_VALUES // 10)
    assert loads(json.dumps([text]).encode()) == [text]
