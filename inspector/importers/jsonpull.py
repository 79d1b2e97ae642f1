"""A JSON document of a file, read piece by piece: who reads it says which parts are wanted, and the rest goes by.

The standard library's scanner does the work on a window of the text, so what is read means what `json` says it means:
NaN, lone surrogates, keys that come twice. The rule: memory is bounded, whatever the file. What is larger than
`MAX_TEXT`, or is long and has more than `MAX_VALUES` values in it, comes out as None and is counted.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn, Protocol

# Bytes read at once.
_BLOCK = 256 * 1024
# Characters of a value up to which it is simply tried. What is longer is measured first.
_SHORT = 1024 * 1024
# Characters of the longest value that is read: ten times a user account's READY.
MAX_TEXT = 32 * 1024 * 1024
# Values within a long one.
MAX_VALUES = 100_000

_SPACE = re.compile(r"[ \t\n\r]*+")
# Up to the next string or bracket that matters; lists of plain values, and what is empty, do not.
_PLAIN = re.compile(r'(?:[^"\[\]{}]*+(?:\[[^"\[\]{}]*+\]|\{\}))*+[^"\[\]{}]*+')
_IN_STRING = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],"]', re.DOTALL)


class Readable(Protocol):
    """What a document is read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""

    def close(self) -> None:
        """Let go of it."""


class Damaged(Exception):
    """The document breaks off, or is none from `Pull.place` on."""


