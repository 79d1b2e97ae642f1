"""Ids taken apart."""

from hypothesis import given
from hypothesis import strategies as st

from inspector.protocol import snowflake


def test_an_id_says_when_and_where_it_was_made() -> None:
    """The example of the documentation."""
    assert snowflake.split(175928847299117063) == (1462015105796, 1, 0, 7)
    assert snowflake.when(175928847299117063) == 1462015105796


def test_zero_is_the_first_moment_of_2015() -> None:
    assert snowflake.split(0) == (1420070400000, 0, 0, 0)


@given(st.integers(0, 2**63 - 1))
def test_the_parts_make_up_the_id(number: int) -> None:
    made = snowflake.split(number)
    again = (made.at_ms - snowflake.DISCORD_EPOCH) << 22 | made.worker << 17 | made.process << 12 | made.increment
    assert again == number


def test_what_looks_like_an_id() -> None:
    likely = [175928847299117063, "175928847299117063", 10**15]
    unlikely = [
        0,
        4014,
        10**15 - 1,
        2**63,
        -(10**17),
        "1" * 15,
        "9" * 19,
        "9" * 30,
        "17592884729911706a",
        "",
        None,
        1e17,
    ]
    assert [snowflake.looks_like(value) for value in likely] == [True] * len(likely)
    assert [value for value in unlikely if snowflake.looks_like(value)] == []
