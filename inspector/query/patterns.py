r"""What ``=~`` looks for, in time that grows with the text and no faster.

Python's own regular expressions can take hours over a few dozen characters (``(a+)+b``), and texts come from the wire.
So an expression becomes an automaton whose states are made as they are met: each character of a text costs one look-up.
That rules out what looks back or ahead (``\1``, ``(?=…)``); such an expression is refused, in a sentence. A text that
lacks a literal which every match has is not read at all.

The method: https://swtch.com/~rsc/regexp/regexp1.html
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

# Characters of one text that patterns are tried on.
MAX_MATCHED = 65_536
# Repetitions, parts of an automaton, and states made before all of them are forgotten.
_MAX_TIMES, _MAX_PARTS, _MAX_STATES = 1000, 1500, 2000
# Answers kept per pattern, and characters of a text up to which they are: names of events come by the thousand.
_MAX_KEPT, _KEPT_LENGTH = 2000, 80

Matcher = Callable[[str], bool]
"""Says whether a pattern stands anywhere in a text."""


def matcher(pattern: str, *, regex: bool) -> Matcher:
    """Return what tells whether a text matches. Raises ValueError, with a sentence, where `pattern` cannot be used.

    A glob knows ``*`` and ``?``, is the whole text, and cares for no case; without either it may stand anywhere. A
    regular expression may stand anywhere, and cares for case unless it begins with ``(?i)``.
    """
    search = _Automaton(pattern).search if regex else _glob(pattern)
    kept: dict[str, bool] = {}

    def matches(text: str) -> bool:
        if len(text) > _KEPT_LENGTH:
            return search(text[:MAX_MATCHED])
        found = kept.get(text)
        if found is None:
            if len(kept) >= _MAX_KEPT:
                kept.clear()
            found = kept[text] = search(text)
        return found

    return matches


def _glob(pattern: str) -> Matcher:
    if "*" not in pattern and "?" not in pattern:
        anywhere = re.compile(re.escape(pattern), re.IGNORECASE)
        return lambda text: anywhere.search(text) is not None
    # Each star ends at the first place where what follows it stands, and is never tried again.
    parts = re.split(r"\*+", pattern)
    first, *others = (re.escape(part).replace(r"\?", ".") for part in parts)
    middle = "".join(f"(?>.*?{part})" for part in others[:-1])
    # What the last part is matched with may not be what those before it have taken already.
    end = rf"(?=.{{{len(parts[-1])}}}).*(?<={others[-1]})\Z" if others else r"\Z"
    whole = re.compile(rf"\A{first}{middle}{end}", re.IGNORECASE | re.DOTALL)
    return lambda text: whole.search(text) is not None


# What an expression is read as.


@dataclass(frozen=True, slots=True)
class _One:
    """One character."""

    fits: Callable[[str], object]
    literal: str
    """The only one that fits, in its case or another; empty where several do."""


@dataclass(frozen=True, slots=True)
class _At:
    """A place between two characters."""

    place: str


@dataclass(frozen=True, slots=True)
class _Row:
    parts: "tuple[_Part, ...]"


@dataclass(frozen=True, slots=True)
class _Choice:
    parts: "tuple[_Part, ...]"


@dataclass(frozen=True, slots=True)
class _Repeat:
    part: "_Part"
    least: int
    most: int | None


_Part = _One | _At | _Row | _Choice | _Repeat

_ATOM = re.compile(
    r"(?P<group>\((?:\?:|\?P<\w+>)?(?!\?))|(?P<at>[\^$]|\\[bBAZ])|(?P<back>\\[1-9])"
    r"|(?P<one>\[\^?\]?(?:[^\]\\]|\\.)*\]|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^()|*+?])",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\[^\w\s]")
_TOO_MUCH = "this regular expression repeats too much; use smaller numbers"
_TIMES = re.compile(r"(?:([*+?])|\{(\d+)\}|\{(\d*),(\d*)\})([?+]?)")


class _Reading:
    """Reads an expression that Python takes for one, from left to right."""

    def __init__(self, pattern: str) -> None:
        self.flags = re.IGNORECASE if pattern.startswith("(?i)") else re.NOFLAG
        self._text = pattern.removeprefix("(?i)")
        self._at = 0

    def choice(self) -> _Part:
        parts = [self._row()]
        while self._text[self._at : self._at + 1] == "|":
            self._at += 1
            parts.append(self._row())
        return parts[0] if len(parts) == 1 else _Choice(tuple(parts))

    def _row(self) -> _Part:
        parts: list[_Part] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            part = self._atom()
            while times := _TIMES.match(self._text, self._at):
                part = self._repeat(part, times)
            parts.append(part)
        return _Row(tuple(parts))

    def _atom(self) -> _Part:
        found = _ATOM.match(self._text, self._at)
        if found is None or found["back"]:
            part = self._text[self._at : self._at + 3]
            raise ValueError(f"{part} cannot be matched in bounded time; write it without")
        self._at = found.end()
        if found["group"]:
            inner = self.choice()
            self._at += 1
            return inner
        if found["at"]:
            return _At(found["at"])
        one = found["one"]
        literal = one if len(one) == 1 and one != "." else one[1:] if _ESCAPED.fullmatch(one) else ""
        return _One(re.compile(one, self.flags).fullmatch, literal)

    def _repeat(self, part: _Part, times: re.Match[str]) -> _Part:
        sign, exactly, least, most, more = times.groups()
        if more == "+":
            raise ValueError(f"{times[0]} cannot be matched in bounded time; write it without the last +")
        self._at = times.end()
        if sign:
            return _Repeat(part, int(sign == "+"), 1 if sign == "?" else None)
        repeat = _Repeat(part, int(exactly or least or 0), int(exactly or most) if exactly or most else None)
        if max(repeat.least, repeat.most or 0) > _MAX_TIMES:
            raise ValueError(_TOO_MUCH)
        return repeat


def _needed(part: _Part) -> list[str]:
    """Return literals that are in whatever `part` matches."""
    match part:
        case _One(_, literal):
            return [literal] if literal else []
        case _Row(parts):
            found, run = [], ""
            for inner in parts:
                if isinstance(inner, _One) and inner.literal:
                    run += inner.literal
                elif not isinstance(inner, _At):
                    found += [run, *_needed(inner)]
                    run = ""
            return [literal for literal in [*found, run] if literal]
        case _Repeat(inner, least):
            return _needed(inner) if least else []
    return []


class _State(dict[str, "_State"]):
    """Where an automaton may be after a character; the next states by the next character."""

    __slots__ = ("before", "parts")

    def __init__(self, parts: frozenset[int], before: str) -> None:
        super().__init__()
        self.parts = parts
        self.before = before
        """What the last character was: ``start`` where there was none, ``word``, ``other``."""


_FOUND = _State(frozenset(), "")


class _Automaton:
    """A regular expression as parts, each with the numbers of those that may follow it."""

    def __init__(self, pattern: str) -> None:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"this is not a regular expression: {error}") from error
        # The first part is the end: anyone who comes to it has found the pattern.
        self._parts: list[_One | _At | None] = [None]
        self._next: list[tuple[int, ...]] = [()]
        reading = _Reading(pattern)
        whole = reading.choice()
        self._needed = [re.compile(re.escape(literal), reading.flags).search for literal in _needed(whole)]
        self._begin = self._build(whole, 0)
        self._states: dict[tuple[frozenset[int], str], _State] = {}
        self._start = _State(frozenset((self._begin,)), "start")

    def search(self, text: str) -> bool:
        """Say whether the pattern stands anywhere in `text`."""
        if not all(find(text) for find in self._needed):
            return False
        state = self._start
        for character in text:
            after = state.get(character)
            state = self._after(state, character) if after is None else after
            if state is _FOUND:
                return True
        return self._after(state, "") is _FOUND

    def _after(self, state: _State, character: str) -> _State:
        """Return the state that `character` leads to; no character stands for the end of the text."""
        following = "end" if not character else "word" if _is_word(character) else "other"
        pending, seen, parts = list(state.parts), set(state.parts), {self._begin}
        for number in pending:
            part = self._parts[number]
            if isinstance(part, _One):
                if character and part.fits(character):
                    parts.update(self._next[number])
                continue
            if number == 0:
                state[character] = _FOUND
                return _FOUND
            if part is None or _holds(part.place, state.before, following):
                pending += [other for other in self._next[number] if other not in seen]
                seen.update(self._next[number])
        if len(self._states) >= _MAX_STATES:
            self._states.clear()
            self._start.clear()
        key = frozenset(parts), following
        after = self._states.setdefault(key, _State(*key))
        if len(state) < _MAX_STATES:
            state[character] = after
        return after

    def _build(self, part: _Part, after: int) -> int:
        """Add `part`, and return the number of where it begins; `after` is the number of what follows it."""
        match part:
            case _One() | _At():
                return self._add(part, (after,))
            case _Row(parts):
                for inner in reversed(parts):
                    after = self._build(inner, after)
                return after
            case _Choice(parts):
                return self._add(None, tuple(self._build(inner, after) for inner in parts))
            case _Repeat(inner, least, most):
                begin = after
                if most is None:
                    begin = self._add(None, ())
                    self._next[begin] = (self._build(inner, begin), after)
                else:
                    for _ in range(most - least):
                        begin = self._add(None, (self._build(inner, begin), after))
                for _ in range(least):
                    begin = self._build(inner, begin)
                return begin

    def _add(self, part: _One | _At | None, following: tuple[int, ...]) -> int:
        if len(self._parts) >= _MAX_PARTS:
            raise ValueError(_TOO_MUCH)
        self._parts.append(part)
        self._next.append(following)
        return len(self._parts) - 1


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _holds(place: str, before: str, following: str) -> bool:
    match place:
        case "^" | r"\A":
            return before == "start"
        case "$" | r"\Z":
            return following == "end"
    boundary = (before == "word") != (following == "word")
    return boundary == (place == r"\b")
