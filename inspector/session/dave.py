"""End-to-end encryption of one voice connection, as far as its handshake shows: version, group, members, transitions.

A transition is announced (op 21, 29 or 30), the client says that it is ready (op 23) or that it cannot be (op 31), the
server has all switch over (op 22). Each has an id; 0 means at once, with nothing to wait for.

Who is in the group follows from its commits: each takes up proposals, and who is added gets the first leaf that is
free. That holds only for a group seen from its making; a Welcome does not tell who was there before. Bounded, however
long the call lasts.

Source: https://github.com/discord/dave-protocol/blob/main/protocol.md and
https://docs.discord.food/topics/voice-connections#end-to-end-encryption
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from inspector.model import Event
from inspector.protocol.ops import VoiceOp
from inspector.session.messages import At, name, whole
from inspector.session.proposals import MAX_MEMBERS, Proposed, changed, inner, number_in, read_proposals, references
from inspector.words import counted, roughly

# Transitions and streams of media that are remembered of a call.
MAX_TRANSITIONS, MAX_SSRCS = 64, 256
# Proposals of one epoch, and key packages, that are remembered.
MAX_PROPOSALS, MAX_PACKAGES = 1024, 1024
AT_ONCE = 0
"""The transition id that needs no readiness."""
NEW_GROUP = 1
"""The epoch that a new group begins in, as op 24 names it; what makes the group is of epoch 0."""


@dataclass(slots=True)
class Transition:
    """One change of keys or version."""

    id: int
    by: VoiceOp
    """What announced it: a version, a commit or a welcome."""
    announced: At
    version: int | None = None
    """The version of the protocol that it leads to, where op 21 said so, or op 24 before a new group."""
    ready: At | None = None
    rejected: At | None = None
    """Where the client said with op 31 that it cannot use it."""
    executed: At | None = None


class Due(NamedTuple):
    """What made a fresh key package necessary."""

    n: int
    at_ns: int
    why: str


class Plain(NamedTuple):
    """From when on version 0 has been in force, which is no encryption from end to end."""

    n: int
    at_ns: int
    was: int
    """The version before."""


@dataclass(slots=True)
class Dave:
    """The state of one voice connection's encryption; a resume takes it over."""

    user: str | None = None
    """The client's own id, as Identify says."""
    introduced: bool = False
    """Whether Identify was recorded."""
    offered: int | None = None
    """The highest version that it offers."""
    whole: bool = False
    """Whether all was recorded since the server said which version is in force."""
    version: int | None = None
    """In force; 0 is none. None before the server has said."""
    next_version: int | None = None
    """What op 24 announced, until it is in force."""
    plain: Plain | None = None
    """While version 0 is in force after another."""
    epoch: int | None = None
    """Of the group; None outside of one, and where a Welcome led into one that is not known."""
    entered: At | None = None
    """The commit or Welcome that led there."""
    inside: bool = False
    """Whether the client is in a group, as far as it did not reject what led there."""
    group: dict[int, str] | None = None
    """Who is in the group: user ids by leaf. None where that is not known."""
    renewed: At | None = None
    """The newest op 24 that wants a new group."""
    transitions: dict[int, Transition] = field(default_factory=dict)
    """By id, the newest last. A number that is used again is another transition."""
    key_package_due: Due | None = None
    """What made a fresh key package (op 26) necessary, while none has come."""
    key_package: At | None = None
    """The newest that was sent."""
    packages_due: int = 0
    """How often one was necessary."""
    packages_sent: int = 0
    packages: dict[str, At] = field(default_factory=dict)
    """By reference: those that the client has sent, the newest last."""
    used: dict[str, At] = field(default_factory=dict)
    """By reference: those by which somebody has been let in."""
    proposals: At | None = None
    """The oldest proposals (op 27) that no commit has taken up, and that were not taken back."""
    proposed: int = 0
    """How many messages of proposals have come since the last commit."""
    open_proposals: dict[str, Proposed] = field(default_factory=dict)
    """By reference: those of the epoch, what was taken back too."""
    committed: At | None = None
    """The client's commit (op 28) for them."""
    own_commit: str | None = None
    """The signature of that."""
    external_sender: At | None = None
    external_key: str | None = None
    """The public key in it."""
    members: dict[str, None] = field(default_factory=dict)
    """Users in the call, as ops 11 and 13 told."""
    listed: bool = False
    """Whether op 11 has told at all."""
    users: dict[int, str] = field(default_factory=dict)
    """By SSRC: whose stream it is."""
    former: dict[int, str] = field(default_factory=dict)
    """By SSRC: whose stream it was; packets may be told of after their sender has left."""

    def take(self, event: Event, d: Any) -> str | None:
        """Take in a payload of the voice gateway, and return what it means beyond itself."""
        step = _STEPS.get((bool(event.from_client), event.op))
        return None if step is None else step(self, At(event.n, event.at_ns), d)

    @property
    def words(self) -> str | None:
        """How far it has come: ``DAVE epoch 2, 3 people``; None before the server has said anything of it."""
        if not self.version:
            return None if self.version is None else "no DAVE"
        if not self.inside:
            return "DAVE, no group"
        epoch = "" if self.epoch is None else f" epoch {self.epoch}"
        return f"DAVE{epoch}" + ("" if self.group is None else f", {len(self.group)} people")

    def transition(self, d: Any) -> Transition | None:
        """Return the transition that the body of an op 22, 23 or 31 speaks of; None where it was never announced."""
        number = number_in(d, "transition_id")
        return None if number is None else self.transitions.get(number)

    def pending(self) -> list[Transition]:
        """Return the transitions that are announced and not executed, ids other than 0 only."""
        return [each for each in self.transitions.values() if each.executed is None and each.id != AT_ONCE]

    def sealed_since(self) -> At | None:
        """Return from where on all that is sent in the call has to be encrypted; None while not all of it has to be.

        That is where the newest transition was executed: others may take a moment to follow, and are allowed to.
        """
        if not (self.whole and self.version and self.inside):
            return None
        begun = self.renewed.n if self.renewed is not None else 0
        done = [each for each in self.transitions.values() if each.executed is not None and each.announced.n > begun]
        if all(each.by == VoiceOp.DAVE_PREPARE_TRANSITION for each in done):
            return None
        return max((each.executed for each in done if each.executed is not None), key=lambda at: at.n)

    def puts_in_force(self, op: int | str | None, d: Any) -> int | None:
        """Return the version that a message of the server puts in force; None where it changes nothing about that."""
        if op == VoiceOp.SESSION_DESCRIPTION:
            return number_in(d, "dave_protocol_version")
        if op == VoiceOp.DAVE_EXECUTE_TRANSITION:
            transition = self.transition(d)
            return transition.version if transition is not None and transition.executed is None else None
        if number_in(d, "transition_id") != AT_ONCE:
            return None
        if op == VoiceOp.DAVE_PREPARE_TRANSITION:
            return number_in(d, "protocol_version")
        return self.next_version if op in (VoiceOp.MLS_ANNOUNCE_COMMIT, VoiceOp.MLS_WELCOME) else None


