"""Rules about what DAVE's messages hold: proposals, commits, key packages, and the numbers that they name.

Proposals and key packages are called by the beginnings of their references, as everywhere. Sources:
https://github.com/discord/dave-protocol/blob/main/protocol.md and https://www.rfc-editor.org/rfc/rfc9420
"""

from collections.abc import Iterable, Iterator
from typing import Any

from inspector.diagnose.dave import is_known
from inspector.diagnose.rule import SECOND, Noticed, Situation, receives, rule, sends, silence
from inspector.diagnose.words import quoted
from inspector.model import Plane, Severity
from inspector.protocol.ops import VoiceOp
from inspector.session.dave import Dave
from inspector.session.messages import At, name
from inspector.session.proposals import MAX_MEMBERS, Proposed, inner, number_in, read_proposals, references
from inspector.wire.mls import CIPHER_SUITES
from inspector.words import counted, listed, roughly

VOICE = Plane.VOICE
# Time within which a proposal and a client's commit may have crossed each other.
CROSSING_NS = 1 * SECOND
# Time in which somebody's commit should come.
COMMIT_NS = 5 * SECOND
# Things that are listed by name.
MOST_NAMED = 6
# What version 1 of DAVE is made of: https://daveprotocol.com, "Group Parameters".
SUITE = CIPHER_SUITES[2]
PROPOSALS = ("add", "remove")


def _short(ref: str) -> str:
    return quoted(ref[:8])


def _named(refs: Iterable[str], known: dict[str, Proposed]) -> str:
    """Name proposals by reference, and what each is about where that is known."""
    said = []
    for ref in refs:
        proposal = known.get(ref)
        about = "" if proposal is None else _about(proposal)
        said.append(f"{_short(ref)}{about}")
    rest = [f"{len(said) - MOST_NAMED} more"] if len(said) > MOST_NAMED else []
    return listed([*said[:MOST_NAMED], *rest])


def _about(proposal: Proposed) -> str:
    if proposal.user is not None:
        return f" (adds {quoted(proposal.user)}, row {proposal.n})"
    leaf = "" if proposal.leaf is None else f"removes leaf {proposal.leaf}, "
    return f" ({leaf}row {proposal.n})"


def _transition(d: Any) -> str:
    """Name the transition that a commit or welcome is announced with; a client's own has none yet."""
    number = number_in(d, "transition_id")
    return "" if number is None else f" of transition {number}"


def _is_current(now: Situation) -> bool:
    """Return whether a commit is for the epoch that the proposals are of. Of the others' epochs little is known."""
    encryption, epoch = now.connection.voice.encryption, number_in(now.d, "epoch")
    if epoch is None or not is_known(now):
        return False
    if now.event.from_client:
        # Without proposals it is one that lost the race.
        return any(each.epoch == epoch for each in encryption.open_proposals.values())
    return encryption.epoch == epoch if encryption.inside else epoch == 0


@rule(
    "dave-proposals-unanswered",
    Severity.WARN,
    silence(VOICE),
    remedy="Commit the proposals (op 28) of the current epoch, all of them and nothing else.",
    source=("dave",),
)
def dave_proposals_unanswered(now: Situation) -> Iterator[Noticed]:
    """Proposals arrived, and neither the client nor anyone else committed them.

    Until someone does, people who joined hear nothing, and people who left could still listen.
    """
    encryption = now.connection.voice.encryption
    if encryption.proposals is None or not now.connection.is_whole or _takes_up(now):
        return
    left = {ref: proposal for ref, proposal in encryption.open_proposals.items() if proposal.revoked is None}
    if left and not encryption.inside and all(proposal.epoch for proposal in left.values()):
        # Of a group that the client is not in, commits do not come here.
        return
    if now.passed(encryption.proposals.at_ns + COMMIT_NS):
        own = "The client's own commit was not taken up." if encryption.committed else "The client sent no commit."
        named = f": {_named(left, left)}" if left else ""
        yield Noticed(
            f"{counted(encryption.proposed, 'message')} of proposals came, and no commit was announced within "
            f"{roughly(now.at_ns - encryption.proposals.at_ns)}{named}. {own}",
            (encryption.proposals.n, encryption.committed.n if encryption.committed else None),
        )


