"""What is told of real libraries that are well: nothing bad, however long they run.

Each runs as its users run it, ``gwinspect record -- COMMAND``, against a simulator of its own: events flow, presences
and members are asked for, heartbeats are some thirty times as fast as Discord's. Now and then the server has the client
come back, by op 7, op 9, a close or a lost line; which, and when, is up to dice.
"""

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.rounds import Figure, Section
from inspector.analysis.diagnosis import diagnose
from inspector.model import Severity
from inspector.protocol.ops import GatewayOp
from inspector.simulator import content, redirect
from inspector.simulator.content import ADA, BJORN, CHIOMA
from inspector.simulator.script import Scenario
from inspector.simulator.server.connection import ScriptError
from inspector.simulator.server.gateway import GatewaySocket
from inspector.simulator.server.simulator import Simulator
from inspector.simulator.server.stage import Discord
from inspector.store.reader import Reader
from tests.e2e.clients.places import Missing, Place, installed
from tests.e2e.clients.setups import SETUPS, Setup

ROOT = Path(__file__).parents[1]
# Milliseconds between heartbeats.
INTERVAL_MS = 1300
# Seconds that a connection lasts, and between two events, at least and at most.
LASTS, APART = (10.0, 40.0), (0.02, 0.6)
# Seconds between two words that the client obeys. Discord allows 5 presences in 20 s.
WORDS = (5.0, 9.0)
# Seconds that a client may take to begin and to end.
_LIMIT = 90
_BOTS = {
    "discord.py": "discord_obeying_bot.py",
    "hikari": "hikari_obeying_bot.py",
    "discord.js": "discordjs_resume_bot.cjs",
}


def measure(folder: Path, minutes: float, seed: int) -> Section:
    """Let all of them run at once, for so many minutes; `folder` takes the captures, ``LIBRARY.gwcap``."""
    return asyncio.run(_measure(folder, minutes, seed))


async def _measure(folder: Path, minutes: float, seed: int) -> Section:
    figures = await asyncio.gather(*(_run(library, folder, minutes, seed) for library in _BOTS))
    how = f"{minutes:g} minutes, a heartbeat every {INTERVAL_MS / 1000} s, seed {seed}"
    return Section(
        f"healthy libraries, {how}; cases at warn or above", [figure for found in figures for figure in found]
    )


@dataclass(slots=True)
class _Life:
    """What a server has done with a client, until it is `over`, on the clock of the loop."""

    dice: random.Random
    over: float
    number: int = 0
    """Of the newest event."""
    done: Counter[str] = field(default_factory=Counter)

    async def play(self, discord: Discord) -> None:
        while True:
            gateway = await discord.gateway()
            try:
                await gateway.welcome(content.guild(members=20), interval_ms=INTERVAL_MS)
                await self._live(gateway)
                while _now() < self.over and await self._disturb(gateway):
                    await self._live(gateway)
                if _now() >= self.over:
                    await gateway.goodbye()
                    return
            except ScriptError as error:
                # It left on its own, and comes back.
                self.done[str(error)] += 1
                continue
            for _ in range(self.dice.randint(0, 3)):
                gateway.miss(*self._event())

    async def _live(self, gateway: GatewaySocket) -> None:
        until, word = _now() + self.dice.uniform(*LASTS), _now() + self.dice.uniform(*WORDS)
        while _now() < min(until, self.over):
            await asyncio.sleep(self.dice.uniform(*APART))
            await gateway.dispatch(*self._event())
            if _now() > word:
                text = self.dice.choice(("!status", "!members"))
                await gateway.dispatch("MESSAGE_CREATE", content.message(self.number, text))
                word = _now() + self.dice.uniform(*WORDS)

    def _event(self) -> tuple[str, content.Json]:
        self.number += 1
        number = self.number
        who = self.dice.choice((ADA, BJORN, CHIOMA))
        return self.dice.choice(
            (
                ("MESSAGE_CREATE", content.message(number, f"Message number {number}.", who)),
                ("TYPING_START", content.typing(who)),
                ("PRESENCE_UPDATE", content.presence(who, self.dice.choice(("idle", "dnd", "online")))),
                ("MESSAGE_REACTION_ADD", content.reaction(number, "🎲", who)),
            )
        )

    async def _disturb(self, gateway: GatewaySocket) -> bool:
        """Have the client come back; return whether it does so on this connection, as discord.js after op 9."""
        stays = False
        match self.dice.choice(("op 7", "op 7", "op 7", "op 9 true", "op 9 false", "4000", "1001", "lost line")):
            case "op 7" as what:
                await gateway.reconnect()
                await gateway.gone()
            case "op 9 false" as what:
                await gateway.invalid_session(resumable=False)
                await gateway.gone()
            case "op 9 true" as what:
                await gateway.invalid_session(resumable=True)
                try:
                    asked = await gateway.expect(GatewayOp.RESUME)
                except ScriptError:
                    await gateway.gone()
                else:
                    await gateway.let_resume(asked["d"])
                    stays = True
            case "4000" | "1001" as what:
                await gateway.close(int(what))
            case what:
                gateway.abort()
        self.done[what] += 1
        return stays


