"""What Discord tells of session starts, where the proxy is let into discord.com."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from inspector.model import StartLimit
from inspector.session.redact import digest
from inspector.simulator import content
from inspector.simulator.client import scripted
from inspector.simulator.scenarios.catalogue import scenario
from inspector.store.reader import Reader
from tests.e2e.playing import simulated

pytestmark = [pytest.mark.compat, pytest.mark.e2e]


def recorded(folder: Path, name: str, **more: Any) -> tuple[list[StartLimit], list[str]]:
    """What was told, and the notes on Identifies."""
    chosen = scenario(name)

    async def play() -> None:
        async with simulated(chosen.script, folder, **more) as (simulator, proxy):
            url, ca = f"http://{proxy.address}", [proxy.ca_path, simulator.ca_path]
            await scripted.play(chosen, ca=ca, proxy=url)
            await simulator.finished()

    asyncio.run(asyncio.wait_for(play(), 60))
    with closing(Reader(folder / "played.gwcap")) as reader:
        notes = [event.note or "" for event in reader.all_events() if event.op == 2 and event.from_client]
        return reader.start_limits(), notes


def test_what_was_told_is_recorded_before_the_identify(tmp_path: Path) -> None:
    limits, notes = recorded(tmp_path, "plain-json", hosts=("discord.com",))
    assert [(each.token, each.remaining, each.total) for each in limits] == [(digest(content.TOKEN), 999, 1000)]
    assert notes == ["998 session starts left"]


def test_the_rest_of_discord_com_passes_unopened(tmp_path: Path) -> None:
    assert recorded(tmp_path, "plain-json") == ([], [""])
