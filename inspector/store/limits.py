"""What Discord told of session starts, as `meta` keeps it under ``start_limits``: a JSON list, the oldest first.

It is no row of `frame`: it crossed no connection that is recorded, and no one looks for it in the middle of messages.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from inspector.model import StartLimit
from inspector.session.redact import is_digest

KEY = "start_limits"
# Answers that are kept, the newest: some 150 bytes each. A bot asks once, when it starts.
MOST = 500

# The largest number that SQLite has.
_LARGEST = 2**63 - 1
# Of each number the least that it may be.
_NUMBERS = {"at_ns": 0, "shards": 1, "total": 1, "remaining": 0, "reset_after_ms": 0, "max_concurrency": 1}


def limits_in(meta: Mapping[str, str]) -> list[StartLimit]:
    """Return what a capture has, in the order of time. What anybody may have written in its place is left out."""
    try:
        found = json.loads(meta.get(KEY, "[]"))
    except (ValueError, TypeError, RecursionError):
        return []
    limits = [limit for each in found if (limit := _limit(each))] if isinstance(found, list) else []
    return sorted(limits[-MOST:], key=lambda limit: limit.at_ns)


def written(limits: Iterable[StartLimit]) -> str:
    """Return the text for `meta`."""
    kept = sorted(limits, key=lambda limit: limit.at_ns)[-MOST:]
    return json.dumps([{key: value for key, value in asdict(limit).items() if key != "recording"} for limit in kept])


def _limit(said: object) -> StartLimit | None:
    if not isinstance(said, dict):
        return None
    token = said.get("token")
    numbers: dict[str, int] = {}
    for name, least in _NUMBERS.items():
        number = said.get(name)
        if type(number) is not int or not least <= number <= _LARGEST:
            return None
        numbers[name] = number
    return StartLimit(token=token if is_digest(token) else None, **numbers)
