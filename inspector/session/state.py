"""What is known of one connection while it is being read. Bounded, however long it lives.

Rows that matter later are remembered by number and time; times are nanoseconds since the epoch. What all planes have
is in `Connection` itself, what only one has in a part of it.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from inspector.model import Closed, Knows, Opened, Plane
from inspector.session.dave import Dave
from inspector.session.guilds import Guilds
from inspector.session.messages import (
    At,
    Beat,
    Described,
    Hello,
    Identify,
    Join,
    Members,
    Refused,
    Resume,
    Selected,
    VoiceReady,
)
from inspector.session.phases import OPENED
from inspector.wire.dialect import dialect_of

LOOK_NS, MAX_LOOK_NS = 500_000_000, 2_000_000_000
"""Time between two looks into the silence on a connection that is not silent: the least and the most."""
LOOKS = 20
"""Such looks from one heartbeat to the next, within these bounds."""
MAX_UNACKED = 16
"""Heartbeats remembered while no ACK comes; a client that sends more without one is long past pairing."""
SEND_WINDOW_NS = 60_000_000_000
"""The time over which the gateway counts what a client sends."""
MAX_SENDS = 256
"""Messages of the send window that are remembered: twice as many as are allowed."""
MAX_REQUESTS = 64
"""Requests of one kind that may wait for their answers."""


class Sent(NamedTuple):
    """A message of the client."""

    n: int
    at_ns: int
    op: int | str | None
    wire_bytes: int
    problem: str = ""
    """What is wrong with it, or why it could not be read; not inert."""


@dataclass(slots=True)
class Heartbeats:
    """The client's heartbeats: on the gateways, and in remote auth."""

    pending: deque[Beat] = field(default_factory=deque)
    """Those that have no ACK yet: the oldest, and the newest."""
    last: Beat | None = None
    seq_then: int | None = None
    """The newest sequence number of the server at `last`."""
    count: int = 0
    received_since: int = 0
    """Rows from the server since the client's last heartbeat, ACKs left out."""
    asked: At | None = None
    """The server wants a heartbeat at once, and none has come yet."""

    def sent(self, beat: Beat, seq: int | None) -> At | None:
        """Take in the next heartbeat, sent when the server had counted to `seq`; return what asked for it, if anything
        did.
        """
        if len(self.pending) == MAX_UNACKED:
            # The oldest says how long there has been no ACK.
            del self.pending[1]
        self.pending.append(beat)
        self.last, self.seq_then = beat, seq
        self.count += 1
        self.received_since = 0
        asked, self.asked = self.asked, None
        return asked

    def acknowledged(self, nonce: float | None) -> Beat | None:
        """Take in an ACK, and return the heartbeat that it answers; None where none was waiting for it.

        An ACK of the voice gateway repeats its heartbeat's nonce. Elsewhere each answers the oldest that has none.
        """
        self.received_since -= 1
        for beat in self.pending:
            if nonce is None or nonce == beat.nonce:
                self.pending.remove(beat)
                return beat
        return None

    def forget_pending(self) -> None:
        """Forget what waits for something."""
        self.pending.clear()
        self.last = self.seq_then = self.asked = None
        self.received_since = 0


@dataclass(slots=True)
class SequenceNumbers:
    """The numbers that the server gave on a connection of the main or the voice gateway."""

    last: int | None = None
    first: int | None = None
    gaps: int = 0
    """How often numbers were left out between two events."""
    disorders: int = 0
    """Events whose number was not above the one before; what a resume sends again is not counted."""
    unnumbered: bool = False
    """An event came without a number."""


@dataclass(slots=True)
class MainGateway:
    """What only a connection of the main gateway has."""

    refused: Refused | None = None
    """An Invalid Session that no Identify, Resume or close has answered yet."""
    refusals: int = 0
    """Invalid Sessions that its client got in a row, here and on the connections before, with no READY or RESUMED
    between them."""
    reconnect: At | None = None
    """Reconnect was asked for."""
    members: dict[str, Members] = field(default_factory=dict)
    """Requests for members that are not answered in full, by nonce, or by guild where there is none."""
    guilds: Guilds | None = None
    """Guilds that are to come, or to come back; None before READY."""
    joins: dict[str, Join] = field(default_factory=dict)
    """Wishes to join a voice channel (op 4) that have no voice server yet, by guild or channel."""
    shard_pair: tuple[int, int] | None = None
    """The shard as numbers."""
    user_id: int | None = None
    """The account's, once the session is granted; None where it is not known."""
    intents: frozenset[str] | None = None
    """Names of the intents of a bot's session; None where they are not known, or do not matter."""
    outside: set[str] = field(default_factory=set)
    """Events that came although no intent asks for them."""
    strays: bool = False
    """An event came that belongs to another shard."""
    blank_messages: int = 0
    """Messages of guilds that came without any content, and that had to have some, while none came with it."""
    has_content: bool = False
    """A message of a guild came with content."""

    def forget_pending(self) -> None:
        """Forget what waits for something."""
        self.members.clear()
        self.joins.clear()
        self.refused = self.reconnect = None


@dataclass(slots=True)
class VoiceGateway:
    """What only a connection of the voice gateway has."""

    modes: tuple[str, ...] = ()
    """The encryption modes on offer."""
    ready: VoiceReady | None = None
    """Where media go, and under which SSRC."""
    selected: Selected | None = None
    """The client's Select Protocol."""
    described: Described | None = None
    """The server's Session Description."""
    encryption: Dave = field(default_factory=Dave)
    """The state of DAVE; connections that resume this one share it."""
    speaking: At | None = None
    """The client's first Speaking."""


