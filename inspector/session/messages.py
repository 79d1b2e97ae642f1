"""What the payloads say that sessions are made of, as values: read once, for the state and for the rules.

Whatever is in a payload, reading it never raises: what is not of the right kind is None.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, final

from msgspec import Struct

from inspector.model import Event, Plane
from inspector.protocol.ops import GatewayOp, VoiceOp
from inspector.protocol.snowflake import number_of
from inspector.session.redact import digest, is_lost

MAX_GUILDS = 5000
"""Guilds of one READY that are looked at: twice as many as a shard may have."""
MAX_CODECS = 64
"""Codecs of one Select Protocol that are looked at."""


@final
class At(Struct, frozen=True):
    """A row that mattered."""

    n: int
    at_ns: int


class Hello(NamedTuple):
    """The server's first word."""

    n: int
    at_ns: int
    interval_ns: int
    """Time between two heartbeats; 0 where it did not say."""


class Beat(NamedTuple):
    """A heartbeat of the client."""

    n: int
    at_ns: int
    seq: int | None
    """The last sequence number that it claims to have seen (voice: ``seq_ack``)."""
    nonce: int | float | None = None
    """What its ACK repeats, on the voice gateway."""


class Acked(NamedTuple):
    """An ACK of the server."""

    n: int
    at_ns: int
    nonce: int | float | None = None


class Identify(NamedTuple):
    """How a client introduced itself; on the voice gateway too."""

    n: int
    at_ns: int
    token: str | None
    """Digest of the token."""
    session: str | None = None
    """Voice: digest of the voice state's session id."""
    server_id: str | None = None
    """Voice: guild, channel or stream."""
    user_id: str | None = None
    """Voice: who joins."""
    shard: tuple[int, int] | None = None
    intents: int | None = None
    capabilities: int | None = None
    compress: bool = False
    """It asked for payload compression."""
    dave: int | None = None
    """Voice: the highest version of the DAVE protocol that it can speak; None where it did not say."""
    prefix: str = ""
    """``Bot`` or ``Bearer``, where the token has that in front. A masked token shows none."""


class Resume(NamedTuple):
    """A client's wish to continue with a session; on the voice gateway too."""

    n: int
    at_ns: int
    token: str | None
    """Digest of the token."""
    session: str | None
    """Digest of the session's id."""
    seq: int | None
    """The last sequence number that it claims to have seen (voice: ``seq_ack``)."""
    server_id: str | None = None
    """Voice: guild, channel or stream."""


class Refused(NamedTuple):
    """An Invalid Session."""

    n: int
    at_ns: int
    resumable: bool


class Part(NamedTuple):
    """One of the chunks that answer a request for members."""

    n: int
    at_ns: int
    total: int | None
    """How many there are to be."""


class Members(NamedTuple):
    """A request for members of a guild."""

    n: int
    at_ns: int
    guild: str
    """Empty where it named none, or several."""
    nonce: str | None
    everyone: bool
    """It asks for the whole list."""
    answered: bool = False
    """A part of the answer has come."""
    part: Part | None = None
    """The newest part of it."""
    parts: int = 0
    """How many have come."""

    @property
    def key(self) -> str:
        """What its answers are told by."""
        return f"nonce {self.nonce}" if self.nonce is not None else f"guild {self.guild}"


class Chunk(NamedTuple):
    """A piece of a list of members, or the refusal to give one."""

    key: str
    """As `Members.key`."""
    is_last: bool
    total: int | None = None
    """How many pieces there are."""


class Guild(NamedTuple):
    """GUILD_CREATE or GUILD_DELETE."""

    n: int
    at_ns: int
    id: int | None
    unavailable: bool
    """It is out of reach for now."""


class Join(NamedTuple):
    """A wish to join a voice channel, to move, or to leave."""

    n: int
    at_ns: int
    server_id: str | None
    """The guild, or the channel of a private call; None where it leaves such a call."""
    channel: str | None
    """None to leave."""


class VoiceState(NamedTuple):
    """Someone's VOICE_STATE_UPDATE."""

    n: int
    at_ns: int
    server_id: str | None
    channel: str | None
    user_id: str | None
    session: str | None
    """Digest of the session id."""


class VoiceServer(NamedTuple):
    """A VOICE_SERVER_UPDATE."""

    n: int
    at_ns: int
    server_id: str | None
    token: str | None
    """Digest of the token."""
    endpoint: str | None
    """Host and port; None where the server went away."""


