from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Finding, Severity
from tests.conversation import (
    ACK,
    HEARTBEAT,
    HELLO,
    NOON,
    SESSION,
    TOKEN,
    Conversation,
    Payload,
    dispatch,
    identify,
    message,
    ready,
)
from tests.diagnose.finding import found, ids, one

RESUME_URL = "wss://gateway-eu-1.invented.example"
OTHER = "0a0b0c0d0a0b0c0d0a0b0c0d0a0b0c0d"
PRESENCE = {"op": 3, "d": {"since": None, "activities": [], "status": "idle", "afk": False}}
RECONNECT = {"op": 7, "d": None}
RESUMED = dispatch("RESUMED", {}, 4)
MINUTE = 60_000


def resume(seq: Any = 3, **more: Any) -> Payload:
    return {"op": 6, "d": {"token": TOKEN, "session_id": SESSION, "seq": seq, **more}}


def invalid(resumable: Any = False) -> Payload:
    return {"op": 9, "d": resumable}


def named(session: str = SESSION, url: str | None = None) -> Payload:
    """READY that names where to resume."""
    user = {"id": "1180000000000000001", "bot": True}
    return dispatch("READY", {"v": 10, "session_id": session, "user": user, "resume_gateway_url": url}, 1)


def greeted(number: int = 1, after_ms: float = 0, **more: Any) -> Conversation:
    """Connection `number`, opened so long after noon, with its Hello: two rows."""
    talk = Conversation(connection=number, at_ns=NOON + int(after_ms * 1e6), **more)
    return talk.opens().server(HELLO)


def session(*, url: str | None = None, **more: Any) -> Conversation:
    """Rows 1 to 6: open, Hello, Identify, READY, and two messages up to number 3."""
    talk = greeted(**more).client(identify()).server(named(url=url))
    return talk.server(message("one", 2)).server(message("two", 3))


def of(rule: str, *talks: Conversation, until_ms: float = 0) -> list[Finding]:
    return [finding for finding in found(*talks, until_ms=until_ms) if finding.rule == rule]


def test_a_session_that_is_dropped_and_resumed_is_nothing_to_speak_of() -> None:
    first = session(url=RESUME_URL).server(RECONNECT).closes(4000)
    second = greeted(2, 1000, url=f"{RESUME_URL}/?v=10&encoding=json").client(resume())
    assert ids(first, second.server(RESUMED).client(PRESENCE).closes(1000)) == []


@pytest.mark.parametrize("introduction", [identify(), resume()])
def test_identify_before_hello_is_worth_a_note(introduction: Payload) -> None:
    early = one(found(Conversation().opens().client(introduction).server(HELLO)), "identify-before-hello")
    assert (early.event, early.severity) == (2, Severity.INFO)
    assert early.text.startswith(f"Op {introduction['op']} ")


def test_identify_before_hello_is_not_said_where_hello_may_have_been_missed() -> None:
    assert ids(Conversation().opens(joined_late=True).client(identify())) == ["joined-late"]
    assert ids(greeted().client(identify())) == []


def test_identify_twice_names_the_first() -> None:
    twice = one(found(session().client(identify())), "identify-twice")
    assert (twice.event, twice.severity, twice.evidence) == (7, Severity.ERROR, (3, 4))
    assert twice.text == "Op 2 Identify was sent although op 2 Identify had been, and was not refused."
    assert one(found(greeted().client(resume()).client(identify())), "identify-twice").evidence == (3,)


def test_identify_twice_is_right_after_invalid_session() -> None:
    talk = greeted().client(identify()).server(invalid()).waits(3000).client(identify())
    assert "identify-twice" not in ids(talk)


@pytest.mark.parametrize(
    ("d", "says"),
    [
        ([], "The body of Identify is no object."),
        (None, "The body of Identify is no object."),
        ({"intents": 1, "properties": {}}, "In Identify there is no token."),
        ({"token": TOKEN, "intents": 1}, "In Identify properties is no object."),
        (identify(shard=[1])["d"], "In Identify shard is no pair of whole numbers."),
        (identify(shard=["0", 1])["d"], "In Identify shard is no pair of whole numbers."),
        (identify(shard=[2, 2])["d"], "In Identify there is no shard 2 of 2."),
        (identify(shard=[-1, 2])["d"], "In Identify there is no shard -1 of 2."),
        (identify(token=1, shard=0)["d"], "In Identify there is no token and shard is no pair of whole numbers."),
    ],
)
def test_identify_malformed_says_what_is_wrong(d: Any, says: str) -> None:
    findings = found(greeted().client({"op": 2, "d": d}))
    assert [(each.rule, each.severity, each.text) for each in findings] == [
        ("identify-malformed", Severity.ERROR, says)
    ]


@pytest.mark.parametrize("shard", [[0, 1], [1, 2], None])
def test_identify_malformed_is_not_said_of_a_shard_that_there_is(shard: Any) -> None:
    assert ids(greeted().client(identify(shard=shard))) == []


