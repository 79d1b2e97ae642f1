"""Secrets in a body: what the table of secrets says of a key, and what has a shape of its own."""

import re
from collections.abc import Iterable, Iterator
from copy import copy
from functools import lru_cache
from typing import Any, NamedTuple

from inspector.session.redact.digests import MIN_DIGESTED
from inspector.session.redact.shapes import may_hold_secret, shown_shapes

# Characters of the longest key about which it is remembered whether a secret may be in it.
_LONGEST_KEY = 100
# Whole numbers under a secret key are masked from so many digits on: a phone number, but not the code of an error.
_LONG_NUMBER = 10**6
# Text inside bytes that are none: nobody knows what it is for.
_PRINTABLE = re.compile(rb"[\x20-\x7e]{12,}")


class Keys(NamedTuple):
    """The keys that are secret somewhere."""

    correlate: dict[str, bool]
    """Whether a digest may stand for the value, by key."""
    in_etf: re.Pattern[bytes]
    """Finds such a key in an ETF term: as a binary, a string or an atom, whichever way its length is written."""

    @classmethod
    def of(cls, correlate: dict[str, bool]) -> "Keys":
        by_length: dict[int, list[str]] = {}
        for key in correlate:
            by_length.setdefault(len(key.encode()), []).append(re.escape(key))
        patterns = [
            rf"(?:m\0\0\0|[dkv]\0|[sw])\x{length:02x}(?i:({'|'.join(keys)}))" for length, keys in by_length.items()
        ]
        return cls(correlate, re.compile("|".join(patterns or [r"(?!)"]).encode()))


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


def secrets_in(root: Place, keys: Keys, *, rename: bool = False) -> Iterator[tuple[Place, bool | None]]:
    """Find the secrets below `root`, however deep it is: each with whether to correlate it, None if it has a shape.

    With `rename`, keys that have the shape of a secret are masked on the way; without, they are told, without a place.
    """
    pending = [root]
    while pending:
        place = pending.pop()
        around = place.value
        if type(around) is dict and _have_long(around) and any(map(_is_odd_key, around)):
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
            correlate = keys.correlate.get(key.lower()) if type(key) is str else None
            if correlate is not None:
                if kind is str or kind is dict or kind is list or kind is bytes or (kind is int and _is_long(value)):
                    yield Place(place, key, value), correlate
            elif kind is dict or kind is list:
                pending.append(Place(place, key, value))
            elif kind is str:
                if len(value) >= MIN_DIGESTED and may_hold_secret(value):
                    yield Place(place, key, value), None
            elif kind is bytes and _PRINTABLE.search(value) is not None:
                yield Place(place, key, value), False


def _have_long(keys: Iterable[Any]) -> bool:
    """Return whether one of `keys` is long enough for a secret. Most are all texts, and that is soon told."""
    try:
        return max(map(len, keys), default=0) >= MIN_DIGESTED
    except TypeError:
        return True


def _is_odd_key(key: object) -> bool:
    if type(key) is not str or len(key) < MIN_DIGESTED:
        return False
    return _may_hold_secret_again(key) if len(key) <= _LONGEST_KEY else may_hold_secret(key)


def _is_long(number: int) -> bool:
    return not -_LONG_NUMBER < number < _LONG_NUMBER


# The same few keys come again and again.
@lru_cache(maxsize=4096)
def _may_hold_secret_again(text: str) -> bool:
    return may_hold_secret(text)
