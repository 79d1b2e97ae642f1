"""End-to-end encryption of one voice connection, as far as its handshake shows: version, epoch, members, transitions.

A transition is announced (op 21, 29 or 30), the client says that it is ready (op 23), the server has all switch over
(op 22). Each has an id; 0 means at once, with nothing to wait for. Bounded, however long the call lasts.

Source: https://github.com/discord/dave-protocol/blob/main/protocol.md and
https://docs.discord.food/topics/voice-connections#end-to-end-encryption
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from inspector.model import Event
from inspector.session.said import At, name, whole

# Transitions, and streams of media, that are remembered of a call.
MAX_TRANSITIONS, MAX_SSRCS, MAX_MEMBERS = 64, 256, 512
AT_ONCE = 0
"""The transition id that needs no readiness."""
BINARY = frozenset(range(25, 31))
"""Opcodes that cross in binary messages."""


@dataclass(slots=True)
class Transition:
    """One change of keys or version."""

    id: int
    by: int
    """The opcode that announced it: 21 a version, 29 a commit, 30 a welcome."""
    announced: At
    version: int | None = None
    """The version of the protocol that it leads to, where op 21 said so, or op 24 for a new group."""
    ready: At | None = None
    executed: At | None = None


@dataclass(slots=True)
class Dave:
    """The state of one voice connection's encryption; a resume takes it over."""

    version: int | None = None
    """In force; 0 is none. None before the server has said."""
    prepared: int | None = None
    """The version that a new group (op 24) is made for, until it is there."""
    epoch: int | None = None
    """Of the group; None outside of one."""
    transitions: dict[int, Transition] = field(default_factory=dict)
    """By id, the newest last. A number that is used again is another transition."""
    key_package_due: At | None = None
    """What made a fresh key package (op 26) necessary, while none has come."""
    key_package: At | None = None
    """The newest that was sent."""
    proposals: At | None = None
    """The oldest proposals (op 27) that no commit has taken up."""
    proposed: int = 0
    """How many messages of proposals have come since the last commit."""
    committed: At | None = None
    """The client's commit (op 28) for them."""
    external_sender: At | None = None
    members: dict[str, None] = field(default_factory=dict)
    """Users in the call, as ops 11 and 13 told."""
    users: dict[int, str] = field(default_factory=dict)
    """By SSRC: whose stream it is."""

    def take(self, event: Event, d: Any) -> str | None:
        """Take in a payload of the voice gateway, and return what it means beyond itself."""
        step = _STEPS.get((bool(event.from_client), event.op))
        return None if step is None else step(self, At(event.n, event.at_ns), d)

    def transition(self, d: Any) -> Transition | None:
        """Return the transition that the body of an op 22 or 23 speaks of; None where it was never announced."""
        number = number_in(d, "transition_id")
        return None if number is None else self.transitions.get(number)

    def pending(self) -> list[Transition]:
        """Return the transitions that are announced and not executed, ids other than 0 only."""
        return [each for each in self.transitions.values() if each.executed is None and each.id != AT_ONCE]


def number_in(d: Any, key: str) -> int | None:
    """Return a number of a body; DAVE's epoch comes as text too."""
    value = d.get(key) if type(d) is dict else None
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return whole(value)


def _announce(dave: Dave, at: At, d: Any, by: int, version: int | None = None) -> None:
    number = number_in(d, "transition_id")
    if number is None:
        return
    dave.transitions.pop(number, None)
    transition = dave.transitions[number] = Transition(number, by, at, version)
    if number == AT_ONCE:
        transition.executed = at
        dave.version = dave.version if version is None else version
    if len(dave.transitions) > MAX_TRANSITIONS:
        del dave.transitions[next(iter(dave.transitions))]


def _describe(dave: Dave, at: At, d: Any) -> None:
    dave.version = number_in(d, "dave_protocol_version")
    if dave.version:
        dave.key_package_due = at


def _prepare(dave: Dave, at: At, d: Any) -> None:
    _announce(dave, at, d, 21, number_in(d, "protocol_version"))


