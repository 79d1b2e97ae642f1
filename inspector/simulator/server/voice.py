"""The voice gateway's side of a connection, in the versions 4 to 9.

The rule: what the protocol numbers is numbered and kept, so that a resume can send again what the client missed. From
version 8 that is nearly everything, before it nothing.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass, field
from typing import Any

from inspector.protocol.ops import BINARY, VoiceOp
from inspector.simulator import content
from inspector.simulator.client.member import VERSION
from inspector.simulator.server import dave
from inspector.simulator.server.call import ServerCall, about_others
from inspector.simulator.server.connection import PATIENCE, Json, ScriptError, ServerSocket
from inspector.simulator.server.dave import Proposal, ServerTransition
from inspector.simulator.server.media import FRAME_SECONDS, MediaServer, Speaker, speech

ENDPOINT = "invented1.discord.media:2048"
"""As VOICE_SERVER_UPDATE names it; the port is part of it."""
RESUMABLE = frozenset({1001, 1006, 4013, 4015})
"""Close codes after which clients resume; after others the way leads through the main gateway again."""
SSRC = 1001
"""The client's own."""
KEY = bytes.fromhex(content.invented_hex("key") * 2)
"""Of the transport encryption."""
MODES = ["aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize"]


@dataclass(slots=True)
class VoiceSession:
    """One voice session, over all connections that resume it."""

    user_id: int
    call: ServerCall | None
    """Where the call is end-to-end encrypted."""
    sent: list[Json] = field(default_factory=list)
    """All that is numbered, in order, whether a client was there or not; the first has number 1."""