class Ready(NamedTuple):
    """READY of the main gateway."""

    n: int
    at_ns: int
    session: str | None
    """Digest of the session's id."""
    resume_url: str | None
    user_id: str | None
    is_bot: bool
    shard: tuple[int, int] | None
    session_length: int = 0
    """Characters of the session's id."""
    guilds: tuple[int, ...] = ()
    """Those that are unavailable so far."""


class VoiceReady(NamedTuple):
    """Ready of the voice gateway."""

    n: int
    at_ns: int
    modes: tuple[str, ...]
    ssrc: int | None = None
    """The client's own, for audio."""
    media: str | None = None
    """Where media go, ``udp://host:port``."""


class Codec(NamedTuple):
    """A codec of Select Protocol."""

    payload_type: int
    name: str
    media: str | None
    """``audio``, ``video``, or ``rtx`` for what is sent again."""


class Selected(NamedTuple):
    """Select Protocol of the voice gateway."""

    n: int
    at_ns: int
    protocol: str | None
    mode: str | None
    codecs: tuple[Codec, ...] = ()


class Described(NamedTuple):
    """Session Description of the voice gateway."""

    n: int
    at_ns: int
    mode: str | None
    dave: int | None


Message = (
    Hello
    | Beat
    | Acked
    | Identify
    | Resume
    | Refused
    | Members
    | Chunk
    | Guild
    | Join
    | VoiceState
    | VoiceServer
    | Ready
    | VoiceReady
    | Selected
    | Described
)


def token_mark(token: str) -> str:
    """Return what `marks_of` makes of the digest of a token."""
    return f"token {token}"


def marks_of(says: Identify | Resume | Ready) -> list[str]:
    """Return what tells the client of this from clients in other recordings: token, session and user."""
    marks = {"session": says.session}
    if isinstance(says, Identify | Resume):
        marks["token"] = says.token
    if isinstance(says, Identify | Ready):
        marks["user"] = says.user_id
    known = {kind: mark for kind, mark in marks.items() if mark is not None and not is_lost(mark)}
    # On the main gateway a client may claim a session that is not its own.
    if isinstance(says, Resume) and says.server_id is None and "token" in known:
        known.pop("session", None)
    return [f"{kind} {mark}" for kind, mark in known.items()]


def whole(value: Any) -> int | None:
    """Return `value` if it is a whole number of at most 64 bits."""
    return value if type(value) is int and value.bit_length() <= 64 else None


def name(value: Any) -> str | None:
    """Return an id as text: in ETF it is a number."""
    if type(value) is int:
        number = number_of(value)
        return None if number is None else str(number)
    return value if type(value) is str and len(value) <= 64 else None


def secret(value: Any) -> str | None:
    """Return the digest of a secret."""
    return digest(value) if type(value) is str and value else None


def _prefix(token: Any) -> str:
    first = token.partition(" ")[0] if type(token) is str else ""
    return first if first in ("Bot", "Bearer") else ""


def _text(value: Any) -> str | None:
    return value[:200] if type(value) is str else None


def _get(d: Any, key: str) -> Any:
    return d.get(key) if type(d) is dict else None


def _pair(value: Any) -> tuple[int, int] | None:
    if type(value) is list and len(value) == 2:
        first, second = whole(value[0]), whole(value[1])
        if first is not None and second is not None and max(first.bit_length(), second.bit_length()) < 64:
            return first, second
    return None


def _hello(event: Event, d: Any) -> Hello:
    interval = _get(d, "heartbeat_interval")
    usable = type(interval) in (int, float) and 0 < interval < 1e9
    return Hello(event.n, event.at_ns, int(interval * 1e6) if usable else 0)


def _beat(event: Event, d: Any) -> Beat:
    return Beat(event.n, event.at_ns, whole(_get(d, "seq") if type(d) is dict else d))


def _voice_beat(event: Event, d: Any) -> Beat:
    return Beat(event.n, event.at_ns, whole(_get(d, "seq_ack")), _nonce(d))


def _ack(event: Event, d: Any) -> Acked:
    return Acked(event.n, event.at_ns)


def _voice_ack(event: Event, d: Any) -> Acked:
    return Acked(event.n, event.at_ns, _nonce(d))


