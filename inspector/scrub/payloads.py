"""One payload, rewritten."""

import re
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime
from http import HTTPStatus

from inspector.protocol.hosts import is_discord
from inspector.protocol.registry import Registry
from inspector.scrub.kinds import CLEAR, Kind, is_plain_key, kind_of_number, kind_of_text
from inspector.scrub.pseudonyms import Pseudonyms, is_uuid
from inspector.scrub.rewriting import Keys, Visitor
from inspector.session.redact import mask_text
from inspector.session.redact.digests import is_mask
from inspector.session.redact.shapes import may_hold_secret

_TIME = re.compile(r"(\d{4}-\d\d-\d\d.\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(.*)", re.DOTALL)
_ID = re.compile(r"(?<!\d)\d{15,20}(?!\d)")
_URL = re.compile(r"([a-z][a-z0-9+.-]{1,15}://)([^/?#:]*)(:\d+)?(.*)", re.IGNORECASE | re.DOTALL)
# Characters of a bot's token.
_USUAL_TOKEN = 72
# Digits of a number that may be somebody's.
_LONG_NUMBER = 6
_WORD = re.compile(r"[^\s.,;:!?()'\"]+")
# Words of proxies, and of libraries that say why they leave.
_OTHER_REASONS = """
goodbye bye shutdown shutting down restart restarting client server destroyed destroy user requested normal
closure going away zombie zombied connection heartbeat ack acknowledge missed stopped responding timeout timed
out resume reconnect reconnecting invalid opcode unknown reserved close code frame payload length byte
expected unexpected continuation decoding reason error in http tls with failed the proxy does not accept
certificate could connect to no such host refused nothing is listening there hung up during handshake without
answering upgrade trust speak what answers before had answered extension remote local-only traffic for so
mitmproxy closed sent a bad message of more than mib
"""
# Values under a secret key that are numbers: a byte of a key, a digit.
_BYTE = 256