def _introduce(dave: Dave, at: At, d: Any) -> None:
    dave.introduced = True
    dave.user, dave.offered = name(inner(d, "user_id")), number_in(d, "max_dave_protocol_version")


def _announce(dave: Dave, at: At, d: Any, by: VoiceOp, version: int | None = None) -> None:
    number = number_in(d, "transition_id")
    if number is None:
        return
    if number == AT_ONCE:
        _put_in_force(dave, at, version)
    dave.transitions.pop(number, None)
    transition = dave.transitions[number] = Transition(number, by, at, version)
    if number == AT_ONCE:
        transition.executed = at
    if len(dave.transitions) > MAX_TRANSITIONS:
        del dave.transitions[next(iter(dave.transitions))]


def _put_in_force(dave: Dave, at: At, version: int | None) -> None:
    if version is None:
        return
    if version:
        dave.plain = dave.next_version = None
    elif dave.version:
        dave.plain = Plain(at.n, at.at_ns, dave.version)
    dave.version = version


def _want_key_package(dave: Dave, at: At, why: str) -> None:
    dave.key_package_due = Due(at.n, at.at_ns, why)
    dave.packages_due += 1


def _describe(dave: Dave, at: At, d: Any) -> None:
    dave.whole = True
    dave.version = None
    _put_in_force(dave, at, number_in(d, "dave_protocol_version"))
    if dave.version:
        _want_key_package(dave, at, f"Session Description with DAVE version {dave.version}")


def _prepare(dave: Dave, at: At, d: Any) -> None:
    version = number_in(d, "protocol_version")
    if version == 0:
        dave.next_version = None
    _announce(dave, at, d, VoiceOp.DAVE_PREPARE_TRANSITION, version)
    if number_in(d, "transition_id") == AT_ONCE:
        # Some begin again at this too.
        dave.packages_due += 1


