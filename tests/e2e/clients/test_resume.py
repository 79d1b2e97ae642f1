"""A client that resumes through the proxy, as it does without one: where the server breaks off, and where it is gone.

discord.js starts a new session where it is told 1000, as mitmproxy by itself tells it.
"""

import asyncio
import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from inspector.analysis.diagnosis import diagnose
from inspector.model import Severity
from inspector.simulator import content, redirect
from inspector.simulator.scenarios.catalogue import scenario
from inspector.simulator.server.simulator import Simulator
from inspector.store.reader import Reader
from tests.e2e.clients.places import Missing, installed
from tests.e2e.clients.setups import SETUPS
from tests.e2e.playing import ROOT

pytestmark = pytest.mark.e2e

LIMIT = 60


@pytest.fixture(scope="module")
def command() -> list[str]:
    """What runs the bot."""
    try:
        place = installed(next(each for each in SETUPS if each.client == "discord.js" and each.kind == "node"))
    except Missing as reason:
        pytest.skip(str(reason))
    return [place.command[0], str(place.folder / "discordjs_resume_bot.cjs"), content.TOKEN]


def test_discord_js_resumes_after_the_server_broke_off(command: list[str], tmp_path: Path) -> None:
    assert asyncio.run(_record("resume", tmp_path, command)) == (0, ["RESUMED"])
    with closing(Reader(tmp_path / "bot.gwcap")) as reader:
        events = list(reader.all_events())
    assert [event.closed.code for event in events if event.closed is not None] == [1006, 1000]
    assert [event.op for event in events if event.from_client and event.op in (2, 6)] == [2, 6]
    assert any(event.event == "RESUMED" for event in events)


def test_discord_js_knows_no_other_host_where_the_resume_url_is_dead(command: list[str], tmp_path: Path) -> None:
    assert asyncio.run(_record("resume-url-dead", tmp_path, command)) == (0, ["RESUMED"])
    cases = diagnose(tmp_path / "bot.gwcap").cases
    assert cases[0].name == "resume-url-dead"
    assert cases[0].counts["connection-refused"] == 5
    assert all(case.severity is Severity.INFO for case in cases[1:])


async def _record(name: str, folder: Path, command: list[str]) -> tuple[int | None, list[str]]:
    """Record a scenario with a client; return its exit code and what it said."""
    async with Simulator(scenario(name), pace=0) as simulator:
        recording = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from inspector.cli.start import main; main()", "record"),
            *("--listen", "127.0.0.1:0"),
            *("--capture", str(folder / "bot.gwcap"), "--confdir", str(folder / "mitmproxy")),
            *("--host", "discord.com", "--script", redirect.__file__),
            *("--set", f"ssl_verify_upstream_trusted_ca={simulator.ca_path}", "--", *command),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), "GWINSPECT_SIMULATOR_PORT": str(simulator.port)},
        )
        said, _ = await asyncio.wait_for(recording.communicate(), LIMIT)
        await simulator.finished()
        return recording.returncode, said.decode().split()
