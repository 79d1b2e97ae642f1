"""What is said of the ends that the main gateway has codes for."""

import json

import pytest

from inspector.diagnose.rule import MAX_EVIDENCE
from inspector.model import Severity
from inspector.session.redact import digest
from tests.conversation import (
    ACK,
    HEARTBEAT,
    TOKEN,
    Conversation,
    Payload,
    identify,
    message,
    ready,
    resume,
)
from tests.diagnose.judged import (
    PRESENCE,
    RECONNECT,
    Judged,
    again,
    begun,
    by_server,
    online,
)


def test_a_plain_end_needs_no_verdict() -> None:
    for code in (1000, 1001):
        close = Judged(online().closes(code)).close()
        assert (close.verdict, close.findings) == (None, ())


def test_4000_by_the_server_is_no_fault_of_the_client() -> None:
    judged = Judged(by_server(online().client(PRESENCE), 4000))
    verdict = judged.verdict()
    assert verdict.cause.startswith("The server closed with 4000 Unknown error: nothing the client sent explains it")
    assert "op 3 Presence Update, 10 ms before" in verdict.cause
    assert verdict.evidence == (judged.row(3),)
    assert (verdict.reconnect, verdict.resume) == (True, True)
    assert (judged.finding().rule, judged.finding().severity) == ("close-4000", Severity.INFO)


def test_4000_by_the_client_answers_op_7() -> None:
    judged = Judged(online().server(RECONNECT).closes(4000))
    verdict = judged.verdict()
    assert verdict.cause == "The client closed with 4000: the server had asked it to reconnect (op 7) 10 ms before."
    assert verdict.evidence == (judged.row(7),)
    assert (verdict.reconnect, verdict.resume) == (True, True)
    assert judged.close().findings == ()


def test_a_client_leaves_a_dead_connection() -> None:
    judged = Judged(online().client(HEARTBEAT).waits(41_240).closes(4200))
    assert "its heartbeat had had no ACK for 41.2 s" in judged.verdict().cause
    assert judged.verdict().evidence == (judged.row(1),)
    assert (judged.finding().rule, judged.finding().severity) == ("close-4200", Severity.INFO)
    assert judged.verdict().resume is True


def test_4000_by_the_client_for_no_reason_seen() -> None:
    judged = Judged(online().client(HEARTBEAT).server(ACK).closes(4000))
    verdict = judged.verdict()
    assert verdict.cause == (
        "The client closed with 4000: it left on its own; neither op 7 nor op 9 had come, and no heartbeat was without "
        "its ACK."
    )
    assert (verdict.advice, verdict.resume) == ("Nothing to do if the program was meant to stop.", True)
    assert judged.close().findings == ()


@pytest.mark.parametrize(("d", "left"), [(True, True), (False, False)])
def test_a_client_leaves_after_op_9(d: bool, left: bool) -> None:
    verdict = Judged(online().server({"op": 9, "d": d}).closes(4000)).verdict()
    assert f"refused the session (op 9, d {str(d).lower()})" in verdict.cause
    assert verdict.resume is left
    assert ("resume" in verdict.advice) is left


@pytest.mark.parametrize(
    ("talk", "why"),
    [
        (online().server(RECONNECT), "asked it to reconnect and resume (op 7) 10 ms before"),
        (online().client(HEARTBEAT).waits(41_240), "its heartbeat had had no ACK for 41.2 s"),
        (online().server({"op": 9, "d": True}), "the session can be resumed (op 9, d true)"),
    ],
)
def test_1000_throws_away_a_session_that_could_go_on(talk: Conversation, why: str) -> None:
    judged = Judged(talk.closes(1000))
    assert why in judged.verdict().cause
    assert judged.verdict().evidence
    assert judged.verdict().resume is False
    assert "close with 4000" in judged.verdict().advice or "identify" in judged.verdict().advice
    assert (judged.finding().rule, judged.finding().severity) == ("close-1000", Severity.WARN)


def test_4001_names_the_opcode_that_clients_may_not_send() -> None:
    judged = Judged(by_server(online().client({"op": 10, "d": {}}).client(HEARTBEAT), 4001))
    assert "the client sent op 10 Hello, 20 ms before; only the server may send that." in judged.verdict().cause
    assert judged.verdict().evidence == (judged.row(10, nth=1),)
    assert (judged.finding().rule, judged.finding().severity) == ("close-4001", Severity.ERROR)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({"op": 97, "d": None}, "it is not in any table"),
        ({"op": 12, "d": []}, "that opcode is retired"),
        ({"d": []}, "there is no op"),
    ],
)
def test_4001_says_what_is_wrong_with_the_opcode(payload: Payload, why: str) -> None:
    assert why in Judged(by_server(online().client(payload), 4001)).verdict().cause


