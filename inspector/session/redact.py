"""Masks secrets: in values that are about to be shown, in free text, in addresses, and in the bytes that were sent.

What is secret stands in the registry's table of secrets, by key. Some secrets have a shape of their own and are found
wherever they stand (`_SHAPES`): Discord's tokens, webhooks, gift links, logins in addresses, what follows a word such
as ``password=``. One rule keeps this module whole: whatever it returns holds none of the secrets it found; where a
value cannot be masked in place, more is lost, never less.

A masked value still tells two secrets apart where the table allows it, by some digits of its SHA-256: four of them on
screens (``••••9f3a``), eight in bytes (``masked-9f3ab2c1***``). A mask is never masked again.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple

import orjson

from inspector.model import ABSENT, Closed, Event, Finding, Kind, Opened, Verdict
from inspector.protocol.registry import Registry
from inspector.wire.dialect import Compression, sniff

HIDDEN = "••••"
"""What a secret looks like on a screen; the first four digits of its digest may follow."""

# Shorter values can be guessed, and a digest would say when a guess was right.
MIN_DIGESTED = 16
# Characters of the longest key about which it is remembered whether a secret may be in it.
_LONGEST_KEY = 100
# Whole numbers under a secret key are masked from so many digits on: a phone number, but not the code of an error.
_LONG_NUMBER = 10**6
# Secrets of one message that are looked for a second time in it: each is a look at all of its bytes.
_SOUGHT_AGAIN = 32

_IN_BYTES = re.compile(r"masked-([0-9a-f]{8})\*+|\*+")
_ON_SCREEN = re.compile(f"{HIDDEN}(?:[0-9a-f]{{4}})?")

# A token is three parts: the account's id in base64url, a time, a signature. Those of accounts with two factors began
# with "mfa." instead.
_TOKEN = r"mfa\.[\w-]{20,}|[\w-]{18,40}\.[\w-]{6}\.[\w-]{27,}"
# RFC 8839 section 5.4. The value ends at the line's end, which in JSON may be written as an escape.
_ICE = r"(?<=ice-pwd:)[A-Za-z0-9+/]{22,256}"
# What Discord gives to answer an interaction with: base64 of "interaction:" and more. JSON Web Tokens: RFC 7519.
_OTHER_TOKENS = r"aW50ZXJhY3Rpb24[\w+/=-]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"
# What opens a webhook, an answer to an interaction, a gift.
_LINKS = (
    r"(?<=/webhooks/)\d{5,20}/[\w-]{8,}|(?<=/interactions/)\d{5,20}/[\w=+-]{8,}"
    r"|(?<=discord\.gift/)[\w-]{5,}|(?<=promos\.discord\.gg/)[\w-]{5,}|(?<=/gifts/)[\w-]{5,}"
)
# RFC 9110 section 11.6.2, with the schemes that Discord takes. After "Bot" there is mostly a word; a token has a digit.
_LOGIN = (
    r"(?<=\b[Bb]ot )(?=\S*\d)[\w.~+/-]{20,}=*|(?<=\b[Bb]earer )[\w.~+/-]{8,}=*"
    r"|(?<=\b[Bb]asic )(?=\S*[\dA-Z])[\w+/-]{12,}=*"
)
# RFC 3986 section 3.2.1: what is before the @ of an address. E-mail addresses may be guessed, as passwords may.
_GUESSABLE = (
    r"(?<=://)[^\s/?#@\"'<>]{1,256}(?=@)"
    r"|[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,24}"
)
_SHAPES = f"{_TOKEN}|{_OTHER_TOKENS}|{_ICE}|{_LINKS}|{_LOGIN}|(?P<guessable>{_GUESSABLE})"
# In text that is shown, a mask in bytes turns into one for screens.
_SHAPE_IN_TEXT = re.compile(rf"{_SHAPES}|masked-[0-9a-f]{{8}}\*+", re.ASCII)
# Within ETF the length before the text may look like one of its letters, so it is matched too.
_SHAPE_IN_BYTES = re.compile(rb"(m\0[\0-\xff]{3}|k\0[\0-\xff])?(" + _SHAPES.encode() + rb")", re.ASCII)

# A word that announces a secret, and the secret: in a query, a form, a log line, in JSON inside a string. The weaker
# words do so only where no person would write them so.
_ANNOUNCED = re.compile(
    r"(?P<before>(?<![\w-])[\w-]{0,40}?(?:"
    r"(?:token|secrets?|password|passwd|passphrase|authorization|api[_-]?key|captcha_key|captcha_rqdata|private_key|secret_key"
    r"|session_id|code_verifier)"
    r"(?:\\*[\"'])?\s{0,4}[:=]\s{0,4}"
    r"|(?:ticket|cookie|nonce_proof|encrypted_nonce|pwd|phone)(?:=|\\*[\"']\s{0,4}:\s{0,4})))"
    r"(?:(?P<quote>\\*[\"'])(?P<quoted>.*?)(?:(?P=quote)|\Z)"
    r"|(?P<list>\[[^\]]{2,4000})|(?P<bare>(?:(?:bot|bearer|basic) )?[^\s,;&\"'<>{}()\[\]\\]{8,}))",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
# Bytes of a ping, up to which they are a count or a time.
_FEW = 12
# Text inside bytes that are none: nobody knows what it is for.
_PRINTABLE = re.compile(rb"[\x20-\x7e]{12,}")
# Characters in a row that are no words: what is left of a token that has lost its shape. Looked for in short texts
# only, such as reasons and paths; in payloads ids, hashes and images look the same.
_RUN = re.compile(r"[\w+=.-]{24,}", re.ASCII)

# A JSON string, and the colon after it if it is a key; a bracket; a number. The last string may be cut off.
_JSON_TOKEN = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"(\s*:\s*)?|\\?\Z)|[\[\]{}]|-?\d[\d.eE+-]*', re.DOTALL)

# Parameters of a gateway's address that say how it speaks, and nothing else.
_HARMLESS = frozenset({"v", "encoding", "compress", "client_id", "rpc", "dave"})
_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#@]*@)*(?P<host>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?P<rest>#.*)?",
    re.DOTALL,
)
_HEADERS_OF_SECRETS = re.compile(r"auth|cookie|token|secret|key|session|password", re.IGNORECASE)
# Names of subprotocols: RFC 6455 section 1.9. Some clients write a token among them.
_SUBPROTOCOL = re.compile(r"[a-z][a-z.-]{0,23}(?:\.?v?\d{1,2}(?:\.\d{1,2})?)?")


def digest(value: str) -> str:
    """Return eight hex digits that stand for the secret `value`: the same for the value itself and for its mask.

    Of a value that was too short for that its mask is left, which tells nothing but its length: see `is_lost`.
    """
    mask = _IN_BYTES.fullmatch(value)
    if mask is not None:
        return mask[1] or value
    return sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def is_lost(digest: str | None) -> bool:
    """Return whether a digest is no more than a mask: nobody can tell whether two such stand for one secret."""
    return digest is not None and digest.startswith("*")


def shown(value: object, *, correlate: bool) -> str:
    """Return what a screen shows for a secret: with digits of its digest if `correlate`, where it cannot be guessed."""
    if not isinstance(value, str) or not correlate:
        return HIDDEN
    if _ON_SCREEN.fullmatch(value):
        return value
    mask = _IN_BYTES.fullmatch(value)
    if mask is not None:
        return HIDDEN + (mask[1] or "")[:4]
    return HIDDEN + digest(value)[:4] if len(value) >= MIN_DIGESTED else HIDDEN


def mask_text(text: str) -> str:
    """Return free text with what has the shape of a secret masked for display; `text` itself if there is none."""
    return _in_shapes(text, _on_screen) if _may_hold_secret(text) else text


def mask_reason(text: str) -> str:
    """Return a text of few words (why a connection ended, or never began) with its secrets masked for display.

    More than `mask_text` does: here also what only looks random.
    """
    return _RUN.sub(lambda found: _on_screen(found[0], True) if _is_random(found[0]) else found[0], mask_text(text))


def mask_url(url: str) -> str:
    """Return an address with its secrets masked: login and fragment, what is in its query beyond how the gateway
    speaks, and parts of its path that are no names. What is none is masked as `mask_reason` does."""
    found = _ADDRESS.fullmatch(url)
    if found is None:
        return mask_reason(url)
    query = "" if found["query"] is None else "?" + "&".join(map(_parameter, found["query"].split("&")))
    path = "/".join(part if _is_place(part) else HIDDEN for part in found["path"].split("/"))
    login = f"{HIDDEN}@" if "@" in url[len(found["scheme"]) : found.start("host")] else ""
    return found["scheme"] + login + mask_text(found["host"]) + path + query + (f"#{HIDDEN}" if found["rest"] else "")


def _is_place(part: str) -> bool:
    """Return whether part of a path is a name, or a host with its port, and nothing that is hard to guess."""
    words = re.split(r"[-._:]", part)
    return part == HIDDEN or all(re.fullmatch(r"[a-z]{0,24}|(?!\d{7})[a-z0-9]{1,11}", word) for word in words)


def mask_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers of an upgrade with their secrets masked."""
    return {mask_reason(name): _header(name.removeprefix("response-"), str(value)) for name, value in headers.items()}


