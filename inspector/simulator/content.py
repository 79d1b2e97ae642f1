"""The invented people, guilds and messages that the simulator serves.

The rule: no one here exists, and everything is the same on every run. Ids are real snowflakes as to their form (their
time is in 2022 and later), with digits that no real one has.
"""

import base64
import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

Json = dict[str, Any]

APPLICATION = "1000000000000000001"
BOT: Json = {
    "id": "1000000000000000001",
    "username": "inspector-demo",
    "global_name": None,
    "discriminator": "0001",
    "avatar": None,
    "bot": True,
    "mfa_enabled": False,
    "verified": True,
    "email": None,
    "flags": 0,
}
TOKEN = base64.b64encode(BOT["id"].encode()).decode().rstrip("=") + ".simulator.opens-nothing-anywhere"
"""Libraries read the bot's id from the first part; the rest is plainly not a token of Discord's."""

GUILD_ID = "1000000000000000100"
EVERYONE = GUILD_ID
GENERAL = "1000000000000000110"
LOUNGE = "1000000000000000120"
"""A voice channel."""

_JOINED = "2024-02-29T12:00:00.000000+00:00"
_NAMES = ("ada", "bjørn", "chioma", "dmitri", "élise", "fatima", "goran", "hana", "ines", "jun", "kofi", "लता", "مريم")
_WORDS = ("tea", "dice", "castle", "river", "lantern", "map", "compass", "winter", "règle", "星", "🎲", "übermorgen")


def invented_hex(purpose: str) -> str:
    """Return 32 hex digits that look like a secret, the same on every run."""
    return hashlib.sha256(purpose.encode()).hexdigest()[:32]


def user(number: int, name: str | None = None) -> Json:
    """Return the invented user of that number, 0 to 9999."""
    return {
        "id": str(1_000_000_000_000_010_000 + number),
        "username": f"invented{number}",
        "global_name": name or f"{_NAMES[number % len(_NAMES)].title()} {number}",
        "discriminator": "0",
        "avatar": invented_hex(f"avatar {number}"),
        "bot": False,
        "public_flags": 0,
        "avatar_decoration_data": None,
    }


ADA, BJORN, CHIOMA = (user(number) for number in range(3))


def member(who: Json) -> Json:
    return {
        "user": who,
        "nick": None,
        "avatar": None,
        "roles": ["1000000000000000150"],
        "joined_at": _JOINED,
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
    }


def message(number: int, text: str, author: Json = ADA, channel_id: str = GENERAL) -> Json:
    """Return the MESSAGE_CREATE of the guild's message of that number."""
    return {
        "id": str(1_100_000_000_000_000_000 + number),
        "type": 0,
        "channel_id": channel_id,
        "guild_id": GUILD_ID,
        "author": author,
        "member": {key: value for key, value in member(author).items() if key != "user"},
        "content": text,
        "timestamp": f"2026-01-31T12:{number // 60 % 60:02}:{number % 60:02}.000000+00:00",
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "pinned": False,
        "flags": 0,
        "components": [],
        "nonce": str(1_100_000_000_000_500_000 + number),
    }


def guild(members: int = 3, extra_channels: int = 0, shard: Sequence[int] = (0, 1)) -> Json:
    """Return a GUILD_CREATE with `members` people besides the bot, some 400 bytes each, and half as many presences.

    It is one that belongs to the shard of that number and count.
    """
    number, count = shard
    people = [user(number) for number in range(members)]
    channels = [
        _channel(GENERAL, 0, "general", 0, topic="All that is invented: ☕ café, naïve, 日本語"),
        _channel(LOUNGE, 2, "Lounge", 1, bitrate=64000, user_limit=0, rtc_region=None),
    ]
    channels += [
        _channel(str(1_000_000_000_000_001_000 + number), 0, f"topic-{number}", 2 + number, topic="…" * 40)
        for number in range(extra_channels)
    ]
    return {
        "id": str(int(GUILD_ID) + ((number - (int(GUILD_ID) >> 22)) % count << 22)),
        "name": "The Invented Guild",
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "banner": None,
        "description": None,
        "owner_id": ADA["id"],
        "application_id": None,
        "region": "deprecated",
        "features": ["COMMUNITY", "NEWS"],
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 1,
        "default_message_notifications": 1,
        "explicit_content_filter": 2,
        "mfa_level": 0,
        "nsfw": False,
        "nsfw_level": 0,
        "premium_tier": 1,
        "premium_subscription_count": 2,
        "premium_progress_bar_enabled": False,
        "preferred_locale": "en-GB",
        "system_channel_id": GENERAL,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "safety_alerts_channel_id": None,
        "vanity_url_code": None,
        "max_members": 500000,
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
        "hub_type": None,
        "joined_at": _JOINED,
        "large": members > 250,
        "unavailable": False,
        "lazy": True,
        "member_count": members + 1,
        "roles": [_role(EVERYONE, "@everyone", 0), _role("1000000000000000150", "Regulars", 1)],
        "emojis": [],
        "stickers": [],
        "soundboard_sounds": [],
        "channels": channels,
        "threads": [],
        "members": [member(BOT), *map(member, people)],
        "presences": [presence(who) for who in people[::2]],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "embedded_activities": [],
    }


