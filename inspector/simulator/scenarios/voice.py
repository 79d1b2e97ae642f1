"""The scripts of those scenarios that are about voice.

The rule: as in `inspector.simulator.scenarios.catalogue`, a script says only what passes on the wire, but for guests of
a call: they live here, and come and go between the lines.
"""

import asyncio

from inspector.protocol.ops import GatewayOp, VoiceOp
from inspector.simulator import content
from inspector.simulator.content import ADA, BJORN, BOT, CHIOMA, LOUNGE, message
from inspector.simulator.server.call import ServerCall
from inspector.simulator.server.gateway import GatewaySocket
from inspector.simulator.server.media import FRAMES
from inspector.simulator.server.stage import Discord
from inspector.simulator.server.voice import ENDPOINT, VoiceSocket

# Seconds that Discord waits for a client to be ready, roughly; then it continues without.
_READY_LIMIT = 2.0
# Seconds after that by which it has given up on a new key package.
_PATIENCE = 1.5
# Seconds between a voice state and its server. discord.py 2.7.1 waits for each in a task of its own, and never wakes up
# where the second comes before that task has begun: about one join in twenty, with nothing between the two.
_APART = 0.02
# The voice state's session id.
_SESSION = content.invented_hex("voice")


async def voice(discord: Discord) -> None:
    gateway, voice = await join(discord)
    await voice.expect(VoiceOp.SPEAKING)
    await voice.speaking(ADA, ssrc=2001)
    await voice.speaking(ADA, ssrc=2001, flags=0)
    await voice.close(4015, "Voice server crashed.")

    voice.away = True
    await voice.tell(VoiceOp.CLIENTS_CONNECT, {"user_ids": [BJORN["id"]]})
    await voice.speaking(BJORN, ssrc=2002, flags=5)

    voice = await discord.voice()
    await voice.resume(interval_ms=1000)
    await voice.expect(VoiceOp.HEARTBEAT)
    await voice.tell(VoiceOp.CLIENT_DISCONNECT, {"user_id": ADA["id"]})
    await voice.close(4014, "Disconnected.")
    await gateway.dispatch("VOICE_STATE_UPDATE", content.voice_state(BOT, None, _SESSION))
    await gateway.goodbye()


async def voice_resume(discord: Discord) -> None:
    gateway, voice, call = await join_encrypted(discord)
    await voice.commit(by=ADA)
    await voice.speaking(ADA, ssrc=2001)
    await discord.pause()
    await voice.close(4015, "Voice server crashed.")

    voice.away = True
    call.guest(BJORN)
    await voice.tell(VoiceOp.CLIENTS_CONNECT, {"user_ids": [BJORN["id"]]})
    await voice.add(BJORN)
    await voice.speaking(ADA, ssrc=2001, flags=0)
    await voice.commit(by=ADA)

    voice = await discord.voice()
    await voice.resume(interval_ms=1000)
    await voice.ready()
    await voice.execute()
    await voice.speaking(BJORN, ssrc=2002)
    await discord.pause()
    await leave(gateway, voice)


async def dave_call(discord: Discord) -> None:
    gateway, voice, call = await join_encrypted(discord)
    await voice.commit()
    await voice.speaking(ADA, ssrc=2001)
    await voice.talk(ADA, ssrc=2001, lose={17})
    await gateway.dispatch("MESSAGE_CREATE", message(3, "!speak"))
    await voice.hear(FRAMES)
    await discord.pause()

    call.guest(BJORN)
    await voice.tell(VoiceOp.CLIENTS_CONNECT, {"user_ids": [BJORN["id"]]})
    await voice.add(BJORN)
    await voice.commit()
    await voice.ready()
    await voice.execute()
    await voice.speaking(BJORN, ssrc=2002)
    await voice.talk(BJORN, ssrc=2002)
    await discord.pause()

    call.leave(BJORN)
    await voice.tell(VoiceOp.CLIENT_DISCONNECT, {"user_id": BJORN["id"]})
    await voice.remove(BJORN)
    await voice.commit()
    await voice.ready()
    await voice.execute()
    await discord.pause()

    await voice.prepare_transition(version=0)
    await voice.ready()
    await voice.execute()
    await voice.talk(ADA, ssrc=2001)
    await discord.pause()

    await voice.prepare_epoch()
    await voice.key_package()
    await voice.add(BOT, ADA)
    await voice.commit(by=ADA)
    await voice.ready()
    await voice.execute()
    await voice.speaking(ADA, ssrc=2001)
    await discord.pause()
    await leave(gateway, voice)


