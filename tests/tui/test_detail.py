import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.style import Style
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.pilot import Pilot
from textual.widget import Widget

from inspector.errors import CaptureError, UsageError
from inspector.inert import inert
from inspector.model import Kind
from inspector.protocol.registry import default
from inspector.query.grammar import parse
from inspector.query.tree import InPayload
from inspector.report.recording import Recording
from inspector.session.redact import HIDDEN
from inspector.tui.look import ASCII, UNICODE, Glyphs
from inspector.tui.widgets.detail import Detail
from inspector.tui.widgets.detail.lines import Lines
from inspector.tui.widgets.detail.pane import Foot, TabTitles
from inspector.tui.widgets.detail.payload import filter_for

SAMPLES = Path(__file__).parents[2] / "sample_captures"
# Rows of zlib-stream.gwcap.
OPEN, IDENTIFY, GUILD, MESSAGE, NEXT_MESSAGE, ACK, CLOSE = 1, 3, 6, 7, 8, 15, 21
PAYLOAD, JSON, EXPLAIN, WIRE, COMPARE, FINDINGS = range(6)


class Host(App[None]):
    """Nothing but the pane."""

    def __init__(self, row: int | None = MESSAGE, sample: str = "zlib-stream", glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self.row = row
        self.recording = Recording(SAMPLES / f"{sample}.gwcap", default())
        self.detail = Detail(glyphs=glyphs, id="detail")
        self.said: list[Message] = []

    def compose(self) -> ComposeResult:
        yield self.detail

    def on_mount(self) -> None:
        self.show(self.row)
        self.detail.focus_content()

    def show(self, row: int | None) -> None:
        self.detail.show(None if row is None else self.recording.shown(row), self.recording)

    def on_detail_copied(self, message: Detail.Copied) -> None:
        self.said.append(message)

    def on_detail_filter(self, message: Detail.Filter) -> None:
        self.said.append(message)

    def on_detail_goto(self, message: Detail.Goto) -> None:
        self.said.append(message)

    @property
    def lines(self) -> list[str]:
        return painted(self.detail.tab)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def foot(self) -> str:
        return painted(self.query_one(Foot))[0]

    @property
    def heading(self) -> str:
        return painted(self.query_one(TabTitles))[0]

    @property
    def under_cursor(self) -> str:
        tab = self.detail.payload
        return painted(tab)[tab.cursor - tab.scroll_offset.y]


def painted(widget: Widget) -> list[str]:
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    for _ in range(300):
        if condition():
            return
        await pilot.pause()
    raise AssertionError("it never came about")


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


async def to_line(pilot: Pilot[None], app: Host, *path: str | int) -> None:
    """Put the cursor on a line."""
    app.detail.payload.to_line(app.detail.payload._outline.line_of(path))
    await pilot.pause()
    assert app.detail.payload._outline.lines[app.detail.payload.cursor].path == path


# The payload.


async def test_the_payload_stands_as_a_tree_with_what_its_values_mean() -> None:
    app = Host()
    async with app.run_test(size=(110, 30)):
        assert any('channel_id       "1000000000000000110"  general' in line for line in app.lines)
        assert any("author" in line and "username:" in line for line in app.lines)


async def test_the_row_is_named_beside_the_tabs() -> None:
    app = Host()
    async with app.run_test(size=(110, 30)):
        assert app.heading.endswith("0 MESSAGE_CREATE  row 7")


async def test_arrows_unfold_and_fold() -> None:
    app = Host()
    async with app.run_test(size=(110, 30)) as pilot:
        await to_line(pilot, app, "d", "author")
        await press(pilot, "right")
        assert "invented111" in app.text and "object, 8 keys" in app.under_cursor  # noqa: PT018
        await press(pilot, "right")
        assert app.under_cursor.split()[1] == "id"
        await press(pilot, "left")
        assert "author" in app.under_cursor
        await press(pilot, "left")
        assert "object, 8 keys" not in app.under_cursor
        await press(pilot, "left")
        assert app.detail.payload.cursor == 0


@pytest.mark.parametrize("key", ["enter", "space"])
async def test_one_key_folds_and_unfolds(key: str) -> None:
    app = Host()
    async with app.run_test(size=(110, 30)) as pilot:
        assert app.detail.payload.line_count() > 1
        await press(pilot, key)
        assert app.detail.payload.line_count() == 1
        await press(pilot, key)
        assert app.detail.payload.line_count() > 1


async def test_a_click_unfolds() -> None:
    app = Host()
    async with app.run_test(size=(110, 30)) as pilot:
        line = next(number for number, text in enumerate(app.lines) if "author" in text)
        await pilot.click(type(app.detail.payload), offset=(12, line))
        assert app.detail.payload.cursor == line
        assert "object, 8 keys" in app.under_cursor


async def test_the_wheel_scrolls_and_takes_the_cursor_along() -> None:
    app = Host(GUILD)
    async with app.run_test(size=(110, 12)) as pilot:
        await pilot._post_mouse_events([_wheel()], type(app.detail.payload), offset=(5, 5))
        await until(pilot, lambda: app.detail.payload.scroll_offset.y > 0)
        await until(pilot, lambda: app.detail.payload.cursor >= app.detail.payload.scroll_offset.y)


async def test_everything_below_unfolds_and_all_folds() -> None:
    app = Host()
    async with app.run_test(size=(110, 60)) as pilot:
        await press(pilot, "asterisk")
        assert "invented111" in app.text
        assert "joined_at" in app.text
        await press(pilot, "minus")
        assert 'invented111"' not in app.text.replace('username: "invented111"', "")
        assert all(line.depth <= 1 for line in app.detail.payload._outline.lines)


async def test_flags_unfold_into_their_names() -> None:
    app = Host(IDENTIFY)
    async with app.run_test(size=(110, 60)) as pilot:
        await to_line(pilot, app, "d", "intents")
        assert "GUILDS, GUILD_MEMBERS" in app.under_cursor
        await press(pilot, "right")
        assert "GUILD_MEMBERS (privileged)" in [line.strip() for line in app.lines]
        assert "3276799" in app.under_cursor


async def test_what_was_unfolded_comes_into_sight() -> None:
    app = Host(IDENTIFY)
    async with app.run_test(size=(80, 10)) as pilot:
        await press(pilot, "end", "right")
        assert "intents" in app.lines[0]
        assert "GUILDS" in app.lines[1]


async def test_a_long_text_unfolds_into_lines() -> None:
    app = Host()
    async with app.run_test(size=(60, 40)) as pilot:
        await to_line(pilot, app, "d", "content")
        assert app.under_cursor.endswith('…"')
        before = app.detail.payload.line_count()
        await press(pilot, "enter")
        assert app.detail.payload.line_count() > before + 1


async def test_the_bottom_line_says_where_the_cursor_is() -> None:
    app = Host()
    async with app.run_test(size=(110, 30)) as pilot:
        await until(pilot, lambda: app.foot.startswith(" d "))
        assert app.foot.endswith("object, 19 keys")
        await press(pilot, "j")
        await until(pilot, lambda: app.foot.startswith(" d.id "))
        assert app.foot.endswith("string  2023-04-24 10:07 UTC")


async def test_the_keys_of_hands_move_the_cursor() -> None:
    app = Host(GUILD)
    async with app.run_test(size=(110, 12)) as pilot:
        tab = app.detail.payload

        async def lands(key: str, line: int) -> None:
            await press(pilot, key)
            assert tab.cursor == line
            assert 0 <= line - tab.scroll_offset.y < tab.size.height

        last = tab.line_count() - 1
        for key, line in [
            ("j", 1), ("down", 2), ("k", 1), ("up", 0), ("up", 0), ("pagedown", 9), ("ctrl+f", 18), ("pageup", 9),
            ("ctrl+b", 0), ("ctrl+d", 4), ("ctrl+u", 0), ("G", last), ("g", 0), ("end", last), ("down", last),
            ("home", 0),
        ]:  # fmt: skip
            await lands(key, line)


async def test_another_row_of_the_kind_keeps_what_is_unfolded_and_the_cursor() -> None:
    app = Host()
    async with app.run_test(size=(110, 40)) as pilot:
        await to_line(pilot, app, "d", "author")
        await press(pilot, "right", "down", "down")
        assert "invented111" in app.under_cursor
        app.show(NEXT_MESSAGE)
        await pilot.pause()
        assert "username" in app.under_cursor and "invented104" in app.under_cursor  # noqa: PT018


async def test_a_row_of_another_kind_is_read_from_the_top_and_the_first_remembers() -> None:
    app = Host()
    async with app.run_test(size=(110, 40)) as pilot:
        await to_line(pilot, app, "d", "author")
        await press(pilot, "right")
        app.show(GUILD)
        await pilot.pause()
        assert (app.detail.payload.cursor, app.detail.payload.scroll_offset.y) == (0, 0)
        app.show(MESSAGE)
        await pilot.pause()
        assert "avatar_decoration_data" in app.text


async def test_the_same_row_again_stays_where_it_is() -> None:
    app = Host(IDENTIFY)
    async with app.run_test(size=(80, 10)) as pilot:
        await to_line(pilot, app, "d", "token")
        assert HIDDEN in app.under_cursor
        app.recording.reveal = True
        app.show(IDENTIFY)
        await pilot.pause()
        assert "token" in app.under_cursor and HIDDEN not in app.under_cursor  # noqa: PT018


async def test_rows_that_are_no_payload_show_what_is_known_of_them() -> None:
    app = Host(CLOSE)
    async with app.run_test(size=(110, 40)) as pilot:
        assert "Normal Closure" in app.text
        app.show(OPEN)
        await pilot.pause()
        assert "user-agent" in app.text


@pytest.mark.parametrize(("row", "said"), [(None, "No row is chosen."), (ACK, "This row has no body.")])
async def test_what_is_not_there_is_said(row: int | None, said: str) -> None:
    app = Host(row, sample="plain-json" if row is None else "zlib-stream")
    async with app.run_test(size=(110, 40)) as pilot:
        for _ in app.detail.tabs:
            await press(pilot, "right_square_bracket")
        assert app.lines[0].strip() == said or "{" in app.lines[0] or "null" in app.lines[0]
        for key in ("enter", "asterisk", "minus", "left", "right", "down", "end", "equals_sign", "y", "Y", "ctrl+y"):
            await press(pilot, key)


# Copying and filtering.


async def copied(pilot: Pilot[None], app: Host, key: str) -> Detail.Copied:
    app.said.clear()
    await press(pilot, key)
    await until(pilot, lambda: app.said)
    found = app.said[-1]
    assert isinstance(found, Detail.Copied)
    return found


async def test_the_value_under_the_cursor_is_copied_whole() -> None:
    app = Host()
    async with app.run_test(size=(60, 40)) as pilot:
        d = app.recording.shown(MESSAGE).d  # type: ignore[union-attr]
        await to_line(pilot, app, "d", "content")
        assert await copied(pilot, app, "y") == Detail.Copied(d["content"], "d.content")
        await to_line(pilot, app, "d", "type")
        assert (await copied(pilot, app, "y")).text == "0"
        await to_line(pilot, app, "d", "author")
        assert json.loads((await copied(pilot, app, "y")).text) == d["author"]


async def test_the_path_under_the_cursor_is_copied() -> None:
    app = Host()
    async with app.run_test(size=(60, 40)) as pilot:
        await to_line(pilot, app, "d", "author")
        assert (await copied(pilot, app, "Y")).text == "d.author"


async def test_the_payload_is_copied_as_json_from_any_tab() -> None:
    app = Host(IDENTIFY)
    async with app.run_test(size=(60, 40)) as pilot:
        for number in range(len(app.detail.tabs)):
            app.detail.choose(number)
            await pilot.pause()
            found = json.loads((await copied(pilot, app, "ctrl+y")).text)
            assert found["token"].startswith(HIDDEN)


@pytest.mark.parametrize(
    ("number", "what"), [(JSON, '"content": '), (EXPLAIN, "MESSAGE_CREATE"), (WIRE, "00000000  "), (COMPARE, "~ d.id")]
)
async def test_the_text_of_other_tabs_is_copied(number: int, what: str) -> None:
    app = Host(NEXT_MESSAGE)
    async with app.run_test(size=(110, 40)) as pilot:
        app.detail.choose(number)
        await pilot.pause()
        assert what in (await copied(pilot, app, "y")).text


async def test_rows_are_filtered_by_the_value_under_the_cursor() -> None:
    app = Host()
    async with app.run_test(size=(110, 40)) as pilot:
        await to_line(pilot, app, "d", "guild_id")
        await press(pilot, "equals_sign")
        await until(pilot, lambda: app.said)
        assert app.said == [Detail.Filter('d.guild_id == "1000000000000000100"')]


async def test_a_masked_value_is_nothing_to_filter_by_and_that_is_said() -> None:
    app = Host(IDENTIFY)
    async with app.run_test(size=(110, 40), notifications=True) as pilot:
        await to_line(pilot, app, "d", "token")
        await press(pilot, "equals_sign")
        await until(pilot, lambda: len(app._notifications))
        assert "masked" in next(iter(app._notifications)).message
        assert not app.said


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("d", "guild_id"), "123", 'd.guild_id == "123"'),
        (("d", "roles", 3, "id"), 5, "d.roles.*.id == 5"),
        (("d", "name"), 'say "hi" \\', 'd.name == "say \\"hi\\" \\\\"'),
        (("d", "nick"), None, "d.nick == null"),
        (("d", "bot"), True, "d.bot == true"),
        (("d", "lat"), 1.5, "d.lat == 1.5"),
        (("d", "author"), {"id": 1}, "d.author"),
    ],
)
def test_filters_say_what_is_under_the_cursor(path: Any, value: object, text: str) -> None:
    assert filter_for(path, value, default()) == text
    found = parse(text, default())
    assert isinstance(found, InPayload)
    assert found.path == tuple("*" if isinstance(step, int) else step for step in path[1:])
    assert isinstance(value, dict) or found.values == (value,)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("d",), {}),
        (("trace", "x"), 1),
        (("d", "a.b"), 1),
        (("d", "a b"), 1),
        (("d", ""), 1),
        (("d", "x"), "\x1b[2J"),
        (("d", "x"), b"\xff"),
        (("d", "x"), HIDDEN + "9f3a"),
        (("d", "x"), "y" * 5000),
        pytest.param(("d", "x"), 1 << 20_000, id="many digits"),
        (("d", *"abcdefghijklmnopqrst"), 1),
    ],
)
def test_what_no_filter_can_say_is_refused_with_a_sentence(path: Any, value: object) -> None:
    with pytest.raises(UsageError, match=r"^[A-Z].*\.$"):
        filter_for(path, value, default())


