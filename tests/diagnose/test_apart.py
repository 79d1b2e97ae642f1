"""Recordings that have nothing to do with each other are told as each of them alone."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from inspector.importers.merge import Input, merge
from inspector.model import Happening, Opened
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.reindex import reindex
from inspector.store.writer import Writer
from tests.conversation import ACK, HELLO, Conversation, dispatch, identify, ready
from tests.fed import fed, in_order
from tests.generated import FAULTS, talk

Told = list[tuple[int, int, str, int, tuple[int, ...]]]
"""Recording, row in it, rule, severity, and the rows in it that are evidence."""


def told(*recordings: Sequence[Happening]) -> Told:
    """Return what is noticed in recordings that are read together."""
    happenings: list[Happening] = []
    first = 1
    for number, recording in enumerate(recordings):
        for each in recording:
            moved = replace(each, connection=each.connection + first - 1)
            happenings.append(replace(moved, recording=number) if isinstance(moved, Opened) else moved)
        first += max(each.connection for each in recording)
    happenings.sort(key=lambda each: each.at_ns)
    of: dict[int, int] = {each.connection: each.recording for each in happenings if isinstance(each, Opened)}
    made = fed(happenings, Pipeline(default()), finish=True)
    rows: dict[int, tuple[int, int]] = {}
    counts = dict.fromkeys(of.values(), 0)
    for event in made.rows:
        place = of[event.connection]
        counts[place] += 1
        rows[event.n] = place, counts[place]
    found = [*(finding for event in made.rows for finding in event.findings), *made.late]
    return sorted(
        (*rows[each.event], each.rule, int(each.severity), tuple(rows[row][1] for row in each.evidence))
        for each in found
    )


def together(*found: Told) -> Told:
    """Return what is noticed in recordings, each read by itself, as if they were read together."""
    return sorted((number, *rest) for number, one in enumerate(found) for _, *rest in one)


def generated(seed: int) -> list[Happening]:
    dice = Random(seed)
    fault = dice.choice((None, *FAULTS))
    return talk(seed, fault, token=f"{seed} is an invented token of nobody", bot=seed).happenings


@pytest.mark.parametrize("first", range(0, 40, 4))
def test_two_bots_are_told_as_each_of_them_alone(first: int) -> None:
    bots = [(recording, told(recording)) for recording in map(generated, range(first, first + 4))]
    for (one, of_one), (other, of_other) in combinations(bots, 2):
        assert told(one, other) == together(of_one, of_other)


def left() -> Conversation:
    """Return a bot that is sent away and does not come back."""
    return Conversation().opens().server(HELLO).client(identify()).server(ready()).closes(4000, by="server")


def other(connection: int = 1) -> Conversation:
    """Return another one, which goes on for ten minutes."""
    talk = Conversation(connection=connection).opens().server(HELLO).client(identify(token="another invented token"))
    talk.server(dispatch("READY", {"v": 10, "session_id": "another", "user": {"id": "7"}}, 1))
    for _ in range(15):
        talk.waits(41_000).client({"op": 1, "d": 1}).server(ACK)
    return talk


def test_that_one_recording_goes_on_does_not_say_that_another_does() -> None:
    assert "client-never-returned" in [rule for _, _, rule, *_ in told(in_order(left(), other(2)))]
    assert "client-never-returned" not in [rule for _, _, rule, *_ in told(left().happenings, other().happenings)]


def test_files_of_different_bots_are_told_apart_when_read_together_and_when_made_anew(tmp_path: Path) -> None:
    paths = [tmp_path / "left.gwcap", tmp_path / "other.gwcap"]
    for path, said in zip(paths, (left(), other()), strict=True):
        writer = Writer(path, default(), made_by="test")
        writer.write(said.happenings)
        writer.finish()
    both = tmp_path / "both.gwcap"
    merge([Input(path) for path in paths], both, default(), made_by="test")
    for _ in range(2):
        with closing(Reader(both)) as reader:
            assert "client-never-returned" not in [finding.rule for finding in reader.findings()]
        reindex(both, default())
