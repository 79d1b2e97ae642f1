"""What a value is: of which kind, or why it may stay.

`KINDS` is what a person may ask to keep. A text that no line here speaks of is replaced.
"""

import re
from enum import StrEnum

from inspector.scrub.rewriting import Keys


class Kind(StrEnum):
    """What is taken out. Values are what `--keep` takes, but for `SECRET`, which always goes."""

    SECRET = "secrets"
    ID = "ids"
    GUILD_NAME = "guild-names"
    CHANNEL_NAME = "channel-names"
    NAME = "names"
    TEXT = "texts"
    TIME = "times"
    IMAGE = "images"
    URL = "urls"
    HOST = "hosts"
    ADDRESS = "addresses"
    EMAIL = "emails"
    PHONE = "phones"
    LOCALE = "locales"
    AGENT = "user-agents"
    VOICE = "voice-packets"
    OTHER = "other"


MEANINGS: dict[Kind, str] = {
    Kind.SECRET: "tokens, session ids, keys",
    Kind.ID: "ids of users, guilds, channels, messages",
    Kind.GUILD_NAME: "names of guilds",
    Kind.CHANNEL_NAME: "names of channels and threads",
    Kind.NAME: "names of people, roles, emojis, games",
    Kind.TEXT: "messages, topics, status texts",
    Kind.TIME: "times in payloads, within their day",
    Kind.IMAGE: "hashes of avatars, icons, banners",
    Kind.URL: "URLs",
    Kind.HOST: "names of hosts that are not Discord's",
    Kind.ADDRESS: "IP addresses",
    Kind.EMAIL: "e-mail addresses",
    Kind.PHONE: "phone numbers",
    Kind.LOCALE: "languages and regions",
    Kind.AGENT: "parts of user agents that name no library",
    Kind.VOICE: "keys and contents of voice packets",
    Kind.OTHER: "other texts",
}

CLEAR = "stays"
"""In place of a kind: the value says nothing of anybody."""

# Keys whose texts may stay, and what these look like.
_WORDS = r"[a-z][a-z0-9_]{0,39}"
_BITS = r"-?\d{1,40}"
_LIBRARIES = (
    "discord|discord android|discord client|discord ios|discord embedded|discord\\.py|discord\\.js"
    "|@discordjs/ws|nextcord|disnake|py-?cord|hikari.*|interactions\\.py|eris|oceanic|oceanic\\.js|jda"
    "|discord4j|javacord|kord|serenity(-rs)?|twilight|songbird|discordgo|arikawa|disgo|discord\\.net"
    "|dsharpplus|remora|dpp|d\\+\\+|discordrb|nyxx|concord|discordeno|harmony|detritus|klasa|chrome"
    "|firefox|safari|edge|opera|mozilla|chromium|library|gwinspect"
)
_SYSTEMS = (
    "linux|windows|win32|darwin|macos|mac os x|freebsd|android|ios|browser|other|web|desktop|mobile"
    "|console|embedded|unknown"
)
_PROGRAM = rf"(?:{_LIBRARIES}|{_SYSTEMS})(?:[ /]?v?[\d.]{{1,20}}\w{{0,8}})?"
_STATES = "online|idle|dnd|invisible|offline|unknown"
_CODECS = "opus|vp8|vp9|av1|h264|h265|rtx|red|ulpfec|audio|video|screen|test|stream"
_KEPT: dict[str, re.Pattern[str]] = {
    key: re.compile(pattern, re.IGNORECASE | re.ASCII)
    for keys, pattern in {
        ("status", "desktop", "mobile", "web", "embedded", "vr"): _STATES,
        ("os", "browser", "device", "$os", "$browser", "$device", "client", "platform"): _PROGRAM,
        (
            "os_version",
            "browser_version",
            "client_version",
            "voice",
            "rtc_worker",
            "native_build",
        ): r"[\d.]{1,20}|\d{1,9}",
        ("release_channel",): "stable|ptb|canary|development",
        ("mode", "modes"): r"(?:aead|xsalsa20|aes)[a-z0-9_]{1,40}",
        ("protocol",): "udp|webrtc|webrtc-p2p",
        ("type", "name", "codec", "audio_codec", "video_codec", "media_type"): _CODECS,
        ("rid",): r"\d{1,3}",
        ("permissions", "permissions_new", "allow", "allow_new", "deny", "deny_new", "app_permissions"): _BITS,
        ("authorizing_permissions", "default_member_permissions", "guild_permissions", "flags", "public_flags"): _BITS,
        ("features", "experiments", "features_new"): r"[A-Za-z][A-Za-z0-9_]{2,59}",
        ("discriminator",): "0|0000",
        ("_trace",): r"[\w\-.\[\]{}\":,\s]{0,4000}",
        ("session_type",): "normal",
        ("encoding",): "json|etf",
        ("compress",): "zlib-stream|zstd-stream",
        ("identity_guild_id_encoding",): _WORDS,
    }.items()
    for key in keys
}
_TOP = frozenset({"t", "op", "cmd", "evt"})
_TOP_WORD = re.compile(r"[A-Z][A-Z0-9_]{2,59}|[a-z_]{2,40}")

