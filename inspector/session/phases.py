"""How far connections and sessions have come: two tables of transitions, and what reads them.

A trigger is who sent it and its opcode; for a dispatch, the name of its event. What a phase does not list leaves it as
it is: whether such a thing may be sent there at all is for `inspector.diagnose` to say.

Sources: https://docs.discord.com/developers/events/gateway#connection-lifecycle,
https://docs.discord.com/developers/topics/voice-connections, https://docs.discord.food/remote-authentication/desktop
and https://docs.discord.com/developers/topics/rpc
"""

from typing import NamedTuple

from inspector.model import Plane
from inspector.protocol.ops import GatewayOp, VoiceOp


class Trigger(NamedTuple):
    """What moves a connection on."""

    from_client: bool
    key: int | str
    """Opcode, or the name of an event."""


def _sent(key: int | str) -> Trigger:
    return Trigger(True, key)


def _received(key: int | str) -> Trigger:
    return Trigger(False, key)


ANYWHERE = "anywhere"
"""Stands for every phase that does not list the trigger itself."""
OPENED = "opened"
"""Where every connection begins."""

CONNECTION_PHASES: dict[Plane, dict[str, dict[Trigger, str]]] = {
    Plane.GATEWAY: {
        OPENED: {
            _sent(GatewayOp.IDENTIFY): "identifying",
            _sent(GatewayOp.RESUME): "resuming",
            _received(GatewayOp.HELLO): "hello",
        },
        "hello": {_sent(GatewayOp.IDENTIFY): "identifying", _sent(GatewayOp.RESUME): "resuming"},
        "invalid session": {_sent(GatewayOp.IDENTIFY): "identifying", _sent(GatewayOp.RESUME): "resuming"},
        ANYWHERE: {
            _received("READY"): "ready",
            _received("RESUMED"): "resumed",
            _received(GatewayOp.RECONNECT): "reconnect asked",
            _received(GatewayOp.INVALID_SESSION): "invalid session",
        },
    },
    Plane.VOICE: {
        OPENED: {_received(VoiceOp.HELLO): "hello"},
        # Hello and Identify cross each other: either may come first.
        "identified": {_received(VoiceOp.HELLO): "identified"},
        "resuming": {_received(VoiceOp.HELLO): "resuming"},
        ANYWHERE: {
            _sent(VoiceOp.IDENTIFY): "identified",
            _sent(VoiceOp.RESUME): "resuming",
            _received(VoiceOp.READY): "ready",
            _sent(VoiceOp.SELECT_PROTOCOL): "protocol selected",
            _received(VoiceOp.SESSION_DESCRIPTION): "session described",
            _received(VoiceOp.RESUMED): "resumed",
        },
    },
    Plane.REMOTE_AUTH: {
        ANYWHERE: {
            _received("hello"): "hello",
            _sent("init"): "key offered",
            _sent("nonce_proof"): "key proved",
            _received("pending_remote_init"): "waiting for a scan",
            _received("pending_ticket"): "scanned",
            _received("pending_login"): "login confirmed",
            _received("cancel"): "declined",
        }
    },
    Plane.MEDIA: {
        ANYWHERE: {
            _sent("discovery"): "discovering",
            _received("discovery"): "address found",
            _sent("rtp"): "media",
            _received("rtp"): "media",
        }
    },
    Plane.RPC: {
        ANYWHERE: {
            _received("READY"): "ready",
            _sent("AUTHORIZE"): "asking the user",
            _received("AUTHORIZE"): "authorized",
            _received("AUTHENTICATE"): "authenticated",
        }
    },
}
"""By plane, phase and trigger: the phase that follows. A close ends them all."""

SESSION_PHASES: dict[str, dict[str, str]] = {
    "live": {"dropped": "dropped", "destroyed": "ended", "invalidated": "ended", "may resume": "dropped"},
    "dropped": {"asks": "resuming", "invalidated": "ended", "destroyed": "ended", "began": "live"},
    "resuming": {"resumed": "live", "dropped": "dropped", "invalidated": "ended", "destroyed": "ended"},
    "ended": {"began": "live", "asks": "resuming"},
}
"""By phase of a session and transition: the phase that follows.

``began``: READY. ``asks``: Resume was sent. ``resumed``: RESUMED. ``dropped``: its connection closed in a way that it
outlives. ``may resume``: Invalid Session with d true. ``invalidated``: with d false. ``destroyed``: its connection
closed for good.
"""

DISPATCHES: set[tuple[Plane, int | str]] = {(Plane.GATEWAY, GatewayOp.DISPATCH), (Plane.RPC, "DISPATCH")}
"""What carries events, by plane and opcode."""
MOVING_EVENTS = frozenset(
    trigger.key
    for phases in CONNECTION_PHASES.values()
    for triggers in phases.values()
    for trigger in triggers
    if isinstance(trigger.key, str)
)
"""Names of events that move a connection on; all others leave it alone."""


def connection_phase(plane: Plane, phase: str, from_client: bool, op: int | str | None, event: str | None) -> str:
    """Return the phase after a payload with that opcode; `event` is the name of the event that a dispatch carries."""
    key = event if (plane, op) in DISPATCHES else op
    if key is None:
        return phase
    phases = CONNECTION_PHASES[plane]
    trigger = Trigger(from_client, key)
    return phases.get(phase, {}).get(trigger) or phases[ANYWHERE].get(trigger, phase)


def session_phase(phase: str, transition: str) -> str:
    """Return the phase of a session after a transition."""
    return SESSION_PHASES[phase].get(transition, phase)
