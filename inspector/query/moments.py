"""Points in time as a person writes them: ``12:00:05``, ``2026-11-24T12:00:05Z``, ``+30s`` since the start."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

_SINCE = re.compile(r"\+((?:\d+(?:\.\d+)?(?:ms|s|m|min|h|d))+)", re.IGNORECASE)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|m|h|d)", re.IGNORECASE)
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?")

EXPECTED = "12:00:05, 2026-11-24T12:00:05 or +30s"
"""How times may be written."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that may depend on when the recording began."""

    text: str
    """As it was written."""
    lasts_ns: int = 1
    """How long it is, as it was written: 12:00:05 is a second, 12:00 a minute."""
    since_start: float | None = None
    """Seconds since the first row."""
    of_day: time | None = None
    """On the day of the first row."""
    at: datetime | None = None

    def ns(self, start_ns: int, zone: tzinfo | None = None) -> int:
        """Return it in nanoseconds since the epoch, for a recording that began at `start_ns`.

        A time of day, and a date without a zone, are in `zone`, by default this machine's.
        """
        if self.since_start is not None:
            return start_ns + round(self.since_start * 1e9)
        if self.of_day is not None:
            day = datetime.fromtimestamp(start_ns // 1_000_000_000, UTC).astimezone(zone)
            return _ns(datetime.combine(day.date(), self.of_day, day.tzinfo))
        assert self.at is not None
        at = self.at
        if at.tzinfo is None:
            at = at.replace(tzinfo=zone) if zone else at.astimezone()
        return _ns(at)


def parse_moment(text: str) -> Moment | None:
    """Return the moment that `text` names, None where it is none."""
    text = text.strip()
    since = _SINCE.fullmatch(text)
    if since:
        seconds = sum(float(amount) * _UNITS[unit.lower()] for amount, unit in _SPAN.findall(since[1]))
        amount, unit = _SPAN.findall(since[1])[-1]
        lasts_ns = round(_UNITS[unit.lower()] * 1e9) // 10 ** len(amount.partition(".")[2])
        return Moment(text, max(lasts_ns, 1), since_start=seconds) if seconds < 1e9 else None
    clock = _CLOCK.fullmatch(text)
    try:
        if clock:
            hour, minute, second, part = clock.groups()
            of_day = time(int(hour), int(minute), int(second or 0), int((part or "0").ljust(6, "0")))
            return Moment(text, _length_ns(clock), of_day=of_day)
        at = datetime.fromisoformat(text) if len(text) >= 10 and "-" in text else None
    except ValueError:
        return None
    return Moment(text, _length_ns(_CLOCK.search(text, 10)), at=at) if at and 1971 < at.year < 2200 else None


def _length_ns(clock: re.Match[str] | None) -> int:
    """Return how long the time of a clock is, that of a whole day where none was given."""
    if clock is None:
        return 86_400 * 10**9
    _, _, second, part = clock.groups()
    return 10 ** (9 - len(part)) if part else 10**9 if second else 60 * 10**9


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _ns(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
