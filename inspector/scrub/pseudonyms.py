"""What stands for what was taken out: invented from the value and a key, so that one value always gets the same.

Without the key nothing leads back, and none of it is remembered but what was taken out (`Pseudonyms.taken`), which is
looked for in the end.
"""

import re
from collections import defaultdict
from functools import lru_cache
from hashlib import shake_256
from itertools import product

from inspector.protocol.snowflake import DISCORD_EPOCH
from inspector.session.redact import digest
from inspector.session.redact.digests import is_mask, mask

DAY_MS = 86_400_000
KEY_BYTES = 32

# Halvings of a day: its 131,072nd part is 0.66 s.
_LEVELS = 17
# Characters from which on no invented word is a real one by chance.
_LONG = 8
# Values of ids within a millisecond: worker, process, counter.
_WITHIN = 1 << 22
_LAST_ID = 2**64 - 1
# No language's, and few, so that they compress as words do.
_WORDS = tuple(
    f"{first}{second}{third}"[: 2 + at * 7 % 6]
    for at, (first, second, third) in enumerate(
        product(
            ("ba", "de", "fi", "go", "ku", "la", "me", "no"), ("ri", "sa", "tu", "ve"), ("ndo", "lla", "mek", "sura")
        )
    )
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Pseudonyms:
    """Invents, with `key`: `KEY_BYTES` random bytes.

    `shards`: ids keep their remainder by it, as that says which shard a guild is on. `shift_ms`: ids and times are
    moved by so much; None: they are moved within their day, in an order that is kept.
    """

    def __init__(self, key: bytes, *, shards: int = 1, shift_ms: int | None = None) -> None:
        self._key = key
        self._shards = max(shards, 1)
        self.shift_ms = shift_ms
        self._ids: dict[int, int] = {}
        self._given: set[int] = set()
        self.taken: dict[str, set[str]] = defaultdict(set)
        """What was taken out, by kind."""
        self.made: set[str] = set()
        """What was invented, and may happen to be the same as something that was taken out: of addresses for examples
        there are few."""
        self._split = lru_cache(maxsize=1 << 18)(self._split_at)

    def text(self, kind: str, value: str, size: int) -> str:
        """Return `size` characters of words without a meaning."""
        self.taken[kind].add(value)
        numbers = iter(self._bytes("text", value, size + 8))
        made: list[str] = []
        length = 0
        while length <= size:
            word = _WORDS[next(numbers) % len(_WORDS)]
            made.append(word)
            length += len(word) + 1
        text = " ".join(made)[:size]
        return self._short(text if not text.endswith(" ") else text[:-1] + "a")

    def name(self, kind: str, value: str, size: int) -> str:
        """Return one word of `size` characters with a capital letter."""
        self.taken[kind].add(value)
        numbers = iter(self._bytes("text", value, size + 2))
        made = ""
        while len(made) < size:
            made += _WORDS[next(numbers) % len(_WORDS)]
        return self._short(made[:size].title())

    def _short(self, made: str) -> str:
        """Remember what is so short that somebody else may be called so."""
        if len(made) < _LONG:
            self.made.add(made)
        return made

    def hex(self, kind: str, value: str) -> str:
        """Return hex digits in the form of `value`, a hash or a UUID: what is no hex digit stays."""
        self.taken[kind].add(value)
        numbers = iter(self._bytes("hex", value.lower(), len(value)))
        return "".join(f"{next(numbers) % 16:x}" if char in "0123456789abcdefABCDEF" else char for char in value)

    def digits(self, kind: str, value: str) -> str:
        """Return as many digits."""
        self.taken[kind].add(value)
        numbers = iter(self._bytes("digits", value, len(value)))
        return "".join(str(next(numbers) % (9 if at == 0 else 10) + (at == 0)) for at, _ in enumerate(value))

    def secret(self, value: str, size: int) -> str:
        """Return what stands for a secret, `size` characters; for its mask, the mask of that."""
        if not is_mask(value):
            self.taken["secrets"].add(value)
        made = self._secret(digest(value), size)
        return mask(made.encode(), correlate=True).decode() if is_mask(value) else made

    def digest(self, value: str, size: int) -> str:
        """Return the digest of what stands for the secret of `size` characters whose digest `value` is."""
        return digest(self._secret(value, size))

    def _secret(self, digested: str, size: int) -> str:
        return shake_256(self._key + b"secret" + digested.encode()).hexdigest(size // 2 + 1)[:size]

    def data(self, kind: str, value: bytes) -> bytes:
        """Return as many bytes."""
        if len(value) >= 8:
            self.taken[f"{kind} (bytes)"].add(value.hex())
        return shake_256(self._key + b"data" + value).digest(len(value))

    def address(self, value: str) -> str:
        """Return an IP address for documentation (RFC 5737, RFC 3849)."""
        self.taken["addresses"].add(value)
        numbers = self._bytes("address", value, 3)
        if ":" in value:
            made = f"2001:db8::{numbers[0]:x}:{numbers[1]:02x}{numbers[2]:02x}"
        else:
            made = f"{('192.0.2', '198.51.100', '203.0.113')[numbers[0] % 3]}.{numbers[1] % 254 + 1}"
        self.made.add(made)
        return made

    def host(self, value: str) -> str:
        """Return a name of a host for examples (RFC 2606), of as many characters where there is room."""
        self.taken["hosts"].add(value)
        label = self.name("hosts", value, max(len(value) - len(".example"), 3)).lower()
        return f"{label[:63]}.example"

    def id(self, value: int) -> int:
        """Return an id of the same day, or one that is shifted. Later ids stay later."""
        found = self._ids.get(value)
        if found is not None:
            return found
        self.taken["ids"].add(str(value))
        at_ms, within = divmod(value, _WITHIN)
        if self.shift_ms is not None:
            made = ((at_ms + self.shift_ms) * _WITHIN) + within
        else:
            day, ms = divmod(at_ms, DAY_MS)
            at, rest = divmod(self._moved(day, ms * _WITHIN + within), _WITHIN)
            # The same remainder, which may take it a little back, in the first moments of a day forward.
            at -= (at - ms) % self._shards
            made = (day * DAY_MS + (at if at >= 0 else at + self._shards)) * _WITHIN + rest
        while made in self._given or made == value:
            made += 1
        made = min(max(made, 0), _LAST_ID)
        self._given.add(made)
        self._ids[value] = made
        return made

    def forget_given(self) -> None:
        """Take from what was taken out the ids that stand for others now: these may be there."""
        self.taken["ids"] -= set(map(str, self._given))

    def at_ms(self, value: int) -> int:
        """Return a time, in milliseconds since 1970: moved as an id of that moment is."""
        if self.shift_ms is not None:
            return value + self.shift_ms
        day, ms = divmod(value - DISCORD_EPOCH, DAY_MS)
        return DISCORD_EPOCH + day * DAY_MS + self._moved(day, ms * _WITHIN) // _WITHIN

    def _moved(self, day: int, at: int) -> int:
        """Return another moment of a day; a later one for a later one.

        The day is halved again and again, where it was and where it is to be, there not quite in the middle.
        """
        low, high = 0, DAY_MS * _WITHIN
        new_low, new_high = low, high
        path = 1
        for _ in range(_LEVELS):
            middle = (low + high) // 2
            new_middle = new_low + (new_high - new_low) * self._split(day, path) // 1000
            if at < middle:
                high, new_high, path = middle, new_middle, path * 2
            else:
                low, new_low, path = middle, new_middle, path * 2 + 1
        return new_low + (at - low) * (new_high - new_low) // (high - low)

    def _split_at(self, day: int, path: int) -> int:
        return 380 + int.from_bytes(self._bytes("day", f"{day}/{path}", 2)) % 241

    def _bytes(self, what: str, value: str, size: int) -> bytes:
        said = f"{what}\0{value}".encode("utf-8", "surrogatepass")
        return shake_256(self._key + said).digest(size)


def is_uuid(text: str) -> bool:
    """Say whether a text is a UUID."""
    return _UUID.fullmatch(text) is not None
