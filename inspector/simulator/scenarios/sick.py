"""Scenarios in which something goes wrong, each named for it: what the rules are to notice in real traffic.

The rule: each says in `gives` what is to be noticed when it is played at its own pace; pauses are as long as it takes
for that and hardly longer, and skipped where no timer of the client's matters. Which side is at fault is next to the
script, in `client_fault`, or in the script itself.
"""

from collections.abc import Awaitable, Callable

from inspector.protocol.ops import GatewayOp, VoiceOp
from inspector.simulator import content
from inspector.simulator.content import ADA, BJORN, BOT, LOUNGE, message
from inspector.simulator.script import Scenario
from inspector.simulator.server.gateway import GatewaySocket
from inspector.simulator.server.stage import Discord
from inspector.simulator.server.voice import ENDPOINT, VoiceSocket

# Milliseconds between heartbeats, where a script is about them: as short as a real client can keep to.
_QUICK = 300
_OTHER_ENDPOINT = ENDPOINT.replace("1", "2", 1)
_ATTIC = "1000000000000000130"
_VOICE_SESSION = content.invented_hex("voice")


async def blocked_loop(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(), interval_ms=_QUICK)
    await gateway.dispatch("MESSAGE_CREATE", message(1, "!think"))
    await _chatter(gateway, 13, lambda: discord.pause(0.2))
    await gateway.close(4009, "Session timed out.")
    await _come_back(discord)


async def zombie(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(), interval_ms=_QUICK)
    await gateway.expect(GatewayOp.HEARTBEAT)
    await _chatter(gateway, 2, lambda: discord.pause(0.2))
    gateway.answers_heartbeats = False
    await gateway.gone()

    gateway.miss("MESSAGE_CREATE", message(1, "Can you hear us?"))
    gateway = await discord.gateway()
    await gateway.resume(interval_ms=_QUICK)
    await gateway.goodbye()


async def zombie_unnoticed(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(), interval_ms=_QUICK)
    await gateway.expect(GatewayOp.HEARTBEAT)
    gateway.answers_heartbeats = False
    for _ in range(5):
        await gateway.expect(GatewayOp.HEARTBEAT)
    gateway.abort()
    await _go_on(discord)


async def unanswered_request(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild())
    await gateway.expect(GatewayOp.HEARTBEAT)
    await gateway.ask_for_heartbeat()
    await _chatter(gateway, 6, lambda: discord.clock.skip(0.9))
    await gateway.goodbye()


async def double_identify(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild())
    await gateway.expect(GatewayOp.IDENTIFY)
    await gateway.close(4005, "Already authenticated.")


