"""Rules about end-to-end encryption on the voice gateway: DAVE's versions and transitions, and what they wait for.

What the messages hold is the matter of `inspector.diagnose.mls`. Sources:
https://github.com/discord/dave-protocol/blob/main/protocol.md and
https://docs.discord.com/developers/topics/voice-connections#endtoend-encryption-dave-protocol
"""

from collections.abc import Iterator

from inspector.diagnose.rule import MS, SECOND, Noticed, Situation, closes, receives, rule, sends, silence
from inspector.diagnose.words import opcode
from inspector.model import Knows, Plane, Severity
from inspector.protocol.ops import BINARY, VoiceOp
from inspector.session.dave import AT_ONCE, NEW_GROUP, Transition
from inspector.session.proposals import number_in
from inspector.words import roughly

VOICE = Plane.VOICE
# Time after which no one waits any longer for a client to be ready: the server continues after some two seconds.
READY_NS = 3 * SECOND
# Time in which a key package should come.
PROMPT_NS = 3 * SECOND
# Less is not worth a word: the two ends' messages cross each other.
CROSSING_NS = 50 * MS

# What speaks of one transition that was announced.
_ABOUT_ONE = (
    VoiceOp.DAVE_EXECUTE_TRANSITION,
    VoiceOp.DAVE_TRANSITION_READY,
    VoiceOp.MLS_INVALID_COMMIT_WELCOME,
)
_ANNOUNCED = {
    VoiceOp.DAVE_PREPARE_TRANSITION: "a change of version",
    VoiceOp.MLS_ANNOUNCE_COMMIT: "a commit",
    VoiceOp.MLS_WELCOME: "a welcome",
}


def _what(transition: Transition) -> str:
    return f"transition {transition.id} ({_ANNOUNCED[transition.by]})"


def is_known(now: Situation) -> bool:
    """Return whether all of the handshake was recorded: then what is not known of it never came."""
    return now.connection.is_whole and now.connection.voice.encryption.whole


def _overdue(now: Situation) -> Iterator[Transition]:
    """Yield the transitions to which the client has said nothing for too long."""
    if not now.connection.is_whole:
        return
    for transition in now.connection.voice.encryption.pending():
        is_silent = transition.ready is None and transition.rejected is None
        if is_silent and not _answers(now, transition) and now.passed(transition.announced.at_ns + READY_NS):
            yield transition


def _answers(now: Situation, transition: Transition) -> bool:
    """Return whether this row is the answer, or makes it idle."""
    is_about = now.payload is not None and now.event.op in _ABOUT_ONE
    return is_about and number_in(now.d, "transition_id") == transition.id


@rule(
    "dave-transition-not-ready",
    Severity.ERROR,
    silence(VOICE),
    remedy="Send Transition Ready (op 23) for every announced transition except 0, once the client is ready.",
    source=("dave", "community-voice"),
)
def dave_transition_not_ready(now: Situation) -> Iterator[Noticed]:
    """The server announced a version change, and the client did not confirm it.

    The server waits about two seconds and then switches without the client, which hears nothing from then on.
    """
    for transition in _overdue(now):
        if transition.by == VoiceOp.DAVE_PREPARE_TRANSITION:
            yield Noticed(
                f"No op 23 came for {_what(transition)} within {roughly(now.at_ns - transition.announced.at_ns)}.",
                (transition.announced.n,),
            )


@rule(
    "dave-commit-ignored",
    Severity.ERROR,
    silence(VOICE),
    remedy="Process each commit (op 29) and welcome (op 30), then send op 23 with its transition_id; if that fails, "
    "send op 31 with it and a fresh key package (op 26).",
    source=("dave", "community-voice"),
)
def dave_commit_ignored(now: Situation) -> Iterator[Noticed]:
    """A commit or welcome arrived, and the client neither accepted nor rejected it.

    The client stays in an old epoch: it cannot hear the others, and they cannot hear it.
    """
    for transition in _overdue(now):
        if transition.by != VoiceOp.DAVE_PREPARE_TRANSITION:
            yield Noticed(
                f"Neither op 23 nor op 31 came for {_what(transition)} within "
                f"{roughly(now.at_ns - transition.announced.at_ns)}.",
                (transition.announced.n,),
            )


