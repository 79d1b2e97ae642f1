"""The nouns everything else speaks of.

*Happenings* are what crossed the wire, in order: a connection opened, a WebSocket message passed (a *frame*), a
control frame passed, messages passed that were not recorded (a *gap*), the connection closed. They are the truth, and
all that is ever stored of it. *Events* are derived: one per row of the timeline. Values only; nothing here reads a
clock, a file or a socket.

Of what there is one for each message, most are `msgspec.Struct`, which is made in a third of a dataclass's time; to
change one, `msgspec.structs.replace`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag, StrEnum
from typing import Any, Literal, final

from msgspec import Struct

Side = Literal["client", "server", "proxy"]
"""Who did something: one of the two ends, or the proxy between them."""


class Plane(StrEnum):
    """Which protocol a connection speaks. Opcodes and close codes mean something only together with their plane."""

    GATEWAY = "gateway"
    VOICE = "voice"
    REMOTE_AUTH = "remote-auth"
    RPC = "rpc"
    MEDIA = "media"
    """The voice server's UDP."""


class Kind(StrEnum):
    """What a row of the timeline is."""

    OPEN = "open"
    PAYLOAD = "payload"
    CLOSE = "close"
    UNDECODED = "undecoded"
    CONTROL = "control"
    GAP = "gap"


class Mark(IntFlag):
    """What the proxy, or we, did to a message. The bits are stored in captures, so they never change their meaning."""

    NONE = 0
    INJECTED = 1
    """The proxy created it; the other end never sent it."""
    DROPPED = 2
    """It was sent, and the proxy did not forward it."""
    CHANGED = 4
    """It was sent, and the proxy passed on something else."""
    REDACTED = 8
    """Secrets in the stored bytes were masked, so they are not quite what was sent."""
    TOLD_1000 = 16
    """Of a close without a close frame: the proxy sent the other end one with 1000."""
    FORBIDDEN = 32
    """Of a close: its code was in a close frame, where WebSocket allows no such code (0, 999, 1006, 5000)."""
    WITHHELD = 64
    """It could not be read, so secrets in it could not be found: why not is stored in place of its bytes."""
    DAVE = 128
    """Of a packet of media: the frame in it ends in DAVE's trailer. Packets are only looked into here and there."""
    NO_DAVE = 256
    """Likewise: the frame in it ends without one, and is not silence."""


class Knows(IntFlag):
    """What the source of a connection can know of it. The bits are stored in captures, so they never change.

    What a source cannot know is never concluded from: that it has no close does not say that there was none. Whether
    it has the beginning is `Opened.joined_late`.
    """

    NOTHING = 0
    END = 1
    """When and how it ended. Without that its `Closed`, which has no code, only says that nothing more is known."""
    CLOSER = 2
    """Which end closed it."""
    TIMES = 4
    """When each message passed. Without that they have the time of what came before, so no time between them counts."""
    PINGS = 8
    """WebSocket's own pings and pongs."""
    BOTH_SIDES = 16
    """What the client said as well as what the server did."""
    WIRE = 32
    """Messages as they were on the wire, and the URL as it was asked for. Without that messages are as the client read
    or wrote them: their sizes are not those of the wire, and nothing is known of compression."""
    ALL = 63


