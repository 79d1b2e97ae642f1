"""What is told of faults that a real mitmdump has recorded: the fault first, and of what is healthy nothing.

All of it passes one proxy, one conversation after the other, by discord.py where that can be made to do it; then the
connections of each are diagnosed by themselves.
"""

import asyncio
from bisect import bisect
from contextlib import closing
from pathlib import Path

import pytest

from inspector.analysis.diagnosis import diagnose
from inspector.model import Happening, Opened, Severity
from inspector.report.diagnosis_text import lines
from inspector.simulator.client import discordpy, scripted
from inspector.simulator.scenarios.hours import HOURS
from inspector.simulator.scenarios.sick import SICK
from inspector.simulator.script import Scenario
from inspector.simulator.server.stage import Discord
from inspector.store.reader import Reader, stored_happenings
from tests.e2e.playing import simulated
from tests.generated.told import told_of

pytestmark = pytest.mark.e2e

FAULTY = (*SICK, *HOURS)
PLAYED = [*FAULTY, *(pair.sibling() for pair in HOURS)]
SCREEN = 50
"""Lines of a terminal."""


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """All that was recorded, and when each scenario began, in nanoseconds since the epoch."""
    folder = tmp_path_factory.mktemp("told")
    begun: list[int] = []

    async def play_all() -> None:
        async def script(discord: Discord) -> None:
            for each in PLAYED:
                begun.append(discord.clock.now_ns())
                await each.script(discord)

        # At their own pace: some are about the timers of the client.
        async with simulated(script, folder, pace=1) as (simulator, proxy), asyncio.TaskGroup() as playing:
            playing.create_task(simulator.finished())
            for each in PLAYED:
                client = _play(each, f"http://{proxy.address}", [proxy.ca_path, simulator.ca_path])
                await playing.create_task(client, name=each.name)

    asyncio.run(asyncio.wait_for(play_all(), 90))
    return folder / "played.gwcap", begun


@pytest.fixture(scope="module")
def recorded(capture: tuple[Path, list[int]]) -> dict[str, list[Happening]]:
    """What was recorded of each scenario, in the order of time."""
    path, begun = capture
    found: dict[str, list[Happening]] = {each.name: [] for each in PLAYED}
    name_of: dict[int, str] = {}
    with closing(Reader(path)) as reader:
        for happening in (each for batch in stored_happenings(reader.db) for each in batch):
            if isinstance(happening, Opened):
                name_of[happening.connection] = PLAYED[bisect(begun, happening.at_ns) - 1].name
            found[name_of[happening.connection]].append(happening)
    return found


async def _play(chosen: Scenario, proxy: str, ca: list[Path]) -> None:
    if chosen.client == "any":
        await discordpy.run(chosen, proxy, ca)
    else:
        await scripted.play(chosen, ca=ca, proxy=proxy)


@pytest.mark.parametrize("chosen", FAULTY, ids=lambda each: each.name)
def test_a_fault_is_the_first_case(chosen: Scenario, recorded: dict[str, list[Happening]]) -> None:
    cases = told_of(recorded[chosen.name])
    # Nobody has to look at the notes in any order.
    first = cases[:1] if cases[0].severity >= Severity.WARN else cases
    assert any(chosen.gives[0] in case.counts for case in first), [case.name for case in cases]


@pytest.mark.parametrize("chosen", HOURS, ids=lambda each: each.name)
def test_without_the_fault_there_is_nothing_to_warn_of(chosen: Scenario, recorded: dict[str, list[Happening]]) -> None:
    cases = told_of(recorded[chosen.sibling().name])
    assert [case.name for case in cases if case.severity >= Severity.WARN or case.name == chosen.name] == []


def test_however_much_goes_wrong_it_is_told_on_one_screen(capture: tuple[Path, list[int]]) -> None:
    assert len(list(lines(diagnose(capture[0])))) <= SCREEN
