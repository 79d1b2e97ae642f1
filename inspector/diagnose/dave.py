"""Rules about end-to-end encryption on the voice gateway: DAVE's transitions, and the MLS group behind them.

Sources: https://github.com/discord/dave-protocol/blob/main/protocol.md and
https://docs.discord.com/developers/topics/voice-connections#endtoend-encryption-dave-protocol
"""

from collections.abc import Iterator

from inspector.diagnose.rule import MS, SECOND, Noticed, Situation, receives, rule, sends, silence
from inspector.diagnose.words import counted, opcode, took
from inspector.model import Plane, Severity
from inspector.session.dave import AT_ONCE, BINARY, Transition, number_in

VOICE = Plane.VOICE
# Time that a client has to be ready for a transition; the server goes on without those who are not.
READY_NS = 2 * SECOND
# Time in which a key package, or somebody's commit, should come.
PROMPT_NS = 3 * SECOND
COMMIT_NS = 5 * SECOND
# Less is not worth a word: the two ends' messages cross each other.
CROSSING_NS = 50 * MS

_ANNOUNCED = {21: "a change of version", 29: "a commit", 30: "a welcome"}


def _what(transition: Transition) -> str:
    return f"transition {transition.id} ({_ANNOUNCED[transition.by]})"


@rule(
    "dave-transition-not-ready",
    Severity.ERROR,
    silence(VOICE),
    remedy="Send Transition Ready (op 23) for every announced transition but 0, once the commit, welcome or version "
    "was taken in. If that failed, say so with op 31 and a fresh key package.",
    source=("dave", "community-voice"),
)
def dave_transition_not_ready(now: Situation) -> Iterator[Noticed]:
    """A transition was announced, and the client did not say that it is ready.

    The server waits some two seconds and switches over without it; the client then hears nothing.
    """
    connection = now.connection
    if not connection.is_whole:
        return
    for transition in connection.encryption.pending():
        if transition.ready is None and now.passed(transition.announced.at_ns + READY_NS):
            yield Noticed(
                f"No op 23 came for {_what(transition)} within {took(now.at_ns - transition.announced.at_ns)}.",
                (transition.announced.n,),
            )


@rule(
    "dave-ready-late",
    Severity.WARN,
    sends(VOICE, 23),
    remedy="Be ready before the server switches over: process commits and welcomes as soon as they arrive.",
    source=("dave",),
)
def dave_ready_late(now: Situation) -> Iterator[Noticed]:
    """The client said that it is ready when the server had switched over already."""
    transition = now.connection.encryption.transition(now.d)
    if transition is None or transition.id == AT_ONCE or transition.ready is not None or transition.executed is None:
        return
    late = now.at_ns - transition.executed.at_ns
    if late > CROSSING_NS:
        yield Noticed(
            f"Op 23 for {_what(transition)} came {took(late)} after it was executed, and "
            f"{took(now.at_ns - transition.announced.at_ns)} after it was announced.",
            (transition.announced.n, transition.executed.n),
        )


@rule(
    "dave-ready-twice",
    Severity.WARN,
    sends(VOICE, 23),
    remedy="Send op 23 once for each transition.",
    source=("dave",),
)
def dave_ready_twice(now: Situation) -> Iterator[Noticed]:
    """The client said twice that it is ready for one transition."""
    transition = now.connection.encryption.transition(now.d)
    if transition is not None and transition.id != AT_ONCE and transition.ready is not None:
        yield Noticed(f"Op 23 for {_what(transition)} was sent before.", (transition.ready.n,))


@rule(
    "dave-ready-unknown",
    Severity.WARN,
    sends(VOICE, 23),
    remedy="Repeat the transition_id of the announcement; libraries have lost it on the way, or kept an old one.",
    source=("dave",),
)
def dave_ready_unknown(now: Situation) -> Iterator[Noticed]:
    """The client is ready for a transition that nobody announced."""
    number = number_in(now.d, "transition_id")
    if not now.connection.is_whole or number == AT_ONCE:
        return
    if number is None:
        yield Noticed("Op 23 names no transition.")
    elif number not in now.connection.encryption.transitions:
        yield Noticed(f"Transition {number} was never announced on this connection.")


@rule(
    "dave-ready-for-zero",
    Severity.WARN,
    sends(VOICE, 23),
    remedy="Do not answer transition 0, but read it: 0 is a number like any other, and not the same as none.",
    source=("dave",),
)
def dave_ready_for_zero(now: Situation) -> Iterator[Noticed]:
    """The client answered transition 0, which takes place at once and has no answer."""
    if number_in(now.d, "transition_id") == AT_ONCE:
        announced = now.connection.encryption.transitions.get(AT_ONCE)
        yield Noticed("Op 23 was sent for transition 0.", (announced.announced.n if announced else None,))