# The tabs.


async def test_brackets_go_from_tab_to_tab_and_round() -> None:
    app = Host()
    async with app.run_test(size=(110, 20)) as pilot:
        seen = []
        for _ in range(6):
            seen.append(app.detail.tab.title)
            assert app.focused is app.detail.tab
            await press(pilot, "right_square_bracket")
        assert seen == ["Payload", "JSON", "Explain", "Wire", "Compare", "Findings"]
        assert app.detail.active == PAYLOAD
        await press(pilot, "left_square_bracket")
        assert app.detail.active == FINDINGS


async def test_the_tab_says_whether_keys_go_there() -> None:
    app = Host()
    async with app.run_test(size=(110, 20)) as pilot:
        await until(pilot, lambda: _title_style(app).reverse)
        app.set_focus(None)
        await until(pilot, lambda: _title_style(app).underline and not _title_style(app).reverse)
        app.detail.focus_content()
        await until(pilot, lambda: _title_style(app).reverse)


async def test_a_click_chooses_a_tab() -> None:
    app = Host()
    async with app.run_test(size=(110, 20)) as pilot:
        await pilot.click(TabTitles, offset=(app.heading.index("Wire") + 1, 0))
        assert app.detail.active == WIRE
        assert app.focused is app.detail.wire


async def test_the_tab_stays_when_the_row_changes_and_only_it_is_filled() -> None:
    app = Host()
    async with app.run_test(size=(110, 20)) as pilot:
        app.detail.choose(JSON)
        app.show(NEXT_MESSAGE)
        await pilot.pause()
        assert app.detail.active == JSON
        assert [tab.number for tab in app.detail.tabs] == [MESSAGE, NEXT_MESSAGE, 0, 0, 0, 0]
        app.detail.choose(PAYLOAD)
        assert app.detail.payload.number == NEXT_MESSAGE


