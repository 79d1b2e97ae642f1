"""Text that acts on terminals or reads like markup, wherever a capture has text: no screen lets either through."""

import json
import re
import sqlite3
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from inspector.errors import CaptureError
from inspector.model import Event
from inspector.store.notes import Notes
from inspector.store.reader import Reader
from inspector.tui.app import GwinspectApp
from inspector.tui.look import ASCII, UNICODE, Glyphs
from tests.tui.conftest import SAMPLES, until
from tests.tui.test_main_screen import app_on, started

MARKUP = "[red]x[/red][link=file:///etc]y[/link]"
CANARY = f"\x1b]0;pwned\x07\x9b31m\u202e\u2028\u200b\x7f{MARKUP}"
RAW = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
# Columns whose text is free; the others name what there is, and a row with another is not shown as what it is.
FREE = {
    "connection": ("url", "client", "refusal", "close_reason", "session", "shard", "dave", "compression"),
    "event": ("event", "note"),
    "finding": ("rule", "text"),
    "verdict": ("cause", "advice", "then_did"),
    "name": ("name",),
    "meta": ("value",),
}
SCREENS = ("s", "d", "p", "F", "L", "V", "question_mark", "ctrl+p")


def hostile(folder: Path, sample: str) -> Path:
    path = folder / f"a{CANARY.replace('/', '')}.gwcap"
    path.write_bytes((SAMPLES / f"{sample}.gwcap").read_bytes())
    with sqlite3.connect(path) as db:
        for table, columns in FREE.items():
            for column in columns:
                unless = " where key not in ('finished_at', 'missing', 'clock')" if table == "meta" else ""
                db.execute(f"update {table} set {column} = coalesce({column}, '') || ?{unless}", (CANARY,))
        headers = json.dumps({"user-agent": CANARY, CANARY: CANARY})
        db.execute("update connection set headers = ?", (headers,))
    db.close()
    return path


def event_of(path: Path, number: int) -> Event:
    reader = Reader(path)
    try:
        return reader.events(number - 1, 1)[0]
    finally:
        reader.close()


def looked_at(app: GwinspectApp) -> str:
    """Look at every character on the screen, and return them all."""
    text = []
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            assert not segment.control
            found = RAW.search(segment.text)
            assert found is None, f"{found[0]!a} in {segment.text!a}"
            # A link would be markup that was obeyed.
            assert segment.style is None or segment.style.link is None
            text.append(segment.text)
        text.append("\n")
    return "".join(text)


async def look_around(app: GwinspectApp, pilot: Pilot[None]) -> str:
    await pilot.pause()
    return looked_at(app)


@pytest.mark.parametrize(
    ("sample", "glyphs"), [("hostile", UNICODE), ("voice-4006", ASCII)], ids=["hostile", "voice-ascii"]
)
async def test_no_screen_shows_text_raw(tmp_path: Path, sample: str, glyphs: Glyphs) -> None:
    app = app_on(hostile(tmp_path, sample), marks=glyphs)
    async with app.run_test(size=(150, 50)) as pilot:
        await started(app, pilot)
        seen = await look_around(app, pilot)
        for key in SCREENS:
            await pilot.press(key)
            seen += await look_around(app, pilot)
            for other in ("down", "tab", "right_square_bracket", "right_square_bracket", "enter", "end"):
                await pilot.press(other)
                seen += await look_around(app, pilot)
            await pilot.press("escape", "escape")
            await until(pilot, lambda: app.screen is app.main)
        assert "pwned" in seen
        assert "[red]x" in seen


async def test_no_notification_is_raw_or_markup(tmp_path: Path) -> None:
    app = app_on(hostile(tmp_path, "login-failure"))
    async with app.run_test(size=(150, 50), notifications=True) as pilot:
        await started(app, pilot)
        app.notify(f"of {CANARY}", title=CANARY)
        app.main.notify(f"by a widget {CANARY}", markup=True)
        await until(pilot, lambda: "by a widget" in looked_at(app))
        assert "[red]x[/red]" in looked_at(app).replace("\n", "")


async def test_a_note_of_someone_else_is_inert_and_stays_as_it_is(tmp_path: Path) -> None:
    path = hostile(tmp_path, "login-failure")
    notes = Notes(path)
    notes.set_note(1, event_of(path, 1), f"note {CANARY}")
    app = app_on(path)
    async with app.run_test(size=(150, 50)) as pilot:
        timeline = await started(app, pilot)
        timeline.goto(1)
        assert "note: note" in await look_around(app, pilot)
        await pilot.press("a")
        assert "pwned" in await look_around(app, pilot)
        await pilot.press("enter")
        await look_around(app, pilot)
    notes.reload()
    assert notes.note(1) == f"note {CANARY}"


@pytest.mark.parametrize("key", ["f", "slash", "colon", "x", "a"])
async def test_what_is_typed_or_pasted_is_inert(tmp_path: Path, key: str) -> None:
    app = app_on(hostile(tmp_path, "login-failure"))
    async with app.run_test(size=(150, 50)) as pilot:
        await started(app, pilot)
        await pilot.press(key)
        box = app.focused
        assert isinstance(box, Input)
        box.value = f"{tmp_path}/no such folder {CANARY}.jsonl" if key == "x" else CANARY
        await look_around(app, pilot)
        await pilot.press("enter")
        await look_around(app, pilot)


async def test_a_capture_that_cannot_be_read_is_told_inert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_on(hostile(tmp_path, "login-failure"))
    async with app.run_test(size=(150, 50)) as pilot:
        await started(app, pilot)

        def broken(*arguments: object) -> None:
            raise CaptureError(f"it broke {CANARY}")

        monkeypatch.setattr(app.main.recording, "lines", broken)
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: "it broke" in looked_at(app))


async def test_a_filter_with_names_of_the_wire_is_shown_inert(tmp_path: Path) -> None:
    app = app_on(hostile(tmp_path, "login-failure"))
    async with app.run_test(size=(150, 50)) as pilot:
        timeline = await started(app, pilot)
        timeline.goto(2)
        await pilot.press("5")
        await pilot.pause()
        await look_around(app, pilot)
        await pilot.press("0", "4")
        await look_around(app, pilot)
