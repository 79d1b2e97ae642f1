from typing import Any

import pytest

from inspector.model import Severity
from tests.conversation import (
    ACK,
    HELLO,
    NOON,
    SESSION,
    Conversation,
    identify,
    message,
    ready,
)
from tests.diagnose.finding import found, ids, one
from tests.diagnose.login_talk import (
    MINUTE,
    OTHER,
    PRESENCE,
    RECONNECT,
    RESUME_URL,
    RESUMED,
    greeted,
    invalid,
    of,
    resume,
    session,
)


def test_a_session_that_is_dropped_and_resumed_is_nothing_to_speak_of() -> None:
    first = session(url=RESUME_URL).server(RECONNECT).closes(4000)
    second = greeted(2, 1000, url=f"{RESUME_URL}/?v=10&encoding=json").client(resume())
    assert ids(first, second.server(RESUMED).client(PRESENCE).closes(1000)) == []


def test_resume_unknown_session_names_the_one_that_was_given() -> None:
    other = greeted(2, 1000).client(resume(session_id=OTHER))
    unknown = one(found(session().closes(4000), other), "resume-unknown-session")
    assert (unknown.event, unknown.severity, unknown.evidence) == (10, Severity.WARN, (4,))
    assert unknown.text.count("••••") == 2
    assert SESSION not in unknown.text


def test_resume_unknown_session_is_not_said_where_the_session_may_be_another_shards() -> None:
    first = greeted().client(identify(shard=[0, 2])).server(ready()).closes(4000)
    other = greeted(2, 1000).client(resume(session_id=OTHER))
    assert "resume-unknown-session" not in ids(first, other)
    assert ids(greeted().client(resume())) == []


def _short(shard: int, seq: int, connection: int, session: str) -> Conversation:
    """A shard with a session whose id is short, on a server of one's own."""
    talk = greeted(connection).client(identify(shard=[shard, 2])).server(ready(session))
    return talk.server(message("hello", seq)).closes(4000)


def test_a_session_whose_id_is_too_short_for_a_digest_is_known_by_its_length() -> None:
    """Short values are masked whole, so the client's Resume has asterisks where READY has the id."""
    first = greeted().client(identify()).server(ready("abc123")).closes(4000)
    assert "resume-unknown-session" not in ids(first, greeted(2, 1000).client(resume(1, session_id="******")))
    unknown = greeted(2, 1000).client(resume(1, session_id="*******"))
    assert "resume-unknown-session" not in ids(first, unknown)


def test_of_several_such_sessions_the_one_that_fits_is_taken() -> None:
    shards = _short(0, 7, 1, "abc123"), _short(1, 9, 2, "def456")
    assert ids(*shards, greeted(3, 1000).client(resume(9, session_id="******"))) == ids(*shards)
    # None of them had come so far: which of the two it is cannot be told.
    assert ids(*shards, greeted(3, 1000).client(resume(8, session_id="******"))) == ids(*shards)


def test_resume_unknown_session_says_which_proof_is_missing() -> None:
    missing = one(found(greeted().client({"op": 6, "d": {"seq": 3}})), "resume-unknown-session")
    assert (missing.text, missing.severity) == ("Resume has no session_id and no token.", Severity.ERROR)
    assert one(found(greeted().client(resume(token=None))), "resume-unknown-session").text == "Resume has no token."


def test_resume_wrong_seq_is_ahead_of_the_server() -> None:
    ahead = one(found(session().closes(4000), greeted(2, 1000).client(resume(2003))), "resume-wrong-seq")
    assert (ahead.event, ahead.severity, ahead.evidence) == (10, Severity.ERROR, (4,))
    assert ahead.text == "Resume asks for what follows 2,003; the server had counted up to 3."
    assert one(found(greeted().client(resume(None))), "resume-wrong-seq").text.startswith("Resume has no seq")


def test_resume_wrong_seq_is_not_said_where_messages_could_not_be_read() -> None:
    first = Conversation("json", "zlib-stream").opens().server(HELLO).client(identify()).server(ready())
    first.frame(b"\x00\xff no zlib \x00\x00\xff\xff").closes(4000)
    assert "resume-wrong-seq" not in ids(first, greeted(2, 1000).client(resume(9)))
    # How far the server had come before the recording nobody knows.
    assert ids(greeted().client(resume(900))) == []