class Rewriter:
    """Replaces values, whatever they stand in; knows what is secret by the registry, and what the user keeps."""

    def __init__(self, registry: Registry, pseudonyms: Pseudonyms, keep: Collection[Kind] = ()) -> None:
        self.pseudonyms = pseudonyms
        self.kept = frozenset(keep)
        self.counts: Counter[Kind] = Counter()
        """How many values of each kind were replaced."""
        self.vocabulary: set[str] = set()
        """Texts that stayed: what is among them is not missing anywhere."""
        self.shift_ns = (pseudonyms.shift_ms or 0) * 1_000_000
        """By how much all times are to be moved."""
        self.plain: dict[bytes, str] = {}
        """Keys that stay: see `Visitor.plain`."""
        self.lengths: dict[str, int] = {}
        """Of tokens, by their digest."""
        self._registry = registry
        self._words = _words_of(registry)
        self._secrets: dict[tuple[str, str | None], frozenset[str]] = {}

    def secret_keys(self, plane: str, name: str | None) -> frozenset[str]:
        """Return the keys, in lower case, whose values are secret in payloads of that name."""
        found = self._secrets.get((plane, name))
        if found is None:
            found = self._secrets[plane, name] = frozenset(
                row.key.lower()
                for row in self._registry.secrets
                if (not row.planes or plane in row.planes) and (not row.events or name in row.events)
            )
        return found

    def digest(self, digest: str) -> str:
        """Return the digest of what stands for the secret that has this one, once its length is known."""
        return self.pseudonyms.digest(digest, self.lengths.get(digest, _USUAL_TOKEN))

    def text(self, kind: Kind, value: str, size: int) -> str | None:
        """Return what stands for a text; None where that kind is kept."""
        if (kind in self.kept and kind is not Kind.SECRET) or not value.strip("*"):
            return None
        made = self._made(kind, value, size)
        self.counts[kind] += made != value
        return made

    def _made(self, kind: Kind, value: str, size: int) -> str | None:
        invent = self.pseudonyms
        match kind:
            case Kind.SECRET:
                return invent.secret(value, size)
            case Kind.ID:
                return str(invent.id(int(value)))
            case Kind.TIME:
                return self._time(value)
            case Kind.URL:
                return self.url(value)
            case Kind.HOST:
                return self.place(value)
            case Kind.ADDRESS:
                return invent.address(value)
            case Kind.EMAIL:
                return self._email(value, size)
            case Kind.PHONE:
                return "".join(
                    invent.digits(kind, char) if char.isdigit() else "+" for char in self._noted(kind, value)
                )
            case Kind.IMAGE:
                return invent.hex(kind, value) if _is_hex(value) else invent.name(kind, value, size).lower()
            case Kind.LOCALE:
                return self._locale(value, size)
            case Kind.TEXT | Kind.OTHER if size > 3:
                return invent.text(kind, value, size)
        if value.isascii() and value.isdigit():
            return invent.digits(kind, value)
        return invent.name(kind, value, size)

    def url(self, value: str) -> str:
        """Return a URL with another place, of the same length where there is room."""
        found = _URL.fullmatch(value)
        if found is None:
            return self.pseudonyms.text(Kind.URL, value, len(value.encode())).replace(" ", "-")
        scheme, host, port, rest = found.groups("")
        place = self.host(host)
        left = max(len(value.encode()) - len(scheme + place + port) - 1, 0)
        invented = self.pseudonyms.text(Kind.URL, rest, left).replace(" ", "-") if rest.strip("/") and left else ""
        made = f"{scheme}{place}{port}{rest[:1]}{invented}"
        if made == value:
            self.vocabulary.add(value)
        else:
            self.pseudonyms.taken[Kind.URL].add(value)
        return made

    def place(self, value: str) -> str:
        """Return where a client is sent, ``wss://host/?query`` or ``host:port``: at Discord's own host unchanged."""
        scheme, sign, rest = value.rpartition("://")
        at = re.match(r"[^/?#:]*", rest)
        host = at[0] if at else rest
        behind = rest[len(host) :]
        query = behind if re.fullmatch(r"(?::\d{1,5})?/?(?:\?[\w=&.-]{0,100})?", behind) else ""
        return f"{scheme}{sign}{self.host(host)}{query}"

    def host(self, host: str) -> str:
        """Return another name for a host that is not Discord's and not this machine."""
        if not host or host in ("localhost", "127.0.0.1", "::1", "[::1]") or Kind.HOST in self.kept or is_discord(host):
            self.vocabulary.add(host)
            return host
        if re.fullmatch(r"[\d.]+|\[?[0-9a-fA-F:]+\]?", host):
            return self.pseudonyms.address(host)
        self.counts[Kind.HOST] += 1
        return self.pseudonyms.host(host)

    def free(self, text: str) -> str:
        """Return a text of a program's with the ids and secrets in it replaced."""
        if may_hold_secret(text):
            text = mask_text(text)
        return _ID.sub(lambda found: str(self.pseudonyms.id(int(found[0]))), text)

    def reason(self, text: str) -> str:
        """Return why a connection ended: as it was where it only has words that such reasons have."""
        if Kind.TEXT in self.kept or all(self._is_known(word) for word in _WORD.findall(text)):
            self.vocabulary.add(text)
            return text
        self.counts[Kind.TEXT] += 1
        return self.pseudonyms.text(Kind.TEXT, text, len(text.encode()))

    def _is_known(self, word: str) -> bool:
        return word.lower() in self._words or (word.isascii() and word.isdigit() and len(word) < _LONG_NUMBER)

    def _noted(self, kind: Kind, value: str) -> str:
        self.pseudonyms.taken[kind].add(value)
        return value

    def _time(self, value: str) -> str | None:
        found = _TIME.fullmatch(value)
        if found is None:
            return self.pseudonyms.text(Kind.OTHER, value, len(value.encode()))
        minute, second, fraction, zone = found.groups("")
        try:
            at = datetime.fromisoformat(f"{minute}:{second or '00'}{zone.upper()}")
        except ValueError:
            return self.pseudonyms.text(Kind.OTHER, value, len(value.encode()))
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        moved = self.pseudonyms.at_ms(round(aware.timestamp()) * 1000 + int(fraction[:3].ljust(3, "0")))
        try:
            made = datetime.fromtimestamp(moved // 1000, UTC).astimezone(aware.tzinfo)
        except (ValueError, OverflowError, OSError):
            return self.pseudonyms.text(Kind.OTHER, value, len(value.encode()))
        shown = made.strftime(f"%Y-%m-%d{minute[10]}%H:%M") + (made.strftime(":%S") if second else "")
        if fraction:
            shown += "." + f"{moved % 1000:03d}".ljust(9, "0")[: len(fraction)]
        shown += zone
        if shown != value:
            self.pseudonyms.taken[Kind.TIME].add(value)
        self.pseudonyms.made.add(shown)
        return shown

    def _email(self, value: str, size: int) -> str:
        made = self.pseudonyms.name(Kind.EMAIL, value, max(size - len("@at.example"), 1)).lower()
        return f"{made}@at.example"

    def _phone(self, value: str) -> str:
        digits = iter(self.pseudonyms.digits(Kind.PHONE, value))
        return "".join(digit if char.isdigit() else "+" for digit, char in zip(digits, value, strict=True))

    def _locale(self, value: str, size: int) -> str:
        self._noted(Kind.LOCALE, value)
        if re.fullmatch(r"[A-Za-z]{2}[-_][A-Za-z]{2}", value):
            return f"en{value[2]}US"
        if re.fullmatch(r"[A-Za-z]{2}", value):
            return "US" if value.isupper() else "de"
        return self.pseudonyms.name(Kind.LOCALE, value, size).lower()


def _words_of(registry: Registry) -> frozenset[str]:
    """Return the words of all reasons for a close that are known."""
    rows = registry.close_codes()
    said = " ".join(f"{row.name} {row.meaning} {row.cause} {row.by_client} {row.by_server}" for row in rows)
    statuses = " ".join(status.phrase for status in HTTPStatus)
    return frozenset(word.lower() for word in _WORD.findall(f"{said} {statuses} {_OTHER_REASONS}"))


def _is_hex(value: str) -> bool:
    return is_uuid(value) or re.fullmatch(r"(?:a_)?[0-9a-fA-F]{8,}", value) is not None


class PayloadVisitor(Visitor):
    """Goes through one payload. `name`: of its event, or of its opcode."""

    def __init__(self, rewriter: Rewriter, plane: str, name: str | None, event: str | None) -> None:
        self._rewriter = rewriter
        self.plain = rewriter.plain
        self._secret = rewriter.secret_keys(plane, name)
        self._event = event

    def text(self, keys: Keys, value: str, size: int) -> str | None:
        rewriter = self._rewriter
        if is_mask(value) or self._is_secret(keys):
            return self._secret_text(keys, value, size)
        kind = kind_of_text(keys, value, self._event)
        if kind == CLEAR:
            if keys and keys[-1] == "_trace":
                freed = rewriter.free(value)
                rewriter.vocabulary.add(freed)
                return None if freed == value else _escaped(freed)
            rewriter.vocabulary.add(value)
            return None
        assert isinstance(kind, Kind)
        made = rewriter.text(kind, value, size)
        if made is None:
            rewriter.vocabulary.add(value)
        return made

    def _secret_text(self, keys: Keys, value: str, size: int) -> str | None:
        key = keys[-1].lower() if keys else ""
        if key == "email":
            return self._rewriter.text(Kind.EMAIL, value, size)
        if key in ("phone", "phone_number"):
            return self._rewriter.text(Kind.PHONE, value, size)
        if not value:
            return None
        return self._rewriter.text(Kind.SECRET, value, size)

    def number(self, keys: Keys, value: int) -> int | None:
        rewriter = self._rewriter
        if self._is_secret(keys):
            if Kind.VOICE in rewriter.kept and keys[-1].lower() == "secret_key":
                return None
            rewriter.counts[Kind.SECRET] += 1
            made = int(rewriter.pseudonyms.digits(Kind.SECRET, str(abs(value))) or 0)
            return min(made, _BYTE - 1) if 0 <= value < _BYTE else made
        kind = kind_of_number(keys, value)
        if kind is Kind.ID and Kind.ID not in rewriter.kept:
            rewriter.counts[Kind.ID] += 1
            return rewriter.pseudonyms.id(value)
        if kind is Kind.TIME and Kind.TIME not in rewriter.kept:
            rewriter.counts[Kind.TIME] += 1
            return rewriter.pseudonyms.at_ms(value)
        return None

    def key(self, keys: Keys, value: str, size: int) -> str | None:
        if 15 <= len(value) <= 20 and value.isascii() and value.isdigit():
            return self._rewriter.text(Kind.ID, value, size)
        if is_plain_key(value):
            self._rewriter.vocabulary.add(value)
            return None
        return self._rewriter.text(Kind.OTHER, value, size)

    def data(self, keys: Keys, value: bytes) -> bytes:
        self._rewriter.counts[Kind.OTHER] += 1
        return self._rewriter.pseudonyms.data("data", value)

    def _is_secret(self, keys: Keys) -> bool:
        return not self._secret.isdisjoint(map(str.lower, keys))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
