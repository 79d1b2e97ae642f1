import pytest

from inspector.model import Severity
from tests.conversation import (
    HEARTBEAT,
    Conversation,
    identify,
    message,
    ready,
)
from tests.diagnose.finding import found, ids, one
from tests.diagnose.login_talk import MINUTE, RECONNECT, greeted, invalid, of, resume, session


def test_invalid_session_ignored_is_told_once() -> None:
    talk = greeted().client(identify()).server(invalid())
    assert "invalid-session-ignored" not in ids(talk, until_ms=9000)
    ignored = one(found(talk.waits(6000).client(HEARTBEAT).waits(6000).client(HEARTBEAT)), "invalid-session-ignored")
    assert (ignored.event, ignored.severity, ignored.evidence) == (6, Severity.WARN, (4,))
    assert ignored.text.startswith("12 s after Invalid Session")


@pytest.mark.parametrize(
    "talk",
    [
        greeted().client(identify()).server(invalid()).waits(12_000).closes(4000),
        greeted().client(identify()).server(invalid()).waits(12_000).client(identify()),
        greeted().client(resume()).server(invalid(True)).waits(12_000).client(resume()),
    ],
    ids=["close", "identify", "resume"],
)
def test_invalid_session_ignored_is_not_said_of_a_slow_reaction(talk: Conversation) -> None:
    assert "invalid-session-ignored" not in ids(talk)


@pytest.mark.parametrize(("minutes", "cited"), [(2, False), (4, True)])
def test_a_late_resume_that_is_refused_cites_discord_s_own_client(minutes: int, cited: bool) -> None:
    back = greeted(2, minutes * MINUTE).client(resume()).server(invalid())
    text = one(found(session().closes(4000), back), "invalid-session").text
    assert f"had been away for {minutes} min." in text or "had been away for 120" in text
    assert ("Discord's own client starts a new session after 3 min without an ACK." in text) is cited


def test_invalid_session_answered_too_soon_says_how_soon() -> None:
    talk = greeted().client(identify()).server(invalid()).waits(240).client(identify())
    soon = one(found(talk), "invalid-session-answered-too-soon")
    assert (soon.event, soon.severity, soon.evidence) == (5, Severity.INFO, (4,))
    assert soon.text == "Identified 250 ms after Invalid Session."
    talk = greeted().client(identify()).server(invalid()).waits(2000).client(identify())
    assert "invalid-session-answered-too-soon" not in ids(talk)


def test_discords_own_client_may_identify_at_once_after_invalid_session() -> None:
    own = identify(capabilities=16381)
    assert "invalid-session-answered-too-soon" not in ids(greeted().client(own).server(invalid()).client(own))


def test_invalid_session_after_another_login_is_a_matter_of_concurrency() -> None:
    first = greeted().client(identify(shard=[0, 2])).server(ready())
    refused = greeted(2, 2000).client(identify(shard=[1, 2])).server(invalid())
    why = one(found(first, refused), "invalid-session")
    assert (why.event, why.severity, why.evidence) == (8, Severity.WARN, (3, 7))
    assert "another of this account came 2 s before" in why.text
    assert "max_concurrency" in why.text


def test_invalid_session_is_not_blamed_on_a_login_that_came_later() -> None:
    refused = greeted().client(identify(shard=[0, 2])).waits(100).server(invalid())
    later = greeted(2, 50).client(identify(shard=[1, 2]))
    assert "outage" in one(found(refused, later), "invalid-session").text


def test_invalid_session_in_answer_to_identify_alone_may_be_an_outage() -> None:
    why = one(found(greeted().client(identify()).server(invalid())), "invalid-session")
    assert (why.severity, why.evidence) == (Severity.INFO, (3,))
    assert "outage" in why.text


def test_invalid_session_in_answer_to_resume_says_how_long_the_client_was_away() -> None:
    late = greeted(2, 3 * MINUTE).client(resume()).server(invalid())
    why = one(found(session().closes(4000), late), "invalid-session")
    assert (why.event, why.severity, why.evidence) == (11, Severity.INFO, (10,))
    assert "away for 3 min" in why.text
    ended = one(found(session().closes(1000), greeted(2, 9000).client(resume()).server(invalid())), "invalid-session")
    assert "ended before" in ended.text
    assert "not recorded" in one(found(greeted().client(resume()).server(invalid())), "invalid-session").text


