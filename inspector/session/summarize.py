"""Says in one line what a row of the timeline is about.

What there is to say about an event or opcode is a template in its table, and nothing about any of them stands here:

    {author.username}       what is at that path in `d`; a number counts into a list, {.} is `d` itself
    {nick|user.username}    the first of them that is there and not null
    {path:format}           said in a certain way; see `_FORMATS`, some of which take a word: {guilds:count guild}
    {path?yes/no}           one of two texts, by whether the value is true, or not empty
    [in {channel_id}]       left out where a value in it is missing, null or empty

Elsewhere a missing value is ``?`` and a null ``none``. Whatever `d` is, a template gives one line and never raises. Two
rules keep it so: a format takes any value, and every text from the wire goes through `inert`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from inspector.errors import TableError
from inspector.inert import inert, short
from inspector.model import ABSENT, Closed, Event, Kind, Mark, Opened, Plane
from inspector.protocol.registry import Registry
from inspector.protocol.snowflake import MOST_DIGITS, number_of
from inspector.session.redact import mask_text, shown
from inspector.wire.dialect import dialect_of
from inspector.words import counted, exact, kind_of, size

MAX_TEXT = 80
"""Characters of one value, and of a name that is remembered."""
# Numbers from here on are not written out: Python takes long over their digits, and beyond 4300 refuses.
_LARGEST = 10**MOST_DIGITS
# Names and ids that are kept as they were said.
_KEPT = 4096
# Characters in which secrets are looked for, before a value is cut to those.
_LOOKED_AT = 2000


def summarize(event: Event, d: Any, registry: Registry, names: Mapping[int, str]) -> str:
    """Return the line for `event`.

    `d` is the body of its payload, `ABSENT` if it has none; `names` are those of guilds and channels, by id.
    """
    match event.kind:
        case Kind.PAYLOAD:
            said = _payload(event, d, registry, names)
        case Kind.OPEN:
            said = _open(event.opened) if event.opened else ""
        case Kind.CLOSE:
            said = _close(event.plane, event.closed, registry) if event.closed else ""
        case Kind.UNDECODED:
            said = inert(event.undecoded.text) if event.undecoded else ""
        case Kind.GAP:
            # Its note says it all.
            said = ""
        case Kind.CONTROL:
            said = f"{inert(event.event or '')} {_hex(event.payload or b'')}".strip()
    return _joined([said, inert(event.note)]) if event.note else said


def names_in(event_name: str, d: Any) -> dict[int, str]:
    """Return the names of the guilds, channels and threads that an event tells of, by id. `d` may be anything."""
    find = _NAMED.get(event_name)
    if find is None or not isinstance(d, dict):
        return {}
    found = {}
    for item in find(d):
        number, name = number_of(item.get("id")), _find(item, _NAME)
        if number is not None and isinstance(name, str):
            found[number] = mask_text(name[:_LOOKED_AT])[:MAX_TEXT]
    return found


def _objects(d: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    items = d.get(key)
    return (item for item in items if isinstance(item, dict)) if isinstance(items, list) else iter(())


def _guild(d: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield d
    yield from _objects(d, "channels")
    yield from _objects(d, "threads")


def _ready(d: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for guild in _objects(d, "guilds"):
        yield from _guild(guild)
    yield from _objects(d, "private_channels")


def _itself(d: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield d


_NAMED: dict[str, Callable[[dict[str, Any]], Iterator[dict[str, Any]]]] = {
    "READY": _ready,
    "INITIAL_GUILD": _guild,
    "GUILD_CREATE": _guild,
    "GUILD_UPDATE": _guild,
    "CHANNEL_CREATE": _itself,
    "CHANNEL_UPDATE": _itself,
    "THREAD_CREATE": _itself,
    "THREAD_UPDATE": _itself,
    "THREAD_LIST_SYNC": lambda d: _objects(d, "threads"),
}
NAMING_EVENTS = frozenset(_NAMED)
"""Events that `names_in` finds names in."""
_NAME = (("name",), ("properties", "name"))


def _payload(event: Event, d: Any, registry: Registry, names: Mapping[int, str]) -> str:
    # Some of RPC's events are called like the gateway's, and look different.
    known = registry.event(event.event) if event.event and event.plane is Plane.GATEWAY else None
    row = known or registry.opcode(event.plane, event.op, from_client=event.from_client)
    said = fill(row.summary, d, registry, names) if row is not None and row.summary is not None else ""
    return said or ("" if d is None or d is ABSENT else _text(d))


def _open(opened: Opened) -> str:
    try:
        parts = urlsplit(opened.url)
        # Not what is before an @, which would be a password.
        where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
    except ValueError:
        where = "a URL that cannot be read"
    dialect = dialect_of(opened.url)
    version = f"v{dialect.version}" if dialect.version is not None else None
    how = " ".join(filter(None, [version, dialect.encoding, dialect.compression]))
    late = "the recording begins in the middle" if opened.joined_late else ""
    return _joined([_clipped(f"{where}  {how}".strip()), inert(opened.refusal or ""), late])


def _close(plane: Plane, closed: Closed, registry: Registry) -> str:
    if closed.code is not None:
        name = registry.close_name(plane, closed.code, closed.by)
    elif plane is Plane.MEDIA:
        name = ""
    else:
        name = "code unknown" if closed.is_recorded else "end not recorded"
    code = "" if closed.code is None else str(closed.code)
    reason = _clipped(closed.reason)
    if reason.rstrip(".").casefold() == name.casefold():
        reason = ""
    by = f"closed by the {inert(closed.by)}" if closed.by else "no more packets" if plane is Plane.MEDIA else ""
    forbidden = "a code that must not be sent" if closed.marks & Mark.FORBIDDEN else ""
    told = f"the proxy sent 1000 to the {inert(closed.told)}" if closed.told else ""
    return _joined([f"{code} {name}".strip(), forbidden, f"“{reason}”" if reason else "", by, told])


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(filter(None, parts))


class _Known(NamedTuple):
    """What formats may look things up in."""

    registry: Registry
    names: Mapping[int, str]


Path = tuple[str, ...]
Find = Callable[[Any], Any]
Format = Callable[[Any, _Known], str]
Template = Callable[[Any, _Known], str | None]
"""A template ready to be filled: it takes `d`, and gives None where a value that it cannot do without is missing."""


class _Field(NamedTuple):
    """A value in a template, or an optional part with one value in it."""

    key: str | None
    """Where in an object the value is; None where that takes more: then `find` knows, as for all that is no object."""
    find: Find
    form: Format
    required: bool
    """Whether something is said where the value is missing, null or empty."""
    around: tuple[str, str] | None = None
    """The text before and after it in an optional part of its own."""


_TOKENS = re.compile(r"(\{[^{}]*\}|\[|\])")
_FIELD = re.compile(r"\{(?P<paths>[^?:{}]+)(?:\?(?P<yes>[^/]*)/(?P<no>[^/]*)|:(?P<format>\w+)(?: (?P<word>.+))?)?\}")


def fill(template: str, d: Any, registry: Registry, names: Mapping[int, str]) -> str:
    """Return `template` filled from `d`. Raises `TableError` where the template itself is not well formed."""
    return compile_template(template)(d, _Known(registry, names)) or ""


@lru_cache(maxsize=1024)
def compile_template(template: str) -> Template:
    """Return `template` as a function that fills it. Raises `TableError` with what is wrong with it."""
    open_parts: list[list[str | _Field]] = [[]]
    for token in filter(None, _TOKENS.split(template)):
        if token == "[":
            open_parts.append([])
        elif token == "]":
            parts = open_parts.pop()
            if not open_parts:
                raise TableError(f"the summary {template!r} has a ] without a [ before it")
            open_parts[-1].append(_optional(parts))
        elif token[0] == "{":
            open_parts[-1].append(_field(token, template, required=len(open_parts) == 1))
        else:
            open_parts[-1].append(token)
    if len(open_parts) > 1:
        raise TableError(f"the summary {template!r} has a [ that no ] closes")
    return _sequence(open_parts[0])


def _sequence(parts: Sequence[str | _Field]) -> Template:
    """Return what says `parts` one after the other; None where one of them is missing. Every shown row passes here."""

    def say(d: Any, known: _Known) -> str | None:
        get = d.get if type(d) is dict else None
        said: list[str] = []
        for part in parts:
            if isinstance(part, str):
                said.append(part)
                continue
            key, find, form, required, around = part
            value = find(d) if get is None or key is None else get(key, ABSENT)
            if value or (required and value is not ABSENT) or not _is_missing(value):
                text = form(value, known)
                said.append(text if around is None else f"{around[0]}{text}{around[1]}")
            elif required:
                said.append("?")
            elif around is None:
                return None
        return "".join(said)

    return say


def _is_missing(value: Any) -> bool:
    return value is ABSENT or value is None or value in ("", [], {}, b"")


def _optional(parts: Sequence[str | _Field]) -> str | _Field:
    """``[…]``"""
    match parts:
        case [_Field(required=False, around=None) as field]:
            return field._replace(around=("", ""))
        case [str(before), _Field(required=False, around=None) as field]:
            return field._replace(around=(before, ""))
        case [str(before), _Field(required=False, around=None) as field, str(after)]:
            return field._replace(around=(before, after))
        case [_Field(required=False, around=None) as field, str(after)]:
            return field._replace(around=("", after))
    say = _sequence(parts)
    # Whatever `d` is, it is there.
    return _Field(None, lambda d: (d,), lambda found, known: say(found[0], known) or "", required=True)


def _field(token: str, template: str, *, required: bool) -> _Field:
    parsed = _FIELD.fullmatch(token)
    if parsed is None:
        raise TableError(f"the summary {template!r} has {token}; expected {{path}}, {{path:format}} or {{path?yes/no}}")
    paths = tuple(() if path == "." else tuple(path.split(".")) for path in parsed["paths"].split("|"))
    find = _finder(paths)
    if parsed["yes"] is not None:
        return _Field(None, _choice(find, parsed["yes"], parsed["no"]), lambda text, known: text, required)
    make = _FORMATS.get(parsed["format"] or "text")
    if make is None:
        raise TableError(f"the summary {template!r} has {token}; a format is one of {', '.join(_FORMATS)}")
    key = paths[0][0] if len(paths) == len(paths[0]) == 1 else None
    return _Field(key, find, make(parsed["word"] or ""), required)


def _choice(find: Find, yes: str, no: str) -> Find:
    """``{path|path?yes/no}``"""
    return lambda d: yes if find(d) else no


def _finder(paths: tuple[Path, ...]) -> Find:
    """Return what finds a value as `_find` does. Most paths are one, of one or two keys, in objects."""
    if len(paths) > 1 or len(paths[0]) != 2:
        return lambda d: _find(d, paths)
    key, within = paths[0]

    def find(d: Any) -> Any:
        value = d.get(key, ABSENT) if type(d) is dict else None
        return value.get(within, ABSENT) if type(value) is dict else _find(d, paths)

    return find


def _find(d: Any, paths: tuple[Path, ...]) -> Any:
    """Return the first value that is there and not null; else None if one is null, else `ABSENT`."""
    found: Any = ABSENT
    for path in paths:
        value = d
        for key in path:
            if isinstance(value, dict):
                value = value.get(key, ABSENT)
            elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            else:
                value = ABSENT
        if value is not ABSENT:
            found = value
            if value is not None:
                break
    return found


def _clipped(text: str) -> str:
    if len(text) > MAX_TEXT:
        # What is left of a secret that was cut has no shape by which it could be found later.
        text = mask_text(text[:_LOOKED_AT])
    return short(text, MAX_TEXT)


_clipped_again = lru_cache(maxsize=_KEPT)(_clipped)


def _named(name: str) -> str:
    """Return the same for the name of somebody or something; most came before."""
    return _clipped_again(name) if len(name) <= MAX_TEXT else _clipped(name)


def _text(value: Any) -> str:
    match value:
        case str():
            return _clipped(value)
        case bool():
            return "yes" if value else "no"
        case None:
            return "none"
        case int():
            return str(value) if abs(value) < _LARGEST else f"a number of {value.bit_length()} bits"
        case float():
            return str(value)
        case bytes():
            return _hex(value)
        case list():
            return _counted(len(value), "item")
        case dict():
            keys = [_text(key) for key in islice(value, 4)]
            return "{" + ", ".join(keys + ["…"] * (len(value) > 4)) + "}"
    return kind_of(value)


def _hex(data: bytes) -> str:
    return data[:8].hex() + "…" * (len(data) > 8)


def _counted(number: int, noun: str) -> str:
    return counted(number, noun) if noun and abs(number) < _LARGEST else f"{_text(number)} {noun}".strip()


def _short(value: Any) -> str:
    """Say an id: the middle of a long one is left out."""
    return _short_again(value) if type(value) is str and len(value) <= MOST_DIGITS else _shortened(value)


def _shortened(value: Any) -> str:
    number = number_of(value)
    digits = _text(value if number is None else number)
    return f"{digits[:4]}…{digits[-2:]}" if len(digits) > 8 and digits.isdigit() else digits


_short_again = lru_cache(maxsize=_KEPT)(_shortened)


def _called(value: Any, known: _Known) -> str | None:
    """Return the name of a guild or channel, given as an object, by its id, or by the name itself."""
    if isinstance(value, dict):
        name = _find(value, _NAME)
        return _named(name) if isinstance(name, str) and name else _called(value.get("id"), known)
    number = number_of(value)
    if number is not None:
        name = known.names.get(number)
        return None if name is None else _named(name)
    return _named(value) if isinstance(value, str) else None


def _guild_name(value: Any, known: _Known) -> str:
    return _called(value, known) or _short(value.get("id", ABSENT) if isinstance(value, dict) else value)


def _channel_name(value: Any, known: _Known) -> str:
    return "none" if value is None else f"#{_guild_name(value, known)}"


def _user_name(value: Any, known: _Known) -> str:
    """Say a user or a member, or by its id whatever else has one."""
    if not isinstance(value, dict):
        return _called(value, known) or _short(value)
    user = value.get("user")
    user = user if isinstance(user, dict) else value
    name, number = user.get("username"), user.get("discriminator")
    if isinstance(value.get("nick"), str) and value["nick"]:
        name = value["nick"]
    elif isinstance(name, str) and isinstance(number, str) and number.strip("0"):
        name = f"{_named(name)}#{number}"
    else:
        name = user.get("global_name") or name
    return _named(name) if isinstance(name, str) and name else _short(user.get("id", "?"))


def _measure(value: Any) -> float | None:
    """Return a number that can be reckoned with, None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18:
        return float(value)
    return None