def _header(name: str, value: str) -> str:
    if name in ("sec-websocket-extensions", "user-agent", "server", "cf-ray"):
        return mask_reason(value)
    if name == "sec-websocket-protocol":
        items = (item.strip() for item in value.split(","))
        return ", ".join(
            item if _SUBPROTOCOL.fullmatch(item) or _ON_SCREEN.fullmatch(item) else HIDDEN for item in items
        )
    if _HEADERS_OF_SECRETS.search(name):
        return HIDDEN
    return mask_url(value) if "://" in value else mask_reason(value)


def _parameter(text: str) -> str:
    name, equals, value = text.partition("=")
    if not equals:
        return mask_reason(text) if len(text) < MIN_DIGESTED else HIDDEN
    if not value or (name in _HARMLESS and len(value) <= 20 and mask_reason(value) == value):
        return text
    return f"{mask_reason(name)}={HIDDEN}"


def mask_opened(opened: Opened) -> Opened:
    """Return an opening with the secrets in its address, its headers and the reason of its refusal masked."""
    return replace(
        opened,
        # Another may have written the file, and numbers where there are to be texts.
        url=mask_url(opened.url) if isinstance(opened.url, str) else opened.url,
        headers=mask_headers(opened.headers) if isinstance(opened.headers, Mapping) else opened.headers,
        refusal=mask_reason(opened.refusal) if isinstance(opened.refusal, str) else opened.refusal,
    )


