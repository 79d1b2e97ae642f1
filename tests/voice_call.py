"""A voice call as conversations on two connections. Keys and signatures are filler: right in form, signed by nobody."""

from pathlib import Path
from typing import Any

from inspector.model import Happening, Plane
from inspector.protocol.registry import default
from inspector.store.writer import Writer
from inspector.wire.voice import read_binary
from tests.conversation import HELLO, NOON, Conversation, dispatch, identify, ready
from tests.wire.dave_frames import APPEND, COMMIT, EXTERNAL_SENDER, KEY_PACKAGE, WELCOME

OWN, ADA, BEA = "1180000000000000001", "1180000000000000002", "1180000000000000003"
GUILD, CHANNEL = "1180000000000000042", "1180000000000000051"
HOST = "invented1.discord.media:2048"
SESSION, TOKEN = "0a11ed0a11ed0a11ed0a11ed0a11ed0a", "ab1eab1eab1eab1e"
MS = 1_000_000


def voice_state(channel: str | None, seq: int = 2, user: str = OWN) -> dict[str, Any]:
    d = {"guild_id": GUILD, "channel_id": channel, "user_id": user, "session_id": SESSION}
    return dict(dispatch("VOICE_STATE_UPDATE", d, seq))


def voice_server(seq: int = 3, endpoint: str | None = HOST) -> dict[str, Any]:
    return dict(dispatch("VOICE_SERVER_UPDATE", {"guild_id": GUILD, "token": TOKEN, "endpoint": endpoint}, seq))


def join(channel: str | None = CHANNEL) -> dict[str, Any]:
    return {"op": 4, "d": {"guild_id": GUILD, "channel_id": channel, "self_mute": False, "self_deaf": False}}


def logged_in() -> Conversation:
    """Rows 1 to 4 of connection 1, which is over 40 ms after noon."""
    return Conversation().opens().server(HELLO).client(identify()).server(ready())


def asks(main: Conversation) -> Conversation:
    """The three rows of a join, 30 ms."""
    return main.client(join()).server(voice_state(CHANNEL)).server(voice_server())


def voice(connection: int = 2, ms: float = 100, host: str = HOST) -> Conversation:
    """A voice connection that opens so long after noon."""
    url = f"wss://{host}/?v=8"
    return Conversation(plane=Plane.VOICE, url=url, connection=connection, at_ns=NOON + int(ms * MS)).opens()


def introduced(talk: Conversation, dave: int = 1, server: str = GUILD) -> Conversation:
    """Hello and Identify."""
    talk.server({"op": 8, "d": {"v": 8, "heartbeat_interval": 13750}})
    body = {"server_id": server, "user_id": OWN, "session_id": SESSION, "token": TOKEN}
    return talk.client({"op": 0, "d": {**body, "max_dave_protocol_version": dave}})


def let_in(talk: Conversation, dave: int = 1) -> Conversation:
    """Ready, who is there, and what follows up to Session Description."""
    modes = ["aead_aes256_gcm_rtpsize"]
    talk.server({"op": 2, "d": {"ssrc": 1001, "ip": "127.0.0.1", "port": 50001, "modes": modes}})
    talk.server({"op": 11, "d": {"user_ids": [ADA]}})
    talk.client({"op": 1, "d": {"protocol": "udp", "data": {"mode": modes[0]}}})
    return talk.server({"op": 4, "d": {"mode": modes[0], "secret_key": [7] * 32, "dave_protocol_version": dave}})


def offers_keys(talk: Conversation) -> Conversation:
    """External sender and key package."""
    return binary(talk, EXTERNAL_SENDER).frame(key_package(OWN), from_client=True)


def key_package(user: str, number: int = 1) -> bytes:
    """A message of op 26; a user's key packages are told apart by their numbers."""
    named = KEY_PACKAGE.replace(bytes.fromhex("0173f2edc0401000"), int(user).to_bytes(8))
    return named.replace(b"\x11" * 64, bytes([number]) * 64)


def binary(talk: Conversation, message: bytes) -> Conversation:
    """Let the server send a binary message, with the next sequence number."""
    numbered = sum(not frame.from_client and not frame.is_text for frame in talk.frames)
    return talk.frame((numbered + 1).to_bytes(2) + message[2:])