def test_identify_without_intents_is_an_error_from_version_8_on() -> None:
    talk = greeted().client({"op": 2, "d": {"token": TOKEN, "properties": {}}})
    without = one(found(talk), "identify-without-intents")
    assert (without.event, without.severity) == (3, Severity.ERROR)
    assert without.text == "Identify has no intents; version 10 wants them."
    wrong = one(found(greeted().client(identify(intents="513"))), "identify-without-intents")
    assert wrong.text.startswith("Identify has intents that are no whole number")


def test_identify_without_intents_is_right_for_users_and_old_versions() -> None:
    bare = {"op": 2, "d": {"token": TOKEN, "properties": {}}}
    old = greeted(url="wss://gateway.discord.gg/?v=6&encoding=json").client(bare)
    assert "identify-without-intents" not in ids(old)
    assert ids(greeted().client(identify(intents=None, capabilities=16381))) == []
    assert ids(greeted().client(identify(intents=None, token="Bearer invented-token-of-nobody-0123"))) == []


def test_command_before_ready_is_told_once_for_each_cause() -> None:
    talk = greeted().client(PRESENCE).client(PRESENCE).client(identify()).waits(40).client(PRESENCE).client(PRESENCE)
    first, second = of("command-before-ready", talk)
    assert (first.event, first.severity, first.evidence) == (3, Severity.ERROR, (2,))
    assert first.text == "Op 3 Presence Update was sent before Identify."
    assert (second.event, second.evidence) == (6, (5,))
    assert second.text == "Op 3 Presence Update was sent 50 ms after Identify, and READY has not come."


def test_command_before_ready_may_come_after_a_session_was_cancelled() -> None:
    talk = session().server(invalid()).client(PRESENCE)
    early = one(found(talk), "command-before-ready")
    assert (early.event, early.evidence) == (8, (7,))
    assert "declared invalid" in early.text


def test_command_before_ready_may_come_before_resumed() -> None:
    early = one(found(greeted().client(resume()).client(PRESENCE)), "command-before-ready")
    assert "RESUMED has not come" in early.text


@pytest.mark.parametrize(
    "talk",
    [
        greeted().client(HEARTBEAT).server(ACK).client(identify()).client(HEARTBEAT).client({"op": 41, "d": {}}),
        session().client(PRESENCE),
        # The server sends again what was missed, so the session is there.
        greeted().client(resume()).server(message("missed", 4)).client(PRESENCE),
        Conversation().opens(joined_late=True).client(PRESENCE),
    ],
    ids=["heartbeats", "ready", "replay", "joined-late"],
)
def test_command_before_ready_is_not_said_of_what_is_allowed(talk: Conversation) -> None:
    assert "command-before-ready" not in ids(talk)


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
    after = one(found(first, greeted(2, 1000).client(resume())), "resume-after-end")
    assert (after.event, after.severity, after.evidence) == (10, Severity.WARN, (7,))
    assert after.text == "The session had been ended when connection 1 was closed with 4009; only Identify can help."
    again = one(found(session().server(invalid()).client(resume())), "resume-after-end")
    assert (again.event, again.evidence) == (8, (7,))
    assert "by Invalid Session" in again.text


def test_resume_after_end_is_not_said_where_the_session_may_be_resumed() -> None:
    assert "resume-after-end" not in ids(session().server(invalid(True)).client(resume()))


def test_resume_after_end_is_not_said_of_a_session_that_came_back() -> None:
    first = session().closes(4009, by="server")
    second = greeted(2, 1000).client(resume()).server(RESUMED).closes(4000)
    findings = of("resume-after-end", first, second, greeted(3, 2000).client(resume(4)))
    assert [finding.event for finding in findings] == [10]


@pytest.mark.parametrize(("code", "by"), [(4000, "client"), (4000, "server"), (1006, None), (1001, "server")])
def test_identify_instead_of_resume_names_what_could_have_gone_on(code: int, by: Any) -> None:
    anew = one(found(session().closes(code, by=by), greeted(2, 1000).client(identify())), "identify-instead-of-resume")
    assert (anew.event, anew.severity, anew.evidence) == (10, Severity.WARN, (7,))
    assert f"with {code}" in anew.text
    assert "could have been resumed from 3" in anew.text


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
    assert loop.text.startswith("This is the resume number 4 of session ••••")
    assert len(loop.evidence) == 4


def test_resume_loop_is_over_with_resumed() -> None:
    retries = [greeted(number, number * 1000).client(resume()) for number in range(2, 8)]
    retries[2].server(RESUMED)
    assert "resume-loop" not in ids(session().closes(4000), *(each.closes(4000) for each in retries))


def logins(count: int, every_ms: float, **more: Any) -> list[Conversation]:
    """Connections of three rows each that come to nothing."""
    return [greeted(number, number * every_ms).client(identify(**more)).closes(1000) for number in range(1, count + 1)]


def test_identify_storm_is_told_once_while_it_lasts() -> None:
    storm = one(found(*logins(30, 6000)), "identify-storm")
    assert (storm.event, storm.severity, storm.evidence) == (19, Severity.ERROR, (3, 7, 11, 15))
    assert storm.text == "5 Identifies of the same client within 24 s."


