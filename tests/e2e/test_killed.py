"""What is left when the proxy is killed in the middle of it all."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cli.reindex import reindex
from inspector.model import Frame, Kind
from inspector.simulator.client import scripted as client
from inspector.simulator.scenarios.catalogue import scenario
from inspector.store.reader import Reader, stored_happenings
from tests.e2e.playing import HERE, simulated

pytestmark = pytest.mark.e2e

# What may be lost is 50 ms; the rest is for a machine that has other things to do.
LOSS_NS = 150_000_000


def test_a_kill_costs_no_more_than_the_last_moment(tmp_path: Path) -> None:
    killed_ns = asyncio.run(_play_and_kill(tmp_path))

    await_finished(tmp_path / "played.gwcap")
    witnessed = [line.split() for line in (tmp_path / "witness").read_text().splitlines()[1:]]
    reader = Reader(tmp_path / "played.gwcap")
    stored = [each.data.hex() for each in _frames(reader)]
    assert stored == [data for _, data in witnessed][: len(stored)]
    lost = [int(at) for at, _ in witnessed[len(stored) :]]
    assert all(at > killed_ns - LOSS_NS for at in lost)
    assert len(stored) > 1000

    reader.close()
    result = CliRunner().invoke(reindex, [str(tmp_path / "played.gwcap")])
    assert result.exit_code == 0
    reader = Reader(tmp_path / "played.gwcap")
    events = list(reader.all_events())
    assert [event.kind for event in events] == [Kind.OPEN] + [Kind.PAYLOAD] * len(stored) + [Kind.CLOSE]
    assert (events[-1].closed.by, events[-1].closed.reason) == ("proxy", "mitmproxy was killed")
    assert reader.undecoded_frames() == 0
    reader.close()


def await_finished(capture: Path) -> None:
    """Wait for the process that writes: it lives on until it has written all that it was given."""
    deadline = time.monotonic() + 20
    while True:
        reader = Reader(capture)
        meta = reader.meta()
        reader.close()
        if "finished_at" in meta:
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def _play_and_kill(folder: Path) -> int:
    """Kill mitmdump when a burst is under way and return when that was."""
    burst = scenario("burst-8000")
    witness = {"scripts": (HERE / "witness.py",), "environment": {"WITNESS": str(folder / "witness")}}
    async with simulated(burst.script, folder, **witness) as (simulator, proxy):
        authorities = [proxy.ca_path, simulator.ca_path]
        playing = asyncio.ensure_future(client.play(burst, ca=authorities, proxy=f"http://{proxy.address}"))
        reader = Reader(folder / "played.gwcap")
        while reader.last() < 1000:
            await asyncio.sleep(0.002)
        reader.close()
        killed_ns = time.time_ns()
        os.kill(int((folder / "witness").read_text().split("\n", 1)[0]), signal.SIGKILL)
        await asyncio.wait([playing])
    return killed_ns


def _frames(reader: Reader) -> list[Frame]:
    return [each for batch in stored_happenings(reader.db) for each in batch if isinstance(each, Frame)]
