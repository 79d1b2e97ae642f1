"""What a scenario's script works with: it waits for the client's connections one after the other, and speaks on them.

The rule: nothing here answers on its own; what happens is what the script says, in the script's order.
"""

import asyncio
from typing import TypeVar

from inspector.simulator.server.connection import PATIENCE, ScriptError, ServerSocket
from inspector.simulator.server.gateway import GatewaySocket, ServerSession
from inspector.simulator.server.voice import VoiceSession, VoiceSocket

_Socket = TypeVar("_Socket", bound=ServerSocket)


class Discord:
    """The server, for a script. `pace` stretches the pauses: 1 for people who watch, 0 for tests."""

    def __init__(self, pace: float) -> None:
        self.sessions: dict[str, ServerSession] = {}
        """By session id."""
        self.voice_sessions: dict[str, VoiceSession] = {}
        """By the voice state's session id."""
        self.gateway_arrivals: asyncio.Queue[GatewaySocket] = asyncio.Queue()
        self.voice_arrivals: asyncio.Queue[VoiceSocket] = asyncio.Queue()
        self.pace = pace

    async def gateway(self) -> GatewaySocket:
        """Wait for the client's next connection to the main gateway."""
        return await self._next(self.gateway_arrivals, "the gateway")

    async def voice(self) -> VoiceSocket:
        """Wait for the client's next connection to the voice gateway."""
        return await self._next(self.voice_arrivals, "the voice gateway")

    async def pause(self, seconds: float = 0.3) -> None:
        """Let time pass for people who watch."""
        await asyncio.sleep(seconds * self.pace)

    async def _next(self, arrivals: asyncio.Queue[_Socket], where: str) -> _Socket:
        try:
            return await asyncio.wait_for(arrivals.get(), PATIENCE)
        except TimeoutError:
            raise ScriptError(f"no client connected to {where} within {PATIENCE:.0f} s") from None
