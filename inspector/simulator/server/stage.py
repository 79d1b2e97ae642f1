"""What a scenario's script works with: it waits for the client's connections one after the other, and speaks on them.

The rule: nothing here answers on its own; what happens is what the script says, in the script's order.
"""

import asyncio
from typing import TypeVar

from inspector.simulator.clock import Clock
from inspector.simulator.server.connection import PATIENCE, ScriptError, ServerSocket
from inspector.simulator.server.gateway import GatewaySocket, ServerSession
from inspector.simulator.server.voice import VoiceSession, VoiceSocket

_Socket = TypeVar("_Socket", bound=ServerSocket)
# Seconds between the heartbeats of clients while time is skipped, at most: a little less than Discord's interval.
_STEP = 40.0


class Discord:
    """The server, for a script. `pace` stretches the pauses: 1 for people who watch, 0 for tests."""

    def __init__(self, pace: float, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.refused: set[str] = set()
        """Hosts at which no connection comes about."""
        self.refusals: asyncio.Queue[str] = asyncio.Queue()
        """Where they were tried."""
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

    async def later(self, seconds: float, *gateways: GatewaySocket) -> None:
        """Skip so much time, and have clients send a heartbeat whenever one is due, since their own clocks go on."""
        while seconds > 0:
            await self.clock.skip(min(seconds, _STEP))
            seconds -= _STEP
            for gateway in gateways:
                await gateway.beat()

    async def turned_away(self, host: str, times: int) -> None:
        """Refuse all connections to a host until so many have been tried."""
        for _ in range(times):
            try:
                await asyncio.wait_for(self.refusals.get(), PATIENCE)
            except TimeoutError:
                raise ScriptError(f"no client tried {host} within {PATIENCE:.0f} s") from None
        self.refused.discard(host)

    async def _next(self, arrivals: asyncio.Queue[_Socket], where: str) -> _Socket:
        try:
            return await asyncio.wait_for(arrivals.get(), PATIENCE)
        except TimeoutError:
            raise ScriptError(f"no client connected to {where} within {PATIENCE:.0f} s") from None
