import re
from datetime import UTC
from functools import cache
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from rich.cells import cell_len

from inspector.model import Finding, Severity
from inspector.protocol.registry import default
from inspector.report.present import Shown
from inspector.report.recording import Recording
from inspector.tui.look import ASCII, UNICODE, Glyphs
from inspector.tui.widgets.timeline.columns import TIME_TITLES, Columns, TimeMode
from inspector.tui.widgets.timeline.timeline import Timeline

SAMPLES = Path(__file__).parents[2] / "sample_captures"
MODES: list[TimeMode] = ["clock", "start", "previous"]
WIDTHS = range(40, 241)


@cache
def sample_rows() -> list[Shown]:
    found = []
    for path in sorted(SAMPLES.glob("*.gwcap")):
        recording = Recording(path, default())
        found += recording.lines(range(1, recording.reader.last() + 1))
        recording.close()
    return found


def cells_of(columns: Columns, shown: Shown, mark: str = "", cursor: bool = False) -> list[str]:
    at = shown.event.at_ns
    found = columns.cells(shown, start_ns=at - 10**9, previous_ns=at - 10**6, cursor=cursor, mark=mark)
    return [cell.text for cell in found]


def titled(width: int, mode: TimeMode = "clock") -> str:
    return "".join(cell.text for cell in Columns(width, UNICODE, mode).titles())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("marks", [UNICODE, ASCII])
@given(width=st.integers(40, 240), data=st.data(), mark=st.sampled_from(["", "n", "*"]), cursor=st.booleans())
def test_cells_are_as_wide_as_their_titles(
    mode: TimeMode, marks: Glyphs, width: int, data: st.DataObject, mark: str, cursor: bool
) -> None:
    columns = Columns(width, marks, mode, zone=UTC)
    shown = data.draw(st.sampled_from(sample_rows()))
    titles = sum(cell_len(cell.text) for cell in columns.titles())
    assert sum(map(cell_len, cells_of(columns, shown, mark, cursor))) == titles


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", [40, 80, 90, 100, 120, 130, 140, 240])
def test_every_row_of_the_samples_has_its_columns_at_the_same_places(width: int, mode: TimeMode) -> None:
    columns = Columns(width, UNICODE, mode, zone=UTC)
    places = {tuple(accumulate(map(cell_len, cells_of(columns, shown)))) for shown in sample_rows()}
    assert len(places) == 1


def test_the_summary_has_what_is_left() -> None:
    for width in WIDTHS:
        columns = Columns(width, UNICODE, "clock")
        taken = sum(cell_len(cell.text) for cell in columns.titles())
        assert columns.room == max(width - taken, 10)


def test_the_summary_has_room_on_every_screen_that_is_usual() -> None:
    assert all(Columns(width, UNICODE, mode).room >= 18 for mode in MODES for width in range(80, 241))


@pytest.mark.parametrize(
    ("width", "there", "gone"),
    [
        (80, ["time", "conn", "direction", "op event"], ["seq", "bytes", "since row", "decoded"]),
        (88, ["bytes"], ["seq", "since row"]),
        (100, ["bytes", "seq"], ["since row"]),
        (118, ["bytes", "seq", "since row"], ["decoded"]),
        (140, ["wire → decoded", "seq", "since row"], []),
    ],
)
def test_what_matters_less_goes_first(width: int, there: list[str], gone: list[str]) -> None:
    text = titled(width)
    assert all(title in text for title in there)
    assert not any(title in text for title in gone)


@pytest.mark.parametrize("mode", MODES)
def test_the_title_says_which_time_it_is(mode: TimeMode) -> None:
    assert TIME_TITLES[mode] in titled(80, mode)


def test_the_time_since_the_row_above_stands_only_once() -> None:
    assert titled(240, "previous").count("since row") == 1


def first(**kind: object) -> Shown:
    return next(
        shown for shown in sample_rows() if all(getattr(shown.event, key) == value for key, value in kind.items())
    )


@pytest.mark.parametrize(
    ("mode", "said"), [("clock", r"\d\d:\d\d:\d\d\.\d{3} "), ("start", r" {5}\+1\.00 s"), ("previous", r" {7}\+1 ms")]
)
def test_the_time_can_be_said_in_three_ways(mode: TimeMode, said: str) -> None:
    columns = Columns(80, UNICODE, mode, zone=UTC)
    assert re.match(said, cells_of(columns, first(event="READY"))[4])


def test_the_first_row_follows_on_none() -> None:
    columns = Columns(80, UNICODE, "previous")
    shown = first(kind="open")
    found = [cell.text for cell in columns.cells(shown, start_ns=0, previous_ns=None, cursor=False, mark="")]
    assert not found[4].strip()


def test_a_clock_that_went_back_shows_no_negative_time() -> None:
    columns = Columns(80, UNICODE, "start")
    shown = first(kind="open")
    later = shown.event.at_ns + 5_000_000
    found = [cell.text for cell in columns.cells(shown, start_ns=later, previous_ns=None, cursor=False, mark="")]
    assert found[4].strip() == "+0 ms"


def test_every_style_is_one_of_the_timelines() -> None:
    columns = Columns(240, UNICODE, "clock")
    for shown in sample_rows():
        for cell in columns.cells(shown, start_ns=0, previous_ns=0, cursor=False, mark="n"):
            assert cell.style in Timeline.COMPONENT_CLASSES
    assert {cell.style for cell in columns.titles()} <= Timeline.COMPONENT_CLASSES


def test_trouble_is_a_letter_and_not_only_a_colour() -> None:
    columns = Columns(80, UNICODE, "clock")
    usual = first(event="READY")
    assert not cells_of(columns, usual)[2].strip()
    for severity in Severity:
        event = structs.replace(usual.event, findings=(Finding("a-rule", severity, "It was noticed.", usual.event.n),))
        assert cells_of(columns, structs.replace(usual, event=event))[2].strip() == severity.name[0]


def test_the_cursor_and_the_persons_mark_stand_before_the_time() -> None:
    columns = Columns(80, ASCII, "clock")
    assert cells_of(columns, first(event="READY"), mark="*", cursor=True)[:2] == ["+", "*"]


def test_what_is_drawn_without_unicode_is_ascii() -> None:
    """Names of events are as they came; the timeline makes their text plain."""
    columns = Columns(240, ASCII, "clock")
    usual = [shown for shown in sample_rows() if (shown.event.event or "").isascii()]
    assert all(text.isascii() for shown in usual for text in cells_of(columns, shown))
