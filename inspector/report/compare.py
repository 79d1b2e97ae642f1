"""What is different between two payloads of one kind: value by value, without recursion, in bounded time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from inspector.model import ABSENT
from inspector.report.outline import path_text
from inspector.wire.etf import Atom

MAX_CHANGES = 2_000
"""Changes that are listed."""

# Pairs of values that are looked at, which takes 0.2 s.
_MAX_PAIRS = 1_000_000
# Atoms of ETF are of a type of their own, and compare as the texts they are.
_PLAIN = frozenset({str, Atom, int, float, bool, bytes, type(None)})


class ById(NamedTuple):
    """A step to the item of a list that has this ``id``, wherever it stands."""

    id: str | int


Path = tuple[str | int | ById, ...]
Difference = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Change:
    """One value that is not what it was."""

    path: Path
    kind: Difference
    old: Any = ABSENT
    new: Any = ABSENT


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences between two values."""

    changes: tuple[Change, ...]
    equal: int
    """How many values are the same; those inside objects and lists count, these do not."""
    whole: bool
    """False where there are more changes than are listed, or more values than were looked at."""

    def count(self, kind: Difference) -> int:
        """Return how many changes are of a kind."""
        return sum(change.kind == kind for change in self.changes)


class _Pair(NamedTuple):
    path: Path
    old: Any
    new: Any


def compare(old: Any, new: Any, limit: int = MAX_CHANGES) -> Comparison:
    """Return what became of `old` in `new`, in the order of `new`, with what is gone from an object or list after it.

    Items of lists are told by their ``id`` where all of them have one, so that one that moved is no change; else by
    their position. A value of another type is changed, even if it is equal to Python: ``1`` and ``true``.
    """
    return _Comparing(limit).run(old, new)


class _Comparing:
    """One comparison while it is made."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changes: list[Change] = []
        self._equal = 0

    def run(self, old: Any, new: Any) -> Comparison:
        pairs = 0
        pending = [self._differing((), {"": old}, {"": new})]
        while pending:
            for pair in pending[-1]:
                pairs += 1
                if pairs + self._equal > _MAX_PAIRS:
                    return self._result(whole=False)
                inner = self._inner(pair)
                if inner is not None:
                    pending.append(inner)
                    break
                if len(self._changes) >= self._limit:
                    return self._result(whole=False)
                kind: Difference = "added" if pair.old is ABSENT else "removed" if pair.new is ABSENT else "changed"
                self._changes.append(Change(pair.path[1:], kind, pair.old, pair.new))
            else:
                pending.pop()
        return self._result(whole=True)

    def _result(self, *, whole: bool) -> Comparison:
        return Comparison(tuple(self._changes), self._equal, whole)

    def _inner(self, pair: _Pair) -> Iterator[_Pair] | None:
        """Return the pairs inside a pair; None where it is not one of objects or of lists."""
        old, new = pair.old, pair.new
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            return self._differing(pair.path, old, new)
        if isinstance(old, list | tuple) and isinstance(new, list | tuple):
            known, found = _by_their_id(old), _by_their_id(new)
            if known is None or found is None:
                return self._differing(pair.path, dict(enumerate(old)), dict(enumerate(new)))
            return self._differing(pair.path, known, found)
        return None

    def _differing(self, path: Path, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Iterator[_Pair]:
        """Yield what is not the same plain value on both sides, and count what is."""
        for key, value in new.items():
            before = old.get(key, ABSENT)
            if type(value) in _PLAIN and type(before) is type(value) and before == value:
                self._equal += 1
            else:
                yield _Pair((*path, key), before, value)
        for key, value in old.items():
            if key not in new:
                yield _Pair((*path, key), value, ABSENT)


def place(path: Path) -> str:
    """Return a path in words: ``d.members[id 80351110224678912].nick``."""
    text = ""
    for step in path:
        if isinstance(step, ById):
            text += f"[id {path_text((step.id,))}]"
        else:
            text += f"{'.' if text else ''}{path_text((step,))}"
    return text


def _by_their_id(items: list[Any] | tuple[Any, ...]) -> dict[ById, Any] | None:
    """Return items by id; None where not every one has an id of its own."""
    found: dict[ById, Any] = {}
    for item in items:
        number = item.get("id") if isinstance(item, Mapping) else None
        if isinstance(number, bool) or not isinstance(number, str | int):
            return None
        found[ById(number)] = item
    return found if len(found) == len(items) else None
