"""What should follow on a row, and is not there when it is due."""

from inspector.model import Event, Kind, Plane
from inspector.session.watches import MAX_WATCHES, NEVER, RETURN, VOICE_SERVER, WAITS_NS, Watches

SECOND = 1_000_000_000


def row(n: int, at_s: float = 0) -> Event:
    return Event(n, 1, int(at_s * SECOND), Plane.GATEWAY, Kind.CLOSE)


def rows_due(watches: Watches, until_s: int) -> list[int]:
    """Return the rows that are asked about when time is looked at each second up to `until_s`."""
    return [watch.n for at_s in range(until_s + 1) for watch in watches.take_due(at_s * SECOND)]


def test_each_is_due_once_when_its_time_is_over() -> None:
    watches = Watches()
    watches.add(RETURN, row(1))
    watches.add(VOICE_SERVER, row(2, 5))
    assert watches.due_ns == 5 * SECOND + WAITS_NS[VOICE_SERVER]
    assert rows_due(watches, 64) == []
    assert [watch.n for watch in watches.take_due(65 * SECOND)] == [2]
    watches.take_due(200 * SECOND)
    assert [watch.n for watch in watches.take_due(300 * SECOND)] == [1]
    assert watches.due_ns == NEVER
    assert watches.take_due(301 * SECOND) == []


def test_nothing_is_due_after_an_interruption() -> None:
    watches = Watches()
    watches.add(RETURN, row(1))
    watches.take_due(1 * SECOND)
    assert watches.take_due(3600 * SECOND) == []
    assert rows_due(watches, 3600) == []


def test_of_too_many_the_newest_are_kept() -> None:
    watches = Watches()
    for n in range(3 * MAX_WATCHES):
        watches.add(RETURN, row(n))
    assert rows_due(watches, 300) == list(range(2 * MAX_WATCHES, 3 * MAX_WATCHES))
