"""Scenarios of what only shows in time: who stays away, what never comes, who is in each other's way.

The rule: a script skips the minutes in which nothing happens, so each is played in a moment. Each is a pair: with
`healthy` the same goes well, and nothing is to be said of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal

from inspector.protocol.ops import GatewayOp, VoiceOp
from inspector.simulator import content
from inspector.simulator.content import ADA, BJORN, BOT, LOUNGE, message
from inspector.simulator.scenarios.sick import ask_to_join, join
from inspector.simulator.scenarios.voice import leave, propose_group
from inspector.simulator.script import Scenario
from inspector.simulator.server.call import ServerCall
from inspector.simulator.server.gateway import RESUME_HOST, GatewaySocket
from inspector.simulator.server.media import FRAME_SECONDS
from inspector.simulator.server.stage import Discord
from inspector.simulator.server.voice import ENDPOINT, VoiceSocket

# Guilds of the same shard as the one that everything is about.
_FAR_GUILDS = ("1000000000000000200", "1000000000000000300")
_OTHER_ENDPOINT = ENDPOINT.replace("1", "2", 1)
# Seconds after which no one takes frames any more that are not encrypted end to end, and a little more.
_TOLERATED = 11
# Real seconds within which a message has surely been recorded.
_RECORDED = 0.3
Client = Literal["any", "scripted"]
_VOICE_SESSION = content.invented_hex("voice")


async def never_returned(discord: Discord, *, healthy: bool = False) -> None:
    first = await _login(discord)
    others = [await _login(discord) for _ in range(3)]
    asked, refused, closed = others
    await asked.reconnect()
    await refused.invalid_session(resumable=True)
    for gateway in (asked, refused):
        await gateway.gone()
    await closed.close(4000, "Unknown error.")
    back = []
    if healthy:
        for _ in others:
            gateway = await discord.gateway()
            await gateway.resume()
            back.append(gateway)
    await discord.later(330, first, *back)
    await _part(first, *back)


async def cut_at_equal_age(discord: Discord, *, healthy: bool = False) -> None:
    gateway = await _login(discord)
    for age in (50, 90, 170) if healthy else (90, 90, 90):
        await discord.later(age, gateway)
        await discord.clock.skip(0)
        gateway.abort()
        gateway = await discord.gateway()
        await gateway.resume()
    await gateway.goodbye()


async def resume_url_dead(discord: Discord, *, healthy: bool = False) -> None:
    gateway = await _login(discord)
    if healthy:
        await gateway.close(4000, "Unknown error.")
    else:
        discord.refused.add(RESUME_HOST)
        await gateway.close(4000, "Unknown error.")
        await discord.turned_away(RESUME_HOST, 5)
    gateway = await discord.gateway()
    await gateway.resume()
    await gateway.goodbye()


async def resumed_and_left(discord: Discord, *, healthy: bool = False) -> None:
    gateway = await _login(discord)
    await gateway.close(4000, "Unknown error.")
    for _ in range(0 if healthy else 3):
        gateway = await discord.gateway()
        await gateway.resume()
        await gateway.gone()
    gateway = await discord.gateway()
    await gateway.resume()
    await gateway.expect(GatewayOp.HEARTBEAT)
    await gateway.goodbye()


async def invalid_session_not_resumed(discord: Discord, *, healthy: bool = False) -> None:
    gateway = await _login(discord)
    await gateway.invalid_session(resumable=True)
    await gateway.gone()
    await discord.clock.skip(3)
    gateway = await discord.gateway()
    await gateway.welcome(content.guild())
    await gateway.goodbye()


async def heartbeat_before_hello(discord: Discord, *, healthy: bool = False) -> None:
    gateway = await _login(discord)
    await gateway.close(4000, "Unknown error.")
    gateway = await discord.gateway()
    if not healthy:
        await gateway.expect(GatewayOp.HEARTBEAT)
    await gateway.resume()
    await gateway.goodbye()


async def token_reset(discord: Discord, *, healthy: bool = False) -> None:
    gateway = await _login(discord)
    await gateway.close(4000, "Unknown error.")
    gateway = await discord.gateway()
    if healthy:
        await gateway.resume()
        await gateway.goodbye()
        return
    await gateway.hello()
    await gateway.expect(GatewayOp.RESUME)
    await gateway.close(4004, "Authentication failed.")


async def login_unanswered(discord: Discord, *, healthy: bool = False) -> None:
    gateway = await discord.gateway()
    await gateway.hello()
    # Whichever is first.
    for _ in range(2):
        await gateway.expect(GatewayOp.IDENTIFY, GatewayOp.HEARTBEAT)
    await discord.later(5 if healthy else 75, gateway)
    if not healthy:
        await gateway.invalid_session(resumable=False)
        await gateway.gone()
        gateway = await _login(discord)
    else:
        await gateway.ready(content.guild())
    await gateway.goodbye()


async def guilds_missing(discord: Discord, *, healthy: bool = False) -> None:
    gateway = await discord.gateway()
    await gateway.hello()
    await gateway.expect(GatewayOp.IDENTIFY)
    await gateway.ready(content.guild(), absent=_FAR_GUILDS)
    await discord.later(45, gateway)
    for guild_id in _FAR_GUILDS if healthy else ():
        await gateway.dispatch("GUILD_CREATE", content.guild(members=1) | {"id": guild_id})
    await discord.later(75, gateway)
    await gateway.goodbye()


async def guild_unavailable(discord: Discord, *, healthy: bool = False) -> None:
    gateway = await _login(discord)
    await gateway.dispatch("GUILD_DELETE", {"id": content.GUILD_ID, "unavailable": True})
    await discord.later(300, gateway)
    if healthy:
        await gateway.dispatch("GUILD_CREATE", content.guild())
    await discord.later(330, gateway)
    await gateway.goodbye()


async def members_cut_short(discord: Discord, *, healthy: bool = False) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(members=20))
    gateway.answers_members = False
    await gateway.dispatch("MESSAGE_CREATE", message(1, "!members"))
    asked = await gateway.expect(GatewayOp.REQUEST_GUILD_MEMBERS)
    await gateway.send_members(asked["d"], chunk=6, chunks=None if healthy else 2)
    await discord.later(45, gateway)
    await gateway.goodbye()


async def events_stopped(discord: Discord, *, healthy: bool = False) -> None:
    gateway = await _login(discord)
    for number in range(72):
        await discord.later(20, gateway)
        await gateway.dispatch("MESSAGE_CREATE", message(number, f"Message number {number}.", BJORN))
        if healthy or number < 36:
            await gateway.dispatch("PRESENCE_UPDATE", content.presence(ADA, "dnd" if number % 2 else "online"))
    await gateway.goodbye()


async def voice_server_lost(discord: Discord, *, healthy: bool = False) -> None:
    gateway, voice = await join(discord)
    await gateway.dispatch("VOICE_SERVER_UPDATE", _server(None))
    await voice.close(4014, "Disconnected.")
    if healthy:
        await discord.clock.skip(3)
        await gateway.dispatch("VOICE_SERVER_UPDATE", _server(_OTHER_ENDPOINT))
        await _call(discord, gateway)
    await discord.later(80, gateway)
    await gateway.goodbye()


async def voice_never_connected(discord: Discord, *, healthy: bool = False) -> None:
    gateway, voice = await join(discord)
    await _leave_call(gateway, voice)
    await gateway.dispatch("MESSAGE_CREATE", message(3, "!join"))
    await gateway.expect(GatewayOp.VOICE_STATE_UPDATE)
    await gateway.dispatch("VOICE_SERVER_UPDATE", _server(ENDPOINT))
    await gateway.dispatch("VOICE_STATE_UPDATE", content.voice_state(BOT, LOUNGE, _VOICE_SESSION))
    if healthy:
        await _call(discord, gateway)
    await discord.later(45, gateway)
    await gateway.goodbye()


async def same_shard_twice(discord: Discord, *, healthy: bool = False) -> None:
    first, second = await _login(discord), await _login(discord)
    await discord.later(40, first, second)
    if healthy:
        await first.goodbye()
    both = (second,) if healthy else (first, second)
    await discord.later(100, *both)
    await _part(*both)


async def shard_counts_differ(discord: Discord, *, healthy: bool = False) -> None:
    first, second = await _login(discord), await _login(discord)
    await discord.later(140, first, second)
    await _part(first, second)


async def resume_of_other_shard(discord: Discord, *, healthy: bool = False) -> None:
    first, second = await _login(discord), await _login(discord)
    await second.expect(GatewayOp.HEARTBEAT)
    await discord.clock.skip(5)
    await first.close(4000, "Unknown error.")
    first = await discord.gateway()
    await first.resume()
    await _part(first, second)


async def media_clock_drift(discord: Discord, *, healthy: bool = False) -> None:
    gateway, voice = await join(discord)
    await _talk(discord, voice, 300, each=FRAME_SECONDS if healthy else 1.4 * FRAME_SECONDS)
    await leave(gateway, voice)


async def media_burst(discord: Discord, *, healthy: bool = False) -> None:
    gateway, voice = await join(discord)
    await _talk(discord, voice, 100, held=range(0) if healthy else range(50, 75))
    await leave(gateway, voice)


async def media_without_dave(discord: Discord, *, healthy: bool = False) -> None:
    gateway, voice = await ask_to_join(discord)
    call = ServerCall(LOUNGE)
    await voice.connect(ADA, call=call)
    await propose_group(voice, call)
    await voice.commit()
    # What was announced has to be recorded before the time that is tolerated begins.
    await asyncio.sleep(_RECORDED)
    await discord.clock.skip(_TOLERATED)
    if not healthy:
        # Ada's client has lost its keys, and speaks all the same.
        call.version = 0
    # A few in a second are looked into; a busy proxy may take many for sent at the same moment.
    await _talk(discord, voice, 400)
    await leave(gateway, voice)


async def media_discovery_malformed(discord: Discord, *, healthy: bool = False) -> None:
    if healthy:
        gateway, voice = await join(discord)
    else:
        gateway, voice = await ask_to_join(discord)
        await voice.greet(ADA)
        await voice.asked_for_address()
    await leave(gateway, voice)


async def _login(discord: Discord) -> GatewaySocket:
    """Play the login of the next client, whichever shard it is."""
    gateway = await discord.gateway()
    await gateway.hello()
    asked = await gateway.expect(GatewayOp.IDENTIFY)
    await gateway.ready(content.guild(shard=asked["d"].get("shard", (0, 1))))
    return gateway


async def _part(*gateways: GatewaySocket) -> None:
    for gateway in gateways:
        await gateway.goodbye()


async def _call(discord: Discord, gateway: GatewaySocket) -> None:
    """Let the client connect to the voice server that it was told of, speak, and leave."""
    voice = await discord.voice()
    await voice.connect(ADA)
    await voice.expect(VoiceOp.SPEAKING)
    await _leave_call(gateway, voice)


async def _leave_call(gateway: GatewaySocket, voice: VoiceSocket) -> None:
    await gateway.dispatch("MESSAGE_CREATE", message(2, "!leave", BJORN))
    await gateway.expect(GatewayOp.VOICE_STATE_UPDATE)
    await voice.gone()
    await gateway.dispatch("VOICE_STATE_UPDATE", content.voice_state(BOT, None, _VOICE_SESSION))


def _server(endpoint: str | None) -> content.Json:
    token = content.invented_hex(f"voice token for {endpoint}")[:16]
    return {"token": token, "guild_id": content.GUILD_ID, "endpoint": endpoint}


async def _talk(
    discord: Discord, voice: VoiceSocket, frames: int, *, each: float = FRAME_SECONDS, held: range = range(0)
) -> None:
    """Let Ada speak, a packet each so many seconds of the recording; those in `held` come all at once after them."""
    due_ns = discord.clock.now_ns()

    async def wait(number: int) -> None:
        nonlocal due_ns
        due_ns += int(each * 1e9)
        if number not in held:
            await discord.clock.skip(max(0, due_ns - discord.clock.now_ns()) / 1e9)

    await voice.speaking(ADA, ssrc=2001)
    await voice.talk(ADA, 2001, frames, wait=wait)


def _pair(
    name: str, title: str, shows: str, script: Callable[..., Awaitable[None]], client: Client = "scripted", **more: Any
) -> Scenario:
    more = {"gives": (name,)} | more
    return Scenario(name, title, shows, script, client, healthy=partial(script, healthy=True), **more)


HOURS = (
    _pair(
        "client-never-returned",
        "Shards that stay away",
        "Op 7, op 9 and a close that allows a reconnect, each to a shard that is not heard of again. One stays up.",
        never_returned,
        "any",
        shards=((0, 4), (1, 4), (2, 4), (3, 4)),
        connections=2,
        client_fault="never-returns",
    ),
    _pair(
        "cut-at-equal-age",
        "A load balancer with a time limit",
        "Connection after connection is cut 90 s after it opened.",
        cut_at_equal_age,
        "any",
        connections=4,
    ),
    _pair(
        "resume-url-dead",
        "A resume URL that is dead, and a client that knows no other",
        "Five attempts in a row are refused where READY sent the client.",
        resume_url_dead,
        connections=2,
        client_fault="tries-one-host",
    ),
    _pair(
        "resumed-and-left",
        "A client that still counts an ACK as missing",
        "It resumes and leaves at once, three times in a row.",
        resumed_and_left,
        connections=5,
        client_fault="leaves-at-once",
    ),
    _pair(
        "invalid-session-not-resumed",
        "A client that throws its session away where it may resume",
        "Op 9 with true, then Identify.",
        invalid_session_not_resumed,
        connections=2,
        client_fault="misreads-invalid-session",
    ),
    _pair(
        "heartbeat-before-hello",
        "A client with two timers",
        "The heartbeat of the connection before comes before Hello.",
        heartbeat_before_hello,
        connections=2,
        client_fault="beats-before-hello",
    ),
    _pair(
        "token-reset",
        "A token that is reset while the bot runs",
        "Resume, then 4004: the token had worked in this very session.",
        token_reset,
        "any",
        connections=2,
        gives=("close-4004",),
    ),
    _pair(
        "login-unanswered",
        "A login without an answer",
        "Heartbeats and their ACKs, and READY never comes.",
        login_unanswered,
        connections=2,
    ),
    _pair(
        "guilds-missing",
        "Guilds that never come",
        "READY lists three guilds, one of them comes.",
        guilds_missing,
        "any",
    ),
    _pair(
        "guild-unavailable",
        "A guild that goes away and stays away",
        "GUILD_DELETE with unavailable true, and no GUILD_CREATE for more than ten minutes.",
        guild_unavailable,
        "any",
    ),
    _pair(
        "members-cut-short",
        "A list of members that stops halfway",
        "Two of four chunks come.",
        members_cut_short,
        "any",
    ),
    _pair(
        "events-stopped",
        "Presences that stop while everything else keeps coming",
        "PRESENCE_UPDATE every 20 s for 12 minutes, and then none for as long.",
        events_stopped,
        "any",
    ),
    _pair(
        "voice-server-lost",
        "A call without a server",
        "VOICE_SERVER_UPDATE with endpoint null, and no other.",
        voice_server_lost,
    ),
    _pair(
        "voice-never-connected",
        "A join in the order that the client does not expect",
        "The voice server is named before the voice state comes, and the client waits on.",
        voice_never_connected,
        client_fault="expects-state-first",
    ),
    _pair(
        "same-shard-twice",
        "Two copies of a bot",
        "Two sessions of one token and shard, for two minutes.",
        same_shard_twice,
        "any",
        shards=((0, 1), (0, 1)),
    ),
    _pair(
        "shard-counts-differ",
        "Shards that count differently",
        "Shard 0 of 1 and shard 1 of 2 of one bot.",
        shard_counts_differ,
        "any",
        shards=((0, 2), (1, 2)),
        client_fault="counts-itself",
    ),
    _pair(
        "resume-of-other-shard",
        "Shards that share a variable",
        "Shard 0 is dropped, and resumes the session of shard 1.",
        resume_of_other_shard,
        shards=((0, 2), (1, 2)),
        connections=2,
        client_fault="shares-session",
    ),
    _pair(
        "media-clock-drift",
        "Sound that comes too slowly",
        "A frame of 20 ms each 28 ms.",
        media_clock_drift,
        "any",
        media=True,
    ),
    _pair(
        "media-burst",
        "Sound that stops, and comes all at once",
        "Nothing for half a second, then 25 packets.",
        media_burst,
        "any",
        media=True,
    ),
    _pair(
        "media-without-dave",
        "Sound that is not encrypted end to end",
        "A group is made, and someone in it sends frames without DAVE's trailer.",
        media_without_dave,
        media=True,
        dave=True,
    ),
    _pair(
        "media-discovery-malformed",
        "IP discovery of the wrong type",
        "The client asks for its address with type 2, which is that of an answer, and gets none.",
        media_discovery_malformed,
        media=True,
        client_fault="discovers-by-an-answer",
    ),
)
"""In the order of their subjects: coming back, what never came, voice, several at once, media."""
