from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inspector.analysis.cases import Case, Listed
from inspector.model import Finding, Plane, Severity
from inspector.protocol.registry import default
from inspector.report.recording import Recording
from inspector.tui.tasks import jumps
from inspector.tui.tasks.jumps import Jump, nearest, nearest_case
from inspector.tui.widgets.timeline.view import View
from tests.conversation import HELLO, Conversation
from tests.tui.conftest import Growing

Sample = Callable[[str], Path]


@pytest.fixture
def voice(sample: Sample) -> Iterator[Recording]:
    """Its closes are rows 24, 36 and 37; 24 and 36 are errors."""
    recording = Recording(sample("voice"), default())
    yield recording
    recording.close()


def holding(*numbers: int) -> View:
    view = View.filtered()
    view.append(array("q", numbers))
    return view


@pytest.mark.parametrize(
    ("jump", "current", "way", "found"),
    [
        ("close", 1, 1, 24),
        ("close", 24, 1, 36),
        ("close", 37, 1, None),
        ("close", 37, -1, 36),
        ("close", 24, -1, None),
        ("error", 1, 1, 24),
        ("error", 36, 1, None),
        ("error", 37, -1, 36),
    ],
)
def test_the_nearest_row_is_found_either_way(
    voice: Recording, jump: Jump, current: int, way: int, found: int | None
) -> None:
    assert nearest(voice, View(37), jump, current, way) == found


def test_only_rows_of_the_view_count(voice: Recording) -> None:
    assert nearest(voice, holding(1, 2, 37), "close", 1, 1) == 37
    assert nearest(voice, holding(1, 2), "close", 1, 1) is None
    assert nearest(voice, View.filtered(), "close", 0, 1) is None


def test_rows_that_are_recorded_but_not_yet_shown_do_not_count(voice: Recording) -> None:
    assert nearest(voice, View(10), "close", 1, 1) is None


def test_a_filter_may_leave_out_more_than_are_asked_for_at_once(growing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jumps, "_BATCH", 3)
    capture: Growing = growing()
    for number in range(1, 21):
        capture.add(Conversation(connection=number).opens().server(HELLO).closes(4000).happenings)
    capture.finish()
    recording = Recording(capture.path, default())
    closes = [n for n in range(1, 61) if recording.lines([n])[0].event.closed]
    assert len(closes) == 20
    assert nearest(recording, holding(closes[-1]), "close", 0, 1) == closes[-1]
    assert nearest(recording, holding(closes[0]), "close", 61, -1) == closes[0]
    assert nearest(recording, holding(2), "error", 0, 1) is None
    recording.close()


def case(row: int, *more: int) -> Case:
    found = [Listed(n, n, 1, Plane.GATEWAY, Finding("a-rule", Severity.WARN, "So it is.", n)) for n in (row, *more)]
    return Case(found[0], tuple(found))


@pytest.mark.parametrize(
    ("current", "way", "found"), [(1, 1, 5), (5, 1, 20), (20, 1, None), (20, -1, 5), (6, -1, 5), (5, -1, None)]
)
def test_of_each_case_only_the_first_row_is_a_stop(current: int, way: int, found: int | None) -> None:
    assert nearest_case([case(20), case(5, 6, 7, 21)], View(30), current, way) == found


def test_a_case_whose_row_is_not_in_the_view_is_no_stop() -> None:
    assert nearest_case([case(20), case(5), case(9)], holding(9), 1, 1) == 9
    assert nearest_case([case(20)], View(10), 1, 1) is None