REACHED_AT = "gwinspect-reached-at"
"""Key of `Opened.headers` for a connection in mitmproxy's reverse mode: the address at which its client reached the
proxy, ``ws://127.0.0.1:8080``."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection was made, or was tried."""

    connection: int
    """Number of the connection in its capture, from 1."""
    at_ns: int
    """Nanoseconds since the epoch."""
    plane: Plane
    url: str
    """As asked for, e.g. ``wss://gateway.discord.gg/?v=10&encoding=json``."""
    client: str | None = None
    """Address of the client, ``host:port``."""
    status: int | None = 101
    """HTTP status of the upgrade; None where it did not come that far (a TLS handshake that failed)."""
    refusal: str | None = None
    """Why there is no connection, in words; None where there is one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """A few headers of the upgrade that help to read the rest, by lower-case name; never one that holds a secret.
    Those of the response have ``response-`` in front. `REACHED_AT` is ours."""
    joined_late: bool = False
    """The recording is known to begin in the middle of this connection."""
    knows: Knows = Knows.ALL
    """What its source can know of it."""
    recording: int = 0
    """Which of several recordings that are read together it is from, counted from 0."""


@dataclass(slots=True)
class Frame:
    """One WebSocket message as it crossed the wire: whole, with permessage-deflate undone, and nothing else.

    On the plane ``media`` it is a UDP datagram. No one changes one; it is not frozen as making a frozen one takes four
    times as long, and there is one for each message.
    """

    connection: int
    at_ns: int
    from_client: bool
    is_text: bool
    data: bytes
    """As its sender sent it (for an injected one: as the proxy made it)."""
    marks: Mark = Mark.NONE
    forwarded: bytes | None = None
    """What the other end got instead, where the proxy changed it."""


@dataclass(frozen=True, slots=True)
class Control:
    """A WebSocket ping or pong."""

    connection: int
    at_ns: int
    from_client: bool
    name: Literal["ping", "pong"]
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Closed:
    """A connection ended."""

    connection: int
    at_ns: int
    code: int | None
    """As in RFC 6455 section 7.4: 1005 where the close frame had none, 1006 where there was no close frame.
    None where the recording does not say."""
    reason: str = ""
    by: Side | None = None
    """Who closed first; None where the recording does not say."""
    marks: Mark = Mark.NONE
    """`Mark.TOLD_1000` and `Mark.FORBIDDEN`, where they apply."""

    @property
    def is_recorded(self) -> bool:
        """Whether anything is known of how it ended; else this only is behind the last that is known of it."""
        return self.code is not None or self.by is not None

    @property
    def told(self) -> str | None:
        """Which end the proxy told 1000 instead, ``client`` or ``server``; None where it did not."""
        if not self.marks & Mark.TOLD_1000:
            return None
        return "client" if self.by == "server" else "server"


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages of a connection crossed the wire and were not recorded."""

    connection: int
    at_ns: int
    """When that came to light: when recording continued."""
    since_ns: int
    """When the first of them did."""
    until_ns: int
    """And when the last."""
    sent: int
    """How many of them the client sent."""
    received: int
    """And how many the server."""
    reason: str
    """A slug: ``disk`` (the capture could not be written), ``queue`` (it could not be written fast enough), ``file``
    (the file in which they were was lost). Those of packet captures end a direction for good, and its number, 1, stands
    for any: ``packets`` (they are missing), ``tls`` (it cannot be decrypted), ``frames`` (they break the rules)."""

    @property
    def missing(self) -> int:
        """How many there are."""
        return self.sent + self.received


@final
@dataclass(frozen=True, slots=True)
class StartLimit:
    """What Discord told a bot of its session starts: the answer to GET /gateway/bot.

    Source: https://docs.discord.com/developers/events/gateway#get-gateway-bot
    """

    at_ns: int
    token: str | None
    """Digest of the token that asked; None where that is not recorded."""
    shards: int
    """How many shards Discord recommends."""
    total: int
    """Session starts that the bot has in a day."""
    remaining: int
    """And how many of them were left."""
    reset_after_ms: int
    """When it has all of them again, from `at_ns`."""
    max_concurrency: int
    """How many shards may identify within 5 seconds."""
    recording: int = 0
    """As of `Opened`."""

    @property
    def connection(self) -> int:
        """It came by HTTP, and belongs to no connection that has a number."""
        return 0


Numbered = Opened | Frame | Control | Closed | Gap
"""What happens on a connection: each is numbered, and stored as a row of its own."""

Happening = Numbered | StartLimit
"""All that can cross the wire, and what is known to have done so unseen."""


