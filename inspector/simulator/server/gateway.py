"""The main gateway's side of a connection, and the sessions that outlive connections.

The rule: a dispatch gets its number from the session and stays in its memory, so that a resume can replay it.
"""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import zstandard

from inspector.protocol.ops import GatewayOp
from inspector.simulator import content, etf_encode
from inspector.simulator.server.connection import Json, ScriptError, ServerSocket, to_json
from inspector.wire import etf

RESUME_HOST = "gateway-us-east1-b.discord.gg"
# Bytes from which a payload is compressed where Identify asked for it; the choice is the server's.
_WORTH_COMPRESSING = 256


@dataclass(slots=True)
class ServerSession:
    """One Discord session, over all connections that resume it."""

    id: str
    dispatches: list[Json] = field(default_factory=list)
    """All of them, in order, whether a client was there or not; the first has number 1."""
    guilds: list[Json] = field(default_factory=list)
    """Those that READY named."""


class GatewaySocket(ServerSocket):
    """A connection to the main gateway, in the encoding and compression that its URL asks for."""

    def __init__(self, sessions: dict[str, ServerSession], *args: Any) -> None:
        super().__init__(*args)
        self.session: ServerSession | None = None
        """Set by `ready` and `resume`."""
        self.answers_heartbeats = True
        self.answers_members = True
        self.cut_at: int | None = None
        """Bytes; longer WebSocket messages of a zlib-stream are cut into pieces of that size."""
        self._sessions = sessions
        self._etf = self.query.get("encoding") == "etf"
        self._compression = self.query.get("compress")
        self._compress = _compressor(self._compression)
        self._compresses_payloads = False
        self._shard = [0, 1]

    async def hello(self, interval_ms: int = 41250) -> None:
        trace = '["simulator-prd-us-east1-b-0",{"micros":0.0}]'
        await self._say(GatewayOp.HELLO, {"heartbeat_interval": interval_ms, "_trace": [trace]})

    async def login(self, *guilds: Json, interval_ms: int = 41250) -> None:
        """Play a login from Hello to the last GUILD_CREATE."""
        await self.hello(interval_ms)
        await self.expect(GatewayOp.IDENTIFY)
        await self.ready(*guilds)

    async def welcome(self, *guilds: Json, interval_ms: int = 41250) -> None:
        """Take the client in, whether it comes with an Identify or a Resume."""
        await self.hello(interval_ms)
        asked = await self.expect(GatewayOp.IDENTIFY, GatewayOp.RESUME)
        if asked["op"] == GatewayOp.IDENTIFY:
            await self.ready(*guilds)
        else:
            await self.let_resume(asked["d"])

    async def ready(self, *guilds: Json, absent: Iterable[str] = ()) -> None:
        """Open a session: READY, then one GUILD_CREATE for each guild. `absent`: ids of more that READY lists."""
        self.session = ServerSession(content.invented_hex(f"session {len(self._sessions) + 1}"), guilds=list(guilds))
        self._sessions[self.session.id] = self.session
        ready = {
            "v": int(self.query.get("v", 10)),
            "user_settings": {},
            "user": content.BOT,
            "session_type": "normal",
            "session_id": self.session.id,
            "resume_gateway_url": f"wss://{RESUME_HOST}",
            "relationships": [],
            "private_channels": [],
            "presences": [],
            "guilds": [{"id": each, "unavailable": True} for each in (*(guild["id"] for guild in guilds), *absent)],
            "guild_join_requests": [],
            "geo_ordered_rtc_regions": ["invented-1", "invented-2"],
            "shard": self._shard,
            "auth": {},
            "application": {"id": content.APPLICATION, "flags": 565248},
            "_trace": ['["simulator-prd-us-east1-b-0",{"micros":1234,"calls":[]}]'],
        }
        await self.dispatch("READY", ready)
        for guild in guilds:
            await self.dispatch("GUILD_CREATE", guild)

    async def resume(self, *, interval_ms: int = 41250) -> None:
        """Play a resume: Hello, the client's Resume, the dispatches it missed with their own numbers, RESUMED.

        A session that no one knows is refused with Invalid Session.
        """
        await self.hello(interval_ms)
        await self.let_resume((await self.expect(GatewayOp.RESUME))["d"])

    async def dispatch(self, event: str, d: Any) -> None:
        """Send an event of the session, numbered and kept for a replay."""
        await self.send(self.miss(event, d))

    def miss(self, event: str, d: Any) -> Json:
        """Number an event and keep it. Alone, it is one that the client is no longer there to receive."""
        if self.session is None:
            raise ScriptError(f"{event} needs a session: call ready() or resume() first")
        dispatch = {"t": event, "s": len(self.session.dispatches) + 1, "op": int(GatewayOp.DISPATCH), "d": d}
        self.session.dispatches.append(dispatch)
        return dispatch

    async def ask_for_heartbeat(self) -> None:
        await self._say(GatewayOp.HEARTBEAT, None)

    async def beat(self) -> None:
        """Have the client send a heartbeat, and wait for it: the one that knows of the newest event."""
        await self.ask_for_heartbeat()
        newest = None if self.session is None else len(self.session.dispatches)
        while (await self.expect(GatewayOp.HEARTBEAT))["d"] != newest:
            pass

    async def reconnect(self) -> None:
        await self._say(GatewayOp.RECONNECT, None)

    async def invalid_session(self, *, resumable: bool) -> None:
        await self._say(GatewayOp.INVALID_SESSION, resumable)

    async def refuse_members(self, asked: Json, retry_after: float) -> None:
        """Answer a request for members with RATE_LIMITED. `retry_after`: in seconds."""
        meta = {"guild_id": asked["guild_id"], "nonce": asked["nonce"]}
        await self.dispatch(
            "RATE_LIMITED", {"opcode": int(GatewayOp.REQUEST_GUILD_MEMBERS), "retry_after": retry_after, "meta": meta}
        )

    async def goodbye(self) -> None:
        """Ask the client, in words that ours understand, to log out; wait until it has."""
        message = content.message(9999, "!goodbye")
        if self.session is not None and self.session.guilds:
            message["guild_id"] = self.session.guilds[0]["id"]
        await self.dispatch("MESSAGE_CREATE", message)
        await self.gone()

    async def let_resume(self, asked: Json) -> None:
        """Answer a Resume, of which `asked` is the body, as `resume` does."""
        session = self._sessions.get(asked["session_id"])
        if session is None:
            await self.invalid_session(resumable=False)
            return
        self.session = session
        for missed in session.dispatches[asked["seq"] :]:
            await self.send(missed)
        await self.dispatch("RESUMED", {"_trace": ['["simulator-prd-us-east1-b-1",{"micros":321}]']})

    async def _say(self, op: GatewayOp, d: Any) -> None:
        await self.send({"t": None, "s": None, "op": int(op), "d": d})

    async def _answer(self, payload: Json) -> None:
        match payload.get("op"):
            case GatewayOp.HEARTBEAT if self.answers_heartbeats:
                await self._say(GatewayOp.HEARTBEAT_ACK, None)
            case GatewayOp.IDENTIFY:
                self._shard = payload["d"].get("shard", self._shard)
                wants = bool(payload["d"].get("compress"))
                self._compresses_payloads = wants and not self._etf and self._compression is None
            case GatewayOp.REQUEST_GUILD_MEMBERS if self.answers_members:
                await self.send_members(payload["d"])

    async def send_members(self, asked: Json, *, chunk: int = 1000, chunks: int | None = None) -> None:
        """Answer a request for members with all that the guild has, so many in one GUILD_MEMBERS_CHUNK.

        `chunks`: how many of these are sent, if not all.
        """
        guilds = self.session.guilds if self.session is not None else []
        guild = next((guild for guild in guilds if guild["id"] == str(asked["guild_id"])), None)
        if guild is None:
            return
        members = guild["members"]
        parts = [members[start : start + chunk] for start in range(0, len(members), chunk)]
        for index, part in enumerate(parts[:chunks]):
            answer = {"guild_id": guild["id"], "members": part, "chunk_index": index, "chunk_count": len(parts)}
            nonce = {"nonce": asked["nonce"]} if asked.get("nonce") else {}
            await self.dispatch("GUILD_MEMBERS_CHUNK", answer | nonce)

    def _encode(self, payload: Json) -> tuple[Json, list[bytes], bool]:
        if self._etf:
            payload = etf_encode.with_integer_ids(payload)
            data = etf_encode.encode(payload, atom_keys=True)
        else:
            data = to_json(payload)
        if self._compress is not None:
            data = self._compress(data)
            cut = self.cut_at if self._compression == "zlib-stream" and self.cut_at else len(data)
            return payload, [data[start : start + cut] for start in range(0, len(data), cut)], False
        if self._compresses_payloads and len(data) >= _WORTH_COMPRESSING:
            return payload, [zlib.compress(data)], False
        return payload, [data], not self._etf

    def _decode(self, data: bytes, is_text: bool) -> Json:
        return etf.decode(data).value if self._etf else super()._decode(data, is_text)


def _compressor(compression: str | None) -> Callable[[bytes], bytes] | None:
    """Return what compresses a connection's payloads one after the other, each up to a point where it can be read."""
    if compression == "zlib-stream":
        zlib_stream = zlib.compressobj()
        return lambda data: zlib_stream.compress(data) + zlib_stream.flush(zlib.Z_SYNC_FLUSH)
    if compression == "zstd-stream":
        zstd_stream = zstandard.ZstdCompressor().compressobj()
        flush_block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
        return lambda data: zstd_stream.compress(data) + zstd_stream.flush(flush_block)
    return None
