"""A payload as the lines of a tree that can be folded.

One rule keeps it whole: only what is unfolded is ever looked at, so a payload of any size costs what is shown of it.
Every text in a line is inert and bounded.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

from wcwidth import wcwidth

from inspector.inert import cut, inert, short
from inspector.model import ABSENT
from inspector.report.jsonl import record
from inspector.report.present import Shown
from inspector.report.wire_view import hex_lines, hexdump
from inspector.words import counted, size

MAX_LINES = 5_000
"""Lines that unfolding everything may make."""

# Lines of one object, list, text or bytes that are shown at once; a line after them offers as many again.
PORTION = 500
# A payload of so few lines is unfolded from the start.
_SMALL = 24
# Characters: of a key, of a preview, and those from which on a text can be unfolded.
_LONGEST_KEY, _PREVIEW, LONG_TEXT = 60, 72, 60
# And of one text within a preview.
_BRIEF = 32
# Bits of a number that is written out. Python refuses a little over 14,000.
_LONGEST_NUMBER = 4000
# Columns of a text's lines once it is unfolded.
_TEXT_WIDTH = 76
# Keys of which a preview looks at the first few, and those that tell the most of an object.
_LOOKED_AT = 24
_TELLING = ("id", "name", "username", "type", "content", "user", "status", "op", "code")

Path = tuple[str | int, ...]
"""Steps from the name of a root: ``("d", "author", "id")``."""
ValueSort = Literal["object", "list", "string", "number", "boolean", "null", "bytes", "text", "hex", "words", "more"]
"""What is in a line: a value of that type; a line of an unfolded text, of bytes, or of words on a value; or the
offer of more lines."""
Spelling = Callable[[Any, Path], Sequence[str]]
"""Returns a line of words for each of the parts that a plain value is made of, such as the bits of a number."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the tree."""

    path: Path
    label: str
    """The key, inert; nothing for lines of a text."""
    value: Any
    """The value itself; how many lines are left (None: some) for ``more``, the line's own text for others that are
    about a value."""
    sort: ValueSort
    folded: bool | None
    """None where there is nothing to unfold."""
    label_width: int
    """Characters of the longest label next to it."""

    @property
    def depth(self) -> int:
        return len(self.path) - 1

    @property
    def place(self) -> Path:
        """The path of the value that the line is about."""
        return self.path[:-1] if self.sort in ("text", "hex", "words", "more") else self.path

    @property
    def is_inside_out(self) -> bool:
        """Whether all of the value is in the lines below."""
        return self.folded is False and _foldable(self.value, self.sort)


