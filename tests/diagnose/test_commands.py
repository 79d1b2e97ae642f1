from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Finding, Plane, Severity
from tests.conversation import HELLO, NOON, SESSION, TOKEN, Conversation, Payload, dispatch, identify, message
from tests.diagnose.finding import found, ids, one

GUILDS, GUILD_MEMBERS, GUILD_VOICE_STATES, GUILD_PRESENCES = 1, 1 << 1, 1 << 7, 1 << 8
GUILD, OTHER_GUILD = "1180000000000000042", "1180000000000000043"
LOUNGE, ATTIC = "1180000000000000051", "1180000000000000052"
BOT = "1180000000000000001"
PRESENCE = {"op": 3, "d": {"since": None, "activities": [], "status": "idle", "afk": False}}
MINUTE = 60_000


def bot_ready(*, bot: bool = True) -> Payload:
    return dispatch("READY", {"v": 10, "session_id": SESSION, "user": {"id": BOT, "bot": bot}}, 1)


def session(intents: int = GUILDS | GUILD_MEMBERS | GUILD_VOICE_STATES, **more: Any) -> Conversation:
    """Rows 1 to 4: open, Hello, Identify, READY of a bot."""
    talk = Conversation(**more).opens().server(HELLO).client(identify(intents=intents))
    return talk.server(bot_ready())


def user_session() -> Conversation:
    """The same of a user's client."""
    talk = Conversation().opens().server(HELLO).client(identify(intents=0, capabilities=16381))
    return talk.server(bot_ready(bot=False))


def request(**more: Any) -> Payload:
    return {"op": 8, "d": {"guild_id": GUILD, **more}}


def everyone(**more: Any) -> Payload:
    return request(query="", limit=0, **more)


def chunk(index: int, count: int, seq: int, **more: Any) -> Payload:
    d = {"guild_id": GUILD, "members": [], "chunk_index": index, "chunk_count": count, **more}
    return dispatch("GUILD_MEMBERS_CHUNK", d, seq)


def join(channel: str | None = LOUNGE) -> Payload:
    return {"op": 4, "d": {"guild_id": GUILD, "channel_id": channel, "self_mute": False, "self_deaf": False}}


def own_state(channel: str | None, seq: int) -> Payload:
    d = {"guild_id": GUILD, "channel_id": channel, "user_id": BOT, "session_id": "0a0b0c0d0e0f"}
    return dispatch("VOICE_STATE_UPDATE", d, seq)


def voice_server(seq: int) -> Payload:
    d = {"guild_id": GUILD, "token": "1234567890abcdef", "endpoint": "invented1.discord.media:2048"}
    return dispatch("VOICE_SERVER_UPDATE", d, seq)


def sends(talk: Conversation, payload: Payload, times: int, every_ms: float) -> Conversation:
    for _ in range(times):
        talk.waits(every_ms - 10).client(payload)
    return talk


def of(rule: str, *talks: Conversation, until_ms: float = 0) -> list[Finding]:
    return [finding for finding in found(*talks, until_ms=until_ms) if finding.rule == rule]


VOICE_PING = {"op": 5, "d": None}


def test_the_send_budget_is_told_of_once_near_its_end_and_once_beyond() -> None:
    talk = session()
    sends(talk, VOICE_PING, 60, 100)
    near, beyond = of("send-budget", sends(talk, {"op": 43, "d": {}}, 70, 100))
    # Identify is row 3, so the message of number 108 is row 111.
    assert (near.event, near.severity, near.evidence[0]) == (111, Severity.WARN, 3)
    assert "108 messages within 10.7 s; 120 in 60 s are allowed" in near.text
    assert "60 × op 5 Voice Server Ping, 47 × op 43 Request Channel Info, 1 × op 2 Identify." in near.text
    assert (beyond.event, beyond.severity, beyond.evidence) == (124, Severity.ERROR, (3, 119, 120, 121, 122, 123))
    assert "121 messages within" in beyond.text


def test_a_steady_flow_near_the_budget_is_told_of_when_it_gets_there_and_not_again() -> None:
    """108 to 109 in any minute, for four minutes."""
    assert len(of("send-budget", sends(session(), VOICE_PING, 430, 555))) == 1


def test_messages_of_more_than_a_minute_ago_do_not_count() -> None:
    talk = sends(session(), VOICE_PING, 100, 20).waits(MINUTE)
    assert of("send-budget", sends(talk, VOICE_PING, 100, 20)) == []


