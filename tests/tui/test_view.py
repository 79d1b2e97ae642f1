from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.tui.widgets.timeline.view import View

rows = st.lists(st.integers(1, 10_000), unique=True, max_size=60).map(sorted)


def holding(numbers: list[int]) -> View:
    view = View.filtered()
    view.append(array("q", numbers))
    return view


def test_without_a_filter_every_row_is_there_and_costs_nothing() -> None:
    view = View(10**12)
    assert isinstance(view.numbers, range)
    assert (len(view), view.is_filtered) == (10**12, False)
    assert (view.line_of(777), view.has(10**12), view.has(0), view.has(10**12 + 1)) == (776, True, False, False)


def test_it_grows_with_the_capture() -> None:
    view = View(3)
    view.grow(5)
    assert list(view.numbers) == [1, 2, 3, 4, 5]


def test_a_filtered_view_begins_with_no_row() -> None:
    view = View.filtered()
    assert (len(view), view.is_filtered, view.line_of(1), view.has(1)) == (0, True, -1, False)


def test_an_empty_capture_has_no_line() -> None:
    assert (len(View()), View().line_of(1), View().has(1)) == (0, -1, False)


@given(before=rows, after=rows)
def test_rows_come_before_and_after_those_that_are_there(before: list[int], after: list[int]) -> None:
    view = holding([number + 10_000 for number in after])
    view.prepend(array("q", before))
    assert list(view.numbers) == before + [number + 10_000 for number in after]


def test_what_was_given_is_not_changed_by_what_comes_before_it() -> None:
    given_before = array("q", [1, 2])
    view = holding([3])
    view.prepend(given_before)
    view.append(array("q", [4]))
    assert list(given_before) == [1, 2]


@given(rows)
def test_each_row_is_on_its_line(numbers: list[int]) -> None:
    view = holding(numbers)
    assert [view.line_of(number) for number in numbers] == list(range(len(numbers)))


@given(rows, st.integers(-5, 10_005))
def test_a_row_that_is_not_there_stands_for_the_next_or_else_the_last(numbers: list[int], number: int) -> None:
    view = holding(numbers)
    following = [n for n in numbers if n >= number]
    expected = numbers.index(following[0]) if following else len(numbers) - 1
    assert view.line_of(number) == expected
    assert view.has(number) == (number in numbers)


@pytest.mark.parametrize("last", [0, 1, 7])
@given(number=st.integers(-3, 12))
def test_a_range_and_an_array_answer_alike(last: int, number: int) -> None:
    whole, filled = View(last), holding(list(range(1, last + 1)))
    assert (whole.line_of(number), whole.has(number)) == (filled.line_of(number), filled.has(number))
