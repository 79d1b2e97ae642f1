"""Encrypted calls in real MLS groups, between real sockets: all of it decodes, and what goes wrong is noticed."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from inspector.model import Event, Kind, Payload, Plane, Severity
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.simulator import content
from inspector.simulator.scenarios import scenario
from inspector.wire.voice import read_binary
from tests.simulator.direct import happenings_of, run

pytest.importorskip("davey")

BOT, ADA, BJORN = (str(user["id"]) for user in (content.BOT, content.ADA, content.BJORN))


def played(name: str, pace: float = 0) -> tuple[list[Event], Pipeline]:
    pipeline = Pipeline(default())
    events = [event for each in happenings_of(run(scenario(name), pace)[0]) for event in pipeline.feed(each)]
    return events + pipeline.finish(), pipeline


def binaries(events: list[Event]) -> Iterator[tuple[Event, Payload]]:
    for event in events:
        if event.kind is Kind.PAYLOAD and event.encoding == "binary":
            what = read_binary(event.payload or b"", bool(event.from_client), 8)
            assert isinstance(what, Payload)
            yield event, what


@pytest.fixture(scope="module")
def call() -> list[Event]:
    return played("dave-call")[0]


def test_every_binary_message_of_a_call_decodes_to_its_last_byte(call: list[Event]) -> None:
    seen = set()
    for event, what in binaries(call):
        assert what.problems == (), (event.n, what.problems)
        assert "rest" not in what.d
        seen.add(event.op)
    assert seen == {25, 26, 27, 28, 29, 30}


def test_users_are_named_by_their_credentials(call: list[Event]) -> None:
    bodies = [(event.op, what.d) for event, what in binaries(call)]
    assert {d["user_id"] for op, d in bodies if op == 26} == {BOT}
    proposals = [each for op, d in bodies if op == 27 for each in d.get("proposals", [])]
    added = {each["user_id"] for each in proposals if each["type"] == "add"}
    assert BJORN in added
    assert {ADA, BJORN} & added


def test_a_commit_refers_to_the_proposals_that_came_before_it(call: list[Event]) -> None:
    """The references are hashes over the bytes of the proposals, so they tell whether these were read rightly."""
    proposed: set[str] = set()
    commits = 0
    for event, what in binaries(call):
        if event.op == 27:
            proposed |= {each["ref"] for each in what.d.get("proposals", [])}
        if event.op == 28:
            listed = what.d["commit"]["public_message"]["commit"]["proposals"]
            assert {each["reference"] for each in listed} <= proposed
            commits += 1
    assert commits


def test_epochs_rise_by_one_within_a_group(call: list[Event]) -> None:
    epochs = [what.d["epoch"] for event, what in binaries(call) if event.op == 29]
    assert epochs
    assert all(after in (before + 1, before, 0, 1) for before, after in pairwise(epochs))


def test_there_is_nothing_to_warn_of_in_a_healthy_call(call: list[Event]) -> None:
    found = [finding for event in call for finding in event.findings if finding.severity >= Severity.WARN]
    assert found == []


def test_a_call_that_loses_step_is_noticed_with_its_transition() -> None:
    events, pipeline = played("dave-transition", 1)
    found = [finding for event in events for finding in event.findings] + pipeline.late
    rules = {finding.rule for finding in found}
    assert "dave-commit-rejected" in rules
    assert {"dave-transition-not-ready", "dave-executed-unready"} & rules
    assert any("ransition " in finding.text for finding in found)


def test_a_session_that_is_resumed_keeps_the_state_of_its_encryption() -> None:
    events, _ = played("voice-resume")
    assert all(what.problems == () for _, what in binaries(events))
    assert [f for event in events for f in event.findings if f.rule.startswith("dave-") and f.severity > 1] == []
    assert any(event.plane is Plane.VOICE and event.kind is Kind.CLOSE for event in events)