@pytest.mark.parametrize(
    ("size", "severities"), [(4096, []), (4097, [Severity.INFO]), (15360, [Severity.INFO]), (15361, [Severity.ERROR])]
)
def test_oversize_payload_is_a_note_for_bots_and_an_error_for_all(size: int, severities: list[Severity]) -> None:
    bare = len('{"op": 43, "d": ""}')
    findings = of("oversize-payload", session().client({"op": 43, "d": "x" * (size - bare)}))
    assert [finding.severity for finding in findings] == severities
    assert all(f"{size:,} bytes" in finding.text for finding in findings)


def test_presence_flood_is_told_of_at_the_sixth_change_in_twenty_seconds() -> None:
    [flood] = of("presence-flood", sends(session(), PRESENCE, 9, 1000))
    assert (flood.event, flood.severity, flood.evidence) == (10, Severity.WARN, (5, 6, 7, 8, 9))
    assert "6 changes of the presence within 5 s; 5 in 20 s are allowed" in flood.text


def test_presence_changes_that_go_on_too_fast_are_one_flood() -> None:
    assert len(of("presence-flood", sends(session(), PRESENCE, 40, 3900))) == 1
    assert of("presence-flood", sends(session(), PRESENCE, 40, 4000)) == []


@pytest.mark.parametrize(
    ("d", "said"),
    [
        ({"guild_id": GUILD, "limit": 0}, "neither query nor user_ids"),
        ({"guild_id": GUILD, "query": None, "limit": 0}, "neither query nor user_ids"),
        ({"query": "", "limit": 0}, "no guild"),
        ([GUILD], "not an object"),
    ],
)
def test_members_malformed_says_what_is_missing(d: Any, said: str) -> None:
    finding = one(found(session().client({"op": 8, "d": d})), "members-malformed")
    assert (finding.event, finding.severity) == (5, Severity.ERROR)
    assert said in finding.text


@pytest.mark.parametrize("asked", [everyone(), request(user_ids=[BOT]), request(user_ids=BOT), request(query="a")])
def test_a_request_for_members_by_name_or_id_is_well_formed(asked: Payload) -> None:
    assert ids(session().client(asked)) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (request(user_ids=[BOT] * 101), "101 user_ids (100 are answered)"),
        (request(guild_id=[GUILD, OTHER_GUILD], query="", limit=0), "2 guilds (bots may ask for one)"),
        (everyone(nonce="n" * 33), "a nonce of 33 bytes (beyond 32 it is ignored)"),
        (everyone(nonce="é" * 17), "a nonce of 34 bytes"),
        (request(query="a", limit=1000), "a limit of 1,000 with a query (100 are answered)"),
    ],
)
def test_members_over_limit_says_what_is_cut_off(asked: Payload, said: str) -> None:
    finding = one(found(session().client(asked)), "members-over-limit")
    assert (finding.event, finding.severity) == (5, Severity.WARN)
    assert said in finding.text


@pytest.mark.parametrize(
    "asked",
    [
        request(user_ids=[BOT] * 100),
        request(guild_id=[GUILD], query="", limit=0),
        everyone(nonce="é" * 16),
        request(query="a", limit=100),
        request(query="", limit=1000),
    ],
)
def test_requests_for_members_at_the_limit_are_answered(asked: Payload) -> None:
    assert of("members-over-limit", session().client(asked)) == []


def test_users_may_ask_for_members_of_several_guilds() -> None:
    assert ids(user_session().client(request(guild_id=[GUILD, OTHER_GUILD], user_ids=[BOT]))) == []


def test_members_without_nonce_is_said_where_two_requests_wait() -> None:
    finding = one(found(session().client(everyone()).client(request(query="a"))), "members-without-nonce")
    assert (finding.event, finding.severity, finding.evidence) == (6, Severity.INFO, (5,))
    assert "from 10 ms ago" in finding.text


def test_members_without_nonce_is_not_said_where_answers_can_be_told_apart() -> None:
    answered = session().client(everyone()).server(chunk(0, 1, 2)).client(everyone())
    other = session().client(everyone()).client(request(guild_id=OTHER_GUILD, query="a"))
    with_nonce = session().client(everyone(nonce="a")).client(everyone(nonce="b"))
    given_up = session().client(everyone()).waits(MINUTE).client(everyone())
    for talk in (answered, other, with_nonce, given_up):
        assert of("members-without-nonce", talk) == []


def test_members_need_intent_names_the_intents_that_were_left_out() -> None:
    finding = one(found(session(GUILDS).client(everyone(presences=True))), "members-need-intent")
    assert (finding.event, finding.severity, finding.evidence) == (5, Severity.ERROR, (3,))
    assert "members needs GUILD_MEMBERS and presences need GUILD_PRESENCES" in finding.text


