"""What crossed the wire as findings name it."""

from collections import Counter
from collections.abc import Sequence

from inspector.inert import inert
from inspector.protocol.registry import Registry
from inspector.session.redact import mask_text
from inspector.session.state import Sent

# Characters of a text in which secrets are looked for.
_LOOKED_AT = 2000


def quoted(text: str, limit: int = 60) -> str:
    """Say a text from the wire, inert and short."""
    # Before it is cut: what is left of a secret has no shape.
    text = mask_text(text[:_LOOKED_AT])
    said = inert(text[:limit])
    return f"'{said}{'…' if len(text) > limit else ''}'"


def opcode(registry: Registry, plane: str, op: int | str | None) -> str:
    """Say an opcode: ``op 4 Voice State Update``."""
    name = registry.name(plane, op)
    return name if name.startswith(("op ", "no op")) else f"op {op} {name}"


def mixture(registry: Registry, plane: str, sends: Sequence[Sent], most: int = 4) -> str:
    """Say which opcodes a number of messages had, the most frequent first: ``98 × op 3 Presence Update, 4 × …``."""
    counts = Counter(sent.op for sent in sends).most_common()
    said = [f"{number} × {opcode(registry, plane, op)}" for op, number in counts[:most]]
    rest = sum(number for _, number in counts[most:])
    return ", ".join([*said, f"{rest} others"] if rest else said)
