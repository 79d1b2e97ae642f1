"""Snowflakes, Discord's 64-bit ids: which moment, worker and process made one.

An id is 42 bits of milliseconds since 2015, 5 bits of worker, 5 bits of process and 12 bits that count up.
Source: https://docs.discord.com/developers/reference#snowflakes.
"""

from functools import lru_cache
from typing import NamedTuple

# Milliseconds between 1970 and the first moment of 2015, UTC.
DISCORD_EPOCH = 1_420_070_400_000
# Below this a number is more likely a count or a time; ids passed it within the first three days of 2015.
SMALLEST_LIKELY = 10**15
# Ids are signed 64-bit numbers wherever Discord keeps them.
LARGEST = 2**63 - 1
# JSON and ETF have larger numbers, and any server may send them as ids: those of so many digits are taken for ids.
MOST_DIGITS = 40
_TOO_LARGE = 10**MOST_DIGITS


class Snowflake(NamedTuple):
    """The parts of an id."""

    at_ms: int
    """Milliseconds since 1970."""
    worker: int
    process: int
    increment: int


def split(snowflake: int) -> Snowflake:
    """Return the parts of `snowflake`, a number from 0 to 2**64 - 1."""
    return Snowflake(when(snowflake), snowflake >> 17 & 31, snowflake >> 12 & 31, snowflake & 4095)


def when(snowflake: int) -> int:
    """Return when `snowflake` was made, in milliseconds since 1970."""
    return (snowflake >> 22) + DISCORD_EPOCH


def number_of(value: object) -> int | None:
    """Return an id, given as a number or as its digits; None for anything else, and beyond `MOST_DIGITS` digits."""
    if type(value) is str:
        return _of_digits(value) if len(value) <= MOST_DIGITS else None
    return value if type(value) is int and 0 <= value < _TOO_LARGE else None


# Every message has some, and most of these have just been in another one.
@lru_cache(4096)
def _of_digits(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def looks_like(value: object) -> bool:
    """Say whether `value`, a number or its digits as text, is likely an id."""
    if isinstance(value, str):
        if not (16 <= len(value) <= 19 and value.isascii() and value.isdigit()):
            return False
        value = int(value)
    return isinstance(value, int) and SMALLEST_LIKELY <= value <= LARGEST
