"""What stands beside a raw value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.inert import inert
from inspector.model import Plane
from inspector.protocol import registry
from inspector.report.annotate import MAX_NOTE, annotate, bits
from tests.conversation import NOON

TABLES = registry.default()
NAMES = {1180000000000000050: "general", 1180000000000000666: "\x1b[31m\u202eevil" * 20}


def note(value: Any, path: str = "x", name: str | None = "MESSAGE_CREATE", plane: Plane = Plane.GATEWAY) -> str | None:
    keys = tuple(int(key) if key.isdigit() else key for key in path.split(".") if key)
    return annotate(value, keys, name, plane, TABLES, NAMES)


@pytest.mark.parametrize(
    ("value", "path", "name", "expected"),
    [
        # Ids
        ("1180000000000000099", "id", None, "2023-12-01 04:18 UTC"),
        (1180000000000000099, "id", None, "2023-12-01 04:18 UTC"),
        ("1180000000000000050", "channel_id", None, "general, made 2023-12-01 04:18 UTC"),
        ("1180000000000000099", "d.mention_roles.0", None, "2023-12-01 04:18 UTC"),
        ("12345", "id", None, None),
        ("99999999999999999999", "id", None, None),
        # Times
        ("2026-01-31T12:00:00.123000+00:00", "timestamp", None, "2026-01-31 12:00 UTC"),
        ("2026-01-31T13:00:00+01:00", "joined_at", None, "2026-01-31 12:00 UTC"),
        ("2026-01-31T12:00:00Z", "since", "RELATIONSHIP_ADD", "2026-01-31 12:00 UTC"),
        ("2026-99-31T12:00:00Z", "timestamp", None, None),
        (1_769_860_800, "timestamp", "TYPING_START", "2026-01-31 12:00 UTC"),
        (1_769_860_800_000, "activities.0.timestamps.start", None, "2026-01-31 12:00 UTC"),
        ("1769860800000", "activities.0.timestamps.start", None, "2026-01-31 12:00 UTC"),
        (0, "since", "Presence Update", None),
        # Spans and amounts
        (41_250, "heartbeat_interval", "Hello", "41.25 s"),
        (41_250.5, "heartbeat_interval", "Hello", "41.25 s"),
        (0, "rate_limit_per_user", None, "0 s"),
        (5, "rate_limit_per_user", None, "5 s"),
        (21_600, "rate_limit_per_user", None, "6 h"),
        (90, "afk_timeout", None, "90 s"),
        (604_800, "max_age", "INVITE_CREATE", "7 d"),
        (1440, "auto_archive_duration", "THREAD_CREATE", "1 d"),
        (4320, "thread_metadata.auto_archive_duration", "THREAD_CREATE", "3 d"),
        (64_000, "bitrate", "CHANNEL_CREATE", "64 kbit/s"),
        (123_456, "attachments.0.size", None, "123 kB"),
        (0x3498DB, "embeds.0.color", None, "#3498db"),
        (0, "roles.0.color", "GUILD_CREATE", "#000000"),
        (-1, "color", None, None),
        # Flags
        (33_281, "intents", "Identify", "GUILDS, GUILD_MESSAGES, MESSAGE_CONTENT (privileged)"),
        (1 << 15, "d.intents", "Identify", "MESSAGE_CONTENT (privileged)"),
        (3, "capabilities", "Identify", "LAZY_USER_NOTES, NO_AFFINE_USER_IDS"),
        ("8", "roles.0.permissions", None, "ADMINISTRATOR: everything, regardless of a channel's overwrites"),
        ("3072", "permission_overwrites.0.allow", "CHANNEL_CREATE", "VIEW_CHANNEL, SEND_MESSAGES"),
        ("0", "permission_overwrites.0.deny", "CHANNEL_CREATE", "none"),
        (64, "author.public_flags", None, "HYPESQUAD_ONLINE_HOUSE_1: House of Bravery"),
        (65_600, "author.public_flags", None, "HYPESQUAD_ONLINE_HOUSE_1, VERIFIED_BOT"),
        (64, "flags", None, "EPHEMERAL: only visible to the user of the command"),
        (2, "flags", "CHANNEL_UPDATE", "PINNED: pinned on top of its forum"),
        (1 << 40, "flags", None, "bit 40"),
        (
            5,
            "system_channel_flags",
            "GUILD_CREATE",
            "SUPPRESS_JOIN_NOTIFICATIONS, SUPPRESS_GUILD_REMINDER_NOTIFICATIONS",
        ),
        (3, "activities.0.flags", "PRESENCE_UPDATE", "INSTANCE, JOIN"),
        (
            1 << 18,
            "application.flags",
            "READY",
            "GATEWAY_MESSAGE_CONTENT: intent for message content, in 100 guilds or more",
        ),
        (True, "flags", None, None),
        ("many", "permissions", None, None),
        # Words
        (2, "type", "CHANNEL_CREATE", "GUILD_VOICE: voice channel"),
        (19, "type", "MESSAGE_CREATE", "REPLY: reply"),
        (0, "activities.0.type", "PRESENCE_UPDATE", "PLAYING: plays"),
        (2, "verification_level", "GUILD_CREATE", "MEDIUM: needs an account older than 5 minutes"),
        ("dnd", "status", "PRESENCE_UPDATE", "do not disturb"),
        ("online", "status", "PRESENCE_UPDATE", None),
        (True, "", "Invalid Session", "the session can be resumed"),
        (999, "type", "MESSAGE_CREATE", None),
        # What speaks for itself
        (None, "flags", None, None),
        ({"id": "1"}, "author", None, None),
        ([1, 2], "shard", "Identify", None),
        ("hello", "content", None, None),
        (1.5, "volume", None, None),
    ],
)
def test_a_value_in_its_place(value: Any, path: str, name: str | None, expected: str | None) -> None:
    assert note(value, path, name or "MESSAGE_CREATE") == expected


def test_many_flags_say_how_many_more_there_are() -> None:
    said = note(str((1 << 54) - 1), "permissions")
    assert said is not None
    assert said.startswith("CREATE_INSTANT_INVITE, KICK_MEMBERS, ")
    assert said.endswith(" and 40 more")
    assert len(bits(str((1 << 54) - 1), ("permissions",), None, Plane.GATEWAY, TABLES)) == 54


def test_each_bit_has_a_line_of_its_own() -> None:
    assert bits(33, ("d", "flags"), "MESSAGE_CREATE", Plane.GATEWAY, TABLES) == [
        "CROSSPOSTED: passed on to the channels that follow",
        "HAS_THREAD: a thread hangs on it, with the same id",
    ]
    assert bits(2, ("type",), "CHANNEL_CREATE", Plane.GATEWAY, TABLES) == []


def test_the_same_name_means_something_else_on_another_plane() -> None:
    assert note(1, "flags", "MESSAGE_CREATE", Plane.RPC) is None
    assert note(1_769_860_800_123, "t", "Heartbeat", Plane.VOICE) == "2026-01-31 12:00 UTC"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-31T12:00:00Z", "now"),
        ("2026-01-31T11:59:58Z", "2 seconds ago"),
        ("2026-01-31T11:58:30Z", "1 minute ago"),
        ("2026-01-31T15:00:00Z", "in 3 hours"),
        ("2025-12-01T12:00:00Z", "2 months ago"),
        ("2022-12-01T12:00:00Z", "3 years ago"),
    ],
)
def test_with_a_clock_a_time_says_how_long_ago_it_was(value: str, expected: str) -> None:
    said = annotate(value, ("timestamp",), None, Plane.GATEWAY, TABLES, {}, now_ns=NOON)
    assert said is not None
    assert said.partition(" UTC, ")[2] == expected


def test_a_name_from_the_wire_is_inert_and_leaves_room() -> None:
    said = note("1180000000000000666", "guild_id")
    assert said is not None
    assert said == inert(said)
    assert said.endswith(", made 2023-12-01 04:18 UTC")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.integers(0, 2**70).map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(sorted({place.split(".")[-1] for row in TABLES.value_sets for place in row.at}))
paths = st.lists(st.text(max_size=10) | st.integers() | keys, max_size=5).map(tuple) | keys.map(lambda key: (key,))
events = st.none() | st.text(max_size=20) | st.sampled_from(sorted(TABLES.events))


@given(json_values, paths, events, st.sampled_from(Plane), st.none() | st.integers(0, 2**63))
def test_any_value_anywhere_gives_one_inert_line_or_none(
    value: Any, path: tuple[str | int, ...], name: str | None, plane: Plane, now_ns: int | None
) -> None:
    said = annotate(value, path, name, plane, TABLES, NAMES, now_ns=now_ns)
    assert said is None or (0 < len(said) <= MAX_NOTE and said == inert(said))
    assert len(bits(value, path, name, plane, TABLES)) <= 64
