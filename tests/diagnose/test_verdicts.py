"""Conversations that end in every way there is, and what is said of their ends."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.diagnose.engine import MAX_RECENT
from inspector.diagnose.rule import MAX_EVIDENCE
from inspector.diagnose.verdicts import CAUSES
from inspector.model import Event, Finding, Kind, Mark, Plane, Severity, Side, Verdict
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.session.redact import digest
from tests.conversation import (
    ACK,
    HEARTBEAT,
    HELLO,
    NOON,
    STEP,
    TOKEN,
    Conversation,
    Payload,
    dispatch,
    identify,
    message,
    ready,
    resume,
)
from tests.fed import fed, in_order

RESUMED = dispatch("RESUMED", {}, 4)
RECONNECT = {"op": 7, "d": None}
PRESENCE = {"op": 3, "d": {"since": None, "activities": [], "status": "online", "afk": False}}
ME = "1180000000000000001"
GUILD = "1180000000000000042"
CHANNEL = "1180000000000000050"
OTHER_CHANNEL = "1180000000000000051"
VOICE_TOKEN = "0123456789abcdef"
VOICE_SESSION = "70ce5e5510700ce5e551070ce5e55107"
ENDPOINT = "rotterdam1.discord.media:2048"
SECOND = 1_000_000_000


class Judged:
    """What became of some conversations, which went on at the same time."""

    def __init__(self, *talks: Conversation) -> None:
        made = fed(in_order(*talks))
        self.events, self.verdicts = made.rows, made.verdicts

    def close(self, connection: int = 1) -> Event:
        return next(e for e in self.events if e.kind is Kind.CLOSE and e.connection == connection)

    def verdict(self, connection: int = 1) -> Verdict:
        """The verdict on how a connection ended, with all that came to light later."""
        return self.verdicts[self.close(connection).n]

    def finding(self, connection: int = 1) -> Finding:
        return next(f for f in self.close(connection).findings if "close-" in f.rule)

    def row(self, op: int | None = None, event: str | None = None, connection: int = 1, nth: int = 0) -> int:
        """The number of a row: the nth payload with an opcode or of an event."""
        found = [
            each.n
            for each in self.events
            if each.connection == connection and each.kind is Kind.PAYLOAD and (each.event or each.op) == (event or op)
        ]
        return found[nth]


def begun(**more: Any) -> Conversation:
    """A main connection that is about to identify."""
    return Conversation(**more).opens().server(HELLO)


def online(**more: Any) -> Conversation:
    """A main connection with a session."""
    return begun(**more).client(identify()).server(ready())


def again(after: Conversation, said: Payload, ms: float = 420, **more: Any) -> Conversation:
    """The next connection of a client, on which it says `said` so long after the end of the one before."""
    more = {"connection": 2, **more}
    return Conversation(**more, at_ns=after.happenings[-1].at_ns + int(ms * 1e6) - STEP).opens().client(said)


def joined(**more: Any) -> Conversation:
    """A main connection that is in a voice channel."""
    talk = online(**more).client({"op": 4, "d": {"guild_id": GUILD, "channel_id": CHANNEL}})
    return talk.server(voice_state()).server(voice_server())


def voice_state(channel: str | None = CHANNEL, user: str = ME, session: str = VOICE_SESSION) -> Payload:
    d = {"guild_id": GUILD, "channel_id": channel, "user_id": user, "session_id": session}
    return dispatch("VOICE_STATE_UPDATE", d, 2)


def voice_server(token: str = VOICE_TOKEN, endpoint: str | None = ENDPOINT, guild: str = GUILD) -> Payload:
    return dispatch("VOICE_SERVER_UPDATE", {"guild_id": guild, "token": token, "endpoint": endpoint}, 3)


def voice_identify(**more: Any) -> Payload:
    d = {"server_id": GUILD, "user_id": ME, "session_id": VOICE_SESSION, "token": VOICE_TOKEN}
    return {"op": 0, "d": d | {"max_dave_protocol_version": 1} | more}


def voice_resume() -> Payload:
    return {"op": 7, "d": {"server_id": GUILD, "session_id": VOICE_SESSION, "token": VOICE_TOKEN, "seq_ack": 1}}


VOICE_HELLO = {"op": 8, "d": {"heartbeat_interval": 13750}}
VOICE_READY = {"op": 2, "d": {"ssrc": 1, "ip": "127.0.0.1", "port": 5000, "modes": ["aead_xchacha20_poly1305_rtpsize"]}}


def dialling(after_ms: float = 1000, version: int = 8, **more: Any) -> Conversation:
    """A voice connection that is about to identify, a while after the main connection began."""
    url = f"wss://{ENDPOINT}/?v={version}"
    more = {"connection": 5, "url": url, **more}
    return Conversation(plane=Plane.VOICE, at_ns=NOON + int(after_ms * 1e6), **more).opens().server(VOICE_HELLO)


def talking(after_ms: float = 1000, **more: Any) -> Conversation:
    """A voice connection that is up."""
    return dialling(after_ms, **more).client(voice_identify()).server(VOICE_READY)


def by_server(talk: Conversation, code: int, reason: str = "") -> Conversation:
    return talk.closes(code, reason, "server")


# The main gateway.


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


# Codes of WebSocket itself.


def test_a_restart_of_the_server_is_routine() -> None:
    judged = Judged(by_server(online().server(RECONNECT), 1001))
    assert "it had asked for a reconnect (op 7) 10 ms before" in judged.verdict().cause
    assert (judged.verdict().reconnect, judged.verdict().resume) == (True, True)
    assert (judged.finding().rule, judged.finding().severity) == ("close-1001", Severity.INFO)


def test_1000_by_the_server_is_worth_knowing() -> None:
    assert Judged(by_server(online(), 1000)).finding().severity is Severity.INFO


@pytest.mark.parametrize(
    ("by", "who"),
    [
        ("client", "The client dropped the connection"),
        ("server", "The server dropped the connection"),
        (None, "The connection dropped"),
    ],
)
def test_1006_says_which_side_dropped_the_connection_and_the_silence_before(by: Side | None, who: str) -> None:
    judged = Judged(online().client(HEARTBEAT).server(ACK).waits(9_990).closes(1006, "", by))
    assert judged.verdict().cause.startswith(f"{who} without a close frame (1006): ")
    assert "the last message, of the server, came 10 s before" in judged.verdict().cause
    assert judged.verdict().evidence == (judged.row(11),)
    assert (judged.verdict().reconnect, judged.verdict().resume) == (True, True)
    assert judged.finding().severity is Severity.INFO


def test_1006_of_several_connections_at_once_is_the_network() -> None:
    other = online(connection=2).closes(1006, "", None)
    judged = Judged(online().waits(100).closes(1006, "", None), other)
    assert "1 other connection had dropped within the second before" in judged.verdict().cause
    assert judged.close(2).n in judged.verdict().evidence


def test_what_breaks_off_before_ready_leaves_nothing_to_resume() -> None:
    verdict = Judged(begun().client(identify()).closes(1006, "", None)).verdict()
    assert (verdict.reconnect, verdict.resume) == (True, False)
    assert verdict.advice == "Connect again and identify: there was no session yet."


def test_nobody_knows_whether_a_recording_that_begins_late_leaves_something_to_resume() -> None:
    verdict = Judged(Conversation().opens(joined_late=True).closes(1006, "", None)).verdict()
    assert (verdict.reconnect, verdict.resume) == (True, None)


def test_1009_by_the_client_is_its_own_limit() -> None:
    judged = Judged(online().server(message("x" * 3000)).closes(1009))
    assert "its own limit for received messages is too low; the last it was sent, 10 ms before, had 3," in (
        judged.verdict().cause
    )


def test_1011_by_the_client_is_not_discords_fault() -> None:
    verdict = Judged(online().closes(1011)).verdict()
    assert verdict.cause.startswith("The client closed with 1011 Internal Error: ")
    assert "Discord" not in verdict.cause
    assert verdict.advice.startswith("Look in the client's own log")


def test_a_code_that_no_table_has_is_said_with_its_reason() -> None:
    judged = Judged(by_server(online(), 4999, "strange \x1b[31m weather"))
    assert "The server closed with 4999: this code is in no table; the reason given is 'strange \\x1b" in (
        judged.verdict().cause
    )
    assert (judged.verdict().reconnect, judged.finding().severity) == (None, Severity.WARN)


def test_an_end_without_a_recorded_code_is_no_finding() -> None:
    close = Judged(online().closes(None, "", None)).close()
    assert close.verdict is not None
    assert close.verdict.cause.startswith("How the connection ended was not recorded: ")
    assert not close.findings


TOLD = Mark.TOLD_1000


def _came_back(first: Conversation, with_: Payload) -> Judged:
    return Judged(first, Conversation(connection=2, at_ns=NOON + SECOND).opens().server(HELLO).client(with_))


def test_a_client_is_not_blamed_for_what_the_proxy_told_it() -> None:
    """Identifying anew after 1000 is what discord.js does; the 1000 was mitmproxy's."""
    judged = _came_back(online().closes(1006, "", "server", TOLD), identify())
    verdict = judged.verdict()
    assert "The proxy sent 1000 to the client instead; what the client does next answers that." in verdict.cause
    assert verdict.right is None
    assert "the proxy had sent 1000 to the client" in verdict.then
    assert "identify-instead-of-resume" not in {each.rule for event in judged.events for each in event.findings}


