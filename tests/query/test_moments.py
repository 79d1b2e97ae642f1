from datetime import UTC

import pytest

from inspector.query.moments import parse_moment

# 2026-01-31 12:00:00 UTC
NOON = 1_769_860_800_000_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("+30s", 30),
        ("+1m30s", 90),
        ("+1.5h", 5400),
        ("+20ms", 0.02),
        ("12:00:05", 5),
        ("12:01", 60),
        ("12:00:00.250", 0.25),
        ("2026-01-31T12:00:10Z", 10),
        ("2026-01-31 13:00:00+01:00", 0),
        ("2026-01-31T12:00:01", 1),
    ],
)
def test_a_time_is_understood(text: str, seconds: float) -> None:
    moment = parse_moment(text)
    assert moment is not None
    assert moment.ns(NOON, UTC) == NOON + round(seconds * 1e9)


@pytest.mark.parametrize("text", ["", "noon", "25:00", "12", "+", "+5", "2026", "1066-01-01T00:00", "12:61"])
def test_anything_else_is_none(text: str) -> None:
    assert parse_moment(text) is None
