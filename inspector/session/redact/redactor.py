"""The two ways to mask a message: its body for display, its bytes for a file."""

from functools import lru_cache
from itertools import islice
from typing import Any

from inspector.model import ABSENT
from inspector.protocol.registry import Registry
from inspector.session.redact.bodies import Keys, Place, is_clean, secrets_in
from inspector.session.redact.digests import MIN_DIGESTED, mask, shown
from inspector.session.redact.sent import (
    SHAPE_IN_BYTES,
    is_clean_json,
    is_compressed,
    mask_etf,
    mask_json,
    without_unread,
)
from inspector.session.redact.shapes import shown_shapes

# Secrets of one message that are looked for a second time in it: each is a look at all of its bytes.
_SOUGHT_AGAIN = 32


class Redactor:
    """Masks what the registry calls secret. Keeps nothing of what it sees but keys that are not."""

    def __init__(self, registry: Registry) -> None:
        self._rows = registry.secrets
        self._scopes = frozenset(name for row in self._rows for name in row.events)
        self._keys = lru_cache(maxsize=256)(self._keys_of)

    def mask(self, plane: str, name: str | None, d: Any) -> Any:
        """Return `d` with its secrets masked for display; `d` itself if it has none.

        `name` is that of the event, or of the opcode where there is none. Parts without secrets are shared with `d`.
        Texts, bytes, long whole numbers, lists and objects are masked; short numbers and booleans under a secret key
        are not.
        """
        keys = self._keys_for(plane, name)
        if is_clean(d, keys):
            return d
        root = Place(None, 0, [d])
        for place, correlate in secrets_in(root, keys, rename=True):
            if correlate is not None:
                place.replace(shown(place.value, correlate=correlate))
            else:
                place.replace(shown_shapes(place.value))
        return root.value[0]

    def mask_bytes(self, plane: str, name: str | None, encoding: str | None, data: bytes, d: Any) -> bytes:
        """Return the bytes of a message with its secrets masked, in the same length.

        `data` is JSON text or an ETF term, as `encoding` says (``json``, ``etf``; None where it could not be read), and
        `d` the body it decodes to, `ABSENT` if it does not. What cannot be masked in place is lost as a whole, and then
        asterisks are all that is left: ETF in which a secret is a list or an object, and what is compressed, beyond the
        first bytes, if there is a secret in it or it could not be read.
        """
        keys = self._keys_for(plane, name)
        if encoding == "json" and is_clean_json(data, keys):
            return data
        secrets = list(secrets_in(Place(None, 0, [d]), keys))
        if is_compressed(data):
            return data[:4].ljust(len(data), b"*") if secrets or d is ABSENT else data
        values = [place.value for place, correlate in secrets if correlate is not None]
        if encoding == "binary":
            return without_unread(data, values)
        if encoding == "etf":
            if any(isinstance(value, list | dict) for value in values):
                return b"*" * len(data)
            masked = mask_etf(data, keys)
        else:
            masked = mask_json(data, keys)
        # Gone by now; but they may stand a second time, where no key says that they are secret.
        long = {value for value in values if isinstance(value, str) and len(value) >= MIN_DIGESTED}
        for value in islice(long, _SOUGHT_AGAIN):
            secret = value.encode("utf-8", "surrogatepass")
            masked = masked.replace(secret, mask(secret, correlate=True))
        if encoding == "json" and d is not ABSENT:
            return masked
        return SHAPE_IN_BYTES.sub(
            lambda found: (found[1] or b"") + mask(found[2], correlate=found["guessable"] is None), masked
        )

    def _keys_for(self, plane: str, name: str | None) -> Keys:
        return self._keys(plane, name if name in self._scopes else None)

    def _keys_of(self, plane: str, name: str | None) -> Keys:
        # In hex, what could not be read of the voice gateway's binary messages, whose fields hold no secrets.
        unread = {"rest": True} if plane == "voice" else {}
        return Keys.of(
            unread
            | {
                row.key.lower(): row.correlate
                for row in self._rows
                if (not row.planes or plane in row.planes) and (not row.events or name in row.events)
            }
        )
