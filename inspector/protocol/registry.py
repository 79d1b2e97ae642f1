"""Every number and name that Discord's gateways use, and what each means; read from the tables next to this module.

One rule keeps it whole: a fact about a number is in a table, with its source, and nowhere in the code. The classes
below are also the tables' schema: a row may have the keys that its class has fields for, with values of their types,
and nothing else. A number that no table has is normal. It prints as itself, and is never an error.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import CodeType, NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from inspector.errors import TableError

PlaneName = Literal["gateway", "voice", "remote-auth", "rpc", "media"]
"""A `model.Plane` as tables write it; each is equal to its member."""
Status = Literal["current", "deprecated", "retired"]
ReadAs = Literal[
    "bits",
    "choice",
    "intents",
    "capabilities",
    "ms",
    "seconds",
    "minutes",
    "bytes",
    "bits-per-second",
    "colour",
    "time",
]
Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """Where facts come from; rows name it by its `id`."""

    id: str
    title: str
    url: str = ""
    revision: str = ""
    """Which state of the document was read: a date, a version."""


@dataclass(frozen=True, slots=True)
class Opcode:
    """What kind of payload a number, or on remote auth and RPC a word, stands for."""

    plane: PlaneName
    number: int | str
    name: str
    direction: Literal["send", "receive", "both"]
    """``send`` is client to server."""
    status: Status
    meaning: str
    source: Names
    used_by: str = ""
    official: bool = False
    """Discord's own documentation for developers has it."""
    aliases: Names = ()
    frame: Literal["text", "binary"] = "text"
    """Which WebSocket messages carry it, on the voice gateway."""
    since: int | None = None
    """The first voice gateway version that has it."""
    fields: str = ""
    """The shape of ``d``."""
    summary: str | None = None
    """Template of its line in the timeline; see `inspector.session.summarize`."""


OWN_CODES = 3000
"""Close codes from here on are free for those who use WebSocket, each end on its own."""


@dataclass(frozen=True, slots=True)
class CloseCode:
    """What the end of a connection means, and what its client had best do."""

    plane: PlaneName | Literal["websocket"]
    """``websocket`` are the codes of RFC 6455, which mean the same on every plane without a row of its own."""
    number: int
    name: str
    status: Status
    meaning: str
    source: Names
    official: bool = False
    cause: str = ""
    remedy: str = ""
    look_at: str = ""
    """Where in the capture the cause shows."""
    reconnect: bool | None = None
    """Whether to connect again; None where that is not known."""
    resume: bool | None = None
    """Whether the session outlives it; None where that is not known."""
    basis: str = ""
    """Basis."""
    on_wire: bool = True
    """False for those that only ever are in an API or a log, never in a close frame."""
    by_client: str = ""
    """What it means where the client sent it, if that matters."""
    by_server: str = ""
    remedy_by_client: str = ""
    """`remedy` where the client sent it, if that differs."""
    remedy_by_server: str = ""
    resume_by_client: bool | None = None
    """`resume` where the client sent it, if that differs."""

    def sent_by(self, side: str | None) -> "CloseCode":
        """Return the row as it reads when `side` closed: the two ends may mean different things by one code.

        What Discord means by a code of its own says nothing of a client that uses the same number.
        """
        if side == "client" and self.number >= OWN_CODES and self.plane in ("gateway", "voice"):
            kept = True if self.plane == "gateway" else None
            meaning = self.by_client or "The client left with a code of its own."
            return replace(self, name="", meaning=meaning, cause="", remedy="", look_at="", reconnect=kept, resume=kept)
        meaning, remedy = {
            "client": (self.by_client, self.remedy_by_client),
            "server": (self.by_server, self.remedy_by_server),
        }.get(side or "", ("", ""))
        if not meaning:
            return self
        resume = self.resume if side != "client" or self.resume_by_client is None else self.resume_by_client
        return replace(self, meaning=meaning, cause="", remedy=remedy or self.remedy, resume=resume)


