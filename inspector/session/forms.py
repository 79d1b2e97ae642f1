"""Which kinds of value each event's fields have had so far, so that one of another kind is noticed.

That a field is missing, or null, is no news: most fields are, now and then. To cost little, a body is looked through
only if its top is of a form that is new. Bounded: so many events, so many paths of each, so deep. Lists count as what
their first items are.
"""

from collections.abc import Iterator
from typing import Any

from inspector.session.redact import mask_text
from inspector.words import KINDS

# Events, and paths of one event, that are remembered; shapes of one event that need no second look.
MAX_EVENTS, MAX_PATHS, MAX_SHAPES = 512, 400, 64
_DEEPEST = 4
_ITEMS = 3
Shape = tuple[object, ...]
"""The keys, then the types of what they have."""


class Forms:
    """What is known of the fields of one recording."""

    def __init__(self) -> None:
        self._shapes: dict[str, set[Shape]] = {}
        self._kinds: dict[str, dict[str, set[str]]] = {}

    def is_known(self, event: str, d: dict[Any, Any]) -> bool:
        """Return whether an event with just these keys and kinds of value at the top has been learned."""
        return _shape(d) in self._shapes.get(event, ())

    def news(self, event: str, d: dict[Any, Any]) -> Iterator[tuple[str, str, str]]:
        """Yield paths that have a kind of value they never had: the path, that kind, and those it had until now."""
        known = self._kinds.get(event, {})
        for path, kind in _walk(d, "d", 0):
            had = known.get(path)
            if had is not None and kind not in had:
                yield path, kind, " or ".join(sorted(had))

    def learn(self, event: str, d: dict[Any, Any]) -> None:
        """Take note of an event."""
        shapes = self._shapes.get(event)
        if shapes is None:
            if len(self._shapes) >= MAX_EVENTS:
                return
            shapes = self._shapes[event] = set()
        if len(shapes) < MAX_SHAPES:
            shapes.add(_shape(d))
        kinds = self._kinds.setdefault(event, {})
        for path, kind in _walk(d, "d", 0):
            if path in kinds:
                kinds[path].add(kind)
            elif len(kinds) < MAX_PATHS:
                kinds[path] = {kind}


def _shape(d: dict[Any, Any]) -> Shape:
    return (*d, *map(type, d.values()))


def _walk(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    kind = None if value is None else KINDS.get(type(value))
    if kind is None:
        return
    yield path, kind
    if depth == _DEEPEST:
        return
    if type(value) is dict:
        for key, item in list(value.items())[:MAX_PATHS]:
            # A map by id has keys without end: they are all one.
            name = "*" if type(key) is not str or key.isdigit() else mask_text(key)[:64]
            yield from _walk(item, f"{path}.{name}", depth + 1)
    elif type(value) is list:
        for item in value[:_ITEMS]:
            yield from _walk(item, f"{path}.*", depth + 1)
