"""What is missing from a recording is said, and nothing is concluded from it."""

from collections.abc import Callable

import pytest

from inspector.model import Gap, Severity
from tests.conversation import ACK, HEARTBEAT, STEP, Conversation, dispatch, identify, message, ready, resume
from tests.diagnose.finding import found, ids, one

HELLO = {"op": 10, "d": {"heartbeat_interval": 1000}, "s": None, "t": None}
Say = Callable[[Conversation], Conversation]


def beats(talk: Conversation, times: int = 1) -> Conversation:
    for _ in range(times):
        talk.waits(970).client(HEARTBEAT).server(ACK)
    return talk


def logged_in(connection: int = 1) -> Conversation:
    talk = Conversation(connection=connection).opens().server(HELLO).waits(500).client(HEARTBEAT).server(ACK)
    return talk.client(identify()).server(ready()).server(message("one", 2))


def test_what_is_missing_is_a_warning_with_numbers() -> None:
    talk = logged_in().unseen(lambda talk: beats(talk, 3).server(message("two")), "queue")
    finding = one(found(talk), "recording-gap")
    assert finding.severity is Severity.WARN
    assert (
        finding.text
        == "The recording is missing 7 messages of this connection here: 3 from the client and 4 from the server."
    )


@pytest.mark.parametrize(
    ("unseen", "after", "rule"),
    [
        (lambda talk: beats(talk, 20), lambda talk: beats(talk), "heartbeat-late"),
        (lambda talk: talk.server(message("two", 3)), lambda talk: talk.server(message("three", 4)), "seq-gap"),
        (lambda talk: talk.client(HEARTBEAT), lambda talk: talk.server(ACK), "ack-without-heartbeat"),
        (lambda talk: talk.server({"op": 9, "d": False}), lambda talk: talk.client(identify()), "identify-twice"),
    ],
)
def test_rules_do_not_blame_an_end_for_what_is_missing(unseen: Say, after: Say, rule: str) -> None:
    assert ids(after(logged_in().unseen(unseen))) == ["recording-gap"]
    if rule != "heartbeat-late":
        # Where it was never said, they do.
        assert rule in ids(after(logged_in()))


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ((0, 1, "packets"), "the server: packets are missing from the recording."),
        ((1, 0, "frames"), "the client: it sent a frame that breaks WebSocket's rules."),
        ((1, 1, "tls"), "the client and the server: it could not be decrypted any further."),
    ],
)
def test_of_a_side_that_ends_in_a_gap_nothing_is_expected(lost: tuple[int, int, str], said: str) -> None:
    talk = logged_in()
    at_ns = talk.happenings[-1].at_ns + STEP
    talk.happenings.append(Gap(1, at_ns, at_ns, at_ns, *lost))
    for _ in range(20):
        talk.waits(970)
        if not lost[0]:
            talk.client(HEARTBEAT)
        if not lost[1]:
            talk.server(ACK)
    finding = one(found(talk), "recording-gap")
    assert finding.text == f"The recording has nothing after this from {said}"


def test_the_silence_of_a_gap_is_no_silence() -> None:
    talk = logged_in().unseen(lambda talk: beats(talk, 60))
    assert ids(talk, until_ms=100) == ["recording-gap"]


def test_a_session_that_began_in_a_gap_is_not_unknown() -> None:
    refused = {"op": 9, "d": False}
    first = logged_in().unseen(lambda talk: talk.server(refused).client(identify()).server(ready("c" * 32)))
    second = Conversation(connection=2, at_ns=first.closes(1006, by="server").happenings[-1].at_ns + 10**9)
    second.opens().server(HELLO).client(resume("c" * 32))
    assert "resume-unknown-session" not in ids(first, second)


@pytest.mark.parametrize(("known", "is_said"), [(True, True), (False, False)])
def test_what_is_missing_of_another_account_settles_nothing_here(known: bool, is_said: bool) -> None:
    """Of one that has not said who it is, it may be of this account."""
    token = "MTAwMDAwMDAwMDAwMDAwMDAw.GaaaaB.another-invented-token-9876543210"
    other = Conversation(connection=3).opens().server(HELLO)
    other = other.client(identify(token=token)) if known else other
    other.unseen(lambda talk: talk.server(message("lost", 2)))
    first = logged_in().closes(4000)
    second = Conversation(connection=2, at_ns=first.happenings[-1].at_ns + 10**9)
    second.opens().server(HELLO).client(resume("c" * 32))
    assert ("resume-unknown-session" in ids(first, other, second)) is is_said


def test_a_close_is_not_explained_by_heartbeats_that_nobody_saw() -> None:
    talk = logged_in().unseen(lambda talk: beats(talk, 20)).closes(4009, by="server")
    assert "no heartbeat was recorded" in one(found(talk), "close-4009").text


def test_rows_before_and_after_are_looked_into_as_ever() -> None:
    talk = logged_in().unseen(lambda talk: talk.server(message("two", 3)))
    assert "field-form-changed" in ids(talk.server(dispatch("MESSAGE_CREATE", {"id": 5, "content": "x"}, 4)))