@dataclass(frozen=True, slots=True)
class DispatchEvent:
    """An event that op 0 of the gateway carries."""

    name: str
    category: str
    audience: Literal["bot", "user", "oauth2", "both"]
    status: Literal["current", "deprecated", "retired", "observed", "legacy"]
    """``observed``: seen in clients and documented nowhere."""
    meaning: str
    source: Names
    intents: Names = ()
    """It comes to those who asked for any of these; to everyone where there are none."""
    capability: str | None = None
    official: bool = False
    summary: str | None = None
    ids: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Paths within ``d`` of the ``guild``, ``channel`` and ``user`` it is about, where the usual keys do not serve."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A bit by which a bot asks for events."""

    bit: int
    name: str
    source: Names
    aliases: Names = ()
    privileged: bool = False
    bots: bool | None = None
    """Whether bots may ask for it; None where that is not known."""
    official: bool = False
    events: Names = ()
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Capability:
    """A bit by which a user's client says what it can handle."""

    bit: int
    name: str
    effect: str
    source: Names


@dataclass(frozen=True, slots=True)
class ValueSet:
    """What the values at certain places of a body stand for; `inspector.protocol.flags` finds the one for a place."""

    name: str
    read: ReadAs
    at: Names
    """Places: keys with dots between them, as the table says."""
    source: Names
    members: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By number of the bit, or by value: ``NAME``, or ``NAME: what it means``."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much a client may send, or how often."""

    name: str
    plane: PlaneName
    says: str
    source: Names
    opcodes: Names = ()
    """The names of those that count; all that clients send if empty."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A key whose value is not for everyone's eyes."""

    key: str
    source: Names
    planes: tuple[PlaneName, ...] = ()
    """Where it is one; everywhere if empty."""
    events: Names = ()
    """In which events and opcodes, by name; in all if empty."""
    correlate: bool = False
    """So hard to guess that a short digest may stand for it, to tell two of them apart."""


@dataclass(frozen=True, slots=True)
class RpcError:
    """What a failed RPC command answers with, in ``data.code``."""

    number: int
    name: str
    status: Status
    source: Names


@dataclass(frozen=True, slots=True)
class Term:
    """A glossary term."""

    name: str
    meaning: str
    source: Names
    aliases: Names = ()
    see: Names = ()
    """Topics of ``gwinspect explain`` that go on from there."""


@dataclass(frozen=True, slots=True)
class ErrorNote:
    """More about an error of gwinspect's own; `inspector.errors` has the slugs."""

    slug: str
    meaning: str
    remedy: str


TableRow = (
    Reference
    | Opcode
    | CloseCode
    | DispatchEvent
    | Intent
    | Capability
    | ValueSet
    | Limit
    | Secret
    | RpcError
    | Term
    | ErrorNote
)

# What a user's own new row need not say.
_USER_DEFAULTS: dict[str, Any] = {"status": "current", "category": "Own", "audience": "user"}

# Sources first: the rows of the others are checked against them.
_KINDS: dict[str, tuple[type[TableRow], Names]] = {
    "source": (Reference, ("id",)),
    "opcode": (Opcode, ("plane", "number", "direction")),
    "close_code": (CloseCode, ("plane", "number")),
    "event": (DispatchEvent, ("name",)),
    "intent": (Intent, ("bit",)),
    "capability": (Capability, ("bit",)),
    "value_set": (ValueSet, ("name",)),
    "limit": (Limit, ("name",)),
    "secret": (Secret, ("key", "planes", "events")),
    "rpc_error": (RpcError, ("number",)),
    "term": (Term, ("name",)),
    "error": (ErrorNote, ("slug",)),
}
"""What a file may hold: the name of an array of tables, the class of its rows, and what tells one row from another."""


T = TypeVar("T")
B = TypeVar("B", Intent, Capability)


