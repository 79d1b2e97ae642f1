"""A bug of ours ends no more of the screen than what it is in; and where it ends the screen, it prints no values."""

import os
import pty
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inspector.errors import CaptureError
from inspector.report import present
from inspector.tui.app import Crash, GwinspectApp
from inspector.tui.widgets.detail.explain import ExplainTab
from inspector.tui.widgets.detail.lines import Lines
from inspector.tui.widgets.lists.session_tree import SessionTree
from inspector.tui.widgets.timeline import columns
from inspector.tui.widgets.timeline.timeline import Timeline
from tests.tui.conftest import screen_text, until

pytestmark = pytest.mark.asyncio
SIZE = (160, 40)
SECRET = "s3cret-t0ken-of-nobody"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was said in passing; on the screen it goes away by itself."""
    found: list[str] = []
    monkeypatch.setattr("textual.widget.Widget.notify", lambda self, message, **more: found.append(message))
    return found


def broken(*args: Any, **more: Any) -> Any:
    raise KeyError(SECRET)


@pytest.mark.usefixtures("lenient")
async def test_a_row_that_cannot_be_shown_is_marked(sample, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = present.summarize
    monkeypatch.setattr(present, "summarize", lambda event, *more: whole(event, *more) if event.n != 4 else broken())
    async with GwinspectApp(sample("zlib-stream")).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: any("this row could not be shown" in line for line in screen_text(pilot.app)))
        assert sum("this row could not be shown" in line for line in screen_text(pilot.app)) == 1
        await pilot.press("down", "down", "down", "enter")
        await pilot.pause()
        assert pilot.app.main.timeline.current == 4
        assert SECRET not in "\n".join(screen_text(pilot.app))


@pytest.mark.usefixtures("lenient")
async def test_a_row_that_cannot_be_painted_is_marked(sample, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = columns.Columns.cells

    def cells(self: columns.Columns, shown: present.Shown, **more: Any) -> Any:
        return broken() if shown.event.n == 4 and not shown.fault else whole(self, shown, **more)

    monkeypatch.setattr(columns.Columns, "cells", cells)
    async with GwinspectApp(sample("zlib-stream")).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: any("this row could not be shown" in line for line in screen_text(pilot.app)))


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("kind", [SessionTree, Timeline, Lines])
async def test_a_part_that_cannot_be_painted_says_so(sample, monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    monkeypatch.setattr(kind, "render_line", broken)
    async with GwinspectApp(sample("zlib-stream")).run_test(size=SIZE) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: any("this part could not be" in line for line in screen_text(pilot.app)))
        await pilot.press("down")
        assert pilot.app.is_running


@pytest.mark.usefixtures("lenient")
async def test_a_tab_that_cannot_be_filled_leaves_the_others(
    sample, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExplainTab, "load", broken)
    async with GwinspectApp(sample("zlib-stream")).run_test(size=SIZE) as pilot:
        await pilot.press("enter", "tab", "tab")
        detail = pilot.app.main.detail
        for number in range(len(detail.tabs)):
            detail.choose(number)
            await pilot.pause()
        assert len(told) == 1
        assert told[0].startswith("Part of the screen may be wrong (bug in gwinspect: KeyError in ")
        detail.choose(0)
        await pilot.pause()
        assert detail.tab.line_count()


@pytest.mark.usefixtures("lenient")
async def test_a_message_that_cannot_be_answered_is_told_once(
    sample, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SessionTree, "update", broken)
    async with GwinspectApp(sample("zlib-stream")).run_test(size=SIZE) as pilot:
        main = pilot.app.main
        await until(pilot, lambda: main.watching.pulse is not None)
        pulse = main.watching.pulse
        await until(pilot, lambda: told)
        for _ in range(3):
            main.post_message(pulse)
            await pilot.pause()
        assert [text.split(":")[0] for text in told] == ["Part of the screen may be wrong (bug in gwinspect"]
        await pilot.press("down")
        assert main.timeline.current == 2


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("how", ["timer", "worker"])
async def test_what_ends_the_screen_prints_places_only(sample, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    app = GwinspectApp(sample("zlib-stream"))

    async def run() -> None:
        async with app.run_test(size=SIZE) as pilot:
            if how == "timer":
                app.main.set_timer(0.01, broken)
            else:
                app.main.run_worker(broken, thread=True)
            await until(pilot, lambda: app.crashed)

    with pytest.raises(Crash) as crash:
        await run()
    text = "\n".join(crash.value.args)
    assert "test_guarded.py" in text
    assert "KeyError: '…'" in text
    assert SECRET not in text
    assert app.return_code == 1


@pytest.mark.parametrize("how", ["timer", "worker"])
async def test_damage_that_is_met_late_ends_the_screen_in_a_sentence(sample, how: str) -> None:
    app = GwinspectApp(sample("zlib-stream"))

    def met() -> None:
        raise CaptureError("row 9 of its table event has an unknown kind")

    async with app.run_test(size=SIZE) as pilot:
        if how == "timer":
            app.main.set_timer(0.01, met)
        else:
            app.main.run_worker(met, thread=True)
        await until(pilot, lambda: app.problem is not None)
    assert str(app.problem) == "row 9 of its table event has an unknown kind"
    assert not app.crashed


CRASHING = """
import sys
from pathlib import Path
from inspector.cli import main
from inspector.tui.screens.main import MainScreen
def broken(self):
    token = "s3cret-t0ken-" + "of-nobody"
    raise ValueError(token)
MainScreen.on_mount = broken
main.main()
"""


async def test_a_screen_that_crashes_leaves_a_sane_terminal_and_no_values(sample, tmp_path: Path) -> None:
    """Textual would show the local variables of each call."""
    path: Callable[[str], Path] = sample
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", textwrap.dedent(CRASHING), "open", str(path("zlib-stream"))]
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm-256color"}
    )
    os.close(follower)
    said = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        said += data
    os.close(leader)
    assert process.wait(30) == 2
    text = said.decode(errors="replace")
    assert "in broken" in text
    assert "the UI crashed; the error is above" in text
    assert "s3cret" not in text
    assert "locals" not in text
