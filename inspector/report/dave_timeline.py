"""End-to-end encryption of one voice call over time: epochs, who is there and who in the group, transitions.

`inspector.session.dave` says what each payload changes; this remembers when. A capture does not show the group itself
but what is proposed and committed, so the members are what follows from that: after a Welcome, whose tree is encrypted,
all who are in the call.

Source: https://github.com/discord/dave-protocol/blob/main/protocol.md
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from inspector.model import Event
from inspector.session.dave import AT_ONCE, Dave, number_in
from inspector.session.dave import Transition as Announced
from inspector.session.said import At, name

# Kept of one call; the newest, where there are more.
MOST_CHANGES, MOST_TRANSITIONS = 1_000, 500
# Users of a call that are followed, and stretches of time kept of each.
MOST_MEMBERS, MOST_STRETCHES = 256, 100
# Proposals that are remembered until a commit.
_MOST_PROPOSALS = 512

State = Literal["group", "forming", "off", "apart"]
"""In a group, before there is one, without encryption, and without a connection."""
What = Literal["commit", "welcome", "downgrade", "version", "new group"]

_MOVES_PEOPLE = {(False, op) for op in (4, 9, 11, 13, 22, 24, 29, 30)} | {(True, 31)}


class Change(NamedTuple):
    """What holds from a time on."""

    at_ns: int
    """Nanoseconds since the epoch, as all times here."""
    row: int
    state: State
    epoch: int | None
    """Of the group; None outside of one, and where it cannot be told."""


class Stretch(NamedTuple):
    """From a time to another."""

    start_ns: int
    end_ns: int | None
    """None: it has not ended."""


@dataclass(frozen=True, slots=True)
class Member:
    """A user over time."""

    user: str
    own: bool
    """The client's own."""
    present: tuple[Stretch, ...]
    """In the call."""
    grouped: tuple[Stretch, ...]
    """In the MLS group."""


@dataclass(frozen=True, slots=True)
class Transition:
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

    changes: tuple[Change, ...] = ()
    members: tuple[Member, ...] = ()
    """The client's own user first, then in the order in which they came."""
    transitions: tuple[Transition, ...] = ()
    left_out: int = 0
    """Older transitions that are not kept."""


@dataclass(slots=True)
class _Record:
    """A transition, as it goes on."""

    what: What
    connection: int
    at: At
    id: int | None
    version: int | None = None
    told: Announced | None = None
    rejected: At | None = None
    epoch: int | None = None
    members: tuple[str, ...] | None = None

    def view(self) -> Transition:
        told = self.told
        executed = None if told is None or told.id == AT_ONCE else told.executed
        ready = None if told is None else told.ready
        return Transition(
            self.id, self.what, self.version, self.connection, self.at, ready, executed, self.rejected, self.epoch,
            self.members,
        )  # fmt: skip


_Proposal = tuple[Literal["add", "remove"], str | int | None]


@dataclass(slots=True)
class _Track:
    present: list[Stretch] = field(default_factory=list)
    grouped: list[Stretch] = field(default_factory=list)