async def test_the_bottom_line_is_that_of_the_tab_in_sight() -> None:
    app = Host()
    async with app.run_test(size=(110, 20)) as pilot:
        app.detail.choose(JSON)
        await until(pilot, lambda: app.foot.strip() == "42 lines")
        app.detail.choose(PAYLOAD)
        await until(pilot, lambda: app.foot.startswith(" d "))


async def test_json_is_the_text_of_the_body() -> None:
    app = Host()
    async with app.run_test(size=(300, 60)) as pilot:
        app.detail.choose(JSON)
        await pilot.pause()
        assert json.loads(app.text) == app.recording.shown(MESSAGE).d  # type: ignore[union-attr]


async def test_json_scrolls_both_ways() -> None:
    app = Host()
    async with app.run_test(size=(60, 12)) as pilot:
        app.detail.choose(JSON)
        await pilot.pause()
        assert app.lines[0].strip() == "{"
        await press(pilot, "end")
        assert app.lines[-1].strip() == "}"
        await press(pilot, "g", "right")
        assert app.detail.tab.scroll_offset.x > 0
        await press(pilot, "left", "down")
        assert app.detail.tab.scroll_offset == (0, 1)


async def test_unknown_keys_of_the_envelope_stand_beside_the_body() -> None:
    app = Host(21, sample="hostile")
    async with app.run_test(size=(110, 40)) as pilot:
        assert [line.label for line in app.detail.payload._outline.lines if not line.depth] == ["d", "trace\\x1b[31m"]
        app.detail.choose(JSON)
        await pilot.pause()
        assert '"d": ' in app.text