def test_a_client_that_resumes_although_it_was_told_1000_does_right() -> None:
    judged = _came_back(online().closes(1006, "", "server", TOLD), resume())
    assert judged.verdict().right is True


def test_a_server_that_was_told_1000_may_refuse_the_resume() -> None:
    first = online().closes(1006, "", "client", TOLD)
    second = Conversation(connection=2, at_ns=NOON + SECOND).opens().server(HELLO).client(resume())
    judged = Judged(first, second.server({"op": 9, "d": False}))
    assert "The proxy sent 1000 to the server instead, which ends the session there" in judged.verdict().cause
    refused = next(each for event in judged.events for each in event.findings if each.rule == "invalid-session")
    assert "when connection 1 was lost, the proxy sent 1000 to the server" in refused.text


def test_a_bad_frame_is_the_senders_and_its_close_the_proxys() -> None:
    verdict = Judged(online().closes(1002, "the client sent a bad frame: Invalid opcode 0x3", "proxy")).verdict()
    assert verdict.cause.startswith(
        "The proxy closed with 1002 Protocol Error: the client sent a bad frame: Invalid opcode 0x3. mitmproxy"
    )


def test_a_client_is_not_blamed_for_a_close_of_the_proxys() -> None:
    reason = "no traffic for 600 s, so mitmproxy closed the connection"
    judged = _came_back(online().closes(1006, reason, "proxy"), identify())
    assert judged.verdict().right is None
    assert "identify-instead-of-resume" not in {each.rule for event in judged.events for each in event.findings}


