import pytest

from inspector.report.values import clock, day, duration, iso, size


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
        (-7, "-7 ms"),
        (-61_000, "-1:01"),
    ],
)
def test_a_span_reads_the_same_either_way(ms: float, text: str) -> None:
    assert duration(int(ms * 1e6)) == text


@pytest.mark.parametrize("at_ns", [-(10**30), -1, 2**63, 10**30])
def test_no_time_is_too_odd(at_ns: int) -> None:
    for text in (iso(at_ns), clock(at_ns), day(at_ns)):
        assert text.isascii()