def test_4001_looks_at_the_body_where_the_opcode_is_fine() -> None:
    judged = Judged(by_server(online().client({"op": 3, "d": 5}), 4001))
    assert "so its d is what to look at; it should be {since, activities[], status, afk}" in judged.verdict().cause
    assert "The usual cause: " in judged.verdict().cause


def test_4002_names_what_could_not_be_read() -> None:
    judged = Judged(by_server(online().frame(b'{"op": 3, "d": ', from_client=True, is_text=True), 4002))
    assert "in which something was wrong: the payload ends in the middle, after 15 bytes." in judged.verdict().cause
    assert len(judged.verdict().evidence) == 1
    assert judged.finding().severity is Severity.ERROR


def test_4002_names_a_message_that_is_too_long() -> None:
    judged = Judged(by_server(online().client({"op": 3, "d": "x" * 5000}).client(HEARTBEAT), 4002))
    assert "op 3 Presence Update, 20 ms before, which had 5,0" in judged.verdict().cause
    assert judged.verdict().evidence == (judged.row(3),)


def test_4002_names_the_wrong_encoding() -> None:
    talk = Conversation("etf").opens().frame(json.dumps(identify()).encode(), from_client=True, is_text=True)
    assert "the URL says etf, this is json" in Judged(by_server(talk, 4002)).verdict().cause


def test_4002_says_what_was_looked_at() -> None:
    cause = Judged(by_server(online().client(PRESENCE), 4002)).verdict().cause
    assert "bytes that can be read as json. The usual cause: Broken JSON" in cause


def test_4003_names_what_came_before_the_session() -> None:
    judged = Judged(by_server(begun().client(PRESENCE).client(identify()), 4003))
    verdict = judged.verdict()
    assert "the client sent op 3 Presence Update, 20 ms before, ahead of READY or RESUMED." in verdict.cause
    assert verdict.evidence == (judged.row(3),)
    assert (verdict.reconnect, verdict.resume) == (True, False)


def test_4003_names_what_came_after_op_9() -> None:
    judged = Judged(by_server(online().server({"op": 9, "d": False}).client(PRESENCE), 4003))
    assert "after the session had been refused with op 9 20 ms before" in judged.verdict().cause
    assert judged.verdict().evidence == (judged.row(9), judged.row(3))


def test_4004_says_that_the_token_never_worked() -> None:
    judged = Judged(by_server(begun().client(identify()), 4004))
    verdict = judged.verdict()
    assert f"Authentication failed: the Identify had the token ••••{digest(TOKEN)[:4]}." in verdict.cause
    assert "refused" not in verdict.cause, "the code's own text says that"
    assert "No other connection in this recording got in with it" in verdict.cause
    assert TOKEN not in verdict.cause
    assert verdict.evidence == (judged.row(2),)
    assert (verdict.reconnect, verdict.resume) == (False, False)


def test_4004_says_that_the_token_has_worked() -> None:
    first = online().closes(4000)
    judged = Judged(first, by_server(again(first, identify()), 4004))
    cause = judged.verdict(2).cause
    assert "It had worked on 1 earlier connection, so it was reset or revoked" in cause
    assert "It was used for 2 logins within a day" in cause
    assert judged.row(event="READY") in judged.verdict(2).evidence
    # It came without quotes or spaces then, too.
    assert "quotes" not in judged.verdict(2).advice
    assert "find out who reset it" in judged.verdict(2).advice


def test_4004_says_that_the_token_has_worked_in_this_session() -> None:
    verdict = Judged(by_server(online(), 4004)).verdict()
    assert "It had worked in this very session, so it was reset or revoked since" in verdict.cause
    assert "find out who reset it" in verdict.advice


@pytest.mark.parametrize("prefix", ["Bot", "Bearer"])
def test_4004_notes_a_prefix_of_the_token(prefix: str) -> None:
    judged = Judged(by_server(begun().client(identify(token=f"{prefix} {TOKEN}")), 4004))
    assert f"It begins with '{prefix} '" in judged.verdict().cause


def test_4004_notes_that_there_is_no_token() -> None:
    assert "had no token" in Judged(by_server(begun().client(identify(token=None)), 4004)).verdict().cause


