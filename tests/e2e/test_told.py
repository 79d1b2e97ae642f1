"""What is told of faults that a real mitmdump has recorded: the fault first, and of what is healthy nothing.

All of it passes one proxy, one conversation after the other, with the simulator's time running ahead; then the
connections of each are diagnosed by themselves.
"""

import asyncio
from bisect import bisect
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspector.analysis.cases import Case
from inspector.model import Happening, Opened, Severity
from inspector.simulator.client import discordpy, scripted
from inspector.simulator.scenarios.hours import HOURS
from inspector.simulator.script import Scenario
from inspector.simulator.server.stage import Discord
from inspector.store.reader import Reader, stored_happenings
from tests.e2e.playing import simulated
from tests.generated.told import told_of

pytestmark = pytest.mark.e2e

PLAYED = [each for pair in HOURS for each in (pair, pair.sibling())]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Happening]]:
    """What was recorded of each scenario, in the order of time."""
    folder = tmp_path_factory.mktemp("told")
    begun: list[int] = []

    async def play_all() -> None:
        async def script(discord: Discord) -> None:
            for each in PLAYED:
                begun.append(discord.clock.now_ns())
                await each.script(discord)

        async with simulated(script, folder) as (simulator, proxy), asyncio.TaskGroup() as playing:
            playing.create_task(simulator.finished())
            for each in PLAYED:
                client = _play(each, f"http://{proxy.address}", [proxy.ca_path, simulator.ca_path])
                await playing.create_task(client, name=each.name)

    asyncio.run(asyncio.wait_for(play_all(), 90))
    found: dict[str, list[Happening]] = {each.name: [] for each in PLAYED}
    name_of: dict[int, str] = {}
    with closing(Reader(folder / "played.gwcap")) as reader:
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


def bad(happenings: list[Happening]) -> Iterator[Case]:
    return (case for case in told_of(happenings) if case.severity >= Severity.WARN)


@pytest.mark.parametrize("chosen", HOURS, ids=lambda each: each.name)
def test_a_fault_is_the_first_case_and_without_it_there_is_none(
    chosen: Scenario, recorded: dict[str, list[Happening]]
) -> None:
    assert [case.name for case in bad(recorded[chosen.name])][:1] == list(chosen.gives[:1])
    assert [case.name for case in bad(recorded[chosen.sibling().name])] == []
