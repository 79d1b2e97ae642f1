"""A screen on a capture, driven without a terminal."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from inspector.model import Happening
from inspector.protocol.registry import default
from inspector.store.writer import Writer
from inspector.tui.app import GwinspectApp
from tests.tui.noticed import abnormal_closes, notice

SAMPLES = Path(__file__).parents[2] / "sample_captures"
# Seconds. On a busy machine a screen may get its turn late.
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered from one test to the next, and times are everyone's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.fixture
def sample(tmp_path: Path) -> Callable[[str], Path]:
    """Return a copy of a sample, in which closes other than 1000 are errors and nothing else was noticed.

    A copy, so that marks and notes do not land beside the original.
    """

    def copy(name: str) -> Path:
        target = tmp_path / f"{name}.gwcap"
        target.write_bytes((SAMPLES / target.name).read_bytes())
        notice(target, abnormal_closes(target))
        return target

    return copy


@pytest.fixture
def growing(tmp_path: Path) -> Callable[[], "Growing"]:
    return lambda: Growing(tmp_path / "growing.gwcap")


class Growing:
    """A capture that is still being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = Writer(path, default(), made_by="test")

    def add(self, happenings: list[Happening]) -> None:
        self._writer.write(happenings)

    def finish(self) -> None:
        self._writer.finish()


async def until(pilot: Pilot[None], true: Callable[[], object]) -> None:
    """Wait until something holds; fail where it does not come about."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        await pilot.pause(0.02)


def screen_text(app: GwinspectApp) -> list[str]:
    """Return what is on the screen, line by line."""
    return ["".join(segment.text for segment in strip).rstrip() for strip in app.screen._compositor.render_strips()]
