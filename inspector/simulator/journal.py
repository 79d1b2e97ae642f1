"""What the simulator really sent and received, to compare a recording with.

The rule: an entry is written when the bytes are handed to the socket, or come from it, and never changes.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from inspector.model import Side


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One thing that happened on one WebSocket connection."""

    at_ns: int
    """Nanoseconds since the epoch."""
    connection: int
    """Number of the connection, from 1, counted over all hosts."""
    host: str
    """As the client asked for it, without a port."""
    kind: Literal["open", "message", "close"]
    url: str = ""
    """For ``open``: what the client asked for, with the port where it named one."""
    from_client: bool = False
    is_text: bool = False
    frames: tuple[bytes, ...] = ()
    """The WebSocket messages, byte for byte; more than one where a payload was cut up."""
    payload: Any = None
    """What the frames say, as Python values; None for raw bytes that say nothing."""
    op: int | None = None
    event: str | None = None
    seq: int | None = None
    """``s`` on the gateway, ``seq`` on the voice gateway."""
    code: int | None = None
    """For ``close``; 1005 where the close frame had no code, 1006 where there was no close frame."""
    reason: str = ""
    by: Side | None = None
    """For ``close``: who closed first."""


def save(journal: Iterable[JournalEntry], path: Path) -> None:
    """Write the journal as JSON lines, one entry a line, `JournalEntry.frames` in base64."""
    with path.open("w", encoding="ascii") as lines:
        for entry in journal:
            fields = asdict(entry) | {"frames": [base64.b64encode(frame).decode("ascii") for frame in entry.frames]}
            lines.write(json.dumps(fields) + "\n")


def load(path: Path) -> list[JournalEntry]:
    """Read what `save` wrote."""
    entries = []
    with path.open(encoding="ascii") as lines:
        for line in lines:
            fields = json.loads(line)
            fields["frames"] = tuple(base64.b64decode(frame) for frame in fields["frames"])
            entries.append(JournalEntry(**fields))
    return entries
