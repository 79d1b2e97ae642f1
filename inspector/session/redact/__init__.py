"""Masks secrets: in values that are about to be shown, in free text, in addresses, and in the bytes that were sent.

What is secret is in the registry's table of secrets, by key. Some secrets have a shape of their own and are found
wherever they stand (`SHAPES`): Discord's tokens, webhooks, gift links, logins in addresses, what follows a word such
as ``password=``. One rule keeps this module whole: whatever it returns holds none of the secrets it found; where a
value cannot be masked in place, more is lost, never less.

A masked value still tells two secrets apart where the table allows it, by some digits of its SHA-256: four of them on
screens (``••••9f3a``), eight in bytes (``masked-9f3ab2c1***``). A mask is never masked again.
"""

from inspector.session.redact.digests import HIDDEN, digest, is_digest, is_lost, shown
from inspector.session.redact.redactor import Redactor
from inspector.session.redact.rows import (
    mask_closed,
    mask_event,
    mask_finding,
    mask_headers,
    mask_opened,
    mask_unknown,
    mask_url,
    mask_verdict,
)
from inspector.session.redact.shapes import mask_reason, mask_text

__all__ = [
    "HIDDEN",
    "Redactor",
    "digest",
    "is_digest",
    "is_lost",
    "mask_closed",
    "mask_event",
    "mask_finding",
    "mask_headers",
    "mask_opened",
    "mask_reason",
    "mask_text",
    "mask_unknown",
    "mask_url",
    "mask_verdict",
    "shown",
]