class Outline:
    """The lines of some values that are in sight.

    `choices` says which paths a person has folded and unfolded; it is kept up to date, and may be shared by payloads
    that look alike. Plain values that `spelling` has several lines for can be unfolded too.
    """

    def __init__(
        self,
        roots: Mapping[str, Any],
        choices: dict[Path, bool] | None = None,
        spelling: Spelling = lambda value, path: (),
    ) -> None:
        self.choices: dict[Path, bool] = {} if choices is None else choices
        self.lines: list[Line] = []
        self._roots = roots
        self._spelling = spelling
        self._open = _open_at_first(roots)
        self._portions: dict[Path, int] = {}
        self._build()

    def value_at(self, path: Path) -> Any:
        """Return the value at `path`, `ABSENT` where there is none."""
        value: Any = self._roots
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return ABSENT
        return value

    def line_of(self, path: Path) -> int:
        """Return the number of the line with that path, or of the nearest one it is in; 0 where there is none."""
        at = {line.path: number for number, line in enumerate(self.lines)}
        while path and path not in at:
            path = path[:-1]
        return at.get(path, 0)

    def parent(self, number: int) -> int:
        """Return the number of the line that line `number` is in; its own where it is in none."""
        depth = self.lines[number].depth
        return next((at for at in range(number - 1, -1, -1) if self.lines[at].depth < depth), number)

    def toggle(self, number: int) -> None:
        """Fold or unfold a line. The offer of more makes more."""
        line = self.lines[number]
        if line.sort == "more":
            self._portions[line.place] = self._portion(line.place) + PORTION
            parent = self.parent(number)
            self._close(parent)
            self._unfold(parent)
        elif line.folded:
            self._unfold(number)
        elif line.folded is False:
            self._close(number)
            self.choices[line.path] = False

    def unfold_below(self, number: int) -> bool:
        """Unfold a line with all objects and lists below, the upper ones first. Say whether there was room for all."""
        room = MAX_LINES - len(self.lines)
        pending = deque([self.lines[number]])
        while pending:
            line = pending.popleft()
            children = self._children(line)
            room -= len(children)
            if room < 0:
                break
            self.choices[line.path] = True
            pending += [child for child in children if child.sort in ("object", "list") and child.folded is not None]
        self._close(number)
        if self.lines[number].folded:
            self._unfold(number)
        return not pending and room >= 0

    def fold_all(self) -> None:
        """Fold everything but the outermost level."""
        for line in self.lines:
            if line.folded is False:
                self.choices[line.path] = False
        for path in self.choices:
            self.choices[path] = len(path) == 1
        self._build()

    def _is_open(self, path: Path) -> bool:
        return self.choices.get(path, path in self._open)

    def _portion(self, path: Path) -> int:
        return self._portions.get(path, PORTION)

    def _build(self) -> None:
        self.lines = []
        for line in self._members((), self._roots.items(), len(self._roots)):
            self.lines.append(line)
            if line.folded is False:
                self.lines += self._below(line)

    def _close(self, number: int) -> None:
        """Take away the lines below."""
        line = self.lines[number]
        if line.folded is False:
            end = number + 1
            while end < len(self.lines) and self.lines[end].depth > line.depth:
                end += 1
            del self.lines[number + 1 : end]
            self.lines[number] = replace(line, folded=True)

    def _unfold(self, number: int) -> None:
        line = replace(self.lines[number], folded=False)
        self.choices[line.path] = True
        self.lines[number] = line
        self.lines[number + 1 : number + 1] = self._below(line)

    def _below(self, line: Line) -> list[Line]:
        """Return the lines below an unfolded one, with what is unfolded below them, as far as there is room."""
        found: list[Line] = []
        pending = [iter(self._children(line))]
        while pending:
            for child in pending[-1]:
                if child.folded is False:
                    if len(self.lines) + len(found) > MAX_LINES:
                        child = replace(child, folded=True)
                    else:
                        found.append(child)
                        pending.append(iter(self._children(child)))
                        break
                found.append(child)
            else:
                pending.pop()
        return found

    def _children(self, line: Line) -> list[Line]:
        """Return the lines right below, whether or not `line` is unfolded."""
        value, path = line.value, line.path
        match line.sort:
            case "object":
                return self._members(path, value.items(), len(value))
            case "list":
                return self._members(path, enumerate(value), len(value))
            case "string" | "number":
                words = self._words(value, path)
                if words:
                    return self._pieces(path, "words", iter(words), len(words))
                text = value if isinstance(value, str) else number_text(value)
                return self._pieces(path, "text", wrapped(text), None)
            case "bytes":
                lines = (f"{item.offset}  {item.hex}  {item.text}" for item in hexdump(value, 0, self._portion(path)))
                return self._pieces(path, "hex", lines, hex_lines(value))
        return []

    def _members(self, path: Path, members: Any, count: int) -> list[Line]:
        shown = list(islice(members, self._portion(path)))
        labels = [_label(key) for key, _ in shown]
        width = max(map(len, labels), default=0)
        found = [
            self._member((*path, key), label, value, width) for (key, value), label in zip(shown, labels, strict=True)
        ]
        return found + _more(path, len(shown), count)

    def _member(self, path: Path, label: str, value: Any, width: int) -> Line:
        sort = sort_of(value)
        foldable = _foldable(value, sort) or bool(self._words(value, path))
        return Line(path, label, value, sort, not self._is_open(path) if foldable else None, width)

    def _words(self, value: Any, path: Path) -> Sequence[str]:
        """Return the words on a number, also on one that is written as a string; no more than it has bits."""
        if not isinstance(value, str | int) or (isinstance(value, str) and not (len(value) < 30 and value.isdigit())):
            return ()
        words = self._spelling(value, path)
        return words if len(words) > 1 else ()

    def _pieces(self, path: Path, sort: ValueSort, pieces: Iterator[str], count: int | None) -> list[Line]:
        shown = list(islice(pieces, self._portion(path)))
        found = [Line((*path, at), "", text, sort, None, 0) for at, text in enumerate(shown)]
        if count is None and next(pieces, None) is None:
            return found
        return found + _more(path, len(shown), count)


