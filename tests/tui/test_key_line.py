"""The line of keys at the bottom: what can be pressed where the focus is, and clicked."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from inspector.tui.app import GwinspectApp
from inspector.tui.look import UNICODE
from inspector.tui.screens.main import MainScreen
from inspector.tui.widgets.input.filter_bar import FilterBar
from inspector.tui.widgets.key_line import KeyLine
from tests.tui.conftest import until

Sample = Callable[[str], Path]


async def shown(app: GwinspectApp, pilot: Pilot[None], words: str) -> str:
    """Wait until the line says `words`, and return it."""
    await until(pilot, lambda: isinstance(app.screen, MainScreen) and words in line(app))
    return line(app)


def line(app: GwinspectApp) -> str:
    return app.screen.query_one(KeyLine).render().plain


async def test_it_says_the_keys_that_work_where_the_focus_is(sample: Sample) -> None:
    app = GwinspectApp(sample("resume"), marks=UNICODE)
    async with app.run_test(size=(150, 40)) as pilot:
        assert "next tab" not in await shown(app, pilot, "f filter")
        await pilot.press("enter")
        await shown(app, pilot, "] next tab")


@pytest.mark.parametrize("place", ["first", "last"])
async def test_a_click_on_a_key_does_what_the_key_does(sample: Sample, place: str) -> None:
    app = GwinspectApp(sample("resume"), marks=UNICODE)
    async with app.run_test(size=(150, 40)) as pilot:
        text = await shown(app, pilot, "f filter")
        start = text.index("f filter")
        await pilot.click(KeyLine, offset=(start if place == "first" else start + len("f filter") - 1, 0))
        await until(pilot, lambda: app.screen.query_one(FilterBar).has_focus_within)
