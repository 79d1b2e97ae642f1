"""What `explain` says of what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.protocol import registry
from inspector.report.explain import explain, render, suggest

TABLES = registry.default()


def told(topic: str, width: int = 10_000) -> str:
    explanation = explain(topic, TABLES)
    assert explanation is not None
    return render(explanation, width)


def kinds(topic: str) -> list[str]:
    """Title and kind of each entry."""
    explanation = explain(topic, TABLES)
    return [f"{entry.title}: {entry.kind}" for entry in explanation.entries] if explanation else []


def test_every_opcode_is_explained() -> None:
    unsaid = []
    for row in TABLES.opcodes():
        text = told(f"{row.plane} op {row.number}")
        unsaid += [(row.plane, row.number, what) for what in (row.name, row.meaning) if what not in text]
    assert unsaid == []


def test_every_close_code_is_explained() -> None:
    unsaid = []
    for row in TABLES.close_codes():
        for text in (told(f"{row.plane} {row.number}"), told(str(row.number))):
            facts = (row.name, row.meaning, row.remedy)
            unsaid += [(row.plane, row.number, what) for what in facts if what not in text]
    assert unsaid == []


def test_every_name_is_a_topic() -> None:
    names = [
        *(row.name for row in TABLES.opcodes()),
        *TABLES.events,
        *(row.name for row in TABLES.close_codes()),
        *(row.name for row in TABLES.intents),
        *(row.name for row in TABLES.capabilities),
        *(row.name for row in TABLES.rpc_errors.values()),
        *(word for row in TABLES.terms for word in (row.name, *row.aliases)),
        *TABLES.errors,
    ]
    assert [name for name in names if explain(name, TABLES) is None] == []


def test_a_word_of_the_field_is_explained_and_leads_on() -> None:
    assert [row.name for row in TABLES.terms if row.meaning not in told(row.name)] == []
    topics = [(row.name, topic) for row in TABLES.terms for topic in row.see]
    assert [lead for lead in topics if explain(lead[1], TABLES) is None] == []


def test_a_bare_close_code_is_explained_on_every_plane_that_has_it() -> None:
    assert kinds("4014") == [
        "4014 Disallowed intent(s): close code of the gateway",
        "4014 Disconnected: close code of voice gateways",
        "4014 INVALID_LOBBY_SECRET: error code of local RPC",
    ]


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("voice 4006", ["4006 Session no longer valid: close code of voice gateways"]),
        ("GATEWAY  close code 4009", ["4009 Session timed out: close code of the gateway"]),
        ("voice 1006", ["1006 Abnormal Closure: close code of WebSocket itself"]),
        (
            "rpc 4005",
            ["4005 INVALID_ENCODING: close code of local RPC", "4005 INVALID_CHANNEL: error code of local RPC"],
        ),
        ("5003", ["5003 SELECT_VOICE_FORCE_REQUIRED: error code of local RPC"]),
        (
            "op 8",
            [
                "8 Request Guild Members: opcode of the gateway, from client to server",
                "8 Hello: opcode of voice gateways, from server to client",
            ],
        ),
        (
            "voice op 11",
            [
                "11 Clients Connect: opcode of voice gateways, from server to client",
                "11 Reset: opcode of voice gateways, sent by both ends",
            ],
        ),
        (
            "remote_auth nonce_proof",
            [
                "Nonce Proof: opcode of the remote auth gateway, from server to client",
                "Nonce Proof: opcode of the remote auth gateway, from client to server",
            ],
        ),
        ("gateway heartbeat_ack", ["11 Heartbeat ACK: opcode of the gateway, from server to client"]),
        (
            "Voice State Update",
            [
                "4 Voice State Update: opcode of the gateway, from client to server",
                "VOICE_STATE_UPDATE: event, Voice",
            ],
        ),
        ("event READY", ["READY: event, Session"]),
        ("message_create", ["MESSAGE_CREATE: event, Messages"]),
        ("GUILD_BANS", ["GUILD_MODERATION: intent, bit 2, value 4"]),
        ("bad-table", ["bad-table: error of gwinspect"]),
    ],
)
def test_a_topic_can_name_a_plane_and_a_kind(topic: str, expected: list[str]) -> None:
    assert kinds(topic) == expected


def test_intents_are_named_bit_by_bit() -> None:
    lines = [line.strip() for line in told(f"intents {33281 | 1 << 18 | 1 << 30}").splitlines()]
    assert "Asks for      bit 0  GUILDS" in lines
    assert "bit 15 MESSAGE_CONTENT (privileged)" in lines
    assert "bit 18 PRIVATE_CHANNELS (not for bots)" in lines
    assert "Unknown       bit 30: in no table; a bot that asks for it is closed with 4013" in lines
    assert any(line.startswith("Events ") and "MESSAGE_CREATE" in line for line in lines)


def test_intents_may_be_written_in_hexadecimal() -> None:
    assert told("intents 0x8201").splitlines()[1:] == told("intents 33281").splitlines()[1:]


def test_no_intents_at_all_can_be_explained() -> None:
    assert "only events that need no intent come" in told("intents 0")


def test_what_discord_s_own_client_does_can_be_asked_for() -> None:
    text = told("official client")
    assert "3 minutes after its last ACK" in text
    assert "What Discord's own client does, as its published code shows" in text
    assert "Discord's own client resumes for 3 minutes after its last ACK" in told("op 6")
    assert "https://discord.com/app" in told("4000")


@pytest.mark.parametrize("topic", ["4014", "op 2", "GUILD_MEMBERS", "intents 33281"])
def test_privileged_intents_need_approval_from_10_000_users_on(topic: str) -> None:
    assert "10,000 users" in told(topic)
    assert "10,000 users" not in told("intents 513")


def test_4014_cites_who_set_the_limit() -> None:
    assert "https://github.com/discord/discord-api-docs/pull/8394" in told("4014")


def test_capabilities_are_named_bit_by_bit() -> None:
    text = told("capabilities 1734653")
    assert "bit 5  PRIORITIZED_READY_PAYLOAD: " in text
    assert "bit 17 UNKNOWN_17: Seen in the official client; what it does is not documented." in text
    assert "Unknown" not in text
    assert "bit 18: in no table" in told(f"capabilities {1734653 | 1 << 18}")


@pytest.mark.parametrize("topic", ["op 2", "client_state"])
def test_the_keys_of_client_state_are_named(topic: str) -> None:
    for key in ("guild_versions", "highest_last_message_id", "private_channels_version", "initial_guild_id"):
        assert key in told(topic)


def test_an_event_says_which_intents_let_it_through() -> None:
    assert "any of GUILD_PRESENCES (privileged), USER_PRESENCE" in told("event PRESENCE_UPDATE")


def test_an_id_is_taken_apart() -> None:
    lines = [" ".join(line.split()) for line in told("175928847299117063").splitlines()]
    assert lines[1:5] == ["Made 2016-04-30 11:18:25.796 UTC", "Worker 1", "Process 0", "Increment 7"]


def test_the_largest_ids_have_a_date_too() -> None:
    assert "2084-09-06" in told(str(2**63 - 1))
    assert "at most 63 bits" in told(str(2**63))


@pytest.mark.parametrize("topic", ["op 97", "97", "voice op 97", "op 4014"])
def test_an_opcode_in_no_table_is_nothing_unusual(topic: str) -> None:
    assert "in no table" in told(topic)
    assert "That is normal" in told(topic)


@pytest.mark.parametrize(
    ("topic", "said"),
    [("2999", "belong to WebSocket"), ("3500", "libraries to register"), ("gateway 4999", "defines its own")],
)
def test_a_close_code_in_no_table_is_placed_by_its_range(topic: str, said: str) -> None:
    assert said in told(topic)


@pytest.mark.parametrize(
    "topic", ["", "  ", "op", "33281", "frobnicate", "voice", "voice MESSAGE_CREATE", "9" * 30, "-1"]
)
def test_what_is_nothing_known_is_not_explained(topic: str) -> None:
    assert explain(topic, TABLES) is None


def test_a_misspelt_name_is_suggested() -> None:
    assert suggest("heartbeet_ack", TABLES)[0] == "Heartbeat ACK"
    assert suggest("voice identfy", TABLES)[0] == "Identify"
    assert suggest("MESAGE_CREATE", TABLES)[0] == "MESSAGE_CREATE"
    assert suggest("zzzzzzzz", TABLES) == []


def test_a_number_that_fits_nothing_may_be_bits() -> None:
    assert suggest("33281", TABLES) == ["intents 33281", "capabilities 33281"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_text_keeps_to_the_width(width: int) -> None:
    lines = told("4014", width).splitlines()
    assert [line for line in lines if len(line) > width and "https://" not in line] == []


def test_where_facts_come_from_is_said_with_an_address() -> None:
    assert "https://docs.discord.com/developers/topics/opcodes-and-status-codes" in told("gateway 4014")


@given(st.one_of(st.text(max_size=40), st.from_regex(r"(gateway|voice|op|close|intents|id|error) [0-9]{0,22}")))
def test_any_topic_is_answered_or_not(topic: str) -> None:
    explanation = explain(topic, TABLES)
    assert explanation is None or render(explanation, 20)
