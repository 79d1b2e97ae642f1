"""Rules about DAVE, on conversations of JSON and binary messages; the MLS structures inside do not matter to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Finding, Plane, Severity
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.session.dave import MAX_TRANSITIONS, Dave
from tests.conversation import Conversation
from tests.diagnose.dave_talk import ADA, BJORN, Talk, add, package, pair
from tests.diagnose.dave_talk import commit as commit_of
from tests.diagnose.dave_talk import state as state_of
from tests.diagnose.finding import found, one

VOICE = "wss://invented.discord.media/?v=8"
# Cipher suite 2, and nothing in it.
WELCOME = b"\0\2\0\0"


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


def version(talk: Conversation, number: int, transition: int) -> Conversation:
    return talk.server({"op": 21, "d": {"protocol_version": number, "transition_id": transition}})


def later(talk: Conversation, ms: float) -> Conversation:
    return talk.waits(ms).server({"op": 18, "d": {}})


def dave(talk: Conversation) -> list[Finding]:
    return [finding for finding in found(talk) if finding.rule.startswith(("dave-", "voice-binary"))]


def ids(talk: Conversation) -> list[str]:
    return [finding.rule for finding in dave(talk)]


def test_a_transition_that_is_announced_answered_and_executed_is_nothing_to_speak_of() -> None:
    assert ids(later(execute(ready(commit(call(), 7), 7), 7), 9000)) == []


def test_a_commit_without_an_answer_is_named_with_its_id() -> None:
    finding = one(dave(later(commit(call(), 7), 3500)), "dave-commit-ignored")
    assert (finding.event, finding.evidence, finding.severity) == (6, (5,), Severity.ERROR)
    assert finding.text == "Neither op 23 nor op 31 came for transition 7 (a commit) within 3.5 s."


def test_a_welcome_without_an_answer_is_named_with_its_id() -> None:
    finding = one(dave(later(binary(call(), 30, b"\0\x07" + WELCOME), 3500)), "dave-commit-ignored")
    assert "transition 7 (a welcome)" in finding.text


def test_a_version_without_an_answer_is_named_with_its_id() -> None:
    talk = later(version(call(), 1, 7), 3500)
    finding = one(dave(talk), "dave-transition-not-ready")
    assert (finding.event, finding.evidence, finding.severity) == (6, (5,), Severity.ERROR)
    assert "transition 7 (a change of version)" in finding.text


@pytest.mark.parametrize("answer", [23, 31])
def test_a_commit_is_taken_in_or_rejected_and_either_is_an_answer(answer: int) -> None:
    talk = commit(call(), 7).waits(2900).client({"op": answer, "d": {"transition_id": 7}})
    talk = binary(talk, 26, from_client=True).waits(5000)
    assert "dave-commit-ignored" not in ids(execute(talk, 7))
    assert "dave-executed-unready" not in ids(talk)


def test_an_answer_after_a_long_silence_is_the_answer_all_the_same() -> None:
    """The row that answers does not say of itself that it is missing."""
    assert ids(commit(call(), 7).waits(3500).client({"op": 23, "d": {"transition_id": 7}})) == []


def test_a_commit_of_the_client_that_nobody_announced_is_nothing_to_speak_of() -> None:
    """Another's was first: https://daveprotocol.com, on who wins an epoch."""
    talk = binary(binary(call(), 27, bytes(2)), 28, b"\0\1\0\1", from_client=True)
    assert ids(later(execute(ready(commit(talk, 7), 7), 7), 9000)) == []


@pytest.mark.parametrize(("op", "body"), [(29, b"\0\1\0\1"), (30, WELCOME)])
def test_transition_0_wants_no_answer(op: int, body: bytes) -> None:
    assert ids(later(binary(call(), op, b"\0\0" + body), 9000)) == []


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


def test_what_was_announced_before_a_recording_is_not_unknown() -> None:
    talk = Talk().opens(joined_late=True).server({"op": 4, "d": {"dave_protocol_version": 1}})
    assert ids(execute(ready(binary(talk, 26, from_client=True), 9), 9)) == []
    resumed = Talk().opens()
    resumed.client({"op": 7, "d": {"server_id": "42", "session_id": "invented", "token": "invented"}})
    assert ids(execute(ready(resumed, 9), 9)) == []


def test_each_transition_has_an_answer_of_its_own() -> None:
    talk = ready(commit(execute(ready(commit(call(), 7), 7), 7), 8), 8)
    assert ids(execute(talk, 8)) == []


def test_a_switch_without_the_clients_answer_is_noticed_once() -> None:
    finding = one(dave(execute(commit(call(), 7).waits(2000), 7)), "dave-executed-unready")
    assert (finding.evidence, finding.severity) == ((5,), Severity.ERROR)
    assert finding.text == (
        "Transition 7 (a commit) is executed 2 s after it was announced, without op 23 or op 31 from the client."
    )
    assert ids(execute(later(commit(call(), 7), 3500), 7)) == ["dave-commit-ignored"]
    assert ids(execute(later(version(call(), 1, 7), 3500), 7)) == ["dave-transition-not-ready"]


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
    missing = one(dave(later(talk, 4000)), "dave-key-package-missing")
    assert (missing.evidence, "of op 31 for transition 7" in missing.text) == ((6,), True)
    assert ids(later(talk, 4000)) == ["dave-commit-rejected", "dave-key-package-missing"]
    assert one(dave(talk), "dave-commit-rejected").evidence == (5,)