@rule(
    "dave-ready-late",
    Severity.WARN,
    sends(VOICE, VoiceOp.DAVE_TRANSITION_READY),
    remedy="Process commits and welcomes as soon as they arrive, so that op 23 comes in time.",
    source=("dave",),
    needs=Knows.TIMES,
)
def dave_ready_late(now: Situation) -> Iterator[Noticed]:
    """The client confirmed a transition after the server had executed it."""
    transition = now.connection.voice.encryption.transition(now.d)
    if transition is None or transition.id == AT_ONCE or transition.ready is not None or transition.executed is None:
        return
    late = now.at_ns - transition.executed.at_ns
    if late > CROSSING_NS:
        yield Noticed(
            f"Op 23 for {_what(transition)} came {roughly(late)} after it was executed, and "
            f"{roughly(now.at_ns - transition.announced.at_ns)} after it was announced.",
            (transition.announced.n, transition.executed.n),
        )


@rule(
    "dave-ready-twice",
    Severity.WARN,
    sends(VOICE, VoiceOp.DAVE_TRANSITION_READY),
    remedy="Send op 23 once for each transition.",
    source=("dave",),
)
def dave_ready_twice(now: Situation) -> Iterator[Noticed]:
    """The client confirmed one transition twice."""
    transition = now.connection.voice.encryption.transition(now.d)
    if transition is not None and transition.id != AT_ONCE and transition.ready is not None:
        yield Noticed(f"Op 23 for {_what(transition)} was sent before.", (transition.ready.n,))


@rule(
    "dave-ready-unknown",
    Severity.WARN,
    sends(VOICE, VoiceOp.DAVE_TRANSITION_READY),
    remedy="Send the transition_id of the announcement. Some libraries lose it or send an old one.",
    source=("dave",),
)
def dave_ready_unknown(now: Situation) -> Iterator[Noticed]:
    """The client confirmed a transition that was never announced."""
    number = number_in(now.d, "transition_id")
    if not is_known(now) or number == AT_ONCE:
        return
    if number is None:
        yield Noticed("Op 23 names no transition.")
    elif number not in now.connection.voice.encryption.transitions:
        yield Noticed(f"Transition {number} was never announced on this connection.")


@rule(
    "dave-ready-for-zero",
    Severity.WARN,
    sends(VOICE, VoiceOp.DAVE_TRANSITION_READY),
    remedy="Apply transition 0, but do not confirm it. Do not treat 0 as a missing number.",
    source=("dave",),
)
def dave_ready_for_zero(now: Situation) -> Iterator[Noticed]:
    """The client confirmed transition 0, which takes effect immediately and needs no answer."""
    if number_in(now.d, "transition_id") == AT_ONCE:
        announced = now.connection.voice.encryption.transitions.get(AT_ONCE)
        yield Noticed("Op 23 was sent for transition 0.", (announced.announced.n if announced else None,))


@rule(
    "dave-execute-unannounced",
    Severity.WARN,
    receives(VOICE, VoiceOp.DAVE_EXECUTE_TRANSITION),
    remedy="Look at what came before: a message was lost, or the connection was resumed without its state.",
    source=("dave",),
)
def dave_execute_unannounced(now: Situation) -> Iterator[Noticed]:
    """The server executes a transition that it never announced."""
    number = number_in(now.d, "transition_id")
    if not is_known(now):
        return
    if number is None:
        yield Noticed("Op 22 names no transition.")
    elif number not in now.connection.voice.encryption.transitions:
        yield Noticed(f"Transition {number} was never announced here.")


