from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inspector.model import Finding, Severity
from inspector.protocol.registry import default
from inspector.report.recording import Recording
from inspector.tui.tasks import jumps
from inspector.tui.tasks.jumps import Jump, nearest
from inspector.tui.widgets.timeline.view import View
from tests.conversation import HELLO, Conversation
from tests.tui.conftest import Growing
from tests.tui.noticed import notice

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
        ("finding", 24, 1, 36),
        ("finding", 24, -1, None),
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


def test_it_stops_at_every_row_that_the_timeline_marks(sample: Sample) -> None:
    path = sample("resume")
    notice(path, [Finding("a-rule", severity, "It was noticed.", int(severity) * 4) for severity in Severity])
    recording = Recording(path, default())
    view = View(recording.reader.last())
    marked = [shown.event.n for shown in recording.lines(view.numbers) if shown.event.findings]
    stops, at = [], 0
    while (found := nearest(recording, view, "finding", at, 1)) is not None:
        stops.append(found)
        at = found
    assert stops == marked == [4, 8, 12]
    recording.close()
