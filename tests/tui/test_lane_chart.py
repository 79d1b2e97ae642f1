"""Sessions over time: what the lanes show, and where they lead."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from inspector.tui.app import GwinspectApp
from inspector.tui.look import ASCII, UNICODE
from inspector.tui.screens.lanes import LanesScreen
from inspector.tui.screens.main import MainScreen
from inspector.tui.widgets.charts.lane_chart import LaneChart
from tests.conversation import HELLO, Conversation, identify, ready
from tests.tui.conftest import SAMPLES, screen_text, until
from tests.tui.noticed import troubled
from tests.voice_call import written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return troubled(tmp_path / "bot.gwcap")


def shown(app: GwinspectApp) -> str:
    return "\n".join(screen_text(app))


def line(app: GwinspectApp, words: str) -> str:
    return next(line for line in screen_text(app) if words in line)


async def on_lanes(app: GwinspectApp, pilot: Pilot[None], row: int = 1) -> LaneChart:
    await until(pilot, lambda: isinstance(app.screen, MainScreen) and app.main.timeline.current)
    app.main.timeline.goto(row)
    await pilot.press("L")
    await until(
        pilot, lambda: isinstance(app.screen, LanesScreen) and app.screen.lanes.counted == app.screen.lanes.last
    )
    await pilot.pause()
    return app.screen.query_one(LaneChart)


async def test_every_connection_has_a_lane_by_session(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(120, 24)) as pilot:
        await on_lanes(app, pilot, 43)
        assert "━━┥4009" in line(app, "#1 gateway closed 4009")
        assert "●━━" in line(app, "#2 voice closed 4014")
        assert "·" in line(app, "heartbeats")
        assert "!" in line(app, "heartbeats")
        assert [char for char in line(app, "findings")[30:] if char in "IWE"] == ["I", "I", "W", "E"]
        assert "R×" in shown(app)
        assert "#1 close 4009 Session timed out, row 43" in shown(app)


async def test_a_client_s_own_close_is_not_called_what_discord_means_by_the_code(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready()).closes(4000, by="client")
    app = GwinspectApp(written(tmp_path / "own.gwcap", talk.happenings), marks=UNICODE)
    async with app.run_test(size=(120, 24)) as pilot:
        await on_lanes(app, pilot, 5)
        assert "#1 close 4000, row 5" in shown(app)


async def test_the_cursor_tells_what_is_there_and_enter_goes_to_it(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(120, 24)) as pilot:
        chart = await on_lanes(app, pilot, 43)
        await pilot.press("j", "j", "n")
        await pilot.pause()
        assert "1 heartbeat, 1 late or without an ACK" not in shown(app)
        await pilot.press("p")
        await pilot.pause()
        assert "1 heartbeat, 1 late or without an ACK" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.main and app.main.timeline.current == 42)
        chart = await on_lanes(app, pilot, 43)
        await pilot.press("right", "right")
        assert chart.things(chart.cursor) == []
        await pilot.press("home", "j", "enter")
        # Where nothing is marked it is the first row from there on, of that connection.
        await until(pilot, lambda: app.screen is app.main and app.main.timeline.current == 7)


async def test_zooming_keeps_what_is_under_the_cursor_in_its_place(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(120, 24)) as pilot:
        chart = await on_lanes(app, pilot, 43)
        start, end = chart.window
        column = chart.cursor
        await pilot.press("plus", "plus", "plus")
        assert chart.window[1] - chart.window[0] < (end - start) / 7
        assert abs(chart.cursor - column) <= 1
        assert "shown" in shown(app)
        before = chart.window
        await pilot.press("shift+left")
        assert chart.window[0] < before[0]
        for _ in range(3):
            await pilot.press("shift+right")
        assert chart.window[0] > before[0]
        await pilot.press("end")
        assert chart.window[1] >= app.screen.lanes.end_ns
        last = chart.window
        for _ in range(100):
            chart.action_point(-1)
        assert chart.window[0] < last[0]
        await pilot.press("minus", "minus", "minus", "minus")
        assert chart.window == (start, end)


@pytest.mark.parametrize("size", [(80, 24), (40, 8)])
async def test_plain_terminals_get_plain_marks(path: Path, size: tuple[int, int]) -> None:
    app = GwinspectApp(path, marks=ASCII)
    async with app.run_test(size=size) as pilot:
        chart = await on_lanes(app, pilot, 43)
        for keys in ("plus", "j", "j", "j", "end", "pagedown", "home", "n", "0"):
            await pilot.press(keys)
            for y in range(chart.size.height):
                strip = chart.render_line(y)
                assert strip.text.isascii()
                assert strip.cell_length == chart.size.width


async def test_lanes_grow_with_the_capture(growing: Callable[[], Any]) -> None:
    capture = growing()
    app = GwinspectApp(capture.path, marks=UNICODE, follow=True)
    async with app.run_test(size=(100, 20)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
        await pilot.press("L")
        await until(pilot, lambda: "No connection yet." in shown(app))
        talk = Conversation().opens().server(HELLO)
        capture.add(talk.happenings)
        await until(pilot, lambda: "#1 gateway hello" in shown(app))
        capture.add(talk.client(identify()).server(ready()).happenings[-2:])
        await until(pilot, lambda: "#1 gateway ready" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
    capture.finish()


@pytest.mark.parametrize("name", ["hostile"])
async def test_hostile_names_are_inert(name: str) -> None:
    app = GwinspectApp(SAMPLES / f"{name}.gwcap", marks=UNICODE)
    async with app.run_test(size=(100, 20)) as pilot:
        chart = await on_lanes(app, pilot)
        seen = []
        for _ in range(30):
            await pilot.press("n")
            seen.append(shown(app))
        assert chart.line is not None
        assert not [text for text in seen if any(char in text for char in "\x1b\u202e\u200b\r\x00")]
