"""All that a report says of a recording as a whole: what the screens and `diagnose` and `stats` show, computed once."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from inspector.analysis.diagnosis import Diagnosis, diagnose
from inspector.analysis.lanes import LaneReader, Lanes
from inspector.analysis.stats import Stats, Survey
from inspector.analysis.voice import VoiceCalls, VoiceReader
from inspector.export.html.scale import Scale
from inspector.protocol.registry import Registry
from inspector.report.diagnosis_text import notes
from inspector.report.recording import Recording
from inspector.session.state import Connection
from inspector.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found. Its texts are as they came: anyone who shows them makes them inert."""

    files: tuple[str, ...]
    """Names of the files that were read."""
    registry: Registry
    meta: Mapping[str, str]
    """What the capture says of itself."""
    names: Mapping[int, str]
    """Names of guilds and channels by id."""
    connections: tuple[Connection, ...]
    diagnosis: Diagnosis
    stats: Stats
    lanes: Lanes
    calls: VoiceCalls
    notes: tuple[str, ...]
    """What should be known of the recording as a whole."""
    reveal: bool
    """Secrets are shown."""

    @property
    def scale(self) -> Scale:
        """From the beginning of the recording to its end."""
        return Scale(self.lanes.start_ns, self.lanes.end_ns)


def gather(recording: Recording, files: Sequence[str]) -> Facts:
    """Return what there is to say of a recording that was made of `files`.

    Raises CaptureError where the capture is damaged, or has no gateway connection.
    """
    diagnosis = diagnose(recording.path, files=files)
    with closing(Reader(recording.path, reveal=recording.reveal)) as reader:
        stats = Survey(reader, recording.registry).take()
        lanes, calls = LaneReader(reader), VoiceReader(reader)
        while lanes.advance():
            pass
        while calls.advance():
            pass
        return Facts(
            files=tuple(files),
            registry=recording.registry,
            meta=reader.meta(),
            names=recording.reader.names,
            connections=tuple(reader.connections()),
            diagnosis=diagnosis,
            stats=stats,
            lanes=lanes.snapshot(),
            calls=calls.snapshot(),
            notes=tuple(notes(diagnosis, recording.path)),
            reveal=recording.reveal,
        )