class VoiceSocket(ServerSocket):
    """A connection to the voice gateway. `sessions` are by the voice state's id, `media` is what Ready names.

    `pace` is a factor of how long people speak.
    """

    seq_key = "seq"

    def __init__(self, sessions: dict[str, VoiceSession], media: MediaServer, pace: float, *args: Any) -> None:
        super().__init__(*args)
        version = self.query.get("v", "")
        self.version = int(version) if version.isdecimal() else 8
        self.away = False
        """Set it, and what is told from then on is only kept: the client is not there to receive it."""
        self._sessions = sessions
        self._session: VoiceSession | None = None
        self._media = media
        self._mode = MODES[0]
        self._speakers: dict[int, Speaker] = {}
        self._pace = pace

    @property
    def session(self) -> VoiceSession:
        """What Identify opened or Resume took up. Raises `ScriptError` before that."""
        if self._session is None:
            raise ScriptError(f"connection {self.number} needs a voice session: call connect() or resume() first")
        return self._session

    @property
    def call(self) -> ServerCall:
        """The encrypted call. Raises `ScriptError` where the script has none."""
        if self.session.call is None:
            raise ScriptError(f"connection {self.number} has no encrypted call: give one to connect()")
        return self.session.call

    async def hello(self, interval_ms: int = 13750) -> None:
        await self._say(VoiceOp.HELLO, {"v": self.version, "heartbeat_interval": interval_ms})

    async def identify(self, call: ServerCall | None = None, *, interval_ms: int = 13750) -> None:
        """Say Hello, and open a session on the client's Identify."""
        await self.hello(interval_ms)
        asked = (await self.expect(VoiceOp.IDENTIFY))["d"]
        self._session = self._sessions[asked["session_id"]] = VoiceSession(int(asked["user_id"]), call)

    async def connect(self, *users: Json, call: ServerCall | None = None, interval_ms: int = 13750) -> None:
        """Play a whole connect: Hello, Identify, Ready, who is there, Select Protocol, Session Description.

        With a `call` it is end-to-end encrypted, and a key package is what the client is to send next.
        """
        await self.greet(*users, call=call, interval_ms=interval_ms)
        selected = await self.expect(VoiceOp.SELECT_PROTOCOL)
        description = {
            "mode": selected["d"]["data"]["mode"],
            "secret_key": list(KEY),
            "audio_codec": "opus",
            "video_codec": "H264",
            "media_session_id": content.invented_hex("media"),
            "dave_protocol_version": VERSION if call else 0,
        }
        self._mode = description["mode"]
        await self.tell(VoiceOp.SESSION_DESCRIPTION, description)

    async def greet(self, *users: Json, call: ServerCall | None = None, interval_ms: int = 13750) -> None:
        """Play `connect` up to where the client has to find out its address, and choose a protocol."""
        await self.identify(call, interval_ms=interval_ms)
        self._media.asked.clear()
        ready = {"ssrc": SSRC, "ip": "127.0.0.1", "port": self._media.port, "modes": MODES}
        await self.tell(VoiceOp.READY, ready | {"experiments": [], "streams": []})
        await self.tell(VoiceOp.CLIENTS_CONNECT, {"user_ids": [user["id"] for user in users]})

    async def asked_for_address(self) -> None:
        """Wait until a client has asked for its address by UDP, rightly or wrongly."""
        await asyncio.wait_for(self._media.asked.wait(), PATIENCE)

    async def talk(
        self,
        user: Json,
        ssrc: int,
        frames: int = 40,
        *,
        lose: Container[int] = (),
        wait: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        """Let a guest's sound come by UDP, which is what `speaking` announces; the packets in `lose` get lost.

        `wait` is called after each packet, with its number from 0, and waits until the next is due: by default for as
        long as a frame of sound is.
        """
        speaker = self._speakers.setdefault(ssrc, Speaker(ssrc, self._mode, KEY))
        call = self.session.call
        for number, frame in enumerate(speech(frames)):
            packet = speaker.packet(frame if call is None else call.encrypted(user, frame))
            if number not in lose:
                self._clock.sent(self._media.send(SSRC, packet))
            await (wait(number) if wait is not None else asyncio.sleep(FRAME_SECONDS * self._pace))

    async def hear(self, packets: int) -> None:
        """Wait until so many packets of the client's have come in all. Raises `ScriptError` where they do not."""
        for _ in range(int(PATIENCE / FRAME_SECONDS)):
            if self.heard >= packets:
                return
            await asyncio.sleep(FRAME_SECONDS)
        raise ScriptError(f"connection {self.number}: {self.heard} packets came, not {packets}")

    @property
    def heard(self) -> int:
        """How many packets of the client's have come in all."""
        return self._media.heard[SSRC]

    async def resume(self, *, interval_ms: int = 13750) -> None:
        """Play a resume: Hello, the client's Resume, Resumed, then from version 8 what came after its ``seq_ack``."""
        await self.hello(interval_ms)
        asked = (await self.expect(VoiceOp.RESUME))["d"]
        self._session = self._sessions.get(asked["session_id"])
        missed = self.session.sent[max(0, asked.get("seq_ack", 0)) :]
        await self._say(VoiceOp.RESUMED, None)
        for payload in missed:
            await self.send(payload)

    async def speaking(self, user: Json, ssrc: int, flags: int = 1) -> None:
        await self.tell(VoiceOp.SPEAKING, {"user_id": user["id"], "ssrc": ssrc, "speaking": flags})

    async def external_sender(self) -> None:
        """Tell the key by which the server signs its proposals."""
        await self.tell(VoiceOp.MLS_EXTERNAL_SENDER, _binary(self.call.sender.package))

    async def key_package(self) -> None:
        """Wait for the client's key package; it can be added from then on."""
        self.call.group.offer(self.session.user_id, await self._expect_binary(VoiceOp.MLS_KEY_PACKAGE))

    async def add(self, *people: Json) -> list[Proposal]:
        """Propose to everybody to add people, but to no one themselves. Where there is no group yet, name all."""
        return await self.propose(self.call.add(*people))

    async def remove(self, *people: Json) -> list[Proposal]:
        """Propose to the others to remove people."""
        return await self.propose(self.call.remove(*people))

    async def withdraw(self, *people: Json) -> None:
        """Take back what was proposed about people."""
        await self.tell(VoiceOp.MLS_PROPOSALS, _binary(dave.revoke(self.call.withdraw(*people))))

    async def propose(self, proposals: list[Proposal]) -> list[Proposal]:
        """Tell this client of proposals that its call has made, and return them."""
        if others := about_others(proposals, self.session.user_id):
            await self.tell(VoiceOp.MLS_PROPOSALS, _binary(dave.append(others)))
        return proposals

    async def commit(self, by: Json | None = None) -> ServerTransition:
        """Let the commit of the client win, or that of a guest, and announce it.

        Raises `ScriptError` where it is not valid.
        """
        if by is None:
            user_id, commit = self.session.user_id, await self._expect_binary(VoiceOp.MLS_COMMIT_WELCOME)
        else:
            user_id, commit = int(by["id"]), self.call.commit_of(by)
        transition = self.call.accept(user_id, commit)
        await self.announce(transition)
        return transition

    async def announce(self, transition: ServerTransition) -> None:
        """Tell this client of the newest commit: by a Welcome where it is new, not at all where it is not a member."""
        user_id = self.session.user_id
        transition_id = self.call.transition_id.to_bytes(2)
        if user_id in transition.welcomes:
            await self.tell(VoiceOp.MLS_WELCOME, _binary(transition_id + transition.welcomes[user_id]))
        elif user_id in self.call.group.members.values():
            await self.tell(VoiceOp.MLS_ANNOUNCE_COMMIT, _binary(transition_id + transition.commit))

    async def ready(self) -> None:
        """Wait until the client is ready for the newest transition. Raises `ScriptError` where it names another."""
        said = (await self.expect(VoiceOp.DAVE_TRANSITION_READY))["d"]["transition_id"]
        if said != self.call.transition_id:
            raise ScriptError(f"connection {self.number}: ready for {said}, and not for {self.call.transition_id}")

    async def execute(self) -> None:
        """Say that the newest transition is to be made now."""
        await self.tell(VoiceOp.DAVE_EXECUTE_TRANSITION, {"transition_id": self.call.transition_id})

    async def prepare_transition(self, version: int) -> None:
        """Announce another version of the protocol, mostly 0, which is none."""
        transition = {"transition_id": self.call.next_transition(), "protocol_version": version}
        self.call.version = version
        await self.tell(VoiceOp.DAVE_PREPARE_TRANSITION, transition)

    async def prepare_epoch(self, epoch: int = 1) -> None:
        """Announce a new epoch. With epoch 1 that is a new group, for which everybody needs a new key package."""
        if epoch == 1:
            self.call.start_over()
        await self.tell(VoiceOp.DAVE_PREPARE_EPOCH, {"protocol_version": VERSION, "epoch": epoch})

    async def tell(self, op: VoiceOp, d: Any) -> None:
        """Send a payload, numbered and kept for a resume where this version does that."""
        payload = {"op": int(op), "d": d}
        if self.version >= 8:
            payload["seq"] = len(self.session.sent) + 1
            self.session.sent.append(payload)
        if not self.away:
            await self.send(payload)

    async def _expect_binary(self, op: VoiceOp) -> bytes:
        return base64.b64decode((await self.expect(op))["d"]["base64"])

    async def _say(self, op: VoiceOp, d: Any) -> None:
        await self.send({"op": int(op), "d": d})

    async def _answer(self, payload: Json) -> None:
        if payload.get("op") == VoiceOp.HEARTBEAT:
            nonce = payload["d"]
            await self._say(VoiceOp.HEARTBEAT_ACK, {"t": nonce["t"]} if self.version >= 8 else nonce)

    def _encode(self, payload: Json) -> tuple[Json, list[bytes], bool]:
        if payload["op"] not in BINARY:
            return super()._encode(payload)
        seq = (payload["seq"] & 0xFFFF).to_bytes(2) if "seq" in payload else b""
        return payload, [seq + bytes((payload["op"],)) + base64.b64decode(payload["d"]["base64"])], False

    def _decode(self, data: bytes, is_text: bool) -> Json:
        return super()._decode(data, is_text) if is_text else {"op": data[0] if data else None, "d": _binary(data[1:])}


def _binary(data: bytes) -> Json:
    return {"base64": base64.b64encode(data).decode("ascii")}
