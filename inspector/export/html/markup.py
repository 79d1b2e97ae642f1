"""HTML out of values. Whatever text is put in becomes inert and is escaped; only what was made here is taken as HTML.

There is no template library: a page of tables and SVG is functions and loops, and a template would need an escape in
each place that this has in one.
"""

from collections.abc import Iterable
from html import escape

from inspector.inert import inert

_VOID = frozenset({"br", "input", "meta"})


class Html(str):
    """HTML that was made here."""

    __slots__ = ()


Child = Html | str | int | None
"""What is in an element: None is nothing, and text is escaped."""


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """Return an element.

    Names of attributes have ``_`` for ``-``, and one at their end where Python has the word for itself. True is an
    attribute without a value, None and False leave it out.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{_text(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    start = f"<{name}{written}>"
    return Html(start if name in _VOID else f"{start}{join(children)}</{name}>")


def join(children: Iterable[Child], between: str = "") -> Html:
    """Return several things as one, with a text between them."""
    between = between if between.isspace() else _text(between)
    return Html(between.join(each if isinstance(each, Html) else _text(each) for each in children))


def _text(value: str | int | None) -> str:
    return "" if value is None else escape(inert(str(value)))