def _takes_up(now: Situation) -> bool:
    """Return whether this row is somebody's commit, or a new beginning."""
    op = now.event.op
    is_change = op in (
        VoiceOp.DAVE_PREPARE_EPOCH,
        VoiceOp.MLS_PROPOSALS,
        VoiceOp.MLS_ANNOUNCE_COMMIT,
        VoiceOp.MLS_WELCOME,
    )
    return now.payload is not None and not now.event.from_client and is_change


@rule(
    "dave-commit-incomplete",
    Severity.WARN,
    sends(VOICE, VoiceOp.MLS_COMMIT_WELCOME),
    receives(VOICE, VoiceOp.MLS_ANNOUNCE_COMMIT),
    remedy="Keep every proposal of the epoch (op 27) until it is committed or revoked, and commit all of them: the "
    "server rejects a commit that leaves one out.",
    source=("dave",),
)
def dave_commit_incomplete(now: Situation) -> Iterator[Noticed]:
    """A commit leaves out proposals that arrived before it and were not revoked.

    They are lost with the epoch: people who joined stay out, and people who left keep the keys.
    """
    if not _is_current(now):
        return
    encryption, taken = now.connection.voice.encryption, set(references(now.d))
    latest_ns = now.at_ns - (CROSSING_NS if now.event.from_client else 0)
    left = {
        ref: proposal
        for ref, proposal in encryption.open_proposals.items()
        if ref not in taken
        and proposal.revoked is None
        and proposal.epoch == number_in(now.d, "epoch")
        and proposal.at_ns <= latest_ns
        and not _concerns_itself(encryption, proposal)
    }
    if left:
        yield Noticed(
            f"The commit{_transition(now.d)} has {counted(len(taken), 'proposal')} and leaves out "
            f"{_named(left, left)}.",
            tuple(proposal.n for proposal in left.values()),
        )


def _concerns_itself(encryption: Dave, proposal: Proposed) -> bool:
    """Return whether a proposal is about the client itself, which cannot commit that."""
    if proposal.kind == "add":
        return proposal.user is not None and proposal.user == encryption.user
    if encryption.group is None or proposal.leaf is None:
        return True
    return encryption.group.get(proposal.leaf) == encryption.user


@rule(
    "dave-commit-unknown-proposal",
    Severity.WARN,
    sends(VOICE, VoiceOp.MLS_COMMIT_WELCOME),
    receives(VOICE, VoiceOp.MLS_ANNOUNCE_COMMIT),
    remedy="Look for proposals (op 27) that did not arrive, for instance while the connection was down on a version "
    "below 8. The client can only reject such a commit (op 31) and be added again.",
    source=("dave", "rfc9420"),
)
def dave_commit_unknown_proposal(now: Situation) -> Iterator[Noticed]:
    """A commit refers to a proposal that never arrived here or was revoked."""
    if not _is_current(now):
        return
    known = now.connection.voice.encryption.open_proposals
    refs = list(dict.fromkeys(references(now.d)))
    unknown = [ref for ref in refs if ref not in known]
    if unknown:
        never = "a proposal" if len(unknown) == 1 else f"{len(unknown):,} proposals"
        yield Noticed(f"The commit{_transition(now.d)} refers to {never} that never came: {_named(unknown, {})}.")
    since_ns = now.at_ns - CROSSING_NS
    revoked = {
        ref: at
        for ref in refs
        if ref in known and (at := known[ref].revoked) is not None
        if not now.event.from_client or at.at_ns < since_ns
    }
    if revoked:
        yield Noticed(
            f"The commit{_transition(now.d)} refers to what was taken back: {_named(revoked, known)}.",
            tuple(n for ref, at in revoked.items() for n in (known[ref].n, at.n)),
        )


