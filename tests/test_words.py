import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.words import (
    clock,
    counted,
    day,
    delta,
    duration,
    exact,
    iso,
    listed,
    percent,
    roughly,
    round_trip,
    size,
    step_length,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "1 B"),
        (1049, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_951, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (10**15, "1000 TB"),
    ],
)
def test_a_size_has_two_or_three_digits(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (59_990, "59.99 s"),
        (59_999, "1:00"),
        (3_599_400, "59:59"),
        (3_599_600, "1 h 00 min"),
    ],
)
def test_a_span_in_a_column_keeps_to_eight_characters_or_so(ms: float, text: str) -> None:
    assert duration(int(ms * 1e6)) == text


@pytest.mark.parametrize("at_ns", [-(10**30), -1, 2**63, 10**30])
def test_no_time_is_too_odd(at_ns: int) -> None:
    for text in (iso(at_ns), clock(at_ns), day(at_ns)):
        assert text.isascii()


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0.0 ms"), (0.96, "1.0 ms"), (9.94, "9.9 ms"), (10, "10 ms"), (1500, "1.50 s")]
)
def test_a_short_round_trip_has_a_decimal(ms: float, text: str) -> None:
    assert round_trip(int(ms * 1e6)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.002, "2.0 ms"),
        (0.5, "500 ms"),
        (1, "1 s"),
        (1.5, "1.50 s"),
        (60, "1 min"),
        (245, "4 min 5 s"),
        (7200, "2 h 00 min"),
    ],
)
def test_a_step_does_not_look_like_a_time_of_day(seconds: float, text: str) -> None:
    assert step_length(int(seconds * 1e9)) == text


@pytest.mark.parametrize(
    ("value", "total", "text"), [(0, 10, "0 %"), (1, 1000, "<1 %"), (1, 3, "33 %"), (3, 3, "100 %"), (0, 0, "0 %")]
)
def test_a_share_is_never_nothing_where_there_is_some(value: int, total: int, text: str) -> None:
    assert percent(value, total) == text


@given(st.integers(-(10**30), -1))
def test_no_span_is_negative(ns: int) -> None:
    said = [roughly(ns), duration(ns), delta(ns), round_trip(ns), step_length(ns)]
    assert said == ["0 ms", "0 ms", "+0 ms", "0.0 ms", "0.0 ms"]


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0.9, "1 ms"),
        (850, "850 ms"),
        (41_250, "41.2 s"),
        (41_000, "41 s"),
        (119_900, "119.9 s"),
        (180_000, "3 min"),
        (9_000_000, "2 h"),
    ],
)
def test_a_span_in_a_sentence_is_rough(ms: float, text: str) -> None:
    assert roughly(int(ms * 1e6)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "250 ms"),
        (41.25, "41.25 s"),
        (60, "1 min"),
        (90, "90 s"),
        (300, "5 min"),
        (5400, "1 h 30 min"),
        (604_800, "7 d"),
        (604_801, "7 d 1 s"),
    ],
)
def test_a_span_of_a_payload_is_exact(seconds: float, text: str) -> None:
    assert exact(seconds) == text


def test_a_noun_may_bring_its_plural() -> None:
    assert [counted(number, "guild") for number in (0, 1, 2000)] == ["0 guilds", "1 guild", "2,000 guilds"]
    assert [counted(number, "entry is/entries are") for number in (1, 2)] == ["1 entry is", "2 entries are"]


def test_a_list_reads_as_one_says_it() -> None:
    assert [listed("abc"[:length]) for length in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert listed("ab", "nor") == "a nor b"


def test_a_time_follows_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although what was written for a second is remembered."""
    found = []
    for zone in ("UTC", "XXX-5"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        found.append(clock(1_769_860_800_123_000_000))
    monkeypatch.undo()
    time.tzset()
    assert found == ["12:00:00.123", "17:00:00.123"]
