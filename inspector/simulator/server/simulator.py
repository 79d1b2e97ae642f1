"""The simulator: one TLS port on loopback that is all of Discord's hosts, told apart by the name the client asks for.

Besides, one UDP port that is all of its media servers.

The rule: it binds to 127.0.0.1 only, and leaves no key or certificate behind.
"""

import asyncio
import shutil
import ssl
import tempfile
from pathlib import Path
from typing import Self

import trustme
from aiohttp import web

from inspector.simulator.client.member import need_davey
from inspector.simulator.clock import Clock
from inspector.simulator.journal import JournalEntry
from inspector.simulator.script import Scenario
from inspector.simulator.server import rest
from inspector.simulator.server.connection import ServerSocket
from inspector.simulator.server.gateway import GatewaySocket
from inspector.simulator.server.media import MediaServer
from inspector.simulator.server.stage import Discord
from inspector.simulator.server.voice import VoiceSocket

_NAMES = ("discord.com", "*.discord.com", "*.discord.gg", "*.discord.media")
# Seconds that a close waits for the client's close frame.
_CLOSE_TIMEOUT = 2.0


class Simulator:
    """Plays one scenario: ``async with Simulator(scenario("hello")) as sim: … await sim.finished()``.

    `pace` stretches the pauses of the script: 1 for people who watch, 0 for tests. `media_port` is where clients are to
    send media, if that is not the simulator itself but a proxy before it. `clock` is the file that tells such a proxy
    how much time the script skips.
    """

    def __init__(
        self, scenario: Scenario, *, pace: float = 1.0, media_port: int = 0, clock: Path | None = None
    ) -> None:
        self.scenario = scenario
        self.journal: list[JournalEntry] = []
        """What was really sent and received, in order."""
        self.port = 0
        """On 127.0.0.1; known once it is entered."""
        self.udp_port = 0
        """The same, for media."""
        self.media = MediaServer(media_port)
        self.ca_path = Path()
        """PEM of the certificate authority to trust; removed at the end."""
        self._discord = Discord(pace, Clock(clock))
        self._connections: list[ServerSocket] = []

    async def __aenter__(self) -> Self:
        if self.scenario.dave:
            need_davey()
        self._folder = Path(tempfile.mkdtemp(prefix="gwinspect-simulator-"))
        try:
            await self._listen()
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        self._script = asyncio.ensure_future(self._perform())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._script.cancel()
        await asyncio.wait([self._script])
        self._udp.close()
        await self._runner.cleanup()
        shutil.rmtree(self._folder)

    async def finished(self) -> None:
        """Wait until the script has run to its end. Raises `ScriptError` where the client did not play along."""
        await asyncio.shield(self._script)

    async def _perform(self) -> None:
        try:
            await self.scenario.script(self._discord)
        finally:
            # A script that failed leaves no one waiting.
            for connection in self._connections:
                connection.abort()

    async def _listen(self) -> None:
        authority = trustme.CA()
        self.ca_path = self._folder / "ca.pem"
        self.ca_path.touch(mode=0o600)
        self.ca_path.write_bytes(authority.cert_pem.bytes())
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*_NAMES).configure_cert(tls)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls).start()
        self.port = self._runner.addresses[0][1]
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: self.media, local_addr=("127.0.0.1", 0))
        self.udp_port = self._udp.get_extra_info("sockname")[1]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        host = (request.url.host or "").lower()
        if host == "discord.com":
            return await rest.answer(request)
        is_voice = host.endswith(".discord.media")
        if not is_voice and not (host.startswith("gateway") and host.endswith(".discord.gg")):
            return web.Response(status=404)
        if self._script.done():
            return web.Response(status=503, text="The scenario is over.\n")
        if host in self._discord.refused:
            self._discord.refusals.put_nowait(host)
            return web.Response(status=503, text="This host is gone.\n")
        ws = web.WebSocketResponse(compress=False, timeout=_CLOSE_TIMEOUT, max_msg_size=0)
        await ws.prepare(request)
        await self._play(ws, request, is_voice)
        return ws

    async def _play(self, ws: web.WebSocketResponse, request: web.Request, is_voice: bool) -> None:
        told = (ws, request, len(self._connections) + 1, self.journal, self._discord.clock)
        connection: ServerSocket
        if is_voice:
            connection = voice = VoiceSocket(self._discord.voice_sessions, self.media, self._discord.pace, *told)
            self._discord.voice_arrivals.put_nowait(voice)
        else:
            connection = gateway = GatewaySocket(self._discord.sessions, *told)
            self._discord.gateway_arrivals.put_nowait(gateway)
        self._connections.append(connection)
        await connection.play()