def mask_closed(closed: Closed) -> Closed:
    """Return an end with the secrets in its reason masked."""
    reason = mask_reason(closed.reason) if isinstance(closed.reason, str) else closed.reason
    return closed if reason == closed.reason else replace(closed, reason=reason)


def mask_finding(finding: Finding) -> Finding:
    """Return what a rule noticed with the secrets in its text masked."""
    text = mask_text(finding.text)
    return finding if text is finding.text else replace(finding, text=text)


def mask_verdict(verdict: Verdict) -> Verdict:
    """Return a verdict with the secrets in its texts masked."""
    cause, advice, then = (mask_text(text) for text in (verdict.cause, verdict.advice, verdict.then))
    return replace(verdict, cause=cause, advice=advice, then=then)


def mask_event(event: Event) -> Event:
    """Return a row with the secrets masked that are not in its payload; `event` itself if there are none."""
    changes: dict[str, Any] = {}
    for name in ("op", "event", "note"):
        text = getattr(event, name)
        if type(text) is str and len(text) >= MIN_DIGESTED and (masked := mask_text(text)) is not text:
            changes[name] = masked
    if event.findings:
        changes["findings"] = tuple(map(mask_finding, event.findings))
    if event.verdict is not None:
        changes["verdict"] = mask_verdict(event.verdict)
    if event.opened is not None:
        changes["opened"] = mask_opened(event.opened)
    if event.closed is not None:
        changes["closed"] = mask_closed(event.closed)
    if event.undecoded is not None:
        changes["undecoded"] = replace(event.undecoded, text=mask_text(event.undecoded.text))
    if event.gap is not None:
        changes["gap"] = replace(event.gap, reason=mask_reason(event.gap.reason))
    if event.kind is Kind.CONTROL and event.payload:
        changes["payload"] = mask_unknown(event.payload)
    return replace(event, **changes) if changes else event


