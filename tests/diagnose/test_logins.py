from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Finding, Severity
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from tests.conversation import (
    ACK,
    HEARTBEAT,
    HELLO,
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
from tests.diagnose.login_talk import MINUTE, PRESENCE, greeted, invalid, of, resume, session
from tests.fed import fed, in_order


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
        ([], "The body of Identify is not an object."),
        (None, "The body of Identify is not an object."),
        ({"intents": 1, "properties": {}}, "In Identify there is no token."),
        ({"token": TOKEN, "intents": 1}, "In Identify properties is not an object."),
        (identify(shard=[1])["d"], "In Identify shard is not a pair of whole numbers."),
        (identify(shard=["0", 1])["d"], "In Identify shard is not a pair of whole numbers."),
        (identify(shard=[2, 2])["d"], "In Identify there is no shard 2 of 2."),
        (identify(shard=[-1, 2])["d"], "In Identify there is no shard -1 of 2."),
        (identify(token=1, shard=0)["d"], "In Identify there is no token and shard is not a pair of whole numbers."),
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
    assert without.text == "Identify has no intents; version 10 requires them."
    wrong = one(found(greeted().client(identify(intents="513"))), "identify-without-intents")
    assert wrong.text.startswith("Identify has intents that are not a whole number")


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


def logins(count: int, every_ms: float, **more: Any) -> list[Conversation]:
    """Connections of three rows each that come to nothing."""
    return [greeted(number, number * every_ms).client(identify(**more)).closes(1000) for number in range(1, count + 1)]


def test_identify_storm_is_told_once_while_it_lasts() -> None:
    storm = one(found(*logins(30, 6000)), "identify-storm")
    assert (storm.event, storm.severity, storm.evidence) == (19, Severity.ERROR, (3, 7, 11, 15))
    assert storm.text == "5 Identifies with this token and shard within 24 s."


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


def starts(*shards: int, count: int = 16) -> list[Conversation]:
    """Return shards that identify a tenth of a second after each other."""
    return [greeted(n, 100 * n).client(identify(shard=[shard, count])) for n, shard in enumerate(shards, 1)]


def spacing(max_concurrency: int | None, *talks: Conversation) -> list[Finding]:
    pipeline = Pipeline(default().allowing(max_concurrency))
    noticed = [each for row in fed(in_order(*talks), pipeline).rows for each in row.findings]
    return [each for each in noticed if each.rule == "identify-spacing"]


def test_identify_spacing_knows_the_buckets_of_max_concurrency() -> None:
    assert [each.severity for each in spacing(None, *starts(0, 1, 2, 3))] == [Severity.INFO]
    assert spacing(4, *starts(0, 1, 2, 3)) == []
    [late] = spacing(4, *starts(0, 1, 4))
    assert (late.severity, late.evidence) == (Severity.WARN, (3,))
    assert late.text == "Shard 4 of 16 identifies 200 ms after another. Both are in bucket 0 (shard % 4)."
    [late] = spacing(1, *starts(0, 1))
    assert "bucket" not in late.text


TRACE = (
    '["gateway-1",{"micros":21000000,"calls":["sessions-1",{"micros":20900000,"calls":'
    '["start_session",{"micros":20500000,"calls":["get_user",{"micros":300000,"calls":[]}]}]}]}]'
)


@pytest.mark.parametrize("looked_at", [False, True])
def test_login_slow_says_in_the_end_how_long_it_took_and_what_took_longest(looked_at: bool) -> None:
    talk = greeted().client(identify()).waits(16_000)
    talk = (talk.client(HEARTBEAT) if looked_at else talk).waits(5_000)
    talk.server(dispatch("READY", {"v": 10, "session_id": SESSION, "_trace": [TRACE]}, 1))
    *waiting, came = [each for each in found(talk) if each.rule == "login-slow"]
    assert len(waiting) == looked_at
    assert came.text == (
        "READY came 21 s after the Identify. By the server's own account start_session (called by sessions-1) took "
        "longest: 20.2 s."
    )
    assert came.evidence == (3,)


@pytest.mark.parametrize("trace", [None, [], ["nonsense"], [TRACE[:40]], 7])
def test_login_slow_does_without_a_trace(trace: object) -> None:
    talk = greeted().client(resume()).waits(30_000).server(dispatch("RESUMED", {"_trace": trace}, 4))
    [came] = [each for each in found(talk) if each.rule == "login-slow"]
    assert came.text == "RESUMED came 30 s after the Resume."


def test_login_slow_reads_the_trace_of_a_resume_too() -> None:
    talk = greeted().client(resume()).waits(30_000).server(dispatch("RESUMED", {"_trace": [TRACE]}, 4))
    assert one(found(talk), "login-slow").text.endswith("start_session (called by sessions-1) took longest: 20.2 s.")


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