@dataclass(slots=True)
class MediaPath:
    """What only a connection over UDP has."""

    owner: "Connection | None" = None
    """The voice connection whose packets these are."""
    discovery: At | None = None
    """The newest IP discovery that no answer has come to."""


@dataclass(slots=True)
class Connection:
    """One connection: as it was opened, as it turned out to speak, what it has come to, and how it ended."""

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
    account: str | None = None
    """Whose it is, as `inspector.session.world.Accounts` names it; None before its client has said so."""
    parent: int | None = None
    """Number of the main connection that asked for this voice connection; of media, that of the voice connection."""
    dave: str | None = None
    """Voice: how far its end-to-end encryption has come, in words; see `Dave.words`."""
    identity: str | None = None
    """What tells its client from others: account and shard, in voice the call. None before it has said who it is."""
    previous: int | None = None
    """Number of the connection that the same client had before this one."""
    unread_frames: int = 0
    """Messages kept raw after the compression context was lost."""
    unread_bytes: int = 0

    # From here on: what rules ask about. Not stored.
    lacks: int = 0
    """Bits of `Knows`: what its source cannot know."""
    undecoded: int = 0
    """Messages that could not be decoded; those kept raw after that are not among them."""
    missing: int = 0
    """Messages that crossed the wire and were not recorded."""
    phase: str = OPENED
    """How far it has come; see `inspector.session.phases`."""
    opened_row: int = 0
    """Number of the row of its opening."""
    last_row: int = 0
    """Number of its newest row."""
    last_at_ns: int = 0
    """When anything last happened on it."""
    examined_ns: int = 0
    """Up to when silence on it has been looked into."""
    look_ns: int = LOOK_NS
    """Time between two such looks, as long as it is not silent."""
    last_received: At | None = None
    """The newest row from the server."""
    last_received_bytes: int = 0
    """And how long that was, on the wire."""
    sends: deque[Sent] = field(default_factory=lambda: deque(maxlen=MAX_SENDS))
    """What the client sent within the last minute, the oldest first."""
    last_sent: Sent | None = None
    """The newest message of the client, and whatever its age."""
    hello: Hello | None = None
    identify: Identify | None = None
    """The newest."""
    identifies: int = 0
    resume: Resume | None = None
    """The newest."""
    accepted: At | None = None
    """READY or RESUMED (voice: Ready or Resumed)."""
    heartbeats: Heartbeats = field(default_factory=Heartbeats)
    sequence: SequenceNumbers = field(default_factory=SequenceNumbers)
    # What only one plane has. The parts of the other planes stay as they are here.
    main: MainGateway = field(default_factory=MainGateway)
    voice: VoiceGateway = field(default_factory=VoiceGateway)
    media: MediaPath = field(default_factory=MediaPath)
    noted: tuple[object, ...] = ()
    """What `facts` was when the connection was last written down."""

    @property
    def facts(self) -> tuple[object, ...]:
        """All that is stored and may change while the connection lives, to tell whether it did."""
        return (
            self.encoding,
            self.compression,
            self.session,
            self.shard,
            self.account,
            self.parent,
            self.dave,
            self.unread_frames,
            self.closed,
        )

    @property
    def id(self) -> int:
        """Its number in the capture, from 1."""
        return self.opened.connection

    @property
    def plane(self) -> Plane:
        """Which protocol it speaks."""
        return self.opened.plane

    @property
    def interval_ns(self) -> int:
        """Time between two heartbeats as the server wants it; 0 where that is not known."""
        return self.hello.interval_ns if self.hello is not None else 0

    @property
    def is_whole(self) -> bool:
        """Whether all of it was recorded and could be read: then what is missing was never sent."""
        if self.lacks & Knows.BOTH_SIDES.value:
            return False
        return not (self.opened.joined_late or self.undecoded or self.unread_frames or self.missing)

    @property
    def asked(self) -> Identify | Resume | None:
        """How the client introduced itself last."""
        if self.identify is None or (self.resume is not None and self.resume.n > self.identify.n):
            return self.resume
        return self.identify

    @property
    def is_replaying(self) -> bool:
        """Whether Resume was sent and RESUMED has not come: events that come now may have come before."""
        return self.accepted is None and isinstance(self.asked, Resume)

    def forget_pending(self) -> None:
        """Forget what waits for something, and what was counted: what was waited for may have come unseen."""
        self.heartbeats.forget_pending()
        self.main.forget_pending()
        self.sends.clear()
        self.last_sent = self.last_received = self.sequence.last = self.media.discovery = None
        self.voice.encryption.whole = False

    @classmethod
    def of(cls, opened: Opened) -> "Connection":
        """Return the state of a connection that has just been opened."""
        dialect = dialect_of(opened.url)
        compression = dialect.compression
        made = cls(opened, dialect.version, dialect.encoding, compression.value if compression else None)
        made.last_at_ns = made.examined_ns = opened.at_ns
        made.lacks = int(Knows.ALL & ~opened.knows)
        return made


def remember(requests: dict[str, Any], key: str, request: object) -> None:
    """Keep `request` under `key`, and let go of the oldest where there are too many."""
    requests.pop(key, None)
    requests[key] = request
    if len(requests) > MAX_REQUESTS:
        del requests[next(iter(requests))]
