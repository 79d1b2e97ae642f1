"""What a number or a name means: close codes, opcodes, events, intents, ids, and the errors of gwinspect itself.

`explain` answers in titled sections of plain text, `render` writes them for a terminal. All that is said of a number
comes out of the registry; only the sentences about numbers that no table has are written here.
"""

import difflib
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from inspector.diagnose.ids import close_of, rule_of
from inspector.diagnose.rule import Rule
from inspector.diagnose.rules import RULES
from inspector.model import Severity
from inspector.protocol import snowflake
from inspector.protocol.registry import (
    Capability,
    CloseCode,
    DispatchEvent,
    ErrorNote,
    Intent,
    Opcode,
    Registry,
    RpcError,
    Term,
    slug,
)


@dataclass(frozen=True, slots=True)
class Section:
    """A labelled part of an entry."""

    label: str
    lines: tuple[str, ...]
    """Paragraphs, or the lines of a list."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one thing is."""

    title: str
    kind: str
    """What kind of thing, in a phrase: ``close code of the gateway``."""
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that a topic may mean: 4014 is one thing on the gateway and another on voice."""

    topic: str
    entries: tuple[Entry, ...]


def explain(topic: str, registry: Registry) -> Explanation | None:
    """Return what `topic` means; None where it is nothing known.

    A number or a name, with the plane or the kind of thing before it where that matters: ``4014``, ``voice 4006``,
    ``op 8``, ``remote-auth nonce_proof``, ``intents 33281``. Of bare numbers, 1000 to 4999 are close codes, smaller
    ones opcodes, and very large ones ids.
    """
    words = " ".join(topic.split())
    if words.lower() in ("rules", "rule", "findings"):
        return Explanation(words, (_all_rules(),))
    parsed = _parse(words)
    entries = _entries(parsed, registry)
    if (rule := rule_of(words.lower())) is not None:
        entries.append(explain_rule(rule, registry))
    elif (close := close_of(words.lower(), registry)) is not None:
        entries = [_close_code(close, registry)]
    if parsed.subject != words:
        # A plane's name can also be the first word of an opcode's: Voice State Update.
        entries += _named(_Topic(None, None, words), registry)
    return Explanation(words, tuple(dict.fromkeys(entries))) if entries else None


def explain_opcode(number: int | str, plane: str, registry: Registry, *, from_client: bool | None = None) -> Entry:
    """Return what an opcode is; of several that share the number, the one that goes that way."""
    row = registry.opcode(plane, number, from_client=from_client)
    return _unknown_opcode(number) if row is None else _opcode(row, registry)


def explain_event(name: str, registry: Registry) -> Entry:
    """Return what an event of the gateway is. `name` may be any text; it is not made inert."""
    row = registry.event(name)
    return _unknown_event(name) if row is None else _event(row, registry)


def explain_close(code: CloseCode | int, registry: Registry) -> Entry:
    """Return what a close code means: a row as `CloseCode.sent_by` made it, or a number that no table has."""
    return _unknown_close_code(code) if isinstance(code, int) else _close_code(code, registry)


def explain_intents(value: int, registry: Registry) -> Entry:
    """Return what an ``intents`` value asks for."""
    return _intents(value, registry)


def explain_rule(rule: Rule, registry: Registry) -> Entry:
    """Return what a rule notices, why that matters, and what to do."""
    return entry(
        rule.id,
        f"rule, {rule.severity.name.lower()}",
        ("Notices", f"{rule.title}."),
        ("Matters", rule.why),
        ("What to do", rule.remedy),
        ("Source", _sources(rule.source, registry)),
    )


def explain_capabilities(value: int, registry: Registry) -> Entry:
    """Return what a ``capabilities`` value claims."""
    return _capabilities(value, registry)


def entry(title: str, kind: str, *sections: tuple[str, str | Iterable[str]]) -> Entry:
    """Return an entry without the sections that have nothing to say."""
    parts = [(label, (text,) if isinstance(text, str) else tuple(text)) for label, text in sections]
    return Entry(title, kind, tuple(Section(label, lines) for label, lines in parts if any(lines)))


def suggest(topic: str, registry: Registry, limit: int = 5) -> list[str]:
    """Return up to `limit` topics that `topic` may have been meant to be, the likeliest first."""
    subject = _parse(" ".join(topic.split())).subject
    if _number(subject) is not None:
        return [f"intents {subject}", f"capabilities {subject}"][:limit]
    names = {slug(name): name for name in _names(registry)}
    return [names[found] for found in difflib.get_close_matches(slug(subject), names, limit)]


def render(explanation: Explanation, width: int = 80) -> str:
    """Return `explanation` as lines of at most `width` columns, where words allow."""
    return "\n\n".join("\n".join(_rendered(entry, width)) for entry in explanation.entries)


def _rendered(entry: Entry, width: int) -> Iterator[str]:
    yield f"{entry.title}  ({entry.kind})"
    margin = max((len(section.label) for section in entry.sections), default=0) + 4
    for section in entry.sections:
        label = f"  {section.label}"
        for line in section.lines:
            yield textwrap.fill(
                line,
                max(width, margin + 24),
                initial_indent=label.ljust(margin),
                subsequent_indent=" " * margin,
                break_long_words=False,
                break_on_hyphens=False,
            )
            label = ""


R = TypeVar("R", Opcode, CloseCode)


@dataclass(frozen=True, slots=True)
class _Topic:
    """A topic taken apart."""

    plane: str | None
    kind: str | None
    """``op``, ``close``, ``event``, ``intent``, ``capability``, ``id`` or ``error``."""
    subject: str

    def may_be(self, kind: str, plane: str | None = None) -> bool:
        return self.kind in (None, kind) and (plane is None or self.plane in (None, plane))


_TOPIC = re.compile(
    r"(?:(?P<plane>gateway|voice|remote[-_ ]?auth|rpc|media|websocket)\s)?"
    r"(?:(?:(?P<op>op|opcode)|(?P<close>close[-_ ]code|close|code)|(?P<event>event)|(?P<intent>intents?)"
    r"|(?P<capability>capability|capabilities)|(?P<id>id|snowflake)|(?P<error>error[-_ ]code|error))\s)?"
    r"(?P<subject>.*)",
    re.IGNORECASE | re.DOTALL,
)


def _parse(words: str) -> _Topic:
    match = _TOPIC.fullmatch(words)
    assert match is not None  # every part may be empty
    parts = match.groupdict()
    plane, subject = parts.pop("plane"), parts.pop("subject")
    if plane:
        plane = "remote-auth" if plane.lower().startswith("remote") else plane.lower()
    return _Topic(plane, next((kind for kind, found in parts.items() if found), None), subject)


def _number(subject: str) -> int | None:
    # Nothing that we explain has more than 64 bits.
    if not subject.isascii() or len(subject) > 20:
        return None
    if subject.isdigit():
        return int(subject)
    return int(subject, 16) if re.fullmatch(r"0[xX][0-9a-fA-F]+", subject) else None


def _entries(topic: _Topic, registry: Registry) -> list[Entry]:
    number = _number(topic.subject)
    if number is None:
        return _named(topic, registry)
    if topic.kind == "intent":
        return [_intents(number, registry)]
    if topic.kind == "capability":
        return [_capabilities(number, registry)]
    if topic.kind == "id" or (topic.kind is None and number >= snowflake.SMALLEST_LIKELY):
        return [_snowflake(number)]
    if topic.kind == "op" or (topic.kind is None and number < 1000):
        return [_opcode(row, registry) for row in _in_order(registry.opcodes(topic.plane, number))] or [
            _unknown_opcode(number)
        ]
    if topic.kind in (None, "close", "error"):
        return _closes(topic, number, registry)
    return []


def _closes(topic: _Topic, number: int, registry: Registry) -> list[Entry]:
    entries = []
    if topic.may_be("close"):
        found = registry.close_code(topic.plane, number) if topic.plane else None
        rows = [found] if found else [] if topic.plane else registry.close_codes(number=number)
        entries = [_close_code(row, registry) for row in _in_order(rows)]
    if topic.plane in (None, "rpc") and (error := registry.rpc_errors.get(number)):
        entries.append(_rpc_error(error, registry))
    if not entries and (topic.kind == "close" or 1000 <= number < 5000):
        entries.append(_unknown_close_code(number))
    return entries


def _named(topic: _Topic, registry: Registry) -> list[Entry]:
    """Return the entries of all things that have the topic's subject as their name."""
    name = slug(topic.subject)
    if not name:
        return []
    entries = []
    if topic.may_be("op"):
        for opcode in _in_order(registry.opcodes(topic.plane)):
            words = (opcode.number,) if isinstance(opcode.number, str) else ()
            if name in map(slug, (opcode.name, *words, *opcode.aliases)):
                entries.append(_opcode(opcode, registry))
    if topic.may_be("event", "gateway"):
        entries += [_event(row, registry) for row in registry.events.values() if slug(row.name) == name]
    if topic.may_be("close"):
        closes = [row for row in registry.close_codes(topic.plane) if slug(row.name) == name]
        entries += [_close_code(row, registry) for row in _in_order(closes)]
    if topic.may_be("intent", "gateway"):
        entries += [_intent(row, registry) for row in registry.intents if name in map(slug, (row.name, *row.aliases))]
    if topic.may_be("capability", "gateway"):
        entries += [_capability(row, registry) for row in registry.capabilities if slug(row.name) == name]
    if topic.may_be("error", "rpc"):
        entries += [_rpc_error(row, registry) for row in registry.rpc_errors.values() if slug(row.name) == name]
    if topic.kind is None and topic.plane is None:
        entries += [_term(row, registry) for row in registry.terms if name in map(slug, (row.name, *row.aliases))]
    if topic.may_be("error") and topic.plane is None:
        entries += [_error(row) for row in registry.errors.values() if slug(row.slug) == name]
    return entries