def test_proposals_want_a_commit() -> None:
    talk = later(binary(call(), 27, bytes(3)), 6000)
    assert "The client sent no commit." in one(dave(talk), "dave-proposals-unanswered").text
    own = later(binary(binary(call(), 27, bytes(3)), 28, bytes(3), from_client=True), 6000)
    assert one(dave(own), "dave-proposals-unanswered").evidence == (5, 6)
    assert ids(later(commit(binary(call(), 27, bytes(3)), 0), 6000)) == []


def test_proposals_that_are_taken_back_want_no_commit() -> None:
    adds = add(ADA, 0)
    assert ids(Talk().introduced().package().proposes(adds).revokes(adds).later(6000)) == []
    left = Talk().introduced().package().proposes(adds).proposes(add(BJORN, 0)).revokes(adds)
    assert "1 message of proposals" in one(dave(left.later(6000)), "dave-proposals-unanswered").text


def test_falling_back_to_no_encryption_is_worth_a_note() -> None:
    downgrade = {"op": 21, "d": {"protocol_version": 0, "transition_id": 5}}
    talk = execute(ready(call().server(downgrade), 5), 5)
    assert one(dave(talk), "dave-downgrade").severity is Severity.INFO
    assert ids(talk.server({"op": 21, "d": {"protocol_version": 0, "transition_id": 0}})) == ["dave-downgrade"]


def down() -> Talk:
    """A pair whose encryption is given up: row 11 announces it, row 13 puts it in force."""
    return pair().prepares(0, 5).ready(5).executes(5)


def test_dave_passthrough_says_how_long_media_was_open() -> None:
    adds = add(ADA, 0, 9)
    talk = down().waits(3000).renews().package(package(number=1)).proposes(adds).commits(commit_of(0, adds))
    talk.announces(6, commit_of(0, adds)).ready(6)
    assert state_of(talk).version == 0
    finding = one(dave(talk.executes(6)), "dave-passthrough")
    assert (finding.event, finding.severity, finding.evidence) == (20, Severity.INFO, (13, 14))
    assert finding.text == (
        "Version 0 was in force for 3.1 s, from row 13 to row 20. Transition 6 leads back to version 1 by a new group "
        "(op 24 in row 14)."
    )
    assert state_of(talk).version == 1
    assert ids(talk.closes(1000)) == ["dave-downgrade", "dave-passthrough"]


def test_a_version_that_comes_back_at_once_ends_it_too() -> None:
    finding = one(dave(down().prepares(1, 0)), "dave-passthrough")
    assert "Transition 0 leads back to version 1." in finding.text


def test_dave_passthrough_is_a_warning_where_encryption_never_comes_back() -> None:
    finding = one(dave(down().waits(4000).closes(1000)), "dave-passthrough")
    assert (finding.severity, finding.evidence) == (Severity.WARN, (13,))
    assert finding.text == "DAVE version 1 was given up in row 13, and the connection ends 4 s later without it."


@pytest.mark.parametrize("code", [None, 1006, 4015])
def test_a_close_that_may_be_resumed_is_not_the_end_of_it(code: int | None) -> None:
    assert ids(down().closes(code, by="server")) == ["dave-downgrade"]


def test_a_call_that_never_was_encrypted_has_no_such_time() -> None:
    assert ids(Talk().introduced(dave_protocol_version=0).closes(1000)) == []


def test_dave_group_anew_names_the_epoch_that_ends() -> None:
    finding = one(dave(pair().renews()), "dave-group-replaced")
    assert (finding.severity, finding.evidence) == (Severity.INFO, (10,))
    assert "The group of epoch 1 ends" in finding.text
    assert "dave-group-replaced" not in ids(down().renews())
    assert "dave-group-replaced" not in ids(pair().renews(2))


def test_who_is_left_alone_gets_a_new_group_as_a_matter_of_course() -> None:
    talk = pair()
    talk.server({"op": 13, "d": {"user_id": ADA}})
    assert ids(talk.renews().prepares(1, 0).package(package(number=1))) == []


@pytest.mark.parametrize(
    "wants", [{"op": 21, "d": {"protocol_version": 2, "transition_id": 1}}, {"op": 24, "d": {"protocol_version": 2}}]
)
def test_dave_version_not_offered_names_both(wants: dict) -> None:
    finding = one(dave(pair().server(wants)), "dave-version-not-offered")
    assert (finding.event, finding.severity, finding.evidence) == (11, Severity.ERROR, (3,))
    assert finding.text == "DAVE version 2 is to be spoken; Identify offered 1."


@pytest.mark.parametrize(("offer", "found"), [(None, True), (0, True), (1, False), (2, False)])
def test_the_first_version_must_be_on_offer_too(offer: int | None, found: bool) -> None:
    assert ("dave-version-not-offered" in ids(Talk().introduced(offer))) is found


def test_opcodes_belong_in_their_kind_of_message() -> None:
    text = one(dave(call().client({"op": 28, "d": {}})), "voice-binary-as-text")
    assert "28" in text.text
    assert "binary" in text.text
    assert "voice-binary-as-text" in ids(binary(call(), 5, bytes(5)))


def state(talk: Conversation) -> Dave:
    pipeline = Pipeline(default())
    for happening in talk.happenings:
        pipeline.feed(happening)
    return pipeline._tracker.world.open[talk.connection].voice.encryption


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
