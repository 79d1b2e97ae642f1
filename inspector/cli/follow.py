"""Following a capture that still grows."""

import time
from collections.abc import Callable, Iterator

from inspector.model import Event
from inspector.store.reader import Reader

# Seconds between two looks; SQLite answers the question whether there is news in 2 us.
BEAT = 0.05


def follow(reader: Reader, ended: Callable[[], bool] | None = None) -> Iterator[Event]:
    """Yield the events of a capture as they come, until its recorder has finished it, or `ended` says so."""
    after = 0
    while True:
        # Asked before the last look, so that nothing written in between is missed.
        over = "finished_at" in reader.meta() or (ended is not None and ended())
        if reader.changed() or over:
            for event in reader.all_events(after):
                after = event.n
                yield event
        if over:
            return
        time.sleep(BEAT)