async def test_an_explanation_names_its_source() -> None:
    app = Host()
    async with app.run_test(size=(110, 40)) as pilot:
        app.detail.choose(EXPLAIN)
        await pilot.pause()
        assert "Someone wrote a message." in app.text
        assert "https://" in app.text


@pytest.mark.parametrize("width", [24, 40, 80, 140])
async def test_an_explanation_is_wrapped_to_the_width_there_is(width: int) -> None:
    app = Host(CLOSE)
    async with app.run_test(size=(140, 20)) as pilot:
        app.detail.choose(EXPLAIN)
        await pilot.resize_terminal(width, 20)
        await until(pilot, lambda: app.size.width == width and app.detail.tab.room <= width)
        words = " ".join(_all_lines(app.detail.tab)).split()
        assert words[words.index("The") :][:5] == ["The", "client", "ended", "its", "session:"]
        assert all(len(line) <= width for line in _all_lines(app.detail.tab))


async def test_the_wire_has_facts_and_bytes() -> None:
    app = Host()
    async with app.run_test(size=(110, 40)) as pilot:
        app.detail.choose(WIRE)
        await pilot.pause()
        assert "320 B in 1 frame" in app.text
        assert "zlib-stream" in app.text
        dumped = [line for line in app.lines if line.startswith("  00000")]
        assert len(dumped) == 20
        await until(pilot, lambda: "w decoded bytes" in app.foot)


