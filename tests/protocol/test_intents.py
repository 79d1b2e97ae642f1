"""The table of intents, and that it agrees with that of events."""

from inspector.protocol import registry

TABLES = registry.load()
INTENTS = TABLES.intents


def test_bits_count_from_zero_without_a_hole() -> None:
    assert [intent.bit for intent in INTENTS] == list(range(29))


def test_three_intents_are_privileged() -> None:
    assert {intent.name for intent in INTENTS if intent.privileged} == {
        "GUILD_MEMBERS",
        "GUILD_PRESENCES",
        "MESSAGE_CONTENT",
    }


def test_what_bots_may_ask_for_adds_up_to_the_official_list() -> None:
    assert sum(1 << intent.bit for intent in INTENTS if intent.bots) == 53608447
    assert all(intent.official == (intent.bots is True) for intent in INTENTS)


def test_intents_and_events_name_each_other() -> None:
    by_intent = {(intent.name, event) for intent in INTENTS for event in intent.events}
    by_event = {(intent, event.name) for event in TABLES.events.values() for intent in event.intents}
    assert by_intent == by_event


def test_older_names_are_kept_as_aliases() -> None:
    assert {alias: intent.name for intent in INTENTS for alias in intent.aliases} == {
        "GUILD_BANS": "GUILD_MODERATION",
        "GUILD_EMOJIS_AND_STICKERS": "GUILD_EXPRESSIONS",
        "GUILD_EMOJIS": "GUILD_EXPRESSIONS",
    }


def test_a_value_is_split_into_intents_and_unknown_bits() -> None:
    intents, unknown = TABLES.intents_of(1 | 1 << 15 | 1 << 31)
    assert [intent.name for intent in intents] == ["GUILDS", "MESSAGE_CONTENT"]
    assert unknown == [31]