def test_a_code_that_must_not_be_sent_is_said_to_be_one() -> None:
    verdict = Judged(online().closes(1006, "really", "server", Mark.FORBIDDEN)).verdict()
    assert verdict.cause.startswith("The server closed with 1006, a code that WebSocket does not allow in a close")
    assert "'really'" in verdict.cause


def test_the_proxy_may_end_it() -> None:
    verdict = Judged(online().closes(1001, "stopped", "proxy")).verdict()
    assert verdict.cause.startswith("The proxy closed with 1001 Going Away: neither the client nor Discord")
    assert verdict.reconnect is True


@pytest.mark.parametrize("plane", [Plane.REMOTE_AUTH, Plane.RPC])
def test_other_planes_have_verdicts_too(plane: Plane) -> None:
    judged = Judged(by_server(Conversation(plane=plane).opens(), 4001))
    assert judged.finding().rule == f"{plane.value}-close-4001"
    assert Judged(by_server(Conversation(plane=plane).opens(), 1000)).close().verdict is None


# The voice gateway.


def test_voice_4001_names_an_opcode_of_the_main_gateway() -> None:
    judged = Judged(by_server(talking().client({"op": 8, "d": {}}), 4001))
    assert "the client sent op 8 Hello, 10 ms before; only the server may send that." in judged.verdict(5).cause
    assert judged.verdict(5).evidence == (judged.row(8, connection=5, nth=1),)
    assert (judged.finding(5).rule, judged.finding(5).severity) == ("voice-close-4001", Severity.ERROR)