@rule(
    "dave-epoch-jump",
    Severity.WARN,
    receives(VOICE, VoiceOp.MLS_PROPOSALS, VoiceOp.MLS_ANNOUNCE_COMMIT),
    remedy="Look for a commit (op 29) that did not arrive. A client that missed one must reject the next (op 31) and "
    "send a fresh key package.",
    source=("rfc9420", "dave"),
)
def dave_epoch_jump(now: Situation) -> Iterator[Noticed]:
    """Proposals or a commit belong to another epoch than the group is in."""
    encryption, epoch = now.connection.voice.encryption, number_in(now.d, "epoch")
    if epoch is None or encryption.epoch is None or epoch == encryption.epoch or not is_known(now):
        return
    what = "The proposals are" if now.event.op == VoiceOp.MLS_PROPOSALS else f"The commit{_transition(now.d)} is"
    entered = encryption.entered
    yield Noticed(f"{what} of epoch {epoch}; the group is in epoch {encryption.epoch}.", (entered and entered.n,))


@rule(
    "dave-add-unknown-user",
    Severity.WARN,
    receives(VOICE, VoiceOp.MLS_PROPOSALS),
    remedy="Do not commit it: anyone who is added can hear the call. Accept such proposals only for users that Clients "
    "Connect (op 11) has named.",
    source=("dave",),
)
def dave_add_unknown_user(now: Situation) -> Iterator[Noticed]:
    """A proposal adds a user who, according to the server, is not in the call."""
    encryption, connection = now.connection.voice.encryption, now.connection
    # Before version 8 a resume does not send again who came meanwhile.
    is_told = connection.resume is None or (connection.version or 0) >= 8
    if not encryption.listed or not is_known(now) or not is_told or len(encryption.members) >= MAX_MEMBERS:
        return
    added = (proposal.user for _, proposal in read_proposals(now.d, At(0, 0)) if proposal.kind == "add")
    strangers = dict.fromkeys(
        user for user in added if user is not None and user not in encryption.members and user != encryption.user
    )
    if strangers:
        named = [quoted(user) for user in strangers]
        rest = [f"{len(named) - MOST_NAMED} more"] if len(named) > MOST_NAMED else []
        yield Noticed(f"It adds {listed([*named[:MOST_NAMED], *rest])}; op 11 never named them, or they left.")


@rule(
    "dave-external-sender-changed",
    Severity.WARN,
    receives(VOICE, VoiceOp.MLS_EXTERNAL_SENDER),
    remedy="Keep the first key: a group has one external sender, and proposals from another cannot be verified.",
    source=("dave",),
)
def dave_external_sender_changed(now: Situation) -> Iterator[Noticed]:
    """The server changed the key for its proposals within one group."""
    encryption, key = now.connection.voice.encryption, inner(now.d, "signature_key")
    before, known = encryption.external_sender, encryption.external_key
    if type(key) is not str or known is None or before is None or key == known:
        return
    if encryption.renewed is None or encryption.renewed.n < before.n:
        yield Noticed(f"The key begins with {_short(key[2:])}, that of before with {_short(known[2:])}.", (before.n,))


@rule(
    "dave-credential-mismatch",
    Severity.ERROR,
    sends(VOICE, VoiceOp.MLS_KEY_PACKAGE),
    remedy="Put the user id of the joining account into the key package: eight bytes, big-endian.",
    source=("dave",),
)
def dave_credential_mismatch(now: Situation) -> Iterator[Noticed]:
    """The client's key package names another user than its Identify; it will not be added."""
    user, claimed = now.connection.voice.encryption.user, name(inner(now.d, "user_id"))
    if user is not None and claimed is not None and user != claimed:
        asked = now.connection.identify
        yield Noticed(
            f"The key package is in the name of {quoted(claimed)}; Identify was by {quoted(user)}.",
            (asked.n if asked else None,),
        )