def mask_unknown(data: bytes) -> bytes:
    """Return bytes of no known form, as those of a ping, masked in the same length; few of them are kept."""
    return data if len(data) < _FEW else _mask(data, correlate=True)


class Redactor:
    """Masks what the registry calls secret. Keeps nothing of what it sees."""

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
        root = _Place(None, 0, [d])
        for place, correlate in _secrets(root, self._keys_for(plane, name), rename=True):
            if correlate is not None:
                place.replace(shown(place.value, correlate=correlate))
            else:
                place.replace(_shown_shapes(place.value))
        return root.value[0]

    def mask_bytes(self, plane: str, name: str | None, encoding: str | None, data: bytes, d: Any) -> bytes:
        """Return the bytes of a message with its secrets masked, in the same length.

        `data` is JSON text or an ETF term, as `encoding` says (``json``, ``etf``; None where it could not be read), and
        `d` the body it decodes to, `ABSENT` if it does not. What cannot be masked in place is lost as a whole, and then
        asterisks are all that is left: ETF in which a secret is a list or an object, and what is compressed, beyond the
        first bytes, if there is a secret in it or it could not be read.
        """
        keys = self._keys_for(plane, name)
        if encoding == "json" and _is_clean(data, keys):
            return data
        secrets = list(_secrets(_Place(None, 0, [d]), keys))
        if _is_compressed(data):
            return data[:4].ljust(len(data), b"*") if secrets or d is ABSENT else data
        values = [place.value for place, correlate in secrets if correlate is not None]
        if encoding == "binary":
            return _without_unread(data, values)
        if encoding == "etf":
            if any(isinstance(value, list | dict) for value in values):
                return b"*" * len(data)
            masked = _mask_etf(data, keys)
        else:
            masked = _mask_json(data, keys)
        # Gone by now; but they may stand a second time, where no key says that they are secret.
        long = {value for value in values if isinstance(value, str) and len(value) >= MIN_DIGESTED}
        for value in islice(long, _SOUGHT_AGAIN):
            secret = value.encode("utf-8", "surrogatepass")
            masked = masked.replace(secret, _mask(secret, correlate=True))
        if encoding == "json" and d is not ABSENT:
            return masked
        return _SHAPE_IN_BYTES.sub(
            lambda found: (found[1] or b"") + _mask(found[2], correlate=found["guessable"] is None), masked
        )

    def _keys_for(self, plane: str, name: str | None) -> "_Keys":
        return self._keys(str(plane), name if name in self._scopes else None)

    def _keys_of(self, plane: str, name: str | None) -> "_Keys":
        # In hex, what could not be read of the voice gateway's binary messages, whose fields hold no secrets.
        unread = {"rest": True} if plane == "voice" else {}
        return _Keys.of(
            unread
            | {
                row.key.lower(): row.correlate
                for row in self._rows
                if (not row.planes or plane in row.planes) and (not row.events or name in row.events)
            }
        )


