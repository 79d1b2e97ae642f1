from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Finding, Plane, Severity
from tests.conversation import HELLO, NOON, SESSION, Conversation, Payload, dispatch, identify
from tests.diagnose.finding import found, ids, one

GUILD, LOUNGE = "1180000000000000042", "1180000000000000051"
BOT, OTHER_BOT = "1180000000000000001", "1180000000000000009"
TOKEN, SESSION_ID = "a1b2c3d4e5f60718", "70c3a1d9b2e84f6570c3a1d9b2e84f65"
ENDPOINT = "invented1.discord.media:2048"
MODES = ["aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize"]
VOICE_HELLO = {"op": 8, "d": {"v": 8, "heartbeat_interval": 41250}}
SPEAKING = {"op": 5, "d": {"speaking": 1, "delay": 0, "ssrc": 1001}}
RESUMED = {"op": 9, "d": None}
INTENTS = 1 | 1 << 7


def introduction(**more: Any) -> Payload:
    d = {"server_id": GUILD, "user_id": BOT, "session_id": SESSION_ID, "token": TOKEN, "max_dave_protocol_version": 1}
    return {"op": 0, "d": d | more}


def resume(seq_ack: Any = 3, **more: Any) -> Payload:
    d = {"server_id": GUILD, "session_id": SESSION_ID, "token": TOKEN, "seq_ack": seq_ack}
    return {"op": 7, "d": {key: value for key, value in (d | more).items() if value is not None}}


def voice_ready(seq: int | None = 1) -> Payload:
    return numbered(2, {"ssrc": 1001, "ip": "127.0.0.1", "port": 50000, "modes": MODES}, seq)


def selects(mode: Any = MODES[0], protocol: Any = "udp") -> Payload:
    return {"op": 1, "d": {"protocol": protocol, "data": {"address": "203.0.113.1", "port": 50001, "mode": mode}}}


def described(seq: int | None = 2) -> Payload:
    return numbered(4, {"mode": MODES[0], "secret_key": [0] * 32, "dave_protocol_version": 1}, seq)


def numbered(op: int, d: Any, seq: int | None) -> Payload:
    return {"op": op, "d": d} if seq is None else {"op": op, "d": d, "seq": seq}


def joins(seq: int | None) -> Payload:
    return numbered(11, {"user_ids": [OTHER_BOT]}, seq)


def beat(seq_ack: Any) -> Payload:
    return {"op": 3, "d": {"t": 1, "seq_ack": seq_ack}}


def opened(number: int = 1, after_ms: float = 0, *, v: str = "v=8", host: str = ENDPOINT, **more: Any) -> Conversation:
    """Connection `number`, opened so long after noon, with its Hello: two rows."""
    at_ns = NOON + int(after_ms * 1e6)
    talk = Conversation(plane=Plane.VOICE, url=f"wss://{host}/?{v}", connection=number, at_ns=at_ns)
    return talk.opens(**more).server(VOICE_HELLO)


def call(number: int = 1, after_ms: float = 0, **more: Any) -> Conversation:
    """Rows 1 to 6 of a call: open, Hello, Identify, Ready, Select Protocol, Session Description. Numbers 1 and 2."""
    talk = opened(number, after_ms, **more).client(introduction()).server(voice_ready())
    return talk.client(selects()).server(described())


def gateway(*, endpoint: str = ENDPOINT, session_id: str = SESSION_ID, token: str = TOKEN) -> Conversation:
    """The main connection, a minute before noon: rows 1 to 7; the voice state is row 6, the voice server row 7."""
    talk = Conversation(connection=9, at_ns=NOON - 60_000_000_000).opens().server(HELLO)
    ready = {"session_id": SESSION, "user": {"id": BOT, "bot": True}}
    talk.client(identify(intents=INTENTS)).server(dispatch("READY", ready, 1))
    talk.client({"op": 4, "d": {"guild_id": GUILD, "channel_id": LOUNGE}})
    state = {"guild_id": GUILD, "channel_id": LOUNGE, "user_id": BOT, "session_id": session_id}
    talk.server(dispatch("VOICE_STATE_UPDATE", state, 2))
    return talk.server(voice_server(endpoint, token))