async def _run(library: str, folder: Path, minutes: float, seed: int) -> list[Figure]:
    setup = next(each for each in SETUPS if each.client == library)
    try:
        place = await asyncio.to_thread(installed, setup)
    except Missing as reason:
        return [Figure(library, size=f"not tried: {reason}")]
    capture = folder / f"{library}.gwcap"
    life = _Life(random.Random(f"{library} {seed}"), _now() + 60 * minutes)
    async with Simulator(Scenario(library, library, "", life.play), pace=1) as simulator:
        problem = await _record(simulator, _command(setup, place), place, capture, minutes)
    if problem:
        return [Figure(library, size=problem)]
    return list(_told(library, capture, life))


def _command(setup: Setup, place: Place) -> list[str]:
    """Return what runs our bot in place of the setup's."""
    bot = place.command[-1]
    return [*place.command[:-1], bot.removesuffix(setup.bot) + _BOTS[setup.client], content.TOKEN]


async def _record(simulator: Simulator, command: list[str], place: Place, capture: Path, minutes: float) -> str:
    """Record a bot until the server has said goodbye; return what went wrong, if something did."""
    recording = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from inspector.cli.main import main; main()", "record", "--listen", "127.0.0.1:0"),
        *("--capture", str(capture), "--confdir", str(capture.with_suffix(".mitmproxy"))),
        *("--host", "discord.com", "--script", redirect.__file__),
        *("--set", f"ssl_verify_upstream_trusted_ca={simulator.ca_path}", "--", *command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=place.folder,
        env={
            **os.environ,
            **place.environment,
            "PYTHONPATH": str(ROOT),
            "GWINSPECT_SIMULATOR_PORT": str(simulator.port),
        },
    )
    try:
        async with asyncio.timeout(60 * minutes + 2 * _LIMIT):
            await simulator.finished()
            said, _ = await recording.communicate()
    except (TimeoutError, ScriptError) as error:
        if recording.returncode is None:
            recording.terminate()
            await recording.wait()
        return f"{type(error).__name__}: {error}"
    return "" if recording.returncode == 0 else f"exit {recording.returncode}: {said.decode()[-500:]}"


def _told(library: str, capture: Path, life: _Life) -> Iterator[Figure]:
    with closing(Reader(capture)) as reader:
        ops = Counter(event.op for event in reader.all_events() if event.from_client)
    diagnosis = diagnose(capture)
    bad = [case for case in diagnosis.cases if case.severity >= Severity.WARN]
    heartbeats, resumes, identifies = ops[1], ops[6], ops[2]
    came_back = ", ".join(f"{count} {what}" for what, count in sorted(life.done.items()))
    size = (
        f"{diagnosis.connections} connections, {diagnosis.events:,} rows, {heartbeats:,} heartbeats, "
        f"{resumes} Resume, {identifies} Identify; {came_back}"
    )
    yield Figure(f"{library}: {len(bad)}", size=size, numbers={"cases": len(bad), "resumes": resumes})
    for case in bad:
        where = f"connection {case.lead.connection}, row {case.lead.finding.event}"
        yield Figure(
            f"  {case.severity.name} {case.name}", size=f"{case.count} times, first {where}: {case.lead.finding.text}"
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
