"""Which rows of a capture the timeline has, and on which line each stands.

Without a filter that is a range, so that a million rows cost nothing. With one it is an array of row numbers, which a
scan fills from where the person stands, outwards.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence


class View:
    """The rows of a timeline: numbers of events, ascending."""

    def __init__(self, last: int = 0) -> None:
        self.numbers: Sequence[int] = range(1, last + 1)

    @classmethod
    def filtered(cls) -> "View":
        """Return a view that takes only what it is given."""
        view = cls()
        view.numbers = array("q")
        return view

    @property
    def is_filtered(self) -> bool:
        return not isinstance(self.numbers, range)

    def __len__(self) -> int:
        return len(self.numbers)

    def grow(self, last: int) -> None:
        """Take all rows up to `last`; for a view without a filter."""
        self.numbers = range(1, last + 1)

    def append(self, numbers: "array[int]") -> None:
        """Add rows after all that are there."""
        assert isinstance(self.numbers, array)
        self.numbers.extend(numbers)

    def prepend(self, numbers: "array[int]") -> None:
        """Add rows before all that are there."""
        assert isinstance(self.numbers, array)
        self.numbers = numbers + self.numbers

    def line_of(self, number: int) -> int:
        """Return the line of row `number`, or of the next after it; the last line where there is none. -1: no lines."""
        return min(bisect_left(self.numbers, number), len(self.numbers) - 1)

    def has(self, number: int) -> bool:
        """Say whether row `number` is among them."""
        line = self.line_of(number)
        return line >= 0 and self.numbers[line] == number