def voice_server(endpoint: str = ENDPOINT, token: str = TOKEN, seq: int = 3) -> Payload:
    return dispatch("VOICE_SERVER_UPDATE", {"guild_id": GUILD, "token": token, "endpoint": endpoint}, seq)


def of(rule: str, *talks: Conversation, until_ms: float = 0) -> list[Finding]:
    return [finding for finding in found(*talks, until_ms=until_ms) if finding.rule == rule]


def test_a_call_that_crashes_and_is_resumed_is_nothing_to_speak_of() -> None:
    first = call().client(SPEAKING).server(joins(3)).client(beat(3)).server({"op": 6, "d": {"t": 1}})
    second = opened(2, 5000).client(resume()).server(RESUMED).server(joins(4)).client(beat(4))
    second.server({"op": 6, "d": {"t": 1}})
    talks = gateway(), first.closes(4015, by="server"), second.waits(20_000).closes(1000)
    assert ids(*talks) == []


def test_voice_version_old_is_said_where_dave_is_claimed() -> None:
    finding = one(found(opened(v="v=7").client(introduction())), "voice-version-old")
    assert (finding.event, finding.severity, finding.text) == (
        3,
        Severity.WARN,
        "Identify offers DAVE 1, and the URL has v=7.",
    )
    for talk in (
        opened(v="v=8").client(introduction()),
        opened(v="v=7").client(introduction(max_dave_protocol_version=0)),
    ):
        assert of("voice-version-old", talk) == []


@pytest.mark.parametrize(
    ("v", "d", "said"),
    [
        ("v=8", 1234, "not an object; version 8 requires {t, seq_ack}"),
        ("v=9", None, "not an object; version 9 requires {t, seq_ack}"),
        ("v=7", {"t": 1}, "an object; version 7 requires a bare number"),
    ],
)
def test_voice_heartbeat_shape_is_that_of_the_version(v: str, d: Any, said: str) -> None:
    finding = one(found(call(v=v).client({"op": 3, "d": d})), "voice-heartbeat-shape")
    assert (finding.event, finding.severity) == (7, Severity.ERROR)
    assert said in finding.text


@pytest.mark.parametrize(("v", "d"), [("v=8", {"t": 1, "seq_ack": 2}), ("v=4", 1234), ("", 1234), ("", {"t": 1})])
def test_a_heartbeat_of_the_right_shape_is_nothing_to_speak_of(v: str, d: Any) -> None:
    assert of("voice-heartbeat-shape", call(v=v).client({"op": 3, "d": d})) == []


def test_voice_seq_ack_missing_says_how_far_the_server_is() -> None:
    finding = one(found(call().waits(1500).client({"op": 3, "d": {"t": 1}})), "voice-seq-ack-missing")
    assert (finding.event, finding.severity) == (7, Severity.WARN)
    assert "counted up to 2" in finding.text


def test_a_resume_without_seq_ack_is_noticed_by_the_connection_before() -> None:
    second = opened(2, 5000).client(resume(None))
    assert "counted up to 3" in one(found(call().server(joins(3)).closes(1006), second), "voice-seq-ack-missing").text
    assert of("voice-seq-ack-missing", second) == []


def test_a_seq_ack_is_not_missed_before_there_is_something_to_acknowledge() -> None:
    at_once = call().client({"op": 3, "d": {"t": 1}})
    unnumbered = opened().client(introduction()).server(voice_ready(None)).waits(1500).client({"op": 3, "d": {"t": 1}})
    old = call(v="v=7").waits(1500).client({"op": 3, "d": 1})
    for talk in (at_once, unnumbered, old, call().waits(1500).client(beat(2))):
        assert of("voice-seq-ack-missing", talk) == []


def test_voice_seq_ack_wrong_is_one_that_the_server_never_reached() -> None:
    finding = one(found(call().waits(1500).client(beat(7))), "voice-seq-ack-wrong")
    assert (finding.event, finding.severity) == (7, Severity.ERROR)
    assert finding.text == "seq_ack is 7; the server has only counted up to 2."


