"""What a row of the timeline says."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import TableError
from inspector.inert import inert
from inspector.model import ABSENT, Closed, Event, Kind, Opened, Payload, Plane, Undecoded
from inspector.protocol import registry
from inspector.session.summarize import compile_template, fill, names_in, summarize
from inspector.wire.voice import read_binary
from tests.wire.dave_frames import FRAMES, from_client

TABLES = registry.default()
GUILD, CHANNEL, USER = "1180000000000000042", "1180000000000000050", "80351110224678912"
NAMES = {int(GUILD): "Test Guild", int(CHANNEL): "general"}
ALICE = {"id": USER, "username": "alice", "discriminator": "0", "global_name": None}
TEMPLATES = sorted(
    {event.summary for event in TABLES.events.values() if event.summary}
    | {opcode.summary for opcode in TABLES.opcodes() if opcode.summary}
)


def dispatch(name: str, d: Any, note: str | None = None) -> str:
    event = Event(1, 1, 0, Plane.GATEWAY, Kind.PAYLOAD, from_client=False, op=0, event=name, note=note)
    return summarize(event, d, TABLES, NAMES)


def row(kind: Kind, **fields: Any) -> str:
    return summarize(Event(1, 1, 0, fields.pop("plane", Plane.GATEWAY), kind, **fields), ABSENT, TABLES, NAMES)


def said(template: str, d: Any) -> str:
    return fill(template, d, TABLES, NAMES)


@pytest.mark.parametrize(
    ("name", "d", "summary"),
    [
        (
            "READY",
            {
                "user": ALICE | {"username": "helper", "discriminator": "0001"},
                "guilds": [{}] * 41,
                "shard": [0, 2],
                "session_id": "0123456789abcdef0123456789abcdef",
            },
            "as helper#0001, 41 guilds, shard 0/2, session ••••3eb1",
        ),
        ("GUILD_CREATE", {"id": GUILD, "name": "Tea Room", "member_count": 1}, "Tea Room, 1 member"),
        ("GUILD_CREATE", {"id": GUILD, "properties": {"name": "Tea Room"}}, "Tea Room"),
        ("GUILD_DELETE", {"id": GUILD, "unavailable": True}, "Test Guild, out of reach for now"),
        ("GUILD_DELETE", {"id": "1190000000000000042"}, "1190…42, no longer a member"),
        (
            "MESSAGE_CREATE",
            {"author": ALICE, "channel_id": CHANNEL, "content": "hi\nyou"},
            r"alice in #general: hi\nyou",
        ),
        (
            "MESSAGE_CREATE",
            {"author": ALICE, "channel_id": CHANNEL, "content": "", "embeds": [{}], "attachments": [{}, {}]},
            "alice in #general, 1 embed, 2 attachments",
        ),
        ("MESSAGE_UPDATE", {"channel_id": CHANNEL, "embeds": [{}]}, "#general, 1 embed"),
        ("MESSAGE_DELETE", {"id": "1180000000000000099", "channel_id": CHANNEL}, "message 1180…99 in #general"),
        (
            "PRESENCE_UPDATE",
            {"user": {"id": USER}, "status": "idle", "activities": [{"name": "Chess"}], "guild_id": GUILD},
            "8035…12 is idle, Chess in Test Guild",
        ),
        (
            "TYPING_START",
            {"user_id": USER, "member": {"nick": "Al", "user": ALICE}, "channel_id": CHANNEL},
            "Al in #general",
        ),
        (
            "VOICE_STATE_UPDATE",
            {"member": {"user": ALICE}, "channel_id": CHANNEL, "self_mute": True},
            "alice in #general, muted",
        ),
        ("VOICE_STATE_UPDATE", {"user_id": USER, "channel_id": None}, "8035…12 leaves voice"),
        ("VOICE_SERVER_UPDATE", {"token": "t", "guild_id": GUILD, "endpoint": None}, "Test Guild, no server for now"),
        (
            "INTERACTION_CREATE",
            {"type": 2, "data": {"name": "play"}, "member": {"user": ALICE}, "channel_id": CHANNEL},
            "command play by alice in #general",
        ),
        ("INTERACTION_CREATE", {"id": "1", "nonce": "2"}, "sent from this client"),
        (
            "GUILD_MEMBERS_CHUNK",
            {"guild_id": GUILD, "members": [{}, {}], "chunk_index": 0, "chunk_count": 3, "not_found": []},
            "2 members of Test Guild, chunk 1 of 3",
        ),
        (
            "RATE_LIMITED",
            {"opcode": 8, "retry_after": 12.5, "meta": {"guild_id": GUILD}},
            "op 8 refused, again in 12.5 s, for Test Guild",
        ),
        ("RELATIONSHIP_ADD", {"id": USER, "type": 3, "user": ALICE}, "alice, asks to be friends"),
        ("SESSIONS_REPLACE", [{}, {}], "2 sessions"),
        (
            "NEVER_HEARD_OF",
            {"guild_id": GUILD, "token": "s3cret", "a": 1, "b": 2, "c": 3},
            "{guild_id, token, a, b, …}",
        ),
        ("NEVER_HEARD_OF", None, ""),
    ],
)
def test_an_event_in_words(name: str, d: Any, summary: str) -> None:
    assert dispatch(name, d) == summary


def test_an_opcode_in_words() -> None:
    event = Event(1, 1, 0, Plane.GATEWAY, Kind.PAYLOAD, from_client=False, op=10)
    assert summarize(event, {"heartbeat_interval": 41250}, TABLES, {}) == "heartbeat every 41.25 s"


@pytest.mark.parametrize(
    ("op", "d", "summary"),
    [
        (21, {"transition_id": 7, "protocol_version": 1}, "transition 7, DAVE version 1"),
        (
            21,
            {"transition_id": 0, "protocol_version": 0},
            "transition 0, DAVE version 0 (no encryption from end to end)",
        ),
        (22, {"transition_id": 7}, "transition 7"),
        (23, {"transition_id": 7}, "transition 7"),
        (24, {"epoch": "1", "protocol_version": 1}, "epoch 1 (a new group), DAVE version 1"),
        (24, {"epoch": 4, "protocol_version": 1, "transition_id": 7}, "epoch 4, DAVE version 1, transition 7"),
        (31, {"transition_id": 7}, "transition 7: the commit or welcome was of no use"),
    ],
)
def test_a_step_of_encryption_in_words(op: int, d: Any, summary: str) -> None:
    assert summarize(Event(1, 1, 0, Plane.VOICE, Kind.PAYLOAD, op=op), d, TABLES, {}) == summary


@pytest.mark.parametrize(
    ("frame", "summary"),
    [
        (FRAMES["25"], "key 0410101010101010…"),
        (FRAMES["26"], "of 1046…92, reference 52e37e7916177fdc…"),
        (FRAMES["26"][:230], "of 1046…92"),
        (FRAMES["27 append"], "epoch 1: remove leaf 2"),
        (FRAMES["27 append add"], "epoch 1: add 1046…92"),
        (FRAMES["27 append add"][:200], "epoch 1: add"),
        (FRAMES["27 revoke"], "takes back 1 proposal"),
        (FRAMES["28"], "ends epoch 1 with 1 proposal, by leaf 0, welcomes 1 member"),
        (FRAMES["29"], "transition 7, ends epoch 1 with 1 proposal, by leaf 0"),
        (FRAMES["30"], "transition 7, for key package dddddddddddddddd…"),
        (FRAMES["30"][:5], "transition 7"),
        (FRAMES["29"][:3], "{}"),
    ],
)
def test_a_frame_of_encryption_in_words(frame: bytes, summary: str) -> None:
    client = from_client(frame)
    what = read_binary(frame, client, 8)
    assert isinstance(what, Payload)
    event = Event(1, 1, 0, Plane.VOICE, Kind.PAYLOAD, from_client=client, op=what.op)
    assert summarize(event, what.d, TABLES, {}) == summary


def test_what_the_session_knows_comes_after() -> None:
    event = Event(1, 1, 0, Plane.GATEWAY, Kind.PAYLOAD, from_client=False, op=11, note="after 41 ms")
    assert summarize(event, None, TABLES, {}) == "after 41 ms"
    assert dispatch("GUILD_UPDATE", {"name": "Tea Room"}, note="odd") == "Tea Room, odd"


def test_events_of_rpc_are_not_those_of_the_gateway() -> None:
    event = Event(1, 1, 0, Plane.RPC, Kind.PAYLOAD, from_client=False, op="DISPATCH", event="MESSAGE_CREATE")
    assert "?" not in summarize(event, {"data": {}, "nonce": None}, TABLES, {})


def test_an_open_says_what_the_url_asks_for() -> None:
    opened = Opened(1, 0, Plane.GATEWAY, "wss://gateway.discord.gg/?v=10&encoding=json&compress=zlib-stream")
    assert row(Kind.OPEN, opened=opened) == "wss://gateway.discord.gg  v10 json zlib-stream"


def test_an_open_says_why_there_is_no_connection_and_no_password() -> None:
    opened = Opened(1, 0, Plane.GATEWAY, "wss://me:hunter2@gateway.discord.gg/?ticket=abc", refusal="503 Busy\x1b[2J")
    assert row(Kind.OPEN, opened=opened) == r"wss://gateway.discord.gg, 503 Busy\x1b[2J"


@pytest.mark.parametrize(
    ("closed", "summary"),
    [
        (Closed(1, 0, 4009, "Session timed out.", "server"), "4009 Session timed out, closed by the server"),
        (Closed(1, 0, 4999, "go\x1baway"), r"4999, “go\x1baway”"),
        (Closed(1, 0, None), "end not recorded"),
        (Closed(1, 0, None, by="client"), "code unknown, closed by the client"),
    ],
)
def test_a_close_in_words(closed: Closed, summary: str) -> None:
    assert row(Kind.CLOSE, closed=closed) == summary


def test_other_rows_in_words() -> None:
    assert (
        row(Kind.UNDECODED, undecoded=Undecoded("empty", "the message has no bytes", 0)) == "the message has no bytes"
    )
    assert row(Kind.CONTROL, event="ping", payload=b"0123456789") == "ping 3031323334353637…"
    assert row(Kind.CONTROL, event="pong", payload=b"") == "pong"


@pytest.mark.parametrize(
    ("template", "d", "text"),
    [
        ("{a.b.1}", {"a": {"b": [1, 2]}}, "2"),
        ("{a.b.1}", {"a": {"b": [1]}}, "?"),
        ("{.}", True, "yes"),
        ("{a|b}", {"a": None, "b": 5}, "5"),
        ("{a|b}", {"b": None}, "none"),
        ("x[, {a}][, {b}]", {"a": "", "b": 0}, "x, 0"),
        ("x[ {a}[ {b}]]", {"a": 1}, "x 1"),
        ("{a?on/off} {b?/off}", {"a": [1]}, "on off"),
        ("[{a?, on/}!]", {}, ""),
        ("{a:name}", {"a": USER}, "8035…12"),
        ("{a:name}", {"a": {"user": ALICE | {"global_name": "Alice"}}}, "Alice"),
        ("{a:name}", {"a": {"username": "bot", "discriminator": "0000"}}, "bot"),
        ("{a:channel}", {"a": int(CHANNEL)}, "#general"),
        ("{a:channel}", {"a": "1180000000000000051"}, "#1180…51"),
        ("{a:channel}", {"a": None}, "none"),
        ("{a:guild}", {"a": {"id": GUILD}}, "Test Guild"),
        ("{a:count entry/entries}", {"a": [1, 2]}, "2 entries"),
        ("{a:ms} {b:ms} {c:seconds}", {"a": 41250, "b": 87, "c": 3725}, "41.25 s 87 ms 1 h 2 min"),
        ("{a:bytes} {b:bytes}", {"a": 412, "b": 3_140_000}, "412 B 3.1 MB"),
        (
            "{a:time} {b:time}",
            {"a": "2026-01-31T12:00:05+01:00", "b": 1769860805000},
            "2026-01-31 11:00 UTC 2026-01-31 12:00 UTC",
        ),
        (
            "{a:intents} {b:intents} {c:intents}",
            {"a": 513, "b": 0, "c": 33281 | 2},
            "GUILDS, GUILD_MESSAGES no intents 4 intents",
        ),
        ("{a:secret} {b:secret}", {"a": "hunter2", "b": None}, "•••• none"),
        ("{a:as 1=one,2=two} {b:as 1=one}", {"a": 2, "b": 7}, "two 7"),
        (
            "{a:hex} {b:hex} {c:hex}",
            {"a": "0123456789abcdef01", "b": "0123456789abcdef", "c": 5},
            "0123456789abcdef… 0123456789abcdef 5",
        ),
        (
            "{a:proposals}",
            {"a": [{"type": "add", "user_id": USER}, {"type": "remove", "removed": 0}, {"type": 99}, {}]},
            "add 8035…12, remove leaf 0, 99 and 1 more",
        ),
        ("{a:proposals} {b:proposals}", {"a": [{}, None], "b": "x"}, "?, ? x"),
        ("{a}", {"a": 1 << 50_000}, "a number of 50001 bits"),
        ("{a}", {"a": "x" * 200}, "x" * 79 + "…"),
    ],
)
def test_the_template_language(template: str, d: Any, text: str) -> None:
    assert said(template, d) == text


@pytest.mark.parametrize("template", ["{a:shout}", "[{a}", "{a}]", "{a?b}", "{}"])
def test_a_template_that_is_not_well_formed_is_named(template: str) -> None:
    with pytest.raises(TableError, match="the summary"):
        compile_template(template)


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.sampled_from([1 << 200, -(1 << 70), "9" * 30, "²", "2026-01-31T12:00:00", "\ud800", "0001-01-01T00:00+23:00"]),
)
KEYS = sorted({word for template in TEMPLATES for word in re.findall(r"[\w$]+", template)})
BODIES = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
)


@given(d=BODIES)
def test_a_template_gives_one_line_whatever_the_body_is(d: Any) -> None:
    for template in TEMPLATES:
        text = said(template, d)
        assert inert(text) == text


@given(value=BODIES)
def test_a_format_takes_any_value(value: Any) -> None:
    formats = [
        "text",
        "name",
        "channel",
        "guild",
        "count",
        "ms",
        "seconds",
        "bytes",
        "time",
        "intents",
        "secret",
        "hex",
        "proposals",
    ]
    for name in formats:
        assert inert(said(f"{{.:{name}}}", value)) == said(f"{{.:{name}}}", value)


def test_names_come_from_guilds_channels_and_threads() -> None:
    channels, threads = [{"id": "2", "name": "c"}], [{"id": 3, "name": "t"}]
    guild = {"id": "1", "properties": {"name": "G"}, "channels": channels, "threads": threads}
    assert names_in("GUILD_CREATE", guild) == {1: "G", 2: "c", 3: "t"}
    assert names_in("READY", {"guilds": [guild], "private_channels": [{"id": "4", "name": "d"}, {"id": "5"}]}) == {
        1: "G",
        2: "c",
        3: "t",
        4: "d",
    }
    assert names_in("THREAD_LIST_SYNC", {"threads": [{"id": "3", "name": "t"}]}) == {3: "t"}
    assert names_in("CHANNEL_UPDATE", {"id": "2", "name": "x" * 500}) == {2: "x" * 80}


NAMED = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "properties", "channels", "guilds"]), inner)
    ),
)


def test_names_come_from_no_other_event() -> None:
    assert names_in("GUILD_ROLE_CREATE", {"id": "1", "name": "role"}) == {}


@given(d=NAMED)
def test_names_are_looked_for_in_anything(d: Any) -> None:
    for name in ("READY", "GUILD_CREATE", "CHANNEL_CREATE", "THREAD_LIST_SYNC"):
        assert all(isinstance(number, int) for number in names_in(name, d))