def _prepare_epoch(dave: Dave, at: At, d: Any) -> None:
    if number_in(d, "epoch") == 1:
        dave.prepared = number_in(d, "protocol_version")
        dave.key_package_due = at
        dave.epoch = None
        dave.proposals, dave.proposed, dave.committed = None, 0, None


def _execute(dave: Dave, at: At, d: Any) -> str | None:
    transition = dave.transition(d)
    if transition is None or transition.executed is not None:
        return None
    transition.executed = at
    if transition.version is not None:
        dave.version = transition.version
    took = (at.at_ns - transition.announced.at_ns) / 1e6
    return f"{took:.0f} ms after it was announced"


def _ready(dave: Dave, at: At, d: Any) -> str | None:
    transition = dave.transition(d)
    if transition is None or transition.ready is not None:
        return None
    transition.ready = at
    return f"{(at.at_ns - transition.announced.at_ns) / 1e6:.0f} ms after it was announced"


def _package(dave: Dave, at: At, d: Any) -> None:
    dave.key_package, dave.key_package_due = at, None


def _propose(dave: Dave, at: At, d: Any) -> None:
    if dave.proposals is None:
        dave.proposals = at
    dave.proposed += 1


def _commit(dave: Dave, at: At, d: Any) -> None:
    dave.committed = at


def _committed(dave: Dave, at: At, d: Any) -> None:
    _announce(dave, at, d, 29, dave.prepared)
    _enter(dave, number_in(d, "epoch"), 1)


def _welcomed(dave: Dave, at: At, d: Any) -> None:
    _announce(dave, at, d, 30, dave.prepared)
    _enter(dave, None, 0)


def _enter(dave: Dave, before: int | None, step: int) -> None:
    """Go on to the epoch after `before`; a Welcome does not say which it leads to."""
    dave.epoch = None if before is None else before + step
    dave.prepared = None
    dave.proposals, dave.proposed, dave.committed = None, 0, None


def _invalid(dave: Dave, at: At, d: Any) -> None:
    dave.key_package_due = at


def _connected(dave: Dave, at: At, d: Any) -> None:
    users = d.get("user_ids") if type(d) is dict else None
    for user in users[:MAX_MEMBERS] if type(users) is list else ():
        found = name(user)
        if found is not None and len(dave.members) < MAX_MEMBERS:
            dave.members[found] = None


def _left(dave: Dave, at: At, d: Any) -> None:
    user = name(d.get("user_id")) if type(d) is dict else None
    dave.members.pop(user or "", None)
    for ssrc in [ssrc for ssrc, owner in dave.users.items() if owner == user]:
        del dave.users[ssrc]


def _speaks(dave: Dave, at: At, d: Any) -> None:
    _own(dave, d, "ssrc")


def _shows(dave: Dave, at: At, d: Any) -> None:
    for key in ("audio_ssrc", "video_ssrc", "rtx_ssrc"):
        _own(dave, d, key)


def _own(dave: Dave, d: Any, key: str) -> None:
    user, ssrc = (name(d.get("user_id")), whole(d.get(key))) if type(d) is dict else (None, None)
    if user is not None and ssrc and (ssrc in dave.users or len(dave.users) < MAX_SSRCS):
        dave.users[ssrc] = user


def _send(dave: Dave, at: At, d: Any) -> None:
    dave.external_sender = at


_STEPS: dict[tuple[bool, int | str | None], Callable[[Dave, At, Any], str | None]] = {
    # Whether the client sent it, opcode.
    (False, 4): _describe,
    (False, 5): _speaks,
    (False, 11): _connected,
    (False, 12): _shows,
    (False, 13): _left,
    (False, 21): _prepare,
    (False, 22): _execute,
    (True, 23): _ready,
    (False, 24): _prepare_epoch,
    (False, 25): _send,
    (True, 26): _package,
    (False, 27): _propose,
    (True, 28): _commit,
    (False, 29): _committed,
    (False, 30): _welcomed,
    (True, 31): _invalid,
}
