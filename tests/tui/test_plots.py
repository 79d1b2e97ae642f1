"""The plots: what they show, and where they lead."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from textual.app import App
from textual.binding import Binding
from textual.events import MouseScrollDown
from textual.pilot import Pilot

from inspector.analysis.measure import SIZES, Measured, Measures, NameTally
from inspector.model import Kind, Plane
from inspector.protocol.registry import default
from inspector.query.grammar import parse
from inspector.query.search import Search
from inspector.store.reader import Reader
from inspector.tui.lane_colours import DARK, variables
from inspector.tui.look import ASCII, UNICODE, Glyphs
from inspector.tui.screens.plots import PlotResult, PlotsScreen
from inspector.tui.widgets.charts.canvas import Canvas
from inspector.tui.widgets.charts.chart import Chart, TimeChart, amount, eighths, nice
from inspector.tui.widgets.charts.mix import COUNT, SORTS, MixChart, filter_of, tally_name
from inspector.tui.widgets.charts.traffic import DECODED, WIRE, TrafficChart
from inspector.tui.widgets.charts.trips import TripsChart
from tests.conversation import ACK, HEARTBEAT, Conversation, message, usual
from tests.tui.conftest import SAMPLES, screen_text, until

SECOND = 1_000_000_000
LARGE, SMALL = (120, 40), (80, 24)
STILL_LOOKING = PlotResult(at_ns=-1)


class Host(App[None]):
    """The plots and nothing else."""

    def __init__(self, path: Path, marks: Glyphs = UNICODE) -> None:
        super().__init__()
        self.plots = PlotsScreen(path, default(), marks, title="[b]bot[/b].gwcap")
        self.result: PlotResult | None = STILL_LOOKING

    def on_mount(self) -> None:
        self.push_screen(self.plots, self._done)

    def _done(self, result: PlotResult | None) -> None:
        self.result = result

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return variables(DARK)

    @property
    def mix(self) -> MixChart:
        return self.plots.query_one(MixChart)

    @property
    def messages(self) -> TrafficChart:
        return self.plots.query_one("#messages", TrafficChart)


async def counted(pilot: Pilot[None], host: Host) -> None:
    """Wait until all rows are counted and all charts painted."""
    await until(pilot, lambda: host.plots.measured.last and host.plots.measured.counted == host.plots.measured.last)
    await pilot.pause()


def shown(host: Host) -> str:
    return "\n".join(screen_text(host))  # type: ignore[arg-type]


def displayed(host: Host) -> list[str | None]:
    return [chart.id for chart in host.plots.query(Chart) if chart.display]


async def test_all_four_panels_share_a_large_screen() -> None:
    host = Host(SAMPLES / "voice.gwcap")
    async with host.run_test(size=LARGE) as pilot:
        await counted(pilot, host)
        assert displayed(host) == ["messages", "bytes", "trips", "mix"]
        text = shown(host)
        assert "[b]bot[/b].gwcap  37 rows" in text
        assert f"{UNICODE.receive} receive  22, at most" in text
        assert f"{UNICODE.send} send  9, at most" in text
        assert "heartbeat round trips, 3 on 3 connections" in text
        assert "median 2.1 ms, longest 2.1 ms, 1 answered" in text
        assert re.search(r"GUILD_CREATE +█* *▆+ +\d+ % +1", text)


@pytest.mark.parametrize("size", [SMALL, (99, 60), (160, 29)])
async def test_a_small_screen_shows_one_panel_at_a_time(size: tuple[int, int]) -> None:
    host = Host(SAMPLES / "voice.gwcap")
    async with host.run_test(size=size) as pilot:
        await counted(pilot, host)
        seen = []
        for _ in range(4):
            seen += displayed(host)
            assert host.plots.focused is not None
            assert displayed(host) == [host.plots.focused.id]
            await pilot.press("tab")
        assert seen == ["messages", "bytes", "trips", "mix"]
        assert displayed(host) == ["messages"]
        await pilot.press("left_square_bracket", "right_square_bracket", "shift+tab")
        assert displayed(host) == ["mix"]


async def test_panels_come_and_go_with_the_size_of_the_screen() -> None:
    host = Host(SAMPLES / "voice.gwcap")
    async with host.run_test(size=LARGE) as pilot:
        await pilot.press("tab")
        await pilot.resize_terminal(*SMALL)
        await until(pilot, lambda: displayed(host) == ["bytes"])
        await pilot.resize_terminal(*LARGE)
        await until(pilot, lambda: len(displayed(host)) == 4)


async def test_a_panel_zooms_in_and_out() -> None:
    host = Host(SAMPLES / "voice.gwcap")
    async with host.run_test(size=LARGE) as pilot:
        await pilot.press("tab", "tab", "z")
        assert displayed(host) == ["trips"]
        await pilot.press("tab")
        assert displayed(host) == ["mix"]
        await pilot.press("z")
        assert len(displayed(host)) == 4


@pytest.mark.parametrize("key", ["escape", "p", "q"])
async def test_leaving_chooses_nothing(key: str) -> None:
    host = Host(SAMPLES / "voice.gwcap")
    async with host.run_test(size=LARGE) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: host.result is None)


async def test_the_help_has_every_key() -> None:
    host = Host(SAMPLES / "voice.gwcap")
    async with host.run_test(size=(120, 70)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: "Event mix" in shown(host))
        text = shown(host)
        for binding in (binding for group in PlotsScreen.KEYS.values() for binding in group):
            assert isinstance(binding, Binding)
            assert (binding.tooltip or binding.description) in text
        await pilot.press("escape")
        assert host.screen is host.plots


async def test_the_cursor_is_on_the_same_time_in_every_chart() -> None:
    host = Host(SAMPLES / "voice.gwcap")
    async with host.run_test(size=LARGE) as pilot:
        await counted(pilot, host)
        assert host.messages.cursor is None
        await pilot.press("right", "right", "right", "left")
        await pilot.pause()
        assert host.messages.cursor == 1
        assert len({chart.cursor_ns for chart in host.plots.query(TimeChart)}) == 1
        await pilot.press("end")
        assert host.messages.cursor == len(host.plots.measured.columns(host.messages.room).volumes) - 1
        assert "5 received, 0 sent in 2.0 ms" in shown(host)
        await pilot.press("home")
        assert host.messages.cursor == 0
        await pilot.press("shift+right")
        assert host.messages.cursor == 10


async def test_the_first_key_brings_the_cursor_from_its_end() -> None:
    host = Host(SAMPLES / "voice.gwcap")
    async with host.run_test(size=LARGE) as pilot:
        await counted(pilot, host)
        await pilot.press("left")
        steps = len(host.plots.measured.columns(host.messages.room).volumes)
        assert host.messages.cursor == steps - 1


async def test_enter_goes_to_the_time_under_the_cursor() -> None:
    path = SAMPLES / "voice.gwcap"
    host = Host(path)
    async with host.run_test(size=LARGE) as pilot:
        await counted(pilot, host)
        await pilot.press("enter")
        assert host.result is STILL_LOOKING
        await pilot.press("right", "enter")
        await until(pilot, lambda: host.result is not STILL_LOOKING)
    reader = Reader(path)
    first = next(event for event in reader.all_events() if event.kind is not Kind.OPEN)
    reader.close()
    assert host.result is not None
    assert host.result.at_ns is not None
    assert 0 <= first.at_ns - host.result.at_ns < host.plots.measured.bucket_ns


async def test_clicks_point_and_two_of_them_go_there() -> None:
    host = Host(SAMPLES / "voice.gwcap")
    async with host.run_test(size=LARGE) as pilot:
        await counted(pilot, host)
        await pilot.click("#messages", offset=(11, 5))
        assert host.messages.cursor == 0
        await pilot.click("#messages", offset=(11, 5), times=2)
        await until(pilot, lambda: host.result is not None and host.result.at_ns is not None and host.result.at_ns > 0)


async def test_bytes_are_those_of_the_wire_or_decoded() -> None:
    host = Host(SAMPLES / "zlib-stream.gwcap")
    async with host.run_test(size=LARGE) as pilot:
        await counted(pilot, host)
        chart = host.plots.query_one("#bytes", TrafficChart)
        assert (chart.measure, host.mix.decoded) == (WIRE, False)
        await pilot.press("b")
        await pilot.pause()
        assert (chart.measure, host.mix.decoded) == (DECODED, True)
        assert "bytes decoded per second" in shown(host)
        await pilot.press("b")
        assert (chart.measure, host.mix.decoded) == (WIRE, False)


async def test_the_mix_is_sorted_by_any_of_its_numbers() -> None:
    host = Host(SAMPLES / "voice.gwcap")
    async with host.run_test(size=LARGE) as pilot:
        await counted(pilot, host)
        await pilot.press("shift+tab")
        for sort in SORTS:
            assert host.mix.sort is sort
            values = [sort.value(row, False) for row in host.mix.rows]
            assert values == sorted(values, reverse=True)
            assert f"event mix by {sort.title}, 22 names" in shown(host)
            await pilot.press("s")
            await pilot.pause()
        assert host.mix.sort is COUNT


async def test_the_mix_scrolls_with_its_cursor() -> None:
    host = Host(SAMPLES / "voice.gwcap")
    async with host.run_test(size=(80, 14)) as pilot:
        await counted(pilot, host)
        await pilot.press("shift+tab", "j", "j", "k")
        assert host.mix.cursor == 1
        await pilot.press("G")
        await pilot.pause()
        assert host.mix.cursor == 21
        assert tally_name(host.mix.rows[21], default()) in shown(host)
        assert tally_name(host.mix.rows[0], default()) not in shown(host)
        await pilot.press("pageup")
        assert 0 < host.mix.cursor < 21
        await pilot.press("pagedown", "g")
        assert host.mix.cursor == 0
        await pilot._post_mouse_events([MouseScrollDown], "#mix", offset=(5, 5))
        assert host.mix.cursor == 3


async def test_enter_filters_by_the_chosen_name() -> None:
    host = Host(SAMPLES / "plain-json.gwcap")
    async with host.run_test(size=LARGE) as pilot:
        await counted(pilot, host)
        first = filter_of(host.mix.rows[0], host.plots.measured, default())
        await pilot.press("shift+tab", "enter")
        await until(pilot, lambda: host.result is not STILL_LOOKING)
    assert first
    assert host.result == PlotResult(filter_text=first)


async def test_clicks_choose_a_name_and_its_title_sorts() -> None:
    host = Host(SAMPLES / "voice.gwcap")
    async with host.run_test(size=LARGE) as pilot:
        await counted(pilot, host)
        await pilot.click("#mix", offset=(5, 4))
        assert host.mix.cursor == 2
        await pilot.click("#mix", offset=(5, 1))
        assert host.mix.sort is not COUNT
        await pilot.click("#mix", offset=(5, 2), times=2)
        await until(pilot, lambda: host.result is not None and host.result.filter_text)


async def test_what_is_chosen_stays_chosen_while_rows_come(growing: Callable[[], Any]) -> None:
    capture = growing()
    capture.add(usual().happenings)
    host = Host(capture.path)
    async with host.run_test(size=LARGE) as pilot:
        await counted(pilot, host)
        await pilot.press("shift+tab", "end")
        chosen = host.mix.rows[host.mix.cursor]
        more = Conversation(connection=2).opens()
        for number in range(5):
            more.server(message("more", 5 + number))
        capture.add(more.client(HEARTBEAT).server(ACK).happenings)
        await until(pilot, lambda: len(host.plots.measured.round_trips) == 2)
        now = host.mix.rows[host.mix.cursor]
        assert (now.op, now.event) == (chosen.op, chosen.event)
    capture.finish()


async def test_an_empty_capture_says_so_and_fills(growing: Callable[[], Any]) -> None:
    capture = growing()
    host = Host(capture.path)
    async with host.run_test(size=LARGE) as pilot:
        await until(pilot, lambda: "No messages yet." in shown(host))
        assert "no rows yet" in shown(host)
        await pilot.press("right", "enter", "s", "shift+tab", "down", "enter")
        assert host.result is STILL_LOOKING
        capture.add(Conversation().opens().server(message("hello")).happenings)
        await until(pilot, lambda: "MESSAGE_CREATE" in shown(host))
        assert "No heartbeat has been answered yet." in shown(host)
    capture.finish()


async def test_a_capture_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    host = Host(tmp_path / "gone.gwcap")
    async with host.run_test(size=LARGE) as pilot:
        await until(pilot, lambda: "does not exist; check the name" in " ".join(shown(host).split()))


@pytest.mark.parametrize("size", [LARGE, SMALL, (20, 8), (34, 5)])
async def test_plain_terminals_get_plain_marks(size: tuple[int, int]) -> None:
    host = Host(SAMPLES / "hostile.gwcap", ASCII)
    async with host.run_test(size=size) as pilot:
        await counted(pilot, host)
        for keys in (["right"], ["tab"], ["tab"], ["tab"], ["s"], ["b"], ["z"]):
            await pilot.press(*keys)
            await pilot.pause()
            for chart in host.plots.query(Chart):
                for y in range(chart.size.height):
                    strip = chart.render_line(y)
                    assert strip.text.isascii()
                    assert strip.cell_length == chart.size.width


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.gwcap")), ids=lambda path: path.stem)
def test_every_name_leads_to_its_rows_and_no_others(path: Path) -> None:
    reader = Reader(path)
    measures = Measures(reader)
    measures.advance()
    found = measures.snapshot()
    for tally in found.tallies:
        text = filter_of(tally, found, default())
        assert text is not None
        search = Search(parse(text, default()), default())
        assert sum(len(step.found) for step in search.numbers(reader, 0, reader.last())) == tally.count, text
    reader.close()


def tally(**what: Any) -> NameTally:
    row = {"plane": Plane.GATEWAY, "kind": Kind.PAYLOAD, "op": 0, "event": None, **what}
    return NameTally(
        **row, count=1, wire_bytes=1, decoded_bytes=1, largest_wire=1, largest_decoded=1, sizes=(1,) * SIZES
    )


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (tally(event="MESSAGE_CREATE"), "event == MESSAGE_CREATE"),
        (tally(event='a" or "b'), r'event == "a\" or \"b"'),
        (tally(event="null"), 'event == "null"'),
        (tally(), "op == 0 and event == null"),
        (tally(op=11), "op == 11"),
        (tally(op=11, event="ODD"), "op == 11 and event == ODD"),
        (tally(op=None), "kind == payload and op == null"),
        (tally(kind=Kind.CONTROL, op=None, event="ping"), "kind == control and event == ping"),
        (tally(kind=Kind.UNDECODED, op=None), "kind == undecoded"),
        (tally(plane=Plane.VOICE, op=3), "plane == voice and op == 3"),
        (tally(plane=Plane.REMOTE_AUTH, op="heartbeat"), "plane == remote-auth and op == heartbeat"),
        (tally(plane=Plane.REMOTE_AUTH, op="made up"), None),
        (tally(op=-5), None),
        (tally(event="X" * 80), None),
    ],
)
def test_a_filter_names_what_a_line_counts(row: NameTally, text: str | None) -> None:
    assert filter_of(row, Measured(tallies=(row,)), default()) == text
    if text:
        parse(text, default())


def test_names_from_the_wire_are_inert() -> None:
    assert "\x1b" not in tally_name(tally(event="\x1b[31mred"), default())
    assert tally_name(tally(plane=Plane.VOICE, op=3), default()) == "voice: Heartbeat"


def test_scales_end_at_round_numbers() -> None:
    assert [nice(value) for value in (0.3, 1, 1.5, 3, 7, 10, 11, 99, 2001)] == [1, 1, 2, 5, 10, 10, 20, 100, 5000]


def test_amounts_are_short() -> None:
    values = (0, 0.25, 4, 9.96, 1234, 45_678, 12_345_678)
    assert [amount(value) for value in values] == ["0", "0.2", "4", "10", "1,234", "46k", "12M"]


def test_the_least_there_is_shows() -> None:
    assert [eighths(value, 100, 4) for value in (0, 0.001, 50, 100, 200)] == [0, 1, 16, 32, 32]


def test_wide_characters_take_two_cells() -> None:
    canvas = Canvas(6, 1)
    canvas.put(0, 0, "字é字")
    canvas.put(5, 0, "字")
    strip = canvas.line(0, lambda text, style: Segment(text))
    assert strip.text == "字é字 "
    assert cell_len(strip.text) == strip.cell_length == 6


async def test_round_trips_of_one_connection_are_dots_and_of_several_numbers(growing: Callable[[], Any]) -> None:
    capture = growing()
    capture.add(usual().happenings)
    host = Host(capture.path)
    async with host.run_test(size=LARGE) as pilot:
        await counted(pilot, host)
        chart = host.plots.query_one(TripsChart)
        drawn = [chart.render_line(y).text for y in range(chart.size.height - 2)]
        assert any(UNICODE.bullet in line for line in drawn)
        capture.add(usual(connection=2).happenings)
        await until(pilot, lambda: len(host.plots.measured.round_trips) == 2)
        await pilot.pause()
        drawn = [chart.render_line(y).text for y in range(chart.size.height - 4)]
        assert any("1" in line[9:] or "2" in line[9:] for line in drawn)
        assert not any(UNICODE.bullet in line for line in drawn)
    capture.finish()