def _prepare_epoch(dave: Dave, at: At, d: Any) -> str | None:
    version = number_in(d, "protocol_version")
    if number_in(d, "epoch") != NEW_GROUP:
        return None
    ended, dave.renewed, dave.next_version = dave.epoch, at, version
    _want_key_package(dave, at, "Prepare Epoch with epoch 1")
    _leave(dave)
    return None if ended is None else f"the group of epoch {ended} ends"


def _leave(dave: Dave) -> None:
    """Be in no group."""
    dave.inside, dave.group = False, None
    _enter(dave, None, None)


def _enter(dave: Dave, at: At | None, epoch: int | None) -> None:
    """Be in this epoch, in which nothing is proposed yet."""
    dave.epoch, dave.entered = epoch, at
    dave.committed = dave.own_commit = None
    _settle(dave)


def _settle(dave: Dave) -> None:
    dave.proposals, dave.proposed = None, 0
    dave.open_proposals.clear()


def _execute(dave: Dave, at: At, d: Any) -> str | None:
    transition = dave.transition(d)
    if transition is None or transition.executed is not None:
        return None
    transition.executed = at
    _put_in_force(dave, at, transition.version)
    return f"{roughly(at.at_ns - transition.announced.at_ns)} after it was announced"


def _ready(dave: Dave, at: At, d: Any) -> str | None:
    transition = dave.transition(d)
    if transition is None or transition.ready is not None:
        return None
    transition.ready = at
    return f"{roughly(at.at_ns - transition.announced.at_ns)} after it was announced"


def _package(dave: Dave, at: At, d: Any) -> None:
    dave.key_package, dave.key_package_due = at, None
    dave.packages_sent += 1
    ref = inner(d, "key_package", "ref")
    if type(ref) is str:
        _keep(dave.packages, ref, at)


def _keep(packages: dict[str, At], ref: str, at: At) -> None:
    packages.pop(ref, None)
    packages[ref] = at
    if len(packages) > MAX_PACKAGES:
        del packages[next(iter(packages))]


def _propose(dave: Dave, at: At, d: Any) -> None:
    if inner(d, "operation") == "revoke":
        _revoke(dave, at, d)
        return
    epoch = number_in(d, "epoch")
    if epoch is not None and any(each.epoch != epoch for each in dave.open_proposals.values()):
        # No one can commit those of another epoch any more.
        _settle(dave)
    if epoch is not None and dave.inside and epoch != dave.epoch:
        dave.epoch, dave.group = epoch, None
    if dave.proposals is None:
        dave.proposals = at
    dave.proposed += 1
    for ref, proposal in read_proposals(d, at):
        if len(dave.open_proposals) < MAX_PROPOSALS:
            dave.open_proposals[ref] = proposal
        else:
            dave.whole = False


def _revoke(dave: Dave, at: At, d: Any) -> None:
    listed = inner(d, "proposal_refs")
    for ref in listed if type(listed) is list else ():
        proposal = dave.open_proposals.get(ref) if type(ref) is str else None
        if proposal is not None:
            dave.open_proposals[ref] = proposal._replace(revoked=at)
    left = [each for each in dave.open_proposals.values() if each.revoked is None]
    dave.proposals = At(left[0].n, left[0].at_ns) if left else None
    dave.proposed = len({each.n for each in left})


def _commit(dave: Dave, at: At, d: Any) -> None:
    epoch = number_in(d, "epoch")
    if dave.epoch is not None and epoch is not None and epoch < dave.epoch:
        # It crossed the commit that won.
        return
    dave.committed = at
    signature = inner(d, "commit", "public_message", "signature")
    dave.own_commit = signature if type(signature) is str else None


def _committed(dave: Dave, at: At, d: Any) -> str | None:
    _announce(dave, at, d, VoiceOp.MLS_ANNOUNCE_COMMIT, dave.next_version)
    message = inner(d, "commit", "public_message")
    before, signature = number_in(d, "epoch"), inner(message, "signature")
    taken = [dave.open_proposals.get(ref) for ref in references(d)]
    is_own = dave.own_commit is not None and signature == dave.own_commit
    group = dave.group if dave.epoch == before else None
    if before == 0:
        # Who makes a group is alone in it until then, at leaf 0. The commits of others come as a Welcome.
        group = {0: dave.user} if is_own and dave.user is not None else None
    dave.group = None if group is None else changed(group, taken)
    for proposal in taken:
        if proposal is not None and proposal.package is not None:
            _keep(dave.used, proposal.package, at)
    whose = "" if dave.committed is None else ", by the client's own commit" if is_own else ", by another's commit"
    dave.inside = True
    _enter(dave, at, None if before is None else before + 1)
    return _where(dave, whose)