def test_4005_names_both_identifies() -> None:
    judged = Judged(by_server(online().client(identify()), 4005))
    verdict = judged.verdict()
    assert "sent Identify or Resume 2 times on this connection: op 2 Identify, then op 2 Identify" in verdict.cause
    assert verdict.evidence == (judged.row(2), judged.row(2, nth=1))
    assert (verdict.reconnect, verdict.resume) == (True, None)


def test_4005_says_that_a_session_was_granted_only_where_that_was_before() -> None:
    assert (
        "although the session was granted already"
        in Judged(by_server(online().client(identify()), 4005)).verdict().cause
    )
    both = begun().client(identify()).client(identify()).server(ready())
    assert Judged(by_server(both, 4005)).verdict().cause.endswith("op 2 Identify, then op 2 Identify.")


def test_4005_names_an_identify_after_a_resume() -> None:
    cause = Judged(by_server(begun().client(resume()).client(identify()), 4005)).verdict().cause
    assert "op 6 Resume, then op 2 Identify" in cause


def test_4006_names_the_end_of_the_session() -> None:
    first = online().server({"op": 9, "d": False}).closes(4000)
    judged = Judged(first, by_server(again(first, resume()), 4006))
    assert "the Resume asked for a session that had ended 440 ms before" in judged.verdict(2).cause
    assert judged.verdict(2).evidence == (judged.row(9), judged.row(6, connection=2))


def test_4007_compares_the_numbers() -> None:
    first = online().server(message("hello", 2)).closes(4000)
    judged = Judged(first, by_server(again(first, resume()), 4007))
    cause = "the Resume asked to continue from seq 3, and the server had counted up to 2: that is ahead of it."
    assert cause in judged.verdict(2).cause
    assert judged.verdict(2).evidence == (judged.row(event="READY"), judged.row(6, connection=2))
    assert (judged.verdict(2).reconnect, judged.verdict(2).resume) == (True, False)


def test_4007_admits_that_the_session_began_earlier() -> None:
    cause = Judged(by_server(begun().client(resume()), 4007)).verdict().cause
    assert "how far the session had counted was not recorded. The usual cause: " in cause


def test_4008_counts_the_burst() -> None:
    talk = online().client(HEARTBEAT)
    for _ in range(120):
        talk.client(PRESENCE)
    judged = Judged(by_server(talk, 4008))
    assert "the client had sent 122 messages within 1.2 s: 120 × op 3 Presence Update, 1 × " in judged.verdict().cause
    assert "120 in 60 s are allowed" in judged.verdict().cause
    assert len(judged.verdict().evidence) == MAX_EVIDENCE
    assert judged.finding().severity is Severity.ERROR


def test_4008_without_a_burst_says_so() -> None:
    cause = Judged(by_server(online().waits(61_000).client(PRESENCE), 4008)).verdict().cause
    assert "1 message within 10 ms: 1 × op 3 Presence Update. That is within 120 in 60 s. The usual cause" in cause


def test_4009_tells_a_blocked_client_from_a_dead_network() -> None:
    talk = online().client(HEARTBEAT).server(ACK).waits(40_000).server(message("one")).waits(60_000)
    judged = Judged(by_server(talk.server(message("two", 4)), 4009))
    cause = judged.verdict().cause
    assert "the last heartbeat was sent 100.0 s before" in cause.replace("100 s", "100.0 s")
    assert "one is due every 41.2 s" in cause
    assert "2 messages came from the server meanwhile, so the network was fine and the client was blocked" in cause
    assert judged.row(1) in judged.verdict().evidence
    assert (judged.verdict().reconnect, judged.verdict().resume) == (True, False)


def test_4009_tells_a_dead_network_from_a_blocked_client() -> None:
    cause = Judged(by_server(online().client(HEARTBEAT).server(ACK).waits(100_000), 4009)).verdict().cause
    assert "Nothing came from the server meanwhile either" in cause


def test_4009_says_that_no_heartbeat_came() -> None:
    judged = Judged(by_server(online().waits(90_000), 4009))
    assert "the client sent no heartbeat in the 90 s since Hello" in judged.verdict().cause
    assert judged.verdict().evidence == (judged.row(10),)


def test_4009_says_how_long_the_client_was_gone() -> None:
    first = online().closes(1006)
    judged = Judged(first, by_server(again(first, resume(), 240_000), 4009))
    assert "the client came back after 4 min without connection, too late for its session" in judged.verdict(2).cause
    assert judged.verdict(2).evidence == (judged.close().n, judged.row(6, connection=2))


