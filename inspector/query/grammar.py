"""Text to filters.

    filter   := either
    either   := both (("or" | "||") both)*
    both     := one (("and" | "&&") one)*
    one      := ("not" | "!") one | "(" either ")" | comparison | path | text
    comparison := name operator value | name ["not"] "in" "(" value ("," value)* ")"

Where it cannot be read, `FilterError` names the column, what is there and what was expected.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn, cast

from wcwidth import wcswidth

from inspector.errors import UsageError
from inspector.inert import inert
from inspector.model import Severity
from inspector.protocol.registry import Registry, slug
from inspector.protocol.snowflake import MOST_DIGITS
from inspector.query.fields import BY_NAME, Field, names
from inspector.query.moments import EXPECTED, parse_moment
from inspector.query.patterns import matcher
from inspector.query.tree import (
    OPERATORS,
    And,
    Code,
    Compare,
    Everything,
    Filter,
    InPayload,
    Not,
    Operator,
    Or,
    Pattern,
    Text,
    Value,
)
from inspector.store.ids import cell_of

# Characters of a filter, levels of its brackets, comparisons and texts in it. SQLite has limits of its own behind them.
MAX_LENGTH, MAX_DEPTH, MAX_TERMS = 4000, 20, 100
# Values of a list, steps of a path, characters of a pattern, stars of a pattern.
MAX_VALUES, MAX_STEPS, MAX_PATTERN, MAX_STARS = 500, 16, 200, 8

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<open>["'])
      | (?P<operator>==|!=|<=|>=|=~|!~|&&|\|\||[<>=!(),])
      | (?P<word>[^\s"'<>=!(),&|]+|[&|])
    )""",
    re.VERBOSE,
)
_REGEX = re.compile(r"\s*/((?:[^/\\]|\\.)*)/")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(k|m|g)?i?b?", re.IGNORECASE | re.ASCII)
_SIZE_UNITS = {"": 1, "k": 1000, "m": 1_000_000, "g": 1_000_000_000}
# The largest number that SQLite compares with.
_TOO_LARGE = 2**63
_ALIASES = {"=": "==", "&&": "and", "||": "or", "!": "not"}
_NOT_UNICODE = re.compile("[\ud800-\udfff]+")
_KEYWORDS = ("and", "or", "not", "in")


class FilterError(UsageError):
    """A filter that cannot be read."""

    def __init__(self, text: str, column: int, length: int, what: str) -> None:
        what = inert(what)
        super().__init__(f"the filter is wrong at column {column + 1}: {what}")
        self.text = text
        """The whole filter."""
        self.column = column
        """Where it is wrong, from 0."""
        self.length = max(length, 1)
        """For how many characters."""
        self.what = what
        """The sentence without the column."""
        self.shown = self.caret()

    def caret(self) -> str:
        """Return two lines for a terminal: the filter, and a mark under what is wrong."""
        before, wrong = inert(self.text[: self.column]), inert(self.text[self.column : self.column + self.length])
        return f"{inert(self.text)}\n{' ' * wcswidth(before)}{'^' * max(wcswidth(wrong), 1)}"


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """``word``, ``quoted``, ``operator``, ``open`` for a quote that nothing closes, or ``end``."""
    text: str
    """Without quotes."""
    column: int
    length: int

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.lower() in words


