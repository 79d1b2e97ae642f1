"""Makes the bytes of DAVE's binary messages out of what the decoder says they hold: the way back.

It goes by the decoder's own layouts, so it shows that nothing was passed over; that the layouts are right, others show.
"""

from typing import Any

from inspector.simulator.server.dave import vector
from inspector.wire.mls import STRUCTURES, Chosen, Items, Layout, Maybe, Number, Opaque, Type, Whole

_OPERATIONS = {"append": 0, "revoke": 1}


def write_body(op: int, d: dict[str, Any]) -> bytes:
    """Return what stands behind the opcode."""
    match op:
        case 25:
            return write("ExternalSender", d)
        case 26:
            return (b"\0\1\0\5" if d["wrapped"] else b"") + write("KeyPackage", d["key_package"])
        case 27 if d["operation"] == "revoke":
            return b"\1" + vector(b"".join(vector(bytes.fromhex(ref)) for ref in d["proposal_refs"]))
        case 27:
            return b"\0" + vector(b"".join(write("MLSMessage", each["message"]) for each in d["proposals"]))
        case 28:
            return write("MLSMessage", d["commit"]) + (write("Welcome", d["welcome"]) if "welcome" in d else b"")
        case 29:
            return d["transition_id"].to_bytes(2) + write("MLSMessage", d["commit"])
        case 30:
            wrapping = b"\0\1\0\3" if d["wrapped"] else b""
            return d["transition_id"].to_bytes(2) + wrapping + write("Welcome", d["welcome"])
    raise ValueError(op)


def write(structure: str, value: dict[str, Any]) -> bytes:
    """Return the bytes of a structure; the keys that the decoder adds of its own do not count."""
    return _layout(STRUCTURES[structure], value)


def _layout(layout: Layout, value: dict[str, Any]) -> bytes:
    made = b""
    for part in layout:
        if isinstance(part, Chosen):
            made += _layout(part.cases.get(str(value[part.by]), ()), value)
            continue
        name, kind = part
        if isinstance(kind, Whole):
            inside = kind.cases.get(str(value[kind.by]))
            made += vector(bytes.fromhex(value[name]) if inside is None else write(inside, value[name]))
        else:
            made += _value(kind, value[name])
    return made


def _value(kind: Type, value: Any) -> bytes:
    match kind:
        case Number():
            numbers = {name: number for number, name in kind.names.items()}
            return int(numbers.get(value, value)).to_bytes(kind.size)
        case Opaque():
            return vector(int(value).to_bytes(8) if kind.is_id and value.isdecimal() else bytes.fromhex(value))
        case Maybe():
            return b"\0" if value is None else b"\1" + _value(kind.of, value)
        case Items():
            return vector(b"".join(_value(kind.of, each) for each in value))
        case str():
            return write(kind, value)
