"""What a filter is once it has been parsed. Values only: `sql` gives them a meaning, `words` says them aloud."""

from dataclasses import dataclass
from typing import Literal

from inspector.query.fields import Field
from inspector.query.moments import Moment

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "=~", "!~"]
OPERATORS: tuple[Operator, ...] = ("==", "!=", "<=", ">=", "=~", "!~", "<", ">")


@dataclass(frozen=True, slots=True)
class Everything:
    """Lets every row through."""


@dataclass(frozen=True, slots=True)
class Not:
    item: "Filter"


@dataclass(frozen=True, slots=True)
class And:
    items: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    items: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Code:
    """A number of one plane, for opcodes and close codes that were named; of any plane where `plane` is None."""

    number: int | str
    plane: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What ``=~`` looks for."""

    text: str
    regex: bool = False


Value = int | float | str | bool | None | Moment | Pattern | tuple[Code, ...]
"""A value as its field's type makes it. A name may stand for several codes."""


@dataclass(frozen=True, slots=True)
class Compare:
    """``field operator value``; several values where it is ``in (…)``."""

    field: Field
    operator: Operator
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class InPayload:
    """``d.path operator value``; without an operator: whether there is something at the path."""

    path: tuple[str, ...]
    """Keys, indexes of lists, and ``*`` for any item; none for ``d`` itself."""
    operator: Operator | None
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A word that is in the payload, or in what is said of the row. Without capitals it matches any."""

    needle: str


Filter = Everything | Not | And | Or | Compare | InPayload | Text


def needs_payload(item: Filter) -> bool:
    """Say whether a filter cannot be answered by the narrow rows alone."""
    match item:
        case InPayload() | Text():
            return True
        case Not(inner):
            return needs_payload(inner)
        case And(items) | Or(items):
            return any(map(needs_payload, items))
    return False
