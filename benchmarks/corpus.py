"""What one busy gateway connection receives, made up: the same bytes for the same arguments on every run.

The mix of events and their mean sizes are those of a bot in some forty guilds, as measured before the program was
written. What a compressor sees matters as much as the sizes: ids and hashes are random, texts are words with a long
tail, people come back. No person, guild or message in it exists.
"""

import random
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, count
from pathlib import Path
from typing import Any, Literal

import orjson

from inspector.model import Closed, Frame, Happening, Opened, Plane
from inspector.simulator.etf_encode import encode, with_integer_ids

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Json = dict[str, Any]
Encoding = Literal["json", "etf"]
Compression = Literal["zlib-stream", "zstd-stream"]

SEED = 20261123
# Messages of the whole corpus; of these, as many of each kind as in `_MIX` and `_GUILDS`.
WHOLE = 200_000
# Messages from which on READY has its full size, some 3 MB.
READY_FROM = 20_000
# The server's messages from one ACK to the next: 41 seconds at some 1.2 messages a second.
HEARTBEAT_EVERY = 50

_GUILDS = 40
_READY_GUILDS = 100
_PEOPLE = 3000
_AT_NS = 1_769_860_800_000_000_000
_EPOCH_MS = 1_420_070_400_000
# The smallest window that holds the 256 KiB of recent text that Discord's server keeps.
_ZSTD: dict[int, int] = {zstd.CompressionParameter.compression_level: 6, zstd.CompressionParameter.window_log: 18}

_RECORD = struct.Struct("<I?")


@dataclass(frozen=True, slots=True)
class Stream:
    """One connection, as it crossed the wire."""

    encoding: Encoding
    compression: Compression
    messages: list[tuple[bool, bytes]]
    """Every message with whether the client sent it, in order."""
    decoded_bytes: int
    """Bytes of the server's payloads before they were compressed."""

    @property
    def url(self) -> str:
        return f"wss://gateway.discord.gg/?v=10&encoding={self.encoding}&compress={self.compression}"

    def happenings(self) -> Iterator[Happening]:
        """Yield the connection from its opening to its end, each frame made as it is asked for."""
        return _happenings(self.url, self.encoding, self.messages)

    def save(self, path: Path) -> None:
        """Write it to `path`, for a process that is to read it without holding it."""
        with path.open("wb") as file:
            for text in (self.url, self.encoding):
                file.write(_RECORD.pack(len(text), True) + text.encode())
            for from_client, data in self.messages:
                file.write(_RECORD.pack(len(data), from_client) + data)


def saved_happenings(path: Path) -> Iterator[Happening]:
    """Yield the happenings of a stream that was saved, while reading it."""
    records = _records(path)
    (_, url), (_, encoding) = next(records), next(records)
    return _happenings(url.decode(), encoding.decode(), records)


def build(
    messages: int, encoding: Encoding = "json", compression: Compression = "zlib-stream", *, seed: int = SEED
) -> Stream:
    """Return a stream of `messages` server messages, with the client's heartbeats between them."""
    squeeze = _zlib_stream() if compression == "zlib-stream" else _zstd_stream()
    write = _json if encoding == "json" else _etf
    found: list[tuple[bool, bytes]] = []
    decoded = 0
    for from_client, payload in _conversation(messages, seed):
        data = write(payload, from_client)
        if not from_client:
            decoded += len(data)
            data = squeeze(data)
        found.append((from_client, data))
    return Stream(encoding, compression, found, decoded)


def payloads(messages: int, seed: int = SEED) -> Iterator[Json]:
    """Yield what the server says: Hello, READY, then events, of which the first third holds all the guilds.

    Before each ACK the client sends its heartbeat.
    """
    invent = _Inventor(random.Random(seed), messages)
    yield {"t": None, "s": None, "op": 10, "d": {"heartbeat_interval": 41250, "_trace": ['["gateway-bench-0",{}]']}}
    acks = (messages - 1) // HEARTBEAT_EVERY
    for seq, kind in enumerate(_order(messages - acks, invent.dice), 1):
        yield {"t": kind, "s": seq, "op": 0, "d": invent.event(kind)}
        if seq % (HEARTBEAT_EVERY - 1) == 0 and acks:
            acks -= 1
            yield {"t": None, "s": None, "op": 11, "d": None}