def _in_order(rows: list[R]) -> list[R]:
    planes = list(_PLANES)
    return sorted(rows, key=lambda row: planes.index(row.plane))


def _names(registry: Registry) -> Iterator[str]:
    for opcode in registry.opcodes():
        yield from (*opcode.aliases, opcode.name)
    yield from (row.name for row in registry.close_codes())
    yield from registry.events
    for intent in registry.intents:
        yield from (*intent.aliases, intent.name)
    yield from (row.name for row in registry.capabilities)
    yield from (row.name for row in registry.rpc_errors.values())
    yield from (word for row in registry.terms for word in (*row.aliases, row.name))
    yield from registry.errors
    yield from (rule.id for rule in RULES)


# One function for each kind of thing.


def _opcode(row: Opcode, registry: Registry) -> Entry:
    title = f"{row.number} {row.name}" if isinstance(row.number, int) else row.name
    return entry(
        title,
        f"opcode of {_PLANES[row.plane]}, {_DIRECTIONS[row.direction]}",
        ("Means", row.meaning),
        ("Status", _STATUS.get(row.status, "")),
        ("Written", str(row.number) if isinstance(row.number, str) and row.number != row.name else ""),
        ("Body (d)", row.fields),
        ("Message", "binary" if row.frame == "binary" else ""),
        ("Since", f"version {row.since}" if row.since else ""),
        ("Used by", row.used_by.replace("/", ", ").replace("both", "bots and users")),
        ("Limits", _limits(row, registry)),
        ("Also called", ", ".join(row.aliases)),
        ("Documented", _documented(row.official)),
        ("Source", _sources(row.source, registry)),
    )