@rule(
    "dave-execute-unannounced",
    Severity.WARN,
    receives(VOICE, 22),
    remedy="Look at what came before: a message was lost, or the connection was taken over without its state.",
    source=("dave",),
)
def dave_execute_unannounced(now: Situation) -> Iterator[Noticed]:
    """The server executes a transition that it never announced."""
    number = number_in(now.d, "transition_id")
    if now.connection.is_whole and number not in now.connection.encryption.transitions:
        yield Noticed(f"Transition {'without an id' if number is None else number} was never announced here.")


@rule(
    "dave-executed-unready",
    Severity.WARN,
    receives(VOICE, 22),
    remedy="See dave-transition-not-ready: from here on this client's keys are not those of the others.",
    source=("dave",),
)
def dave_executed_unready(now: Situation) -> Iterator[Noticed]:
    """The server switches over although this client never said that it is ready."""
    transition = now.connection.encryption.transition(now.d)
    if transition is None or transition.id == AT_ONCE or transition.executed is not None or not now.connection.is_whole:
        return
    # What took longer, and was looked into, has been told by the rule about silence.
    if transition.ready is None and now.connection.examined_ns < transition.announced.at_ns + READY_NS:
        yield Noticed(
            f"{_what(transition).capitalize()} is executed {took(now.at_ns - transition.announced.at_ns)} after it was "
            "announced, without op 23 from the client.",
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
    """A fresh key package was due, and none came.

    Without one nobody can add the client to the group: it stays out and hears nothing.
    """
    due = now.connection.encryption.key_package_due
    if due is None or not now.connection.is_whole or (now.event.from_client and now.event.op == 26):
        return
    if now.passed(due.at_ns + PROMPT_NS):
        yield Noticed(f"No key package came within {took(now.at_ns - due.at_ns)}.", (due.n,))


@rule(
    "dave-commit-rejected",
    Severity.WARN,
    sends(VOICE, 31),
    remedy="Find out why the commit or welcome did not fit: proposals that were missed, or the wrong epoch. The client "
    "must send a fresh key package with it, and is removed and added again.",
    source=("dave",),
)
def dave_commit_rejected(now: Situation) -> Iterator[Noticed]:
    """The client could not use a commit or a welcome, and asks to be added anew."""
    transition = now.connection.encryption.transition(now.d)
    which = f"transition {number_in(now.d, 'transition_id')}" if transition is None else _what(transition)
    yield Noticed(f"The client rejects {which}.", (transition.announced.n if transition else None,))


@rule(
    "dave-proposals-unanswered",
    Severity.WARN,
    silence(VOICE),
    remedy="Commit the proposals (op 28) of the current epoch, all of them and nothing else.",
    source=("dave",),
)
def dave_proposals_unanswered(now: Situation) -> Iterator[Noticed]:
    """Proposals came, and neither the client nor anyone else committed them."""
    encryption = now.connection.encryption
    if encryption.proposals is None or not now.connection.is_whole:
        return
    if now.passed(encryption.proposals.at_ns + COMMIT_NS):
        own = "The client's own commit was not taken up." if encryption.committed else "The client sent no commit."
        yield Noticed(
            f"{counted(encryption.proposed, 'message')} of proposals came, and no commit was announced within "
            f"{took(now.at_ns - encryption.proposals.at_ns)}. {own}",
            (encryption.proposals.n, encryption.committed.n if encryption.committed else None),
        )


@rule(
    "dave-downgrade",
    Severity.INFO,
    receives(VOICE, 21),
    remedy="Nothing, if somebody without DAVE joined; the call goes on unencrypted end to end until they leave.",
    source=("dave",),
)
def dave_downgrade(now: Situation) -> Iterator[Noticed]:
    """The call falls back to no end-to-end encryption."""
    if number_in(now.d, "protocol_version") == 0 and now.connection.encryption.version:
        yield Noticed(f"DAVE version {now.connection.encryption.version} is given up for none.")


@rule(
    "voice-binary-as-text",
    Severity.ERROR,
    sends(VOICE),
    receives(VOICE),
    remedy="Send ops 25 to 30 in binary messages with the opcode in the first byte, all others as JSON text.",
    source=("official-voice", "community-voice"),
)
def voice_binary_as_text(now: Situation) -> Iterator[Noticed]:
    """An opcode crossed in the wrong kind of message."""
    op = now.event.op
    if type(op) is not int or now.registry.opcode(VOICE, op) is None:
        return
    is_binary = now.event.encoding == "binary"
    if is_binary != (op in BINARY):
        found, expected = ("binary", "text") if is_binary else ("text", "binary")
        yield Noticed(
            f"{opcode(now.registry, VOICE, op).capitalize()} came in a {found} message; it belongs in {expected}."
        )
