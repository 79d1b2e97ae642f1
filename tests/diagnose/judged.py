"""Conversations that end in every way there is, and their verdicts, for the tests of what is said of ends."""

from typing import Any

from inspector.model import Event, Finding, Kind, Plane, Verdict
from tests.conversation import (
    HELLO,
    NOON,
    STEP,
    Conversation,
    Payload,
    dispatch,
    identify,
    ready,
)
from tests.fed import fed, in_order

RESUMED = dispatch("RESUMED", {}, 4)
RECONNECT = {"op": 7, "d": None}
PRESENCE = {"op": 3, "d": {"since": None, "activities": [], "status": "online", "afk": False}}
ME = "1180000000000000001"
GUILD = "1180000000000000042"
CHANNEL = "1180000000000000050"
OTHER_CHANNEL = "1180000000000000051"
VOICE_TOKEN = "0123456789abcdef"
VOICE_SESSION = "70ce5e5510700ce5e551070ce5e55107"
ENDPOINT = "rotterdam1.discord.media:2048"
SECOND = 1_000_000_000


class Judged:
    """What became of some conversations, which went on at the same time."""

    def __init__(self, *talks: Conversation) -> None:
        made = fed(in_order(*talks))
        self.events, self.verdicts = made.rows, made.verdicts

    def close(self, connection: int = 1) -> Event:
        return next(e for e in self.events if e.kind is Kind.CLOSE and e.connection == connection)

    def verdict(self, connection: int = 1) -> Verdict:
        """The verdict on how a connection ended, with all that came to light later."""
        return self.verdicts[self.close(connection).n]

    def finding(self, connection: int = 1) -> Finding:
        return next(f for f in self.close(connection).findings if "close-" in f.rule)

    def row(self, op: int | None = None, event: str | None = None, connection: int = 1, nth: int = 0) -> int:
        """The number of a row: the nth payload with an opcode or of an event."""
        found = [
            each.n
            for each in self.events
            if each.connection == connection and each.kind is Kind.PAYLOAD and (each.event or each.op) == (event or op)
        ]
        return found[nth]


def begun(**more: Any) -> Conversation:
    """A main connection that is about to identify."""
    return Conversation(**more).opens().server(HELLO)


def online(**more: Any) -> Conversation:
    """A main connection with a session."""
    return begun(**more).client(identify()).server(ready())


def again(after: Conversation, said: Payload, ms: float = 420, **more: Any) -> Conversation:
    """The next connection of a client, on which it says `said` so long after the end of the one before."""
    more = {"connection": 2, **more}
    return Conversation(**more, at_ns=after.happenings[-1].at_ns + int(ms * 1e6) - STEP).opens().client(said)


def joined(**more: Any) -> Conversation:
    """A main connection that is in a voice channel."""
    talk = online(**more).client({"op": 4, "d": {"guild_id": GUILD, "channel_id": CHANNEL}})
    return talk.server(voice_state()).server(voice_server())


def voice_state(channel: str | None = CHANNEL, user: str = ME, session: str = VOICE_SESSION) -> Payload:
    d = {"guild_id": GUILD, "channel_id": channel, "user_id": user, "session_id": session}
    return dispatch("VOICE_STATE_UPDATE", d, 2)


def voice_server(token: str = VOICE_TOKEN, endpoint: str | None = ENDPOINT, guild: str = GUILD) -> Payload:
    return dispatch("VOICE_SERVER_UPDATE", {"guild_id": guild, "token": token, "endpoint": endpoint}, 3)


def voice_identify(**more: Any) -> Payload:
    d = {"server_id": GUILD, "user_id": ME, "session_id": VOICE_SESSION, "token": VOICE_TOKEN}
    return {"op": 0, "d": d | {"max_dave_protocol_version": 1} | more}


def voice_resume() -> Payload:
    return {"op": 7, "d": {"server_id": GUILD, "session_id": VOICE_SESSION, "token": VOICE_TOKEN, "seq_ack": 1}}


VOICE_HELLO = {"op": 8, "d": {"heartbeat_interval": 13750}}
VOICE_READY = {"op": 2, "d": {"ssrc": 1, "ip": "127.0.0.1", "port": 5000, "modes": ["aead_xchacha20_poly1305_rtpsize"]}}


def dialling(after_ms: float = 1000, version: int = 8, **more: Any) -> Conversation:
    """A voice connection that is about to identify, a while after the main connection began."""
    url = f"wss://{ENDPOINT}/?v={version}"
    more = {"connection": 5, "url": url, **more}
    return Conversation(plane=Plane.VOICE, at_ns=NOON + int(after_ms * 1e6), **more).opens().server(VOICE_HELLO)


def talking(after_ms: float = 1000, **more: Any) -> Conversation:
    """A voice connection that is up."""
    return dialling(after_ms, **more).client(voice_identify()).server(VOICE_READY)


def by_server(talk: Conversation, code: int, reason: str = "") -> Conversation:
    return talk.closes(code, reason, "server")
