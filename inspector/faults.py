"""Our own bugs, kept from doing harm.

Nothing that crosses the wire may end the program, the recording or the proxy, not even by way of a bug of ours. So
there is a guard around each row, each rule, each test of a filter and each pane: what goes wrong there is said in its
place (`marked`), and the rest continues. Guards are few, each around a whole step, and none is silent.

What ends the program all the same is printed by `report`: where it happened, without the values of variables, as they
may be tokens.
"""

import os
import re
from collections import deque
from collections.abc import Iterator
from traceback import walk_tb

from inspector.errors import GwinspectError
from inspector.inert import inert

STRICT = "GWINSPECT_STRICT"
"""Variable of the environment: guards let faults through, so that tests fail on them."""

# Calls, and characters of the exception's own words, that are printed.
_CALLS, _WORDS = 12, 200
# Exceptions that led to each other.
_CHAIN = 3
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
# What an exception quotes comes from the wire as likely as not.
_QUOTED = re.compile(r"""["'`“].*["'`”]""", re.DOTALL)
# So does a word that is as long as a token.
_LONG = re.compile(r"[\w.+/=-]{20,}")


def is_ours(error: BaseException) -> bool:
    """Return whether a guard takes `error` for a bug of ours, and continues without what raised it.

    What a person can act on is none, nor is what ends programs (signals, `SystemExit`).
    """
    return isinstance(error, Exception) and not isinstance(error, GwinspectError) and STRICT not in os.environ


def place_of(error: BaseException) -> str:
    """Say what a bug is and where: ``OverflowError in summarize.py:120``. Nothing of what was worked on is in it."""
    name = type(error).__name__
    place = ""
    for frame, line in walk_tb(error.__traceback__):
        # A library has bugs too, but what we gave it is likelier to be one.
        if not place or frame.f_code.co_filename.startswith(_PACKAGE):
            place = f" in {os.path.basename(frame.f_code.co_filename)}:{line}"
    return name + place


def marked(what: str, error: BaseException) -> str:
    """Return what is said in the place of something: ``this row could not be shown (bug in gwinspect: …)``."""
    return f"{what} (bug in gwinspect: {place_of(error)}; please report it)"


def report(error: BaseException) -> list[str]:
    """Return the lines on an exception that nothing has caught: the last calls, without values, and what to do.

    They are inert and short. Of the exception's own words, what is in quotes or long is left out: it may be a secret.
    """
    lines: list[str] = []
    for each in reversed(list(_chain(error))):
        lines.append("Then, while that was handled:" if lines else "Traceback (most recent call last):")
        for frame, line in deque(walk_tb(each.__traceback__), _CALLS):
            lines.append(f"  {_short(frame.f_code.co_filename)}:{line} in {frame.f_code.co_name}")
        lines.append(f"{type(each).__name__}{_words(each)}")
    return [inert(line) for line in lines]


def _words(error: BaseException) -> str:
    try:
        words = _LONG.sub("…", _QUOTED.sub("'…'", str(error)))
    except Exception as of_its_own:
        words = f"its text is not available ({type(of_its_own).__name__})"
    return f": {words[:_WORDS]}" if words else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    for _ in range(_CHAIN):
        if found is None:
            return
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _short(filename: str) -> str:
    """Return a file's name from its package on: where things are installed is no one's business."""
    parts = filename.replace("\\", "/").split("/")
    if filename.startswith(_PACKAGE):
        return "/".join(["inspector", *filename[len(_PACKAGE) :].replace("\\", "/").split("/")])
    at = max((i for i, part in enumerate(parts) if part == "site-packages"), default=len(parts) - 2)
    return "/".join(parts[at + 1 :])