def test_invalid_session_out_of_nothing_names_a_request_before_it() -> None:
    members = {"op": 8, "d": {"guild_id": "1180000000000000042", "query": "", "limit": 0}}
    why = one(found(session().client(members).waits(300).server(invalid())), "invalid-session")
    assert (why.event, why.evidence) == (8, (7,))
    assert why.text == "The server cancelled the live session, 310 ms after a Request Guild Members."
    assert one(found(session().server(invalid())), "invalid-session").text == "The server cancelled the live session."
    again = of("invalid-session", session().server(invalid()).server(invalid()))[1]
    assert (again.evidence, again.text) == (
        (7,),
        "Another Invalid Session came, without an Identify or Resume in between.",
    )


def test_invalid_session_for_the_third_time_in_a_row_is_a_warning() -> None:
    talk = greeted().client(identify()).server(invalid()).waits(6000).client(identify()).server(invalid()).closes(4000)
    next_time = greeted(2, 20_000).client(identify()).server(invalid())
    findings = of("invalid-session", talk, next_time)
    assert [finding.severity for finding in findings] == [Severity.INFO, Severity.INFO, Severity.WARN]
    assert findings[-1].text.endswith("This is number 3 in a row.")


def test_invalid_session_is_counted_anew_after_ready() -> None:
    talk = greeted().client(identify()).server(invalid()).waits(6000).client(identify()).server(invalid())
    talk.waits(6000).client(identify()).server(ready()).server(invalid())
    assert {finding.severity for finding in of("invalid-session", talk)} == {Severity.INFO}


def test_reconnect_ignored_until_the_server_closes() -> None:
    stayed = one(found(session().server(RECONNECT).waits(5000).closes(1000, by="server")), "reconnect-ignored")
    assert (stayed.event, stayed.severity, stayed.evidence) == (8, Severity.WARN, (7,))
    assert stayed.text == "The server asked for a reconnect; 5 s later the server closed."


def test_reconnect_ignored_for_half_a_minute() -> None:
    talk = session().server(RECONNECT)
    assert "reconnect-ignored" not in ids(talk, until_ms=29_000)
    talk.waits(31_000).server(message("three", 4)).waits(9000).closes(1001, by="server")
    stayed = one(found(talk), "reconnect-ignored")
    assert (stayed.event, stayed.text) == (
        8,
        "The server asked for a reconnect; 31 s later the client was still there.",
    )
    silent = one(found(session().server(RECONNECT).waits(45_000).closes(1001, by="server")), "reconnect-ignored")
    assert silent.text == "The server asked for a reconnect; 45 s later the server closed."


@pytest.mark.parametrize(
    "talk",
    [
        session().server(RECONNECT).waits(2000).closes(4000),
        session().server(RECONNECT).waits(500).closes(1001, by="server"),
        session().waits(40_000).closes(1001, by="server"),
    ],
    ids=["client", "at once", "unasked"],
)
def test_reconnect_ignored_is_not_said_of_who_leaves(talk: Conversation) -> None:
    assert "reconnect-ignored" not in ids(talk)


@pytest.mark.parametrize("code", [1000, 1001])
def test_session_thrown_away_by_the_code_of_the_close(code: int) -> None:
    thrown = one(found(session().server(RECONNECT).closes(code)), "session-thrown-away")
    assert (thrown.event, thrown.severity, thrown.evidence) == (8, Severity.WARN, (7,))
    assert f"closed with {code}" in thrown.text


@pytest.mark.parametrize(
    "talk", [session().server(RECONNECT).closes(4000), session().server(RECONNECT).closes(1000, by="server"), session()]
)
def test_session_thrown_away_is_not_said_of_other_closes(talk: Conversation) -> None:
    assert "session-thrown-away" not in ids(talk.closes(1000) if len(talk.happenings) == 6 else talk)
