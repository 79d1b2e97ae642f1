"""What the keys of the main screen do, on real captures."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.keys import _character_to_key
from textual.pilot import Pilot

from inspector.protocol.registry import default
from inspector.store.notes import Notes
from inspector.store.reader import Reader
from inspector.tui.app import GwinspectApp
from inspector.tui.bindings import MAIN
from inspector.tui.look import ASCII, UNICODE
from inspector.tui.screens.help import HelpScreen, key_words
from inspector.tui.screens.main import MainScreen
from inspector.tui.widgets.detail import Detail
from inspector.tui.widgets.input.filter_bar import FilterBar
from inspector.tui.widgets.input.prompt import Prompt
from inspector.tui.widgets.lists.session_tree import SessionTree
from inspector.tui.widgets.timeline.banner import Banner
from inspector.tui.widgets.timeline.status_line import StatusLine
from inspector.tui.widgets.timeline.timeline import Timeline
from inspector.words import size
from tests.conversation import ACK, HEARTBEAT, HELLO, Conversation, identify, message, ready
from tests.tui.conftest import Growing, screen_text, until

Sample = Callable[[str], Path]


def app_on(path: Path, **more) -> GwinspectApp:
    return GwinspectApp(path, marks=more.pop("marks", UNICODE), **more)


async def started(app: GwinspectApp, pilot: Pilot[None]) -> Timeline:
    await until(pilot, lambda: isinstance(app.screen, MainScreen) and app.main.timeline.current)
    await until(pilot, lambda: app.main.timeline.region and app.main.timeline.has_focus)
    await pilot.pause()
    return app.main.timeline


async def type_in(pilot: Pilot[None], text: str) -> None:
    await pilot.press(*[_character_to_key(letter) for letter in text])


async def filtered(app: GwinspectApp, pilot: Pilot[None], text: str) -> None:
    """Wait until a filter is in force and its scan has ended."""
    await until(pilot, lambda: app.main.filtering.narrowing.text == text and app.main.filtering.progress is None)
    await pilot.pause()


async def test_the_rows_of_a_capture_are_on_the_screen(sample: Sample) -> None:
    path = sample("resume")
    app = app_on(path)
    async with app.run_test(size=(150, 40)) as pilot:
        await started(app, pilot)
        text = "\n".join(screen_text(app))
        written = size(path.stat().st_size)
        for words in ("Identify", "READY", "The Invented Guild, 4 members", "close 1006", "row 1 of 22", written):
            assert words in text


KEYS = [
    (["j", "j"], 3),
    (["down", "k"], 1),
    (["G"], 22),
    (["end", "g"], 1),
    (["G", "home"], 1),
    (["ctrl+f", "ctrl+b"], 1),
    (["pagedown"], 22),
    (["ctrl+d", "ctrl+u"], 1),
    (["c"], 10),
    (["c", "c"], 22),
    (["G", "C"], 10),
    (["e"], 10),
    (["G", "E"], 10),
    (["exclamation_mark"], 10),
]
PLACES = [("7", 7), ("#7", 7), ("999", 22), ("+24ms", 12), ("01:24:10.093", 11), ("2026-11-24T01:24:10.1Z", 22)]


async def test_keys_move_the_cursor(sample: Sample) -> None:
    """On one screen, as a screen takes a second to start; each time from the first row."""
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        for keys, row in KEYS:
            timeline.goto(1)
            await until(pilot, lambda: timeline.current == 1)
            await pilot.press(*keys)
            await until(pilot, lambda row=row: timeline.current == row)


async def test_one_can_go_to_a_row_or_a_time(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        for text, row in PLACES:
            timeline.goto(1)
            await until(pilot, lambda: timeline.current == 1)
            await pilot.press("colon")
            await type_in(pilot, text)
            await pilot.press("enter")
            await until(pilot, lambda row=row: timeline.current == row)


async def test_a_place_that_is_none_is_explained_and_asked_for_again(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(app, pilot)
        await pilot.press("colon")
        await type_in(pilot, "noon")
        await pilot.press("enter")
        await pilot.pause()
        assert "neither a row number nor a time" in "\n".join(screen_text(app))
        await pilot.press("escape")
        assert not app.main.query_one(Prompt).has_class("asking")


async def test_a_filter_narrows_the_rows_and_0_takes_it_away(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        await pilot.press("f")
        await type_in(pilot, "dir == send")
        await pilot.press("enter")
        await filtered(app, pilot, "dir == send")
        assert list(timeline.view.numbers) == [3, 4, 9, 13, 14, 22]
        assert app.focused is timeline
        await pilot.press("0")
        await filtered(app, pilot, "")
        assert len(timeline.view) == 22


async def test_a_wrong_filter_is_not_applied_and_shows_where_it_is_wrong(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        await pilot.press("f")
        await type_in(pilot, "evnt == READY ")
        await pilot.press("enter")
        await until(pilot, lambda: "there is no field 'evnt'" in "\n".join(screen_text(app)))
        assert len(timeline.view) == 22
        assert app.main.query_one(FilterBar).has_focus_within


@pytest.mark.parametrize(
    ("row", "key", "numbers"),
    [
        (1, "2", [3, 4, 9, 13, 14, 22]),
        (1, "3", [10]),
        (12, "4", list(range(11, 23))),
        (7, "5", [7, 15, 17, 19, 20]),
        (7, "6", [6, 7, 15, 16, 17, 19, 20]),
        (1, "1", [1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13, 15, 17, 18, 19, 20, 22]),
    ],
)
async def test_a_preset_narrows_the_rows_and_again_takes_that_away(
    sample: Sample, row: int, key: str, numbers: list[int]
) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        timeline.goto(row)
        await pilot.press(key)
        await until(pilot, lambda: list(timeline.view.numbers) == numbers)
        assert timeline.current == row or row not in numbers
        timeline.goto(row)
        await pilot.press(key)
        await until(pilot, lambda: len(timeline.view) == 22)


async def test_a_preset_that_the_row_has_nothing_for_says_so(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        await pilot.press("7")
        await until(pilot, lambda: len(app._notifications) == 1)
        assert len(timeline.view) == 22


async def test_a_search_goes_from_hit_to_hit_and_begins_again_at_the_end(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        await pilot.press("slash")
        await type_in(pilot, "resume")
        await pilot.press("enter")
        await until(pilot, lambda: timeline.current > 1)
        rows = [timeline.current]
        for key in "nnnN":
            before = timeline.current
            await pilot.press(key)
            await until(pilot, lambda before=before: timeline.current != before)
            rows.append(timeline.current)
        assert rows[0] < rows[1] < rows[2]
        assert rows[-1] == rows[-3]


async def test_a_search_without_a_hit_says_so(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(app, pilot)
        await pilot.press("slash")
        await type_in(pilot, "xyzzy")
        await pilot.press("enter")
        await until(pilot, lambda: len(app._notifications) == 1)


async def test_enter_shows_the_row_whole_and_escape_goes_back(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        timeline.goto(5)
        await pilot.press("enter")
        await until(pilot, lambda: "resume_gateway_url" in "\n".join(screen_text(app)))
        assert app.main.query_one(Detail).has_focus_within
        await pilot.press("escape")
        assert app.focused is timeline
        assert app.main.has_class("detail")
        await pilot.press("escape")
        assert not app.main.has_class("detail")


async def test_on_a_narrow_screen_the_detail_takes_the_place_of_the_rows(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(80, 24)) as pilot:
        timeline = await started(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: app.main.query_one(Detail).size.height > 15)
        assert not timeline.region
        await pilot.press("escape")
        await until(pilot, lambda: timeline.region)


async def test_the_tree_narrows_the_rows_to_a_connection(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        await pilot.press("s")
        tree = app.main.query_one(SessionTree)
        await until(pilot, lambda: tree.has_focus and "closed 1000" in "\n".join(screen_text(app)))
        await pilot.press("G", "enter")
        await until(pilot, lambda: list(timeline.view.numbers) == list(range(11, 23)))
        await pilot.press("escape")
        await until(pilot, lambda: len(timeline.view) == 22)


async def test_the_time_can_be_shown_in_three_ways(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(app, pilot)
        assert "01:24:10.072" in "\n".join(screen_text(app))
        await pilot.press("t")
        await until(pilot, lambda: "+29 ms" in "\n".join(screen_text(app)))
        await pilot.press("t")
        await until(
            pilot, lambda: "+16 ms" in "\n".join(screen_text(app)) and "01:24" not in "\n".join(screen_text(app))
        )
        await pilot.press("t")
        await until(pilot, lambda: "01:24:10.072" in "\n".join(screen_text(app)))


async def test_the_numbers_of_rows_can_be_shown(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(app, pilot)
        await pilot.press("number_sign")
        await until(pilot, lambda: any("     3 01:24:10.072" in line for line in screen_text(app)))
        assert any("row time" in line for line in screen_text(app))
        await pilot.press("number_sign")
        await until(pilot, lambda: not any("     3 01:24" in line for line in screen_text(app)))


async def test_marks_and_notes_are_kept_beside_the_capture(sample: Sample) -> None:
    path = sample("resume")
    app = app_on(path)
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        await pilot.press("j", "m", "j", "a")
        await type_in(pilot, "plugh")
        await pilot.press("enter", "g")
        await until(pilot, lambda: timeline.current == 1)
        await pilot.press("apostrophe")
        await until(pilot, lambda: timeline.current == 2)
        await pilot.press("apostrophe")
        await until(pilot, lambda: "note: plugh" in "\n".join(screen_text(app)))
    kept = Notes(path)
    assert (kept.marked, kept.note(3)) == ({2}, "plugh")
    assert "plugh" not in path.read_bytes().decode("latin-1")


async def test_a_range_can_be_exported(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(app, pilot)
        await pilot.press("j", "v", "j", "j", "x")
        await pilot.press("enter")
        target = tmp_path / "resume-2-4.jsonl"
        await until(pilot, lambda: target.exists() and app._notifications)
        assert [json.loads(line)["n"] for line in target.read_text().splitlines()] == [2, 3, 4]


async def test_y_copies_the_row_with_its_secrets_masked_unless_they_are_revealed(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        timeline.goto(5)
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard)
        assert json.loads(app.clipboard)["d"]["session_id"].startswith("••••")
        await pilot.press("r", "y")
        await until(pilot, lambda: not json.loads(app.clipboard)["d"]["session_id"].startswith("••••"))
        assert "SECRETS SHOWN" in screen_text(app)[0]


async def test_the_themes_change_places(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(app, pilot)
        await pilot.press("T")
        assert app.theme == "gwinspect-light"
        await pilot.press("T")
        assert app.theme == "gwinspect-dark"


async def test_help_lists_every_key_there_is(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 200)) as pilot:
        await started(app, pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.pause()
        text = "\n".join(screen_text(app))
        for binding in [*MAIN, *Timeline.BINDINGS]:
            assert binding.description in text or str(binding.tooltip) in text
            assert key_words(binding.key) in text
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))


async def test_tab_goes_through_the_panes(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        await pilot.press("d", "s", "escape")
        assert app.focused is timeline
        seen = set()
        for _ in range(6):
            await pilot.press("tab")
            seen.add(type(app.focused).__name__)
        assert seen == {"SessionTree", "Timeline", "PayloadTab"}


async def test_the_mouse_chooses_a_row_and_a_double_click_opens_it(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        await pilot.click(Timeline, offset=(30, 4))
        await until(pilot, lambda: timeline.current == 5)
        await pilot.click(Timeline, offset=(30, 4), times=2)
        await until(pilot, lambda: app.main.has_class("detail"))


async def test_the_command_palette_does_what_keys_do(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        timeline = await started(app, pilot)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: app.screen is not app.main)
        await type_in(pilot, "next close")
        await until(pilot, lambda: "Next close" in "\n".join(screen_text(app)))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.main)
        await until(pilot, lambda: timeline.current == 10)


async def test_q_quits(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(app, pilot)
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)


async def test_without_unicode_nothing_beyond_ascii_is_drawn(sample: Sample) -> None:
    for name in ("resume", "hostile"):
        app = app_on(sample(name), marks=ASCII)
        async with app.run_test(size=(120, 40)) as pilot:
            await started(app, pilot)
            await pilot.press("s", "tab", "d")
            await pilot.pause()
            lines = [line for line in screen_text(app) if not line.isascii()]
            # Scrollbars and the panels of Textual itself are its own affair.
            assert [line for line in lines if any(mark in line for mark in "▶◀✕●…•→│─")] == []


async def test_hostile_text_is_shown_and_does_nothing(sample: Sample) -> None:
    app = app_on(sample("hostile"))
    async with app.run_test(size=(200, 40)) as pilot:
        await started(app, pilot)
        await pilot.press("enter")
        await pilot.pause()
        detail, recording = app.main.query_one(Detail), app.main.recording
        seen = screen_text(app)
        for number in range(1, recording.reader.last() + 1):
            detail.show(recording.shown(number), recording)
            for tab in range(len(detail.tabs)):
                detail.choose(tab)
                seen += [detail.tab.render_line(y).text for y in range(12)]
        assert len(seen) > 1000
        assert not [line for line in seen if any(char in line for char in "\x1b\u202e\u200b\r\x00")]


async def test_new_rows_stay_in_sight_while_following_and_are_counted_while_paused(growing) -> None:
    capture: Growing = growing()
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    capture.add(talk.happenings)
    app = app_on(capture.path, follow=True)
    async with app.run_test(size=(120, 20)) as pilot:
        timeline = await started(app, pilot)
        await until(pilot, lambda: timeline.current == 4)
        done = len(talk.happenings)
        for _ in range(30):
            talk.client(HEARTBEAT).server(ACK)
        capture.add(talk.happenings[done:])
        await until(pilot, lambda: timeline.current == 64)
        assert "following" in screen_text(app)[0]
        await pilot.press("k")
        assert not timeline.following
        done = len(talk.happenings)
        talk.server(message("new"))
        capture.add(talk.happenings[done:])
        await until(pilot, lambda: timeline.unseen == 1)
        assert timeline.current == 63
        await until(pilot, lambda: "1 new" in screen_text(app)[0])
        await pilot.press("space")
        await until(pilot, lambda: timeline.current == 65 and timeline.following)
        capture.finish()
        await until(pilot, lambda: "FINISHED" in screen_text(app)[0])


async def test_rows_that_come_while_a_filter_is_in_force_are_filtered_too(growing) -> None:
    capture: Growing = growing()
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    capture.add(talk.happenings)
    app = app_on(capture.path, follow=True, where="event == MESSAGE_CREATE")
    async with app.run_test(size=(120, 20)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MainScreen) and app.main.filtering.progress is None)
        done = len(talk.happenings)
        talk.client(HEARTBEAT).server(ACK).server(message("one")).client(HEARTBEAT).server(message("two"))
        capture.add(talk.happenings[done:])
        await until(pilot, lambda: list(app.main.timeline.view.numbers) == [7, 9])
        capture.finish()


async def test_an_empty_capture_says_that_it_is_empty(growing) -> None:
    capture: Growing = growing()
    capture.finish()
    app = app_on(capture.path)
    async with app.run_test(size=(120, 20)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MainScreen) and "has no rows" in "\n".join(screen_text(app)))


async def test_a_filter_that_nothing_passes_says_so(sample: Sample) -> None:
    app = app_on(sample("resume"), where="op == 97")
    async with app.run_test(size=(120, 20)) as pilot:
        await until(
            pilot, lambda: isinstance(app.screen, MainScreen) and "No row matches" in "\n".join(screen_text(app))
        )


async def test_a_resize_changes_what_has_room(sample: Sample) -> None:
    app = app_on(sample("resume"))
    async with app.run_test(size=(80, 24)) as pilot:
        await started(app, pilot)
        assert " seq" not in screen_text(app)[2]
        await pilot.resize_terminal(160, 40)
        await until(pilot, lambda: " seq" in screen_text(app)[2])


async def test_a_capture_that_breaks_while_it_is_read_becomes_a_banner(growing) -> None:
    capture: Growing = growing()
    capture.add(Conversation().opens().server(HELLO).happenings)
    app = app_on(capture.path, follow=True)
    async with app.run_test(size=(120, 20)) as pilot:
        await started(app, pilot)
        app.main.recording.reader.db.close()
        await until(pilot, lambda: app.main.query_one(Banner).has_class("trouble"))
        capture.finish()


def test_the_sample_is_what_these_tests_think(sample: Sample) -> None:
    reader = Reader(sample("resume"))
    assert reader.last() == 22
    assert default().name("gateway", 10) == "Hello"
    assert StatusLine.DEFAULT_CSS