async def command_before_ready(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.hello()
    await gateway.expect(GatewayOp.IDENTIFY)
    await gateway.expect(GatewayOp.PRESENCE_UPDATE)
    await gateway.close(4003, "Not authenticated.")


async def dropped(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild())
    await gateway.close(4000, "Unknown error.")
    await _go_on(discord)


async def resume_after_1000(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild())
    await gateway.reconnect()
    await gateway.gone()

    gateway = await discord.gateway()
    await gateway.hello()
    await gateway.expect(GatewayOp.RESUME)
    await gateway.invalid_session(resumable=False)
    await gateway.gone()
    await _begin_anew(discord)


async def resume_loop(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild())
    await gateway.close(4000, "Unknown error.")
    for _ in range(4):
        gateway = await discord.gateway()
        await gateway.hello()
        await gateway.expect(GatewayOp.RESUME)
        await gateway.close(4000, "Unknown error.")
    await _go_on(discord)


async def identify_instead_of_resume(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild())
    await gateway.close(4000, "Unknown error.")
    gateway.miss("MESSAGE_CREATE", message(1, "No one will ever read this."))
    await _begin_anew(discord)


async def identify_storm(discord: Discord) -> None:
    for _ in range(5):
        gateway = await discord.gateway()
        await gateway.hello()
        await gateway.expect(GatewayOp.IDENTIFY)
        await gateway.close(4000, "Unknown error.")
    await _begin_anew(discord)


async def reconnect_ignored(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild())
    await gateway.reconnect()
    await _chatter(gateway, 6, lambda: discord.clock.skip(0.2))
    await gateway.close(1001, "Going away.")
    await _go_on(discord)


async def invalid_session_ignored(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.hello()
    await gateway.expect(GatewayOp.IDENTIFY)
    await gateway.invalid_session(resumable=False)
    await discord.clock.skip(10.5)
    await gateway.close(1001, "Going away.")


async def send_flood(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(members=0))
    await gateway.dispatch("MESSAGE_CREATE", message(1, "!flood"))
    for _ in range(125):
        await gateway.expect(GatewayOp.PRESENCE_UPDATE)
    await gateway.close(4008, "Rate limited.")
    await _come_back(discord)


async def oversize(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild())
    await gateway.dispatch("MESSAGE_CREATE", message(1, "!chronicle"))
    await gateway.expect(GatewayOp.PRESENCE_UPDATE)
    await gateway.close(4002, "Decode error.")
    await _come_back(discord)


async def members_flood(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(members=20))
    gateway.answers_members = False
    await gateway.dispatch("MESSAGE_CREATE", message(1, "!roll-call"))
    await gateway.send_members((await gateway.expect(GatewayOp.REQUEST_GUILD_MEMBERS))["d"])
    for retry_after in (29.9, 29.8):
        await gateway.refuse_members((await gateway.expect(GatewayOp.REQUEST_GUILD_MEMBERS))["d"], retry_after)
    await gateway.goodbye()


async def bad_intents(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.hello()
    await gateway.expect(GatewayOp.IDENTIFY)
    await gateway.close(4013, "Invalid intent(s).")


async def message_content(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild())
    for number in range(1, 22):
        await gateway.dispatch("MESSAGE_CREATE", message(number, "", ADA if number % 3 else BJORN))
    await gateway.goodbye()


async def voice_kicked(discord: Discord) -> None:
    gateway, voice = await join(discord)
    await gateway.dispatch("VOICE_STATE_UPDATE", content.voice_state(BOT, None, _VOICE_SESSION))
    await voice.close(4014, "Disconnected.")
    await gateway.goodbye()


async def voice_moved(discord: Discord) -> None:
    gateway, voice = await join(discord)
    await gateway.dispatch("VOICE_STATE_UPDATE", content.voice_state(BOT, _ATTIC, _VOICE_SESSION))
    await voice.close(4014, "Disconnected.")
    voice = await _let_in(discord, gateway, _OTHER_ENDPOINT)
    await voice.connect(ADA)
    await voice.expect(VoiceOp.SPEAKING)
    await gateway.goodbye()
    await voice.close(1000)


async def voice_main_lost(discord: Discord) -> None:
    gateway, voice = await join(discord)
    await gateway.invalid_session(resumable=False)
    await gateway.gone()
    await voice.close(4014, "Disconnected.")
    await _begin_anew(discord)


async def voice_stuck(discord: Discord) -> None:
    gateway, voice = await ask_to_join(discord)
    await voice.hello()
    await voice.expect(VoiceOp.IDENTIFY)
    await voice.expect(VoiceOp.HEARTBEAT)
    await discord.clock.skip(10.5)
    await voice.close(4009, "Session timeout.")
    await gateway.goodbye()


async def voice_4006(discord: Discord) -> None:
    gateway, voice = await join(discord)
    await voice.close(4015, "Voice server crashed.")
    voice = await discord.voice()
    await voice.hello()
    await voice.expect(VoiceOp.IDENTIFY)
    await voice.close(4006, "Session is no longer valid.")
    await gateway.goodbye()


async def _chatter(gateway: GatewaySocket, count: int, wait: Callable[[], Awaitable[None]]) -> None:
    """Let people say so many things, and wait before each."""
    for each in content.chatter(count):
        await wait()
        await gateway.dispatch("MESSAGE_CREATE", each)


async def _go_on(discord: Discord) -> None:
    """Take the client's Resume, and ask it to leave."""
    gateway = await discord.gateway()
    await gateway.resume()
    await gateway.goodbye()


async def _begin_anew(discord: Discord) -> None:
    """Take the client's Identify, and ask it to leave."""
    gateway = await discord.gateway()
    await gateway.login(content.guild())
    await gateway.goodbye()


async def _come_back(discord: Discord) -> None:
    """Take what the client has to say, and ask it to leave. After some closes libraries differ in that."""
    gateway = await discord.gateway()
    await gateway.welcome(content.guild())
    await gateway.goodbye()


async def join(discord: Discord) -> tuple[GatewaySocket, VoiceSocket]:
    """Play a login, ask the client to join a call, and play its connect to the voice gateway, where Ada is."""
    gateway, voice = await ask_to_join(discord)
    await voice.connect(ADA)
    await voice.expect(VoiceOp.SPEAKING)
    return gateway, voice


async def ask_to_join(discord: Discord) -> tuple[GatewaySocket, VoiceSocket]:
    """Play `join` up to where the client has opened a connection to the voice gateway."""
    gateway = await discord.gateway()
    await gateway.login(content.guild())
    await gateway.dispatch("MESSAGE_CREATE", message(1, "!join"))
    await gateway.expect(GatewayOp.VOICE_STATE_UPDATE)
    await gateway.dispatch("VOICE_STATE_UPDATE", content.voice_state(BOT, LOUNGE, _VOICE_SESSION))
    return gateway, await _let_in(discord, gateway, ENDPOINT)


async def _let_in(discord: Discord, gateway: GatewaySocket, endpoint: str) -> VoiceSocket:
    token = content.invented_hex(f"voice token for {endpoint}")[:16]
    server = {"token": token, "guild_id": content.GUILD_ID, "endpoint": endpoint}
    await gateway.dispatch("VOICE_SERVER_UPDATE", server)
    return await discord.voice()


SICK = (
    Scenario(
        "blocked-loop",
        "A client that computes instead of sending heartbeats",
        "Messages keep coming while heartbeats are late and then missing; 4009, and a new login.",
        blocked_loop,
        "scripted",
        compress="zstd-stream",
        connections=2,
        client_fault="blocked",
        gives=("close-4009", "heartbeat-late", "heartbeat-overdue"),
    ),
    Scenario(
        "zombie",
        "A connection that goes dead, and a client that notices",
        "A heartbeat without its ACK; the client leaves with 4000 and resumes.",
        zombie,
        "scripted",
        connections=2,
        gives=("close-4000", "zombie-closed"),
    ),
    Scenario(
        "zombie-unnoticed",
        "A connection that goes dead, and a client that does not notice",
        "Heartbeat after heartbeat without an ACK, until the line is cut.",
        zombie_unnoticed,
        "scripted",
        connections=2,
        client_fault="blind-to-silence",
        gives=("heartbeat-ack-missing", "close-1006"),
    ),
    Scenario(
        "unanswered-request",
        "A client that does not answer when asked for a heartbeat",
        "Op 1 of the server, and no heartbeat.",
        unanswered_request,
        "scripted",
        client_fault="deaf-to-requests",
        gives=("heartbeat-request-unanswered",),
    ),
    Scenario(
        "double-identify",
        "A client that identifies twice",
        "Two Identifies on one connection; 4005.",
        double_identify,
        "scripted",
        client_fault="identifies-twice",
        gives=("close-4005", "identify-twice"),
    ),
    Scenario(
        "command-before-ready",
        "A client that does not wait for READY",
        "A presence update right after Identify; 4003.",
        command_before_ready,
        "scripted",
        client_fault="impatient",
        gives=("close-4003", "command-before-ready"),
    ),
    Scenario(
        "resume-wrong-url",
        "A client that resumes at the first URL",
        "READY names another URL for resumes; the client forgets it.",
        dropped,
        "scripted",
        connections=2,
        client_fault="forgets-resume-url",
        gives=("resume-at-wrong-url", "close-4000"),
    ),
    Scenario(
        "resume-after-1000",
        "A client that leaves with 1000 and tries to resume",
        "Asked to reconnect, it closes with 1000, which ends its session; the resume is refused.",
        resume_after_1000,
        "scripted",
        connections=3,
        client_fault="leaves-with-1000",
        gives=("resume-after-destroying", "close-1000", "session-thrown-away", "invalid-session"),
    ),
    Scenario(
        "resume-loop",
        "A client that resumes again and again",
        "Resume after Resume is cut off before RESUMED.",
        resume_loop,
        "scripted",
        connections=6,
        gives=("resume-loop", "close-4000"),
    ),
    Scenario(
        "identify-instead-of-resume",
        "A client that starts over after each drop",
        "The session would still be there; everything sent meanwhile is lost.",
        identify_instead_of_resume,
        "scripted",
        connections=2,
        client_fault="forgets-session",
        gives=("identify-instead-of-resume", "close-4000"),
    ),
    Scenario(
        "identify-storm",
        "A client that logs in over and over",
        "Five Identifies within a second, none of which succeeds.",
        identify_storm,
        "scripted",
        connections=6,
        gives=("identify-storm", "close-4000"),
    ),
    Scenario(
        "reconnect-ignored",
        "A client that stays when asked to reconnect",
        "Op 7, and the client ignores it until the server leaves.",
        reconnect_ignored,
        "scripted",
        connections=2,
        client_fault="ignores-reconnect",
        gives=("reconnect-ignored", "close-1001"),
    ),
    Scenario(
        "invalid-session-ignored",
        "A client that does nothing about an invalid session",
        "Op 9 in answer to Identify, then nothing, until the server leaves.",
        invalid_session_ignored,
        "scripted",
        client_fault="ignores-invalid-session",
        gives=("invalid-session-ignored", "invalid-session", "close-1001"),
    ),
    Scenario(
        "send-flood",
        "A client that sends too much",
        "125 presence updates in a row; 4008.",
        send_flood,
        "scripted",
        compress="zstd-stream",
        connections=2,
        gives=("close-4008", "send-budget", "presence-flood"),
    ),
    Scenario(
        "oversize",
        "A client that sends a message that is too long",
        "A presence of 16 KB; 4002.",
        oversize,
        "scripted",
        connections=2,
        gives=("close-4002", "oversize-payload"),
    ),
    Scenario(
        "members-flood",
        "A client that asks for all members three times",
        "The first request is answered, the others are refused by RATE_LIMITED.",
        members_flood,
        "scripted",
        gives=("rate-limited",),
    ),
    Scenario(
        "bad-intents",
        "Intents that do not exist",
        "An Identify with a bit that means nothing; 4013.",
        bad_intents,
        "scripted",
        client_fault="undefined-intents",
        gives=("close-4013", "intents-undefined"),
    ),
    Scenario(
        "message-content",
        "Messages without their content",
        "The client did not ask for MESSAGE_CONTENT, so all messages of others are blank.",
        message_content,
        "scripted",
        compress="zstd-stream",
        client_fault="no-message-content",
        gives=("message-content-missing",),
    ),
    Scenario(
        "voice-kicked",
        "Disconnected from a voice channel",
        "Voice 4014: the account's own VOICE_STATE_UPDATE has no channel.",
        voice_kicked,
        "scripted",
        gives=("voice-close-4014",),
    ),
    Scenario(
        "voice-moved",
        "Moved to another voice channel",
        "Voice 4014: VOICE_STATE_UPDATE names another channel, and another voice server takes over.",
        voice_moved,
        "scripted",
        gives=("voice-close-4014",),
    ),
    Scenario(
        "voice-main-lost",
        "Voice ends with the main session",
        "Voice 4014: the main session is declared invalid, and takes the call with it.",
        voice_main_lost,
        "scripted",
        connections=2,
        gives=("voice-close-4014", "invalid-session"),
    ),
    Scenario(
        "voice-stuck",
        "A voice handshake that stops halfway",
        "Hello and Identify, but Ready never comes.",
        voice_stuck,
        "scripted",
        gives=("voice-handshake-stuck", "voice-close-4009"),
    ),
    Scenario(
        "voice-4006",
        "A client that identifies in voice where it should resume",
        "The voice server crashes; the client comes back with its old session in an Identify; 4006.",
        voice_4006,
        "scripted",
        client_fault="identifies-in-voice",
        gives=("voice-close-4006", "voice-identify-instead-of-resume", "voice-close-4015"),
    ),
)
"""In the order of their subjects: heartbeats, logins, resumes, what clients send, voice."""
