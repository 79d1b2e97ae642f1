"""A filter said aloud, so that anyone who wrote it sees whether it was understood."""

from inspector.inert import inert
from inspector.model import Severity
from inspector.query import tree
from inspector.query.fields import Field
from inspector.query.moments import Moment
from inspector.query.tree import Code, Compare, Filter, InPayload, Operator, Pattern, Text, Value

_OPERATORS: dict[Operator, str] = {
    "==": "is",
    "!=": "is not",
    "<": "below",
    "<=": "at most",
    ">": "above",
    ">=": "at least",
    "=~": "like",
    "!~": "not like",
}
_NAMES = {
    "conn": "connection",
    "n": "row",
    "op": "opcode",
    "bytes": "wire bytes",
    "decoded": "decoded bytes",
    "close": "close code",
    "by": "closed by",
}
# Values that a person would not introduce with the field's name.
_PLAIN = {("dir", "send"): "sent", ("dir", "receive"): "received"}
_NEGATED = {("dir", "send"): "not sent", ("dir", "receive"): "not received"}


def say(item: Filter) -> str:
    """Return `item` in words: ``not opcode Heartbeat or Heartbeat ACK, and guild 1180…42``. Inert."""
    return inert(_say(item, 0))


def _say(item: Filter, depth: int) -> str:
    match item:
        case tree.Everything():
            return "everything"
        case tree.Not(inner):
            said = _say(inner, 2)
            return f"not ({said})" if " or " in said and said[0] != "(" else f"not {said}"
        case tree.And(items):
            said = (", and " if depth == 0 else " and ").join(_say(part, 1) for part in items)
            return f"({said})" if depth > 1 else said
        case tree.Or(items):
            said = " or ".join(_say(part, 2) for part in items)
            return f"({said})" if depth else said
        case Text(needle):
            return f"“{needle}” in the text"
        case InPayload(path, operator, values):
            name = ".".join(("d", *path))
            if operator is None:
                return f"there is {name}"
            return f"{name} {_OPERATORS[operator]} {_either(values)}"
        case Compare(field, operator, values):
            return _compared(field, operator, values)
    return ""


def _compared(field: Field, operator: Operator, values: tuple[Value, ...]) -> str:
    name = _NAMES.get(field.name, field.name)
    if len(values) == 1 and isinstance(values[0], str):
        plain = {"==": _PLAIN, "!=": _NEGATED}.get(operator, {}).get((field.name, values[0]))
        if plain:
            return plain
    if values == (None,):
        return f"without {name}" if operator == "==" else f"with a {name}"
    said = _either(values, field)
    obvious = field.type in ("op", "close", "number", "id", "mark") or field.name in ("event", "plane", "kind")
    if operator == "==" and obvious:
        return f"{name} {said}"
    return f"{name} {_OPERATORS[operator]} {said}"


def _either(values: tuple[Value, ...], field: Field | None = None) -> str:
    said = list(dict.fromkeys(_value(value, field) for value in values))
    if len(said) > 6:
        said = [*said[:5], f"{len(said) - 5} more"]
    return said[0] if len(said) == 1 else ", ".join(said[:-1]) + " or " + said[-1]


def _value(value: Value, field: Field | None) -> str:
    match value:
        case tuple():
            return _codes(value)
        case Pattern(text, regex):
            return f"/{text}/" if regex else text
        case Moment(text):
            return text
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() if field is not None and field.type == "severity":
            return Severity(value).name.lower()
        case int() if field is not None and field.type == "id" and abs(value) > 10**8:
            return f"{str(value)[:4]}…{str(value)[-2:]}"
        case int() if field is not None and field.type in ("number", "size"):
            return f"{value:,}"
    return str(value)


def _codes(codes: tuple[Code, ...]) -> str:
    named = list(dict.fromkeys(code.name for code in codes if code.name))
    return " or ".join(named) if named else " or ".join(str(code.number) for code in codes)