def test_a_seq_ack_may_be_left_over_from_the_call_before() -> None:
    """As with discord.py after a move to another channel."""
    none = one(found(opened().client(introduction()).client(beat(7))), "voice-seq-ack-wrong")
    assert (none.severity, none.text) == (Severity.INFO, "seq_ack is 7, and the server has numbered nothing here yet.")
    crossing = one(found(opened().client(introduction()).server(voice_ready()).client(beat(7))), "voice-seq-ack-wrong")
    assert crossing.severity is Severity.INFO


def test_voice_seq_ack_wrong_is_also_one_that_stays_far_behind() -> None:
    finding = one(found(call().server(joins(400)).client(beat(2))), "voice-seq-ack-wrong")
    assert (finding.severity, finding.text) == (Severity.WARN, "seq_ack is 2; the server is at 400 by now.")


def test_a_heartbeat_acknowledges_what_had_come_before_the_last_one() -> None:
    """As a client does not that counts JSON alone: the third number here is that of a binary message."""
    deaf = call().frame(b"\x00\x03\x19\x00").client(beat(2)).waits(5000)
    finding = one(found(deaf.client(beat(2))), "voice-seq-ack-wrong")
    assert (finding.event, finding.severity, finding.evidence) == (9, Severity.WARN, (8,))
    assert finding.text == "seq_ack is 2; the server had counted up to 3 before the last heartbeat, 5 s ago."


def test_a_heartbeat_need_not_acknowledge_what_came_since_the_last_one() -> None:
    talk = call().frame(b"\x00\x03\x19\x00").client(beat(2)).waits(5000).server(joins(4))
    assert of("voice-seq-ack-wrong", talk.client(beat(3))) == []


def test_no_number_at_all_is_missing_where_numbers_came() -> None:
    finding = one(found(call().waits(1500).client(beat(-1))), "voice-seq-ack-missing")
    assert finding.text == "seq_ack is -1, which is none, although the server has counted up to 2."
    assert of("voice-seq-ack-missing", call().client(beat(-1))) == []


def test_voice_seq_ack_unsupported_is_said_below_version_8() -> None:
    finding = one(found(opened(v="v=7").client(resume(3))), "voice-seq-ack-unsupported")
    assert (finding.event, finding.severity, finding.text) == (3, Severity.WARN, "seq_ack is 3, and the URL has v=7.")
    for talk in (opened(v="v=7").client(resume(None)), opened(v="v=8").client(resume(3))):
        assert of("voice-seq-ack-unsupported", talk) == []


def test_a_resume_sends_again_all_that_was_not_acknowledged() -> None:
    first = call().server(joins(3)).closes(1006)
    lost = opened(2, 5000).client(resume(2)).server(RESUMED).server(joins(5))
    finding = one(found(first, lost), "voice-seq-gap")
    assert (finding.severity, finding.evidence) == (Severity.INFO, (11,))
    assert finding.text == "Resume acknowledged 2, and they continue with 5."
    between = opened(2, 5000).client(resume(2)).server(RESUMED).server(joins(3)).server(joins(6))
    assert one(found(first, between), "voice-seq-gap").text == "The numbers go from 3 to 6."
    for numbers in ([2, 3, 4], [3, 4, 5]):
        whole = opened(2, 5000).client(resume(2)).server(RESUMED)
        for number in numbers:
            whole.server(joins(number))
        assert of("voice-seq-gap", first, whole) == []


def test_a_gap_is_seen_over_json_and_binary_and_the_end_of_16_bits() -> None:
    talk = opened().client(introduction()).server(voice_ready(65534)).frame(b"\xff\xff\x19\x00").server(joins(1))
    assert [each.text for each in of("voice-seq-gap", talk)] == ["The numbers go from 65,535 to 1."]
    beyond = opened().client(introduction()).server(voice_ready(65536)).frame(b"\x00\x01\x19\x00").server(joins(65538))
    assert of("voice-seq-gap", beyond) == []


def test_json_in_a_binary_message_is_refused() -> None:
    finding = one(found(call().frame(b'{"op":3,"d":{"t":1,"seq_ack":2}}', from_client=True)), "odd-payload")
    assert (finding.severity, "JSON in a binary message" in finding.text) == (Severity.ERROR, True)


