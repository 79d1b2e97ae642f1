import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from inspector.wire import etf
from inspector.wire.etf import MAX_TERM, Atom, EtfError, Tuple, decode
from inspector.wire.inflate import SPARE, Budget
from tests.wire.etf_encoder import atom, binary, encode, integer, table, term

HELLO = {"t": None, "s": None, "op": 10, "d": {"heartbeat_interval": 41250}}
VECTORS = {
    "83740000000477026f70610a770164740000000177126865617274626561745f696e74657276616c620000a12277017377036e696c7701747703"
    "6e696c": HELLO,
    "8374000000046400026f70610a6400016474000000016400126865617274626561745f696e74657276616c620000a122640001736400036e696c"
    "640001746400036e696c": HELLO,
    "8374000000026d000000026f7061016d000000016461fb": {"op": 1, "d": 251},
    "836e0700010080c9656794": 41771983423143937,
    "8362fffffffb": -5,
    "836e070101000000000020": -9007199254740993,
    "83463ff8000000000000": 1.5,
    "836b0003010203": [1, 2, 3],
    "836c000000016d00000001616a": ["a"],
    "836a": [],
    "83770474727565": True,
    "83500000000b789c2b616060602c67ca2f48e406000bbb023a": {"op": 11},
    "836c0000000161016102": {"$improper": [1], "$tail": 2},
}

text = st.text(max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**600), 2**600)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=20,
)
# Bytes that are often something: tags, small numbers, the version.
soup = st.lists(
    st.sampled_from([bytes([tag]) for tag in range(68, 122)] + [b"\0", b"\0\0\0\1", b"\0\1", b"w\3nil", b"\2"])
    | st.binary(min_size=1, max_size=2),
    max_size=30,
).map(lambda parts: b"\x83" + b"".join(parts))


def reason(data: bytes, **limits: Any) -> str:
    """How decoding ends: ``ok`` or the reason of its error."""
    try:
        decode(data, **limits)
    except EtfError as error:
        return error.reason
    return "ok"


@pytest.mark.parametrize("vector", VECTORS)
def test_vectors(vector: str) -> None:
    data = bytes.fromhex(vector)
    decoded = decode(data)
    assert decoded.value == VECTORS[vector]
    assert type(decoded.value) is type(VECTORS[vector])
    assert decoded.end == len(data)
    assert decoded.problems == ()


@given(values, st.sampled_from(["binary", "atom"]), st.booleans())
def test_what_is_encoded_decodes_to_the_same(value: Any, keys: Any, charlists: bool) -> None:
    data = encode(value, keys=keys, charlists=charlists)
    decoded = decode(data + b"rest")
    assert decoded.value == value
    assert decoded.end == len(data)
    assert decoded.problems == ()


@given(values)
def test_erlpack_agrees(value: Any) -> None:
    erlpack = pytest.importorskip("erlpack")
    try:
        data = erlpack.pack(value)
    except (OverflowError, RuntimeError, ValueError):
        assume(False)
    assert decode(data).value == value


@given(values, st.data())
def test_a_proper_prefix_is_truncated(value: Any, data: st.DataObject) -> None:
    whole = encode(value, keys="atom")
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert reason(whole[:cut]) == "truncated"


@pytest.mark.parametrize(
    "whole",
    [
        b"\x83c" + b"-1.50000000000000000000e+10".ljust(31, b"\0"),
        b"\x83\x50" + struct.pack(">I", 65) + zlib.compress(b"m" + struct.pack(">I", 60) + bytes(range(60))),
        b"\x83X" + atom("node@host") + bytes(12),
        b"\x83Z" + b"\0\2" + atom("node@host") + bytes(12),
        b"\x83M" + b"\0\0\0\2\3ab",
        b"\x83v\0\1a",
    ],
)
def test_a_proper_prefix_of_a_rare_term_is_truncated(whole: bytes) -> None:
    assert {reason(whole[:cut]) for cut in range(len(whole))} == {"truncated"}
    assert reason(whole) == "ok"