class DaveRecorder:
    """Follows the encryption of one call, over its connections. Bounded."""

    def __init__(self) -> None:
        self.dave = Dave()
        self.own: str | None = None
        self._changes: list[Change] = []
        self._tracks: dict[str, _Track] = {}
        self._records: list[_Record] = []
        self._left_out = 0
        self._proposals: dict[str, _Proposal] = {}
        self._proposed_epoch: int | None = None
        self._grouped = False
        self._epoch: int | None = None
        self._group: dict[str, None] = {}
        self._leaves: dict[int, str] | None = None
        """Who sits where in the group's tree; None where that is not known."""

    def begin(self, own: str | None) -> None:
        """Begin anew: a connection that identifies has no group."""
        self.dave = Dave()
        self.own = own or self.own
        self._leave_group()

    def take(self, event: Event, d: Any) -> int | None:
        """Take in a payload of the voice gateway, and return the id of the transition that it names."""
        op, from_client = event.op, bool(event.from_client)
        at = At(event.n, event.at_ns)
        committed = self.dave.committed is not None
        self.dave.take(event, d)
        number = number_in(d, "transition_id")
        if not from_client and op in (21, 24, 29, 30):
            self._announce(event, at, d, number, committed)
        elif not from_client and op == 27:
            self._propose(d)
        elif not from_client and op == 22 and self.dave.version == 0:
            self._leave_group()
        elif from_client and op == 31:
            self._leave_group()
            for record in reversed(self._records):
                if record.id == number and record.rejected is None:
                    record.rejected = at
                    break
        if (from_client, op) in _MOVES_PEOPLE:
            self._note(at)
        return number

    def end(self, at: At) -> None:
        """Take note that the connection has ended: nobody can be seen from then on."""
        self._change(at, "apart", None)
        self._sync(at.at_ns, (), ())

    def view(self) -> DaveTimeline:
        """Return what has been seen so far."""
        members = [
            Member(user, user == self.own, tuple(track.present), tuple(track.grouped))
            for user, track in self._tracks.items()
        ]
        members.sort(key=lambda member: not member.own)
        transitions = tuple(record.view() for record in self._records)
        return DaveTimeline(tuple(self._changes), tuple(members), transitions, self._left_out)

    def _announce(self, event: Event, at: At, d: Any, number: int | None, committed: bool) -> None:
        dave, op = self.dave, event.op
        told = dave.transitions.get(number) if number is not None and op != 24 else None
        if op == 21:
            version = number_in(d, "protocol_version")
            record = _Record("version" if version else "downgrade", event.connection, at, number, version, told)
            if number == AT_ONCE and version == 0:
                self._leave_group()
        elif op == 24:
            record = _Record("new group", event.connection, at, number, number_in(d, "protocol_version"))
            if number_in(d, "epoch") == 1:
                self._leave_group()
            else:
                record.what, record.epoch = "version", number_in(d, "epoch")
        else:
            known = self._commit(d, welcome=op == 30, creator=committed)
            what: What = "welcome" if op == 30 else "commit"
            version = told.version if told is not None else None
            members = tuple(self._group) if known else None
            record = _Record(what, event.connection, at, number, version, told, None, self._epoch, members)
        self._records.append(record)
        if len(self._records) > MOST_TRANSITIONS:
            half = MOST_TRANSITIONS // 2
            del self._records[:half]
            self._left_out += half

    def _propose(self, d: Any) -> None:
        if type(d) is not dict:
            return
        self._proposed_epoch = number_in(d, "epoch") if "epoch" in d else self._proposed_epoch
        for ref in _items(d.get("proposal_refs")):
            if type(ref) is str:
                self._proposals.pop(ref, None)
        for proposal in _items(d.get("proposals")):
            if type(proposal) is dict and len(self._proposals) < _MOST_PROPOSALS:
                what = proposal.get("type")
                ref = proposal.get("ref")
                key = ref if type(ref) is str else f"without {len(self._proposals)}"
                if what == "add":
                    self._proposals[key] = "add", name(proposal.get("user_id"))
                elif what == "remove":
                    self._proposals[key] = "remove", number_in(proposal, "removed")

    def _commit(self, d: Any, *, welcome: bool, creator: bool) -> bool:
        """Take up what was proposed, and say whether all of that is known.

        `creator`: the client has committed too, so it had a group to begin with.
        """
        if welcome:
            self._epoch = None if self._proposed_epoch is None else self._proposed_epoch + 1
            # Whoever is there has been added with us, or was in the group before.
            self._group = dict.fromkeys((*self._selves(), *self.dave.members))
            self._leaves = None
        else:
            self._epoch = self.dave.epoch
            if not self._grouped:
                self._group = dict.fromkeys(self._selves())
                self._leaves = {0: self.own} if creator and self.own is not None else None
        self._grouped = True
        # Who leaves makes room for who comes: https://www.rfc-editor.org/rfc/rfc9420.html#section-12.4.2
        taken = [*self._proposals.values()] if welcome else self._taken_up(d)
        for what, which in sorted(filter(None, taken), key=lambda each: each[0] == "add"):
            if what == "add" and type(which) is str:
                self._group[which] = None
                if self._leaves is not None:
                    self._leaves[next(leaf for leaf in range(len(self._leaves) + 1) if leaf not in self._leaves)] = (
                        which
                    )
            elif what == "remove" and type(which) is int:
                self._remove(which)
        while len(self._group) > MOST_MEMBERS:
            self._group.popitem()
        self._proposals.clear()
        self._proposed_epoch = None
        return None not in taken

    def _taken_up(self, d: Any) -> list[_Proposal | None]:
        """Return the proposals that a commit names, None for one that was never seen."""
        message: Any = d
        for key in ("commit", "public_message", "commit"):
            message = message.get(key) if type(message) is dict else None
        listed = message.get("proposals") if type(message) is dict else None
        refs = [each.get("reference") for each in _items(listed) if type(each) is dict]
        return [self._proposals.get(ref) if type(ref) is str else None for ref in refs]

    def _remove(self, leaf: int) -> None:
        user = self._leaves.pop(leaf, None) if self._leaves is not None else None
        if user is not None:
            self._group.pop(user, None)
            return
        for gone in [each for each in self._group if each not in self.dave.members and each != self.own]:
            del self._group[gone]

    def _selves(self) -> tuple[str, ...]:
        return () if self.own is None else (self.own,)

    def _leave_group(self) -> None:
        self._grouped, self._epoch, self._leaves = False, None, None
        self._group.clear()
        self._proposals.clear()
        self._proposed_epoch = None

    def _note(self, at: At) -> None:
        """Write down what has changed."""
        # Before Session Description, and where that was not recorded, nobody has said which version is in force.
        version = self.dave.version
        grouped = self._grouped and version != 0
        if grouped:
            self._change(at, "group", self._epoch)
        elif version is not None:
            self._change(at, "forming" if version else "off", None)
        self._sync(at.at_ns, (*self._selves(), *self.dave.members), self._group if grouped else ())

    def _change(self, at: At, state: State, epoch: int | None) -> None:
        last = self._changes[-1] if self._changes else None
        if last is None or (last.state, last.epoch) != (state, epoch):
            self._changes.append(Change(at.at_ns, at.n, state, epoch))
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


def _items(value: Any) -> list[Any]:
    return value if type(value) is list else []
