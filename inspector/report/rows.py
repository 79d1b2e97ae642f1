"""The rows of a capture, and what is to be said of it as a whole."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from inspector.inert import inert
from inspector.model import Event
from inspector.session.redact import mask_text
from inspector.session.state import Connection
from inspector.store.reader import Reader, explained
from inspector.words import counted, duration, iso, listed

# Settings of the clock that are told, and notes of an import, with their characters.
MOST_STEPS = 10
# Kinds that a scrubbed capture says it kept.
MOST_KEPT = 20
MOST_NOTES, _LONGEST_NOTE = 50, 2000


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
                f"{waiting:,} messages are stored but not decoded, as the recorder was killed or is still running; "
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
            found = list(_notes_of(reader.path, reader.meta()))
        except (AttributeError, KeyError, OverflowError, RecursionError):
            found = []
    return found + [mask_text(note[:_LONGEST_NOTE]) for note in reader.notes()[:MOST_NOTES]]


def _notes_of(path: Path, meta: Mapping[str, str]) -> Iterator[str]:
    if missing := int(meta.get("missing", 0)):
        yield (
            f"{counted(missing, 'message is/messages are')} missing from this recording; "
            f"`gwinspect show {shlex.quote(str(path))} --where 'kind == gap'` says where"
        )
    if "scrubbed" in meta:
        kept = json.loads(meta["scrubbed"])["kept"]
        yield "this capture is scrubbed: names, texts and ids in it are invented" + (
            f", but for {listed([str(kind) for kind in kept[:MOST_KEPT]])}" if kept else ""
        )
    if lost := meta.get("lost"):
        ended = json.loads(lost)
        messages, connections = int(ended["messages"]), int(ended["connections"])
        yield (
            f"{inert(meta['continues'])} was damaged while it was recorded, and this continues from there; lost with "
            f"it: {counted(messages, 'message')} of {counted(connections, 'connection')} that had ended"
        )
    for step in json.loads(meta.get("clock", "[]"))[:MOST_STEPS]:
        at_ns, by_ns = int(step["at_ns"]), int(step["by_ns"])
        way = "back" if by_ns < 0 else "forward"
        yield (
            f"the machine's clock was set {way} by {duration(abs(by_ns))} at {iso(at_ns)}; times after that still "
            "follow the earlier clock"
        )


def _note_unread(connection: Connection, notes: list[str]) -> None:
    if connection.unread_frames:
        notes.append(
            f"connection {connection.id}: {connection.unread_frames:,} messages ({connection.unread_bytes:,} bytes) "
            "came after its stream could no longer be read; they are kept raw"
        )
