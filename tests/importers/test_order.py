"""Tracks merged by time."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from inspector.importers.order import OrderedTracks, Track
from inspector.model import Closed, Frame, Happening, Opened, Plane


def frame(at_ns: int, data: bytes = b"", connection: int = 1) -> Frame:
    return Frame(connection, at_ns, False, False, data)


def track(*happenings: Happening, begins_ns: int | None = None) -> Track:
    return Track(happenings[0].at_ns if begins_ns is None else begins_ns, lambda: happenings)


def merged(*tracks: Track) -> list[tuple[int, int, bytes]]:
    return [
        (happening.connection, happening.at_ns, happening.data)
        for happening in OrderedTracks(tracks)
        if isinstance(happening, Frame)
    ]


def test_tracks_are_merged_by_time() -> None:
    assert merged(
        track(frame(10, b"a"), frame(40, b"d"), frame(50, b"e")), track(frame(20, b"b"), frame(30, b"c"), frame(60))
    ) == [(1, 10, b"a"), (2, 20, b"b"), (2, 30, b"c"), (1, 40, b"d"), (1, 50, b"e"), (2, 60, b"")]


def test_at_the_same_time_the_track_given_first_goes_first_and_keeps_its_order() -> None:
    assert merged(track(frame(1, b"a"), frame(5, b"b"), frame(5, b"c")), track(frame(5, b"d"), frame(5, b"e"))) == [
        (1, 1, b"a"),
        (1, 5, b"b"),
        (1, 5, b"c"),
        (2, 5, b"d"),
        (2, 5, b"e"),
    ]


def test_connections_are_numbered_by_their_opening_over_all_tracks() -> None:
    """Each file counts from 1; the second connection of the first file opens after the only one of the second."""
    first = track(frame(10, b"a", 1), frame(30, b"c", 2), frame(40, b"d", 1), begins_ns=0)
    second = track(frame(20, b"b", 1), frame(50, b"e", 1), begins_ns=0)
    assert merged(first, second) == [(1, 10, b"a"), (2, 20, b"b"), (3, 30, b"c"), (1, 40, b"d"), (2, 50, b"e")]


def test_a_track_is_opened_when_its_time_comes_and_let_go_of_at_its_end() -> None:
    log: list[str] = []

    def reading(name: str, *times: int) -> Track:
        def read() -> Iterator[Happening]:
            log.append(f"{name} begins")
            yield from map(frame, times)
            log.append(f"{name} ends")

        return Track(times[0], read)

    for happening in OrderedTracks([reading("a", 10, 20), reading("b", 30, 50), reading("c", 40, 60)]):
        log.append(str(happening.at_ns))
    assert log == [
        *("a begins", "10", "20", "a ends", "b begins", "30", "c begins", "40", "50", "b ends", "60", "c ends"),
    ]


def test_a_track_with_nothing_in_it_takes_no_number() -> None:
    assert merged(Track(0, lambda: ()), track(frame(5))) == [(1, 5, b"")]
    assert merged() == []


def test_a_track_that_comes_too_late_is_given_from_there_on() -> None:
    assert [at for _, at, _ in merged(track(frame(10), frame(30)), track(frame(5), frame(20), begins_ns=25))] == [
        10,
        5,
        20,
        30,
    ]


def test_a_clock_that_runs_backwards_stands_still_and_is_told() -> None:
    early = frame(15)
    given = (Opened(1, 10, Plane.GATEWAY, ""), frame(2_000_000_010), early, frame(10), Closed(1, 12, None))
    timeline = OrderedTracks([track(*given, begins_ns=0), track(frame(5), frame(4), begins_ns=0)])
    assert [happening.at_ns for happening in timeline] == [5, 5, 10, *[2_000_000_010] * 4]
    assert timeline.notes() == [
        "the clock ran backwards on 2 connections, by up to 2.000 s; 4 times were set to the time of the message before"
    ]
    assert early.at_ns == 15


def test_each_connection_is_known_by_its_track() -> None:
    timeline = OrderedTracks([track(frame(5, connection=3), frame(9, connection=1)), track(frame(7), begins_ns=0)])
    list(timeline)
    assert timeline.places == [0, 1, 0]


def test_one_such_time_is_told_as_one() -> None:
    timeline = OrderedTracks([track(frame(5_000_000), frame(4_000_000))])
    assert len(list(timeline)) == 2
    assert timeline.notes() == [
        "the clock ran backwards on 1 connection, by up to 0.001 s; 1 time was set to the time of the message before"
    ]


def test_the_clocks_of_two_connections_in_one_track_are_apart() -> None:
    """A file that is not in order loses no time by that."""
    timeline = OrderedTracks([track(frame(50, connection=1), frame(10, connection=2), frame(60, connection=1))])
    assert [(happening.connection, happening.at_ns) for happening in timeline] == [(1, 50), (2, 10), (1, 60)]
    assert timeline.notes() == []


_TRACKS = st.lists(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 20)), min_size=1, max_size=8), max_size=6)


@given(_TRACKS)
def test_nothing_is_lost_and_all_is_in_order(drawn: Sequence[Sequence[tuple[int, int]]]) -> None:
    """Tracks that are in order themselves come out as a stable sort by time would have them."""
    tracks = []
    for number, times in enumerate(drawn):
        ordered = sorted(times, key=lambda each: each[1])
        tracks.append([frame(at, f"{number}/{i}".encode(), connection) for i, (connection, at) in enumerate(ordered)])
    tracks.sort(key=lambda frames: frames[0].at_ns)
    expected = sorted((each for frames in tracks for each in frames), key=lambda each: each.at_ns)
    found = list(OrderedTracks([track(*frames) for frames in tracks]))
    assert [replace(each, connection=0) for each in found] == [replace(each, connection=0) for each in expected]
    numbers = list(dict.fromkeys(each.connection for each in found))
    assert numbers == list(range(1, len(numbers) + 1))