@rule(
    "dave-executed-unready",
    Severity.ERROR,
    receives(VOICE, VoiceOp.DAVE_EXECUTE_TRANSITION),
    remedy="Send op 23 as soon as a commit, welcome or version has been processed, or op 31 and a fresh key "
    "package (op 26) if that fails.",
    source=("dave", "community-voice"),
)
def dave_executed_unready(now: Situation) -> Iterator[Noticed]:
    """The server executed a transition that this client had not confirmed.

    It waits about two seconds for everyone. A client that does not switch too has the wrong keys from then on.
    """
    connection = now.connection
    transition = connection.voice.encryption.transition(now.d)
    if transition is None or transition.id == AT_ONCE or transition.executed is not None or not connection.is_whole:
        return
    if transition.ready is not None or transition.rejected is not None:
        return
    # What took longer, and was looked into, has been told by the rules about silence.
    is_told = transition.announced.n > connection.opened_row and (
        connection.examined_ns >= transition.announced.at_ns + READY_NS
    )
    if not is_told:
        missing = "op 23" if transition.by == VoiceOp.DAVE_PREPARE_TRANSITION else "op 23 or op 31"
        yield Noticed(
            f"{_what(transition).capitalize()} is executed {roughly(now.at_ns - transition.announced.at_ns)} after it "
            f"was announced, without {missing} from the client.",
            (transition.announced.n,),
        )


@rule(
    "dave-key-package-missing",
    Severity.ERROR,
    silence(VOICE),
    remedy="Send a fresh key package (op 26) after Session Description with a version above 0, after Prepare Epoch "
    "with epoch 1, and after your own op 31.",
    source=("dave", "community-voice"),
)
def dave_key_package_missing(now: Situation) -> Iterator[Noticed]:
    """A fresh key package was due, and the client sent none.

    Without one, the client cannot be added to the group: it hears nothing.
    """
    due = now.connection.voice.encryption.key_package_due
    if (
        due is None
        or not now.connection.is_whole
        or (now.event.from_client and now.event.op == VoiceOp.MLS_KEY_PACKAGE)
    ):
        return
    if now.passed(due.at_ns + PROMPT_NS):
        yield Noticed(f"No key package came within {roughly(now.at_ns - due.at_ns)} of {due.why}.", (due.n,))


@rule(
    "dave-commit-rejected",
    Severity.WARN,
    sends(VOICE, VoiceOp.MLS_INVALID_COMMIT_WELCOME),
    remedy="Find out why the commit or welcome did not fit: missed proposals, or the wrong epoch. The client must "
    "send a fresh key package as well; it is then removed and added again.",
    source=("dave",),
)
def dave_commit_rejected(now: Situation) -> Iterator[Noticed]:
    """The client rejected a commit or a welcome, and asks to be added again."""
    transition = now.connection.voice.encryption.transition(now.d)
    which = f"transition {number_in(now.d, 'transition_id')}" if transition is None else _what(transition)
    yield Noticed(f"The client rejects {which}.", (transition.announced.n if transition else None,))


@rule(
    "dave-downgrade",
    Severity.INFO,
    receives(VOICE, VoiceOp.DAVE_PREPARE_TRANSITION),
    remedy="Nothing, if someone without DAVE joined: the call has no end-to-end encryption until they leave.",
    source=("dave",),
)
def dave_downgrade(now: Situation) -> Iterator[Noticed]:
    """The call stops using end-to-end encryption."""
    encryption = now.connection.voice.encryption
    if number_in(now.d, "protocol_version") == 0 and encryption.version:
        number = number_in(now.d, "transition_id")
        which = "" if number is None else f" with transition {number}"
        yield Noticed(f"DAVE version {encryption.version} is given up for none{which}.")


