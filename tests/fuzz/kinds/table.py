"""A user's own tables (GWINSPECT_TABLES): damaged rows, values and bytes of TOML."""

import json
import tomllib
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

from tests.fuzz import damage
from tests.fuzz.mutant import Command, Mutant
from tests.fuzz.talks import SAMPLES

_COMMANDS = (("show", "sample.gwcap"), ("explain", "op", "97"), ("diagnose", "sample.gwcap"), ("explain", "rules"))


def make(dice: Random) -> Mutant:
    rows: Any = [[kind, dict(row)] for kind, row in (dice.choice(_rows()) for _ in range(dice.randint(1, 3)))]
    if dice.random() < 0.8:
        rows = damage.structure([rows], dice, 6)
        rows = rows[0] if isinstance(rows, list) and rows else []
    try:
        data = _file(rows).encode("utf-8", "surrogatepass")
    except RecursionError:
        data = b"[[opcode]]\nplane = " + b"[" * 100_000
    if dice.random() < 0.4:
        data = damage.bytes_of(data, dice)
    command = Command(dice.choice(_COMMANDS), environment={"GWINSPECT_TABLES": "mine.toml"})
    return Mutant({"mine.toml": data, "sample.gwcap": (SAMPLES / "hostile.gwcap").read_bytes()}, [command])


@cache
def _rows() -> list[tuple[str, dict[str, Any]]]:
    """Return rows of the built-in tables, a few of each kind, with the kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in sorted((files("inspector.protocol") / "tables").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".toml"):
            for kind, rows in tomllib.loads(entry.read_text("utf-8")).items():
                found.setdefault(kind, []).extend(row for row in rows if isinstance(row, dict))
    return [(kind, row) for kind, rows in found.items() for row in rows[:: max(len(rows) // 6, 1)]]


def _file(rows: Any) -> str:
    parts = [part for part in rows if isinstance(part, list)] if isinstance(rows, list) else []
    return "\n".join(map(_written, parts))


def _written(part: list[Any]) -> str:
    kind, row = (*part, "", {})[:2]
    pairs = row.items() if isinstance(row, dict) else ()
    return f"[[{kind}]]\n" + "".join(f"{_key(key)} = {_value(value)}\n" for key, value in pairs)


def _key(key: Any) -> str:
    return key if isinstance(key, str) and key.isidentifier() else json.dumps(str(key))


def _value(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_value, value)) + "]"
        case None:
            return "null"
        case _:
            return json.dumps(value)
