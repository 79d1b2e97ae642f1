"""What stands for a secret: bullets on screens, asterisks in bytes; digits of its SHA-256 where the table allows it.

A mask is never masked again, and tells as much as it did.
"""

import re
from hashlib import sha256
from typing import TypeGuard

HIDDEN = "••••"
"""What a secret looks like on a screen; the first four digits of its digest may follow."""

# Shorter values can be guessed, and a digest would say when a guess was right.
MIN_DIGESTED = 16

_IN_BYTES = re.compile(r"masked-([0-9a-f]{8})\*+|\*+")
_DIGEST = re.compile("[0-9a-f]{8}")
_ON_SCREEN = re.compile(f"{HIDDEN}(?:[0-9a-f]{{4}})?")


def digest(value: str) -> str:
    """Return eight hex digits that stand for the secret `value`: the same for the value itself and for its mask.

    Of a value that was too short for that its mask is left, which tells nothing but its length: see `is_lost`.
    """
    masked = _IN_BYTES.fullmatch(value)
    if masked is not None:
        return masked[1] or value
    return sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def is_lost(digest: str | None) -> bool:
    """Return whether a digest is no more than a mask: no one can tell whether two such stand for one secret."""
    return digest is not None and digest.startswith("*")


def is_digest(value: object) -> TypeGuard[str]:
    """Return whether a value is what `digest` makes of a secret."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def is_mask(value: str) -> bool:
    """Return whether a value is what `mask` makes of a secret."""
    return _IN_BYTES.fullmatch(value) is not None


def is_shown(text: str) -> bool:
    """Return whether a text is what `shown` returns."""
    return _ON_SCREEN.fullmatch(text) is not None


def shown(value: object, *, correlate: bool) -> str:
    """Return what a screen shows for a secret: with digits of its digest if `correlate`, where it cannot be guessed."""
    if not isinstance(value, str) or not correlate:
        return HIDDEN
    if is_shown(value):
        return value
    masked = _IN_BYTES.fullmatch(value)
    if masked is not None:
        return HIDDEN + (masked[1] or "")[:4]
    return HIDDEN + digest(value)[:4] if len(value) >= MIN_DIGESTED else HIDDEN


def mask(secret: bytes, *, correlate: bool, text: str | None = None) -> bytes:
    """Return what stands for `secret`, in as many bytes; `text` is what it says, where it is not written plainly."""
    text = secret.decode("utf-8", "replace") if text is None else text
    if _IN_BYTES.fullmatch(text):
        head = text
    else:
        head = f"masked-{digest(text)}" if correlate and len(text) >= MIN_DIGESTED else ""
    return head.encode().ljust(len(secret), b"*")