def test_voice_4002_names_a_binary_message() -> None:
    talk = dialling().frame(json.dumps(voice_identify()).encode(), from_client=True)
    assert "JSON in a binary message" in Judged(by_server(talk, 4002)).verdict(5).cause


def test_voice_4002_names_what_the_identify_lacks() -> None:
    judged = Judged(by_server(dialling().client(voice_identify(user_id=None, token=5)), 4002))
    assert "the Identify has no user_id or token that could be read" in judged.verdict(5).cause
    assert judged.verdict(5).evidence == (judged.row(0, connection=5),)


def test_voice_4003_names_what_came_too_early() -> None:
    judged = Judged(by_server(dialling().client({"op": 5, "d": {"speaking": 1}}), 4003))
    assert "op 5 Speaking, 10 ms before, and had neither identified nor resumed" in judged.verdict(5).cause
    assert judged.verdict(5).evidence == (judged.row(5, connection=5),)
    assert judged.verdict(5).resume is False


def test_voice_4004_compares_the_token_with_the_newest() -> None:
    judged = Judged(joined(), by_server(dialling().client(voice_identify(token="an old token 123456")), 4004))
    verdict = judged.verdict(5)
    assert f"the client sent the token ••••{digest('an old token 123456')[:4]}" in verdict.cause
    assert f"gave another (••••{digest(VOICE_TOKEN)[:4]})" in verdict.cause
    assert verdict.evidence == (judged.row(event="VOICE_SERVER_UPDATE"), judged.row(0, connection=5))
    assert (verdict.reconnect, verdict.resume) == (True, False)


def test_voice_4004_names_the_call_whose_token_it_was() -> None:
    main = joined().server(voice_server("of another guild", guild="1180000000000000043"))
    judged = Judged(main, by_server(dialling().client(voice_identify(token="of another guild")), 4004))
    assert "the token that was meant for the call in 1180000000000000043" in judged.verdict(5).cause


def test_voice_4004_says_that_the_token_was_right() -> None:
    judged = Judged(joined(), by_server(dialling().client(voice_identify()), 4004))
    assert "the one in the newest VOICE_SERVER_UPDATE. The usual cause: " in judged.verdict(5).cause


def test_voice_4005_names_both() -> None:
    judged = Judged(by_server(talking().client(voice_identify()), 4005))
    assert "op 0 Identify, then op 0 Identify" in judged.verdict(5).cause
    assert len(judged.verdict(5).evidence) == 2


def test_voice_4006_names_an_identify_in_place_of_a_resume() -> None:
    first = talking().closes(1006, "", "server")
    second = by_server(again(first, voice_identify(), plane=Plane.VOICE, url=first.url, connection=6), 4006)
    judged = Judged(joined(), first, second)
    assert "identified with the session of a connection that had ended 430 ms before" in judged.verdict(6).cause
    assert judged.close(5).n in judged.verdict(6).evidence


def test_voice_4006_names_a_move() -> None:
    main = joined().waits(1500).server(voice_state(OTHER_CHANNEL))
    judged = Judged(main, by_server(talking().waits(1000), 4006))
    assert "the account had been moved to another channel" in judged.verdict(5).cause
    assert judged.verdict(5).evidence == (judged.row(event="VOICE_STATE_UPDATE", nth=1),)


def test_voice_4006_names_a_stale_session_id() -> None:
    judged = Judged(joined(), by_server(dialling().client(voice_identify(session_id="x" * 32)), 4006))
    assert "a session_id that is not the one of its newest VOICE_STATE_UPDATE" in judged.verdict(5).cause


