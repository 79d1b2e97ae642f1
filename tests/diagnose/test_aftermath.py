"""What the client did after an end, and whether that was right."""

from typing import Any

import pytest

from inspector.model import Plane
from tests.conversation import (
    Conversation,
    Payload,
    identify,
    ready,
    resume,
)
from tests.diagnose.judged import (
    OTHER_CHANNEL,
    RESUMED,
    VOICE_TOKEN,
    Judged,
    again,
    begun,
    by_server,
    joined,
    online,
    talking,
    voice_identify,
    voice_resume,
    voice_server,
    voice_state,
)


def outcome(first: Conversation, *later: Conversation, connection: int = 1) -> tuple[bool | None, str]:
    verdict = Judged(first, *later).verdict(connection)
    return verdict.right, verdict.then


def test_what_came_next_is_told_with_its_row() -> None:
    first = by_server(online(), 4000)
    judged = Judged(first, again(first, resume()))
    assert (judged.verdict().right, judged.verdict().then) == (True, "It resumed 420 ms later.")
    assert judged.verdict().then_event == judged.row(6, connection=2)
    assert judged.close().verdict != judged.verdict()


def test_a_new_login_loses_what_could_be_resumed() -> None:
    first = by_server(online(), 4000)
    right, then = outcome(first, again(first, identify(), 3000))
    assert right is False
    assert then == "It started a new session 3 s later; the old session was still there, so events in between are lost."


SAME = "; Discord's own client does the same after 3 min without an ACK."
OTHER_WAY = "; Discord's own client starts a new session after 3 min without an ACK."


@pytest.mark.parametrize(
    ("said", "minutes", "right", "ending"),
    [
        (resume(), 2, True, "It resumed 2 min later."),
        (resume(), 4, True, f"It resumed 4 min later{OTHER_WAY}"),
        (identify(), 2, False, "are lost."),
        (identify(), 4, None, f"are lost{SAME}"),
        (identify(), 60, None, f"very late{SAME}"),
    ],
)
def test_after_three_minutes_a_verdict_cites_what_discord_s_own_client_does(
    said: Payload, minutes: float, right: bool | None, ending: str
) -> None:
    first = by_server(online(), 4000)
    found, then = outcome(first, again(first, said, minutes * 60_000))
    assert (found, then.endswith(ending)) == (right, True), then


def test_discord_s_own_client_is_not_cited_where_there_is_nothing_to_resume() -> None:
    first = by_server(online(), 4009)
    assert "own client" not in outcome(first, again(first, identify(), 240_000))[1]


def test_a_resume_of_what_has_ended_is_wrong() -> None:
    first = by_server(online(), 4007)
    right, then = outcome(first, again(first, resume()))
    assert (right, then) == (False, "It resumed 420 ms later, although the session counts as over.")


@pytest.mark.parametrize("code", [4007, 4009])
def test_what_the_server_says_to_a_resume_has_the_last_word(code: int) -> None:
    first = by_server(online(), code)
    refused = Judged(first, again(first, resume()).server({"op": 9, "d": False})).verdict()
    assert (refused.right, refused.resume, refused.then.rpartition("; ")[2]) == (
        False,
        False,
        "the server refused it (op 9).",
    )
    accepted = Judged(first, again(first, resume()).server(RESUMED)).verdict()
    assert (accepted.right, accepted.resume) == (None, True)
    assert accepted.advice.startswith("The resume worked")
    assert accepted.then.endswith("; the server accepted it.")


def test_what_was_right_is_not_said_to_be_more_than_accepted() -> None:
    first = by_server(online(), 4000)
    assert outcome(first, again(first, resume()).server(RESUMED)) == (
        True,
        "It resumed 420 ms later; the server accepted it.",
    )


def test_a_new_login_after_the_end_of_a_session_is_right() -> None:
    first = by_server(online(), 4009)
    assert outcome(first, again(first, identify())) == (True, "It started a new session 420 ms later.")


def test_either_will_do_where_nobody_knows() -> None:
    first = by_server(online().client(identify()), 4005)
    assert outcome(first, again(first, identify()))[0] is None


