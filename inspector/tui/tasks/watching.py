"""How the recording is doing: whether it grows, lives, has moved to another file, and what its last second was like."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from inspector.analysis.cases import Case
from inspector.importers.running import Progress
from inspector.model import Severity
from inspector.report.recording import Recording
from inspector.store.parts import Trail
from inspector.tui.live_proxy import Filling, LiveProxy, ended
from inspector.tui.widgets.timeline.status_line import Status
from inspector.tui.workers import Pulse
from inspector.words import size


class Watching:
    """Looks at the file, the proxy, the client, and the import that fills the file, where there is one.

    `pulse` is the newest of those that a worker posts.
    """

    def __init__(
        self,
        recording: Recording,
        source: LiveProxy | None,
        title: str,
        *,
        follow: bool,
        filling: Filling | None = None,
    ) -> None:
        self.pulse: Pulse | None = None
        self.growing = self._following = follow or source is not None
        self._recording = recording
        self._source = source
        self._filling = filling
        self._filled = Progress()
        self._title = title
        self._trail = Trail(recording.path)

    @property
    def cases(self) -> Sequence[Case]:
        """The cases so far, what must be done first at the top."""
        return self.pulse.noticed.cases if self.pulse is not None else ()

    def moved(self) -> Path | None:
        """Return the file in which the recording continues, where this one was taken away."""
        path = self._recording.path
        return self._trail.path if (self.growing and self._trail.moved()) or self._trail.path != path else None

    @property
    def importing(self) -> bool:
        """Whether the file is still being filled from another one."""
        return self._filling is not None

    def look_at_import(self) -> Progress | None:
        """See how far the import has come; return that when it is over, until `end_import`."""
        if self._filling is None:
            return None
        self._filled = self._filling.progress()
        return self._filled if self._filled.is_over else None

    def end_import(self) -> None:
        """Take the file for one that is whole."""
        self._filling = None

    def trouble(self) -> tuple[str, bool] | None:
        """Return what to say of the proxy or the client, and whether it is trouble; None while both run."""
        found = self._source.state() if self._source is not None else None
        if self._source is None or found is None:
            return None
        if found.proxy is not None:
            said = f" Its last output: {found.log[-1]}" if found.log else ""
            what = f"The {self._source.name} {ended(found.proxy)}"
            return f"{what}; nothing more is recorded. Everything recorded so far is saved.{said}", True
        if found.client is not None:
            return f"{self._source.command or 'The client'} {ended(found.client)}.", False
        return None

    def settle(self) -> None:
        """Take note of the recording's end. Raises CaptureError where the file can no longer be read."""
        if self.growing and "finished_at" in self._recording.reader.meta():
            self.growing = False

    def state(self) -> str:
        """Return how it is doing, in a word or two."""
        if self._source is not None and self._source.state().proxy is not None:
            return f"{self._source.name.upper()} DEAD"
        if self.importing:
            return "IMPORTING"
        if not self.growing:
            return "FINISHED" if self._following else ""
        return "LIVE" if self._source is not None else "FOLLOWING"

    def is_busy(self) -> bool:
        """Return whether a client is still connected, so that quitting would end its recording."""
        state = self._source.state() if self._source is not None else None
        if state is None or state.proxy is not None:
            return False
        return state.client_running or (self.pulse is not None and self.pulse.snapshot.live > 0)

    def status(self, state: str, *, filtered: bool, following: bool, unseen: int) -> Status:
        """Return what the status line shows."""
        pulse, severities = self.pulse, Counter(case.severity for case in self.cases)
        round_trip = pulse.snapshot.round_trip_ns if pulse else None
        share, progress = self._imported()
        return Status(
            state=state,
            share=share,
            progress=progress,
            address=self._source.address if self._source else "",
            title=self._title,
            bytes=self._size(),
            connections=pulse.snapshot.connections if pulse else 0,
            errors=severities[Severity.ERROR],
            warnings=severities[Severity.WARN],
            filtered=filtered,
            revealed=self._recording.reveal,
            following=following and self.growing,
            # Who looks at an import is not waiting for its newest row.
            unseen=0 if self.importing else unseen,
            growing=self.growing,
            rate=pulse.rate if pulse and self.growing else 0.0,
            rates=pulse.rates if pulse else (),
            round_trip=round_trip / 1e6 if round_trip is not None else None,
        )

    def _imported(self) -> tuple[float | None, str]:
        """Return how much of an import is done, and the same in numbers."""
        if self._filling is None:
            return None, ""
        done, total = self._filled.done, self._filled.total
        said = f"{size(done)} of {size(total)}, {self._filled.happenings:,} messages" if total else ""
        return done / total if total else 0.0, said

    def _size(self) -> int:
        """Return the bytes of the file, what is not yet written into it included."""
        parts = (Path(f"{self._recording.path}{end}") for end in ("", "-wal"))
        try:
            return sum(part.stat().st_size for part in parts if part.exists())
        except OSError:
            return 0
