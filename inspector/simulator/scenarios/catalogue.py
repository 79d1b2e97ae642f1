"""What the simulator can play. Each scenario is a script that reads like the transcript it makes.

The rule: a script says only what passes on the wire. What the scripted client has to know is next to it.
"""

import difflib
import re

from inspector.errors import UsageError
from inspector.protocol.ops import GatewayOp
from inspector.simulator import content
from inspector.simulator.content import ADA, BJORN, CHIOMA, LOUNGE, message
from inspector.simulator.scenarios import voice as voice_scripts
from inspector.simulator.scenarios.hours import HOURS
from inspector.simulator.scenarios.sick import SICK
from inspector.simulator.script import Scenario
from inspector.simulator.server.gateway import GatewaySocket
from inspector.simulator.server.stage import Discord
from inspector.simulator.server.voice import RESUMABLE, VoiceSocket

# Close codes after which the libraries stop for good.
FATAL = frozenset({4004, 4010, 4011, 4012, 4013, 4014})
# What a close frame may carry, and 1006 for no close frame at all. 1004, 1005 and 1015 never cross the wire.
_CODES = frozenset({1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, *range(3000, 5000)})


def scenario(name: str) -> Scenario:
    """Return the scenario of that name: one of `SCENARIOS`, ``burst-COUNT``, ``close-CODE`` or ``voice-close-CODE``;
    ``NAME-healthy`` for one that has a healthy sibling.

    Raises `UsageError` where there is none.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    if (pair := SCENARIOS.get(name.removesuffix("-healthy"))) is not None and pair.healthy is not None:
        return pair.sibling()
    if found := re.fullmatch(r"(burst|close|voice-close)-(\d{1,7})", name):
        kind, number = found[1], int(found[2])
        if kind == "burst":
            return _burst(name, number)
        # Behind mitmproxy a client sees 1000 where the line was cut, so no voice client would come back.
        if number in _CODES and (kind, number) != ("voice-close", 1006):
            return _close(name, number) if kind == "close" else _voice_close(name, number)
        raise UsageError(f"{number} is not a close code that can be sent; try close-4009")
    near = difflib.get_close_matches(name, SCENARIOS, n=1)
    guess = f"did you mean {near[0]}?" if near else f"there are {', '.join(SCENARIOS)}"
    raise UsageError(f"there is no scenario {name!r}; {guess}")


async def hello(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(), interval_ms=900)
    await discord.pause(0.6)
    await gateway.dispatch("TYPING_START", content.typing(ADA))
    await discord.pause()
    await gateway.dispatch("MESSAGE_CREATE", message(1, "Good evening! Is the table free tonight?", ADA))
    await discord.pause()
    await gateway.dispatch("PRESENCE_UPDATE", content.presence(BJORN, "idle"))
    await gateway.dispatch("MESSAGE_CREATE", message(2, "It is. Bring dice and a lantern. 🎲", BJORN))
    await gateway.dispatch("MESSAGE_REACTION_ADD", content.reaction(2, "🎉", ADA))
    await discord.pause()
    await gateway.dispatch("MESSAGE_CREATE", message(3, "!status", ADA))
    await gateway.expect(GatewayOp.PRESENCE_UPDATE)
    await gateway.dispatch("MESSAGE_CREATE", message(4, "!members", ADA))
    await gateway.expect(GatewayOp.REQUEST_GUILD_MEMBERS)
    await discord.pause()
    await gateway.dispatch("VOICE_STATE_UPDATE", content.voice_state(CHIOMA, LOUNGE, content.invented_hex("chioma")))
    await gateway.ask_for_heartbeat()
    await gateway.expect(GatewayOp.HEARTBEAT)
    await discord.pause(0.9)
    await gateway.reconnect()
    await gateway.gone()

    gateway.miss("MESSAGE_CREATE", message(5, "Did the bot just leave?", BJORN))
    gateway.miss("MESSAGE_REACTION_ADD", content.reaction(5, "👀", CHIOMA))

    gateway = await discord.gateway()
    await gateway.resume(interval_ms=900)
    await discord.pause(0.6)
    await gateway.dispatch("MESSAGE_CREATE", message(6, "It is back, and it missed nothing.", ADA))
    await gateway.dispatch("VOICE_STATE_UPDATE", content.voice_state(CHIOMA, None, content.invented_hex("chioma")))
    await discord.pause(0.9)
    await gateway.goodbye()


async def healthy(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(members=20), interval_ms=400)
    await _live_on(discord, gateway)
    await gateway.ask_for_heartbeat()
    await gateway.expect(GatewayOp.HEARTBEAT)
    await discord.pause()
    await gateway.reconnect()
    await gateway.gone()

    gateway = await discord.gateway()
    await gateway.resume(interval_ms=400)
    await _live_on(discord, gateway)
    await gateway.invalid_session(resumable=True)
    await gateway.gone()
    gateway.miss("MESSAGE_CREATE", message(5, "Where has it gone now?", BJORN))

    gateway = await discord.gateway()
    await gateway.resume(interval_ms=400)
    await _live_on(discord, gateway)
    gateway.abort()
    gateway.miss("TYPING_START", content.typing(CHIOMA))
    gateway.miss("MESSAGE_CREATE", message(6, "It will be back.", CHIOMA))

    gateway = await discord.gateway()
    await gateway.resume(interval_ms=400)
    await gateway.dispatch("MESSAGE_CREATE", message(7, "!members", ADA))
    await gateway.expect(GatewayOp.REQUEST_GUILD_MEMBERS)
    await _live_on(discord, gateway)
    await gateway.goodbye()


async def conversation(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(members=20), interval_ms=1000)
    await _talk(gateway)
    await gateway.goodbye()


async def zlib_stream(discord: Discord) -> None:
    gateway = await discord.gateway()
    gateway.cut_at = 500
    await gateway.login(content.guild(members=20), interval_ms=1000)
    await _talk(gateway)
    await gateway.goodbye()


async def resume(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(), interval_ms=1000)
    await gateway.dispatch("MESSAGE_CREATE", message(1, "!status"))
    await gateway.expect(GatewayOp.PRESENCE_UPDATE)
    gateway.abort()

    gateway.miss("MESSAGE_CREATE", message(2, "This is said while the line is down."))
    gateway.miss("TYPING_START", content.typing(BJORN))
    gateway.miss("MESSAGE_CREATE", message(3, "So is this.", BJORN))

    gateway = await discord.gateway()
    await gateway.resume(interval_ms=1000)
    await gateway.dispatch("MESSAGE_CREATE", message(4, "And this is new."))
    await gateway.goodbye()


async def reconnect(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(), interval_ms=1000)
    await gateway.reconnect()
    await gateway.gone()
    gateway = await discord.gateway()
    await gateway.resume(interval_ms=1000)
    await gateway.goodbye()


async def invalid_session(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.hello(1000)
    await gateway.expect(GatewayOp.IDENTIFY)
    await gateway.invalid_session(resumable=False)
    await gateway.gone()

    gateway = await discord.gateway()
    await gateway.login(content.guild(), interval_ms=1000)
    await gateway.invalid_session(resumable=True)
    await gateway.gone()

    gateway = await discord.gateway()
    await gateway.resume(interval_ms=1000)
    await gateway.goodbye()


async def login_failure(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.hello()
    await gateway.expect(GatewayOp.IDENTIFY)
    await gateway.close(4004, "Authentication failed.")


async def disallowed_intents(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.hello()
    await gateway.expect(GatewayOp.IDENTIFY)
    await gateway.close(4014, "Disallowed intent(s).")


async def hostile(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(), interval_ms=1000)
    for number, (purpose, text) in enumerate(content.HOSTILE_TEXTS.items(), start=1):
        await gateway.dispatch("MESSAGE_CREATE", message(number, text, content.user(number, f"{purpose}: {text[:80]}")))
    await gateway.send({"op": 97, "d": {"what": "an unknown opcode"}, "s": None, "t": None})
    await gateway.send({"op": 97, "d": [], "s": None, "t": None, "trace\x1b[31m": "an unknown key"})
    await gateway.dispatch("INVENTED_\x1b[31mEVENT_\u202e", {"id": "1"})
    await gateway.dispatch("INVENTED_EVENT", {"a" * 300: 1, "": 2, "[red]key": 3, "d": {"op": 7}})
    await gateway.dispatch(
        "INVENTED_NUMBERS", {"id": 10**200, "big": 2**64, "small": -(2**70), "float": 1e308, "zero": -0.0}
    )
    await gateway.dispatch("INVENTED_DEPTH", _nested(60))
    await gateway.goodbye()


async def large(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(members=750, extra_channels=100), interval_ms=1000)
    await gateway.dispatch("MESSAGE_CREATE", message(1, "!members"))
    await gateway.expect(GatewayOp.REQUEST_GUILD_MEMBERS)
    await gateway.goodbye()


async def every_close(discord: Discord) -> None:
    for code in _EVERY_CODE:
        gateway = await discord.gateway()
        await gateway.welcome(content.guild(), interval_ms=1000)
        await gateway.close(code, f"This is what {code} looks like.")


async def _live_on(discord: Discord, gateway: GatewaySocket) -> None:
    """Let four heartbeats go by, and talk, and ask for a presence."""
    for each in content.chatter(5):
        await gateway.dispatch("MESSAGE_CREATE", each)
        await discord.pause()
    await gateway.dispatch("PRESENCE_UPDATE", content.presence(BJORN, "dnd"))
    await gateway.dispatch("MESSAGE_CREATE", message(1, "!status"))
    await gateway.expect(GatewayOp.PRESENCE_UPDATE)


async def _talk(gateway: GatewaySocket) -> None:
    for each in content.chatter(6):
        await gateway.dispatch("MESSAGE_CREATE", each)
    await gateway.dispatch("PRESENCE_UPDATE", content.presence(BJORN, "dnd"))
    await gateway.dispatch("MESSAGE_CREATE", message(1, "!status"))
    await gateway.expect(GatewayOp.PRESENCE_UPDATE)
    await gateway.ask_for_heartbeat()
    await gateway.expect(GatewayOp.HEARTBEAT)


def _burst(name: str, count: int) -> Scenario:
    async def burst(discord: Discord) -> None:
        gateway = await discord.gateway()
        await gateway.login(content.guild(), interval_ms=1000)
        for each in content.chatter(count):
            await gateway.dispatch("MESSAGE_CREATE", each)
        await gateway.goodbye()

    return Scenario(name, f"{count:,} messages at once", "Whether anything is lost.", burst, compress="zstd-stream")


def _close(name: str, code: int) -> Scenario:
    async def close(discord: Discord) -> None:
        gateway = await discord.gateway()
        await gateway.login(content.guild(), interval_ms=1000)
        await _leave(gateway, code)
        if code not in FATAL:
            gateway = await discord.gateway()
            await gateway.welcome(content.guild(), interval_ms=1000)
            await gateway.goodbye()

    title = f"The gateway closes with {code}"
    return Scenario(name, title, "The verdict on that close.", close, connections=1 if code in FATAL else 2)


def _voice_close(name: str, code: int) -> Scenario:
    async def close(discord: Discord) -> None:
        gateway, voice = await voice_scripts.join(discord)
        await _leave(voice, code)
        if code in RESUMABLE:
            voice = await discord.voice()
            await voice.resume(interval_ms=1000)
            await voice.close(1000)
        await gateway.goodbye()

    return Scenario(name, f"The voice gateway closes with {code}", "The verdict on that close.", close, "scripted")


async def _leave(connection: GatewaySocket | VoiceSocket, code: int) -> None:
    if code == 1006:
        connection.abort()
    else:
        await connection.close(code, f"This is what {code} looks like.")


def _nested(depth: int) -> object:
    value: object = "the bottom"
    for level in range(depth):
        value = [value] if level % 2 else {"deeper": value}
    return value


_EVERY_CODE = (1000, 1001, 1011, 1012, *range(4000, 4017), 4999)
_TALK = "A login, some chatter, a presence, a heartbeat on demand, a goodbye."

SCENARIOS = {
    each.name: each
    for each in (
        Scenario(
            "hello",
            "An evening at the Invented Guild",
            "A login, messages, heartbeats with their ACKs, a reconnect on request and a resume that misses nothing.",
            hello,
            compress="zstd-stream",
            connections=2,
        ),
        Scenario(
            "healthy",
            "Ten minutes of a healthy bot, in six seconds",
            "Heartbeats, chatter, and what happens to every bot: op 7, op 9, a lost connection. Nothing to warn about.",
            healthy,
            compress="zstd-stream",
            connections=4,
        ),
        Scenario("plain-json", "JSON, uncompressed", _TALK, conversation, "scripted"),
        Scenario(
            "zlib-stream",
            "JSON in a zlib stream",
            f"{_TALK} Long payloads arrive in several messages.",
            zlib_stream,
            "scripted",
            compress="zlib-stream",
        ),
        Scenario("zstd-stream", "JSON in a zstd stream", _TALK, conversation, compress="zstd-stream"),
        Scenario(
            "etf", "Erlang's term format, in a zstd stream", _TALK, conversation, "scripted", "etf", "zstd-stream"
        ),
        Scenario(
            "payload-compression",
            "Payloads compressed one by one",
            f"{_TALK} Longer payloads are zlib streams of their own, short ones plain text.",
            conversation,
            "scripted",
            compress_payloads=True,
        ),
        Scenario(
            "resume",
            "The line drops and the session continues",
            "TCP ends without a close frame; the next connection resumes and gets what it missed.",
            resume,
            compress="zlib-stream",
            connections=2,
        ),
        Scenario("reconnect", "The server asks for a reconnect", "Op 7, then a resume.", reconnect, connections=2),
        Scenario(
            "invalid-session",
            "The server cancels sessions",
            "Op 9 to an Identify, then op 9 to a live session that may be resumed.",
            invalid_session,
            connections=3,
        ),
        Scenario(
            "login-failure",
            "A token that is refused",
            "Identify, then close 4004.",
            login_failure,
            gives=("close-4004",),
        ),
        Scenario(
            "disallowed-intents",
            "An intent that is not granted",
            "Identify, then 4014.",
            disallowed_intents,
            gives=("close-4014",),
        ),
        Scenario(
            "hostile",
            "Messages that try to break the viewer",
            "Terminal escapes, markup, bidi marks, lone surrogates, unknown opcodes and events, huge numbers.",
            hostile,
            "scripted",
        ),
        _burst("burst", 2000),
        Scenario(
            "large",
            "A guild of 400 KB",
            "How one long payload arrives and is shown.",
            large,
            compress="zstd-stream",
        ),
        Scenario(
            "voice",
            "Joining a voice channel",
            "Main and voice gateway side by side; the voice server crashes, the client resumes and is disconnected.",
            voice_scripts.voice,
            "scripted",
            compress="zstd-stream",
        ),
        *SICK,
        Scenario(
            "voice-resume",
            "A resume in the middle of a call",
            "While the voice server is down someone is added to an encrypted call; JSON and binary are sent again.",
            voice_scripts.voice_resume,
            "scripted",
            compress="zstd-stream",
            voice_version=9,
            dave=True,
        ),
        Scenario(
            "dave-call",
            "An end-to-end encrypted call",
            "The MLS group is made, someone joins and leaves, encryption is switched off and on again by a new group.",
            voice_scripts.dave_call,
            compress="zstd-stream",
            media=True,
            dave=True,
        ),
        Scenario(
            "dave-required",
            "A call that requires encryption, and a bot without it",
            "Identify offers version 0, close 4017, and the bot joins again. And again.",
            voice_scripts.dave_required,
            "scripted",
            compress="zstd-stream",
            stubborn=True,
            gives=("voice-close-4017",),
        ),
        Scenario(
            "dave-transition",
            "A bot that falls behind in an encrypted call",
            "It never says that it is ready, then cannot use a commit and offers no new key package.",
            voice_scripts.dave_transition,
            "scripted",
            compress="zstd-stream",
            dave=True,
            negligent=True,
            gives=(
                "dave-executed-unready",
                "dave-key-package-missing",
                "dave-commit-rejected",
                "dave-commit-unknown-proposal",
            ),
        ),
        Scenario(
            "every-close",
            "Each close code of the gateway once",
            "The verdicts on all of them.",
            every_close,
            "scripted",
            connections=len(_EVERY_CODE),
        ),
        *HOURS,
    )
}
"""All scenarios by name, in the order in which they are worth seeing."""
