"""The rule about the form of what the server sends."""

from collections.abc import Iterator
from itertools import islice

from inspector.diagnose.rule import Noticed, Situation, dispatches, rule
from inspector.inert import inert
from inspector.model import Severity
from inspector.session.plan import Odd

# Paths of one row that are named; a body that is of another form altogether has many.
_NAMED = 3


@rule(
    "field-form-changed",
    Severity.INFO,
    dispatches(odd=Odd.NEW_FORM),
    remedy="Make the parser accept both types, and check which one is documented.",
    source=("derived",),
)
def field_form_changed(now: Situation) -> Iterator[Noticed]:
    """A field has a type that it has not had in this event before.

    That breaks parsers: an id that arrives as a number, an object where there was a string.
    """
    event = now.event.event or ""
    for path, kind, had in islice(now.world.forms.news(event, now.d), _NAMED):
        yield Noticed(f"{inert(path)} is {kind}; in every {inert(event[:60])} before this it was {had}.")