def _welcomed(dave: Dave, at: At, d: Any) -> str | None:
    _announce(dave, at, d, VoiceOp.MLS_WELCOME, dave.next_version)
    proposed = [each for each in dave.open_proposals.values() if each.revoked is None]
    made = bool(proposed) and all(each.epoch == 0 and each.kind == "add" for each in proposed)
    dave.group = None
    if made and len(proposed) == 1 and proposed[0].user is not None and dave.user is not None:
        # One of those that were to be in a new group has made it; with one other there is no doubt who.
        dave.group = {0: proposed[0].user, 1: dave.user}
    secrets = inner(d, "welcome", "secrets")
    for each in secrets if type(secrets) is list else ():
        if type(ref := inner(each, "new_member")) is str:
            _keep(dave.used, ref, at)
    dave.inside = True
    _enter(dave, at, NEW_GROUP if made else None)
    return _where(dave, "")


def _where(dave: Dave, whose: str) -> str | None:
    """Say to where a commit or Welcome led."""
    if dave.epoch is None:
        return None
    size = None if dave.group is None else len(dave.group)
    members = "" if size is None else f": {counted(size, 'member')}"
    return f"epoch {dave.epoch}{members}{whose}"


def _reject(dave: Dave, at: At, d: Any) -> None:
    transition = dave.transition(d)
    which = "op 31"
    if transition is not None:
        transition.rejected = at
        which = f"op 31 for transition {transition.id}"
    _want_key_package(dave, at, which)
    _leave(dave)


def _connected(dave: Dave, at: At, d: Any) -> None:
    users = d.get("user_ids") if type(d) is dict else None
    dave.listed = dave.listed or type(users) is list
    for user in users[:MAX_MEMBERS] if type(users) is list else ():
        found = name(user)
        if found is not None and len(dave.members) < MAX_MEMBERS:
            dave.members[found] = None


def _left(dave: Dave, at: At, d: Any) -> None:
    user = name(d.get("user_id")) if type(d) is dict else None
    dave.members.pop(user or "", None)
    for ssrc in [ssrc for ssrc, owner in dave.users.items() if owner == user]:
        dave.former.pop(ssrc, None)
        dave.former[ssrc] = dave.users.pop(ssrc)
        if len(dave.former) > MAX_SSRCS:
            del dave.former[next(iter(dave.former))]


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
    key = inner(d, "signature_key")
    dave.external_sender, dave.external_key = at, key if type(key) is str else None


_STEPS: dict[tuple[bool, int | str | None], Callable[[Dave, At, Any], str | None]] = {
    # Whether the client sent it, opcode.
    (True, VoiceOp.IDENTIFY): _introduce,
    (False, VoiceOp.SESSION_DESCRIPTION): _describe,
    (False, VoiceOp.SPEAKING): _speaks,
    (False, VoiceOp.CLIENTS_CONNECT): _connected,
    (False, VoiceOp.VIDEO): _shows,
    (False, VoiceOp.CLIENT_DISCONNECT): _left,
    (False, VoiceOp.DAVE_PREPARE_TRANSITION): _prepare,
    (False, VoiceOp.DAVE_EXECUTE_TRANSITION): _execute,
    (True, VoiceOp.DAVE_TRANSITION_READY): _ready,
    (False, VoiceOp.DAVE_PREPARE_EPOCH): _prepare_epoch,
    (False, VoiceOp.MLS_EXTERNAL_SENDER): _send,
    (True, VoiceOp.MLS_KEY_PACKAGE): _package,
    (False, VoiceOp.MLS_PROPOSALS): _propose,
    (True, VoiceOp.MLS_COMMIT_WELCOME): _commit,
    (False, VoiceOp.MLS_ANNOUNCE_COMMIT): _committed,
    (False, VoiceOp.MLS_WELCOME): _welcomed,
    (True, VoiceOp.MLS_INVALID_COMMIT_WELCOME): _reject,
}
OPS = frozenset(_STEPS)
"""Payloads that change its state, by who sent them and their opcode."""
