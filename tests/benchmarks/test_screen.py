"""The screen's benchmark: that its instruments see what they are meant to see."""

import time
from itertools import islice

import pytest

from benchmarks.corpus import build
from benchmarks.headless import MARKER, SIZE, Bare, Eye, Hand, lateness
from benchmarks.screen import CONNECTIONS, connections, judged, percentile
from inspector.model import Opened


def test_the_capture_has_the_stream_on_every_connection_one_after_the_other() -> None:
    stream = build(1000)
    happenings = list(connections(stream))
    assert [found.connection for found in happenings if isinstance(found, Opened)] == [*range(1, CONNECTIONS + 1)]
    assert len(happenings) == CONNECTIONS * (len(stream.messages) + 2)
    assert all(one.at_ns <= other.at_ns for one, other in zip(happenings, islice(happenings, 1, None), strict=False))


def test_a_row_is_late_from_when_it_came_until_it_was_seen() -> None:
    batches = [(10, 1.0, 1.01), (20, 1.5, 1.51)]
    seen = [(0.9, 5), (1.2, 10), (1.6, 19), (1.9, 30)]
    assert list(lateness(batches, seen)) == pytest.approx([0.2, 0.4])


def test_rows_that_were_never_seen_are_no_measurement() -> None:
    with pytest.raises(ValueError, match="row 10 was never seen"):
        list(lateness([(10, 1.0, 1.01)], [(1.2, 9)]))


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (99, 4), (100, 4), (1, 1)])
def test_a_percentile_is_one_of_the_values(percent: int, value: float) -> None:
    assert percentile([1, 2, 3, 4], percent) == value


def test_what_is_over_its_target_says_so() -> None:
    assert judged(1200.4, 1000, "ms") == "1,200 ms (<= 1,000 OVER)"
    assert judged(50, 50, "ms") == "50 ms (<= 50 ok)"


async def test_the_eye_sees_the_first_rows_and_the_hand_when_a_key_was_answered() -> None:
    eye, app = Eye(), Bare(1000)
    app.driver_class = eye.terminal()
    begin = time.monotonic()
    async with app.run_test(headless=False, size=SIZE) as pilot:
        while eye.first is None:
            await pilot.pause()
        assert MARKER in app.lines.render_line(0).text
        hand = Hand(app, eye, app.lines)
        hand.expect(app.lines, "page")
        due = time.monotonic()
        answer = await hand.press("pagedown", due)
        assert app.lines.scroll_offset.y == SIZE[1]
        assert begin < eye.first < due < due + answer <= time.monotonic()
