"""What a person wants to know beside a raw value: when an id was made, what a number's bits mean, what a time reads as.

Which numbers mean something where is in `protocol/tables/flags.toml`; here is how each kind of them reads. Whatever
the value and its place are, there comes one inert line of at most `MAX_NOTE` characters, or none, and never an error.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from inspector.inert import inert
from inspector.model import Plane
from inspector.protocol import snowflake
from inspector.protocol.flags import Member, Places, choice
from inspector.protocol.registry import Registry, ValueSet
from inspector.words import counted, exact, size

MAX_NOTE = 240
"""Characters of a note."""

Path = tuple[str | int, ...]

# A date with a time of day, as Discord writes it, and what is in their place before something happened is no date.
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]*(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_EPOCH = datetime.fromtimestamp(0, UTC)
# Seconds since 1970: numbers above are milliseconds. Discord's first moment is the first that is shown.
_LARGEST_SECONDS = 1e11
_FIRST_SECONDS = snowflake.DISCORD_EPOCH / 1000
_LAST_SECONDS = 253_402_300_799
# Larger numbers are no amount of anything.
_LARGEST = 1 << 53


def annotate(
    value: Any,
    path: Path,
    event_name: str | None,
    plane: Plane,
    registry: Registry,
    names: Mapping[int, str],
    *,
    now_ns: int | None = None,
) -> str | None:
    """Return one line on what `value` means, None where it speaks for itself.

    `path` are the keys and positions that lead to it from the body; a ``d`` in front does not count. `event_name` is
    the event's name, or the opcode's where there is none. `names` are those of guilds and channels by id. With
    `now_ns`, nanoseconds since the epoch, times also say how long ago they were.
    """
    if isinstance(value, (dict, list, bytes)) or value is None:
        return None
    row = _row(path, event_name, plane, registry)
    said = None if row is None else _READ[row.read](value, row, registry, now_ns)
    if said is None and row is None and not isinstance(value, (bool, float)):
        said = _iso(value, now_ns) if isinstance(value, str) else None
        said = said or _id(value, names, now_ns)
    return None if said is None else _clipped(said)


def bits(value: Any, path: Path, event_name: str | None, plane: Plane, registry: Registry) -> list[str]:
    """Return a line for each bit that is set in `value`: its name and what it means. None of them where it is no flags.

    The arguments are those of `annotate`.
    """
    row = _row(path, event_name, plane, registry)
    number = _whole(value)
    if row is None or row.read not in ("bits", "intents", "capabilities") or number is None:
        return []
    return [_said(one) for one in _places(registry).bits(row, number)]


def _row(path: Path, event_name: str | None, plane: Plane, registry: Registry) -> ValueSet | None:
    # Some of RPC's events are called like the gateway's, and look different.
    name = event_name if plane in (Plane.GATEWAY, Plane.VOICE) else None
    return _places(registry).find(path[1:] if path[:1] == ("d",) else path, name)


@lru_cache(maxsize=4)
def _places(registry: Registry) -> Places:
    return Places(registry)


def _bits(value: Any, row: ValueSet, registry: Registry, now_ns: int | None) -> str | None:
    number = _whole(value)
    if number is None or number.bit_length() > 64:
        return None
    found = _places(registry).bits(row, number)
    if not found:
        return "none"
    return _said(found[0]) if len(found) == 1 else _listed(found)


def _listed(members: Iterable[Member]) -> str:
    """Name as many as there is room for, and say how many more there are."""
    names = [one.name for one in members]
    room = MAX_NOTE - len(" and 64 more")
    kept, used = [], 0
    for name in names:
        used += len(name) + 2
        if used > room:
            break
        kept.append(name)
    return ", ".join(kept) + (f" and {len(names) - len(kept)} more" if len(kept) < len(names) else "")


def _choice(value: Any, row: ValueSet, registry: Registry, now_ns: int | None) -> str | None:
    if not isinstance(value, (str, int)) or (isinstance(value, int) and value.bit_length() > 64):
        return None
    found = choice(row, value)
    return None if found is None or found == (value, "") else _said(found)


def _said(member: Member) -> str:
    return f"{member.name}: {member.meaning}" if member.meaning else member.name


def _span(unit_s: float) -> "_Reader":
    def say(value: Any, row: ValueSet, registry: Registry, now_ns: int | None) -> str | None:
        number = _measure(value)
        return None if number is None or number < 0 else exact(number * unit_s)

    return say


def _bytes(value: Any, row: ValueSet, registry: Registry, now_ns: int | None) -> str | None:
    number = _measure(value)
    return None if number is None or number < 1000 else size(int(number))


def _bits_per_second(value: Any, row: ValueSet, registry: Registry, now_ns: int | None) -> str | None:
    number = _measure(value)
    return None if number is None or number < 1000 else f"{number / 1000:g} kbit/s"


def _colour(value: Any, row: ValueSet, registry: Registry, now_ns: int | None) -> str | None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 24:
        return None
    return f"#{value:06x}"


def _time(value: Any, row: ValueSet, registry: Registry, now_ns: int | None) -> str | None:
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        return _iso(value, now_ns)
    number = _measure(value if not isinstance(value, str) or len(value) > 16 else int(value))
    if number is None:
        return None
    seconds = number / 1000 if number > _LARGEST_SECONDS else number
    return _at(seconds, now_ns) if _FIRST_SECONDS <= seconds <= _LAST_SECONDS else None


def _iso(text: str, now_ns: int | None) -> str | None:
    if len(text) > 40 or not _ISO.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(text)
        return _at((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp(), now_ns)
    except (ValueError, OverflowError):
        return None


def _id(value: Any, names: Mapping[int, str], now_ns: int | None) -> str | None:
    if not snowflake.looks_like(value):
        return None
    made = _at(snowflake.when(int(value)) / 1000, now_ns)
    name = names.get(int(value))
    return f"{inert(name[:_MAX_NAME])[:_MAX_NAME]}, made {made}" if name else made


def _at(seconds: float, now_ns: int | None) -> str:
    at = f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M} UTC"
    return at if now_ns is None else f"{at}, {_ago(now_ns / 1e9 - seconds)}"


def _ago(seconds: float) -> str:
    """Say how long ago something was, in the largest unit of which there is one; a time to come is ``in …``."""
    amount = abs(seconds)
    for unit, length in _UNITS:
        if amount >= length:
            count = int(amount // length)
            said = counted(count, unit)
            return f"{said} ago" if seconds > 0 else f"in {said}"
    return "now"


def _whole(value: Any) -> int | None:
    """Return a number, or its digits, as a number."""
    if isinstance(value, str):
        return int(value) if len(value) <= 20 and value.isascii() and value.isdigit() else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _measure(value: Any) -> float | None:
    """Return a number that can be reckoned with."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return float(value)
    return None


def _clipped(text: str) -> str:
    return text if len(text) <= MAX_NOTE else text[: MAX_NOTE - 3] + "..."


_MAX_NAME = 80
_UNITS = (("year", 31_556_952), ("month", 2_629_746), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))

_Reader = Callable[[Any, ValueSet, Registry, int | None], str | None]
_READ: dict[str, _Reader] = {
    "bits": _bits,
    "intents": _bits,
    "capabilities": _bits,
    "choice": _choice,
    "ms": _span(0.001),
    "seconds": _span(1),
    "minutes": _span(60),
    "bytes": _bytes,
    "bits-per-second": _bits_per_second,
    "colour": _colour,
    "time": _time,
}