def _is_random(run: str) -> bool:
    """Return whether characters in a row are no words: digits among letters; in names of hosts these are small."""
    kinds = {"digit" if char.isdigit() else "small" if char.islower() else char.isalpha() for char in run}
    return "digit" in kinds and ({"small", True} <= kinds or ("." not in run and not kinds.isdisjoint({"small", True})))


class _Keys(NamedTuple):
    """The keys that are secret somewhere."""

    correlate: dict[str, bool]
    """Whether a digest may stand for the value, by key."""
    in_etf: re.Pattern[bytes]
    """Finds such a key in an ETF term: as a binary, a string or an atom, whichever way its length is written."""

    @classmethod
    def of(cls, correlate: dict[str, bool]) -> "_Keys":
        by_length: dict[int, list[str]] = {}
        for key in correlate:
            by_length.setdefault(len(key.encode()), []).append(re.escape(key))
        patterns = [
            rf"(?:m\0\0\0|[dkv]\0|[sw])\x{length:02x}(?i:({'|'.join(keys)}))" for length, keys in by_length.items()
        ]
        return cls(correlate, re.compile("|".join(patterns or [r"(?!)"]).encode()))


class _Place:
    """Where in a body a value stands. The body is copied on the way to what is replaced, and nowhere else."""

    __slots__ = ("copied", "key", "parent", "value")

    def __init__(self, parent: "_Place | None", key: Any, value: Any) -> None:
        self.parent = parent
        self.key = key
        self.value = value
        self.copied = False

    def replace(self, value: Any) -> None:
        """Put `value` here, in copies of all that is around it."""
        place: _Place = self
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


def _secrets(root: _Place, keys: _Keys, *, rename: bool = False) -> Iterator[tuple[_Place, bool | None]]:
    """Find the secrets below `root`, however deep it is: each with whether to correlate it, None if it has a shape.

    With `rename`, keys that have the shape of a secret are masked on the way; without, they are told, without a place.
    """
    pending = [root]
    while pending:
        place = pending.pop()
        around = place.value
        if type(around) is dict and _have_long(around) and any(map(_is_odd_key, around)):
            if rename:
                around = {_shown_shapes(key) if _is_odd_key(key) else key: value for key, value in around.items()}
                place.replace(around)
                place.copied = True
            else:
                yield _Place(place, "", ""), None
        items: Iterable[tuple[Any, Any]] = around.items() if type(around) is dict else enumerate(around)
        for key, value in items:
            if not value:
                continue
            kind = type(value)
            correlate = keys.correlate.get(key.lower()) if type(key) is str else None
            if correlate is not None:
                if kind is str or kind is dict or kind is list or kind is bytes or (kind is int and _is_long(value)):
                    yield _Place(place, key, value), correlate
            elif kind is dict or kind is list:
                pending.append(_Place(place, key, value))
            elif kind is str:
                if len(value) >= MIN_DIGESTED and _may_hold_secret(value):
                    yield _Place(place, key, value), None
            elif kind is bytes and _PRINTABLE.search(value) is not None:
                yield _Place(place, key, value), False


def _have_long(keys: Iterable[Any]) -> bool:
    """Return whether one of `keys` is long enough for a secret. Most are all texts, and that is soon told."""
    try:
        return max(map(len, keys), default=0) >= MIN_DIGESTED
    except TypeError:
        return True


def _is_odd_key(key: object) -> bool:
    if type(key) is not str or len(key) < MIN_DIGESTED:
        return False
    return _may_hold_secret_again(key) if len(key) <= _LONGEST_KEY else _may_hold_secret(key)


def _is_long(number: int) -> bool:
    return not -_LONG_NUMBER < number < _LONG_NUMBER


# The same few keys come again and again.
@lru_cache(maxsize=4096)
def _may_hold_secret_again(text: str) -> bool:
    return _may_hold_secret(text)