class Registry:
    """All tables, ready to be asked. Holds nothing that changes; `load` and `default` make one."""

    def __init__(self, rows: Iterable[TableRow]) -> None:
        every = list(rows)
        self.sources: Mapping[str, Reference] = {row.id: row for row in _of(every, Reference)}
        self.events: Mapping[str, DispatchEvent] = {row.name: row for row in _of(every, DispatchEvent)}
        self.intents = tuple(sorted(_of(every, Intent), key=lambda row: row.bit))
        self.capabilities = tuple(sorted(_of(every, Capability), key=lambda row: row.bit))
        self.value_sets = tuple(_of(every, ValueSet))
        self.limits = tuple(_of(every, Limit))
        self.secrets = tuple(_of(every, Secret))
        self.rpc_errors: Mapping[int, RpcError] = {row.number: row for row in _of(every, RpcError)}
        self.terms = tuple(_of(every, Term))
        self.errors: Mapping[str, ErrorNote] = {row.slug: row for row in _of(every, ErrorNote)}
        self._close_codes: dict[tuple[str, int], CloseCode] = {
            (row.plane, row.number): row for row in _of(every, CloseCode)
        }
        self._opcodes: dict[tuple[str, int | str], list[Opcode]] = {}
        for opcode in sorted(_of(every, Opcode), key=lambda row: get_args(Status).index(row.status)):
            self._opcodes.setdefault((opcode.plane, opcode.number), []).append(opcode)
        self._names = {key: found[0].name for key, found in self._opcodes.items()}

        self.max_concurrency: int | None = None
        """How many shards the bot may start within five seconds, which Discord tells each bot; None: not known."""

    def allowing(self, max_concurrency: int | None) -> "Registry":
        """Return these tables for a bot that may start so many shards within five seconds."""
        own = copy(self)
        own.max_concurrency = max_concurrency
        return own

    def opcode(self, plane: str, number: int | str | None, *, from_client: bool | None = None) -> Opcode | None:
        """Return the row of an opcode; None where no table has it.

        Of several that share the number, the one that goes the way `from_client` says, then one in use before a
        retired one.
        """
        found = self._opcodes.get((plane, number), ()) if number is not None else ()
        if from_client is not None:
            way = "send" if from_client else "receive"
            for opcode in found:
                if opcode.direction in (way, "both"):
                    return opcode
        return found[0] if found else None

    def opcodes(self, plane: str | None = None, number: int | str | None = None) -> list[Opcode]:
        """Return all opcodes, or those of a plane, or those with a number."""
        return [
            opcode
            for key, found in self._opcodes.items()
            if plane in (None, key[0]) and number in (None, key[1])
            for opcode in found
        ]

    def name(self, plane: str, op: int | str | None) -> str:
        """Return the opcode's name, ``op 97`` where no table has it, ``no op`` where there is none."""
        if op is None:
            return "no op"
        return self._names.get((plane, op)) or f"op {op if isinstance(op, int) else ascii(op[:40])}"

    def close_code(self, plane: str, number: int) -> CloseCode | None:
        """Return what a close code means on a plane: its own row, else that of RFC 6455; None where no table has it."""
        return self._close_codes.get((plane, number)) or self._close_codes.get(("websocket", number))

    def close_name(self, plane: str, number: int | None, side: str | None) -> str:
        """Return the name of a close code that `side` sent; empty where it has none, as a client's own has."""
        known = self.close_code(plane, number) if number is not None else None
        return known.sent_by(side).name if known is not None else ""

    def close_codes(self, plane: str | None = None, number: int | None = None) -> list[CloseCode]:
        """Return all close codes, or those of a plane, or those with a number."""
        return [
            row for row in self._close_codes.values() if plane in (None, row.plane) and number in (None, row.number)
        ]

    def event(self, name: str) -> DispatchEvent | None:
        """Return the row of a dispatched event by its exact name."""
        return self.events.get(name)

    def intents_of(self, value: int) -> tuple[list[Intent], list[int]]:
        """Return the intents that an ``intents`` value asks for, and the numbers of its bits that are none."""
        return _split_bits(value, self.intents)

    def capabilities_of(self, value: int) -> tuple[list[Capability], list[int]]:
        """Return the capabilities that a ``capabilities`` value claims, and the numbers of its bits that are none."""
        return _split_bits(value, self.capabilities)


def slug(name: str) -> str:
    """Return `name` as a filter or a person may write it: ``Heartbeat ACK`` is ``heartbeat_ack``."""
    return re.sub(r"[\W_]+", "_", name.lower()).strip("_")


@cache
def default() -> Registry:
    """Return the built-in tables with the user's: those that GWINSPECT_TABLES names, else those in the config folder.

    Raises `TableError` where one of them does not hold together.
    """
    return load(_user_tables())