def test_4009_with_punctual_heartbeats_says_so() -> None:
    assert "they came in time" in Judged(by_server(online().client(HEARTBEAT).server(ACK), 4009)).verdict().cause


@pytest.mark.parametrize(
    ("shard", "why"),
    [
        ([2, 2], "shard [2, 2], and of 2 shards the last is 1"),
        ([-1, 2], "no shard has a negative number"),
        ([0, 0], "there must be at least 1 shard"),
        ("0/2", "no shard that is a pair of numbers"),
        ([0, 2], "a possible pair. The usual cause: "),
    ],
)
def test_4010_looks_at_the_shard(shard: object, why: str) -> None:
    judged = Judged(by_server(begun().client(identify(shard=shard)), 4010))
    assert why in judged.verdict().cause
    assert judged.verdict().evidence == (judged.row(2),)
    assert (judged.verdict().reconnect, judged.verdict().resume) == (False, False)


@pytest.mark.parametrize(("shard", "why"), [([0, 2], "2 shards are not enough"), (None, "named no shard")])
def test_4011_looks_at_the_number_of_shards(shard: object, why: str) -> None:
    judged = Judged(by_server(begun().client(identify(shard=shard)), 4011))
    assert why in judged.verdict().cause
    assert judged.verdict().evidence == (judged.row(2),)
    assert judged.verdict().reconnect is False


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("v=4&encoding=json", "asks for v=4, which has been switched off"),
        ("encoding=json", "v is missing"),
        ("v=ten", "v='ten', which is not a version"),
        ("v=11", "v=11, which is not known to exist"),
        ("v=10", "v=10, which was accepted when this gwinspect was made."),
    ],
)
def test_4012_looks_at_the_url(query: str, why: str) -> None:
    judged = Judged(by_server(begun(url=f"wss://gateway.discord.gg/?{query}"), 4012))
    assert why in judged.verdict().cause
    assert judged.verdict().evidence == (1,)
    assert judged.verdict().reconnect is False


@pytest.mark.parametrize(
    ("intents", "why", "advice"),
    [
        (513 | 1 << 40, "has bit 40 that is not an intent", "that leaves intents 513"),
        (513 | 3 << 40, "has bits 40 and 41 that are not intents", "that leaves intents 513"),
        (513 | 1 << 19, "has CALLS, which bots cannot use", "that leaves intents 513"),
        (-1, "it must not be negative", "explain intents"),
        ("513", "missing, or no whole number", "explain intents"),
        (513, "all of its bits are known and open to bots.", "Ask for fewer intents"),
    ],
)
def test_4013_names_the_bits(intents: object, why: str, advice: str) -> None:
    judged = Judged(by_server(begun().client(identify(intents=intents)), 4013))
    assert why in judged.verdict().cause
    assert advice in judged.verdict().advice
    assert judged.verdict().evidence == (judged.row(2),)


def test_4014_names_the_privileged_intents() -> None:
    judged = Judged(by_server(begun().client(identify(intents=33283)), 4014))
    assert "intents 33283 in the Identify asks for GUILD_MEMBERS and MESSAGE_CONTENT" in judged.verdict().cause
    assert "or ask for intents 513 without" in judged.verdict().advice
    assert "From 10,000 users on, the app also has to apply for them there" in judged.verdict().advice
    assert judged.verdict().evidence == (judged.row(2),)
    assert (judged.finding().rule, judged.finding().severity) == ("close-4014", Severity.ERROR)
    assert judged.finding().text == judged.verdict().cause


def test_4014_without_a_privileged_intent_says_so() -> None:
    assert (
        "513 in the Identify has no bit that is known to be privileged"
        in Judged(by_server(begun().client(identify()), 4014)).verdict().cause
    )


def test_4015_counts_the_sessions_left_behind() -> None:
    first = online().closes(1006)
    judged = Judged(first, by_server(again(first, identify()).server(ready("another" * 5)), 4015))
    assert "1 other session of this account began here" in judged.verdict(2).cause
    assert judged.verdict(2).evidence == (judged.row(event="READY"),)
    assert (judged.verdict(2).reconnect, judged.verdict(2).resume) == (None, None)
    assert judged.finding(2).severity is Severity.WARN


def test_4016_says_that_nothing_shows() -> None:
    judged = Judged(by_server(online(), 4016))
    assert "who cancelled it does not show" in judged.verdict().cause
    assert judged.verdict().reconnect is False
