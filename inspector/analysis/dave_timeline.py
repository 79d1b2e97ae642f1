"""End-to-end encryption of one voice call over time: epochs, who is there and who in the group, transitions.

`inspector.session.dave` says what each payload changes; this remembers when. Where it cannot say who is in the group,
as after a Welcome, all who are in the call by then are taken to be.

Source: https://github.com/discord/dave-protocol/blob/main/protocol.md
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from inspector.model import Event
from inspector.protocol.ops import VoiceOp
from inspector.session.dave import AT_ONCE, NEW_GROUP, Dave, Transition
from inspector.session.messages import At
from inspector.session.proposals import number_in

# Kept of one call; the newest, where there are more.
MOST_CHANGES, MOST_TRANSITIONS = 1_000, 500
# Users of a call that are followed, and stretches of time kept of each.
MOST_MEMBERS, MOST_STRETCHES = 256, 100

GroupState = Literal["group", "forming", "off", "apart"]
"""In a group, before there is one, without encryption, and without a connection."""
What = Literal["commit", "welcome", "downgrade", "version", "new group"]

_ANNOUNCES = {
    VoiceOp.DAVE_PREPARE_TRANSITION,
    VoiceOp.DAVE_PREPARE_EPOCH,
    VoiceOp.MLS_ANNOUNCE_COMMIT,
    VoiceOp.MLS_WELCOME,
}
_MOVES_PEOPLE = {
    (True, VoiceOp.MLS_INVALID_COMMIT_WELCOME),
    (False, VoiceOp.SESSION_DESCRIPTION),
    (False, VoiceOp.RESUMED),
    (False, VoiceOp.CLIENTS_CONNECT),
    (False, VoiceOp.CLIENT_DISCONNECT),
    (False, VoiceOp.DAVE_EXECUTE_TRANSITION),
    (False, VoiceOp.DAVE_PREPARE_EPOCH),
    (False, VoiceOp.MLS_PROPOSALS),
    (False, VoiceOp.MLS_ANNOUNCE_COMMIT),
    (False, VoiceOp.MLS_WELCOME),
}


class StateChange(NamedTuple):
    """What holds from a time on."""

    at_ns: int
    """Nanoseconds since the epoch, as all times here."""
    row: int
    state: GroupState
    epoch: int | None
    """Of the group; None outside of one, and where it cannot be told."""


class Stretch(NamedTuple):
    """From a time to another."""

    start_ns: int
    end_ns: int | None
    """None: it has not ended."""


@dataclass(frozen=True, slots=True)
class MemberView:
    """A user over time."""

    user: str
    own: bool
    """The client's own."""
    present: tuple[Stretch, ...]
    """In the call."""
    grouped: tuple[Stretch, ...]
    """In the MLS group."""


@dataclass(frozen=True, slots=True)
class TransitionView:
    """A change of keys or version, or the wish for a new group."""

    id: int | None
    what: What
    version: int | None
    """Of DAVE, that it leads to, where that was said."""
    connection: int
    announced: At
    ready: At | None
    executed: At | None
    rejected: At | None
    """When the client said that it can make nothing of it (op 31)."""
    epoch: int | None
    """Of the group, after it; None where there is none, or it cannot be told."""
    members: tuple[str, ...] | None
    """Who is in the group after it; None where it does not say."""

    @property
    def at_once(self) -> bool:
        """Whether it needs no readiness: neither op 23 nor op 22 is due."""
        return self.id is None or self.id == AT_ONCE


@dataclass(frozen=True, slots=True)
class DaveTimeline:
    """All of one call. Never changes."""

    changes: tuple[StateChange, ...] = ()
    members: tuple[MemberView, ...] = ()
    """The client's own user first, then in the order in which they came."""
    transitions: tuple[TransitionView, ...] = ()
    left_out: int = 0
    """Older transitions that are not kept."""


@dataclass(slots=True)
class _Record:
    """A transition, as it continues."""

    what: What
    connection: int
    at: At
    id: int | None
    version: int | None = None
    told: Transition | None = None
    epoch: int | None = None
    members: tuple[str, ...] | None = None

    def view(self) -> TransitionView:
        told = self.told
        executed = None if told is None or told.id == AT_ONCE else told.executed
        ready, rejected = (None, None) if told is None else (told.ready, told.rejected)
        return TransitionView(
            self.id, self.what, self.version, self.connection, self.at, ready, executed, rejected, self.epoch,
            self.members,
        )  # fmt: skip


@dataclass(slots=True)
class _Track:
    present: list[Stretch] = field(default_factory=list)
    grouped: list[Stretch] = field(default_factory=list)


