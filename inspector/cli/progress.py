"""Progress of long work, on a terminal only, and on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from inspector.inert import inert
from inspector.leaving import tidily


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that takes how much is done and how much there is; it draws a bar where one can be seen."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    # It hides the cursor.
    with tidily(), click.progressbar(length=1000, label=inert(label), file=sys.stderr, show_pos=False) as bar:

        def report(done: int, total: int) -> None:
            step = (1000 * done // total if total else 1000) - bar.pos
            if step > 0:
                bar.update(step)

        yield report
