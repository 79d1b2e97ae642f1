"""What the state of a connection adds to its payloads: ids, pairs with their latency, the session it belongs to.

Time comes with the data; nothing here reads a clock.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
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


class Tracker:
    """Follows all connections of one recording. The registry says where an event keeps its ids."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._extract = lru_cache(maxsize=512)(self._extractors)

    def follow(self, connection: Connection, event: Event, payload: Payload) -> None:
        """Take one payload into `connection`, and write what it means into `event`."""
        d = payload.d
        if type(d) is dict:
            for name, find in self._extract(payload.event):
                found = find(d)
                if found is not None:
                    setattr(event, name, found)
        step = _STEPS.get((connection.opened.plane, payload.op))
        if step is not None:
            note = step(connection, event, payload)
            if note is not None:
                event.note = note

    def _extractors(self, event: str | None) -> tuple[tuple[str, Callable[[dict[str, Any]], int | None]], ...]:
        known = self._registry.event(event) if event is not None else None
        own = dict(known.ids) if known is not None else {}
        return tuple(
            (f"{kind}_id", _finder((own[kind],) if kind in own else paths)) for kind, paths in _DEFAULT_PATHS.items()
        )


def _finder(paths: Iterable[str]) -> Callable[[dict[str, Any]], int | None]:
    routes = [tuple(path.split(".")) for path in paths]

    def find(d: dict[str, Any]) -> int | None:
        for route in routes:
            value: Any = d
            for key in route:
                value = value.get(key) if type(value) is dict else None
                if value is None:
                    break
            else:
                return _snowflake(value)
        return None

    return find


def _snowflake(value: Any) -> int | None:
    """Return an id as a number that fits SQLite's 64 bits with sign."""
    if type(value) is str and len(value) < 20 and value.isascii() and value.isdigit():
        value = int(value)
    return value if type(value) is int and 0 <= value < 1 << 63 else None


def _heartbeat(connection: Connection, event: Event, payload: Payload) -> str | None:
    if not event.from_client:
        return "the server asks for a heartbeat now"
    connection.heartbeats.append(event.at_ns)
    del connection.heartbeats[:-MAX_UNACKED]
    return None


def _heartbeat_ack(connection: Connection, event: Event, payload: Payload) -> str | None:
    if not connection.heartbeats:
        return "no heartbeat was waiting for it"
    # ACKs carry no number on the main gateway: each answers the oldest heartbeat that has none.
    elapsed_ms = (event.at_ns - connection.heartbeats.pop(0)) / 1e6
    return f"after {elapsed_ms:.0f} ms" if elapsed_ms >= 1 else "after less than 1 ms"


def _identify(connection: Connection, event: Event, payload: Payload) -> str | None:
    shard = payload.d.get("shard") if type(payload.d) is dict else None
    if type(shard) is list and len(shard) == 2 and all(type(part) is int for part in shard):
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