def load(extra: Iterable[Path] = ()) -> Registry:
    """Read the built-in tables, then the files `extra` in order.

    A row of `extra` that has the key of one already there overrides what it names; any other is added.

    Raises `TableError` with the file, the row, what is wrong with it and what was expected.
    """
    tables = _Tables()
    built_in = [entry for entry in (files(__package__) / "tables").iterdir() if entry.name.endswith(".toml")]
    for entry in sorted(built_in, key=lambda entry: (entry.name != "sources.toml", entry.name)):
        tables.add(_built_in(entry), entry.name)
    for path in extra:
        tables.add(_parse(path, str(path)), str(path), by_user=True)
    return Registry(tables.rows())


def _user_tables() -> Iterator[Path]:
    if named := os.environ.get("GWINSPECT_TABLES"):
        for path in (Path(part) for part in named.split(os.pathsep) if part):
            if not path.exists():
                raise TableError(f"GWINSPECT_TABLES names {path}, which does not exist; name a TOML file or a folder")
            yield from sorted(path.glob("*.toml")) if path.is_dir() else [path]
        return
    from platformdirs import user_config_path

    yield from sorted((user_config_path("gwinspect", appauthor=False) / "tables").glob("*.toml"))


class _Tables:
    """Rows on their way into a registry, by kind and key."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[tuple[object, ...], TableRow]] = {kind: {} for kind in _KINDS}

    def rows(self) -> Iterator[TableRow]:
        for rows in self._rows.values():
            yield from rows.values()

    def add(self, content: Mapping[str, Any], called: str, *, by_user: bool = False) -> None:
        """Add the rows in the content of a file, which messages call `called`; those of a user may override others."""
        for kind in content:
            if kind not in _KINDS:
                raise TableError(f"{called}: no table is called {kind!r}; expected {_likely(kind, _KINDS)}")
        for kind in _KINDS:
            rows = content.get(kind, [])
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise TableError(f"{called}: {kind} is not an array of tables; begin each of its rows with [[{kind}]]")
            taken = set() if by_user else set(self._rows[kind])
            for place, row in enumerate(rows, 1):
                try:
                    self._put(kind, row, by_user, taken)
                except ValueError as flaw:
                    raise TableError(f"{called}: {_row_name(kind, place, row)}: {flaw}") from None

    def _put(self, kind: str, row: dict[str, Any], by_user: bool, taken: set[tuple[object, ...]]) -> None:
        cls, key_names = _KINDS[kind]
        columns = _columns(kind)
        values = _checked(row, columns)
        old = self._overridden(kind, values) if by_user else None
        if by_user and "source" in columns:
            values.setdefault("source", ("user", *(name for name in getattr(old, "source", ()) if name != "user")))
            if old is None:
                values = {name: value for name, value in _USER_DEFAULTS.items() if name in columns} | values
        for source in values.get("source", ()):
            if (source,) not in self._rows["source"]:
                raise ValueError(f"there is no source {source!r}; expected the id of a [[source]] row")
        missing = [] if old else [name for name, column in columns.items() if column.required and name not in values]
        if missing:
            raise ValueError(f"a new row lacks {', '.join(missing)}; add what is missing")
        made: TableRow = replace(old, **values) if old else cls(**values)
        key = tuple(getattr(made, name) for name in key_names)
        if key in taken:
            raise ValueError("it appears twice; keep one of them")
        taken.add(key)
        self._rows[kind][key] = made

    def _overridden(self, kind: str, values: Mapping[str, Any]) -> TableRow | None:
        """Return the row that a user's row changes; None where it is a new one."""
        cls, key_names = _KINDS[kind]
        if cls is Opcode and "direction" not in values:
            # The number alone says which opcode is meant, but for the few that share one.
            rows = [
                row for key, row in self._rows[kind].items() if key[:2] == (values.get("plane"), values.get("number"))
            ]
            if len(rows) > 1:
                raise ValueError("several opcodes have that number; add the direction of the one you mean")
            return rows[0] if rows else None
        columns = _columns(kind)
        return self._rows[kind].get(tuple(values.get(name, columns[name].default) for name in key_names))