def _may_hold_secret(text: str) -> bool:
    """Return whether it is worth looking: most text has none of these in it, and that is soon told.

    Every text of a payload passes here, so a look costs less than a microsecond: ids, hashes and most names end at the
    first line.
    """
    if text.isalnum():
        return text.startswith(("aW50ZXJhY3Rpb24", "eyJ"))
    if "@" in text:
        return True
    if "." in text and (_DOTTED.search(text) is not None or "gift" in text or "promos." in text):
        return True
    if "/" in text and ("webhooks/" in text or "interactions/" in text or "gifts/" in text):
        return True
    if (":" in text or "=" in text) and _ANNOUNCER.search(text) is not None:
        return True
    if " " in text and ("earer " in text or "ot " in text or "asic " in text):
        return True
    return "masked-" in text or "aW50ZXJhY3Rpb24" in text


_DOTTED = re.compile(r"\.[\w-]{6}\.[\w-]{27}|mfa\.|eyJ[\w-]{8,}\.", re.ASCII)
_ANNOUNCER = re.compile(
    r"ice-pwd|token|secret|passw|passp|authoriz|api.?key|captcha|private_key|session_id|code_verifier|ticket|cookie|nonce_|pwd|phone",
    re.IGNORECASE | re.ASCII,
)


_Way = Callable[[str, bool], str]
"""How a secret is masked; and whether a digest may stand for it."""


def _on_screen(secret: str, correlate: bool) -> str:
    return shown(secret, correlate=correlate)


def _in_place(secret: str, correlate: bool) -> str:
    return _mask(secret.encode("utf-8", "surrogatepass"), correlate=correlate, text=secret).decode()


def _in_shapes(text: str, way: _Way) -> str:
    """Return `text` with all in it that has the shape of a secret masked in that way."""
    text = _SHAPE_IN_TEXT.sub(lambda found: way(found[0], found["guessable"] is None), text)
    if _ANNOUNCER.search(text) is None:
        return text
    return _ANNOUNCED.sub(lambda found: _announced(found, way), text)


def _announced(found: re.Match[str], way: _Way) -> str:
    quote, secret = found["quote"] or "", found["quoted"] or found["list"] or found["bare"] or ""
    closing = found[0][len(found["before"]) + len(quote) + len(secret) :]
    # A password may be a word: no digest may stand for it.
    return found["before"] + quote + (way(secret, False) if secret else "") + closing


def _shown_shapes(text: str) -> str:
    return _in_shapes(text, _on_screen)


def _without_unread(data: bytes, values: Iterable[Any]) -> bytes:
    """Return a binary message of the voice gateway without what could not be read of it, told in hex by `values`."""
    for value in values:
        with suppress(TypeError, ValueError):
            rest = bytes.fromhex(value)
            if len(rest) >= _FEW:
                data = data.replace(rest, b"*" * len(rest))
    return data


def _is_clean(data: bytes, keys: _Keys) -> bool:
    """Return whether JSON has no secrets, where that is soon told: it is written as tight as it can be.

    Then its values are all there is: a key that came twice, of which but one is left, would make them shorter.
    """
    try:
        value = orjson.loads(data)
        return len(orjson.dumps(value)) == len(data) and next(_secrets(_Place(None, 0, [value]), keys), None) is None
    except (ValueError, TypeError, RecursionError):
        return False


def _is_compressed(data: bytes) -> bool:
    return sniff(data) in (Compression.ZLIB, Compression.ZSTD) or data[:2] == b"\x83P"


def _mask(secret: bytes, *, correlate: bool, text: str | None = None) -> bytes:
    """Return what stands for `secret`, in as many bytes; `text` is what it says, where it is not written plainly."""
    text = secret.decode("utf-8", "replace") if text is None else text
    if _IN_BYTES.fullmatch(text):
        head = text
    else:
        head = f"masked-{digest(text)}" if correlate and len(text) >= MIN_DIGESTED else ""
    return head.encode().ljust(len(secret), b"*")


