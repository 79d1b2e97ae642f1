"""Tables whose numbers are aligned; long ones show their first lines, and the rest behind a fold."""

from collections.abc import Sequence

from inspector.export.html.markup import Child, Html, join, tag
from inspector.words import counted

# Lines that show at once, and lines in all.
_AT_ONCE, _MOST = 15, 300


def long_table(heads: Sequence[str], lines: Sequence[Sequence[Child]], noun: str, *, words: set[int]) -> Html:
    """Return a table of which the first lines show; the rest, so many of `noun`, can be unfolded."""
    rest = lines[_AT_ONCE:_MOST]
    more = len(lines) - _MOST
    return join(
        [
            table(heads, lines[:_AT_ONCE], words=words),
            tag(
                "details",
                tag("summary", f"and {counted(len(rest), f'more {noun}')}"),
                table(heads, rest, words=words),
                tag("p", f"and {more:,} more", class_="quiet") if more > 0 else None,
            )
            if rest
            else None,
        ]
    )


def table(heads: Sequence[str], lines: Sequence[Sequence[Child]], *, words: set[int]) -> Html:
    """Return a table of which all columns but `words` are numbers, set right; it scrolls where it is too wide."""
    side = [None if at in words else "number" for at in range(len(heads))]
    return tag(
        "div",
        tag(
            "table",
            tag(
                "thead",
                tag("tr", *(tag("th", head, scope="col", class_=way) for head, way in zip(heads, side, strict=True))),
            ),
            tag(
                "tbody",
                *(
                    tag("tr", *(tag("td", cell, class_=way) for cell, way in zip(line, side, strict=True)))
                    for line in lines
                ),
            ),
        ),
        class_="scroll",
    )