def test_resume_stale_seq_says_how_much_comes_again() -> None:
    stale = one(found(session().closes(4000), greeted(2, 1000).client(resume(1))), "resume-stale-seq")
    assert (stale.event, stale.severity, stale.evidence) == (10, Severity.INFO, (4,))
    assert stale.text == "Resume asks for what follows 1; up to 3 had been sent, so 2 events may come again."
    assert "resume-stale-seq" not in ids(session().closes(4000), greeted(2, 1000).client(resume(3)))


def test_resume_stale_seq_holds_a_heartbeat_against_the_client() -> None:
    first = session().client({"op": 1, "d": 3}).server(ACK).closes(4000)
    stale = one(found(first, greeted(2, 1000).client(resume(2))), "resume-stale-seq")
    assert stale.evidence == (4, 7)
    assert stale.text.endswith("Its last heartbeat had claimed 3 already.")


def test_resume_at_wrong_url_names_both_hosts() -> None:
    wrong = one(found(session(url=RESUME_URL).closes(4000), greeted(2, 1000).client(resume())), "resume-at-wrong-url")
    assert (wrong.event, wrong.severity, wrong.evidence) == (10, Severity.WARN, (4,))
    assert wrong.text == "Resumed at 'gateway.discord.gg'; READY had named 'gateway-eu-1.invented.example'."


@pytest.mark.parametrize("url", ["wss://GATEWAY.discord.gg:443", None, "nonsense"])
def test_resume_at_wrong_url_takes_a_port_and_capitals_for_the_same(url: str | None) -> None:
    assert "resume-at-wrong-url" not in ids(session(url=url).closes(4000), greeted(2, 1000).client(resume()))


def test_a_resume_at_the_main_url_is_right_once_the_resume_url_has_failed() -> None:
    """Discord's own client does so after a socket error."""
    dead = Conversation(connection=2, at_ns=NOON + 10**9, url=f"{RESUME_URL}/?v=10").opens(
        status=None, refusal="the server could not be reached"
    )
    after = greeted(3, 3000).client(resume())
    assert "resume-at-wrong-url" not in ids(session(url=RESUME_URL).closes(4000), dead, after)


def test_resume_parameters_changed_says_from_what_to_what() -> None:
    second = greeted(2, 1000, encoding="etf", url="wss://gateway.discord.gg/?v=9&encoding=etf").client(resume())
    changed = one(found(session().closes(4000), second), "resume-parameters-changed")
    assert (changed.event, changed.severity, changed.evidence) == (10, Severity.WARN, (4,))
    assert (
        changed.text == "Between the first connection and this one v '10' became '9' and encoding 'json' became 'etf'."
    )


def test_resume_parameters_changed_knows_that_json_is_what_none_means() -> None:
    second = Conversation(connection=2, at_ns=NOON + 10**9, url="wss://gateway.discord.gg/?v=10").opens()
    assert "resume-parameters-changed" not in ids(session().closes(4000), second.client(resume()))
    second = greeted(2, 1000, url="wss://gateway.discord.gg/").client(resume())
    changed = one(found(session().closes(4000), second), "resume-parameters-changed")
    assert changed.text == "Between the first connection and this one v '10' became nothing."


@pytest.mark.parametrize("code", [1000, 1001])
def test_resume_after_destroying_names_the_close(code: int) -> None:
    after = one(found(session().closes(code), greeted(2, 1000).client(resume())), "resume-after-destroying")
    assert (after.event, after.severity, after.evidence) == (10, Severity.ERROR, (7,))
    assert after.text == f"The client had closed connection 1 with {code}, which ends the session."


@pytest.mark.parametrize(("code", "by"), [(4000, "client"), (1000, "server"), (1001, "server")])
def test_resume_after_destroying_is_not_said_where_the_session_lives_on(code: int, by: Any) -> None:
    findings = ids(session().closes(code, by=by), greeted(2, 1000).client(resume()))
    assert not {"resume-after-destroying", "resume-after-end"} & set(findings)


def test_resume_after_end_names_what_ended_the_session() -> None:
    first = session().closes(4009, by="server")
    after = one(found(first, greeted(2, 1000).client(resume()).server(invalid())), "resume-after-end")
    assert (after.event, after.severity, after.evidence) == (11, Severity.WARN, (7, 10))
    assert after.text == (
        "The session had ended when connection 1 was closed with 4009, 960 ms before the Resume, and the server "
        "refused it."
    )
    again = one(found(session().server(invalid()).client(resume()).server(invalid())), "resume-after-end")
    assert (again.event, again.evidence) == (9, (7, 8))
    assert "by Invalid Session" in again.text