@given(soup)
@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_truncated_means_that_more_bytes_can_complete_it(data: bytes) -> None:
    """A stream waits for more after ``truncated``, so it must not be said of what is lost already."""
    limits = {"max_nodes": 100}
    # The old FLOAT has 31 bytes of text, which is read once it is whole: until then any text could go on.
    assume(data[1:2] != b"P" and b"c" not in data and reason(data, **limits) == "truncated")
    for _ in range(500):
        # A zero, NIL, an atom, a pid, an arity, a digit: one of them goes on wherever something can.
        outcomes = {reason(data + more, **limits): more for more in (b"\0", b"j", b"w", b"g", b"a", b"0")}
        if "ok" in outcomes:
            return
        if "truncated" not in outcomes:
            # All that is left is a length whose first bytes said already that it passes the limit.
            assert "limit" in outcomes
            return
        data += outcomes["truncated"]
    assume(False)


@given(st.binary(max_size=80) | soup)
def test_any_bytes_give_a_value_or_an_error_with_a_known_reason(data: bytes) -> None:
    assert reason(data) in ("ok", "truncated", "bad-etf", "limit")


@pytest.mark.parametrize("name", ["nil", "null"])
@pytest.mark.parametrize("tag", ["d", "s", "v", "w"])
def test_null_is_read_from_every_kind_of_atom(name: str, tag: str) -> None:
    length = struct.pack(">H" if tag in "dv" else ">B", len(name))
    assert decode(b"\x83" + tag.encode() + length + name.encode()).value is None


def test_other_atoms_are_text_that_knows_what_it_was() -> None:
    value = decode(b"\x83" + atom("online")).value
    assert value == "online"
    assert type(value) is Atom


def test_old_atoms_are_latin_1_and_new_ones_utf_8() -> None:
    assert decode(b"\x83s\1\xe9").value == "é"
    assert decode(b"\x83w\2\xc3\xa9").value == "é"


def test_an_atom_that_is_not_utf_8_is_shown_and_reported() -> None:
    decoded = decode(b"\x83w\1\xff")
    assert decoded.value == "\\xff"
    assert decoded.problems == ("the atom at byte 1 is not UTF-8",)


def test_tuples_are_lists_that_know_what_they_were() -> None:
    assert decode(encode((1, "a"))).value == Tuple([1, "a"])
    assert type(decode(encode((1, "a"))).value) is Tuple
    assert len(decode(encode(tuple(range(300)))).value) == 300


def test_a_binary_that_is_not_utf_8_stays_bytes() -> None:
    assert decode(encode(b"\xff\0")).value == b"\xff\0"


def test_a_charlist_is_never_text() -> None:
    assert decode(encode([104, 105], charlists=True)).value == [104, 105]


def test_a_list_whose_tail_is_a_list_is_one_list() -> None:
    assert decode(b"\x83l\0\0\0\1a\1k\0\2\2\3").value == [1, 2, 3]


@given(values, st.sampled_from(["binary", "atom"]))
@settings(max_examples=150, deadline=None)
def test_a_value_reads_the_same_in_a_map_and_in_a_list(value: Any, keys: Any) -> None:
    """Maps read the usual kinds of value themselves, lists leave them to the readers."""
    inner = term(value, keys=keys)
    in_map = decode(b"\x83" + table([(atom("k"), inner)])).value["k"]
    [in_list] = decode(b"\x83l\0\0\0\1" + inner + b"j").value
    assert repr(in_map) == repr(in_list)
    assert type(in_map) is type(in_list)


@pytest.mark.parametrize(
    "inner",
    [
        term(0),
        term(2**63),
        term(2**64 - 1),
        term(-(2**63)),
        b"n\x08\1" + bytes(8),
        b"n\0\0",
        b"m\0\0\0\1\xff",
        b"s\1\xe9",
    ]
    + [b"w\1\xff", b"w\2\xc3\xa9", b"w\0", atom("x" * 255), b"d\0\3nil", b"s\3nil", term(b""), term([]), term(())],
)
def test_odd_values_read_the_same_in_a_map_and_in_a_list(inner: bytes) -> None:
    for _ in range(2):
        in_map = decode(b"\x83" + table([(atom("k"), inner)]))
        in_list = decode(b"\x83l\0\0\0\1" + inner + b"j")
        assert repr(in_map.value["k"]) == repr(in_list.value[0])
        assert len(in_map.problems) == len(in_list.problems)


