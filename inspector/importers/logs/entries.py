"""What a line of a log says, whatever program wrote it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from inspector.importers.logs.payloads import Envelope
from inspector.importers.logs.times import Time
from inspector.model import Plane, Side


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log, without its end and without colours."""

    text: str
    at: Time | None
    """When it was written, as it says itself."""


@dataclass(frozen=True, slots=True)
class Said:
    """A payload that was sent or received."""

    key: str
    """Which shard's, or which connection's; empty where the log does not say."""
    at: Time | None
    from_client: bool | None
    """None where the log does not say."""
    data: bytes
    """JSON; else a binary message of a voice gateway."""
    envelope: Envelope
    """Of a binary message with its opcode only."""
    is_all: bool = True
    """Whether the log has everything that this side sends, not only a selection of it."""
    is_text: bool = True
    url: str = ""
    plane: Plane | None = None
    """None where the log does not say."""


@dataclass(frozen=True, slots=True)
class Began:
    """A connection is being made."""

    key: str
    at: Time | None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection ended."""

    key: str
    at: Time | None
    code: int | None = None
    reason: str = ""
    by: Side | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """There is a payload in the line that cannot be read."""

    why: str
    """The rest of a sentence that begins with the payload."""


Entry = Said | Began | Ended | Unreadable


class Dialect(Protocol):
    """Reads the lines of one program. It may remember what earlier lines said, and is used for one pass over a log."""

    name: str
    """What writes such lines, as a note calls it."""

    def receive(self, line: Line) -> Iterator[Entry]:
        """Yield what the next line of the log says; nothing where it is none of this program's, or says nothing."""