@pytest.mark.parametrize("v", [4, 7, 8, 9])
def test_a_healthy_call_of_every_version_is_nothing_to_speak_of(v: int) -> None:
    is_numbered = v >= 8
    talk = opened(v=f"v={v}").client(introduction(max_dave_protocol_version=0))
    talk.server(voice_ready(1 if is_numbered else None)).client(selects())
    talk.server(numbered(4, {"mode": MODES[0], "dave_protocol_version": 0}, 2 if is_numbered else None)).client(
        SPEAKING
    )
    for nonce in (1, 2, 3):
        d = {"t": nonce, "seq_ack": 2} if is_numbered else nonce
        talk.waits(5000).client({"op": 3, "d": d}).server({"op": 6, "d": {"t": nonce} if is_numbered else nonce})
    assert ids(talk) == ["voice-without-dave"]


def test_a_resume_acknowledges_what_came_on_the_connection_before() -> None:
    first = call().server(joins(3)).closes(1006)
    wrong = one(found(first, opened(2, 5000).client(resume(30))), "voice-seq-ack-wrong")
    assert wrong.text == "seq_ack is 30; the server has only counted up to 3."
    assert of("voice-seq-ack-wrong", first, opened(2, 5000).client(resume(2)).server(RESUMED).server(joins(3))) == []


@pytest.mark.parametrize(("last", "ack"), [(65535, 65535), (3, 65530), (0, 65535), (2, 2), (2, 1), (2, -1)])
def test_numbers_of_16_bits_begin_again(last: int, ack: int) -> None:
    assert of("voice-seq-ack-wrong", call().server(joins(last)).waits(1500).client(beat(ack))) == []


def test_what_a_resume_sends_again_may_have_been_acknowledged() -> None:
    first = call().server(joins(50)).closes(1006)
    second = opened(2, 5000).client(resume(48)).server(RESUMED).server(joins(49)).client(beat(50))
    assert of("voice-seq-ack-wrong", first, second) == []


def test_voice_seq_gap_is_a_note() -> None:
    finding = one(found(call().server(joins(5))), "voice-seq-gap")
    assert (finding.event, finding.severity, finding.text) == (7, Severity.INFO, "The numbers go from 2 to 5.")


def test_numbers_that_follow_each_other_have_no_gap() -> None:
    wrapped = opened().client(introduction()).server(voice_ready(65535)).server(joins(0))
    binary = call().frame(b"\x00\x03\x19\x00").server({"op": 6, "d": {"t": 1}}).server(joins(4))
    for talk in (call().server(joins(3)), wrapped, binary):
        assert of("voice-seq-gap", talk) == []


@pytest.mark.parametrize(("second", "name"), [(introduction(), "op 0 Identify"), (resume(), "op 7 Resume")])
def test_voice_identify_twice_names_the_first(second: Payload, name: str) -> None:
    finding = one(found(call().client(second)), "voice-identify-twice")
    assert (finding.event, finding.severity, finding.evidence) == (7, Severity.ERROR, (3,))
    assert name in finding.text


def test_an_identify_on_a_connection_of_its_own_is_the_first() -> None:
    assert of("voice-identify-twice", call().closes(4006, by="server"), call(2, 5000)) == []


def test_voice_command_too_early_is_named() -> None:
    finding = one(found(opened().client(SPEAKING).client(introduction())), "voice-command-too-early")
    assert (finding.event, finding.severity) == (3, Severity.ERROR)
    assert finding.text == "op 5 Speaking was sent before Identify or Resume."
    for talk in (call().client(SPEAKING), opened().client(beat(-1)), opened(joined_late=True).client(SPEAKING)):
        assert of("voice-command-too-early", talk) == []


def test_voice_mode_not_offered_lists_what_was() -> None:
    talk = opened().client(introduction()).server(voice_ready()).client(selects("xsalsa20_poly1305\x1b"))
    finding = one(found(talk), "voice-mode-not-offered")
    assert (finding.event, finding.severity, finding.evidence) == (5, Severity.ERROR, (4,))
    assert finding.text == f"The client chose 'xsalsa20_poly1305\\x1b'; Ready offered '{MODES[0]}' and '{MODES[1]}'."


def test_webrtc_chooses_no_mode() -> None:
    sdp = {"op": 1, "d": {"protocol": "webrtc", "data": "a=ice-ufrag:x"}}
    assert ids(opened().client(introduction()).server(voice_ready()).client(sdp)) == []
    assert of("voice-mode-not-offered", call()) == []


