"""Which rows are heartbeats and which their ACKs.

Which ACK belongs to which heartbeat was decided while they were recorded (`inspector.session.tracker`) and is stored
with the ACK, and so is how long it took. Nothing pairs them again.
"""

from inspector.model import Plane
from inspector.protocol.ops import HEARTBEATS, GatewayOp, VoiceOp

# Plane, opcodes of a heartbeat, opcode of its ACK.
_BEATS: tuple[tuple[Plane, tuple[int | str, ...], int | str], ...] = (
    (Plane.GATEWAY, HEARTBEATS, GatewayOp.HEARTBEAT_ACK),
    (Plane.VOICE, (VoiceOp.HEARTBEAT,), VoiceOp.HEARTBEAT_ACK),
    (Plane.REMOTE_AUTH, ("heartbeat",), "heartbeat_ack"),
)
_SENT = {(plane.value, op) for plane, sent, _ in _BEATS for op in sent}
_ACKS = {(plane.value, ack) for plane, _, ack in _BEATS}


def literal(op: int | str) -> str:
    """Return one of our own opcodes as SQL."""
    return f"'{op}'" if isinstance(op, str) else str(int(op))


def _one_of(kinds: set[tuple[str, int | str]]) -> str:
    return " or ".join(sorted(f"plane = '{plane}' and op = {literal(op)}" for plane, op in kinds))


IS_HEARTBEAT = f"kind = 'payload' and from_client = 1 and ({_one_of(_SENT)})"
"""SQL: whether a row of `event` is a heartbeat of a client."""
IS_ROUND_TRIP = f"kind = 'payload' and from_client = 0 and latency is not null and ({_one_of(_ACKS)})"
"""SQL: whether a row of `event` is an ACK of which the heartbeat is known; its ``latency`` is the round trip."""


def is_heartbeat(plane: str, from_client: object, op: object) -> bool:
    """Return whether a payload is a heartbeat of a client."""
    return bool(from_client) and (plane, op) in _SENT


def is_ack(plane: str, from_client: object, op: object) -> bool:
    """Return whether a payload is a server's answer to one."""
    return not from_client and (plane, op) in _ACKS
