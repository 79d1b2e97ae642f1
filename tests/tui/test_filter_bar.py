"""The filter bar, key by key: what is written, completed, refused, applied and said."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Button, Input, Static

from inspector.protocol.registry import default
from inspector.query.grammar import FilterError
from inspector.query.tree import Compare, Everything
from inspector.tui.look import ASCII, UNICODE, Glyphs
from inspector.tui.widgets.input.candidates import LINES, Candidates
from inspector.tui.widgets.input.filter_bar import FilterBar, FilterInput
from inspector.tui.widgets.input.history import History


class Bar(App[None]):
    """The bar, at the top or the bottom, and something else to focus."""

    def __init__(self, path: Path, glyphs: Glyphs = UNICODE, *, bottom: bool = False) -> None:
        super().__init__()
        self.history = History(path)
        self.glyphs = glyphs
        self.bottom = bottom
        self.applied: list[FilterBar.Applied] = []
        self.left = 0

    def compose(self) -> ComposeResult:
        bar = FilterBar(default(), self.glyphs, self.history)
        rows = Button("rows")
        rows.styles.height = "1fr"
        yield from (rows, bar) if self.bottom else (bar, rows)

    def on_filter_bar_applied(self, message: FilterBar.Applied) -> None:
        self.applied.append(message)

    def on_filter_bar_left(self) -> None:
        self.left += 1
        self.query_one(Button).focus()

    @property
    def bar(self) -> FilterBar:
        return self.query_one(FilterBar)

    @property
    def box(self) -> FilterInput:
        return self.query_one(FilterInput)

    @property
    def offered(self) -> Candidates:
        return self.query_one(Candidates)

    @property
    def below(self) -> str:
        return str(self.query_one(".filter-bar--below", Static).content)

    @property
    def aside(self) -> str:
        return str(self.query_one(".filter-bar--aside", Static).content)

    def lines(self) -> list[str]:
        """What stands on the screen."""
        return [strip.text.rstrip() for strip in self.screen._compositor.render_strips()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "filters"


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    for _ in range(200):
        if condition():
            return
        await pilot.pause()
    assert condition()


async def write(pilot: Pilot[None], text: str, *keys: str) -> None:
    """Begin to write, paste all of `text` but its last character, type that, and press `keys`."""
    app = pilot.app
    assert isinstance(app, Bar)
    app.bar.edit()
    await until(pilot, lambda: app.box.has_focus)
    before = app.box.value
    if text[:-1]:
        app.box.post_message(Paste(text[:-1]))
        await until(pilot, lambda: app.box.value == before + text[:-1])
    await pilot.press(*text[-1:], *keys)
    await pilot.pause()


async def test_enter_applies_the_filter_and_leaves(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        await write(pilot, "dir == send ", "enter")
        await until(pilot, lambda: app.left)
        [message] = app.applied
        assert message.text == app.bar.value == app.box.value == "dir == send"
        assert message.filter == app.bar.filter
        assert isinstance(message.filter, Compare)
        assert app.history.entries == ["dir == send"]
        await until(pilot, lambda: not app.bar.has_class("writing"))


async def test_enter_on_nothing_lets_everything_through(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        app.bar.set("dir == send")
        await write(pilot, "", "ctrl+u", "enter")
        assert [(message.text, message.filter) for message in app.applied] == [("", Everything())]


async def test_a_filter_that_cannot_be_read_is_never_applied(path: Path) -> None:
    async with (app := Bar(path)).run_test(size=(120, 20)) as pilot:
        app.bar.set("dir == send")
        await write(pilot, "", "ctrl+u")
        await write(pilot, "guildd == 5", "enter")
        assert app.applied == []
        assert app.box.has_focus
        assert app.bar.value == "dir == send"
        assert app.box.value == "guildd == 5"
        assert app.history.entries == []


async def test_an_error_stands_below_the_column_where_it_is(path: Path) -> None:
    async with (app := Bar(path)).run_test(size=(120, 20)) as pilot:
        await write(pilot, "op == hello and guildd == 5")
        await until(pilot, lambda: "^" in app.below)
        line, carets, *_ = app.lines()
        assert carets.index("^") == line.index("guildd")
        assert carets.count("^") == len("guildd")
        assert "there is no field 'guildd'; did you mean guild" in carets


@pytest.mark.parametrize("text", ["op == hearbeat and n > 1", "n > 1 and op == hearbeat and n > 1 and n < 999"])
async def test_an_error_has_room_at_80_columns(path: Path, text: str) -> None:
    async with (app := Bar(path)).run_test(size=(80, 20)) as pilot:
        await write(pilot, text)
        await until(pilot, lambda: "^" in app.below)
        line, *lines = app.lines()
        assert lines[0].index("^") == line.index("hearbeat")
        assert "there is no opcode named 'hearbeat'; did you mean heartbeat?" in " ".join(lines)


async def test_the_carets_follow_a_filter_that_is_longer_than_its_line(path: Path) -> None:
    async with (app := Bar(path)).run_test(size=(80, 20)) as pilot:
        app.history.add("n > 1 and " * 12 + "opp == 1 and n > 1")
        await write(pilot, "", "up")
        await until(pilot, lambda: "^" in app.below)
        await until(pilot, lambda: app.box.scroll_offset.x > 0)
        await until(pilot, lambda: app.lines()[1].find("^") == app.lines()[0].find("opp"))


async def test_what_is_merely_not_finished_is_no_error_yet(path: Path) -> None:
    async with (app := Bar(path)).run_test(size=(120, 20)) as pilot:
        await write(pilot, "op ==")
        assert "^" not in app.below
        await pilot.press("escape")
        await until(pilot, lambda: "^" in app.below)


async def test_the_keys_are_said_while_nothing_is_wrong(path: Path) -> None:
    async with (app := Bar(path)).run_test(size=(80, 20)) as pilot:
        assert len(app.lines()[1].strip()) == 0 or "Tab" not in app.lines()[1]
        await write(pilot, "")
        await until(pilot, lambda: "Tab completes" in app.lines()[1])
        assert "Esc leaves" in app.lines()[1]


async def test_tab_takes_the_candidate_and_goes_on(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        await write(pilot, "ev", "tab")
        assert app.box.value == "event "
        assert app.box.cursor_position == len("event ")
        await until(pilot, lambda: app.offered.chosen and app.offered.chosen.text == "==")
        await pilot.press("tab")
        assert app.box.value == "event == "


async def test_tab_opens_the_list_where_there_is_none(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        await write(pilot, "")
        assert not app.offered.display
        await pilot.press("tab")
        assert app.offered.display
        assert app.box.has_focus


async def test_a_candidate_in_the_middle_replaces_its_word_only(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        await write(pilot, "ev == READY", "home", "right", "right", "tab", "tab")
        assert app.box.value == "event == READY"


async def test_an_offer_ends_when_the_cursor_goes_elsewhere(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        await write(pilot, "dir == se")
        assert app.offered.display
        await pilot.press("left")
        assert not app.offered.display


async def test_right_takes_the_candidate_only_at_the_end(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        await write(pilot, "ev", "left", "right")
        assert app.box.value == "ev"
        await pilot.press("backspace", "v", "right")
        assert app.box.value == "event "


async def test_up_and_down_choose_and_then_enter_takes(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        await write(pilot, "dir == ", "down")
        assert app.offered.chosen
        assert app.offered.chosen.text == "receive"
        await pilot.press("enter")
        assert app.box.value == "dir == receive "
        assert app.applied == []
        await pilot.press("enter")
        await until(pilot, lambda: app.applied)
        assert app.bar.value == "dir == receive"


async def test_up_from_the_first_candidate_is_the_last(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        await write(pilot, "dir == ", "up")
        assert app.offered.chosen
        assert app.offered.chosen.text == "receive"


async def test_a_click_takes_a_candidate(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        await write(pilot, "dir == ")
        await pilot.click(Candidates, offset=(3, 1))
        await until(pilot, lambda: app.box.value == "dir == receive ")
        assert app.box.has_focus


@pytest.mark.parametrize("bottom", [False, True])
async def test_the_list_is_short_and_covers_no_part_of_the_filter(path: Path, bottom: bool) -> None:
    async with (app := Bar(path, bottom=bottom)).run_test(size=(80, 24)) as pilot:
        await write(pilot, "op == ")
        await until(pilot, lambda: app.offered.region.height == LINES)
        assert not app.offered.region.overlaps(app.box.region)
        assert app.screen.region.contains_region(app.offered.region)
        assert "> 2" not in app.lines()[app.offered.region.y]


async def test_the_list_scrolls_with_the_choice(path: Path) -> None:
    async with (app := Bar(path)).run_test(size=(80, 24)) as pilot:
        await write(pilot, "op == ", *["down"] * 12)
        assert app.offered.chosen
        name = app.offered.chosen.text
        await until(pilot, lambda: any(f"▶ {name}" in line for line in app.lines()))
        assert app.offered.region.height == LINES


async def test_escape_closes_the_list_then_leaves_with_the_filter_as_it_was(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        app.bar.set("dir == send")
        await write(pilot, " an")
        assert app.offered.display
        await pilot.press("escape")
        assert not app.offered.display
        assert app.left == 0
        await pilot.press("escape")
        await until(pilot, lambda: app.left)
        assert app.box.value == "dir == send"
        assert app.applied == []


async def test_who_looks_something_up_finds_the_draft_again(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        app.bar.set("dir == send")
        await write(pilot, " and guild ==")
        app.query_one(Button).focus()
        await until(pilot, lambda: app.box.value == "dir == send")
        assert not app.offered.display
        app.bar.edit()
        await until(pilot, lambda: app.box.value == "dir == send and guild ==")


async def test_up_and_down_go_through_the_history_and_back_to_what_was_written(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        app.history.add("op == hello")
        app.history.add("dir == send")
        await write(pilot, "n > 5 ", "escape", "up")
        assert app.box.value == "dir == send"
        assert not app.offered.display
        await pilot.press("up")
        assert app.box.value == "op == hello"
        await pilot.press("up")
        assert app.box.value == "op == hello"
        await pilot.press("down", "down")
        assert app.box.value == "n > 5 "


async def test_the_history_is_searched(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        for text in ("op == hello", "dir == send", "op == resume"):
            app.history.add(text)
        await write(pilot, "", "ctrl+r")
        await write(pilot, "op")
        assert app.offered.chosen
        assert app.offered.chosen.text == "op == resume"
        await pilot.press("ctrl+r")
        assert app.offered.chosen.text == "op == hello"
        await pilot.press("tab")
        assert app.box.value == "op == hello"
        assert not app.offered.display
        await pilot.press("enter")
        await until(pilot, lambda: app.applied)


async def test_a_search_that_finds_nothing_is_over(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        await write(pilot, "ev", "ctrl+r")
        assert not app.offered.display
        await pilot.press("e")
        assert app.offered.chosen
        assert app.offered.chosen.text == "event"


async def test_the_filter_is_said_in_words_while_it_is_written(path: Path) -> None:
    async with (app := Bar(path)).run_test(size=(120, 20)) as pilot:
        await write(pilot, "op == heartbeat")
        await until(pilot, lambda: app.aside == "opcode Heartbeat")
        assert app.lines()[0].endswith("opcode Heartbeat")


async def test_rows_progress_and_narrowing_are_said(path: Path) -> None:
    async with (app := Bar(path)).run_test(size=(120, 20)) as pilot:
        app.bar.narrowing = "connection 2"
        assert app.aside == "only connection 2"
        app.bar.set("dir == send")
        app.bar.count, app.bar.progress = 1204, 0.996
        await until(pilot, lambda: app.aside == "connection 2, and sent  1,204 rows, 99 %")
        app.bar.count, app.bar.progress, app.bar.narrowing = 1, None, ""
        assert app.aside == "sent  1 row"
        app.bar.count = 0
        assert app.aside == "sent  0 rows"


async def test_a_long_filter_leaves_its_numbers_and_its_narrowing_at_80_columns(path: Path) -> None:
    async with (app := Bar(path)).run_test(size=(80, 20)) as pilot:
        app.bar.set("not (op in (heartbeat, heartbeat_ack)) and guild == 1180000000000000042 and dir == send")
        app.bar.narrowing, app.bar.count = "connection 2", 12
        await until(pilot, lambda: app.lines()[0].endswith("only connection 2  12 rows"))
        assert app.lines()[0].startswith(" filter ▸ not (op in (heartbeat")


async def test_set_shows_a_filter_and_posts_nothing(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        app.bar.set(" dir == send ")
        await pilot.pause()
        assert (app.bar.value, app.box.value) == ("dir == send", "dir == send")
        with pytest.raises(FilterError):
            app.bar.set("op ==")
        await pilot.pause()
        assert (app.bar.value, app.box.value) == ("dir == send", "dir == send")
        assert app.applied == []
        assert not app.offered.display


async def test_a_filter_that_is_set_before_the_bar_is_there_shows(path: Path) -> None:
    class Early(Bar):
        def compose(self) -> ComposeResult:
            bar = FilterBar(default(), self.glyphs, self.history)
            bar.set("dir == send")
            yield bar

    async with (app := Early(path)).run_test() as pilot:
        await until(pilot, lambda: app.box.value == "dir == send")


async def test_a_click_on_the_line_begins_to_write(path: Path) -> None:
    async with (app := Bar(path)).run_test() as pilot:
        await pilot.click(".filter-bar--label")
        await until(pilot, lambda: app.box.has_focus)


async def test_parts_of_a_filter_have_their_colours_and_an_error_is_underlined(path: Path) -> None:
    async with (app := Bar(path)).run_test(size=(120, 20)) as pilot:
        await write(pilot, "op == hello and opp == 1 or d.a == 2")
        await until(pilot, lambda: "^" in app.below)
        text = app.box._value
        styled = {text.plain[span.start : span.end]: span.style for span in text.spans}
        assert list(styled) == ["op", "hello", "and", "1", "or", "d.a", "2", "opp"]
        assert styled["op"] == styled["d.a"] != styled["hello"]
        assert styled["opp"].underline


@pytest.mark.parametrize("hostile", ["a\x1b[2Jb", "a\u202eb", "a\x07b", "[red]x[/red]"])
async def test_hostile_text_is_inert(path: Path, hostile: str) -> None:
    async with (app := Bar(path)).run_test(size=(120, 20)) as pilot:
        app.history.add(hostile)
        app.bar.set(f'event == "{hostile}"')
        app.bar.narrowing = hostile
        await write(pilot, "", "ctrl+u", "ctrl+r")
        app.box.value = f"{hostile} == 1"
        for _ in range(3):
            await pilot.pause()
            shown = "".join(app.lines())
            assert not {"\x1b", "\u202e", "\x07"} & set(shown)
        app.query_one(Button).focus()
        await until(pilot, lambda: not app.bar.has_class("writing"))
        assert not {"\x1b", "\u202e", "\x07"} & set("".join(app.lines()))
        if "red" in hostile:
            assert "[red]x[/red]" in app.lines()[0]


async def test_only_plain_characters_are_drawn_where_there_are_no_others(path: Path) -> None:
    async with (app := Bar(path, ASCII)).run_test(size=(80, 20)) as pilot:
        app.bar.narrowing = "connection 2"
        app.bar.set("hello")
        await until(pilot, lambda: '"hello" in the text' in app.lines()[0])
        assert app.lines()[0].startswith(" filter > hello")
        await write(pilot, " and e", "down")
        # The button below is Textual's own.
        for line in app.lines()[: 2 + LINES]:
            assert line.isascii() or line.strip("▔▁ ").isascii()


async def test_a_resize_makes_room_anew(path: Path) -> None:
    async with (app := Bar(path)).run_test(size=(120, 20)) as pilot:
        app.bar.set("op in (heartbeat, heartbeat_ack) and dir == send")
        await until(pilot, lambda: "opcode" in app.aside)
        await pilot.resize_terminal(60, 20)
        await until(pilot, lambda: app.aside == "")
        await pilot.resize_terminal(120, 20)
        await until(pilot, lambda: "opcode" in app.aside)


async def test_every_key_is_described(path: Path) -> None:
    assert all(binding.description for binding in FilterBar.BINDINGS)
    async with (app := Bar(path)).run_test() as pilot:
        await write(pilot, "x" * 5)
        assert app.query_one(Input).value == "xxxxx"


async def test_a_resize_in_the_middle_of_writing_is_no_trouble(path: Path) -> None:
    """The box may hold more by then than the bar has been told of."""
    async with (app := Bar(path)).run_test(size=(120, 20)):
        app.bar.set("hello")
        app.box.value = "hello and"
        app.bar.on_resize()