class Pull:
    """One document. Each method reads on from where the one before ended; all but `place` raise `Damaged`.

    RecursionError comes out where values nest deeper than the program's stack has room for.
    """

    def __init__(self, file: Readable) -> None:
        head = file.read(_BLOCK)
        self._file = file
        self._decoder = codecs.getincrementaldecoder(json.detect_encoding(head))("replace")
        self._text = self._decoder.decode(head, final=not head)
        self._at = 0
        self._ended = not head
        self._gone = 0
        self._lines = 0
        self._damage: int | None = None
        self.left_out = 0
        """Values that were too large."""

    def place(self) -> tuple[int, int, int]:
        """Return the character at which the document is damaged, its line, and how many characters the file has.

        Reads the file to its end.
        """
        at = self._damage if self._damage is not None else self._at
        place, line = self._gone + at, self._lines + self._text.count("\n", 0, at) + 1
        total = self._gone + len(self._text)
        while not self._ended:
            data = self._file.read(_BLOCK)
            self._ended = not data
            total += len(self._decoder.decode(data, final=not data))
        return place, line, total

    def members(self) -> Iterator[str]:
        """Yield the keys of an object. The value of each is to be read before the next is asked for."""
        self._expect("{")
        if self._next() == "}":
            self._at += 1
            return
        while True:
            if self._next() != '"':
                self._give_up(self._at)
            key = self.value()
            self._expect(":")
            yield str(key)
            if self._goes_on("}"):
                return

    def items(self) -> Iterator[None]:
        """Yield once for each item of a list. It is to be read before the next is asked for."""
        self._expect("[")
        if self._next() == "]":
            self._at += 1
            return
        while True:
            yield
            if self._goes_on("]"):
                return

    def value(self) -> Any:
        """Read a value and return it, whatever it is; None where it is too large.

        Of one in which the document breaks off, what there is of it is returned, and what follows raises.
        """
        self._next()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                wrong = error.pos
            else:
                # A number may continue in what follows: 1 with .5, or with e+5.
                length = end - self._at
                if end + 2 < len(self._text) or not self._more():
                    self._at += length
                    return found
                continue
            if self._ended:
                return self._rest_until(wrong)
            if len(self._text) - self._at > _SHORT:
                return self._long_value()
            self._more()

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self._next():
            self._give_up(self._at)

    def kind(self) -> str:
        """Return the first character of the next value."""
        return self._next()

    def _long_value(self) -> Any:
        values, fits = self._measure()
        # That it has an end does not mean that it is a value.
        if not fits or values > MAX_VALUES:
            self.left_out += 1
            return None
        end = self._at
        self._at = self._start
        try:
            found, self._at = _DECODER.raw_decode(self._text[:end], self._at)
        except json.JSONDecodeError as error:
            return self._rest_until(error.pos)
        return found

    def _measure(self) -> tuple[int, bool]:
        """Go to the end of a value. Return how many it has within, and whether all of its text is in the window.

        It begins at `_start` then.
        """
        self._start = self._at
        if self._text[self._at] not in '"[{':
            # No number has a million digits.
            self._give_up(self._at)
        values, depth, fits = 0, 0, True
        while True:
            plain = _PLAIN.match(self._text, self._at)
            end = plain.end() if plain else self._at
            values += sum(self._text.count(each, self._at, end) for each in ",[{")
            self._at = end
            if end == len(self._text):
                fits = self._go_on(fits)
                continue
            found = self._text[end]
            self._at += 1
            if found == '"':
                fits = self._to_end_of_string(fits)
            elif found in "[{":
                depth += 1
                values += 1
            else:
                depth -= 1
            if depth <= 0:
                return values, fits and self._at - self._start <= MAX_TEXT

    def _to_end_of_string(self, fits: bool) -> bool:
        """Go behind the end of a string that has begun, and return whether its text is still to be kept."""
        while True:
            inside = _IN_STRING.match(self._text, self._at)
            self._at = inside.end() if inside else self._at
            if self._text[self._at : self._at + 1] == '"':
                self._at += 1
                return fits
            fits = self._go_on(fits)

    def _go_on(self, keep: bool) -> bool:
        """Get more text, and return whether the value that begins at `_start` is still kept.

        It is let go of once it is too long.
        """
        keep = keep and self._at - self._start <= MAX_TEXT
        length = self._at - self._start if keep else 0
        if keep:
            self._at = self._start
        is_more = self._more()
        self._at, self._start = self._at + length, self._at
        if not is_more:
            self._give_up(self._at)
        return keep

    def _rest_until(self, wrong: int) -> Any:
        """Return what is whole of the value in which the document is damaged."""
        self._damage = wrong
        text = self._text[self._at : wrong]
        if len(text) > _SHORT:
            raise Damaged
        try:
            return _DECODER.decode(_close(text))
        except ValueError:
            raise Damaged from None

    def _expect(self, char: str) -> None:
        if self._next() != char:
            self._give_up(self._at)
        self._at += 1

    def _goes_on(self, closer: str) -> bool:
        """Go behind a comma, or the end; return whether it was the end."""
        char = self._next()
        if char not in (",", closer) or not char:
            self._give_up(self._at)
        self._at += 1
        return char == closer

    def _next(self) -> str:
        """Go to the next character that is no white space and return it; an empty text at the end of the file."""
        if self._damage is not None:
            raise Damaged
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read on, and let go of what is before `_at`. Return whether there was more."""
        if self._ended:
            return False
        rest = self._text[self._at :]
        # As much again as is there, so that the copies of a long value are few.
        data = self._file.read(max(_BLOCK, len(rest)))
        self._ended = not data
        more = self._decoder.decode(data, final=self._ended)
        self._gone += self._at
        self._lines += self._text.count("\n", 0, self._at)
        self._text, self._at = rest + more, 0
        return not self._ended or bool(more)

    def _give_up(self, at: int) -> NoReturn:
        self._damage = at
        raise Damaged


def _integer(digits: str) -> int | None:
    try:
        return int(digits)
    except ValueError:
        # More digits than Python converts.
        return None


_DECODER = json.JSONDecoder(parse_int=_integer)


def _close(text: str) -> str:
    """Return the beginning of a JSON document as a document: what is not whole is cut off, what is open is closed."""
    closers: list[str] = []
    end = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "{" | "[" as opener:
                closers.append("}" if opener == "{" else "]")
                end = token.end()
            case "}" | "]":
                if closers:
                    closers.pop()
                end = token.end()
            case ",":
                end = token.start()
            case '"':
                # A string that does not end.
                break
    return text[:end] + "".join(reversed(closers))