def _limits(row: Opcode, registry: Registry) -> list[str]:
    if row.direction == "receive":
        return []
    found = [
        limit for limit in registry.limits if limit.plane == row.plane and row.name in (limit.opcodes or [row.name])
    ]
    # Those of this opcode first, those of all that is sent after.
    return [limit.says for limit in sorted(found, key=lambda limit: not limit.opcodes)]


def _close_code(row: CloseCode, registry: Registry) -> Entry:
    return entry(
        f"{row.number} {row.name}".strip(),
        f"close code of {_PLANES[row.plane]}" if row.name else "the client's own close code",
        ("What happened", row.meaning),
        ("Status", _STATUS.get(row.status, "")),
        ("By the client", row.by_client),
        ("By the server", row.by_server),
        ("Likely cause", row.cause),
        ("What to do", row.remedy),
        ("Look at", row.look_at),
        ("Reconnect", _YES[row.reconnect]),
        ("Resume", _YES[row.resume]),
        ("Basis", row.basis),
        ("Documented", _documented(row.official) if row.plane != "websocket" else ""),
        ("Source", _sources(row.source, registry)),
    )


def _event(row: DispatchEvent, registry: Registry) -> Entry:
    privileged = {intent.name for intent in registry.intents if intent.privileged}
    intents = [f"{name} (privileged)" if name in privileged else name for name in row.intents]
    return entry(
        row.name,
        f"event, {row.category}",
        ("Means", row.meaning),
        ("Status", _STATUS.get(row.status, "")),
        ("Comes to", _AUDIENCES[row.audience]),
        ("Intents", f"any of {', '.join(intents)}" if intents else "none needed"),
        ("Capability", row.capability or ""),
        ("Documented", _documented(row.official)),
        ("Source", _sources(row.source, registry)),
    )