def _nonce(d: Any) -> int | float | None:
    """Return what tells a heartbeat of the voice gateway from others: ``d.t``, before version 8 ``d`` itself."""
    nonce = d.get("t") if type(d) is dict else d
    return nonce if type(nonce) in (int, float) else None


def _identify(event: Event, d: Any) -> Identify:
    return Identify(
        event.n,
        event.at_ns,
        secret(_get(d, "token")),
        shard=_pair(_get(d, "shard")),
        intents=whole(_get(d, "intents")),
        capabilities=whole(_get(d, "capabilities")),
        compress=_get(d, "compress") is True,
        prefix=_prefix(_get(d, "token")),
    )


def _voice_identify(event: Event, d: Any) -> Identify:
    return Identify(
        event.n,
        event.at_ns,
        secret(_get(d, "token")),
        session=secret(_get(d, "session_id")),
        server_id=name(_get(d, "server_id")),
        user_id=name(_get(d, "user_id")),
        dave=whole(_get(d, "max_dave_protocol_version")),
    )


def _resume(event: Event, d: Any) -> Resume:
    seq = whole(_get(d, "seq"))
    return Resume(event.n, event.at_ns, secret(_get(d, "token")), secret(_get(d, "session_id")), seq)


def _voice_resume(event: Event, d: Any) -> Resume:
    proof = secret(_get(d, "token")), secret(_get(d, "session_id"))
    return Resume(event.n, event.at_ns, *proof, whole(_get(d, "seq_ack")), name(_get(d, "server_id")))


def _refused(event: Event, d: Any) -> Refused:
    return Refused(event.n, event.at_ns, d is True)


def _members(event: Event, d: Any) -> Members:
    guild = _get(d, "guild_id")
    if type(guild) is list and len(guild) == 1:
        guild = guild[0]
    nonce = _get(d, "nonce")
    everyone = _get(d, "query") == "" and _get(d, "limit") in (0, None) and not _get(d, "user_ids")
    return Members(event.n, event.at_ns, name(guild) or "", _nonce_text(nonce), everyone)


def _nonce_text(value: Any) -> str | None:
    # A nonce of more than 32 bytes is not given back: the answer then has none.
    return value if type(value) is str and len(value.encode("utf-8", "replace")) <= 32 else None


def _chunk(event: Event, d: Any) -> Chunk:
    nonce = _nonce_text(_get(d, "nonce"))
    index, count = whole(_get(d, "chunk_index")), whole(_get(d, "chunk_count"))
    key = f"nonce {nonce}" if nonce is not None else f"guild {name(_get(d, 'guild_id')) or ''}"
    return Chunk(key, index is None or count is None or index >= count - 1, count)


def _rate_limited(event: Event, d: Any) -> Chunk:
    return _chunk(event, _get(d, "meta"))._replace(is_last=True)


def _guild(event: Event, d: Any) -> Guild:
    return Guild(event.n, event.at_ns, number_of(_get(d, "id")), _get(d, "unavailable") is True)


def _join(event: Event, d: Any) -> Join:
    channel = name(_get(d, "channel_id"))
    return Join(event.n, event.at_ns, name(_get(d, "guild_id")) or channel, channel)


def _voice_state(event: Event, d: Any) -> VoiceState:
    channel = name(_get(d, "channel_id"))
    server_id = name(_get(d, "guild_id")) or channel
    user = name(_get(d, "user_id"))
    return VoiceState(event.n, event.at_ns, server_id, channel, user, secret(_get(d, "session_id")))


def _voice_server(event: Event, d: Any) -> VoiceServer:
    server_id = name(_get(d, "guild_id")) or name(_get(d, "channel_id"))
    token, endpoint = secret(_get(d, "token")), _text(_get(d, "endpoint"))
    return VoiceServer(event.n, event.at_ns, server_id, token, endpoint)


def _ready(event: Event, d: Any) -> Ready:
    user, session = _get(d, "user"), _get(d, "session_id")
    return Ready(
        event.n,
        event.at_ns,
        secret(session),
        _text(_get(d, "resume_gateway_url")),
        name(_get(user, "id")),
        _get(user, "bot") is True,
        _pair(_get(d, "shard")),
        len(session) if type(session) is str else 0,
        tuple(_unavailable(_get(d, "guilds"))),
    )