async def dave_required(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login(content.guild(), interval_ms=1000)
    await gateway.dispatch("MESSAGE_CREATE", message(1, "!join"))
    for attempt in range(3):
        await gateway.expect(GatewayOp.VOICE_STATE_UPDATE)
        await _let_in(gateway, token=f"voice token {attempt}")
        voice = await discord.voice()
        await voice.identify(interval_ms=1000)
        await voice.close(4017, "E2EE/DAVE protocol required")
        await discord.pause()
    await gateway.expect(GatewayOp.VOICE_STATE_UPDATE)
    await gateway.goodbye()


async def dave_transition(discord: Discord) -> None:
    gateway, voice, call = await join_encrypted(discord)
    await voice.commit()

    # It commits, and then never says that it is ready.
    call.guest(BJORN)
    await voice.tell(VoiceOp.CLIENTS_CONNECT, {"user_ids": [BJORN["id"]]})
    await voice.add(BJORN)
    await voice.commit()
    await discord.pause(_READY_LIMIT)
    await voice.execute()

    # It is not told what is proposed, so it can make nothing of the commit.
    call.guest(CHIOMA)
    await voice.tell(VoiceOp.CLIENTS_CONNECT, {"user_ids": [CHIOMA["id"]]})
    call.add(CHIOMA)
    await voice.commit(by=ADA)
    await voice.expect(VoiceOp.MLS_INVALID_COMMIT_WELCOME)
    await discord.pause(_READY_LIMIT)
    await voice.execute()
    await discord.pause(_PATIENCE)
    await voice.close(4014, "Disconnected.")
    await gateway.dispatch("VOICE_STATE_UPDATE", content.voice_state(BOT, None, _SESSION))
    await gateway.goodbye()


async def join(discord: Discord, call: ServerCall | None = None) -> tuple[GatewaySocket, VoiceSocket]:
    """Play a login, ask the client to join, and play its connect to the voice gateway, where Ada is."""
    gateway = await discord.gateway()
    await gateway.login(content.guild(), interval_ms=1000)
    await gateway.dispatch("MESSAGE_CREATE", message(1, "!join"))
    await gateway.expect(GatewayOp.VOICE_STATE_UPDATE)
    await _let_in(gateway)
    voice = await discord.voice()
    await voice.connect(ADA, call=call, interval_ms=1000)
    return gateway, voice


async def join_encrypted(discord: Discord) -> tuple[GatewaySocket, VoiceSocket, ServerCall]:
    """Play `join` to a call that is encrypted from end to end, up to the first proposals: to add the bot and Ada."""
    call = ServerCall(LOUNGE)
    gateway, voice = await join(discord, call)
    await propose_group(voice, call)
    return gateway, voice, call


async def propose_group(voice: VoiceSocket, call: ServerCall) -> None:
    """Play what comes before the first commit of a call: the bot and Ada are to be in its group."""
    await voice.external_sender()
    await voice.key_package()
    call.guest(ADA)
    await voice.add(BOT, ADA)


async def _let_in(gateway: GatewaySocket, token: str = "voice token") -> None:
    server = {"token": content.invented_hex(token)[:16], "guild_id": content.GUILD_ID, "endpoint": ENDPOINT}
    await gateway.dispatch("VOICE_STATE_UPDATE", content.voice_state(BOT, LOUNGE, _SESSION))
    await asyncio.sleep(_APART)
    await gateway.dispatch("VOICE_SERVER_UPDATE", server)


async def leave(gateway: GatewaySocket, voice: VoiceSocket) -> None:
    await gateway.dispatch("MESSAGE_CREATE", message(2, "!leave"))
    await gateway.expect(GatewayOp.VOICE_STATE_UPDATE)
    await voice.gone()
    await gateway.dispatch("VOICE_STATE_UPDATE", content.voice_state(BOT, None, _SESSION))
    await gateway.goodbye()
