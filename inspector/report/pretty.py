"""A payload as JSON text in lines, for people. Anyone who shows a line makes it inert."""

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import orjson

from inspector.report.outline import body
from inspector.report.present import Shown
from inspector.wire import jsontext

_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"(?=:))|(?P<string>"(?:[^"\\]|\\.)*"?)|(?P<number>-?\d[\d.eE+-]*)'
    r"|(?P<boolean>true|false)|(?P<null>null)|(?P<muted>[^\"\dtfn-]+|.)"
)


def coloured(line: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces of one line of JSON text, each with what it is: `key`, `string`, `number`, `boolean`, `null`
    or `muted`."""
    for token in _TOKEN.finditer(line):
        yield token[0], token.lastgroup or "muted"


def text_of(shown: Shown) -> str:
    """Return the body of a row as JSON text, with unknown keys of the envelope beside ``d``; nothing if it has none."""
    found = body(shown)
    return pretty(found["d"] if list(found) == ["d"] else found) if found else ""


def pretty(value: Any) -> str:
    """Return a value as our decoders make them as JSON text in lines, indented by two. Integers are exact, bytes become
    ``{"base64": "…"}``."""
    try:
        return orjson.dumps(value, default=_base64, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        # Integers beyond 64 bits, lone surrogates, deep nesting.
        return "\n".join(_slowly(value))


def _base64(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": b64encode(value).decode()}
    raise TypeError


def _slowly(value: Any) -> list[str]:
    """Return the lines of `value`, made without recursion."""
    lines: list[str] = []
    pending: list[tuple[Iterator[tuple[str, Any]], str]] = []

    def put(before: str, item: Any) -> None:
        if isinstance(item, dict) and item:
            lines.append(before + "{")
            pending.append((_members(item), "}"))
        elif isinstance(item, list) and item:
            lines.append(before + "[")
            pending.append(((("", member) for member in item), "]"))
        elif isinstance(item, bytes):
            put(before, _base64(item))
        else:
            lines.append(before + jsontext.dumps(item).decode())

    put("", value)
    while pending:
        members, closer = pending[-1]
        for key, item in members:
            if lines[-1][-1] not in "{[":
                lines[-1] += ","
            put("  " * len(pending) + key, item)
            if pending[-1][0] is not members:
                break
        else:
            pending.pop()
            lines.append("  " * len(pending) + closer)
    return lines


def _members(item: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in item.items():
        yield jsontext.dumps(key if isinstance(key, str) else str(key)).decode() + ": ", value