def _intent(row: Intent, registry: Registry) -> Entry:
    return entry(
        row.name,
        f"intent, bit {row.bit}, value {1 << row.bit}",
        ("Privileged", "yes: it must be enabled for the application, else close 4014" if row.privileged else "no"),
        ("Limit", _approval(registry) if row.privileged else ""),
        ("For bots", _YES[row.bots]),
        ("Events", ", ".join(row.events) or "none"),
        ("Note", row.notes),
        ("Also called", ", ".join(row.aliases)),
        ("Documented", _documented(row.official)),
        ("Source", _sources(row.source, registry)),
    )


def _capability(row: Capability, registry: Registry) -> Entry:
    return entry(
        row.name,
        f"capability, bit {row.bit}, value {1 << row.bit}",
        ("Effect", row.effect),
        ("Source", _sources(row.source, registry)),
    )


def _rpc_error(row: RpcError, registry: Registry) -> Entry:
    return entry(
        f"{row.number} {row.name}",
        "error code of local RPC",
        ("Means", f"A command failed with this code: {row.name.replace('_', ' ').lower()}."),
        ("Status", _STATUS.get(row.status, "")),
        ("Look at", "data.code and data.message of the answer, whose evt is ERROR, and the command with its nonce."),
        ("Source", _sources(row.source, registry)),
    )


def _all_rules() -> Entry:
    sections = [
        (severity.name.lower(), [f"{rule.id}: {rule.title}." for rule in RULES if rule.severity is severity])
        for severity in reversed(Severity)
    ]
    return entry("All rules", f"{len(RULES)} of them; every abnormal close also gets a verdict", *sections)


def _term(row: Term, registry: Registry) -> Entry:
    return entry(
        row.name,
        "glossary term",
        ("Means", row.meaning),
        ("Also called", ", ".join(row.aliases)),
        ("See", ", ".join(row.see)),
        ("Source", _sources(row.source, registry)),
    )


def _error(row: ErrorNote) -> Entry:
    return entry(row.slug, "error of gwinspect", ("Means", row.meaning), ("What to do", row.remedy))


def _intents(value: int, registry: Registry) -> Entry:
    known, unknown = registry.intents_of(value)
    privileged = [intent.name for intent in known if intent.privileged]
    not_for_bots = [intent.name for intent in known if intent.bots is False]
    return entry(
        f"intents {value}",
        "what Identify asks for",
        ("Asks for", [_intent_line(intent) for intent in known] or "nothing: only events that need no intent come"),
        ("Unknown", f"{_bits(unknown)}: in no table; a bot that asks for it is closed with 4013" if unknown else ""),
        ("Privileged", f"{', '.join(privileged)}: without permission, close 4014" if privileged else "none of them"),
        ("Limit", _approval(registry) if privileged else ""),
        ("Not for bots", f"{', '.join(not_for_bots)}: for a bot, close 4013" if not_for_bots else ""),
        ("Events", ", ".join(sorted({event for intent in known for event in intent.events}))),
        ("Notes", [f"{intent.name}: {intent.notes}" for intent in known if intent.notes]),
        ("Source", _sources({source: 0 for intent in known for source in intent.source}, registry)),
    )


def _approval(registry: Registry) -> str:
    """Return who needs Discord's approval for privileged intents."""
    return next((limit.says for limit in registry.limits if limit.name == "privileged intents"), "")


