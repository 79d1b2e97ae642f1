"""The errors that a person can meet, split by whose move it is next.

What is odd on the wire is never an error: it becomes an event that says what is wrong with it. These are for files,
options and the machine. Each has a slug, so that ``gwinspect explain <slug>`` can say more.
"""


class GwinspectError(Exception):
    """Something the user can act on: one sentence with what was found, what was expected, and what to do."""

    slug = "failure"
    """Name of this kind of error, as ``gwinspect explain`` takes it."""

    exit_code = 2
    """What the command line exits with."""

    shown = ""
    """Lines to be printed above the sentence: the place in a filter, what a program said that did not start."""


class CaptureError(GwinspectError):
    """A file that cannot be read or written as a capture: missing, torn, foreign, of a newer version."""

    slug = "bad-capture"


class NotACapture(CaptureError):
    """A file in which nothing of what we read was found."""

    slug = "not-a-capture"


class NewerCapture(CaptureError):
    """A capture with a schema that only a later gwinspect knows."""

    slug = "newer-capture"


class CaptureInUse(CaptureError):
    """A capture that another gwinspect writes right now."""

    slug = "capture-in-use"


class TableError(GwinspectError):
    """A table of opcodes, close codes, events or intents that the user added and that does not hold together."""

    slug = "bad-table"


class UsageError(GwinspectError):
    """A command or option that makes no sense as given."""

    slug = "usage"


class ScreenCrash(GwinspectError):
    """A bug of ours ended the full screen; what it was is printed already."""

    slug = "crash"


class EnvironmentProblem(GwinspectError):
    """Something outside is missing or in the way: a port that is taken, a program that is not installed."""

    slug = "environment"
