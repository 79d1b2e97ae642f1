"""What every format is given: a recording, and which of its rows someone chose."""

from collections.abc import Callable, Iterator, Sequence

from inspector.report.present import Presenter, Shown
from inspector.report.recording import Recording

# Rows fetched at once; payloads can be megabytes.
_BATCH = 100

Progress = Callable[[int, int], None]
"""Is told how many rows are done, and how many there are."""


class Chosen:
    """The rows `numbers` (ascending) of a recording, ready to be shown. Secrets are masked unless it reveals them.

    Iterating reads them, a batch at a time; `count` says how many there were so far: a number may have no row.
    """

    def __init__(self, recording: Recording, numbers: Sequence[int], progress: Progress | None = None) -> None:
        self.recording = recording
        self.numbers = numbers
        self.count = 0
        self._progress = progress
        self._presenter = Presenter(recording.registry, reveal=recording.reveal)

    def __iter__(self) -> Iterator[Shown]:
        done = 0
        while done < len(self.numbers):
            first = self.numbers[done]
            # Rows that follow each other are read at once.
            length = 1
            while self._goes_on(done, length, first):
                length += 1
            for event in self.recording.reader.events(first - 1, length):
                if event.n < first + length:
                    self.count += 1
                    yield self._presenter.show(event, self.recording.rows)
            done += length
            if self._progress is not None:
                self._progress(done, len(self.numbers))

    def raw(self, shown: Shown) -> bytes | str:
        """Return the frames that a row came from, joined; or why they are not shown."""
        return self._presenter.raw(shown.event, self.recording.rows)

    def _goes_on(self, done: int, length: int, first: int) -> bool:
        within = length < _BATCH and done + length < len(self.numbers)
        return within and self.numbers[done + length] == first + length