@pytest.mark.parametrize(
    ("code", "before", "after", "right", "how"),
    [
        (4004, {}, {}, False, "the same token"),
        (4010, {"shard": [2, 2]}, {"shard": [2, 2]}, False, "the same shard"),
        (4010, {"shard": [2, 2]}, {"shard": [1, 2]}, True, "shard [1, 2]"),
        (4011, {}, {"shard": [0, 2]}, True, "shard [0, 2]"),
        (4013, {"intents": 1 << 40}, {"intents": 1 << 40}, False, "the same intents"),
        (4014, {"intents": 515}, {"intents": 515}, False, "the same intents"),
        (4014, {"intents": 515}, {"intents": 513}, True, "intents 513 (without GUILD_MEMBERS)"),
    ],
)
def test_what_was_refused_must_not_come_back(
    code: int, before: dict[str, Any], after: dict[str, Any], right: bool, how: str
) -> None:
    first = by_server(begun().client(identify(**before)), code)
    found, then = outcome(first, again(first, identify(**after), 3000))
    assert (found, then) == (right, f"It started a new session 3 s later; came back with {how}.")


@pytest.mark.parametrize(("version", "right"), [(5, False), (10, True)])
def test_another_version_is_what_4012_wants(version: int, right: bool) -> None:
    first = by_server(begun(url="wss://gateway.discord.gg/?v=5").client(identify()), 4012)
    assert outcome(first, again(first, identify(), url=f"wss://gateway.discord.gg/?v={version}"))[0] is right


def test_what_comes_very_late_is_not_judged() -> None:
    first = by_server(begun().client(identify()), 4004)
    right, then = outcome(first, again(first, identify(), 3_600_000))
    assert (right, then.endswith("very late.")) == (None, True)


def test_a_program_that_stops_is_not_told_to_come_back() -> None:
    for end in (4000, 1006):
        verdict = Judged(online().closes(end)).verdict()
        assert verdict.advice.startswith("Nothing to do if the program was meant to stop.")


@pytest.mark.parametrize("code", [1006, 4000])
def test_a_program_that_was_started_again_cannot_resume(code: int) -> None:
    first = online().closes(code, "", "client")
    assert outcome(first, again(first, identify()))[0] is None


def test_another_client_says_nothing_of_a_close() -> None:
    first = by_server(online(), 4000)
    assert outcome(first, again(first, identify(token="another token altogether")))[1] == ""


def test_only_the_first_answer_to_a_close_counts() -> None:
    first = by_server(online(), 4000)
    second = again(first, resume()).server({"op": 9, "d": False}).client(identify()).server(ready("another" * 5))
    assert outcome(first, second) == (True, "It resumed 420 ms later; the server refused it (op 9).")


def test_a_voice_connection_that_crashed_is_to_be_resumed() -> None:
    first = by_server(talking(), 4015)
    for said, right in ((voice_resume(), True), (voice_identify(), False)):
        assert outcome(first, again(first, said, plane=Plane.VOICE, connection=6), connection=5)[0] is right


def test_an_old_voice_token_is_no_way_back() -> None:
    first = by_server(talking(), 4006)
    for token, right in ((VOICE_TOKEN, False), ("another token", True)):
        second = again(first, voice_identify(token=token), plane=Plane.VOICE, connection=6)
        assert outcome(first, second, connection=5)[0] is right


def test_who_was_kicked_must_not_come_back_uncalled() -> None:
    first = by_server(talking(), 4014)
    second = again(first, voice_identify(), plane=Plane.VOICE, connection=6)
    right, then = outcome(first, second, joined(), connection=5)
    assert (right, "came back without a new VOICE_SERVER_UPDATE" in then) == (False, True)


def test_who_was_moved_comes_back() -> None:
    first = by_server(talking(), 4014)
    main = joined().waits(1500).server(voice_state(OTHER_CHANNEL)).server(voice_server("another token"))
    second = again(first, voice_identify(token="another token"), 1500, plane=Plane.VOICE, connection=6)
    assert outcome(first, second, main, connection=5)[0] is True