def test_voice_4006_names_a_port_that_was_cut_off() -> None:
    url = "wss://rotterdam1.discord.media/?v=8"
    judged = Judged(joined(), by_server(dialling(url=url).client(voice_identify()), 4006))
    assert f"'{ENDPOINT}', and the client connected to port 443" in judged.verdict(5).cause


def test_voice_4009_looks_at_the_heartbeats() -> None:
    judged = Judged(by_server(talking().waits(60_000), 4009))
    assert "sent no heartbeat in the 60 s since Hello, which asked for one every 13.8 s" in judged.verdict(5).cause
    assert (judged.verdict(5).reconnect, judged.verdict(5).resume) == (True, False)


def test_voice_4011_names_the_channel_that_was_taken_for_the_guild() -> None:
    judged = Judged(joined(), by_server(dialling().client(voice_identify(server_id=CHANNEL)), 4011))
    assert f"server_id '{CHANNEL}', which is the channel; the call's id is {GUILD}" in judged.verdict(5).cause


def test_voice_4011_names_the_call_there_was() -> None:
    judged = Judged(joined(), by_server(dialling().client(voice_identify(server_id="5")), 4011))
    assert f"no VOICE_SERVER_UPDATE was for that; the newest was for {GUILD}" in judged.verdict(5).cause
    assert len(judged.verdict(5).evidence) == 2


def test_voice_4012_names_the_protocol() -> None:
    judged = Judged(by_server(talking().client({"op": 1, "d": {"protocol": "tcp", "data": {}}}), 4012))
    assert "Select Protocol asked for the protocol 'tcp'; there are udp and webrtc" in judged.verdict(5).cause
    assert judged.verdict(5).evidence == (judged.row(1, connection=5),)


@pytest.mark.parametrize("code", [4013, 4015])
def test_what_fails_at_the_voice_server_is_no_fault_of_the_client(code: int) -> None:
    judged = Judged(by_server(talking(), code))
    assert "not the client's fault" in judged.verdict(5).cause
    assert (judged.verdict(5).reconnect, judged.verdict(5).resume) == (True, True)
    assert judged.finding(5).severity is Severity.INFO


def test_voice_4014_after_a_kick() -> None:
    main = joined().waits(2000).server(voice_state(None))
    judged = Judged(main, by_server(talking().waits(1200), 4014))
    verdict = judged.verdict(5)
    assert "this client alone was put out of the channel" in verdict.cause
    assert judged.row(event="VOICE_STATE_UPDATE", nth=1) in verdict.evidence
    assert (verdict.reconnect, verdict.resume) == (False, False)
    assert (judged.finding(5).rule, judged.finding(5).severity) == ("voice-close-4014", Severity.INFO)


def test_voice_4014_after_the_client_left_by_itself() -> None:
    leave = {"op": 4, "d": {"guild_id": GUILD, "channel_id": None}}
    main = joined().waits(2000).client(leave).server(voice_state(None))
    assert (
        "the client itself left the channel (op 4)"
        in Judged(main, by_server(talking().waits(1200), 4014)).verdict(5).cause
    )


def test_voice_4014_after_a_move() -> None:
    main = joined().waits(2000).server(voice_state(OTHER_CHANNEL)).server(voice_server("another token"))
    verdict = Judged(main, by_server(talking().waits(1200), 4014)).verdict(5)
    assert "the account was moved to another channel" in verdict.cause
    assert "VOICE_SERVER_UPDATE named where to connect" in verdict.cause
    assert (verdict.reconnect, verdict.resume) == (True, False)
    assert len(verdict.evidence) == 2


def test_voice_4014_after_the_main_session_was_lost() -> None:
    main = joined().waits(2000).closes(1000)
    judged = Judged(main, by_server(talking().waits(1200), 4014))
    assert "the main connection had ended with 1000 " in judged.verdict(5).cause
    assert judged.verdict(5).evidence == (judged.close(1).n,)


