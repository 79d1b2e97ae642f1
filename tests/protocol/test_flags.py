"""Which table a value belongs to is told by the keys around it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.protocol import registry
from inspector.protocol.flags import Member, Places, choice, member

TABLES = registry.load()
PLACES = Places(TABLES)
_NUMBERED = {"bits", "choice"}


def set_at(path: str, name: str | None = None) -> str | None:
    """The set for a path written with dots, in which numbers are positions."""
    keys = [int(key) if key.isdigit() and len(key) < 6 else key for key in path.split(".") if key]
    found = PLACES.find(keys, name)
    return found.name if found else None


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("flags", "MESSAGE_CREATE", "message flags"),
        ("author.flags", "MESSAGE_CREATE", "user flags"),
        ("attachments.0.flags", "MESSAGE_CREATE", "attachment flags"),
        ("referenced_message.flags", "MESSAGE_CREATE", "message flags"),
        ("member.flags", "MESSAGE_CREATE", "member flags"),
        ("flags", "GUILD_MEMBER_UPDATE", "member flags"),
        ("members.3.user.flags", "GUILD_CREATE", "user flags"),
        ("members.3.flags", "GUILD_CREATE", "member flags"),
        ("members.3.flags", "LOBBY_CREATE", "lobby member flags"),
        ("members.3.flags", "THREAD_LIST_SYNC", "thread member flags"),
        ("merged_members.0.1.flags", "READY", "member flags"),
        ("threads.0.flags", "GUILD_CREATE", "channel flags"),
        ("threads.0.member.flags", "GUILD_CREATE", "thread member flags"),
        ("member.flags", "THREAD_CREATE", "thread member flags"),
        ("flags", "CHANNEL_UPDATE", "channel flags"),
        ("roles.0.flags", "GUILD_CREATE", "role flags"),
        ("data.resolved.attachments.1180000000000000099.flags", "INTERACTION_CREATE", "attachment flags"),
        ("flags", "INTERACTION_CREATE", None),
        ("flags", None, None),
        ("activity.type", "MESSAGE_CREATE", "message activity"),
        ("activities.0.type", "PRESENCE_UPDATE", "activity type"),
        ("type", "INTERACTION_CREATE", "interaction type"),
        ("data.type", "INTERACTION_CREATE", "command type"),
        ("data.options.0.options.1.type", "INTERACTION_CREATE", "command option type"),
        ("permissions", None, "permissions"),
        ("", "Invalid Session", "invalid session"),
        ("", "Hello", None),
        ("t", "Heartbeat", "time"),
    ],
)
def test_the_keys_around_a_value_tell_what_it_is(path: str, name: str | None, expected: str | None) -> None:
    assert set_at(path, name) == expected


def test_a_users_own_set_comes_before_ours(tmp_path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[[value_set]]\nname = "mine"\nread = "bits"\nat = ["MESSAGE_CREATE.flags"]\nmembers = {0 = "OURS"}\n'
    )
    found = Places(registry.load([own])).find(("flags",), "MESSAGE_CREATE")
    assert found is not None
    assert found.name == "mine"


def test_a_bit_that_no_table_has_is_called_by_its_number() -> None:
    row = PLACES.find(("flags",), "MESSAGE_CREATE")
    assert row is not None
    assert PLACES.bits(row, 1 << 6 | 1 << 40) == [
        Member("EPHEMERAL", "only visible to the user of the command"),
        Member("bit 40"),
    ]


def test_a_choice_may_be_a_number_a_word_or_a_truth() -> None:
    row = PLACES.find((), "Invalid Session")
    assert row is not None
    assert choice(row, True) == member(row.members["true"])
    assert choice(row, 1) is None


@pytest.mark.parametrize("row", TABLES.value_sets, ids=lambda row: row.name)
def test_every_set_is_whole(row: registry.ValueSet) -> None:
    assert row.source
    assert row.at
    assert all(re.fullmatch(r"[\w*]+(?: [\w ]+)?(\.\w+)*", place) for place in row.at)
    assert bool(row.members) is (row.read in _NUMBERED)
    for key, text in row.members.items():
        name, meaning = member(text)
        assert name
        assert not meaning.endswith(".")
        if row.read == "bits":
            assert 0 <= int(key) < 64
            assert re.fullmatch(r"[A-Z][A-Z0-9_]*", name)
    names = [member(text).name for text in row.members.values()]
    assert len(set(names)) == len(names)


def test_no_place_has_two_sets() -> None:
    places = [place for row in TABLES.value_sets for place in row.at]
    assert len(set(places)) == len(places)


def test_every_event_that_a_place_names_is_known() -> None:
    known = {*TABLES.events, *(row.name for row in TABLES.opcodes())}
    named = {place.split(".")[0] for row in TABLES.value_sets for place in row.at if place[0].isupper()}
    assert [name for name in named if "*" not in name and name not in known] == []
    stems = [name.removesuffix("*") for name in named if "*" in name]
    assert [stem for stem in stems if not any(name.startswith(stem) for name in known)] == []


def test_every_opcode_that_a_limit_names_is_known() -> None:
    names = {row.name for row in TABLES.opcodes()}
    assert all(limit.source and limit.says.endswith(".") for limit in TABLES.limits)
    assert {name for limit in TABLES.limits for name in limit.opcodes} <= names


@given(st.lists(st.text() | st.integers(), max_size=40), st.none() | st.text())
def test_any_place_may_be_asked_for(path: list[str | int], name: str | None) -> None:
    PLACES.find(path, name)
