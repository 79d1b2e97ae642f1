"""The rows of any recording, whatever file it is in: a capture is read, everything else goes through the pipeline."""

import json
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from inspector.diagnose.words import counted
from inspector.inert import inert
from inspector.model import Closed, Event, Frame, Kind, Mark, Opened, Plane
from inspector.protocol.registry import Registry
from inspector.report.values import duration, iso
from inspector.session.redact import mask_text
from inspector.session.state import Connection
from inspector.store.file import is_capture
from inspector.store.reader import Reader, explained

if TYPE_CHECKING:
    from inspector.importers import Source

# Findings at rows given out before that a note of their own tells of, the worst ones.
MOST_LATE = 10
# Settings of the clock that are told.
MOST_STEPS = 10


class Known(Protocol):
    """What is needed to show an event, beyond the event itself."""

    @property
    def names(self) -> Mapping[int, str]:
        """Names of guilds and channels by id, as far as they have come up."""

    def connection(self, number: int) -> Connection:
        """Return what is known of a connection by now."""


class Rows(Known, Protocol):
    """The events of one file, in order, and what is needed to show them."""

    notes: list[str]
    """Sentences about the file as a whole: where it is torn, what was left out. Whole once all events were read."""

    def __iter__(self) -> Iterator[Event]: ...

    def raw(self, event: Event) -> bytes:
        """Return the bytes of the frames that `event` came from, joined."""


def open_rows(path: Path, registry: Registry, hosts: Iterable[str] = (), *, reveal: bool = False) -> Rows:
    """Return the rows of `path`: a capture, or any format that the importers know. Raises CaptureError.

    `hosts` are hosts of the user's own that count as gateways in other people's formats. `reveal` shows secrets in what
    is said of connections.
    """
    if is_capture(path):
        return CaptureRows(Reader(path, reveal=reveal))
    # Imported here: a capture needs none of it, and is to be shown at once.
    from inspector.importers import open_source

    return ImportedRows(open_source(path, hosts), registry)


class CaptureRows:
    """Rows out of a capture."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.names = reader.names
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Event]:
        yield from self.reader.all_events()
        self.conclude()

    def conclude(self) -> None:
        """Note what is to be said of the file as a whole, for those who have read it in another way."""
        waiting = self.reader.undecoded_frames()
        if waiting and "finished_at" not in self.reader.meta():
            self.notes.append(
                f"{waiting:,} messages are stored but not decoded, as the recorder was killed or is still at it; "
                f"`gwinspect reindex {self.reader.path}` decodes them"
            )
        self.notes += notes_of(self.reader)
        for connection in self.reader.connections():
            _note_unread(connection, self.notes)

    def connection(self, number: int) -> Connection:
        return self.reader.connection(number)

    def raw(self, event: Event) -> bytes:
        return b"".join(self.reader.raw(event))


def notes_of(reader: Reader) -> list[str]:
    """Return what a capture says of how it was recorded that people should know: what it lacks, what its times are."""
    with explained(reader.path):
        # Anybody may have written it.
        try:
            return list(_notes_of(reader.path, reader.meta()))
        except (AttributeError, KeyError, OverflowError, RecursionError):
            return []


def _notes_of(path: Path, meta: Mapping[str, str]) -> Iterator[str]:
    if missing := int(meta.get("missing", 0)):
        yield (
            f"{missing:,} message{' is' if missing == 1 else 's are'} missing from this recording; "
            f"`gwinspect show {shlex.quote(str(path))} --where 'kind == gap'` says where"
        )
    if lost := meta.get("lost"):
        ended = json.loads(lost)
        messages, connections = int(ended["messages"]), int(ended["connections"])
        yield (
            f"{inert(meta['continues'])} was damaged while it was recorded, and this goes on from there; lost with it: "
            f"{counted(messages, 'message')} of {counted(connections, 'connection')} that had ended"
        )
    for step in json.loads(meta.get("clock", "[]"))[:MOST_STEPS]:
        at_ns, by_ns = int(step["at_ns"]), int(step["by_ns"])
        way = "back" if by_ns < 0 else "forward"
        yield (
            f"the machine's clock was set {way} by {duration(abs(by_ns))} at {iso(at_ns)}; times after that go on by "
            "the clock before"
        )


class ImportedRows:
    """Rows out of someone else's file, decoded while they are read."""

    def __init__(self, source: "Source", registry: Registry) -> None:
        from inspector.pipeline import Pipeline

        self._source = source
        self._pipeline = Pipeline(registry)
        self._connections: dict[int, Connection] = {}
        self._pieces: defaultdict[int, list[tuple[int, bytes]]] = defaultdict(list)
        self.names: Mapping[int, str] = self._pipeline.names
        self.notes = source.notes

    def __iter__(self) -> Iterator[Event]:
        for happening in self._source:
            number = self._pipeline.next_frame
            events = self._pipeline.feed(happening)
            self._connections |= self._pipeline.changed
            self._pipeline.changed.clear()
            if isinstance(happening, Frame):
                self._add_raw(happening, number, events)
            elif isinstance(happening, Closed):
                self._join(events)
                self._pieces.pop(happening.connection, None)
            yield from events
        events = self._pipeline.finish()
        self._join(events)
        yield from events
        late = sorted(self._pipeline.late, key=lambda finding: (-finding.severity, finding.event))
        for finding in late[:MOST_LATE]:
            self.notes.append(f"noticed at the end, at row {finding.event}: {finding.rule}: {mask_text(finding.text)}")
        if len(late) > MOST_LATE:
            self.notes.append(
                f"{len(late) - MOST_LATE:,} more findings were noticed at the end; `gwinspect diagnose` lists them"
            )
        for connection in self._connections.values():
            _note_unread(connection, self.notes)

    def connection(self, number: int) -> Connection:
        unknown = Opened(number, 0, Plane.GATEWAY, "")
        return self._connections.get(number) or Connection.of(unknown)

    def raw(self, event: Event) -> bytes:
        return event.raw or b""

    def _add_raw(self, frame: Frame, number: int, events: list[Event]) -> None:
        """Give `events` the bytes they came from, and keep those in which the next may have begun."""
        if frame.from_client or frame.marks & Mark.INJECTED:
            for event in events:
                event.raw = frame.data
            return
        pieces = self._pieces[frame.connection]
        pieces.append((number, frame.data))
        self._join(events)
        if events or self.connection(frame.connection).unread_frames:
            del pieces[:-1]

    def _join(self, events: list[Event]) -> None:
        for event in events:
            if event.kind is not Kind.CLOSE:
                pieces = self._pieces[event.connection]
                event.raw = b"".join(data for number, data in pieces if number >= event.first_frame)


def _note_unread(connection: Connection, notes: list[str]) -> None:
    if connection.unread_frames:
        notes.append(
            f"connection {connection.id}: {connection.unread_frames:,} messages ({connection.unread_bytes:,} bytes) "
            "came after its stream could no longer be read; they are kept raw"
        )