def test_members_need_intent_is_not_said_of_those_who_have_it_or_need_none() -> None:
    have = session(GUILD_MEMBERS | GUILD_PRESENCES).client(everyone(presences=True))
    few = session(GUILDS).client(request(user_ids=[BOT], presences=False))
    for talk in (have, few, user_session().client(everyone(presences=True))):
        assert of("members-need-intent", talk) == []


def refusal(seq: int = 2, **meta: Any) -> Payload:
    d = {"opcode": 8, "retry_after": 27.41, "meta": {"guild_id": GUILD, **meta}}
    return dispatch("RATE_LIMITED", d, seq)


@pytest.mark.parametrize("nonce", [{}, {"nonce": "n"}])
def test_rate_limited_points_at_the_request(nonce: dict[str, str]) -> None:
    talk = session().client(request(user_ids=[BOT], nonce="other")).client(everyone(**nonce))
    finding = one(found(talk.server(refusal(**nonce))), "rate-limited")
    assert (finding.event, finding.severity, finding.evidence) == (7, Severity.WARN, (6,))
    assert "refuses op 8 Request Guild Members. It may be sent again in 27.4 s" in finding.text


def test_a_request_that_is_answered_is_not_rate_limited() -> None:
    assert ids(session().client(everyone()).server(chunk(0, 1, 2))) == []


def test_members_unanswered_is_noticed_in_silence() -> None:
    talk = session().client(everyone())
    assert ids(talk, until_ms=29_000) == []
    [finding] = of("members-unanswered", talk, until_ms=31_000)
    assert (finding.event, finding.severity, finding.evidence) == (5, Severity.INFO, ())
    assert "31 s after the request" in finding.text


def test_members_that_are_on_their_way_or_refused_are_not_unanswered() -> None:
    under_way = session().client(everyone()).server(chunk(0, 9, 2))
    refused = session().client(everyone()).server(refusal())
    late = session().client(everyone()).waits(40_000).server(chunk(0, 1, 2))
    for talk in (under_way, refused, late):
        assert of("members-unanswered", talk, until_ms=60_000) == []


def test_join_unanswered_names_the_channel() -> None:
    talk = session().client(join()).server(message("x", 2)).waits(10_500).server(message("y", 3))
    finding = one(found(talk), "join-unanswered")
    assert (finding.event, finding.severity, finding.evidence) == (7, Severity.WARN, (5,))
    assert finding.text == (
        f"10.5 s after op 4 for channel '{LOUNGE}', there is no answer: neither VOICE_STATE_UPDATE nor "
        "VOICE_SERVER_UPDATE."
    )


def test_join_unanswered_does_not_say_that_who_is_inside_may_not_come_in() -> None:
    [finding] = of("join-unanswered", session().client(join()).server(own_state(LOUNGE, 2)), until_ms=20_000)
    assert finding.evidence == (5,)
    assert finding.text.endswith("VOICE_STATE_UPDATE has put the account there, but no VOICE_SERVER_UPDATE has come.")


def test_a_join_that_is_answered_in_time_or_at_last_is_answered() -> None:
    joined = session().client(join()).server(own_state(LOUNGE, 2)).server(voice_server(3))
    late = session().client(join()).waits(12_000).server(voice_server(2))
    left = session().client(join()).client(join(None)).server(own_state(None, 2))
    for talk in (joined, late, left):
        assert ids(talk, until_ms=20_000) == []


def test_muting_is_op_4_as_well_and_asks_for_no_voice_server() -> None:
    talk = session().client(join()).server(own_state(LOUNGE, 2)).server(voice_server(3))
    muted = talk.client(join()).server(own_state(LOUNGE, 4))
    assert ids(muted, until_ms=20_000) == []


def test_muting_after_a_resume_asks_for_no_voice_server_either() -> None:
    first = session().client(join()).server(own_state(LOUNGE, 2)).server(voice_server(3)).closes(1006, by=None)
    second = Conversation(connection=2, at_ns=NOON + 1_000_000_000).opens().server(HELLO)
    second.client({"op": 6, "d": {"token": TOKEN, "session_id": SESSION, "seq": 3}})
    second.server(dispatch("RESUMED", {}, 4)).client(join()).server(own_state(LOUNGE, 5))
    assert of("join-unanswered", first, second, until_ms=20_000) == []


def test_moving_to_a_channel_that_is_full_is_unanswered() -> None:
    talk = session().client(join()).server(own_state(LOUNGE, 2)).server(voice_server(3)).client(join(ATTIC))
    [finding] = of("join-unanswered", talk, until_ms=20_000)
    assert ATTIC in finding.text