class DaveRecorder:
    """Follows the encryption of one call, over its connections. Bounded."""

    def __init__(self) -> None:
        self.dave = Dave()
        self._changes: list[StateChange] = []
        self._tracks: dict[str, _Track] = {}
        self._records: list[_Record] = []
        self._left_out = 0
        self._own: str | None = None
        self._group: tuple[str, ...] = ()

    def begin(self) -> None:
        """Begin again: a connection that identifies has no group."""
        self.dave = Dave()

    def take(self, event: Event, d: Any) -> None:
        """Take in a payload of the voice gateway."""
        op, from_client, at = event.op, bool(event.from_client), At(event.n, event.at_ns)
        self.dave.take(event, d)
        self._own = self.dave.user or self._own
        if not from_client and op in _ANNOUNCES:
            self._announce(event, at, d)
        if (from_client, op) in _MOVES_PEOPLE:
            self._note(at)

    def end(self, at: At) -> None:
        """Take note that the connection has ended: no one can be seen from then on."""
        self._change(at, "apart", None)
        self._sync(at.at_ns, (), ())

    def view(self) -> DaveTimeline:
        """Return what has been seen so far."""
        members = [
            MemberView(user, user == self._own, tuple(track.present), tuple(track.grouped))
            for user, track in self._tracks.items()
        ]
        members.sort(key=lambda member: not member.own)
        transitions = tuple(record.view() for record in self._records)
        return DaveTimeline(tuple(self._changes), tuple(members), transitions, self._left_out)

    def _announce(self, event: Event, at: At, d: Any) -> None:
        dave, number = self.dave, number_in(d, "transition_id")
        told = dave.transitions.get(number) if number is not None and event.op != VoiceOp.DAVE_PREPARE_EPOCH else None
        version = number_in(d, "protocol_version") if told is None else told.version
        record = _Record("commit", event.connection, at, number, version, told)
        if event.op == VoiceOp.DAVE_PREPARE_TRANSITION:
            record.what = "version" if version else "downgrade"
        elif event.op == VoiceOp.DAVE_PREPARE_EPOCH:
            epoch = number_in(d, "epoch")
            record.what, record.epoch = ("new group", None) if epoch == NEW_GROUP else ("version", epoch)
        else:
            record.what = "welcome" if event.op == VoiceOp.MLS_WELCOME else "commit"
            record.epoch = dave.epoch
            record.members = None if dave.group is None else tuple(dave.group.values())
            self._group = (*self._selves(), *dave.members) if record.members is None else record.members
        self._records.append(record)
        if len(self._records) > MOST_TRANSITIONS:
            half = MOST_TRANSITIONS // 2
            del self._records[:half]
            self._left_out += half

    def _selves(self) -> tuple[str, ...]:
        return () if self._own is None else (self._own,)

    def _note(self, at: At) -> None:
        """Write down what has changed."""
        # Before Session Description, and where that was not recorded, no one has said which version is in force.
        version = self.dave.version
        grouped = self.dave.inside and version != 0
        if grouped:
            self._change(at, "group", self.dave.epoch)
        elif version is not None:
            self._change(at, "forming" if version else "off", None)
        self._sync(at.at_ns, (*self._selves(), *self.dave.members), self._group if grouped else ())

    def _change(self, at: At, state: GroupState, epoch: int | None) -> None:
        last = self._changes[-1] if self._changes else None
        if last is None or (last.state, last.epoch) != (state, epoch):
            self._changes.append(StateChange(at.at_ns, at.n, state, epoch))
            if len(self._changes) > MOST_CHANGES:
                del self._changes[: MOST_CHANGES // 2]

    def _sync(self, at_ns: int, present: Iterable[str], grouped: Iterable[str]) -> None:
        """Begin and end stretches of time, so that those are there who are now."""
        here, inside = dict.fromkeys(present), dict.fromkeys(grouped)
        for user in (*here, *inside):
            if user not in self._tracks and len(self._tracks) < MOST_MEMBERS:
                self._tracks[user] = _Track()
        for user, track in self._tracks.items():
            _stretch(track.present, at_ns, user in here)
            _stretch(track.grouped, at_ns, user in inside)


def _stretch(stretches: list[Stretch], at_ns: int, on: bool) -> None:
    if stretches and stretches[-1].end_ns is None:
        if not on:
            stretches[-1] = stretches[-1]._replace(end_ns=at_ns)
    elif on:
        stretches.append(Stretch(at_ns, None))
        if len(stretches) > MOST_STRETCHES:
            del stretches[: MOST_STRETCHES // 2]
