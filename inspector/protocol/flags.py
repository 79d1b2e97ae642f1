"""What the value at a place of a body is, by the keys around it, and what its bits and choices are called there.

``flags`` alone may be those of a user, a message or a channel. The facts are in `tables/flags.toml`; here is only
the way to find them.
"""

from collections import defaultdict
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from inspector.protocol.registry import Registry, ValueSet

# No flags that Discord defines have more.
MAX_BITS = 64
# Nothing that the tables speak of stands deeper, or has a longer key.
_MAX_DEPTH = 32
_MAX_KEY = 64

_Place = tuple[str, ...]


class Member(NamedTuple):
    """One bit of a set, or one of its values."""

    name: str
    """``bit 41`` where no table has it."""
    meaning: str = ""
    """In a few words; empty where the name says it all, or no one knows."""


class Places:
    """Finds the set that a place in a body has. Made once for a registry; remembers where it was asked."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._by_key: defaultdict[str, list[tuple[_Place, ValueSet]]] = defaultdict(list)
        for row in registry.value_sets:
            for written in row.at:
                place = tuple(written.split("."))
                self._by_key[place[-1]].append((place, row))
        for found in self._by_key.values():
            # Of two as long, the later one: a user's own tables are read after ours.
            found.reverse()
            found.sort(key=lambda entry: -len(entry[0]))
        self._find = lru_cache(maxsize=4096)(self._search)

    def find(self, path: Sequence[str | int], name: str | None) -> ValueSet | None:
        """Return what the value at `path` is; None where no table says.

        `path` are the keys and positions from the body down to the value, none for the body itself; `name` is that of
        the event, or of the opcode where there is none.
        """
        if len(path) > _MAX_DEPTH:
            return None
        # Positions in lists tell nothing, nor do ids that are keys, as in an interaction's `resolved`.
        keys = (key[:_MAX_KEY] for key in path if isinstance(key, str) and not key.isdigit())
        return self._find(((name or "")[:_MAX_KEY], *keys))

    def _search(self, around: _Place) -> ValueSet | None:
        for place, row in self._by_key.get(around[-1], ()):
            if _fits(place, around):
                return row
        return None

    def bits(self, row: ValueSet, value: int) -> list[Member]:
        """Return the bits that are set in `value`, those that no table has among them. `value` may be any number.

        `row` reads ``bits``, ``intents`` or ``capabilities``.
        """
        members = self._members(row)
        return [members.get(bit) or Member(f"bit {bit}") for bit in range(MAX_BITS) if value > 0 and value >> bit & 1]

    def _members(self, row: ValueSet) -> dict[int, Member]:
        if row.read == "intents":
            return {
                intent.bit: Member(f"{intent.name} (privileged)" if intent.privileged else intent.name)
                for intent in self._registry.intents
            }
        if row.read == "capabilities":
            return {known.bit: Member(known.name, known.effect.rstrip(".")) for known in self._registry.capabilities}
        return {int(number): member(text) for number, text in row.members.items() if number.isdecimal()}


def choice(row: ValueSet, value: str | int | bool) -> Member | None:
    """Return which of the row's members `value` is; None where it is none of them."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return member(row.members[text]) if text in row.members else None


def member(text: str) -> Member:
    """Return ``NAME: what it means`` taken apart."""
    name, _, meaning = text.partition(": ")
    return Member(name, meaning)


def _fits(place: _Place, around: _Place) -> bool:
    """Say whether `around`, an event's name and the keys below it, ends with `place`."""
    if len(place) > len(around):
        return False
    ending = around[len(around) - len(place) :]
    if len(place) == len(around) and "*" in place[0]:
        return ending[1:] == place[1:] and fnmatchcase(ending[0], place[0])
    return ending == place
