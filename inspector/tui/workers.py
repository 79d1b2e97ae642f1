"""What runs next to the screen, in threads: long looks at a capture, each with a Reader of its own.

A worker posts messages and never touches a widget. It asks now and then whether it is still wanted.
"""

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep

from textual.message import Message

from inspector.analysis.findings import Findings, FindingsSnapshot
from inspector.analysis.overview import Overview, Snapshot
from inspector.errors import CaptureError, GwinspectError
from inspector.export.file import export
from inspector.faults import is_ours, marked
from inspector.protocol.registry import Registry
from inspector.query.search import Search, Step
from inspector.query.tree import Filter
from inspector.report.recording import Recording
from inspector.scrub.making import scrub
from inspector.store.reader import Reader

# Looks a second at how the recording is doing, and seconds over which its rate is shown.
BEATS, SECONDS = 4, 20
# Seconds between two pieces of a scan that are shown.
PACE = 0.1

SCRUBBED = ".gwcap"
"""Ending of the file to which a scrubbed capture of the whole recording is written, not rows."""

Post = Callable[[Message], object]
Cancelled = Callable[[], bool]


@dataclass
class Found(Message):
    """A piece of a filter's rows."""

    generation: int
    """Which scan it belongs to: what an older one found counts no more."""
    numbers: "array[int]"
    before: bool
    """They come before those that are there; else after."""
    progress: float
    """How much of the capture has been looked at, from 0 to 1."""
    ahead_done: bool
    """All rows after the starting point have been looked at, up to the last there was."""


@dataclass
class Hit(Message):
    """A search has found a row, or none."""

    generation: int
    number: int | None
    wrapped: bool = False
    """It began again at the other end."""
    progress: float = 1.0
    """Below 1: it is still looking."""


@dataclass
class Failed(Message):
    """The capture cannot be read any further."""

    sentence: str


@contextmanager
def _telling(post: Post) -> Iterator[None]:
    """Say it where a capture turns out to be damaged, or a bug of ours comes up, and end."""
    try:
        yield
    except CaptureError as error:
        post(Failed(str(error)))
    except Exception as error:
        if not is_ours(error):
            raise
        post(Failed(marked("This view stops here", error)))


def scan(
    path: Path,
    item: Filter,
    registry: Registry,
    *,
    start: int,
    last: int,
    generation: int,
    post: Post,
    cancelled: Cancelled,
) -> None:
    """Find the rows of a filter from row `start` to `last`, then those before it: what is near shows first."""
    with _telling(post), closing(Reader(path)) as reader:
        search = Search(item, registry)
        looked = 0
        waiting = array("q")
        posted = 0.0

        def tell(step: Step, *, before: bool, ahead_done: bool) -> None:
            # Each post has the screen painted again, so there are few of them; but the first comes at once.
            nonlocal waiting, posted
            waiting = step.found + waiting if before else waiting + step.found
            if ahead_done != before or monotonic() - posted > PACE:
                progress = min(looked / last, 1.0) if last else 1.0
                post(Found(generation, waiting, before, progress, ahead_done))
                waiting = array("q")
                posted = monotonic()

        at = start - 1
        for step in search.numbers(reader, start - 1, last):
            if cancelled():
                return
            looked += step.done - at
            at = step.done
            tell(step, before=False, ahead_done=at >= last)
        at = start
        for step in search.backwards(reader, start):
            if cancelled():
                return
            looked += at - step.done
            at = step.done
            tell(step, before=True, ahead_done=True)
        post(Found(generation, waiting, True, 1.0, True))
        if search.problem:
            post(Failed(search.problem))


def find(
    path: Path,
    item: Filter,
    registry: Registry,
    *,
    view: Sequence[int],
    start: int,
    forwards: bool,
    generation: int,
    post: Post,
    cancelled: Cancelled,
) -> None:
    """Find the row of `view` nearest to row `start` that `item` holds of, beyond it; at the end, begin again."""
    with _telling(post), closing(Reader(path)) as reader:
        search = Search(item, registry)
        last = reader.last()
        ways = (
            [search.numbers(reader, start, last), search.numbers(reader, 0, start)]
            if forwards
            else [search.backwards(reader, start), search.backwards(reader, last + 1)]
        )
        for wrapped, way in enumerate(ways):
            for step in way:
                if cancelled():
                    return
                for number in step.found if forwards else reversed(step.found):
                    at = bisect_left(view, number)
                    if at < len(view) and view[at] == number:
                        post(Hit(generation, number, bool(wrapped)))
                        return
                post(Hit(generation, None, bool(wrapped), min(0.99, abs(step.done - start) / max(last, 1))))
        post(Hit(generation, None))


@dataclass
class Pulse(Message):
    """How the recording is doing: what the status line and the tree of connections show."""

    snapshot: Snapshot
    noticed: FindingsSnapshot = field(default_factory=FindingsSnapshot)
    """What was noticed so far."""
    rate: float = 0.0
    """Messages a second, over the last one."""
    rates: tuple[int, ...] = ()
    """Messages in each of the last seconds, the newest last."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Pulse)


@dataclass
class Exported(Message):
    """Rows were written to a file, or could not be."""

    target: Path
    count: int = 0
    problem: str = ""


def pulse(path: Path, registry: Registry, *, post: Post, cancelled: Cancelled) -> None:
    """Count what is recorded and noticed, four times a second, until no one wants to know any more."""
    with _telling(post), closing(Reader(path)) as reader:
        overview, findings = Overview(reader, registry), Findings(reader)
        counts: deque[tuple[float, int]] = deque(maxlen=SECONDS * BEATS + 1)
        told = Pulse(Snapshot())
        while not cancelled():
            while overview.advance() and not cancelled():
                pass
            # They are noticed of silence too, where no row is new.
            if reader.changed():
                while findings.advance() and not cancelled():
                    pass
            snapshot = overview.snapshot()
            counts.append((monotonic(), snapshot.counted))
            news = Pulse(snapshot, findings.snapshot(), *_rates(counts))
            if news != told:
                post(news)
                told = news
            # In short naps: who quits does not want to wait for us.
            until = monotonic() + 1 / BEATS
            while monotonic() < until and not cancelled():
                sleep(0.02)


def _rates(counts: Sequence[tuple[float, int]]) -> tuple[float, tuple[int, ...]]:
    """Return how many rows came in a second, now and over the last while; from times and numbers, a beat apart."""
    now, newest = counts[-1]
    then, before = counts[max(-BEATS - 1, -len(counts))]
    rate = (newest - before) / (now - then) if now > then else 0.0
    marks = [number for _, number in counts][::-BEATS]
    return rate, tuple(later - earlier for earlier, later in pairwise(reversed(marks)))


def write_rows(
    path: Path, registry: Registry, numbers: Sequence[int], target: Path, *, reveal: bool, post: Post
) -> None:
    """Export rows, or a scrubbed capture of all there are, and say how that went."""
    try:
        recording = Recording(path, registry, reveal=reveal)
        try:
            if target.suffix == SCRUBBED:
                count = scrub(path, target, registry).events
            else:
                count = export(recording, numbers, target, target.suffix.removeprefix("."))
        finally:
            recording.close()
    except GwinspectError as error:
        post(Exported(target, problem=str(error)))
    else:
        post(Exported(target, count))