def _intent_line(intent: Intent) -> str:
    marks = ["privileged"] * intent.privileged + ["not for bots"] * (intent.bots is False)
    return f"bit {intent.bit:<2} {intent.name}" + (f" ({', '.join(marks)})" if marks else "")


def _capabilities(value: int, registry: Registry) -> Entry:
    known, unknown = registry.capabilities_of(value)
    return entry(
        f"capabilities {value}",
        "what Identify of a user's client says it can handle",
        ("Claims", [f"bit {row.bit:<2} {row.name}: {row.effect}" for row in known] or "nothing"),
        ("Unknown", f"{_bits(unknown)}: in no table, though official clients do set such bits" if unknown else ""),
        ("Source", _sources({source: 0 for row in known for source in row.source}, registry)),
    )


def _snowflake(number: int) -> Entry:
    if number > snowflake.LARGEST:
        return entry(str(number), "no id", ("Means", "Too large for an id, which has at most 63 bits."))
    made = snowflake.split(number)
    at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=made.at_ms)
    zero = "The last 22 bits are 0, so it was probably computed from a time." if number & 0x3FFFFF == 0 else ""
    return entry(
        str(number),
        "id (snowflake)",
        ("Made", f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03} UTC"),
        ("Worker", str(made.worker)),
        ("Process", str(made.process)),
        ("Increment", str(made.increment)),
        ("Note", zero),
    )


def _unknown_opcode(number: int | str) -> Entry:
    return entry(
        f"op {number}",
        "opcode in no table",
        (
            "Means",
            "This opcode is not documented. That is normal: Discord adds opcodes before they are documented. It is "
            "shown as it came. If a client sent it and was closed with 4001, the gateway does not know it "
            "either.",
        ),
        ("What to do", _OWN_TABLE),
    )


def _unknown_event(name: str) -> Entry:
    return entry(
        name,
        "event in no table",
        (
            "Means",
            "This event is not documented. That is normal: Discord adds events before they are documented. It is "
            "shown as it came.",
        ),
        ("What to do", _OWN_TABLE),
    )


def _unknown_close_code(number: int) -> Entry:
    if number < 3000:
        means = "The numbers below 3000 belong to WebSocket itself, and this one has no meaning there that we know of."
    elif number < 4000:
        means = "The numbers from 3000 to 3999 are for libraries to register. Discord is not known to use them."
    else:
        means = (
            "From 4000 on, every service defines its own. This one is not documented; a client library may also have "
            "defined it."
        )
    return entry(
        str(number),
        "close code in no table",
        ("Means", means),
        ("What to do", "Reconnect and resume, as libraries do with codes they do not know; op 9 says if that fails."),
        ("Look at", "Who closed, the reason text, and the last payloads of both sides."),
        ("More", _OWN_TABLE),
    )


def _sources(ids: Iterable[str], registry: Registry) -> list[str]:
    rows = [registry.sources[name] for name in ids]
    return [
        " ".join(part for part in (row.title, row.revision and f"({row.revision})", row.url) if part) for row in rows
    ]


def _documented(official: bool) -> str:
    return "by Discord" if official else "not by Discord"


def _bits(bits: list[int]) -> str:
    return f"bit {bits[0]}" if len(bits) == 1 else f"bits {', '.join(map(str, bits))}"


# In the order in which people ask for them.
_PLANES = {
    "gateway": "the gateway",
    "voice": "voice gateways",
    "websocket": "WebSocket itself",
    "remote-auth": "the remote auth gateway",
    "rpc": "local RPC",
    "media": "the voice server's UDP",
}
_DIRECTIONS = {
    "send": "from client to server",
    "receive": "from server to client",
    "both": "sent by both ends",
}
_AUDIENCES = {
    "both": "bots and users",
    "bot": "bots",
    "user": "users' own clients",
    "oauth2": "sessions with an OAuth2 token",
}
_STATUS = {
    "deprecated": "deprecated: it still works, but something newer has replaced it",
    "retired": "retired: no longer in use",
    "observed": "seen in clients, documented nowhere",
    "legacy": "no longer sent",
}
_YES = {True: "yes", False: "no", None: "not known"}
_OWN_TABLE = (
    "If you know what it is, add a row to a table of your own, in a TOML file that GWINSPECT_TABLES names; "
    "'gwinspect explain bad-table' says more."
)