def _unavailable(guilds: Any) -> Iterator[int]:
    for guild in guilds[:MAX_GUILDS] if type(guilds) is list else ():
        number = number_of(_get(guild, "id")) if _get(guild, "unavailable") is True else None
        if number is not None:
            yield number


def _voice_ready(event: Event, d: Any) -> VoiceReady:
    modes = _get(d, "modes")
    found = (_text(mode) for mode in modes[:32]) if type(modes) is list else ()
    ip, port = _text(_get(d, "ip")), whole(_get(d, "port"))
    media = udp_url(ip, port) if ip and port else None
    return VoiceReady(event.n, event.at_ns, tuple(mode for mode in found if mode), whole(_get(d, "ssrc")), media)


def udp_url(host: str, port: int) -> str:
    """Return the URL that stands for a UDP address."""
    return f"udp://[{host}]:{port}" if ":" in host else f"udp://{host}:{port}"


def _selected(event: Event, d: Any) -> Selected:
    mode = _text(_get(_get(d, "data"), "mode"))
    return Selected(event.n, event.at_ns, _text(_get(d, "protocol")), mode, tuple(_codecs(_get(d, "codecs"))))


def _codecs(codecs: Any) -> Iterator[Codec]:
    for codec in codecs[:MAX_CODECS] if type(codecs) is list else ():
        label, number, media = _text(_get(codec, "name")), whole(_get(codec, "payload_type")), _get(codec, "type")
        if label is None:
            continue
        if number is not None:
            yield Codec(number, label, media if media in ("audio", "video") else None)
        again = whole(_get(codec, "rtx_payload_type"))
        if again is not None:
            yield Codec(again, label, "rtx")


def _described(event: Event, d: Any) -> Described:
    return Described(event.n, event.at_ns, _text(_get(d, "mode")), whole(_get(d, "dave_protocol_version")))


READERS: dict[tuple[Plane, bool, int | str | None], Callable[[Event, Any], Message]] = {
    # Plane, whether the client sent it, opcode or event.
    (Plane.GATEWAY, False, GatewayOp.HELLO): _hello,
    (Plane.GATEWAY, True, GatewayOp.HEARTBEAT): _beat,
    (Plane.GATEWAY, True, GatewayOp.QOS_HEARTBEAT): _beat,
    (Plane.GATEWAY, False, GatewayOp.HEARTBEAT_ACK): _ack,
    (Plane.GATEWAY, True, GatewayOp.IDENTIFY): _identify,
    (Plane.GATEWAY, True, GatewayOp.RESUME): _resume,
    (Plane.GATEWAY, False, GatewayOp.INVALID_SESSION): _refused,
    (Plane.GATEWAY, True, GatewayOp.REQUEST_GUILD_MEMBERS): _members,
    (Plane.GATEWAY, True, GatewayOp.VOICE_STATE_UPDATE): _join,
    (Plane.GATEWAY, False, "READY"): _ready,
    (Plane.GATEWAY, False, "GUILD_MEMBERS_CHUNK"): _chunk,
    (Plane.GATEWAY, False, "RATE_LIMITED"): _rate_limited,
    (Plane.GATEWAY, False, "GUILD_CREATE"): _guild,
    (Plane.GATEWAY, False, "GUILD_DELETE"): _guild,
    (Plane.GATEWAY, False, "VOICE_STATE_UPDATE"): _voice_state,
    (Plane.GATEWAY, False, "VOICE_SERVER_UPDATE"): _voice_server,
    (Plane.VOICE, False, VoiceOp.HELLO): _hello,
    (Plane.VOICE, True, VoiceOp.HEARTBEAT): _voice_beat,
    (Plane.VOICE, False, VoiceOp.HEARTBEAT_ACK): _voice_ack,
    (Plane.VOICE, True, VoiceOp.IDENTIFY): _voice_identify,
    (Plane.VOICE, True, VoiceOp.RESUME): _voice_resume,
    (Plane.VOICE, False, VoiceOp.READY): _voice_ready,
    (Plane.VOICE, True, VoiceOp.SELECT_PROTOCOL): _selected,
    (Plane.VOICE, False, VoiceOp.SESSION_DESCRIPTION): _described,
    (Plane.REMOTE_AUTH, True, "heartbeat"): _beat,
    (Plane.REMOTE_AUTH, False, "heartbeat_ack"): _ack,
}
"""How each payload is read that says something sessions are made of; given its row and its body."""
