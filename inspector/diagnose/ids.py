"""The ids that findings go by: that of a rule, and of a close ``close-4009`` or ``voice-close-4014``."""

import re

from inspector.diagnose.rule import Rule
from inspector.diagnose.rules import RULES
from inspector.model import Plane
from inspector.protocol.registry import CloseCode, Registry

_RULES = {rule.id: rule for rule in RULES}
_CLOSE = re.compile(r"(?:(voice|remote-auth|rpc)-)?close-(\d{4})")


def rule_of(name: str) -> Rule | None:
    """Return the rule with that id; None for closes, which have none, and where there is none."""
    return _RULES.get(name)


def close_of(name: str, registry: Registry) -> CloseCode | None:
    """Return the close code that a finding such as ``close-4009`` or ``voice-close-4014`` stands for."""
    found = _CLOSE.fullmatch(name)
    return None if found is None else registry.close_code(found[1] or "gateway", int(found[2]))


def close_id(plane: Plane, code: int | None) -> str:
    """Return the id of the finding that stands for a close: ``close-4009``, ``voice-close-4014``."""
    name = "unknown" if code is None else str(code)
    return f"close-{name}" if plane is Plane.GATEWAY else f"{plane.value}-close-{name}"