def test_voice_4014_after_op_9() -> None:
    main = joined().waits(2000).server({"op": 9, "d": False})
    judged = Judged(main, by_server(talking().waits(1200), 4014))
    assert "the main session was ended by op 9" in judged.verdict(5).cause


def test_voice_4014_for_no_reason_seen() -> None:
    assert "neither a move nor a kick showed" in Judged(joined(), by_server(talking(), 4014)).verdict(5).cause


def test_a_kick_may_come_to_light_after_the_close() -> None:
    judged = Judged(joined().waits(3000).server(voice_state(None)), by_server(talking(), 4014))
    verdict = judged.verdict(5)
    assert "neither a move nor a kick showed" in verdict.cause
    assert "later, the account was out of the channel" in verdict.cause
    assert "The usual cause" not in verdict.cause
    assert judged.row(event="VOICE_STATE_UPDATE", nth=1) in verdict.evidence
    assert verdict.reconnect is False


def test_a_move_may_come_to_light_after_the_close() -> None:
    main = joined().waits(3000).server(voice_state(OTHER_CHANNEL)).server(voice_server("another token"))
    verdict = Judged(main, by_server(talking(), 4014)).verdict(5)
    assert "it had been moved" in verdict.cause
    assert "VOICE_SERVER_UPDATE named where to connect" in verdict.cause
    assert (verdict.reconnect, verdict.resume) == (True, False)
    assert "new VOICE_SERVER_UPDATE" in verdict.advice


@pytest.mark.parametrize(
    "later",
    [voice_state(None, user="1180000000000000002"), voice_server("another guild's", guild="5"), voice_state()],
)
def test_what_others_do_says_nothing_of_a_close(later: Payload) -> None:
    judged = Judged(joined().waits(3000).server(later), by_server(talking(), 4014))
    assert " later, " not in judged.verdict(5).cause


def test_what_comes_after_a_new_connection_is_about_that() -> None:
    first = by_server(talking(), 4015)
    second = again(first, voice_resume(), plane=Plane.VOICE, url=first.url, connection=6)
    judged = Judged(joined().waits(3000).server(voice_state(None)), first, by_server(second, 4014))
    assert " later, " not in judged.verdict(5).cause
    assert " later, " in judged.verdict(6).cause


def test_what_comes_much_later_says_nothing_of_a_close() -> None:
    judged = Judged(joined().waits(9000).server(voice_state(None)), by_server(talking(), 4014))
    assert " later, " not in judged.verdict(5).cause


def test_the_same_is_added_to_a_verdict_only_once() -> None:
    main = joined().waits(3000)
    for number in range(20):
        main.server(voice_server(f"token {number}"))
    assert Judged(main, by_server(talking(), 4014)).verdict(5).cause.count(" later, ") == 1


def test_voice_4016_compares_the_mode_with_the_offer() -> None:
    select = {"op": 1, "d": {"protocol": "udp", "data": {"mode": "xsalsa20_poly1305"}}}
    judged = Judged(by_server(talking().client(select), 4016))
    cause = "asked for the mode 'xsalsa20_poly1305'; Ready offered 'aead_xchacha20_poly1305_rtpsize'."
    assert cause in judged.verdict(5).cause
    assert judged.verdict(5).evidence == (judged.row(2, connection=5), judged.row(1, connection=5))


@pytest.mark.parametrize(
    ("offer", "why"),
    [(None, "has no max_dave_protocol_version"), (0, "DAVE version 0, which is none"), (1, "version 1")],
)
def test_voice_4017_says_what_was_offered(offer: int | None, why: str) -> None:
    judged = Judged(by_server(dialling().client(voice_identify(max_dave_protocol_version=offer)), 4017))
    assert why in judged.verdict(5).cause
    assert judged.verdict(5).evidence == (judged.row(0, connection=5),)
    assert (judged.verdict(5).reconnect, judged.verdict(5).resume) == (False, False)