@pytest.mark.parametrize(
    ("protocol", "said"), [("quic", "The protocol is 'quic'."), (None, "The protocol is not named.")]
)
def test_voice_protocol_unknown_is_quoted(protocol: Any, said: str) -> None:
    talk = opened().client(introduction()).server(voice_ready()).client(selects(protocol=protocol))
    finding = one(found(talk), "voice-protocol-unknown")
    assert (finding.event, finding.severity, finding.text) == (5, Severity.ERROR, said)
    assert of("voice-protocol-unknown", call()) == []


def silent() -> Conversation:
    return Conversation(plane=Plane.VOICE, url=f"wss://{ENDPOINT}/?v=8").opens()


@pytest.mark.parametrize(
    ("talk", "step", "evidence"),
    [
        (silent(), "the server's Hello", ()),
        (silent().client(introduction()), "the server's Hello", (2,)),
        (opened(), "the client's Identify", (2,)),
        (opened().client(introduction()), "the server's Ready", (3,)),
        (opened().client(introduction()).server(voice_ready()), "the client's Select Protocol", (4,)),
        (
            opened().client(introduction()).server(voice_ready()).client(selects()),
            "the server's Session Description",
            (5,),
        ),
        (opened().client(resume()), "the server's Resumed", (3,)),
    ],
)
def test_voice_handshake_stuck_names_the_step(talk: Conversation, step: str, evidence: tuple[int, ...]) -> None:
    assert of("voice-handshake-stuck", talk, until_ms=9000) == []
    finding = one(found(talk.waits(11_000).server(joins(None))), "voice-handshake-stuck")
    assert (finding.severity, finding.evidence) == (Severity.ERROR, evidence)
    assert finding.text.startswith("11")
    assert f"s after the connection opened, {step} has not come." in finding.text


def test_a_handshake_that_is_through_or_not_known_to_be_stuck_is_not() -> None:
    late = opened().client(introduction()).server(voice_ready()).waits(11_000).client(selects())
    resumed = opened().client(resume()).server(RESUMED)
    for talk in (call(), late, resumed, opened(joined_late=True), opened().client(introduction()).closes(4004)):
        assert of("voice-handshake-stuck", talk, until_ms=5000 if talk is late else 15_000) == []


@pytest.mark.parametrize("code", [1006, 4015])
def test_voice_identify_instead_of_resume_names_the_close(code: int) -> None:
    first = call().closes(code, by="server" if code == 4015 else None)
    finding = one(found(first, call(2, 3000)), "voice-identify-instead-of-resume")
    assert (finding.event, finding.severity, finding.evidence) == (10, Severity.WARN, (7,))
    assert f"Connection 1 of this call had ended 3 s before with {code}" in finding.text


def test_identify_is_right_where_a_resume_is_not() -> None:
    dead = call().closes(4006, by="server"), call(2, 3000)
    never_ready = opened().client(introduction()).closes(1006), call(2, 3000)
    other = call().closes(1006), opened(2, 3000).client(introduction(session_id="f" * 32))
    for talks in (dead, never_ready, other):
        assert of("voice-identify-instead-of-resume", *talks) == []


def test_identify_is_right_with_a_voice_server_that_was_named_since() -> None:
    main = gateway().waits(61_000).server(voice_server(token="0123456789abcdef", seq=4))
    second = opened(2, 3000).client(introduction(token="0123456789abcdef"))
    assert ids(main, call().closes(1006), second) == []


def failures(code: int, count: int, *, ready: bool = False, every_ms: float = 2000) -> list[Conversation]:
    tried = [
        call(number, number * every_ms) if ready else opened(number, number * every_ms).client(introduction())
        for number in range(1, count + 1)
    ]
    return [*(talk.closes(code, by="server") for talk in tried), call(99, (count + 1) * every_ms)]


@pytest.mark.parametrize("ready", [True, False])
def test_voice_rejoin_loop_counts_and_names_the_code(ready: bool) -> None:
    finding = one(found(*failures(4006, 3, ready=ready)), "voice-rejoin-loop")
    closes = (7, 14, 21) if ready else (4, 8, 12)
    assert (finding.event, finding.severity, finding.evidence) == (closes[-1] + 3, Severity.ERROR, closes)
    assert finding.text.startswith("In the last ")
    assert finding.text.endswith(" s, 3 connections to this call ended with 4006.")


