"""Secrets in a body: what the table of secrets says of a key, and what has a shape of its own."""

import re
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import Any, NamedTuple

from inspector.session.redact.digests import MIN_DIGESTED
from inspector.session.redact.shapes import may_hold_secret, shown_shapes

# Keys that are remembered, about as many as Discord has, and characters of the longest.
_MOST_HARMLESS = 2000
_LONGEST_KEY = 100
# Whole numbers under a secret key are masked from so many digits on: a phone number, but not the code of an error.
_LONG_NUMBER = 10**6
# Text inside bytes that are none: no one knows what it is for.
_PRINTABLE = re.compile(rb"[\x20-\x7e]{12,}")


class Keys(NamedTuple):
    """The keys that are secret somewhere, and some that have been seen and are not."""

    correlate: dict[str, bool]
    """Whether a digest may stand for the value, by key."""
    in_etf: re.Pattern[bytes]
    """Finds such a key in an ETF term: as a binary, a string or an atom, whichever way its length is written."""
    harmless: set[str]
    """Keys that are known not to be secret, and not to hold any: they come again and again."""

    @classmethod
    def of(cls, correlate: dict[str, bool]) -> "Keys":
        by_length: dict[int, list[str]] = {}
        for key in correlate:
            by_length.setdefault(len(key.encode()), []).append(re.escape(key))
        patterns = [
            rf"(?:m\0\0\0|[dkv]\0|[sw])\x{length:02x}(?i:({'|'.join(keys)}))" for length, keys in by_length.items()
        ]
        return cls(correlate, re.compile("|".join(patterns or [r"(?!)"]).encode()), set())

    def are_harmless(self, keys: Mapping[Any, Any]) -> bool:
        """Return whether no key of an object is secret, or holds a secret."""
        if self.harmless.issuperset(keys):
            return True
        new = [key for key in keys if type(key) is str and key not in self.harmless]
        if any(key.lower() in self.correlate or _is_odd_key(key) for key in new):
            return False
        if len(self.harmless) < _MOST_HARMLESS:
            self.harmless.update(key for key in new if len(key) <= _LONGEST_KEY)
        return True


class Place:
    """Where in a body a value stands. The body is copied on the way to what is replaced, and nowhere else."""

    __slots__ = ("copied", "key", "parent", "value")

    def __init__(self, parent: "Place | None", key: Any, value: Any) -> None:
        self.parent = parent
        self.key = key
        self.value = value
        self.copied = False

    def replace(self, value: Any) -> None:
        """Put `value` here, in copies of all that is around it."""
        place: Place = self
        place.value = value
        while (parent := place.parent) is not None:
            known = parent.copied
            if not known:
                parent.value = copy(parent.value)
                parent.copied = True
            parent.value[place.key] = place.value
            if known:
                return
            place = parent


def is_clean(d: Any, keys: Keys) -> bool:
    """Return whether there is no secret in a body, where that is soon told; `secrets_in` knows better.

    A third of its time: values are looked at without remembering where they are, and all texts are searched as one.
    """
    texts: list[str] = []
    pending: list[Any] = [[d]]
    are_known = keys.harmless.issuperset
    for around in pending:
        if type(around) is dict:
            if not (are_known(around) or keys.are_harmless(around)):
                return False
            around = around.values()
        for value in around:
            if not value:
                continue
            kind = type(value)
            if kind is str:
                if len(value) >= MIN_DIGESTED and not value.isdecimal():
                    texts.append(value)
            elif kind is dict or kind is list:
                pending.append(value)
            elif kind is bytes:
                return False
    return not texts or not may_hold_secret("\n".join(texts))


def secrets_in(root: Place, keys: Keys, *, rename: bool = False) -> Iterator[tuple[Place, bool | None]]:
    """Find the secrets below `root`, however deep it is: each with whether to correlate it, None if it has a shape.

    With `rename`, keys that have the shape of a secret are masked on the way; without, they are told, without a place.
    """
    pending = [root]
    while pending:
        place = pending.pop()
        around = place.value
        known: Mapping[str, bool] = {}
        if type(around) is dict and not keys.are_harmless(around):
            known = keys.correlate
            if any(map(_is_odd_key, around)):
                if rename:
                    around = {shown_shapes(key) if _is_odd_key(key) else key: value for key, value in around.items()}
                    place.replace(around)
                    place.copied = True
                else:
                    yield Place(place, "", ""), None
        items: Iterable[tuple[Any, Any]] = around.items() if type(around) is dict else enumerate(around)
        for key, value in items:
            if not value:
                continue
            kind = type(value)
            correlate = known.get(key.lower()) if known and type(key) is str else None
            if correlate is not None:
                if kind is str or kind is dict or kind is list or kind is bytes or (kind is int and _is_long(value)):
                    yield Place(place, key, value), correlate
            elif kind is dict or kind is list:
                pending.append(Place(place, key, value))
            elif kind is str:
                if len(value) >= MIN_DIGESTED and not value.isdecimal() and may_hold_secret(value):
                    yield Place(place, key, value), None
            elif kind is bytes and _PRINTABLE.search(value) is not None:
                yield Place(place, key, value), False


def _is_odd_key(key: object) -> bool:
    return type(key) is str and len(key) >= MIN_DIGESTED and may_hold_secret(key)


def _is_long(number: int) -> bool:
    return not -_LONG_NUMBER < number < _LONG_NUMBER