def _duration(value: Any, unit: float) -> str:
    amount = _measure(value)
    return _text(value) if amount is None or amount < 0 else exact(amount * unit)


def _size(value: Any) -> str:
    amount = _measure(len(value) if isinstance(value, bytes | str) else value)
    return _text(value) if amount is None or amount < 0 else size(int(amount))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _time(value: Any) -> str:
    """Say a time in UTC, given as ISO 8601, or since 1970 in seconds or milliseconds."""
    try:
        amount = _measure(value)
        if amount is not None:
            at = _EPOCH + timedelta(seconds=amount / 1000 if abs(amount) > 1e11 else amount)
        elif isinstance(value, str) and len(value) < 40:
            at = datetime.fromisoformat(value)
            at = at.astimezone(UTC) if at.tzinfo else at
        else:
            return _text(value)
    except (ValueError, OverflowError):
        return _text(value)
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _intents(value: Any, known: _Known) -> str:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or value.bit_length() > 64:
        return _text(value)
    intents, unknown = known.registry.intents_of(value)
    names = [intent.name for intent in intents] + [f"bit {bit}" for bit in unknown]
    return ", ".join(names) if 0 < len(names) <= 3 else f"{len(names) or 'no'} intents"


def _count(noun: str) -> Format:
    def say(value: Any, known: _Known) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            return _counted(value, noun)
        return _counted(len(value), noun) if isinstance(value, list | dict) else _text(value)

    return say