def test_join_needs_intent_for_the_session_id_to_come() -> None:
    [finding] = of("join-needs-intent", session(GUILDS).client(join()).server(voice_server(2)), until_ms=11_000)
    assert (finding.event, finding.severity, finding.evidence) == (6, Severity.WARN, (3, 5))
    assert "no VOICE_STATE_UPDATE of the account has come; Identify did not ask for GUILD_VOICE_STATES" in finding.text
    came = session(GUILDS).client(join()).server(own_state(LOUNGE, 2))
    for talk in (session().client(join()), session(GUILDS).client(join(None)), user_session().client(join()), came):
        assert of("join-needs-intent", talk, until_ms=11_000) == []


def voice(*, client: Payload | None = None, server: Payload | None = None) -> Conversation:
    """Rows 1 to 3 of a voice connection, then one more."""
    talk = Conversation(plane=Plane.VOICE, url="wss://invented.discord.media/?v=8").opens()
    talk.server({"op": 8, "d": {"v": 8, "heartbeat_interval": 41250}})
    talk.client({"op": 0, "d": {"server_id": GUILD, "max_dave_protocol_version": 1}})
    return talk.client(client) if client is not None else talk.server(server or {})


@pytest.mark.parametrize(
    ("talk", "row", "name"),
    [
        (session().client({"op": 12, "d": []}), 5, "Op 12 Guild Sync"),
        (session().client({"op": 24, "d": {}}), 5, "Op 24 Request Guild Application Commands"),
        # 11 has another meaning now, which is the server's alone.
        (voice(client={"op": 11, "d": {}}), 4, "Op 11 Reset"),
    ],
)
def test_retired_opcode_sent_is_named(talk: Conversation, row: int, name: str) -> None:
    finding = one(found(talk), "retired-opcode-sent")
    assert (finding.event, finding.severity) == (row, Severity.WARN)
    assert finding.text == f"{name} is retired."


def test_opcodes_in_use_and_unknown_ones_are_not_retired() -> None:
    talk = session().client(PRESENCE).client({"op": 14, "d": {}}).client({"op": 997, "d": {}})
    assert ids(talk) == ["unknown-name"]


@pytest.mark.parametrize(
    ("talk", "row", "name"),
    [
        *((session().client({"op": op, "d": None}), 5, f"Op {op} ") for op in (0, 7, 9, 10)),
        (voice(client={"op": 4, "d": {}}), 4, "Op 4 Session Description"),
    ],
)
def test_receive_only_opcode_sent_is_an_error(talk: Conversation, row: int, name: str) -> None:
    finding = one(found(talk), "receive-only-opcode-sent")
    assert (finding.event, finding.severity) == (row, Severity.ERROR)
    assert finding.text.startswith(name)
    assert finding.text.endswith("is for the server to send.")


def test_a_clients_heartbeat_ack_is_told_of_once() -> None:
    assert ids(session().client({"op": 11})) == ["heartbeat-request-acknowledged"]


@pytest.mark.parametrize(
    ("talk", "row", "name"),
    [
        (session().server({"op": 3, "d": {}}), 5, "Op 3 Presence Update"),
        (voice(server={"op": 7, "d": {}}), 4, "Op 7 Resume"),
    ],
)
def test_send_only_opcode_received_is_a_note(talk: Conversation, row: int, name: str) -> None:
    finding = one(found(talk), "send-only-opcode-received")
    assert (finding.event, finding.severity) == (row, Severity.INFO)
    assert finding.text == f"{name} is known to be sent by clients only."


def test_heartbeats_go_both_ways() -> None:
    assert of("send-only-opcode-received", session().server({"op": 1, "d": None})) == []


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(GUILD),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["guild_id", "query", "user_ids", "limit", "nonce", "presences", "channel_id", "opcode"])
            | st.sampled_from(["retry_after", "meta", "chunk_index", "chunk_count", "endpoint", "user_id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)
STEPS = [(True, op) for op in (0, 3, 4, 8, 9, 12, 997)] + [
    (False, name) for name in ("RATE_LIMITED", "GUILD_MEMBERS_CHUNK", "VOICE_SERVER_UPDATE", "VOICE_STATE_UPDATE")
]


@given(st.lists(st.tuples(st.sampled_from(STEPS), ODD, st.integers(0, 40_000)), max_size=8))
def test_no_command_is_too_odd(steps: list[tuple[tuple[bool, int | str], Any, int]]) -> None:
    talk = session()
    for (from_client, key), d, wait in steps:
        talk.waits(wait)
        if from_client:
            talk.client({"op": key, "d": d})
        else:
            talk.server(dispatch(str(key), d, 2))
    found(talk.closes(1006, by=None))
