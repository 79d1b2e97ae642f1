"""The time of a line or of a record, in the forms that logs have it.

`Time` says, too, how exact it is: most rules compare times of milliseconds, and a log that only has seconds must not
be judged by them.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple


class Time(NamedTuple):
    """When something was logged."""

    ns: int
    """Nanoseconds since the epoch."""
    is_exact: bool
    """Whether to a millisecond at least."""
    has_zone: bool
    """Whether the log says its time zone; without one it is read as UTC."""


# Characters at the beginning of a line in which its time is looked for.
_WITHIN = 80
_LAST_NS = 2**63 - 1
_TEXT = re.compile(
    r"(?<!\d)(\d{4})[-/.](\d\d)[-/.](\d\d)(?:[T_]|,? )(\d\d:\d\d:\d\d)(?:[.,:](\d{1,9})\d*)?"
    r"(?: ?(Z|z|UTC|GMT|[+-]\d\d:?\d\d)(?![\d\w]))?",
    re.ASCII,
)
# Numbers since the epoch below this are seconds, milliseconds, microseconds, and nanoseconds for all that is larger.
# 1e11 seconds are the year 5138, and as milliseconds 1973.
_UNITS = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1000), (9.3e18, 1))


def in_line(text: str) -> Time | None:
    """Return the time that is at the beginning of a line, behind a level or a bracket perhaps; not in a payload."""
    payload = text.find("{", 0, _WITHIN)
    found = _TEXT.search(text, 0, payload if payload >= 0 else _WITHIN)
    return _time(found) if found is not None else None


def of(value: Any) -> Time | None:
    """Return the time that a value of a record stands for: a text, or a number of any unit since the epoch."""
    if isinstance(value, str):
        found = _TEXT.match(value.strip())
        if found is not None:
            return _time(found)
        try:
            value = float(value) if "." in value else int(value)
        except ValueError:
            return None
    # Before 2001 there was no gateway, and a small number is not a time but a count.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1e9 <= value < _UNITS[-1][0]:
        return None
    unit = next(unit for limit, unit in _UNITS if value < limit)
    if isinstance(value, int):
        return Time(value * unit, unit < 1_000_000_000, True)
    # A float of today's seconds is exact to a quarter of a microsecond, so finer digits would be invented.
    return Time(round(value * (unit // 1000)) * 1000 if unit >= 1000 else int(value), True, True)


def _time(found: re.Match[str]) -> Time | None:
    year, month, day, clock, fraction, zone = found.groups()
    offset = "+00:00" if zone is None or zone[0] not in "+-" else zone
    second = _second(f"{year}-{month}-{day}T{clock}{offset}")
    if second is None:
        return None
    at = second * 1_000_000_000 + int((fraction or "").ljust(9, "0"))
    return Time(at, len(fraction or "") >= 3, zone is not None) if 0 <= at <= _LAST_NS else None


@lru_cache(maxsize=64)
def _second(written: str) -> int | None:
    try:
        return int(datetime.fromisoformat(written).timestamp())
    except (ValueError, OverflowError):
        return None
