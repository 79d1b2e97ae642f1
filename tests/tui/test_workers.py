import threading
from array import array
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.message import Message

from inspector.model import Finding, Severity
from inspector.protocol.registry import default
from inspector.query import search
from inspector.query.grammar import parse
from inspector.store.file import connect
from inspector.tui import workers
from inspector.tui.workers import (
    BEATS,
    Cancelled,
    Exported,
    Failed,
    Found,
    Hit,
    Pulse,
    _rates,
    find,
    pulse,
    scan,
    write_rows,
)
from tests.conversation import ACK, HEARTBEAT, HELLO, Conversation, identify, message, ready
from tests.tui.conftest import Growing
from tests.tui.noticed import add, troubled

SAMPLES = Path(__file__).parents[2] / "sample_captures"
RESUME = SAMPLES / "resume.gwcap"
LAST = 22
# Rows of resume.gwcap.
SENDS = [3, 4, 9, 13, 14, 22]


@pytest.fixture
def steps_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows are looked at in each step, so that a small capture takes many."""
    monkeypatch.setattr(search, "_FIRST_ROWS", 2)
    monkeypatch.setattr(search, "_FIRST_PAYLOADS", 2)
    monkeypatch.setattr(search, "_next_size", lambda size, seconds: 2)


def never() -> bool:
    return False


def scanned(
    text: str, start: int, *, path: Path = RESUME, last: int = LAST, cancelled: Cancelled = never
) -> list[Message]:
    posted: list[Message] = []
    scan(
        path, parse(text, default()), default(), start=start, last=last, generation=7, post=posted.append,
        cancelled=cancelled,
    )  # fmt: skip
    return posted


def hits(
    text: str,
    start: int,
    *,
    forwards: bool = True,
    view: Sequence[int] = range(1, LAST + 1),
    cancelled: Cancelled = never,
    path: Path = RESUME,
) -> list[Message]:
    posted: list[Message] = []
    find(
        path, parse(text, default()), default(), view=view, start=start, forwards=forwards, generation=7,
        post=posted.append, cancelled=cancelled,
    )  # fmt: skip
    return posted


def pieces(posted: list[Message]) -> list[Found]:
    assert all(isinstance(piece, Found) and piece.generation == 7 for piece in posted)
    return [piece for piece in posted if isinstance(piece, Found)]


def the_hit(posted: list[Message]) -> Hit:
    last = posted[-1]
    assert isinstance(last, Hit)
    return last


# Scanning.


@pytest.mark.usefixtures("steps_of_two")
@pytest.mark.parametrize("text", ["dir == send", "op == 97", "d.content", "hello", "n > 0"])
@pytest.mark.parametrize("start", [1, 2, 11, 22, 23])
def test_a_scan_finds_all_rows_once_wherever_it_begins(text: str, start: int) -> None:
    expected = [n for piece in pieces(scanned(text, 1)) for n in piece.numbers]
    numbers: array[int] = array("q")
    for piece in pieces(scanned(text, start)):
        numbers = piece.numbers + numbers if piece.before else numbers + piece.numbers
    assert list(numbers) == sorted(set(expected)) == expected
    assert text != "dir == send" or expected == SENDS


@pytest.fixture(autouse=True)
def every_step_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is posted, however soon it comes after the one before."""
    monkeypatch.setattr("inspector.tui.workers.PACE", -1.0)


@pytest.mark.usefixtures("steps_of_two")
def test_a_scan_goes_outwards_from_where_one_stands() -> None:
    found = pieces(scanned("n > 0", 11))
    ahead = [n for piece in found if not piece.before for n in piece.numbers]
    back = [list(piece.numbers) for piece in found if piece.before and piece.numbers]
    assert ahead == list(range(11, 23))
    assert back == [[9, 10], [7, 8], [5, 6], [3, 4], [1, 2]]
    assert [piece.before for piece in found] == sorted(piece.before for piece in found)


@pytest.mark.usefixtures("steps_of_two")
@pytest.mark.parametrize("start", [1, 11, 23])
def test_how_far_a_scan_is_only_grows_and_ends_at_1(start: int) -> None:
    progress = [piece.progress for piece in pieces(scanned("dir == send", start))]
    assert progress == sorted(progress)
    assert progress[-1] == 1
    assert 0 < progress[0] < 0.2


@pytest.mark.usefixtures("steps_of_two")
def test_a_scan_says_when_it_has_reached_the_end() -> None:
    """From then on what is recorded meanwhile may be added."""
    found = pieces(scanned("dir == send", 11))
    done = [piece.ahead_done for piece in found]
    assert done == sorted(done)
    assert done.index(True) == len([piece for piece in found if not piece.before]) - 1


