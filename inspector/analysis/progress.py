"""Which rows tell how far a connection has come. What they make of it, `inspector.session.phases` says."""

from inspector.analysis.beats import literal
from inspector.session.phases import DISPATCHES, MOVING_EVENTS, OPENED
from inspector.session.state import Connection

_NAMES = ", ".join(f"'{name}'" for name in sorted(MOVING_EVENTS))
_CARRIERS = " or ".join(sorted(f"plane = '{plane}' and op = {literal(op)}" for plane, op in DISPATCHES))

MOVES = f"kind = 'payload' and from_client is not null and (event in ({_NAMES}) or not ({_CARRIERS}))"
"""SQL: whether a row of `event` may move its connection on. Most rows are dispatches, and few of those do."""


def shown_phase(connection: Connection, phase: str) -> str:
    """Return what to call the phase that rows have led to: a recording may have begun in its middle."""
    return "under way" if connection.opened.joined_late and phase == OPENED else phase