def tokens(text: str) -> list[Token]:
    """Return the tokens of `text`, with one of kind ``end`` after the last."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        # A pattern between slashes is one only after its operator: a/b elsewhere is a word.
        regex = _REGEX.match(text, at) if found and found[-1].text in ("=~", "!~") else None
        match = regex or _TOKEN.match(text, at)
        if match is None:
            break
        if regex:
            found.append(
                Token(
                    "regex", regex[1].replace(r"\/", "/"), regex.end() - len(regex[0].lstrip()), len(regex[0].lstrip())
                )
            )
        else:
            kind = match.lastgroup or "word"
            body = match[kind]
            plain = re.sub(r"\\(.)", r"\1", body[1:-1], flags=re.DOTALL) if kind == "quoted" else body
            found.append(
                Token(kind, _ALIASES.get(plain, plain) if kind == "operator" else plain, match.start(kind), len(body))
            )
        at = match.end()
    return [*found, Token("end", "", len(text), 0)]


def parse(text: str, registry: Registry) -> Filter:
    """Return the filter that `text` describes; no text lets everything through. Raises FilterError."""
    if len(text) > MAX_LENGTH:
        raise FilterError(text, MAX_LENGTH, 1, f"it has {len(text):,} characters; {MAX_LENGTH:,} are allowed")
    if found := _NOT_UNICODE.search(text):
        # Python stands them in for bytes of a command line that are not UTF-8; SQLite takes no such text.
        raise FilterError(text, found.start(), len(found[0]), "this is not UTF-8 text; write the filter in UTF-8")
    return _Parser(text, registry).whole()


class _Parser:
    def __init__(self, text: str, registry: Registry) -> None:
        self._text = text
        self._registry = registry
        self._tokens = tokens(text)
        self._at = 0
        self._depth = 0
        self._terms = 0

    def whole(self) -> Filter:
        if self._now.kind == "end":
            return Everything()
        found = self._either()
        if self._now.kind != "end":
            if self._now.text == ")":
                self._fail(self._now, "this ) closes nothing; remove it, or add a ( before it")
            self._fail(
                self._now,
                f"{self._said(self._now)} follows without `and` or `or`; put a text with spaces in quotes",
            )
        return found

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._now
        if token.kind != "end":
            self._at += 1
        return token

    def _either(self) -> Filter:
        items = [self._both()]
        while self._now.is_word("or") or (self._now.text == "or" and self._now.kind == "operator"):
            self._take()
            items.append(self._both())
        return items[0] if len(items) == 1 else Or(tuple(items))

    def _both(self) -> Filter:
        items = [self._one()]
        while self._now.is_word("and") or (self._now.text == "and" and self._now.kind == "operator"):
            self._take()
            items.append(self._one())
        return items[0] if len(items) == 1 else And(tuple(items))

    def _one(self) -> Filter:
        self._depth += 1
        token = self._take()
        if self._depth > MAX_DEPTH:
            self._fail(token, f"it nests deeper than {MAX_DEPTH} levels")
        try:
            return self._begun_by(token)
        finally:
            self._depth -= 1

    def _begun_by(self, token: Token) -> Filter:
        if token.is_word("not") or (token.kind == "operator" and token.text == "not"):
            return Not(self._one())
        if token.kind == "operator" and token.text == "(":
            inner = self._either()
            closing = self._take()
            if closing.kind == "end":
                self._fail(token, "this ( is never closed")
            if closing.text != ")" or closing.kind != "operator":
                self._fail(closing, f"expected ) before {self._said(closing)}")
            return inner
        if token.kind == "open":
            self._fail(token, "this quote is never closed")
        if token.kind == "quoted":
            self._count(token)
            if not token.text:
                self._fail(token, "there is nothing between the quotes to look for")
            return Text(token.text)
        if token.kind == "word" and not token.is_word(*_KEYWORDS):
            return self._named(token)
        if token.kind == "end":
            self._fail(token, "it ends where a comparison, a path or a text was expected")
        return self._fail(token, f"expected a comparison, a path or a text, not {self._said(token)}")

    def _count(self, token: Token) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            self._fail(token, f"it has more than {MAX_TERMS} comparisons and texts; `in (one, two)` takes many values")

    def _named(self, token: Token) -> Filter:
        """Read what a word begins: a comparison, a path, or itself."""
        self._count(token)
        following = self._now
        compared = following.kind == "operator" and following.text in OPERATORS
        listed = following.is_word("in") or (following.is_word("not") and self._tokens[self._at + 1].is_word("in"))
        path = _path(token.text)
        if path is not None and len(path) > MAX_STEPS:
            self._fail(token, f"a path has at most {MAX_STEPS} steps")
        if not compared and not listed:
            return InPayload(path, None, ()) if path else Text(token.text)
        field = None if path is not None else BY_NAME.get(token.text.lower())
        if path is None and field is None:
            near = difflib.get_close_matches(token.text.lower(), [*BY_NAME, "d.content"], 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"a field is one of {', '.join(names())}, or d.PATH"
            self._fail(token, f"there is no field {_short(token.text)}; {hint}")
        if listed:
            negated = self._take().is_word("not")
            if negated:
                self._take()
            made = _compared(field, path, "==", self._list(field))
            return Not(made) if negated else made
        operator_token = self._take()
        operator = cast(Operator, operator_token.text)
        self._check_operator(field, operator, operator_token)
        return _compared(field, path, operator, (self._value(field, operator),))

    def _list(self, field: Field | None) -> tuple[Value, ...]:
        opening = self._take()
        if opening.text != "(" or opening.kind != "operator":
            self._fail(opening, f"expected ( after `in`, not {self._said(opening)}")
        values = []
        while True:
            values.append(self._value(field, "=="))
            token = self._take()
            if token.text == ")" and token.kind == "operator":
                break
            if token.text != "," or token.kind != "operator":
                self._fail(token, f"expected , or ) in the list, not {self._said(token)}")
            if len(values) >= MAX_VALUES:
                self._fail(token, f"a list has at most {MAX_VALUES} values")
        return tuple(values)

    def _check_operator(self, field: Field | None, operator: Operator, token: Token) -> None:
        if field is None:
            return
        ordered = field.type in ("number", "size", "id", "time", "severity", "op", "close")
        if operator in ("<", "<=", ">", ">=") and not ordered:
            self._fail(token, f"{field.name} has no order; compare it with ==, != or =~")
        if operator in ("=~", "!~") and field.type not in ("text", "word"):
            self._fail(token, f"{field.name} is not text; compare it with ==, !=, < or >")

    def _value(self, field: Field | None, operator: Operator) -> Value:
        token = self._take()
        if token.kind == "open":
            self._fail(token, "this quote is never closed")
        if token.kind == "end":
            self._fail(token, f"the filter ends where a value was expected{_such_as(field)}")
        if token.kind == "operator":
            self._fail(token, f"expected a value{_such_as(field)}, not {token.text}")
        if token.kind == "regex" or operator in ("=~", "!~"):
            return self._pattern(token)
        ordering = operator not in ("==", "!=")
        if token.kind == "word" and token.text.lower() == "null":
            if ordering:
                self._fail(token, "null has no order; compare with == or !=")
            return None
        if field is not None:
            return self._typed(field, operator, token)
        if not ordering:
            return _literal(token)
        number = _literal(token)
        if isinstance(number, str):
            number = _size(number)
        if number is None or isinstance(number, bool):
            self._fail(token, f"{operator} compares with a number or a size such as 4k, not with {_short(token.text)}")
        return number

    def _pattern(self, token: Token) -> Pattern:
        if len(token.text) > MAX_PATTERN:
            self._fail(token, f"a pattern has at most {MAX_PATTERN} characters")
        if token.kind == "regex":
            try:
                matcher(token.text, regex=True)
            except ValueError as error:
                self._fail(token, str(error))
        elif token.text.count("*") > MAX_STARS:
            self._fail(token, f"a pattern has at most {MAX_STARS} stars")
        return Pattern(token.text, token.kind == "regex")

    def _typed(self, field: Field, operator: Operator, token: Token) -> Value:
        text, said = token.text, _short(token.text)
        match field.type:
            case "id":
                if re.fullmatch(rf"-?\d{{1,{MOST_DIGITS}}}", text, re.ASCII) and cell_of(int(text)) is not None:
                    return int(text)
                self._fail(
                    token, f"{field.name} is compared with an id of at most {MOST_DIGITS} digits, not with {said}"
                )
            case "number":
                if re.fullmatch(r"-?\d{1,20}", text, re.ASCII) and abs(int(text)) < _TOO_LARGE:
                    return int(text)
                self._fail(token, f"{field.name} is compared with a whole number of at most 63 bits, not with {said}")
            case "size":
                size = _size(text)
                if size is not None:
                    return size
                self._fail(token, f"{field.name} is compared with a size such as 900, 4k or 1.5MB, not with {said}")
            case "time":
                moment = parse_moment(text)
                if moment is not None:
                    return moment
                self._fail(token, f"a time is written as {EXPECTED}, not as {said}")
            case "op" | "close":
                return self._codes(field, operator, token)
            case "word" | "mark" | "severity":
                if text.lower() in field.words:
                    return Severity[text.upper()].value if field.type == "severity" else text.lower()
                self._fail(token, f"{field.name} is one of {', '.join(field.words)}, not {said}", near=field.words)
        return text

    def _codes(self, field: Field, operator: Operator, token: Token) -> tuple[Code, ...]:
        text = token.text
        if re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
            return (Code(int(text)),)
        wanted = slug(text)
        rows: Iterable[tuple[str, int | str, str, tuple[str, ...]]]
        if field.type == "op":
            rows = [(row.plane, row.number, row.name, row.aliases) for row in self._registry.opcodes()]
        else:
            rows = [(row.plane, row.number, row.name, ()) for row in self._registry.close_codes()]
        found = []
        for plane, number, name, aliases in rows:
            if wanted in (slug(name), *map(slug, aliases)) or (isinstance(number, str) and slug(number) == wanted):
                found.append(Code(number, None if plane == "websocket" else plane, name))
        if not found and token.kind == "quoted" and field.type == "op":
            # Remote auth and RPC have words for opcodes, and the wire may claim any.
            return (Code(text),)
        if not found:
            kind = "opcode" if field.type == "op" else "close code"
            self._fail(token, f"there is no {kind} named {_short(text)}", near=[slug(name) for _, _, name, _ in rows])
        if operator not in ("==", "!="):
            self._fail(token, f"a name is compared with == or !=; write the number to compare with {operator}")
        return tuple(dict.fromkeys(found))

    def _said(self, token: Token) -> str:
        return "the end" if token.kind == "end" else _short(token.text)

    def _fail(self, token: Token, what: str, *, near: Iterable[str] = ()) -> NoReturn:
        close = difflib.get_close_matches(slug(token.text), list(near), 1, 0.5)
        raise FilterError(
            self._text, token.column, token.length, what + (f"; did you mean {close[0]}?" if close else "")
        )


def _compared(
    field: Field | None, path: tuple[str, ...] | None, operator: Operator, values: tuple[Value, ...]
) -> Filter:
    return InPayload(path or (), operator, values) if field is None else Compare(field, operator, values)


def _path(text: str) -> tuple[str, ...] | None:
    """Return the steps of ``d.a.0.b``, none for ``d``; None where it is no path."""
    first, *steps = text.split(".")
    return tuple(steps) if first == "d" and all(steps) else None


def _size(text: str) -> int | None:
    size = _SIZE.fullmatch(text)
    number = round(float(size[1]) * _SIZE_UNITS[(size[2] or "").lower()]) if size and len(text) < 20 else _TOO_LARGE
    return number if number < _TOO_LARGE else None


def _short(text: str) -> str:
    """Return a text as a sentence quotes it."""
    return repr(text if len(text) <= 40 else text[:40] + "…")


def _literal(token: Token) -> Value:
    """Return a value to compare something in a payload with. Digits stay text: ids are compared as both."""
    if token.kind == "word" and token.text.lower() in ("true", "false"):
        return token.text.lower() == "true"
    if token.kind == "word" and re.fullmatch(r"-?\d{1,30}", token.text, re.ASCII):
        return int(token.text)
    if token.kind == "word" and re.fullmatch(r"-?\d{1,30}\.\d{1,30}", token.text, re.ASCII):
        return float(token.text)
    return token.text


def _such_as(field: Field | None) -> str:
    return f", as in {field.example}" if field else ""
