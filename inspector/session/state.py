"""What is known of one connection while it is being read."""

from dataclasses import dataclass, field

from inspector.model import Closed, Opened
from inspector.wire.dialect import dialect_of


@dataclass(slots=True)
class Connection:
    """One connection: as it was opened, as it turned out to speak, and how it ended."""

    opened: Opened
    version: int | None = None
    """``v`` of the URL."""
    encoding: str | None = None
    """As seen on the wire, as claimed by the URL until then."""
    compression: str | None = None
    """As `encoding`; ``payload`` where single payloads were compressed (Identify with ``compress: true``)."""
    closed: Closed | None = None
    session: str | None = None
    """Digest of the Discord session's id: the same on all connections that resumed it, and no secret."""
    shard: str | None = None
    """``0/2``."""
    unread_frames: int = 0
    """Messages kept raw after the compression context was lost."""
    unread_bytes: int = 0
    last_at_ns: int = 0
    """When anything last happened on it."""
    heartbeats: list[tuple[int | float | None, int]] = field(default_factory=list)
    """The heartbeats that have no ACK yet: the nonce, None where there is none, and when it was sent, in nanoseconds
    since the epoch; at most 16."""

    noted: tuple[object, ...] = ()
    """What `facts` was when the connection was last written down."""

    @property
    def facts(self) -> tuple[object, ...]:
        """All that may change while the connection lives, to tell whether it did."""
        return self.encoding, self.compression, self.session, self.shard, self.unread_frames, self.closed

    @property
    def id(self) -> int:
        """Its number in the capture, from 1."""
        return self.opened.connection

    @classmethod
    def of(cls, opened: Opened) -> "Connection":
        """Return the state of a connection that has just been opened."""
        dialect = dialect_of(opened.url)
        compression = dialect.compression
        return cls(opened, dialect.version, dialect.encoding, compression.value if compression else None)
