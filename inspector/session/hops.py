"""What the server says of how it spent its time on a login: the ``_trace`` of READY and RESUMED.

Each of its strings is JSON text: the name of a machine or a step, what it took in microseconds, and the same of what it
called, as deep as that goes:

    ["gateway-1", {"micros": 900, "calls": ["sessions-1", {"micros": 800, "calls": []}]}]

No one documents it, so whatever is of another form is left out, and nothing is ever raised. Every name is inert.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from inspector.inert import short
from inspector.wire import jsontext

MAX_HOPS = 1000
"""Hops of one trace that are looked at; real ones have some twenty."""
# Characters of all strings, and of one name.
_LONGEST, _LONGEST_NAME = 200_000, 60
# More is no time that a login takes: a day, in microseconds.
_MOST_MICROS = 86_400_000_000


class Hop(NamedTuple):
    """A machine or a step on the way of a login."""

    name: str
    lasted_ns: int
    """With all that it called."""
    own_ns: int
    """Without that."""
    caller: str
    """Name of the hop that called it; empty for the first."""


def hops_of(d: Any) -> list[Hop]:
    """Return the hops in the ``_trace`` of a body `d`, what took longest first. `d` may be anything."""
    trace = d.get("_trace") if type(d) is dict else None
    texts = [text for text in trace[:MAX_HOPS] if type(text) is str] if type(trace) is list else []
    if sum(map(len, texts)) > _LONGEST:
        return []
    found: list[Hop] = []
    pending: deque[tuple[Any, str]] = deque((_loaded(text), "") for text in texts)
    while pending:
        calls, caller = pending.popleft()
        for name, span in _pairs(calls):
            if len(found) == MAX_HOPS:
                break
            micros = _micros(span)
            below = span.get("calls")
            own = micros - sum(_micros(each) for _, each in _pairs(below))
            found.append(Hop(name, micros * 1000, max(own, 0) * 1000, caller))
            pending.append((below, name))
    return sorted(found, key=lambda hop: -hop.lasted_ns)


def slowest(hops: list[Hop]) -> Hop | None:
    """Return the hop that took longest, without what it waited for others; None where none took any time."""
    found = max(hops, key=lambda hop: hop.own_ns, default=None)
    return found if found is not None and found.own_ns > 0 else None


def _loaded(text: str) -> Any:
    try:
        return jsontext.loads(text.encode("utf-8", "replace"))
    except jsontext.JsonError:
        return None


def _pairs(calls: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each name with the object after it."""
    if type(calls) is list:
        for at in range(min(len(calls) - 1, 2 * MAX_HOPS)):
            if type(calls[at]) is str and type(calls[at + 1]) is dict:
                yield short(calls[at], _LONGEST_NAME), calls[at + 1]


def _micros(span: dict[str, Any]) -> int:
    micros = span.get("micros")
    if not isinstance(micros, int | float) or isinstance(micros, bool):
        return 0
    return round(micros) if 0 <= micros <= _MOST_MICROS else 0
