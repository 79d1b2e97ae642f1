"""Links to rows of the timeline, and to what a filter lets pass of it.

A page keeps every row that it links to, whatever else it leaves out.
"""

from collections.abc import Sequence

from inspector.export.html.markup import Child, Html, join, tag
from inspector.inert import inert

# Rows that one line names.
_NAMED = 8


class RowLinks:
    """Makes links to rows, and remembers which."""

    def __init__(self) -> None:
        self.rows: dict[int, None] = {}
        """The rows that are linked to, in the order in which they came up."""

    def to(self, row: int, *children: Child) -> Html:
        """Return a link to a row; without children it is the row's number."""
        self.rows.setdefault(row)
        return tag("a", *(children or (f"{row:,}",)), href=f"#r{row}")

    def listed(self, rows: Sequence[int]) -> Html:
        """Return links to rows: ``rows 3, 14 and 2 more``."""
        named = rows[:_NAMED]
        more = len(rows) - len(named)
        word = "rows " if len(rows) > 1 else "row "
        return join([word, join(map(self.to, named), ", "), f" and {more:,} more" if more else None])


def filtered(field: str, value: str | int, *children: Child) -> Html:
    """Return a link to the timeline that filters it by a field; without a script it leads to its beginning.

    Without children it is the value; what the filter could not name is no link.
    """
    said = children or (str(value),)
    text = inert(str(value))
    if '"' in text:
        return join(said)
    term = f'{field}:"{text}"' if " " in text else f"{field}:{text}"
    return tag("a", *said, href="#timeline", data_filter=term, class_="filter")
