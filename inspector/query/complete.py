"""What may be where the cursor is, for a person who is still writing."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from inspector.protocol.registry import Registry, slug
from inspector.query.fields import BY_NAME, FIELDS, Field
from inspector.query.grammar import Token, tokens
from inspector.query.tree import OPERATORS

# Candidates that are given at once.
MOST = 50

_WORD_REST = re.compile(r"[\w.-]*")

_MEANINGS = {
    "==": "is",
    "!=": "is not",
    "<": "below",
    "<=": "at most",
    ">": "above",
    ">=": "at least",
    "=~": "like, with * and ?, or /a regular expression/",
    "!~": "not like",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to continue."""

    text: str
    help: str


@dataclass(frozen=True, slots=True)
class Completions:
    """All ways to continue, the likeliest first. Each replaces the filter's characters from `start` to `end`."""

    start: int
    end: int
    items: tuple[Candidate, ...]


def complete(text: str, cursor: int, registry: Registry) -> Completions:
    """Return how the filter `text` may continue at `cursor`."""
    before = [token for token in tokens(text[:cursor]) if token.kind != "end"]
    word = before[-1] if before and before[-1].column + before[-1].length == cursor else None
    if word is not None and word.kind in ("word", "open", "operator") and word.text not in ("(", ",", ")"):
        before = before[:-1]
        if word.kind == "operator":
            if word.text in OPERATORS and before:
                # The operator is whole; the value comes next.
                return _ranked(cursor, cursor, "", _values([*before, word], registry))
            return Completions(cursor, cursor, ())
    else:
        word = None
    start = word.column if word else cursor
    end = cursor + _rest(text, cursor) if word else cursor
    return _ranked(start, end, word.text if word else "", _expected(before, registry))


def _expected(before: list[Token], registry: Registry) -> Iterator[Candidate]:
    """Yield what may follow the tokens `before`."""
    last = before[-1] if before else None
    if last is not None and _value_is_due(before):
        yield from _values(before, registry)
    elif _list_of(before) is not None:
        yield Candidate(",", "one more value")
        yield Candidate(")", "the end of the list")
    elif last is not None and last.is_word("in") and len(before) > 1 and _begins_list(before[-2]):
        yield Candidate("(", "a list of values: (one, two)")
    elif last is not None and last.is_word("not") and len(before) > 1 and _is_name(before[-2]):
        yield Candidate("in", "none of (one, two)")
    elif last is None or last.is_word("and", "or", "not") or (last.kind == "operator" and last.text != ")"):
        yield from (Candidate(field.name, f"{field.help}: {field.example}") for field in FIELDS)
        yield Candidate("d.", "anything in the payload: d.author.username == ada")
        if last is None or not last.is_word("not"):
            yield Candidate("not", "the opposite of what follows")
    elif _is_name(last) and not _is_value(before):
        field = BY_NAME.get(last.text.lower())
        for operator in OPERATORS:
            if field is None or _fits(operator, field):
                yield Candidate(operator, _MEANINGS[operator])
        yield Candidate("in", "any of (one, two)")
    else:
        yield Candidate("and", "both")
        yield Candidate("or", "either")


def _is_name(token: Token) -> bool:
    text = token.text.lower()
    return token.kind == "word" and (text in BY_NAME or text == "d" or text.startswith("d."))


def _begins_list(token: Token) -> bool:
    return _is_name(token) or token.is_word("not")


def _value_is_due(before: list[Token]) -> bool:
    last = before[-1]
    if last.kind == "operator" and last.text in OPERATORS:
        return True
    return last.kind == "operator" and last.text in ("(", ",") and _list_of(before) is not None


def _list_of(before: list[Token]) -> Token | None:
    """Return the name before the open list ``name in (…`` that `before` ends in."""
    for at in range(len(before) - 1, 1, -1):
        if before[at].text == ")" and before[at].kind == "operator":
            return None
        if before[at].text == "(" and before[at].kind == "operator":
            if not before[at - 1].is_word("in"):
                return None
            name = before[at - 2]
            return before[at - 3] if name.is_word("not") and at > 2 else name
    return None


def _is_value(before: list[Token]) -> bool:
    return len(before) > 1 and before[-2].kind == "operator" and before[-2].text in OPERATORS


def _fits(operator: str, field: Field) -> bool:
    if operator in ("=~", "!~"):
        return field.type in ("text", "word")
    return operator in ("==", "!=") or field.type in ("number", "size", "id", "time", "severity", "op", "close")


def _values(before: list[Token], registry: Registry) -> Iterator[Candidate]:
    name = _list_of(before) or (before[-2] if len(before) > 1 else None)
    field = BY_NAME.get(name.text.lower()) if name else None
    if field is None:
        return
    yield from (Candidate(word, "") for word in field.words)
    if field.type == "op":
        for row in registry.opcodes():
            yield Candidate(slug(row.name), f"{row.plane} {row.number}")
    elif field.type == "close":
        for code in registry.close_codes():
            yield Candidate(str(code.number), f"{code.plane}: {code.name}")
    elif field.name == "event":
        for event in registry.events.values():
            yield Candidate(event.name, event.meaning)
    elif not field.words:
        yield Candidate(field.example.split(" ", 2)[2], "for example")


def _ranked(start: int, end: int, typed: str, candidates: Iterable[Candidate]) -> Completions:
    wanted = typed.lower()
    unique: dict[str, Candidate] = {}
    for candidate in candidates:
        if wanted in candidate.text.lower():
            unique.setdefault(candidate.text, candidate)
    found = list(unique.values())
    found.sort(key=lambda candidate: not candidate.text.lower().startswith(wanted))
    if len(found) == 1 and found[0].text == typed:
        found = []
    return Completions(start, end, tuple(found[:MOST]))


def _rest(text: str, cursor: int) -> int:
    """Return how many characters of the word at the cursor are behind it."""
    found = _WORD_REST.match(text, cursor)
    return len(found[0]) if found else 0
