"""The tables of dispatch events and capabilities."""

import pytest

from inspector.errors import TableError
from inspector.protocol import registry
from inspector.session.summarize import compile_template

TABLES = registry.load()
EVENTS = list(TABLES.events.values())


def test_every_documented_event_has_a_row() -> None:
    assert len(EVENTS) == 230
    assert [sum(event.status == status for event in EVENTS) for status in ("current", "observed", "legacy")] == [
        208,
        11,
        11,
    ]


def test_every_official_event_has_a_summary() -> None:
    assert [event.name for event in EVENTS if event.official and not event.summary] == []


def test_every_summary_is_a_template() -> None:
    broken = []
    for event in EVENTS:
        try:
            compile_template(event.summary or "")
        except TableError as error:
            broken.append(f"{event.name}: {error}")
    assert broken == []


def test_meanings_are_sentences_of_their_own() -> None:
    assert all(event.meaning.endswith(".") for event in EVENTS)
    assert len({event.meaning for event in EVENTS}) > 220


def test_official_is_what_official_documentation_has() -> None:
    assert all(event.official == ("official-events" in event.source) for event in EVENTS)
    assert {event.name for event in EVENTS if event.audience in ("both", "bot")} == {
        event.name for event in EVENTS if event.official
    }


def test_events_name_intents_that_exist() -> None:
    known = {intent.name for intent in TABLES.intents}
    assert {name for event in EVENTS for name in event.intents} <= known


def test_events_name_capabilities_that_exist() -> None:
    known = {capability.name for capability in TABLES.capabilities}
    named = {name.removeprefix("not ") for event in EVENTS if event.capability for name in event.capability.split(", ")}
    assert named <= known


def test_ids_are_paths_of_what_a_row_can_be_about() -> None:
    assert {kind for event in EVENTS for kind in event.ids} == {"guild", "channel", "user"}
    assert all(part for event in EVENTS for path in event.ids.values() for part in path.split("."))


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("GUILD_CREATE", {"guild": "id"}),
        ("GUILD_DELETE", {"guild": "id"}),
        ("CHANNEL_UPDATE", {"channel": "id"}),
        ("RATE_LIMITED", {"guild": "meta.guild_id"}),
        ("MESSAGE_CREATE", {}),
    ],
)
def test_ids_say_where_the_usual_keys_do_not_serve(name: str, ids: dict[str, str]) -> None:
    assert TABLES.events[name].ids == ids


def test_capabilities_have_all_bits_that_are_documented_or_that_the_official_client_sets() -> None:
    assert [capability.bit for capability in TABLES.capabilities] == [*range(18), 19, 20]
    observed = [row.bit for row in TABLES.capabilities if "observed" in row.source]
    assert observed == [17, 19, 20]
