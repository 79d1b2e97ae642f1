import asyncio
import time
from pathlib import Path

import pytest

from inspector.simulator.clock import Clock, Follower


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the clocks of this process back afterwards."""
    for name in ("time", "time_ns"):
        monkeypatch.setattr(time, name, getattr(time, name))


def test_what_is_skipped_has_passed() -> None:
    clock = Clock()
    before = time.time_ns()
    asyncio.run(clock.skip(300))
    assert 300 <= (clock.now_ns() - before) / 1e9 < 310


@pytest.mark.usefixtures("real")
def test_a_proxy_skips_as_well(tmp_path: Path) -> None:
    clock, began, began_ns = Clock(tmp_path / "clock"), time.time(), time.time_ns()
    Follower(tmp_path / "clock")
    asyncio.run(clock.skip(300))
    assert 300 <= time.time() - began < 310
    assert 300 <= (time.time_ns() - began_ns) / 1e9 < 310


@pytest.mark.usefixtures("real")
def test_time_is_skipped_when_all_that_was_sent_has_passed_the_proxy(tmp_path: Path) -> None:
    async def play() -> None:
        clock = Clock(tmp_path / "clock")
        follower = Follower(tmp_path / "clock")
        clock.sent(2)
        follower.passed()
        skipping = asyncio.ensure_future(clock.skip(300))
        await asyncio.sleep(0.02)
        assert not skipping.done()
        follower.passed()
        await skipping

    asyncio.run(play())


def test_what_is_lost_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.simulator.clock._PATIENCE", 0.01)
    clock = Clock(tmp_path / "clock")
    clock.sent(1)
    asyncio.run(clock.skip(1))
    monkeypatch.setattr("inspector.simulator.clock._PATIENCE", 60)
    asyncio.run(clock.skip(1))