@dataclass(frozen=True, slots=True)
class _Column:
    """What a row may say under one key."""

    fits: Callable[[Any], bool]
    expected: str
    required: bool
    default: Any


@cache
def _columns(kind: str) -> dict[str, _Column]:
    cls = _KINDS[kind][0]
    hints = get_type_hints(cls)
    return {
        column.name: _Column(
            *_test(hints[column.name]),
            required=column.default is MISSING and column.default_factory is MISSING,
            default=column.default,
        )
        for column in fields(cls)
    }


def _test(hint: Any) -> tuple[Callable[[Any], bool], str]:
    """Return a test for what TOML gives as a value of the type `hint`, and that type in words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return lambda value: value in args, " or ".join(map(repr, args))
    if origin in (Union, UnionType):
        tests = [_test(arg) for arg in args if arg is not NoneType]
        return lambda value: any(test(value) for test, _ in tests), " or ".join(words for _, words in tests)
    if origin is tuple:
        test, words = _test(args[0])
        return lambda value: type(value) is list and all(map(test, value)), f"a list, each {words}"
    if origin is Mapping:
        return lambda value: type(value) is dict and all(type(v) is str for v in value.values()), "a table of texts"
    return lambda value: type(value) is hint, {str: "text", int: "a whole number", bool: "true or false"}[hint]


def _checked(row: dict[str, Any], columns: Mapping[str, _Column]) -> dict[str, Any]:
    """Return the values of a row as its class keeps them."""
    values = {}
    for key, value in row.items():
        column = columns.get(key)
        if column is None:
            raise ValueError(f"{key!r} is not one of its keys; expected {_likely(key, columns)}")
        if not column.fits(value):
            raise ValueError(f"its {key} is {value!r}; expected {column.expected}")
        values[key] = tuple(value) if type(value) is list else value
    return values


class _TableLoader(SourceFileLoader):
    """Reads tables as Python reads modules: compiled ones from `__pycache__`, where they are newer than the table.

    Parsing TOML takes thirty times as long, and was a fifth of the start of any command.
    """

    def source_to_code(  # type: ignore[override]  # typeshed has the one of a class above
        self, data: Any, path: Any, *, _optimize: int = -1
    ) -> CodeType:
        return compile(repr(tomllib.loads(data.decode("utf-8"))), path, "eval", dont_inherit=True)


def _built_in(entry: Traversable) -> dict[str, Any]:
    """Return what is in a file of ours."""
    # In an archive there is nothing compiled; and of what cannot be, the other way says why.
    with suppress(OSError, ValueError):
        if isinstance(entry, Path) and (code := _TableLoader(entry.stem, str(entry)).get_code(entry.stem)) is not None:
            found: dict[str, Any] = eval(code, {})
            return found
    return _parse(entry, entry.name)


def _parse(file: Traversable | Path, called: str) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise TableError(f"{called} cannot be read: {error.strerror or error}; expected a file of TOML") from error
    except ValueError as error:
        raise TableError(f"{called} is not TOML in UTF-8: {error}; correct it, or move it away") from error
    except RecursionError:
        # Without its cause, which is a thousand frames.
        raise TableError(f"{called} is nested too deeply; correct it, or move it away") from None


def _row_name(kind: str, place: int, row: Mapping[str, Any]) -> str:
    named = [f"{name} {row[name]!r}" for name in _KINDS[kind][1] if name in row]
    return f"[[{kind}]] number {place}" + (f" ({', '.join(named)})" if named else "")


def _likely(word: str, choices: Iterable[str]) -> str:
    """Return the choice that `word` is probably meant to be, else all of them."""
    return " or ".join(difflib.get_close_matches(word, choices, 1)) or f"one of {', '.join(choices)}"


def _of(rows: Iterable[object], cls: type[T]) -> list[T]:
    return [row for row in rows if isinstance(row, cls)]


def _split_bits(value: int, rows: Iterable[B]) -> tuple[list[B], list[int]]:
    # A value from the wire may be anything; no bit field that Discord defines has more than 64.
    bits = [bit for bit in range(64) if value >> bit & 1] if value > 0 else []
    known = {row.bit: row for row in rows}
    return [known[bit] for bit in bits if bit in known], [bit for bit in bits if bit not in known]