def test_rows_recorded_after_a_scan_began_are_left_to_others() -> None:
    assert [n for piece in pieces(scanned("n > 0", 1, last=5)) for n in piece.numbers] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("last", [0, 22])
def test_a_scan_from_beyond_the_end_goes_back(last: int) -> None:
    found = pieces(scanned("n > 0", last + 1, last=last))
    assert all(piece.before and piece.ahead_done for piece in found)
    assert found[-1].progress == 1


@pytest.mark.usefixtures("steps_of_two")
@pytest.mark.parametrize("after", [0, 1, 3, 8])
def test_a_scan_that_nobody_wants_stops(after: int) -> None:
    asked = iter([False] * after)
    posted = scanned("n > 0", 11, cancelled=lambda: next(asked, True))
    assert len(posted) == after
    assert all(piece.progress < 1 for piece in pieces(posted))


@pytest.mark.parametrize("junk", [b"", b"no capture at all" * 500])
def test_what_cannot_be_read_is_told_and_not_raised(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "junk.gwcap"
    path.write_bytes(junk)
    posted: list[Message] = [*scanned("n > 0", 1, path=path), *hits("n > 0", 1, path=path)]
    pulse(path, default(), post=posted.append, cancelled=never)
    assert [type(one) for one in posted] == [Failed, Failed, Failed]
    assert all("junk.gwcap" in one.sentence for one in posted if isinstance(one, Failed))


# Searching.


@pytest.mark.parametrize(
    ("start", "forwards", "number", "wrapped"),
    [
        (1, True, 3, False),
        (3, True, 4, False),
        (14, True, 22, False),
        (22, True, 3, True),
        (22, False, 14, False),
        (3, False, 22, True),
        (0, True, 3, False),
    ],
)
@pytest.mark.usefixtures("steps_of_two")
def test_a_search_finds_the_next_and_begins_again(start: int, forwards: bool, number: int, wrapped: bool) -> None:
    hit = the_hit(hits("dir == send", start, forwards=forwards))
    assert (hit.number, hit.wrapped, hit.generation) == (number, wrapped, 7)


@pytest.mark.parametrize("forwards", [True, False])
def test_the_only_hit_is_found_again_from_itself(forwards: bool) -> None:
    hit = the_hit(hits("event == READY", 5, forwards=forwards))
    assert (hit.number, hit.wrapped) == (5, True)


@pytest.mark.parametrize("forwards", [True, False])
@pytest.mark.usefixtures("steps_of_two")
def test_a_search_without_a_hit_ends(forwards: bool) -> None:
    *underway, last = hits("op == 97", 11, forwards=forwards)
    assert last == Hit(7, None)
    assert underway
    assert all(isinstance(hit, Hit) and hit.number is None and hit.progress < 1 for hit in underway)


@pytest.mark.parametrize(
    ("start", "forwards", "number", "wrapped"), [(1, True, 9, False), (9, True, 13, False), (9, False, 13, True)]
)
def test_only_rows_of_the_view_are_hits(start: int, forwards: bool, number: int, wrapped: bool) -> None:
    hit = the_hit(hits("dir == send", start, forwards=forwards, view=array("q", [1, 9, 13])))
    assert (hit.number, hit.wrapped) == (number, wrapped)


@pytest.mark.usefixtures("steps_of_two")
def test_a_search_that_nobody_wants_stops() -> None:
    asked = iter([False, False])
    assert len(hits("op == 97", 1, cancelled=lambda: next(asked, True))) == 2


def test_a_search_from_beyond_the_last_row_ends() -> None:
    assert the_hit(hits("dir == send", LAST + 1, view=array("q"))).number is None


@given(st.integers(0, LAST + 1), st.booleans(), st.lists(st.sampled_from(range(1, LAST + 1)), unique=True).map(sorted))
def test_a_search_finds_what_looking_at_every_row_would(start: int, forwards: bool, rows: list[int]) -> None:
    there = [n for n in SENDS if n in rows]
    beyond = [n for n in there if (n > start if forwards else n < start)]
    wanted = (beyond or there)[0 if forwards else -1] if there else None
    hit = the_hit(hits("dir == send", start, forwards=forwards, view=array("q", rows)))
    assert (hit.number, hit.wrapped) == (wanted, wanted is not None and not beyond)


# Rates.


def beats(*numbers: int) -> list[tuple[float, int]]:
    return [(100 + at / BEATS, number) for at, number in enumerate(numbers)]


def test_there_is_no_rate_at_first() -> None:
    """What was there before one looked did not come in this second."""
    assert _rates(beats(5000)) == (0.0, ())


def test_a_rate_is_that_of_the_last_second() -> None:
    rate, _ = _rates(beats(0, 100, 100, 100, 100, 110))
    assert rate == 10


def test_a_rate_of_less_than_a_second_is_worked_out() -> None:
    assert _rates(beats(0, 10))[0] == 10 * BEATS


def test_messages_are_counted_second_by_second_up_to_now() -> None:
    assert _rates(beats(0, 1, 2, 3, 4, 6, 8, 10, 12))[1] == (4, 8)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=81))