def test_identify_storm_is_told_again_when_it_comes_again() -> None:
    again = [greeted(number + 100, 10 * MINUTE + number * 6000).client(identify()).closes(1000) for number in range(8)]
    assert len(of("identify-storm", *logins(8, 6000), *again)) == 2


def test_identify_storm_is_not_said_of_many_shards_or_of_a_slow_row() -> None:
    shards = [greeted(n, n * 6000).client(identify(shard=[n - 1, 9])).closes(1000) for n in range(1, 10)]
    assert "identify-storm" not in ids(*shards)
    assert "identify-storm" not in ids(*logins(9, 16_000))


def test_identify_budget_warns_at_800_and_is_an_error_at_1000() -> None:
    warning, error = of("identify-budget", *logins(1010, MINUTE))
    assert (warning.severity, error.severity) == (Severity.WARN, Severity.ERROR)
    assert (warning.event, error.event) == (800 * 4 - 1, 1000 * 4 - 1)
    assert warning.text == "This is number 800 of the 1,000 logins of 24 hours; the first was 13 h ago."
    assert warning.evidence == error.evidence == (3,)


def test_identify_budget_is_not_said_of_users_or_of_what_was_long_ago() -> None:
    assert "identify-budget" not in ids(*logins(801, MINUTE, intents=None, capabilities=16381))
    assert "identify-budget" not in ids(*logins(801, 2 * MINUTE))


def test_identify_spacing_is_told_of_the_first_of_a_row() -> None:
    shards = [greeted(n + 1, n * 1000).client(identify(shard=[n, 4])) for n in range(4)]
    close = one(found(*shards), "identify-spacing")
    assert (close.event, close.severity, close.evidence) == (6, Severity.INFO, (3,))
    assert close.text == "Shard 1 of 4 identifies 1 s after another."


def test_identify_spacing_is_told_of_one_client_too() -> None:
    again = one(found(*logins(2, 2000)), "identify-spacing")
    assert again.text == "A client identifies 2 s after its last time."


def test_identify_spacing_of_five_seconds_is_enough() -> None:
    assert "identify-spacing" not in ids(*logins(3, 5000))
    other = greeted(2, 1000).client(identify(token="MTE4MDAwMDAwMDAwMDAwMDAwMg.GaaaaC.another-invented-token-012345"))
    assert "identify-spacing" not in ids(greeted().client(identify()), other)


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


def test_invalid_session_answered_too_soon_says_how_soon() -> None:
    talk = greeted().client(identify()).server(invalid()).waits(240).client(identify())
    soon = one(found(talk), "invalid-session-answered-too-soon")
    assert (soon.event, soon.severity, soon.evidence) == (5, Severity.INFO, (4,))
    assert soon.text == "Identified 250 ms after Invalid Session."
    talk = greeted().client(identify()).server(invalid()).waits(2000).client(identify())
    assert "invalid-session-answered-too-soon" not in ids(talk)


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
    assert (again.evidence, again.text) == ((7,), "Invalid Session came again, although nothing was asked.")


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


def test_no_identify_is_told_after_half_a_minute() -> None:
    assert "no-identify" not in ids(greeted(), until_ms=29_000)
    silent = one(found(greeted(), until_ms=32_000), "no-identify")
    assert (silent.event, silent.severity) == (2, Severity.WARN)
    assert silent.text == "32 s after Hello there is no Identify and no Resume."
    assert "no-identify" not in ids(greeted().client(identify()), until_ms=32_000)
    assert "no-identify" not in ids(greeted().waits(32_000).client(identify()))


def test_login_slow_is_told_while_the_answer_is_missing() -> None:
    slow = one(found(greeted().client(identify()), until_ms=16_000), "login-slow")
    assert (slow.event, slow.severity, slow.text) == (
        3,
        Severity.INFO,
        "No READY, RESUMED or Invalid Session came within 16 s.",
    )
    assert "login-slow" not in ids(greeted().client(identify()).server(ready()), until_ms=16_000)


def test_login_slow_counts_from_the_newest_login() -> None:
    talk = greeted().client(resume()).server(invalid()).waits(13_000).client(identify())
    assert "login-slow" not in ids(talk, until_ms=4000)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["token", "session_id", "seq", "shard", "intents", "properties", "resume_gateway_url", "user"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.sampled_from([2, 6, 9, 7, 10, 3, 0]), JSON, st.booleans()), max_size=6))
def test_no_body_makes_a_rule_about_logins_stumble(steps: list[tuple[int, Any, bool]]) -> None:
    first, second = greeted(), greeted(2, 4000)
    for op, d, which in steps:
        talk = first if which else second
        payload = {"op": op, "d": d, "t": "READY" if op == 0 else None, "s": 1 if op == 0 else None}
        if op in (2, 3, 6):
            talk.client(payload)
        else:
            talk.server(payload)
    for finding in found(first.closes(1000), second, until_ms=40_000):
        assert "\n" not in finding.text
        assert len(finding.text) < 800
