"""Rules about DAVE, on conversations of JSON and binary messages; the MLS structures inside do not matter to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Finding, Plane, Severity
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.session.dave import MAX_TRANSITIONS, Dave
from tests.conversation import Conversation
from tests.diagnose.finding import found, one

VOICE = "wss://invented.discord.media/?v=8"


def binary(talk: Conversation, op: int, body: bytes = b"", *, from_client: bool = False) -> Conversation:
    head = b"" if from_client else bytes([0, 0])
    return talk.frame(head + bytes([op]) + body, from_client=from_client)


def commit(talk: Conversation, transition: int) -> Conversation:
    return binary(talk, 29, transition.to_bytes(2) + b"\x00\x01\x00\x01")


def call() -> Conversation:
    """Rows 1 to 4: open, Hello, Session Description with DAVE, key package."""
    talk = Conversation(plane=Plane.VOICE, url=VOICE).opens().server({"op": 8, "d": {"heartbeat_interval": 41250}})
    return binary(talk.server({"op": 4, "d": {"dave_protocol_version": 1}}), 26, bytes(8), from_client=True)


def ready(talk: Conversation, transition: object) -> Conversation:
    return talk.client({"op": 23, "d": {"transition_id": transition}})


def execute(talk: Conversation, transition: object) -> Conversation:
    return talk.server({"op": 22, "d": {"transition_id": transition}})


def later(talk: Conversation, ms: float) -> Conversation:
    return talk.waits(ms).server({"op": 18, "d": {}})


def dave(talk: Conversation) -> list[Finding]:
    return [finding for finding in found(talk) if finding.rule.startswith(("dave-", "voice-binary"))]


def ids(talk: Conversation) -> list[str]:
    return [finding.rule for finding in dave(talk)]


def test_a_transition_that_is_announced_answered_and_executed_is_nothing_to_speak_of() -> None:
    assert ids(later(execute(ready(commit(call(), 7), 7), 7), 9000)) == []


def test_a_transition_without_an_answer_is_named_with_its_id() -> None:
    finding = one(dave(later(commit(call(), 7), 2500)), "dave-transition-not-ready")
    assert (finding.event, finding.evidence, finding.severity) == (6, (5,), Severity.ERROR)
    assert "transition 7 (a commit)" in finding.text


@pytest.mark.parametrize("op", [29, 30])
def test_transition_0_wants_no_answer(op: int) -> None:
    assert ids(later(binary(call(), op, b"\0\0" + bytes(4)), 9000)) == []


def test_an_answer_after_the_switch_is_late() -> None:
    talk = ready(execute(commit(call(), 7), 7).waits(500), 7)
    finding = one(dave(talk), "dave-ready-late")
    assert finding.evidence == (5, 6)
    assert "510 ms after it was executed" in finding.text
    assert "dave-ready-late" not in ids(ready(execute(commit(call(), 7), 7), 7))


def test_one_answer_is_enough() -> None:
    assert one(dave(ready(ready(commit(call(), 7), 7), 7)), "dave-ready-twice").evidence == (6,)


@pytest.mark.parametrize("transition", [8, None, "x"])
def test_an_answer_to_what_was_not_announced_is_noticed(transition: object) -> None:
    assert "dave-ready-unknown" in ids(ready(commit(call(), 7), transition))


def test_0_has_no_answer_and_is_not_taken_for_none() -> None:
    assert ids(ready(commit(call(), 0), 0)) == ["dave-ready-for-zero"]


def test_a_switch_that_was_not_announced_is_noticed() -> None:
    assert ids(execute(call(), 9)) == ["dave-execute-unannounced"]


def test_a_switch_without_the_clients_answer_is_noticed_once() -> None:
    assert ids(execute(commit(call(), 7), 7)) == ["dave-executed-unready"]
    assert ids(execute(later(commit(call(), 7), 2500), 7)) == ["dave-transition-not-ready"]


@pytest.mark.parametrize(
    "due",
    [{"op": 4, "d": {"dave_protocol_version": 1}}, {"op": 24, "d": {"epoch": 1}}, {"op": 24, "d": {"epoch": "1"}}],
)
def test_a_new_group_wants_a_key_package(due: dict) -> None:
    talk = call().server(due)
    assert one(dave(later(talk, 4000)), "dave-key-package-missing").evidence == (5,)
    assert ids(later(binary(call().server(due), 26, from_client=True), 4000)) == []


def test_the_next_epoch_of_a_group_wants_none() -> None:
    assert ids(later(call().server({"op": 24, "d": {"epoch": 2, "protocol_version": 1}}), 9000)) == []


def test_rejecting_a_commit_wants_a_key_package_too() -> None:
    talk = commit(call(), 7).client({"op": 31, "d": {"transition_id": 7}})
    assert [finding.rule for finding in dave(later(ready(talk, 7), 4000))] == [
        "dave-commit-rejected",
        "dave-key-package-missing",
    ]
    assert one(dave(talk), "dave-commit-rejected").evidence == (5,)


def test_proposals_want_a_commit() -> None:
    talk = later(binary(call(), 27, bytes(3)), 6000)
    assert "The client sent no commit." in one(dave(talk), "dave-proposals-unanswered").text
    own = later(binary(binary(call(), 27, bytes(3)), 28, bytes(3), from_client=True), 6000)
    assert one(dave(own), "dave-proposals-unanswered").evidence == (5, 6)
    assert ids(later(commit(binary(call(), 27, bytes(3)), 0), 6000)) == []


def test_falling_back_to_no_encryption_is_worth_a_note() -> None:
    downgrade = {"op": 21, "d": {"protocol_version": 0, "transition_id": 5}}
    talk = execute(ready(call().server(downgrade), 5), 5)
    assert one(dave(talk), "dave-downgrade").severity is Severity.INFO
    assert ids(talk.server({"op": 21, "d": {"protocol_version": 0, "transition_id": 0}})) == ["dave-downgrade"]


def test_opcodes_belong_in_their_kind_of_message() -> None:
    text = one(dave(call().client({"op": 28, "d": {}})), "voice-binary-as-text")
    assert "28" in text.text
    assert "binary" in text.text
    assert "voice-binary-as-text" in ids(binary(call(), 5, bytes(5)))


def state(talk: Conversation) -> Dave:
    pipeline = Pipeline(default())
    for happening in talk.happenings:
        pipeline.feed(happening)
    return pipeline._tracker.world.open[talk.connection].encryption


def test_who_is_there_and_whose_stream_it_is_are_followed() -> None:
    talk = call().server({"op": 11, "d": {"user_ids": ["1", "2"]}})
    talk.server({"op": 5, "d": {"user_id": "1", "ssrc": 100, "speaking": 1}})
    talk.server({"op": 12, "d": {"user_id": "2", "audio_ssrc": 200, "video_ssrc": 201, "rtx_ssrc": 202}})
    assert state(talk).users == {100: "1", 200: "2", 201: "2", 202: "2"}
    after = state(talk.server({"op": 13, "d": {"user_id": "2"}}))
    assert (list(after.members), after.users) == (["1"], {100: "1"})


def test_the_version_in_force_follows_the_transitions() -> None:
    talk = call()
    assert state(talk).version == 1
    talk.server({"op": 21, "d": {"protocol_version": 0, "transition_id": 5}})
    assert state(talk).version == 1
    assert state(execute(talk, 5)).version == 0
    assert state(talk.server({"op": 21, "d": {"protocol_version": 1, "transition_id": 0}})).version == 1


def test_a_new_group_brings_its_version_into_force_and_a_second_fall_back_is_noticed_too() -> None:
    downgrade = {"op": 21, "d": {"protocol_version": 0, "transition_id": 5}}
    talk = execute(call().server(downgrade), 5).server({"op": 24, "d": {"protocol_version": 1, "epoch": 1}})
    assert state(talk).version == 0
    talk = execute(commit(talk, 6), 6)
    assert state(talk).version == 1
    talk.server({"op": 21, "d": {"protocol_version": 0, "transition_id": 7}})
    assert ids(talk).count("dave-downgrade") == 2


def test_transitions_without_end_are_not_kept() -> None:
    talk = call()
    for number in range(1, 200):
        talk.server({"op": 21, "d": {"protocol_version": 1, "transition_id": number}})
    assert len(state(talk).transitions) == MAX_TRANSITIONS


ODD = st.none() | st.integers() | st.text(max_size=2) | st.lists(st.integers(), max_size=2)
BODIES = ODD | st.dictionaries(
    st.sampled_from(["transition_id", "epoch", "protocol_version", "user_ids", "user_id", "ssrc"]), ODD, max_size=4
)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 33), BODIES, st.integers(0, 9000)), max_size=8))
def test_no_voice_payload_is_too_odd(steps: list) -> None:
    talk = call()
    for from_client, op, d, wait in steps:
        (talk.waits(wait).client if from_client else talk.waits(wait).server)({"op": op, "d": d})
    found(talk.closes(4017, by="server"))
