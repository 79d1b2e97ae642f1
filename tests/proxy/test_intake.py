"""The queue between hooks and scribe: bounded in number and in bytes."""

import pytest

from inspector.model import Closed, Frame, Gap
from inspector.proxy import intake
from inspector.proxy.intake import Intake, Stream


def _frame(size: int) -> Frame:
    return Frame(1, 0, False, False, bytes(size))


def test_no_more_bytes_are_taken_at_once_than_can_be_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "TAKE_BYTES", 100)
    queue, stream = Intake(), Stream("host", 1)
    for size in (60, 60, 60, 500, 1):
        assert queue.put(stream, _frame(size))
    taken = [[len(what.data) for _, what in queue.take(100)] for _ in range(3)]
    assert taken == [[60, 60], [60, 500], [1]]
    assert queue.size == 0


def test_messages_that_would_fill_the_memory_are_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_QUEUED_BYTES", 100)
    queue, stream = Intake(), Stream("host", 1)
    assert [queue.put(stream, _frame(60)) for _ in range(4)] == [True, True, False, False]
    assert queue.put(stream, Closed(1, 1, None))
    assert queue.size == 120
    kinds = [type(what) for _, what in queue.take(100)]
    assert kinds == [Frame, Frame, Gap, Closed]
    assert queue.put(stream, _frame(60))
