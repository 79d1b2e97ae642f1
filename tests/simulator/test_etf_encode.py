import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.simulator.etf_encode import encode, with_integer_ids
from inspector.wire import etf

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=20), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "term"),
    [
        (-5, "8362fffffffb"),
        (41771983423143937, "836e0700010080c9656794"),
        (-9007199254740993, "836e070101000000000020"),
        (1.5, "83463ff8000000000000"),
        ([1, 2, 3], "836b0003010203"),
        (["a"], "836c000000016d00000001616a"),
        ([], "836a"),
        (True, "83770474727565"),
        ({"op": 1, "d": 251}, "8374000000026d000000026f7061016d000000016461fb"),
    ],
)
def test_a_value_is_written_as_erlang_would(value: object, term: str) -> None:
    assert encode(value).hex() == term


def test_a_server_writes_keys_as_atoms() -> None:
    assert encode({"op": 11}, atom_keys=True).hex() == "8374000000017702" + b"op".hex() + "610b"


@given(_VALUES)
def test_what_is_written_reads_back(value: object) -> None:
    assert etf.decode(encode(value)).value == value


def test_only_ids_become_integers() -> None:
    before = {"id": "7", "guild_id": None, "roles": ["8"], "content": "9", "nested": [{"user_id": "10"}]}
    after = {"id": 7, "guild_id": None, "roles": [8], "content": "9", "nested": [{"user_id": 10}]}
    assert with_integer_ids(before) == after
