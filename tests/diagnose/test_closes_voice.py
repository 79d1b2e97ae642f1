"""What is said of the ends that the voice gateway has codes for."""

import json

import pytest

from inspector.model import Plane, Severity
from inspector.session.redact import digest
from tests.conversation import (
    NOON,
    Payload,
    dispatch,
    identify,
)
from tests.diagnose.judged import (
    CHANNEL,
    ENDPOINT,
    GUILD,
    OTHER_CHANNEL,
    SECOND,
    VOICE_TOKEN,
    Judged,
    again,
    begun,
    by_server,
    dialling,
    joined,
    online,
    talking,
    voice_identify,
    voice_resume,
    voice_server,
    voice_state,
)


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


def test_voice_4009_names_the_step_that_never_came() -> None:
    beat = {"op": 3, "d": {"t": 1, "seq_ack": -1}}
    judged = Judged(by_server(dialling().client(voice_identify()).client(beat).waits(12_000), 4009))
    assert "the way into the call stopped halfway: the server's Ready had not come" in judged.verdict(5).cause
    assert judged.row(0, connection=5) in judged.verdict(5).evidence


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
