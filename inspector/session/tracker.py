"""What the state of a connection adds to its payloads: ids, pairs with their latency, the session it belongs to.

Time comes with the data; nothing here reads a clock.
"""

from collections.abc import Callable, Mapping
from typing import Any

from inspector.model import Event, Payload, Plane
from inspector.protocol.registry import Registry
from inspector.session.redact import digest
from inspector.session.state import Connection

# Heartbeats remembered while no ACK comes; a client that sends more without one is long past pairing.
MAX_UNACKED = 16

_DEFAULT_PATHS = {
    "guild": ("guild_id",),
    "channel": ("channel_id",),
    "user": ("user_id", "user.id", "author.id", "member.user.id"),
}
_Routes = tuple[tuple[str, tuple[str, ...]], ...]
"""Ways to a value, the likeliest first: its key in ``d``, then the keys below that."""


class Tracker:
    """Follows all connections of one recording. The registry says where an event keeps its ids."""

    def __init__(self, registry: Registry) -> None:
        self._routes = {name: _routes(row.ids) for name, row in registry.events.items() if row.ids}
        self._usual = _routes({})

    def follow(self, connection: Connection, event: Event, payload: Payload) -> None:
        """Take one payload into `connection`, and write what it means into `event`."""
        d = payload.d
        if type(d) is dict:
            for name, routes in self._routes.get(payload.event or "", self._usual):
                for key, below in routes:
                    value = d.get(key)
                    for deeper in below:
                        value = value.get(deeper) if type(value) is dict else None
                    if value is not None:
                        setattr(event, name, _snowflake(value))
                        break
        step = _STEPS.get((connection.opened.plane, payload.op))
        if step is not None:
            note = step(connection, event, payload)
            if note is not None:
                event.note = note


def _routes(own: Mapping[str, str]) -> tuple[tuple[str, _Routes], ...]:
    """Return how each id of an event is found; `own` are paths that stand in for the usual ones."""
    found = []
    for kind, usual in _DEFAULT_PATHS.items():
        paths = (own[kind],) if kind in own else usual
        split = (path.split(".") for path in paths)
        found.append((f"{kind}_id", tuple((key, tuple(below)) for key, *below in split)))
    return tuple(found)


def _snowflake(value: Any) -> int | None:
    """Return an id as a number that fits SQLite's 64 bits with sign."""
    if type(value) is str and len(value) < 20 and value.isascii() and value.isdigit():
        value = int(value)
    return value if type(value) is int and 0 <= value < 1 << 63 else None


def _heartbeat(connection: Connection, event: Event, payload: Payload) -> str | None:
    if not event.from_client:
        return "the server asks for a heartbeat now"
    connection.heartbeats.append((_nonce(event, payload), event.at_ns))
    del connection.heartbeats[:-MAX_UNACKED]
    return None


def _heartbeat_ack(connection: Connection, event: Event, payload: Payload) -> str | None:
    # An ACK of the voice gateway repeats its heartbeat's nonce. Elsewhere each answers the oldest that has none.
    nonce = _nonce(event, payload)
    for at, (sent_nonce, sent_ns) in enumerate(connection.heartbeats):
        if nonce is None or nonce == sent_nonce:
            del connection.heartbeats[at]
            elapsed_ms = (event.at_ns - sent_ns) / 1e6
            return f"after {elapsed_ms:.0f} ms" if elapsed_ms >= 1 else "after less than 1 ms"
    return "no heartbeat was waiting for it"


def _nonce(event: Event, payload: Payload) -> int | float | None:
    """Return what tells a heartbeat of the voice gateway from others: ``d.t``, before version 8 ``d`` itself."""
    nonce = payload.d.get("t") if type(payload.d) is dict else payload.d
    return nonce if event.plane is Plane.VOICE and type(nonce) in (int, float) else None


def _identify(connection: Connection, event: Event, payload: Payload) -> str | None:
    shard = payload.d.get("shard") if type(payload.d) is dict else None
    if type(shard) is list and len(shard) == 2 and all(type(part) is int and part.bit_length() < 64 for part in shard):
        connection.shard = f"{shard[0]}/{shard[1]}"
    return None


def _session(connection: Connection, event: Event, payload: Payload) -> str | None:
    session_id = payload.d.get("session_id") if type(payload.d) is dict else None
    if isinstance(session_id, str):
        connection.session = digest(session_id)
    return None


def _dispatch(connection: Connection, event: Event, payload: Payload) -> str | None:
    if payload.event == "READY" and not event.from_client:
        return _session(connection, event, payload) or _identify(connection, event, payload)
    return None


_STEPS: dict[tuple[Plane, int | str | None], Callable[[Connection, Event, Payload], str | None]] = {
    (Plane.GATEWAY, 0): _dispatch,
    (Plane.GATEWAY, 1): _heartbeat,
    (Plane.GATEWAY, 2): _identify,
    (Plane.GATEWAY, 6): _session,
    (Plane.GATEWAY, 11): _heartbeat_ack,
    (Plane.GATEWAY, 40): _heartbeat,
    (Plane.VOICE, 0): _session,
    (Plane.VOICE, 3): _heartbeat,
    (Plane.VOICE, 6): _heartbeat_ack,
    (Plane.VOICE, 7): _session,
    (Plane.REMOTE_AUTH, "heartbeat"): _heartbeat,
    (Plane.REMOTE_AUTH, "heartbeat_ack"): _heartbeat_ack,
}