def _mask_json(data: bytes, keys: _Keys) -> bytes:
    """Mask what follows a secret key, and what else has the shape of a secret. `data` need not be valid, or whole."""
    parts: list[bytes] = []
    done, depth = 0, 0
    after_key, correlate = -1, None
    for found in _JSON_TOKEN.finditer(data):
        written = found[1]
        if written is None:
            token = found[0]
            if token in b"[{":
                depth += depth > 0 or (correlate is not None and found.start() == after_key)
            elif token in b"]}":
                depth -= depth > 0
            elif depth or (correlate is not None and found.start() == after_key and len(token) > 6):
                # A number stays one, of the same width.
                parts += data[done : found.start()], b"0".rjust(len(token))
                done = found.end()
            continue
        if found[2] is not None:
            masked, after_key = _mask_string(written), found.end()
            if not depth:
                correlate = keys.correlate.get(_unescaped(written).lower())
        elif depth or (found.start() == after_key and correlate is not None):
            masked = _mask(written, correlate=bool(correlate), text=_unescaped(written))
        else:
            masked = _mask_string(written)
        if masked is not written:
            parts += data[done : found.start(1)], masked
            done = found.end(1)
    return b"".join([*parts, data[done:]])


def _mask_string(written: bytes) -> bytes:
    """Return a JSON string, without its quotes, with what has the shape of a secret masked; itself if it has none."""
    if len(written) < MIN_DIGESTED or not _may_hold_secret(text := _unescaped(written)):
        return written
    masked = _in_shapes(text, _in_place)
    if masked == text:
        return written
    return _same_length(json.dumps(masked, ensure_ascii=False)[1:-1], len(written))


def _same_length(masked: str, length: int) -> bytes:
    data = masked.encode("utf-8", "replace")
    return data.ljust(length, b"*") if len(data) <= length else b"*" * length


def _unescaped(written: bytes) -> str:
    """Return the text of a JSON string, given without its quotes."""
    if b"\\" in written:
        try:
            return str(json.loads(b'"%s"' % written))
        except ValueError:
            pass
    return written.decode("utf-8", "replace")


_ETF_BINARY = re.compile(rb"m\0[\0-\xff]{3}")
# The tags of BINARY_EXT, STRING_EXT, SMALL_BIG_EXT, INTEGER_EXT and NEW_FLOAT_EXT: the width of their lengths, and how
# many bytes there are besides.
_ETF_VALUES = {b"m": (4, 0), b"k": (2, 0), b"n": (1, 1), b"b": (0, 4), b"F": (0, 8)}


def _mask_etf(data: bytes, keys: _Keys) -> bytes:
    """Mask what follows a secret key, and what else has the shape of a secret. `data` need not be valid, or whole."""
    masked = bytearray(data)
    for found in keys.in_etf.finditer(data):
        at = found.end()
        if (form := _ETF_VALUES.get(data[at : at + 1])) is None:
            continue
        width, more = form
        start = at + 1 + width
        end = min(start + more + int.from_bytes(data[at + 1 : start]), len(data))
        if more:
            masked[start:end] = bytes(max(end - start, 0))
            continue
        key = found[found.lastindex or 0].decode().lower()
        masked[start:end] = _mask(data[start:end], correlate=keys.correlate[key])
    at = 0
    while piece := _ETF_BINARY.search(masked, at):
        at, end = piece.end(), piece.end() + int.from_bytes(piece[0][1:])
        if at + MIN_DIGESTED <= end <= len(masked):
            try:
                text = masked[at:end].decode()
            except UnicodeDecodeError:
                continue
            if _may_hold_secret(text):
                masked[at:end] = _same_length(_in_shapes(text, _in_place), end - at)
            at = end
    return bytes(masked)