_KIND_OF: dict[str, Kind] = {
    key: kind
    for kind, keys in {
        Kind.NAME: """
            name username global_name nick display_name friend_nickname nickname legacy_username user_name label
            title author large_text small_text emoji_name tags discriminator afk_channel_name
        """,
        Kind.TEXT: """
            content topic description bio text state details body reason message summary placeholder value
            custom_status pronouns system_content status note
        """,
        Kind.IMAGE: """
            avatar icon banner splash discovery_splash hash avatar_hash cover_image image large_image
            small_image asset avatar_decoration guild_avatar home_header rules_icon
        """,
        Kind.URL: """
            url proxy_url icon_url proxy_icon_url vanity_url_code custom_install_url uri href redirect_uri
        """,
        Kind.HOST: "resume_gateway_url endpoint",
        Kind.ADDRESS: "ip address",
        Kind.EMAIL: "email",
        Kind.PHONE: "phone phone_number",
        Kind.LOCALE: """
            locale system_locale preferred_locale guild_locale country_code rtc_region region language country
            timezone
        """,
        Kind.AGENT: "browser_user_agent os browser device",
        Kind.TIME: "timestamp edited_timestamp joined_at premium_since",
    }.items()
    for key in keys.split()
}
# Milliseconds since 1970, given as numbers.
_NUMBERS_OF_TIME = frozenset(
    (
        "start",
        "end",
        "created_at",
        "since",
        "timestamp",
        "expires_at",
        "last_seen",
        "last_viewed_at",
        "joined_at",
        "premium_since",
        "start_time",
    )
)
_NOT_TIME = frozenset({"t", "d", "nonce", "t_ms"})
_EPOCH_MS = range(1_300_000_000_000, 2_500_000_000_000)
_IDS = range(10**14, 2**64)

_SHAPES: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:?\d\d)?"), Kind.TIME),
    (re.compile(r"[a-z][a-z0-9+.-]{1,15}://\S+", re.IGNORECASE), Kind.URL),
    (re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}", re.IGNORECASE), Kind.ADDRESS),
    (re.compile(r"[^\s@]+@[^\s@]+\.[a-z]{2,24}", re.IGNORECASE), Kind.EMAIL),
    (re.compile(r"(?:a_)?[0-9a-f]{16,128}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE), Kind.IMAGE),
)
_CONTAINERS = {
    "channels": Kind.CHANNEL_NAME,
    "channel": Kind.CHANNEL_NAME,
    "threads": Kind.CHANNEL_NAME,
    "guilds": Kind.GUILD_NAME,
    "guild": Kind.GUILD_NAME,
}
# Keys of what is data are ids or names; those of the protocol look like this.
_KEY = re.compile(r"[$A-Za-z_][\w$.-]{0,63}", re.ASCII)


def kind_of_text(keys: Keys, value: str, event: str | None) -> Kind | str:
    """Return what a text is: a kind, or `CLEAR`. `event`: of the payload's dispatch, where it is one."""
    key = keys[-1].lower() if keys else ""
    if len(keys) == 1 and key in _TOP:
        return CLEAR if _TOP_WORD.fullmatch(value) else Kind.OTHER
    kept = _KEPT.get(key)
    if kept is not None and kept.fullmatch(value):
        return CLEAR
    if 15 <= len(value) <= 20 and value.isascii() and value.isdigit():
        return Kind.ID
    kind = _KIND_OF.get(key)
    if kind is None or kind in (Kind.TEXT, Kind.TIME, Kind.ADDRESS):
        for pattern, shape in _SHAPES:
            if pattern.fullmatch(value):
                return shape
    if kind is Kind.TIME or kind is None:
        return Kind.OTHER
    if key == "name":
        return _kind_of_name(keys, event)
    return kind


def _kind_of_name(keys: Keys, event: str | None) -> Kind:
    for around in reversed(keys[:-1]):
        if around == "d":
            break
        return _CONTAINERS.get(around.lower(), Kind.NAME)
    if event is not None:
        if event.startswith(("CHANNEL_", "THREAD_")):
            return Kind.CHANNEL_NAME
        if event in ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE"):
            return Kind.GUILD_NAME
    return Kind.NAME


def kind_of_number(keys: Keys, value: int) -> Kind | str:
    """Return what a whole number is: `Kind.ID`, `Kind.TIME` or `CLEAR`."""
    key = keys[-1].lower() if keys else ""
    if value in _EPOCH_MS and key in _NUMBERS_OF_TIME:
        return Kind.TIME
    if value in _IDS and key not in _KEPT and key not in _NOT_TIME:
        return Kind.ID
    return CLEAR


def is_plain_key(key: str) -> bool:
    """Say whether the key of an object is a word of a protocol."""
    return _KEY.fullmatch(key) is not None