def proposal(epoch: int, *, add: str | None = None, number: int = 1, remove: int = 0) -> bytes:
    """A message of op 27 that proposes to add a user by a key package, or to remove who sits at a leaf."""
    body = b"\0\3" + remove.to_bytes(4)
    if add is not None:
        body = b"\0\1" + key_package(add, number)[1:]
    message = APPEND[6:19] + epoch.to_bytes(8) + APPEND[27:34] + body + APPEND[40:]
    return APPEND[:4] + (len(message) | 0x4000).to_bytes(2) + message


def commit(epoch: int, *proposals: bytes, leaf: int = 0) -> bytes:
    """An MLSMessage that takes proposals up, as ops 28 and 29 have it."""
    refs = b"".join(b"\2\x20" + bytes.fromhex(ref_of(each)) for each in proposals)
    head = COMMIT[5:18] + epoch.to_bytes(8) + b"\1" + leaf.to_bytes(4) + b"\0\3"
    length = len(refs).to_bytes(1) if len(refs) < 64 else (len(refs) | 0x4000).to_bytes(2)
    return head + length + refs + COMMIT[-139:]


def ref_of(proposal: bytes) -> str:
    read = read_binary(proposal, False, 8)
    return str(read.d["proposals"][0]["ref"])  # type: ignore[union-attr]


def commits(talk: Conversation, message: bytes) -> Conversation:
    """Op 28."""
    return talk.frame(b"\x1c" + message, from_client=True)


def announces(talk: Conversation, transition: int, message: bytes) -> Conversation:
    """Op 29."""
    return binary(talk, b"\0\0\x1d" + transition.to_bytes(2) + message)


def welcomes(talk: Conversation, transition: int, package: bytes) -> Conversation:
    """Op 30, for who sent `package`."""
    ref = bytes.fromhex(read_binary(package, True, 8).d["key_package"]["ref"])  # type: ignore[union-attr]
    return binary(talk, b"\0\0\x1e" + transition.to_bytes(2) + WELCOME[5:].replace(b"\xdd" * 32, ref))


def switches(talk: Conversation, transition: int, *, is_ready: bool = True) -> Conversation:
    """Ops 23 and 22."""
    if is_ready:
        talk.client({"op": 23, "d": {"transition_id": transition}})
    return talk.server({"op": 22, "d": {"transition_id": transition}})


def encrypted(talk: Conversation) -> Conversation:
    """A whole handshake of 150 ms: Ada and the client have made a group, whose first epoch is 1."""
    offers_keys(let_in(introduced(talk)))
    first = proposal(0, add=ADA)
    made = commit(0, first)
    return announces(commits(binary(talk, first), made), 0, made)


def whole_call() -> list[Happening]:
    """A call in which Bea comes, the client is not ready for her, encryption ends and begins anew."""
    main, talk = asks(logged_in()), encrypted(voice())
    talk.waits(500).server({"op": 11, "d": {"user_ids": [BEA]}})
    second = proposal(1, add=BEA)
    made = commit(1, second)
    announces(commits(binary(talk, second), made), 1, made)
    switches(talk.waits(2100), 1, is_ready=False)
    talk.waits(700).server({"op": 21, "d": {"transition_id": 2, "protocol_version": 0}})
    switches(talk, 2)
    talk.waits(900).server({"op": 24, "d": {"epoch": 1, "protocol_version": 1}})
    talk.frame(key_package(OWN, 2), from_client=True)
    switches(welcomes(binary(talk, proposal(0, add=ADA, number=2)), 3, key_package(OWN, 2)), 3)
    talk.waits(1500).server({"op": 13, "d": {"user_id": BEA}}).waits(400).closes(4014, "Disconnected.", "server")
    guild = {"id": GUILD, "name": "Test Guild", "channels": [{"id": CHANNEL, "name": "Lounge"}]}
    main.waits(6500).server(dispatch("GUILD_CREATE", guild, 4))
    return together(main, talk)


def together(*talks: Conversation) -> list[Happening]:
    return sorted((each for talk in talks for each in talk.happenings), key=lambda each: each.at_ns)


def written(path: Path, happenings: list[Happening]) -> Path:
    writer = Writer(path, default(), made_by="test")
    writer.write(happenings)
    writer.finish()
    return path
