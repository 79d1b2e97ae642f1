"""What a voice call is made of, in words: the steps of its handshakes, its users, the transitions of its encryption."""

from inspector.analysis.dave_timeline import TransitionView
from inspector.analysis.handshake import Handshake, HandshakeStep
from inspector.analysis.voice_call import VoiceCall
from inspector.inert import inert
from inspector.model import Plane
from inspector.protocol.registry import Registry
from inspector.words import round_trip

_PREFIXES = ("DAVE Protocol ", "MLS ")


def between(ns: int) -> str:
    """Return how much later something came: ``+0.4 ms``, ``+41 ms``."""
    return f"+{round_trip(ns)}"


def step_name(shaken: Handshake, step: HandshakeStep, registry: Registry, *, short: bool = False) -> str:
    """Return what a step of a handshake is called; `short`: without the name of its protocol."""
    if step.key == "close":
        if shaken.code is None:
            return "close"
        return f"close {shaken.code} {registry.close_name(Plane.VOICE, shaken.code, shaken.by)}".strip()
    if step.key == "open":
        return "connection" if step.row is None else "connected" if shaken.refusal is None else "connection refused"
    if step.side == "udp":
        return f"{step.word} {'request' if step.from_client else 'answer'}"
    if step.op is None:
        return step.word
    name = registry.name(Plane.GATEWAY if step.side == "main" else Plane.VOICE, step.op)
    if short:
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
    return name


def socket_name(step: HandshakeStep) -> str:
    """Return which socket a step is on: ``voice #3``."""
    return step.side if step.connection is None else f"{step.side} #{step.connection}"


def short_user(user: str, more: str = "…") -> str:
    """Return a user's id without its middle, inert: the beginning says when the account was made, the end which."""
    text = inert(user)
    return text if len(text) <= 12 else f"{text[:4]}{more}{text[-5:]}"


def transition_kind(transition: TransitionView) -> str:
    """Return what a transition is, in words."""
    match transition.what:
        case "downgrade":
            return "downgrade to no encryption"
        case "version":
            return f"version {transition.version}" if transition.version is not None else "another epoch"
        case "new group":
            return "new group" if transition.version is None else f"new group, version {transition.version}"
        case what:
            return what


def transition_name(transition: TransitionView) -> str:
    """Return the same with its id, where it has one."""
    number = "" if transition.id is None else f"transition {transition.id}: "
    return number + transition_kind(transition)


def missing_word(call: VoiceCall, transition: TransitionView) -> str:
    """Return what to say of a step of a transition that has not come: it may still, of the newest of a live call."""
    is_over = transition is not call.dave.transitions[-1] or call.handshakes[-1].closed
    return "never" if is_over else "not yet"