def test_voice_rejoin_loop_counts_those_that_ended_otherwise_too() -> None:
    plain, later = failures(1000, 2, ready=True)[:-1], failures(4006, 5)[2:]
    finding = one(found(*plain, *later), "voice-rejoin-loop")
    assert "5 connections to this call ended, 3 of them with 4006." in finding.text


def test_a_few_rejoins_or_slow_ones_or_moves_by_others_are_no_loop() -> None:
    for talks in (
        failures(4006, 2),
        failures(4006, 3, every_ms=70_000),
        failures(4014, 3, ready=True),
        failures(1000, 3),
    ):
        assert of("voice-rejoin-loop", *talks) == []


@pytest.mark.parametrize(
    ("main", "said", "evidence"),
    [
        (gateway(token="fedcba9876543210"), "Its token is not that of the newest VOICE_SERVER_UPDATE.", (7,)),
        (gateway(session_id="f" * 32), "Its session_id is not that of the newest VOICE_STATE_UPDATE.", (6,)),
    ],
)
def test_voice_stale_credentials_says_which(main: Conversation, said: str, evidence: tuple[int, ...]) -> None:
    finding = one(found(main, call()), "voice-stale-credentials")
    assert (finding.event, finding.severity, finding.evidence) == (10, Severity.WARN, evidence)
    assert finding.text == said


def test_credentials_of_another_account_or_call_are_not_stale() -> None:
    other_account = opened(host="invented2.discord.media").client(introduction(user_id=OTHER_BOT, token="1" * 16))
    other_call = opened(host="invented2.discord.media").client(introduction(server_id="1180000000000000077"))
    for talk in (other_account, other_call, call()):
        assert ids(gateway(), talk) == []


@pytest.mark.parametrize("host", ["invented1.discord.media", "invented1.discord.media:8443", "x.discord.media:2048"])
def test_voice_wrong_endpoint_names_both(host: str) -> None:
    finding = one(found(gateway(), call(host=host)), "voice-wrong-endpoint")
    assert (finding.event, finding.severity, finding.evidence) == (10, Severity.WARN, (7,))
    assert finding.text == f"The endpoint is '{ENDPOINT}', and this connection is to '{host}'."


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        (ENDPOINT, ENDPOINT),
        (ENDPOINT, ENDPOINT.upper()),
        ("invented1.discord.media", "invented1.discord.media:443"),
        ("invented1.discord.media:443", "invented1.discord.media"),
        ("wss://" + ENDPOINT, ENDPOINT),
    ],
)
def test_an_endpoint_may_be_written_in_several_ways(endpoint: str, host: str) -> None:
    assert of("voice-wrong-endpoint", gateway(endpoint=endpoint), call(host=host)) == []


@pytest.mark.parametrize("version", [0, None])
def test_voice_without_dave_is_a_note(version: int | None) -> None:
    finding = one(found(opened().client(introduction(max_dave_protocol_version=version))), "voice-without-dave")
    assert (finding.event, finding.severity) == (3, Severity.INFO)
    assert of("voice-without-dave", call()) == []


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(GUILD),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["server_id", "user_id", "session_id", "token", "seq_ack", "t", "modes", "data", "mode"])
            | st.sampled_from(["protocol", "heartbeat_interval", "max_dave_protocol_version", "endpoint", "guild_id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)
STEP = st.tuples(st.booleans(), st.integers(0, 33), ODD, st.none() | st.integers(-1, 70_000), st.integers(0, 20_000))


@given(st.sampled_from(["v=8", "v=7", ""]), st.lists(STEP, max_size=8), ODD)
def test_nothing_in_a_call_is_too_odd(v: str, steps: list[tuple[bool, int, Any, int | None, int]], server: Any) -> None:
    main = gateway().server(dispatch("VOICE_SERVER_UPDATE", server, 4))
    first, second = call(v=v), opened(2, 3000, v=v)
    for from_client, op, d, seq, wait in steps:
        for talk in (first, second):
            talk.waits(wait)
            (talk.client if from_client else talk.server)(numbered(op, d, seq))
    found(main, first.closes(1006, by=None), second)
