"""The voice gateway's side of a connection, version 8: its JSON part.

The rule: what the protocol numbers is numbered and kept, so that a resume can send again what the client missed.
"""

from enum import IntEnum
from typing import Any

from inspector.simulator import content
from inspector.simulator.connection import Connection, Json

ENDPOINT = "invented1.discord.media:2048"
"""As VOICE_SERVER_UPDATE names it; the port is part of it."""
RESUMABLE = frozenset({1001, 1006, 4013, 4015})
"""Close codes after which clients resume; after others the way leads through the main gateway again."""
MODES = ["aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize"]


class VoiceOp(IntEnum):
    """The voice gateway's opcodes that a script speaks of."""

    IDENTIFY = 0
    SELECT_PROTOCOL = 1
    READY = 2
    HEARTBEAT = 3
    SESSION_DESCRIPTION = 4
    SPEAKING = 5
    HEARTBEAT_ACK = 6
    RESUME = 7
    HELLO = 8
    RESUMED = 9
    CLIENTS_CONNECT = 11
    CLIENT_DISCONNECT = 13


class VoiceSocket(Connection):
    """A connection to the voice gateway."""

    seq_key = "seq"

    def __init__(self, sent: dict[str, list[Json]], *args: Any) -> None:
        super().__init__(*args)
        self._sent_of = sent
        self._sent: list[Json] = []

    async def hello(self, interval_ms: int = 13750) -> None:
        await self._say(VoiceOp.HELLO, {"v": int(self.query.get("v", 8)), "heartbeat_interval": interval_ms})

    async def connect(self, *users: Json, interval_ms: int = 13750) -> None:
        """Play a whole connect: Hello, Identify, Ready, who is there, Select Protocol, Session Description."""
        await self.hello(interval_ms)
        identify = await self.expect(VoiceOp.IDENTIFY)
        self._sent = self._sent_of.setdefault(identify["d"]["session_id"], [])
        ready = {"ssrc": 1001, "ip": "127.0.0.1", "port": 50000, "modes": MODES, "experiments": [], "streams": []}
        await self.tell(VoiceOp.READY, ready)
        await self.tell(VoiceOp.CLIENTS_CONNECT, {"user_ids": [user["id"] for user in users]})
        selected = await self.expect(VoiceOp.SELECT_PROTOCOL)
        description = {
            "mode": selected["d"]["data"]["mode"],
            "secret_key": list(bytes.fromhex(content.invented_hex("key") * 2)),
            "audio_codec": "opus",
            "video_codec": "H264",
            "media_session_id": content.invented_hex("media"),
            "dave_protocol_version": 0,
        }
        await self.tell(VoiceOp.SESSION_DESCRIPTION, description)

    async def resume(self, *, interval_ms: int = 13750) -> None:
        """Play a resume: Hello, the client's Resume, Resumed, then what came after its ``seq_ack``."""
        await self.hello(interval_ms)
        asked = (await self.expect(VoiceOp.RESUME))["d"]
        self._sent = self._sent_of.setdefault(asked["session_id"], [])
        await self._say(VoiceOp.RESUMED, None)
        for missed in self._sent[max(0, asked.get("seq_ack", 0)) :]:
            await self.send(missed)

    async def speaking(self, user: Json, ssrc: int, flags: int = 1) -> None:
        await self.tell(VoiceOp.SPEAKING, {"user_id": user["id"], "ssrc": ssrc, "speaking": flags})

    async def tell(self, op: VoiceOp, d: Any) -> None:
        """Send a numbered payload and keep it for a resume."""
        await self.send(self.miss(op, d))

    def miss(self, op: VoiceOp, d: Any) -> Json:
        """Number a payload and keep it. Alone, it is one that the client is no longer there to receive."""
        payload = {"op": int(op), "d": d, "seq": len(self._sent) + 1}
        self._sent.append(payload)
        return payload

    async def _say(self, op: VoiceOp, d: Any) -> None:
        await self.send({"op": int(op), "d": d})

    async def _answer(self, payload: Json) -> None:
        if payload.get("op") == VoiceOp.HEARTBEAT:
            await self._say(VoiceOp.HEARTBEAT_ACK, {"t": payload["d"]["t"]})