def test_resume_after_end_is_not_said_where_the_session_may_be_resumed() -> None:
    assert "resume-after-end" not in ids(session().server(invalid(True)).client(resume()))


def test_resume_after_end_is_not_said_of_a_session_that_came_back() -> None:
    first = session().closes(4009, by="server")
    second = greeted(2, 1000).client(resume()).server(RESUMED).closes(4000)
    third = greeted(3, 2000).client(resume(4)).server(invalid())
    assert of("resume-after-end", first, second, third) == []


@pytest.mark.parametrize(("code", "by"), [(4000, "server"), (1006, None), (1001, "server")])
def test_identify_instead_of_resume_names_what_could_have_gone_on(code: int, by: Any) -> None:
    anew = one(found(session().closes(code, by=by), greeted(2, 1000).client(identify())), "identify-instead-of-resume")
    assert (anew.event, anew.severity, anew.evidence) == (10, Severity.WARN, (7,))
    assert f"with {code}" in anew.text
    assert "could have been resumed from 3" in anew.text


@pytest.mark.parametrize(("ms", "severity"), [(2.9 * MINUTE, Severity.WARN), (3.1 * MINUTE, Severity.INFO)])
def test_it_is_only_a_note_where_discords_own_client_would_not_have_resumed(ms: float, severity: Severity) -> None:
    talks = session().closes(4000, by="server"), greeted(2, int(ms)).client(identify())
    assert one(found(*talks), "identify-instead-of-resume").severity is severity


@pytest.mark.parametrize(
    "talks",
    [
        [session().closes(1000), greeted(2, 9000).client(identify())],
        [session().closes(4009, by="server"), greeted(2, 9000).client(identify())],
        [session().server(invalid()).closes(4000), greeted(2, 9000).client(identify())],
        [session().closes(4000), greeted(2, 1000).client(resume()).server(invalid()).waits(2000).client(identify())],
        [
            session().closes(4000),
            greeted(2, 1000).client(resume()).server(invalid()).closes(4000),
            greeted(3, 9000).client(identify()),
        ],
        [session().closes(4000), greeted(2, 10 * MINUTE).client(identify())],
        [session().closes(4000), greeted(2, 9000).client(identify(shard=[1, 2]))],
    ],
    ids=["destroyed", "forbidden", "cancelled", "refused", "refused before", "too late", "another shard"],
)
def test_identify_instead_of_resume_is_right_where_nothing_can_be_resumed(talks: list[Conversation]) -> None:
    assert "identify-instead-of-resume" not in ids(*talks)


def test_resume_loop_is_an_error_after_three_failures() -> None:
    retries = [greeted(number, number * 1000).client(resume()).closes(4000) for number in range(2, 7)]
    loop = one(found(session().closes(4000), *retries), "resume-loop")
    assert loop.severity is Severity.ERROR
    assert loop.text.startswith("This is attempt 4 to resume session ••••")
    assert len(loop.evidence) == 4


def test_resume_loop_is_over_with_resumed() -> None:
    retries = [greeted(number, number * 1000).client(resume()) for number in range(2, 8)]
    retries[2].server(RESUMED)
    assert "resume-loop" not in ids(session().closes(4000), *(each.closes(4000) for each in retries))


def test_a_resume_on_the_same_connection_stays_where_it_is() -> None:
    """discord.js does so after op 9 with d true."""
    talk = session(url=RESUME_URL).server(invalid(True)).waits(2000).client(resume())
    assert "resume-at-wrong-url" not in ids(talk)


@pytest.mark.parametrize("code", [4000, 1006])
def test_a_program_that_was_stopped_and_started_again_has_nothing_to_resume_with(code: int) -> None:
    stopped = session().closes(code, by="client")
    assert "identify-instead-of-resume" not in ids(stopped, greeted(2, 20_000).client(identify()))


def test_who_was_asked_to_reconnect_has_a_session_to_resume() -> None:
    left = session().server(RECONNECT).closes(4000)
    anew = one(found(left, greeted(2, 1000).client(identify())), "identify-instead-of-resume")
    assert "could have been resumed from 3" in anew.text
