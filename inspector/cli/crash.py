"""What is said of a bug of ours that ended a command or a part of one: where it was, and never a value."""

import threading

from inspector.errors import GwinspectError
from inspector.faults import report

# What the command line exits with after a bug of ours.
CRASHED = 2


def say_crash(error: BaseException) -> None:
    """Say on stderr what went wrong: the sentence of an error that a person can act on, or where a bug is."""
    # Imported here: most commands never come here, and --help is to be instant.
    from inspector.cli.output import note

    if isinstance(error, GwinspectError):
        note(str(error))
        return
    for line in report(error):
        note(line)
    note("this is a bug in gwinspect; please report it with the lines above, which hold no data of yours")


def say_crashes_of_threads() -> None:
    """Have what ends a thread said like that too."""
    threading.excepthook = lambda ended: say_crash(ended.exc_value) if ended.exc_value is not None else None