def test_no_advice_asks_for_what_the_client_does_already() -> None:
    offered = Judged(by_server(dialling().client(voice_identify()), 4017)).verdict(5)
    assert "max_dave_protocol_version 1" not in offered.advice
    assert "above 1" in offered.advice
    version = Judged(by_server(begun(url="wss://gateway.discord.gg/?v=10"), 4012)).verdict()
    assert "v=10" not in version.advice


def test_a_token_that_worked_more_often_than_is_remembered_worked_at_least_so_often() -> None:
    talks = [online(connection=n, at_ns=NOON + n * SECOND).closes(4000) for n in range(1, 262)]
    last = by_server(begun(connection=300, at_ns=NOON + 300 * SECOND).client(identify()), 4004)
    assert "It had worked on at least 256 earlier connections" in Judged(*talks, last).verdict(300).cause


def test_voice_4017_counts_the_loop() -> None:
    without = voice_identify(max_dave_protocol_version=0)
    talks = [by_server(dialling(1000 * n, connection=10 + n).client(without), 4017) for n in range(3)]
    judged = Judged(*talks)
    assert "That makes 3 times within 2 s on this call; reconnecting alone" in judged.verdict(12).cause
    assert (judged.verdict(10).right, judged.verdict(12).right) == (False, None)
    assert "came back with no newer DAVE" in judged.verdict(10).then


def test_voice_4020_looks_at_the_heartbeat() -> None:
    judged = Judged(by_server(talking().client({"op": 3, "d": 1769860800}), 4020))
    assert "has no seq_ack, and with v=8 its d must be an object with t and seq_ack" in judged.verdict(5).cause
    assert judged.verdict(5).evidence == (judged.row(3, connection=5),)
    beat = {"op": 3, "d": {"t": 1, "seq_ack": 1}}
    assert "bare number" in Judged(by_server(talking(version=7).client(beat), 4020)).verdict(5).cause


def test_voice_4020_looks_at_the_last_message() -> None:
    cause = Judged(by_server(talking().client({"op": 5, "d": []}), 4020)).verdict(5).cause
    assert "the client's last was op 5 Speaking" in cause


def test_voice_4021_counts_what_was_sent() -> None:
    talk = talking()
    for _ in range(30):
        talk.client({"op": 5, "d": {"speaking": 1}})
    judged = Judged(by_server(talk, 4021))
    assert "the client had sent 31 messages within 320 ms: 30 × op 5 Speaking" in judged.verdict(5).cause
    assert judged.finding(5).severity is Severity.ERROR


def test_voice_4021_counts_the_attempts() -> None:
    talks = [by_server(talking(1000 * n, connection=10 + n), 4021) for n in range(3)]
    judged = Judged(*talks)
    assert "it was attempt 3 to connect to this call within a minute" in judged.verdict(12).cause
    assert (judged.verdict(10).right, "without a pause" in judged.verdict(10).then) == (False, True)


def test_voice_4021_counts_only_attempts_of_the_last_minute() -> None:
    long_ago = [talking(1000 * n, connection=10 + n).waits(100_000) for n in range(2)]
    talks = [*(by_server(talk, 4021) for talk in long_ago), by_server(talking(101_500, connection=20), 4021)]
    assert "attempt" not in Judged(*talks).verdict(20).cause


def test_voice_4022_names_the_channel_that_was_deleted() -> None:
    main = joined().waits(2000).server(dispatch("CHANNEL_DELETE", {"id": CHANNEL, "guild_id": GUILD}, 5))
    judged = Judged(main, by_server(talking().waits(1200), 4022))
    assert "CHANNEL_DELETE had come" in judged.verdict(5).cause
    assert judged.verdict(5).evidence == (judged.row(event="CHANNEL_DELETE"),)
    assert judged.finding(5).severity is Severity.INFO


def test_voice_4022_may_be_explained_after_the_close() -> None:
    main = joined().waits(3000).server(dispatch("CHANNEL_DELETE", {"id": CHANNEL, "guild_id": GUILD}, 5))
    assert "later, CHANNEL_DELETE came" in Judged(main, by_server(talking(), 4022)).verdict(5).cause