@rule(
    "dave-parameters-wrong",
    Severity.WARN,
    sends(VOICE, VoiceOp.MLS_KEY_PACKAGE, VoiceOp.MLS_COMMIT_WELCOME),
    receives(
        VOICE,
        VoiceOp.MLS_EXTERNAL_SENDER,
        VoiceOp.MLS_PROPOSALS,
        VoiceOp.MLS_ANNOUNCE_COMMIT,
        VoiceOp.MLS_WELCOME,
    ),
    remedy="Use MLS 1.0 with cipher suite 2, basic credentials and public messages; only the server proposes, only Add "
    "and Remove, and commits take proposals by reference.",
    source=("dave",),
)
def dave_parameters_wrong(now: Situation) -> Iterator[Noticed]:
    """A message contains something that version 1 of DAVE does not allow; members of the group must reject it."""
    assert now.payload is not None
    if now.payload.problems:
        # That it cannot be read to its end is told elsewhere.
        return
    wrong = list(dict.fromkeys(_foreign(now.event.op, now.d)))
    if wrong:
        rest = [f"{len(wrong) - MOST_NAMED} more"] if len(wrong) > MOST_NAMED else []
        yield Noticed(f"It has {listed([*wrong[:MOST_NAMED], *rest])}{_transition_at_end(now.d)}.")


def _transition_at_end(d: Any) -> str:
    number = number_in(d, "transition_id")
    return "" if number is None else f", in transition {number}"


def _foreign(op: int | str | None, d: Any) -> Iterator[str]:
    """Yield what in a body is not as version 1 has it."""
    if op == VoiceOp.MLS_EXTERNAL_SENDER:
        yield from _unlike(d, ("credential", "credential_type"), "basic", "credential")
    elif op == VoiceOp.MLS_KEY_PACKAGE:
        yield from _foreign_package(inner(d, "key_package"))
    elif op == VoiceOp.MLS_PROPOSALS:
        proposals = inner(d, "proposals")
        for each in proposals if type(proposals) is list else ():
            message = inner(each, "message")
            yield from _unlike(message, ("wire_format",), "public_message", "wire format")
            yield from _unlike(message, ("public_message", "sender_type"), "external", "sender")
            yield from (f"a proposal {kind}" for kind in _other(inner(each, "type"), PROPOSALS))
            yield from _foreign_package(inner(message, "public_message", "proposal", "key_package"))
    else:
        yield from _unlike(d, ("commit", "wire_format"), "public_message", "wire format")
        yield from _unlike(d, ("commit", "public_message", "sender_type"), "member", "sender")
        proposals = inner(d, "commit", "public_message", "commit", "proposals")
        if type(proposals) is list and any(inner(each, "type") == "proposal" for each in proposals):
            yield "a proposal inside the commit"
        yield from _unlike(d, ("welcome", "cipher_suite"), SUITE, "cipher suite")


def _foreign_package(package: Any) -> Iterator[str]:
    yield from _unlike(package, ("version",), "mls10", "MLS version")
    yield from _unlike(package, ("cipher_suite",), SUITE, "cipher suite")
    yield from _unlike(package, ("leaf_node", "credential", "credential_type"), "basic", "credential")
    yield from _unlike(package, ("leaf_node", "leaf_node_source"), "key_package", "leaf source")
    if inner(package, "extensions") or inner(package, "leaf_node", "extensions"):
        yield "extensions of a key package"


def _unlike(d: Any, keys: tuple[str, ...], expected: str, what: str) -> Iterator[str]:
    yield from (f"the {what} {found}" for found in _other(inner(d, *keys), (expected,)))