async def test_decoded_bytes_are_a_key_away() -> None:
    app = Host()
    async with app.run_test(size=(110, 40)) as pilot:
        app.detail.choose(WIRE)
        await press(pilot, "w")
        assert '{"t":"MESSAGE_CR' in app.text
        await press(pilot, "w")
        assert '{"t":"MESSAGE_CR' not in app.text


async def test_a_row_without_frames_says_so() -> None:
    app = Host(OPEN)
    async with app.run_test(size=(110, 40)) as pilot:
        app.detail.choose(WIRE)
        await pilot.pause()
        assert "this row is not a message" in app.text


async def test_changes_since_the_previous_of_the_kind_are_listed() -> None:
    app = Host(NEXT_MESSAGE)
    async with app.run_test(size=(110, 40)) as pilot:
        app.detail.choose(COMPARE)
        await pilot.pause()
        assert app.lines[0].startswith(" Compared with row 7")
        assert "8 changed, 21 the same" in app.lines[1]
        assert any("~ d.author.username" in line and '"invented111" → "invented104"' in line for line in app.lines)
        assert any(line.startswith("     - winter compass") for line in app.lines)


async def test_older_rows_can_be_compared_with_and_gone_to() -> None:
    app = Host(NEXT_MESSAGE + 1)
    async with app.run_test(size=(110, 40), notifications=True) as pilot:
        app.detail.choose(COMPARE)
        await press(pilot, "less_than_sign")
        assert app.lines[0].startswith(" Compared with row 7")
        await press(pilot, "less_than_sign")
        assert app.lines[0].startswith(" Compared with row 7")
        await until(pilot, lambda: len(app._notifications))
        await press(pilot, "greater_than_sign")
        assert app.lines[0].startswith(" Compared with row 8")
        await press(pilot, "enter")
        await until(pilot, lambda: app.said)
        assert app.said == [Detail.Goto(8)]