class Severity(IntEnum):
    """How much a finding matters: the higher the worse. The numbers are stored in captures."""

    INFO = 1
    """Worth knowing; no one has to do anything."""
    WARN = 2
    """It works, but not as it should, or not for long."""
    ERROR = 3
    """Something broke, or will."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule noticed."""

    rule: str
    """Id of the rule: ``heartbeat-late``."""
    severity: Severity
    text: str
    """One or two sentences, with the numbers of this case."""
    event: int
    """Number of the row it stands at: where it was noticed."""
    evidence: tuple[int, ...] = ()
    """Numbers of the rows that it speaks of, in order; the row it is at is left out."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ended a connection, what is right to do about it, and what the client did."""

    event: int
    """Number of the close's row."""
    cause: str
    """What in this session most likely led to it, in a sentence or two."""
    evidence: tuple[int, ...] = ()
    """Numbers of the rows that say so, in order."""
    reconnect: bool | None = None
    """Whether to connect again; None where that is not known."""
    resume: bool | None = None
    """Whether the session may be resumed; None where that is not known."""
    advice: str = ""
    """What to do, in a sentence or two."""
    right: bool | None = None
    """Whether what the client did next was right; None while it has done nothing, or no one can tell."""
    then: str = ""
    """What the client did next, in words; empty while it has done nothing."""
    then_event: int | None = None
    """Number of the row that says so."""


class Absent:
    """The type of `ABSENT`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT = Absent()
"""Stands for a key that was not there, which is not the same as one that was null."""


@dataclass(frozen=True, slots=True)
class Undecoded:
    """Why some bytes could not be read."""

    reason: str
    """A slug: ``joined-late``, ``corrupt``, ``limit``, ``not-json``, ``bad-etf``, ``truncated``, ``empty``; ``fault``
    where a bug of ours is to blame."""
    text: str
    """The same in a sentence, with what was found and what was expected."""
    offset: int | None = None
    """Where, in bytes: into the message, or into the decoded text where that is what failed."""


class Payload(Struct):
    """What one or more frames decode to."""

    encoding: str
    """``json``, ``etf`` or ``binary``."""
    data: bytes
    """The decoded bytes: JSON text, an ETF term, or a voice gateway's binary message."""
    op: int | str | None
    """The opcode; a word on remote auth (``hello``) and RPC (its ``cmd``). None where none makes sense."""
    event: str | None
    """``t`` of a dispatch, ``evt`` of RPC."""
    seq: int | None
    """``s`` on the gateway, ``seq`` on the voice gateway."""
    d: Any = ABSENT
    """The body as Python values, `ABSENT` where the payload had none."""
    extra: Mapping[str, Any] = {}
    """Keys of the envelope that the protocol does not know."""
    problems: tuple[str, ...] = ()
    """What is wrong with it although it could be read, e.g. trailing bytes."""
    refused: bool = False
    """Some of that is nothing that a server puts up with: it closes with 4002."""


class Event(Struct):
    """One row of the timeline."""

    n: int
    """Number of the row, from 1."""
    connection: int
    at_ns: int
    plane: Plane
    kind: Kind
    from_client: bool | None = None
    first_frame: int = 0
    """Number of the first happening it came from; happenings are numbered from 1 over the whole capture."""
    last_frame: int = 0
    """And of the last. Those between that belong to it are the ones of the same connection and direction."""
    op: int | str | None = None
    event: str | None = None
    seq: int | None = None
    wire_bytes: int = 0
    """Bytes of the frames it came from, as they were on the wire after permessage-deflate was undone."""
    decoded_bytes: int = 0
    encoding: str | None = None
    marks: Mark = Mark.NONE
    guild_id: int | None = None
    channel_id: int | None = None
    user_id: int | None = None
    note: str | None = None
    """What the state of the session says beyond the payload: ``after 41 ms``."""
    answers: int | None = None
    """Number of the row that it answers: the heartbeat of an ACK, the Identify of a READY."""
    latency_ns: int | None = None
    """Nanoseconds from that row to this one."""
    findings: tuple[Finding, ...] = ()
    """What the rules noticed here, the worst first."""
    verdict: Verdict | None = None
    """For a close that was not the plain end of a conversation."""
    payload: bytes | None = None
    """`Payload.data`, where it is at hand; with `encoding` it can be read again at any time."""
    raw: bytes | None = None
    """The frames it came from, joined, where they are at hand."""
    opened: Opened | None = None
    """For kind ``open``."""
    closed: Closed | None = None
    """For kind ``close``."""
    undecoded: Undecoded | None = None
    """For kind ``undecoded``."""
    gap: Gap | None = None
    """For kind ``gap``, where its payload is at hand."""