def inflater(compression: Compression) -> Callable[[bytes], bytes]:
    """Return what inflates a stream's messages, one after the other, with the bare library."""
    if compression == "zlib-stream":
        return zlib.decompressobj().decompress
    return zstd.ZstdDecompressor().decompress


def _order(messages: int, dice: random.Random) -> list[str]:
    """Return the kinds of all messages but the first, Hello."""
    guilds = max(1, _GUILDS * messages // WHOLE)
    rest = messages - guilds - 2
    total = sum(_MIX.values())
    kinds = [kind for kind, share in _MIX.items() for _ in range(rest * share // total)]
    kinds += ["PRESENCE_UPDATE"] * (rest - len(kinds))
    dice.shuffle(kinds)
    for place in sorted(dice.randrange(max(1, messages // 3)) for _ in range(guilds)):
        kinds.insert(place, "GUILD_CREATE")
    return ["READY", *kinds]


def _conversation(messages: int, seed: int) -> Iterator[tuple[bool, Json]]:
    """Yield both sides' payloads, each with whether it is the client's."""
    seq = None
    for payload in payloads(messages, seed):
        if payload["op"] == 11:
            yield True, {"op": 1, "d": seq}
        yield False, payload
        seq = payload["s"] or seq
        if payload["op"] == 10:
            yield True, {"op": 2, "d": {"token": "bench.nobody.nothing", "intents": 33281, "properties": {"os": "x"}}}


def _happenings(url: str, encoding: str, messages: Iterable[tuple[bool, bytes]]) -> Iterator[Happening]:
    clock = count(_AT_NS, 5_000_000)
    yield Opened(1, next(clock), Plane.GATEWAY, url, "127.0.0.1:50000")
    for (from_client, data), at_ns in zip(messages, clock, strict=False):
        yield Frame(1, at_ns, from_client, from_client and encoding == "json", data)
    yield Closed(1, next(clock), 1000, "", "client")


def _records(path: Path) -> Iterator[tuple[bool, bytes]]:
    with path.open("rb") as file:
        while head := file.read(_RECORD.size):
            length, from_client = _RECORD.unpack(head)
            yield from_client, file.read(length)


def _json(payload: Json, from_client: bool) -> bytes:
    return orjson.dumps(payload)


def _etf(payload: Json, from_client: bool) -> bytes:
    """Return `payload` as the server writes terms, which sort their keys, or as clients do."""
    if from_client:
        return encode(payload)
    return encode(with_integer_ids({key: payload[key] for key in ("d", "op", "s", "t")}), atom_keys=True)


def _zlib_stream() -> Callable[[bytes], bytes]:
    context = zlib.compressobj()
    return lambda data: context.compress(data) + context.flush(zlib.Z_SYNC_FLUSH)


def _zstd_stream() -> Callable[[bytes], bytes]:
    context = zstd.ZstdCompressor(options=_ZSTD)
    return lambda data: context.compress(data, zstd.ZstdCompressor.FLUSH_BLOCK)


class _Inventor:
    """Makes up the bodies of events. All that it says follows from its dice."""

    def __init__(self, dice: random.Random, messages: int) -> None:
        self.dice = dice
        self._now_ms = 1_769_860_800_000
        self._ready_share = min(1.0, messages / READY_FROM)
        self._words = [self._word() for _ in range(4000)]
        # The n-th word is said 1/n as often as the first.
        self._weights = list(accumulate(1 / rank for rank in range(1, len(self._words) + 1)))
        self._users = [self._user() for _ in range(_PEOPLE)]
        self._guilds = [self._places() for _ in range(_GUILDS)]

    def event(self, kind: str) -> Json:
        """Return `d` of an event of that kind, a little later than the one before."""
        self._now_ms += self.dice.randrange(1, 1600)
        return _MAKERS[kind](self)

    def presence(self) -> Json:
        status = self.dice.choice(("online", "idle", "dnd", "offline"))
        playing = self.dice.random() < 0.3
        return {
            "user": {"id": self._someone()["id"]},
            "status": status,
            "guild_id": self._guild().id,
            "client_status": {} if status == "offline" else {self.dice.choice(("desktop", "mobile", "web")): status},
            "broadcast": None,
            "activities": [self._activity()] if playing else [],
        }

    def typing(self) -> Json:
        guild = self._guild()
        user = self._someone()
        d = {
            "user_id": user["id"],
            "timestamp": self._now_ms // 1000,
            "guild_id": guild.id,
            "channel_id": self.dice.choice(guild.channels),
        }
        return d | {"member": self._member(guild, user)} if self.dice.random() < 0.2 else d

    def message(self) -> Json:
        guild = self._guild()
        message = self._message(guild, self.dice.choice(guild.channels))
        if self.dice.random() < 0.2:
            message["type"] = 19
            message["referenced_message"] = self._message(guild, message["channel_id"])
        return message

    def message_update(self) -> Json:
        return self.message() | {"edited_timestamp": self._time()}

    def reaction(self) -> Json:
        guild = self._guild()
        user = self._someone()
        return {
            "user_id": user["id"],
            "type": 0,
            "message_id": self._id(),
            "message_author_id": self._someone()["id"],
            "member": self._member(guild, user),
            "emoji": {"name": self.dice.choice(_EMOJI), "id": None},
            "channel_id": self.dice.choice(guild.channels),
            "burst": False,
            "guild_id": guild.id,
        }

    def voice_state(self) -> Json:
        guild = self._guild()
        user = self._someone()
        return {
            "member": self._member(guild, user),
            "user_id": user["id"],
            "suppress": False,
            "session_id": self._hash(),
            "self_video": False,
            "self_mute": self.dice.random() < 0.5,
            "self_deaf": False,
            "request_to_speak_timestamp": None,
            "mute": False,
            "guild_id": guild.id,
            "deaf": False,
            "channel_id": self.dice.choice(guild.channels),
        }

    def guild_create(self) -> Json:
        guild = self._guild()
        people = self.dice.sample(self._users, self.dice.randrange(130, 520))
        return self._guild_head(guild) | {
            "members": [self._member(guild, user) for user in people],
            "presences": [
                {"user": {"id": user["id"]}, "status": "online", "client_status": {"web": "online"}, "activities": []}
                for user in people[::3]
            ],
            "voice_states": [],
            "threads": [],
            "large": True,
            "member_count": self.dice.randrange(250, 90_000),
        }

    def ready(self) -> Json:
        """Return a session's beginning as user accounts get it: with all guilds, and everyone they know."""
        guilds = round(_READY_GUILDS * self._ready_share)
        people = round(2000 * self._ready_share)
        elsewhere = [self._places() for _ in range(_READY_GUILDS - _GUILDS)]
        return {
            "v": 10,
            "user_settings": {},
            "user": self._users[0] | {"email": None, "verified": True},
            "session_type": "normal",
            "session_id": self._hash(),
            "resume_gateway_url": "wss://gateway-us-east1-b.discord.gg",
            "relationships": [{"id": user["id"], "type": 1, "nickname": None} for user in self._users[: people // 4]],
            "private_channels": [
                {"id": self._id(), "type": 1, "last_message_id": self._id(), "flags": 0, "recipients": [user]}
                for user in self._users[:people]
            ],
            "guilds": [self._guild_head(guild) for guild in (self._guilds + elsewhere)[:guilds]],
            "guild_join_requests": [],
            "geo_ordered_rtc_regions": ["rotterdam", "milan"],
            "application": {"id": self._users[0]["id"], "flags": 0},
        }

    def _guild_head(self, guild: "_Places") -> Json:
        return {
            "id": guild.id,
            "name": self._text(3),
            "icon": self._hash(),
            "owner_id": self._someone()["id"],
            "features": ["COMMUNITY", "NEWS", "AUTO_MODERATION"],
            "premium_tier": self.dice.randrange(4),
            "preferred_locale": "en-GB",
            "joined_at": self._time(),
            "roles": [
                {
                    "id": role,
                    "name": self._text(2),
                    "permissions": str(self.dice.getrandbits(46)),
                    "position": position,
                    "color": self.dice.getrandbits(24),
                    "hoist": False,
                    "managed": False,
                    "mentionable": False,
                    "icon": None,
                    "flags": 0,
                    "tags": {},
                }
                for position, role in enumerate(guild.roles)
            ],
            "channels": [
                {
                    "id": channel,
                    "type": 0,
                    "name": "-".join(self._text(2).split()),
                    "position": position,
                    "topic": self._text(12),
                    "parent_id": guild.channels[0],
                    "last_message_id": self._id(),
                    "rate_limit_per_user": 0,
                    "permission_overwrites": [
                        {"type": 0, "id": role, "deny": str(self.dice.getrandbits(40)), "allow": "0"}
                        for role in self.dice.sample(guild.roles, 2)
                    ],
                    "flags": 0,
                }
                for position, channel in enumerate(guild.channels)
            ],
            "emojis": [
                {"id": self._id(), "name": word, "roles": [], "require_colons": True, "managed": False}
                for word in self._text(20).split()
            ],
        }

    def _message(self, guild: "_Places", channel: str) -> Json:
        user = self._someone()
        rich = self.dice.random() < 0.2
        member = {key: value for key, value in self._member(guild, user).items() if key != "user"}
        return {
            "type": 0,
            "tts": False,
            "timestamp": self._time(),
            "pinned": False,
            "nonce": self._id(),
            "mentions": [self._someone()] if self.dice.random() < 0.15 else [],
            "mention_roles": [],
            "mention_everyone": False,
            "member": member,
            "id": self._id(),
            "flags": 0,
            "embeds": [self._embed()] if rich else [],
            "edited_timestamp": None,
            "content": self._text(self.dice.choice((2, 4, 8, 12, 20, 50))),
            "components": [],
            "channel_type": 0,
            "channel_id": channel,
            "author": user,
            "attachments": [self._attachment(channel)] if self.dice.random() < 0.15 else [],
            "guild_id": guild.id,
        }

    def _embed(self) -> Json:
        return {
            "type": "rich",
            "url": f"https://example.invalid/{self._hash()}",
            "title": self._text(6),
            "description": self._text(40),
            "color": self.dice.getrandbits(24),
            "fields": [
                {"name": self._text(2), "value": self._text(8), "inline": True} for _ in range(self.dice.randrange(8))
            ],
            "thumbnail": self._picture(),
            "footer": {"text": self._text(4)},
        }

    def _attachment(self, channel: str) -> Json:
        return {
            "id": self._id(),
            "filename": "image.png",
            "size": self.dice.getrandbits(21),
            "content_type": "image/png",
            "ephemeral": False,
            "channel": channel,
            **self._picture(),
        }

    def _picture(self) -> Json:
        path = f"{self._id()}/{self._hash()}.png"
        return {
            "url": f"https://cdn.invalid/{path}?ex={self.dice.getrandbits(32):x}&hm={self._hash()}{self._hash()}&",
            "proxy_url": f"https://media.invalid/{path}",
            "width": 1280,
            "height": 720,
        }

    def _activity(self) -> Json:
        return {
            "type": 0,
            "timestamps": {"start": self._now_ms},
            "state": self._text(3),
            "name": self._text(2),
            "id": self._hash()[:16],
            "details": self._text(4),
            "created_at": self._now_ms,
            "assets": {"large_text": self._text(2), "large_image": f"mp:external/{self._hash()}"},
            "application_id": self.dice.choice(self._guilds).id,
        }

    def _member(self, guild: "_Places", user: Json) -> Json:
        return {
            "user": user,
            "roles": self.dice.sample(guild.roles, self.dice.randrange(14)),
            "premium_since": None,
            "pending": False,
            "nick": self._text(1) if self.dice.random() < 0.3 else None,
            "mute": False,
            "joined_at": self._time(),
            "flags": 0,
            "deaf": False,
            "communication_disabled_until": None,
            "banner": None,
            "avatar": None,
        }

    def _user(self) -> Json:
        name = self._text(2).replace(" ", ".")
        return {
            "username": name,
            "public_flags": 0,
            "primary_guild": None,
            "id": self._old_id(),
            "global_name": name.title(),
            "display_name_styles": None,
            "discriminator": "0",
            "collectibles": None,
            "clan": None,
            "avatar_decoration_data": None,
            "avatar": self._hash(),
        }

    def _places(self) -> "_Places":
        return _Places(self._old_id(), [self._old_id() for _ in range(30)], [self._old_id() for _ in range(25)])

    def _guild(self) -> "_Places":
        return self._guilds[min(int(self.dice.expovariate(0.15)), _GUILDS - 1)]

    def _someone(self) -> Json:
        return self._users[min(int(self.dice.expovariate(0.003)), _PEOPLE - 1)]

    def _id(self) -> str:
        """A snowflake of this moment."""
        return str(self._now_ms - _EPOCH_MS << 22 | self.dice.getrandbits(22))

    def _old_id(self) -> str:
        return str(self.dice.randrange(10**17, 10**18))

    def _hash(self) -> str:
        return f"{self.dice.getrandbits(128):032x}"

    def _time(self) -> str:
        minute, second = self._now_ms // 60_000 % 60, self._now_ms // 1000 % 60
        return f"2026-01-31T12:{minute:02}:{second:02}.{self.dice.randrange(10**6):06}+00:00"

    def _text(self, words: int) -> str:
        return " ".join(self.dice.choices(self._words, cum_weights=self._weights, k=words))

    def _word(self) -> str:
        return "".join(self.dice.choices(_SYLLABLES, k=self.dice.randrange(1, 5)))


@dataclass(frozen=True, slots=True)
class _Places:
    """A guild, and the ids of what is in it."""

    id: str
    channels: list[str]
    roles: list[str]


_EMOJI = ("🎲", "☕", "👍", "🚀", "🌧", "🧭")
_SYLLABLES = (
    *("ba", "ke", "lo", "mi", "nu", "ra", "so", "ti", "vu", "wen", "dor", "fal", "gri", "hol", "jun", "pex", "qua"),
    *("é", "ß", "ø", "日", "本", "ва", "🎲", "’"),
)
# Messages of each kind in the whole corpus, in thousands.
_MIX = {
    "PRESENCE_UPDATE": 84,
    "MESSAGE_CREATE": 54,
    "TYPING_START": 28,
    "MESSAGE_REACTION_ADD": 14,
    "VOICE_STATE_UPDATE": 10,
    "MESSAGE_UPDATE": 6,
}
_MAKERS: dict[str, Callable[[_Inventor], Json]] = {
    "READY": _Inventor.ready,
    "GUILD_CREATE": _Inventor.guild_create,
    "PRESENCE_UPDATE": _Inventor.presence,
    "MESSAGE_CREATE": _Inventor.message,
    "MESSAGE_UPDATE": _Inventor.message_update,
    "TYPING_START": _Inventor.typing,
    "MESSAGE_REACTION_ADD": _Inventor.reaction,
    "VOICE_STATE_UPDATE": _Inventor.voice_state,
}