def _other(value: Any, allowed: tuple[str, ...]) -> Iterator[str]:
    if type(value) in (int, str) and value not in allowed:
        yield quoted(str(value))


@rule(
    "dave-key-package-reused",
    Severity.WARN,
    receives(VOICE, VoiceOp.MLS_PROPOSALS, VoiceOp.MLS_WELCOME),
    remedy="Send a fresh key package each time one is due; each can be used once.",
    source=("rfc9420", "dave"),
)
def dave_key_package_reused(now: Situation) -> Iterator[Noticed]:
    """A key package is used a second time to add someone."""
    encryption = now.connection.voice.encryption
    opened = {
        proposal.package: At(proposal.n, proposal.at_ns)
        for proposal in encryption.open_proposals.values()
        if proposal.package is not None and proposal.revoked is None
    }
    for ref, user in _lets_in(now):
        before = encryption.used.get(ref) or (opened.get(ref) if now.event.op == VoiceOp.MLS_PROPOSALS else None)
        if before is not None:
            whom = "" if user is None else f" of {quoted(user)}"
            yield Noticed(f"The key package {_short(ref)}{whom} was used in row {before.n} already.", (before.n,))


def _lets_in(now: Situation) -> Iterator[tuple[str, str | None]]:
    """Yield the key packages by which somebody is let in, and whose they are."""
    if now.event.op == VoiceOp.MLS_PROPOSALS:
        packages = {each.package: each.user for _, each in read_proposals(now.d, At(0, 0)) if each.package is not None}
        yield from packages.items()
        return
    secrets = inner(now.d, "welcome", "secrets")
    refs = (inner(each, "new_member") for each in secrets) if type(secrets) is list else ()
    yield from ((ref, None) for ref in dict.fromkeys(ref for ref in refs if type(ref) is str))


@rule(
    "dave-key-package-repeated",
    Severity.WARN,
    sends(VOICE, VoiceOp.MLS_KEY_PACKAGE),
    remedy="Make a new key package each time one is due, and send it once: after Session Description with a version "
    "above 0, after Prepare Epoch with epoch 1, and after your own op 31.",
    source=("dave", "rfc9420"),
)
def dave_key_package_repeated(now: Situation) -> Iterator[Noticed]:
    """The client sends a key package again, or one that was not asked for."""
    encryption, ref = now.connection.voice.encryption, inner(now.d, "key_package", "ref")
    before = encryption.packages.get(ref) if type(ref) is str else None
    if before is not None:
        yield Noticed(f"The key package {_short(ref)} was sent in row {before.n} already.", (before.n,))
    elif is_known(now) and encryption.key_package is not None and encryption.packages_sent >= encryption.packages_due:
        newest = encryption.key_package
        yield Noticed(
            f"Another key package came in row {newest.n}, and none has become due since.", (newest.n,), Severity.INFO
        )


@rule(
    "dave-welcome-mismatch",
    Severity.WARN,
    receives(VOICE, VoiceOp.MLS_WELCOME),
    remedy="Keep the private keys of a key package until it has been used or replaced; the client can only reject "
    "this welcome (op 31) and send a fresh one.",
    source=("rfc9420", "dave"),
)
def dave_welcome_mismatch(now: Situation) -> Iterator[Noticed]:
    """A welcome is not for the key package that the client sent last."""
    encryption = now.connection.voice.encryption
    refs = [ref for ref, _ in _lets_in(now)]
    if not refs or not encryption.packages or not is_known(now):
        return
    newest = next(reversed(encryption.packages))
    if newest not in refs:
        sent = encryption.packages.get(refs[0])
        which = "which the client never sent" if sent is None else f"that of row {sent.n}"
        at = encryption.packages[newest]
        yield Noticed(
            f"The welcome{_transition(now.d)} is for the key package {_short(refs[0])}, {which}; the newest is "
            f"{_short(newest)} of row {at.n}.",
            (at.n, sent.n if sent else None),
        )