def body(shown: Shown) -> dict[str, Any]:
    """Return what there is to unfold of a row, by name: ``d`` and keys of the envelope that the protocol does not know;
    ``open``, ``close`` or ``undecoded`` for a row that is not a payload."""
    found = {} if shown.d is ABSENT else {"d": shown.d}
    found |= shown.extra
    if not found:
        known = record(shown)
        found |= {name: known[name] for name in ("open", "close", "undecoded") if name in known}
    return found


def sort_of(value: Any) -> ValueSort:
    """Return which type of value it is, by JSON's names, and ``bytes``."""
    if isinstance(value, str):
        return "string"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, list | tuple):
        return "list"
    return "bytes" if isinstance(value, bytes) else "number"


def count_words(value: Any) -> str:
    """Return what type of value it is and how much there is of it: ``object, 3 keys``."""
    sort = sort_of(value)
    if sort in ("object", "list"):
        unit = "key" if sort == "object" else "item"
        return f"{sort}, {counted(len(value), unit)}"
    if sort == "string":
        return f"string, {counted(len(value), 'character')}" if len(value) > LONG_TEXT else sort
    return f"bytes, {size(len(value))}" if sort == "bytes" else sort


def path_text(path: Path) -> str:
    """Return a path as filters write it, ``d.guilds.0.id``; a key that would end it is in quotes."""
    return ".".join(_step_text(step) for step in path)


def _step_text(step: str | int) -> str:
    if isinstance(step, int):
        return number_text(step)
    return step if is_plain(step) else f'"{inert(step)}"'


def is_plain(step: str | int) -> bool:
    """Say whether a step of a path can be in a filter as it is."""
    # Left out is what ends a word there.
    return isinstance(step, int) or (
        bool(step) and not any(char.isspace() or char in ".\"'<>=!(),&|" for char in step) and inert(step) == step
    )