async def test_the_first_of_its_kind_has_nothing_to_compare_with() -> None:
    app = Host(MESSAGE)
    async with app.run_test(size=(110, 40)) as pilot:
        app.detail.choose(COMPARE)
        await pilot.pause()
        assert "no earlier row of this kind" in app.text
        await press(pilot, "enter", "less_than_sign", "greater_than_sign")
        assert not app.said


# Manners.


def test_every_key_says_what_it_does() -> None:
    # The first of the digits speaks for all of them.
    others = [each for each in Detail.BINDINGS if not (isinstance(each, Binding) and each.key in list("23456789"))]
    assert all(isinstance(binding, Binding) and binding.description for binding in others)


async def test_keys_of_one_tab_are_left_to_others_elsewhere() -> None:
    app = Host()
    async with app.run_test(size=(110, 20)) as pilot:
        assert not app.detail.check_action("decoded", ())
        app.detail.choose(WIRE)
        await pilot.pause()
        assert app.detail.check_action("decoded", ())
        assert not app.detail.check_action("filter", ())


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("sample", ["hostile", "voice"])
async def test_whatever_is_in_a_row_is_inert_in_every_tab(sample: str, glyphs: Glyphs) -> None:
    app = Host(None, sample, glyphs)
    async with app.run_test(size=(70, 20)) as pilot:
        for number, tab in enumerate(app.detail.tabs):
            app.detail.choose(number)
            await pilot.pause()
            for row in range(1, app.recording.reader.last() + 1):
                app.show(row)
                if number == PAYLOAD:
                    app.detail.action_unfold_below()
                for line in [*_all_lines(tab), app.heading]:
                    assert inert(line) == line
                    assert not glyphs.ascii or line.isascii()


async def test_markup_is_shown_as_it_was_sent() -> None:
    app = Host(10, sample="hostile")
    async with app.run_test(size=(160, 40)) as pilot:
        await to_line(pilot, app, "d", "content")
        assert "[bold]bold[/bold] [/] [link=" in app.under_cursor


@pytest.mark.parametrize("size", [(80, 10), (40, 6), (12, 3), (3, 1)])
async def test_small_screens_are_no_trouble(size: tuple[int, int]) -> None:
    app = Host(NEXT_MESSAGE)
    async with app.run_test(size=size) as pilot:
        for _ in app.detail.tabs:
            await press(pilot, "down", "end", "home", "right", "enter", "pagedown", "right_square_bracket")
            assert all(len(line) <= size[0] for line in app.lines)


async def test_a_line_that_goes_on_ends_in_a_mark() -> None:
    app = Host()
    async with app.run_test(size=(50, 60)) as pilot:
        app.detail.choose(JSON)
        await pilot.pause()
        assert next(line for line in app.lines if '"content"' in line).endswith("…")


async def test_a_capture_that_cannot_be_read_any_more_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Host()
    async with app.run_test(size=(110, 20), notifications=True) as pilot:

        def fails(event: object) -> None:
            raise CaptureError("x.gwcap is damaged")

        monkeypatch.setattr(app.recording, "previous_like", fails)
        app.detail.choose(COMPARE)
        await until(pilot, lambda: len(app._notifications))
        assert next(iter(app._notifications)).message == "x.gwcap is damaged"


async def test_every_row_of_every_sample_can_be_shown() -> None:
    for path in SAMPLES.glob("*.gwcap"):
        app = Host(None, path.stem)
        async with app.run_test(size=(90, 24)) as pilot:
            for row in range(1, app.recording.reader.last() + 1):
                app.show(row)
                assert app.detail.payload.number == row
                shown = app.recording.shown(row)
                assert shown is not None
                assert shown.event.kind is Kind.PAYLOAD or len(app.detail.payload._outline.lines) > 1
            await pilot.pause()


def _all_lines(tab: Lines) -> list[str]:
    """All lines of a tab, in sight or not, up to the width of a screen."""
    return [tab._painted(line).text for line in range(min(tab.line_count(), 600))]


def _title_style(app: Host) -> Style:
    style = next(iter(app.query_one(TabTitles).render_line(0))).style
    assert style is not None
    return style


def _wheel() -> type:
    from textual.events import MouseScrollDown

    return MouseScrollDown