@rule(
    "dave-passthrough",
    Severity.INFO,
    receives(
        VOICE,
        VoiceOp.DAVE_PREPARE_TRANSITION,
        VoiceOp.DAVE_EXECUTE_TRANSITION,
        VoiceOp.MLS_ANNOUNCE_COMMIT,
        VoiceOp.MLS_WELCOME,
    ),
    closes(VOICE),
    remedy="Nothing, if someone without DAVE was in the call. Otherwise find out why the server turned it off, and do "
    "not treat what was said in that time as confidential.",
    source=("dave",),
)
def dave_passthrough(now: Situation) -> Iterator[Noticed]:
    """For a while, media was not end-to-end encrypted.

    Reported when encryption is back; a warning if the connection ends before that.
    """
    encryption, closed = now.connection.voice.encryption, now.event.closed
    plain = encryption.plain
    if plain is None:
        return
    lasted = roughly(now.at_ns - plain.at_ns)
    if closed is not None:
        row = None if closed.code is None else now.registry.close_code(VOICE, closed.code)
        # Where a resume may follow, the last word is not spoken.
        if row is not None and row.sent_by(closed.by).resume is not True:
            yield Noticed(
                f"DAVE version {plain.was} was given up in row {plain.n}, and the connection ends {lasted} later "
                "without it.",
                (plain.n,),
                Severity.WARN,
            )
        return
    version = encryption.puts_in_force(now.event.op, now.d)
    if version:
        renewed = encryption.renewed if encryption.renewed is not None and encryption.renewed.n > plain.n else None
        by = "" if renewed is None else f" by a new group (op 24 in row {renewed.n})"
        number = number_in(now.d, "transition_id")
        yield Noticed(
            f"Version 0 was in force for {lasted}, from row {plain.n} to row {now.event.n}. Transition {number} leads "
            f"back to version {version}{by}.",
            (plain.n, renewed.n if renewed else None),
        )


@rule(
    "dave-group-replaced",
    Severity.INFO,
    receives(VOICE, VoiceOp.DAVE_PREPARE_EPOCH),
    remedy="Nothing in itself. The server does this, for example, when a client is out of step and cannot be added.",
    source=("dave",),
)
def dave_group_replaced(now: Situation) -> Iterator[Noticed]:
    """The server replaced a working group with a new one, although encryption was never off."""
    encryption = now.connection.voice.encryption
    # Anyone who is left behind alone gets a new group as a matter of course.
    is_alone = encryption.listed and not encryption.members.keys() - {encryption.user}
    if number_in(now.d, "epoch") != NEW_GROUP or is_alone:
        return
    if encryption.version and encryption.epoch is not None:
        entered = encryption.entered
        yield Noticed(
            f"The group of epoch {encryption.epoch} ends, and all need a fresh key package.",
            (entered.n if entered else None,),
        )


@rule(
    "dave-version-not-offered",
    Severity.ERROR,
    receives(
        VOICE,
        VoiceOp.SESSION_DESCRIPTION,
        VoiceOp.DAVE_PREPARE_TRANSITION,
        VoiceOp.DAVE_PREPARE_EPOCH,
    ),
    remedy="Set max_dave_protocol_version to the highest version the library supports, or update the library.",
    source=("dave", "official-voice"),
)
def dave_version_not_offered(now: Situation) -> Iterator[Noticed]:
    """The server asks for a newer version of DAVE than the client offered."""
    key = "dave_protocol_version" if now.event.op == VoiceOp.SESSION_DESCRIPTION else "protocol_version"
    version, encryption = number_in(now.d, key), now.connection.voice.encryption
    asked = now.connection.identify
    if version is None or not encryption.introduced:
        return
    if version > (encryption.offered or 0):
        yield Noticed(
            f"DAVE version {version} is to be spoken; Identify offered {encryption.offered or 'none'}.",
            (asked.n if asked else None,),
        )


@rule(
    "voice-binary-as-text",
    Severity.ERROR,
    sends(VOICE),
    receives(VOICE),
    remedy="Send ops 25 to 30 in binary messages with the opcode in the first byte, all others as JSON text.",
    source=("official-voice", "community-voice"),
    needs=Knows.WIRE,
)
def voice_binary_as_text(now: Situation) -> Iterator[Noticed]:
    """An opcode was sent in the wrong kind of message."""
    op = now.event.op
    if type(op) is not int or now.registry.opcode(VOICE, op) is None:
        return
    is_binary = now.event.encoding == "binary"
    if is_binary != (op in BINARY):
        found, expected = ("binary", "text") if is_binary else ("text", "binary")
        yield Noticed(
            f"{opcode(now.registry, VOICE, op).capitalize()} came in a {found} message; it belongs in {expected}."
        )