def said(value: Any, room: int = _PREVIEW) -> str:
    """Return a value in one inert line of about `room` characters; of an object or list its `preview`."""
    match sort_of(value):
        case "string":
            return f'"{short(value, max(room - 2, 1))}"'
        case "null":
            return "null"
        case "boolean":
            return "true" if value else "false"
        case "bytes":
            text = value[: room // 2].hex()
            return (
                f"<{size(len(value))}> {text[: max(room - 12, 8)]}{'…' if len(text) < 2 * len(value) else ''}".rstrip()
            )
        case "object" | "list":
            return preview(value, room)
    text = number_text(value)
    return text if len(text) <= max(room, 40) else f"{text[:room]}…"


def number_text(value: Any) -> str:
    """Return a number as text; of one with thousands of digits only how long it is."""
    if isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER:
        return f"integer of {value.bit_length():,} bits"
    return inert(str(value))


def preview(value: Any, room: int = _PREVIEW) -> str:
    """Return what is in an object or a list, in one line of about `room` characters: ``{id: 8035…52, name: "a"}``."""
    return _preview(value, room)[0]


def _preview(value: Any, room: int) -> tuple[str, bool]:
    """Return the preview, and whether it leaves nothing out."""
    if isinstance(value, Mapping):
        return _object_preview(value, room)
    inner, used = [], 2
    for item in islice(value, _LOOKED_AT):
        text, whole = _brief(item)
        used += len(text) + 2
        if not whole or used > room:
            break
        inner.append(text)
    if len(inner) == len(value):
        return f"[{', '.join(inner)}]", True
    return f"[{counted(len(value), 'item')}]", False


def _object_preview(value: Mapping[Any, Any], room: int) -> tuple[str, bool]:
    inner, used, whole = [], 3, True
    for key in _telling_first(value):
        text, complete = _brief(value[key])
        text = f"{_label(key)}: {text}"
        if used + len(text) > room:
            continue
        used += len(text) + 2
        whole = whole and complete
        inner.append(text)
    if len(inner) < len(value):
        if not inner:
            return f"{{{counted(len(value), 'key')}}}", False
        inner.append("…")
        whole = False
    return f"{{{', '.join(inner)}}}", whole


def _telling_first(value: Mapping[Any, Any]) -> Iterator[Any]:
    """Yield a few keys: first those that tell what an object is, and those that have something to say."""
    keys = list(islice(value, _LOOKED_AT))
    first = [key for key in _TELLING if key in value]
    rest = [key for key in keys if key not in _TELLING]
    yield from first
    yield from (key for key in rest if value[key] not in (None, False, "") and not _is_empty(value[key]))
    yield from (key for key in rest if value[key] in (None, False, "") or _is_empty(value[key]))


def _is_empty(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple) and not value


def _brief(value: Any) -> tuple[str, bool]:
    """Return a value inside a preview, and whether that is all of it. The middle of a long id is left out."""
    match sort_of(value):
        case "object":
            return ("{…}", False) if value else ("{}", True)
        case "list":
            return (f"[{len(value):,}]", False) if value else ("[]", True)
        case "string" | "number":
            text = value if isinstance(value, str) else number_text(value)
            if len(text) > 14 and text.isascii() and text.isdigit():
                return f"{text[:4]}…{text[-2:]}", False
    text = said(value, _BRIEF)
    return text, not isinstance(value, bytes) and not text.endswith(("…", '…"'))


def _label(key: Any) -> str:
    text = inert(str(key)[: _LONGEST_KEY + 1]) or '""'
    return text if len(text) <= _LONGEST_KEY else cut(text, _LONGEST_KEY) + "…"


def _foldable(value: Any, sort: ValueSort) -> bool:
    if sort == "string":
        return len(value) > LONG_TEXT or "\n" in value
    return sort in ("object", "list", "bytes") and len(value) > 0


def _more(path: Path, shown: int, count: int | None) -> list[Line]:
    if count is not None and count <= shown:
        return []
    return [Line((*path, shown), "", None if count is None else count - shown, "more", None, 0)]


def _open_at_first(roots: Mapping[str, Any]) -> frozenset[Path]:
    """Return what is unfolded before anyone has chosen: the roots, and all of a payload that is small."""
    found: set[Path] = set()
    lines = len(roots)
    pending: deque[tuple[Path, Any]] = deque()
    for name, value in islice(roots.items(), _SMALL):
        if sort_of(value) in ("object", "list"):
            found.add((name,))
            lines += min(len(value), PORTION)
            pending += [((name, key), item) for key, item in islice(_members_of(value), _SMALL)]
    while pending and lines <= _SMALL:
        path, value = pending.popleft()
        if _is_empty(value) or sort_of(value) not in ("object", "list") or _preview(value, _PREVIEW)[1]:
            continue
        lines += len(value)
        if lines <= _SMALL:
            found.add(path)
            pending += [((*path, key), item) for key, item in _members_of(value)]
    return frozenset(found)


def _members_of(value: Any) -> Iterator[tuple[Any, Any]]:
    return iter(value.items()) if isinstance(value, Mapping) else enumerate(value)


def wrapped(text: str, width: int = _TEXT_WIDTH) -> Iterator[str]:
    """Yield `text` as inert lines of at most `width` columns, broken at its own line ends and where words allow."""
    for paragraph in text.split("\n"):
        yield from _wrapped(inert(paragraph), max(width, 2))


def _wrapped(text: str, width: int) -> Iterator[str]:
    start = 0
    while len(text) - start > width or (not text.isascii() and start < len(text)):
        end, used, space = start, 0, -1
        while end < len(text):
            char = text[end]
            used += 1 if char.isascii() else max(0, wcwidth(char))
            # Marks without width take no column, and yet must not pile up without end.
            if used > width or end - start >= 4 * width:
                break
            if char == " ":
                space = end
            end += 1
        if end == len(text):
            break
        if text[end] != " " and space > start + width // 2:
            end = space
        yield text[start:end]
        start = end + (text[end] == " ")
    yield text[start:]
