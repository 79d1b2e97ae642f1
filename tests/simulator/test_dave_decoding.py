"""Encrypted calls in real MLS groups, between real sockets: all of it decodes, and agrees with what davey knows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from inspector.model import Event, Kind, Payload, Plane, Severity
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.session.dave import Dave
from inspector.session.proposals import references
from inspector.simulator import content
from inspector.simulator.client.member import Member
from inspector.simulator.scenarios.catalogue import SCENARIOS, scenario
from inspector.wire.voice import read_binary
from tests.simulator.direct import PACES, happenings_of, run
from tests.wire.mls_writer import write_body

BOT, ADA, BJORN = (str(user["id"]) for user in (content.BOT, content.ADA, content.BJORN))
ENCRYPTED = [name for name, chosen in SCENARIOS.items() if chosen.dave]


@dataclass(frozen=True, slots=True)
class Known:
    """What davey told the client after a commit or welcome."""

    used: bool
    epoch: int | None
    user_ids: set[str]
    leaf: int | None


@dataclass(slots=True)
class Played:
    """A scenario, and what both sides made of it."""

    events: list[Event] = field(default_factory=list)
    steps: list[tuple[Event, int | None, dict[int, str] | None]] = field(default_factory=list)
    """Each op 29 and 30, and the epoch and group that the session model came to by it."""
    davey: list[Known] = field(default_factory=list)
    """What the client's own library said after each of these."""


@cache
def played(name: str) -> Played:
    made, pace = Played(), PACES.get(name, 0)
    with pytest.MonkeyPatch.context() as patch:
        for step in ("follow", "enter"):
            patch.setattr(Member, step, _told(getattr(Member, step), made.davey))
        journal, _ = run(scenario(name), pace)
    pipeline = Pipeline(default())
    for each in happenings_of(journal, 1 / pace if pace else 1):
        for event in pipeline.feed(each).rows:
            made.events.append(event)
            if event.plane is Plane.VOICE and event.op in (29, 30) and event.kind is Kind.PAYLOAD:
                known = _encryption(pipeline, event)
                made.steps.append((event, known.epoch, known.group))
    made.events += pipeline.finish().rows
    return made


def _told(step: Callable[[Member, bytes], bool], davey: list[Known]) -> Callable[[Member, bytes], bool]:
    def told(member: Member, data: bytes) -> bool:
        used, session = step(member, data), member.session
        if str(session.user_id) == BOT:
            davey.append(Known(used, session.epoch, set(session.get_user_ids()), session.own_leaf_index))
        return used

    return told


def _encryption(pipeline: Pipeline, event: Event) -> Dave:
    return pipeline._tracker.world.open[event.connection].voice.encryption


def binaries(events: list[Event]) -> Iterator[tuple[Event, Payload]]:
    for event in events:
        if event.kind is Kind.PAYLOAD and event.encoding == "binary":
            what = read_binary(event.payload or b"", bool(event.from_client), 8)
            assert isinstance(what, Payload)
            yield event, what


def _rests(value: Any) -> Iterator[Any]:
    """Yield what is called a rest, however deep it stands."""
    if isinstance(value, dict):
        yield from (each for key, each in value.items() if key == "rest")
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _rests(each)


@pytest.mark.parametrize("name", ENCRYPTED)
def test_every_binary_message_of_both_sides_is_read_to_its_last_byte(name: str) -> None:
    """Written again from what was read, it is the same: nothing was passed over."""
    sides = set()
    for event, what in binaries(played(name).events):
        assert (what.problems, list(_rests(what.d))) == ((), []), event.n
        head = 1 if event.from_client else 3
        assert write_body(int(event.op or 0), what.d) == (event.payload or b"")[head:], event.n
        sides.add(event.from_client)
    assert sides == {True, False}


@pytest.mark.parametrize("name", ENCRYPTED)
def test_epochs_and_members_are_those_that_davey_reports(name: str) -> None:
    made = played(name)
    assert len(made.steps) == len(made.davey) > 0
    for (event, epoch, group), known in zip(made.steps, made.davey, strict=True):
        if not known.used:
            # Only the client knows that it cannot; what was announced is the group's all the same.
            continue
        assert (epoch, set((group or {}).values())) == (known.epoch, known.user_ids), event.n
        assert group is not None
        assert group[known.leaf or 0] == BOT, event.n


@pytest.mark.parametrize("name", ENCRYPTED)
def test_commits_refer_to_proposals_by_the_hashes_of_what_came_before_them(name: str) -> None:
    proposed: dict[str, int] = {}
    unknown: list[str] = []
    commits = 0
    for event, what in binaries(played(name).events):
        if event.op == 27:
            proposed |= {each["ref"]: event.n for each in what.d.get("proposals", [])}
        if event.op in (28, 29):
            unknown += [ref for ref in references(what.d) if ref not in proposed]
            commits += 1
    assert commits
    # In this one the server withholds a proposal.
    assert len(unknown) == (1 if name == "dave-transition" else 0)


def test_a_commit_that_davey_cannot_use_leaves_the_witness_without_a_group() -> None:
    made = played("dave-transition")
    assert [known.used for known in made.davey] == [True, True, False]
    assert [(epoch, group is None) for _, epoch, group in made.steps] == [(1, False), (2, False), (3, True)]


@pytest.fixture(scope="module")
def call() -> list[Event]:
    return played("dave-call").events


def test_all_binary_opcodes_are_in_a_call(call: list[Event]) -> None:
    assert {event.op for event, _ in binaries(call)} == {25, 26, 27, 28, 29, 30}


def test_users_are_named_by_their_credentials(call: list[Event]) -> None:
    bodies = [(event.op, what.d) for event, what in binaries(call)]
    assert {d["user_id"] for op, d in bodies if op == 26} == {BOT}
    proposals = [each for op, d in bodies if op == 27 for each in d.get("proposals", [])]
    added = {each["user_id"] for each in proposals if each["type"] == "add"}
    assert BJORN in added
    assert {ADA, BJORN} & added


def test_epochs_rise_by_one_within_a_group(call: list[Event]) -> None:
    epochs = [what.d["epoch"] for event, what in binaries(call) if event.op == 29]
    assert epochs
    assert all(after in (before + 1, before, 0, 1) for before, after in pairwise(epochs))


def test_there_is_nothing_to_warn_of_in_a_healthy_call(call: list[Event]) -> None:
    found = [finding for event in call for finding in event.findings if finding.severity >= Severity.WARN]
    assert found == []


def test_a_session_that_is_resumed_keeps_the_state_of_its_encryption() -> None:
    made = played("voice-resume")
    assert [f for event in made.events for f in event.findings if f.rule.startswith("dave-")] == []
    assert any(event.plane is Plane.VOICE and event.kind is Kind.CLOSE for event in made.events)
    welcome, commit = made.steps
    assert welcome[0].connection != commit[0].connection
    assert [set((group or {}).values()) for _, _, group in made.steps] == [{ADA, BOT}, {ADA, BOT, BJORN}]
