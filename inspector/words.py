"""How numbers, sizes, spans of time and lists read, the same wherever they are shown.

No span is shown as negative: a clock may be set back, but nothing ends before it began.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from functools import lru_cache


@lru_cache(maxsize=2048)
def size(count: int) -> str:
    """Return a number of bytes in three digits or so: ``98 B``, ``3.1 MB``."""
    if count < 1000:
        return f"{count} B"
    value, units = count / 1000, ["TB", "GB", "MB", "kB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop()
    return f"{value:.1f} {units[-1]}" if value < 9.95 else f"{value:.0f} {units[-1]}"


def roughly(ns: int) -> str:
    """Return a span of nanoseconds as a sentence says it: ``850 ms``, ``41.2 s``, ``3 min``."""
    ns = max(ns, 0)
    if ns < 1_000_000_000:
        return f"{ns / 1e6:.0f} ms"
    seconds = ns / 1e9
    if seconds < 120:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def duration(ns: int) -> str:
    """Return a span of nanoseconds as a column shows it: ``7 ms``, ``1.50 s``, ``4:05``, ``2 h 10 min``."""
    ns = max(ns, 0)
    seconds = ns / 1e9
    if seconds < 0.9995:
        return f"{ns / 1e6:.0f} ms"
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    return f"{minutes // 60} h {minutes % 60:02} min"


def delta(ns: int) -> str:
    """Return how long after another row something came: ``+7 ms``."""
    return f"+{duration(ns)}"


def round_trip(ns: int) -> str:
    """Return what a heartbeat took: what is less than 10 ms has a decimal."""
    return f"{max(ns, 0) / 1e6:.1f} ms" if ns < 9_950_000 else duration(ns)


def step_length(ns: int) -> str:
    """Return how long a step of a plot takes; never as ``4:05``, which next to a time of day looks like one."""
    if ns < 9_500_000:
        return round_trip(ns)
    minutes, seconds = divmod(round(ns / 1e9), 60)
    if 0 < minutes < 60:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    return duration(ns).replace(".00 s", " s")


def exact(seconds: float) -> str:
    """Return a span that a payload names, at least 0: ``41.25 s``, ``5 min``, ``1 h 30 min``, ``7 d``."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms" if seconds > 0 else "0 s"
    if seconds < 120 and seconds % 60:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"
    rest, parts = round(seconds), []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts[:2])


def counted(number: int, noun: str) -> str:
    """Return ``1 guild``, ``2,000 guilds``; a noun may bring its plural: ``entry/entries``."""
    one, _, many = noun.partition("/")
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str], word: str = "and") -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    found = list(names)
    return f" {word} ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    bytes: "bytes",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
"""What kinds of value a payload has are called."""


def kind_of(value: object) -> str:
    """Return which kind of value something out of a payload is."""
    return KINDS.get(type(value), "something else")


def percent(value: float, total: float) -> str:
    """Return how much of `total` a value is: ``<1 %``, ``33 %``."""
    share = value / total * 100 if total else 0.0
    return "<1 %" if 0 < share < 0.5 else f"{share:.0f} %"


def clock(at_ns: int, zone: tzinfo | None = None) -> str:
    """Return the time of day to a millisecond, in `zone` or this machine's own."""
    return f"{_written(at_ns, zone, '%H:%M:%S')}.{at_ns // 1_000_000 % 1000:03}"


def day(at_ns: int, zone: tzinfo | None = None) -> str:
    """Return the date and the name of the time zone."""
    return _written(at_ns, zone, "%Y-%m-%d %Z")


def iso(at_ns: int) -> str:
    """Return the time in UTC to a microsecond, as ``2026-01-31T12:00:00.123456Z``."""
    return f"{_written(at_ns, UTC, '%Y-%m-%dT%H:%M:%S')}.{at_ns // 1000 % 1_000_000:06}Z"


def _written(at_ns: int, zone: tzinfo | None, form: str) -> str:
    # This machine's own zone may change while we run.
    return _second(at_ns // 1_000_000_000, zone, form, time.tzname)


# Rows that follow each other mostly share their second.
@lru_cache(maxsize=64)
def _second(second: int, zone: tzinfo | None, form: str, _: tuple[str, str]) -> str:
    try:
        at = datetime.fromtimestamp(second, UTC).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        # A hostile file may claim any time at all.
        at = datetime.fromtimestamp(0, UTC)
    return at.strftime(form)
