"""Names of opcodes: what code calls them is what the tables, and so filters and screens, call them."""

import re
from enum import IntEnum
from pathlib import Path

import pytest

import inspector
from inspector.model import Plane
from inspector.protocol.ops import GatewayOp, VoiceOp
from inspector.protocol.registry import default

ROOT = Path(inspector.__file__).parent
# Conditions and triggers with a number where a name has to be.
LITERAL = re.compile(
    r"\bop\b (?:==|!=|in|not in) (?:\(?\d|\{\d)"
    r"|\b(?:sends|receives)\([^()]*,\s*\d"
    r"|\(Plane\.(?:GATEWAY|VOICE), (?:True|False), \d"
    r"|\b_(?:sent|received)\(\d"
)


@pytest.mark.parametrize(("plane", "ops"), [(Plane.GATEWAY, GatewayOp), (Plane.VOICE, VoiceOp)])
def test_opcodes_have_the_names_of_the_tables(plane: Plane, ops: type[IntEnum]) -> None:
    for op in ops:
        rows = [default().opcode(plane, int(op), from_client=side) for side in (True, False)]
        names = [row.name.upper().split() for row in rows if row is not None]
        # Long names are cut: words are left out, and none is another.
        assert any(set(op.name.split("_")) <= set(name) for name in names), (op, names)


def test_code_speaks_of_opcodes_by_name() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for folder in ("diagnose", "session", "analysis", "wire", "report", "proxy", "importers")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if LITERAL.search(line)
    ]
    assert found == []
