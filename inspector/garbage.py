"""Python's search for cycles, which takes its time where much is made and nothing of it is in one."""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Let Python not look for cycles meanwhile: what is made is let go of by itself, and looking takes its time.

    For what makes value after value and keeps none of them. What is in a cycle all the same stays until the end.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def end_quickly() -> None:
    """Let this process end without a last look for cycles, which takes as long as half of all its imports."""
    # Registered first, it is called last: what others do at the end still makes its garbage.
    atexit.register(gc.freeze)


@contextmanager
def importing() -> Iterator[None]:
    """Let Python not look for cycles while modules are imported, nor in these from then on, as they stay to the end.

    That was a seventh of the start of a command.
    """
    known = len(sys.modules)
    with without_collector():
        yield
    if len(sys.modules) > known:
        gc.freeze()