def _digits(value: Any) -> str:
    """Say the beginning of a long number in hex: enough to tell one key or reference from another."""
    return f"{_clipped(value[:16])}…" if isinstance(value, str) and len(value) > 16 else _text(value)


def _proposals(value: Any) -> str:
    """Say what each of some proposals of MLS would change."""
    if not isinstance(value, list):
        return _text(value)
    said = [_proposal(each) for each in value[:3]]
    return ", ".join(said) + f" and {len(value) - 3} more" * (len(value) > 3)


def _proposal(value: Any) -> str:
    kind, user, leaf = (_find(value, ((key,),)) for key in ("type", "user_id", "removed"))
    if user is not ABSENT and user is not None:
        return f"{_text(kind)} {_short(user)}"
    if leaf is not ABSENT:
        return f"{_text(kind)} leaf {_text(leaf)}"
    return "?" if kind is ABSENT else _text(kind)


def _words(pairs: str) -> Format:
    words = dict(pair.partition("=")[::2] for pair in pairs.split(","))
    return lambda value, known: words.get(_text(value)) or _text(value)


def _plain(say: Callable[[Any], str]) -> Callable[[str], Format]:
    """A format that neither takes a word nor looks anything up."""
    return lambda word: lambda value, known: say(value)


_FORMATS: dict[str, Callable[[str], Format]] = {
    "text": _plain(_text),
    "name": lambda word: _user_name,
    "channel": lambda word: _channel_name,
    "guild": lambda word: _guild_name,
    "count": _count,
    "nth": _plain(lambda value: _text(value + 1) if type(value) is int else _text(value)),
    "as": _words,
    "hex": _plain(_digits),
    "proposals": _plain(_proposals),
    "ms": _plain(lambda value: _duration(value, 0.001)),
    "seconds": _plain(lambda value: _duration(value, 1)),
    "bytes": _plain(_size),
    "time": _plain(_time),
    "intents": lambda word: _intents,
    "secret": _plain(lambda value: "none" if value is None else shown(value, correlate=True)),
}
"""What may follow the colon: a maker of formats, given the words after the name.

``count noun`` says how many with the right plural, ``as 1=friend,2=blocked`` says a word for a number.
"""