def test_a_channel_nobody_is_in_explains_nothing() -> None:
    main = joined().waits(2000).server(dispatch("CHANNEL_DELETE", {"id": OTHER_CHANNEL, "guild_id": GUILD}, 5))
    assert "had neither CHANNEL_DELETE" in Judged(main, by_server(talking().waits(1200), 4022)).verdict(5).cause


def test_voice_1006_may_be_resumed() -> None:
    verdict = Judged(talking().closes(1006, "", None)).verdict(5)
    assert (verdict.reconnect, verdict.resume) == (True, True)


# What the client did next.


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


# Whatever happens.


def test_every_close_code_of_the_gateways_has_a_cause_of_its_own() -> None:
    for row in default().close_codes():
        if row.plane in ("gateway", "voice") or (row.plane == "websocket" and row.number != 1004):
            assert (row.plane, row.number) in CAUSES


@pytest.mark.parametrize("code", sorted({number for plane, number in CAUSES if plane != "voice"} | {4999, 1004}))
@pytest.mark.parametrize("by", ["client", "server", "proxy", None])
def test_nothing_need_have_been_said_before_a_close(code: int, by: Side | None) -> None:
    for plane in Plane:
        for talk in (
            Conversation(plane=plane),
            Conversation(plane=plane).opens(),
            Conversation(plane=plane, url="").opens(),
        ):
            verdict = Judged(talk.closes(code, "", by)).close().verdict
            if verdict is not None:
                assert verdict.cause.endswith(".")
                assert "  " not in verdict.cause


_VALUES = st.sampled_from([None, True, -1, 0, 3, 1 << 70, "x", "", [], [2, 2], {}, 1.5, GUILD, VOICE_SESSION])
_KEYS = [
    *("token", "session_id", "seq", "shard", "intents", "server_id", "user_id", "guild_id", "channel_id", "endpoint"),
    *("heartbeat_interval", "modes", "protocol", "data", "t", "seq_ack", "max_dave_protocol_version", "user", "id"),
]
_BODIES = _VALUES | st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=8)
_NAMES = st.sampled_from([None, "READY", "RESUMED", "VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE", "CHANNEL_DELETE", "X"])
_STEPS = st.tuples(st.booleans(), st.integers(-1, 40), _BODIES, _NAMES, st.integers(0, 60_000))
_PLANES = st.sampled_from([Plane.GATEWAY, Plane.VOICE])
_CODES = st.none() | st.integers(0, 65535) | st.sampled_from([number for _, number in CAUSES])
_SIDES = st.sampled_from(["client", "server", "proxy", None])
_TALKS = st.tuples(_PLANES, st.lists(_STEPS, max_size=12), _CODES, st.text(max_size=20), _SIDES)


@given(st.lists(_TALKS, min_size=1, max_size=4))
def test_no_end_is_too_odd(ends: list[tuple[Plane, list[Any], int | None, str, Side | None]]) -> None:
    talks = []
    for number, (plane, steps, code, reason, by) in enumerate(ends, 1):
        talk = Conversation(plane=plane, connection=number).opens()
        for from_client, op, d, name, ms in steps:
            data = json.dumps({"op": op, "d": d, "t": name, "s": 1}).encode()
            talk.waits(ms).frame(data, from_client=from_client, is_text=True)
        talks.append(talk.closes(code, reason, by))
    judged = Judged(*talks)
    for event in judged.events:
        assert event.verdict is None or len(event.verdict.evidence) <= MAX_EVIDENCE


def test_verdicts_that_may_still_change_are_bounded() -> None:
    pipeline = Pipeline(default())
    for number in _some(2 * MAX_RECENT):
        for happening in Conversation(connection=number).opens().closes(4000, "", "server").happenings:
            pipeline.feed(happening)
    assert len(pipeline._rule_engine._recent) == MAX_RECENT


def _some(number: int) -> Iterator[int]:
    return (each for each, _ in zip(count(1), range(number), strict=False))
