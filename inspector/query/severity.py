"""How much attention a row deserves by itself: one definition, for rows at hand and for SQL."""

from enum import IntEnum

from inspector.model import Event, Kind, Mark


class Severity(IntEnum):
    """The higher the worse."""

    INFO = 1
    WARN = 2
    ERROR = 3


# Closes that end a conversation as it should be ended.
NORMAL_CLOSES = (1000, 1001)
_BY_PROXY = Mark.INJECTED | Mark.DROPPED | Mark.CHANGED

ERROR_SQL = (
    "(event.kind = 'undecoded'"
    f" or event.kind = 'close' and (event.close_code is null or event.close_code not in {NORMAL_CLOSES})"
    " or event.kind = 'open' and event.connection in (select id from connection where refusal is not null))"
)
"""True for rows of severity error."""
WARN_SQL = f"(event.marks & {int(_BY_PROXY)})"
"""True for rows of severity warn, if they are not errors."""
SEVERITY_SQL = f"(case when {ERROR_SQL} then 3 when {WARN_SQL} then 2 else 0 end)"
"""The severity as a number, 0 for none."""


def severity(event: Event) -> Severity | None:
    """Return how bad a row is: an error where something could not be read, was refused or broke off; a warning where
    the proxy did something to a message. None for all others."""
    match event.kind:
        case Kind.UNDECODED:
            return Severity.ERROR
        case Kind.CLOSE if event.closed is None or event.closed.code not in NORMAL_CLOSES:
            return Severity.ERROR
        case Kind.OPEN if event.opened is not None and event.opened.refusal is not None:
            return Severity.ERROR
    return Severity.WARN if event.marks & _BY_PROXY else None