@given(st.lists(st.binary(max_size=3) | st.sampled_from([b"op", b"nil", "é".encode()]), max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_map_reads_the_same_again(keys: list[bytes]) -> None:
    """Keys and atoms are remembered, and what is wrong with one is told each time."""
    pairs = [(b"w" + bytes([len(key)]) + key, b"w" + bytes([len(key)]) + key) for key in keys]
    data = b"\x83" + table(pairs * 2 + [(binary(key), binary(key)) for key in keys])
    first = decode(data)
    assert repr(decode(data)) == repr(first)
    for cut in range(1, len(data)):
        assert reason(data[:cut]) == "truncated"


def test_keys_without_number_are_not_remembered_without_end() -> None:
    for number in range(3 * etf._MOST_KNOWN):
        decode(encode({str(number): None, "a long key " * number: None} if number < 9 else {str(number): None}))
    assert len(etf._known_keys) <= etf._MOST_KNOWN
    assert max(map(len, etf._known_keys)) <= etf._LONGEST_KNOWN


def test_keys_that_are_no_text_become_text() -> None:
    pairs = [(integer(2**64), term(1)), (term(1.5), term(2)), (atom("nil"), term(3)), (term(b"\xff"), term(4))]
    decoded = decode(b"\x83" + table(pairs))
    assert decoded.value == {"18446744073709551616": 1, "1.5": 2, "nil": 3, '{"base64":"/w=="}': 4}
    assert decoded.problems == ()


def test_a_key_that_holds_other_terms_is_named_by_its_place() -> None:
    decoded = decode(b"\x83" + table([(term([1]), term(1)), (term((1,)), term(2)), (term({}), term(3))]))
    assert list(decoded.value.values()) == [1, 2, 3]
    assert next(iter(decoded.value)) == "(key at byte 6)"
    assert decoded.problems[0] == "the key at byte 6 is a list, which JSON cannot have as a key"


def test_an_atom_and_a_binary_with_one_name_are_both_kept_and_reported() -> None:
    decoded = decode(b"\x83" + table([(atom("op"), term(1)), (binary(b"op"), term(2)), (binary(b"op"), term(3))]))
    assert decoded.value == {"op": 1, "op (byte 12)": 2, "op (byte 21)": 3}
    assert decoded.problems == (
        "the key op at byte 12 is in its map already",
        "the key op at byte 21 is in its map already",
    )


def test_problems_are_not_listed_without_end() -> None:
    decoded = decode(b"\x83" + table([(atom("a"), term(1))] * 1000))
    assert len(decoded.value) == 1000
    assert len(decoded.problems) == 21


@pytest.mark.parametrize(
    ("data", "has_atoms"),
    [
        (encode({"op": 1}), False),
        (encode({"op": 1}, keys="atom"), True),
        (encode({"op": 1}, keys="old-atom"), True),
        (encode({"d": None, "s": True}), False),
        (b"\x83" + table([(binary(b"d"), table([(atom("a"), term(1))]))]), True),
    ],
)
def test_atoms_as_keys_are_told(data: bytes, has_atoms: bool) -> None:
    assert decode(data).atom_keys is has_atoms


@pytest.mark.parametrize(
    ("number", "shown"), [(float("nan"), "NaN"), (float("inf"), "Infinity"), (float("-inf"), "-Infinity")]
)
def test_what_is_no_finite_number_is_text(number: float, shown: str) -> None:
    for data in (encode(number), b"\x83c" + str(number).encode().ljust(31, b"\0")):
        decoded = decode(data)
        assert decoded.value == shown
        assert len(decoded.problems) == 1


def test_a_float_in_the_old_form_ends_at_the_first_nul() -> None:
    assert decode(b"\x83c" + b"1.5e+00".ljust(31, b"\0")).value == 1.5
    assert decode(b"\x83c" + b"1.5\0garbage".ljust(31, b"\0")).value == 1.5
    assert reason(b"\x83c" + b"1.5x".ljust(31, b"\0")) == "bad-etf"
    assert reason(b"\x83c1.5x") == "bad-etf"


NODE = atom("n@h")
FOREIGN = {
    "new pid": (b"X" + NODE + struct.pack(">III", 1, 2, 3), {"$etf": "pid", "id": 1, "serial": 2, "creation": 3}),
    "pid": (b"g" + NODE + struct.pack(">IIB", 1, 2, 3), {"$etf": "pid", "id": 1, "serial": 2, "creation": 3}),
    "new port": (b"Y" + NODE + struct.pack(">II", 1, 2), {"$etf": "port", "id": 1, "creation": 2}),
    "port": (b"f" + NODE + struct.pack(">IB", 1, 2), {"$etf": "port", "id": 1, "creation": 2}),
    "v4 port": (b"x" + NODE + struct.pack(">QI", 1, 2), {"$etf": "port", "id": 1, "creation": 2}),
    "old reference": (b"e" + NODE + struct.pack(">IB", 1, 2), {"$etf": "reference", "id": 1, "creation": 2}),
    "new reference": (
        b"r\0\2" + NODE + struct.pack(">BII", 1, 2, 3),
        {"$etf": "reference", "creation": 1, "ids": [2, 3]},
    ),
    "newer reference": (
        b"Z\0\2" + NODE + struct.pack(">III", 1, 2, 3),
        {"$etf": "reference", "creation": 1, "ids": [2, 3]},
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_erlang_nodes_have_among_themselves_is_shown(name: str) -> None:
    data, shown = FOREIGN[name]
    assert decode(b"\x83" + data).value == {"node": "n@h", **shown}
    assert reason(b"\x83" + data.replace(NODE, b"a\1")) == "bad-etf"


def test_functions_are_shown() -> None:
    pid = b"g" + NODE + bytes(9)
    fun = b"\2" + bytes(16) + bytes(4) + struct.pack(">I", 1) + atom("m") + integer(3) + integer(4) + pid + term("free")
    value = decode(b"\x83p" + struct.pack(">I", 4 + len(fun)) + fun).value
    assert (value["$etf"], value["module"], value["arity"], value["free"]) == ("fun", "m", 2, ["free"])
    old = decode(b"\x83u" + struct.pack(">I", 1) + pid + atom("m") + integer(3) + integer(4) + term("free")).value
    assert (old["module"], old["index"], old["uniq"], old["free"]) == ("m", 3, 4, ["free"])
    exported = decode(b"\x83q" + atom("m") + atom("f") + b"a\2").value
    assert exported == {"$etf": "export", "module": "m", "function": "f", "arity": 2}


def test_a_bit_string_keeps_the_bits_of_its_last_byte() -> None:
    assert decode(b"\x83M\0\0\0\2\3ab").value == {"$etf": "bits", "data": b"ab", "last_bits": 3}
    assert reason(b"\x83M\0\0\0\2\x09ab") == "bad-etf"


@pytest.mark.parametrize("tag", [0, 68, 69, 80, 82, 121, 131, 255])
def test_tags_without_a_meaning_here_are_bad(tag: int) -> None:
    with pytest.raises(EtfError, match=f"tag {tag} at byte 6") as caught:
        decode(b"\x83l\0\0\0\1" + bytes([tag]) + bytes(8))
    assert (caught.value.reason, caught.value.offset) == ("bad-etf", 6)


def test_json_is_recognised_as_such() -> None:
    with pytest.raises(EtfError, match="begins like JSON") as caught:
        decode(b'{"op":1}')
    assert (caught.value.reason, caught.value.offset) == ("bad-etf", 0)


def test_the_sign_of_a_big_integer_is_0_or_1() -> None:
    assert reason(b"\x83n\1\2\5") == "bad-etf"
    assert decode(b"\x83n\0\0").value == 0
    assert decode(b"\x83n\3\1\5\0\0").value == -5


def test_an_integer_of_any_size_is_exact() -> None:
    assert decode(encode(-(10**20000))).value == -(10**20000)


def nest(opening: bytes, levels: int, core: bytes, closing: bytes = b"") -> bytes:
    return b"\x83" + opening * levels + core + closing * levels


NESTS: dict[str, Callable[[int], bytes]] = {
    "lists": lambda n: nest(b"l\0\0\0\1", n, b"j", b"j"),
    "tails": lambda n: nest(b"l\0\0\0\1a\1", n, b"j"),
    "tuples": lambda n: nest(b"h\1", n, b"j"),
    "maps": lambda n: nest(b"t\0\0\0\1w\1a", n, b"j"),
    "keys": lambda n: nest(b"t\0\0\0\1", n, b"j", b"a\1"),
}


@pytest.mark.parametrize("name", NESTS)
def test_nesting_is_bounded(name: str) -> None:
    assert reason(NESTS[name](200)) == "ok"
    assert reason(NESTS[name](257)) == "limit"
    assert reason(NESTS[name](100_000)) == "limit"


@pytest.mark.parametrize("name", ["lists", "tuples", "maps"])
def test_the_deepest_allowed_term_decodes_on_a_deep_stack(name: str) -> None:
    def deeper(levels: int) -> str:
        return deeper(levels - 1) if levels else reason(NESTS[name](256))

    assert deeper(sys.getrecursionlimit() // 2) == "ok"


def test_a_stack_without_room_is_a_limit_and_not_a_crash() -> None:
    outcomes = set()

    def deeper() -> None:
        outcomes.add(reason(NESTS["maps"](256)))
        deeper()

    with pytest.raises(RecursionError):
        deeper()
    assert outcomes == {"ok", "limit"}


def test_lengths_are_believed_only_up_to_the_limit() -> None:
    assert reason(b"\x83m" + struct.pack(">I", MAX_TERM - 6)) == "truncated"
    assert reason(b"\x83m" + struct.pack(">I", MAX_TERM)) == "limit"
    assert reason(b"\x83t\0\0\0\1m\xff\xff\xff\xff") == "limit"
    assert reason(b"\x83l\xff\xff\xff\xff") == "limit"
    assert reason(b"\x83t\0\0\0\3", max_nodes=5) == "limit"
    assert reason(b"\x83k\0\6", max_nodes=5) == "limit"
    assert reason(b"\x83o\xff\xff\xff\xff") == "limit"


def compressed(inner: bytes, size: int | None = None) -> bytes:
    return b"\x83\x50" + struct.pack(">I", len(inner) if size is None else size) + zlib.compress(inner)


def test_a_compressed_term_ends_where_its_zlib_stream_does() -> None:
    data = compressed(term("text" * 50))
    decoded = decode(data + b"rest")
    assert (decoded.value, decoded.end) == ("text" * 50, len(data))


def test_a_compressed_term_must_have_the_size_it_says() -> None:
    inner = term("text")
    assert reason(compressed(inner, len(inner) + 1)) == "bad-etf"
    assert reason(compressed(inner, len(inner) - 1)) == "bad-etf"
    assert reason(compressed(inner[:-1])) == "bad-etf"
    assert decode(compressed(inner + b"12")).problems == ("2 bytes follow the term inside a compressed term",)


def test_a_compressed_term_is_bounded_before_it_inflates() -> None:
    exhausted = Budget()
    exhausted.spend(SPARE - 9_999)
    assert reason(compressed(bytes(10_000), 10_000), budget=exhausted) == "limit"
    assert reason(compressed(bytes(SPARE + 2_000_000)), budget=Budget(1_000_000)) == "limit"
    assert reason(compressed(bytes(10_000_000), 10)) == "bad-etf"
    assert reason(b"\x83\x50\xff\xff\xff\xff") == "limit"


def test_compressed_terms_do_not_nest() -> None:
    assert reason(compressed(compressed(b"j")[1:])) == "bad-etf"


@pytest.mark.parametrize(
    ("data", "offset", "said"),
    [
        (b"", 0, "the term is cut off after 0 bytes"),
        (b"\x83t\0\0", 4, "the term is cut off after 4 bytes"),
        (b"\x83m\0\0\0\5ab", 8, "the term at byte 1 takes 10 bytes, and 7 are there"),
        (b"\x02", 0, "a term begins with byte 131, and this begins with 2"),
        (b"\x83g\x61\x01", 2, "an atom was expected at byte 2, found tag 97"),
        (b"\x83P\0\0\0\1xx", 6, "a compressed term does not inflate"),
    ],
)
def test_errors_say_what_was_found(data: bytes, offset: int, said: str) -> None:
    with pytest.raises(EtfError) as caught:
        decode(data)
    assert str(caught.value).startswith(said)
    assert caught.value.offset == offset


@pytest.mark.parametrize("tag", [b"w", b"s"])
@pytest.mark.parametrize("word", [b"nil", b"null", b"true", b"false"])
def test_a_word_that_an_atom_begins_with_is_not_the_atom(word: bytes, tag: bytes) -> None:
    """A cut message became a whole one, with null for the text that was missing."""
    data = b"\x83" + table([(atom("t"), tag + bytes([len(word) + 9]) + word)])
    assert reason(data) == "truncated"