def test_what_came_in_whole_seconds_adds_up(steps: list[int]) -> None:
    numbers = [sum(steps[: at + 1]) for at in range(len(steps))]
    rate, counts = _rates(beats(*numbers))
    assert len(counts) == (len(numbers) - 1) // BEATS
    assert sum(counts) == numbers[-1] - numbers[(len(numbers) - 1) % BEATS]
    assert rate >= 0
    assert len(numbers) <= BEATS or rate == counts[-1]


def test_a_clock_that_stands_still_is_no_division_by_zero() -> None:
    assert _rates([(1.0, 0), (1.0, 10)])[0] == 0


# Counting, beat by beat.


@pytest.fixture
def beating(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds pass at once, where it would sleep; how long each sleep would have been."""
    slept: list[float] = []
    monkeypatch.setattr(workers, "sleep", slept.append)
    monkeypatch.setattr(workers, "monotonic", lambda: 100 + sum(slept))
    return slept


def test_counts_are_posted_only_when_they_change(beating: list[float]) -> None:
    posted: list[Message] = []
    pulse(RESUME, default(), post=posted.append, cancelled=lambda: sum(beating) > 3)
    found = [one for one in posted if isinstance(one, Pulse)]
    assert all(before != after for before, after in pairwise(found))
    assert found[0].snapshot.counted == LAST
    assert found[0].snapshot.connections == 2
    assert {one.rate for one in found} == {0.0}


def test_what_comes_is_counted(growing, beating: list[float]) -> None:
    capture: Growing = growing()
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    capture.add(talk.happenings)
    posted: list[Message] = []

    def cancelled() -> bool:
        if sum(beating) > 0.5 and len(talk.happenings) == 4:
            talk.client(HEARTBEAT).server(ACK).server(message("hello"))
            capture.add(talk.happenings[4:])
        return sum(beating) > 1.4

    pulse(capture.path, default(), post=posted.append, cancelled=cancelled)
    capture.finish()
    found = [one for one in posted if isinstance(one, Pulse)]
    assert [found[0].snapshot.counted, found[-1].snapshot.counted] == [4, 7]
    assert max(one.rate for one in found) > 0
    assert found[-1].rates[-1] == 3


def test_what_is_noticed_of_silence_is_counted_too(tmp_path: Path, beating: list[float]) -> None:
    path = troubled(tmp_path / "a.gwcap")
    posted: list[Message] = []

    def cancelled() -> bool:
        if sum(beating) > 0.5 and len(posted) == 1:
            db = connect(path, write=True)
            add(db, [Finding("a-rule", Severity.ERROR, "So it is.", 1)])
            db.close()
        return sum(beating) > 1.4

    pulse(path, default(), post=posted.append, cancelled=cancelled)
    found = [one for one in posted if isinstance(one, Pulse)]
    assert [len(found[0].noticed.cases), len(found[-1].noticed.cases)] == [4, 5]


def test_only_the_newest_count_waits_to_be_shown() -> None:
    newer = Pulse(snapshot=workers.Snapshot())
    assert newer.can_replace(Pulse(snapshot=workers.Snapshot()))
    assert not newer.can_replace(Failed("x"))


def test_counting_ends_when_nobody_wants_to_know() -> None:
    wanted = threading.Event()
    posted: list[Message] = []
    thread = threading.Thread(
        target=pulse, args=(RESUME, default()), kwargs={"post": posted.append, "cancelled": wanted.is_set}
    )
    thread.start()
    wanted.set()
    thread.join(10)
    assert not thread.is_alive()


# Exporting.


def test_rows_are_written_and_counted(tmp_path: Path) -> None:
    posted: list[Message] = []
    target = tmp_path / "rows.jsonl"
    write_rows(RESUME, default(), [2, 5], target, reveal=False, post=posted.append)
    assert posted == [Exported(target, 2)]
    assert len(target.read_text("utf-8").splitlines()) == 2


def test_rows_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    posted: list[Message] = []
    target = tmp_path / "nowhere" / "rows.jsonl"
    write_rows(RESUME, default(), [2, 5], target, reveal=False, post=posted.append)
    (told,) = posted
    assert isinstance(told, Exported)
    assert told.problem
    assert (told.count, told.target) == (0, target)