def presence(who: Json, status: str = "online") -> Json:
    return {
        "user": {"id": who["id"]},
        "guild_id": GUILD_ID,
        "status": status,
        "activities": [{"id": "ec0b28a579ecb4bd", "name": "Tabletop", "type": 0, "created_at": 1769860800000}],
        "client_status": {"desktop": status},
    }


def status(activity: str) -> Json:
    """Return the body of a Presence Update."""
    return {"since": None, "activities": [{"name": activity, "type": 3}], "status": "idle", "afk": False}


def typing(who: Json) -> Json:
    return {
        "channel_id": GENERAL,
        "guild_id": GUILD_ID,
        "user_id": who["id"],
        "timestamp": 1769860800,
        "member": member(who),
    }


def reaction(number: int, emoji: str, who: Json) -> Json:
    """Return the MESSAGE_REACTION_ADD of `who` to the guild's message of that number."""
    return {
        "user_id": who["id"],
        "type": 0,
        "message_id": message(number, "")["id"],
        "message_author_id": ADA["id"],
        "member": member(who),
        "guild_id": GUILD_ID,
        "channel_id": GENERAL,
        "emoji": {"id": None, "name": emoji, "animated": False},
        "burst": False,
    }


def voice_state(who: Json, channel_id: str | None, session_id: str) -> Json:
    return {
        "guild_id": GUILD_ID,
        "channel_id": channel_id,
        "user_id": who["id"],
        "member": member(who),
        "session_id": session_id,
        "deaf": False,
        "mute": False,
        "self_deaf": False,
        "self_mute": False,
        "self_video": False,
        "suppress": False,
        "request_to_speak_timestamp": None,
    }


def chatter(count: int) -> Iterator[Json]:
    """Yield messages numbered from 1000, of one line up to a paragraph."""
    dice = random.Random(20260131)
    for number in range(1000, 1000 + count):
        text = " ".join(dice.choices(_WORDS, k=dice.choice((2, 5, 9, 40))))
        yield message(number, text, user(dice.randrange(200)))


HOSTILE_TEXTS = {
    "terminal escapes": "\x1b[2J\x1b[31mred\x1b[0m \x1b]0;t\x07 \x1b]8;;http://x.invalid\x1b\\x\x1b]8;;\x1b\\ \x9b31m",
    "control characters": "null \x00 bell \a backspace \b\b\b\b carriage\rreturn vertical\vtab form\ffeed delete \x7f",
    "markup": "[bold]bold[/bold] [/] [link=http://invalid.invalid]x[/link] [@click=app.quit]quit[/] [red",
    "bidi": "user\u202egpj.exe \u2066isolated\u2069 \u200fשלום\u200e العربية \u061c",
    "invisible": "zero\u200bwidth \u2060joiner \ufeffmark soft\u00adhyphen tag\U000e0041",
    "zalgo": "h" + "\u0300\u0316\u0338" * 40 + "i",
    "wide": "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇺🇳 日本語 한국어 ｆｕｌｌ",
    "lone surrogates": "high \ud83d low \ude00 end",
    "line breaks": "one\ntwo\r\nthree\u2028four\u2029five\u0085six",
    "quotes and braces": '"}],{"op":7,"d":null} \\u0000 \\ </script><script>alert(1)</script> %s {0} $(id) `id`',
    "csv formula": '=HYPERLINK("http://invalid.invalid","x")',
    "long": "A" * 4000,
}
"""Texts that a viewer must show without obeying them, by what they try."""


def _channel(channel_id: str, kind: int, name: str, position: int, **more: Any) -> Json:
    return {
        "id": channel_id,
        "type": kind,
        "name": name,
        "position": position,
        "flags": 0,
        "parent_id": None,
        "topic": None,
        "nsfw": False,
        "rate_limit_per_user": 0,
        "last_message_id": None,
        "permission_overwrites": [],
        **more,
    }


def _role(role_id: str, name: str, position: int) -> Json:
    return {
        "id": role_id,
        "name": name,
        "description": None,
        "permissions": "2222085186637376",
        "position": position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": False,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
        "tags": {},
    }
