"""Rows of a recording whose file was lost, in the numbers of a new one.

The pipeline lives on and counts on, so that compressed streams can still be read; the new file counts from 1. What
speaks of rows that are lost speaks of nothing any more.
"""

from dataclasses import dataclass, replace

from inspector.model import Event, Finding, Verdict


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much numbers in the file are smaller than those that the pipeline gives."""

    frames: int = 0
    events: int = 0

    def event(self, event: Event) -> Event:
        """Renumber an event, in place, and return it."""
        event.n -= self.events
        event.first_frame = max(1, event.first_frame - self.frames)
        event.last_frame -= self.frames
        event.answers = self._row(event.answers)
        event.findings = tuple(found for each in event.findings if (found := self.finding(each)) is not None)
        event.verdict = self.verdict(event.verdict) if event.verdict is not None else None
        return event

    def finding(self, finding: Finding) -> Finding | None:
        """Return a finding renumbered; None where its row is lost."""
        row = self._row(finding.event)
        return None if row is None else replace(finding, event=row, evidence=self._rows(finding.evidence))

    def verdict(self, verdict: Verdict) -> Verdict | None:
        """Return a verdict renumbered; None where its row is lost."""
        row = self._row(verdict.event)
        if row is None:
            return None
        then = self._row(verdict.then_event)
        return replace(verdict, event=row, evidence=self._rows(verdict.evidence), then_event=then)

    def _row(self, number: int | None) -> int | None:
        return number - self.events if number is not None and number > self.events else None

    def _rows(self, numbers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(number - self.events for number in numbers if number > self.events)


NO_SHIFT = Shift()
"""Of a recording that is in its first file: both have the same numbers."""
