"""Real clients talk straight to the simulator, and `record` and `live` get it all from packets while they do."""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from inspector.errors import EnvironmentProblem
from inspector.model import Plane
from inspector.passive.packets import recording
from inspector.simulator.content import TOKEN
from inspector.simulator.journal import JournalEntry
from inspector.simulator.scenarios.catalogue import scenario
from inspector.simulator.script import Scenario
from inspector.simulator.server.simulator import Simulator
from inspector.simulator.server.stage import Discord
from inspector.store.reader import Reader
from tests.e2e.clients.places import Missing, installed
from tests.e2e.clients.setups import Setup
from tests.e2e.playing import HERE, assert_agree, talks_of_capture, talks_of_journal
from tests.e2e.test_packets import without_tcp
from tests.e2e.tunnel import http_proxy

pytestmark = pytest.mark.e2e

GWINSPECT = [sys.executable, "-c", "from inspector.cli.main import main; main()"]
DISCORD_PY = [sys.executable, str(HERE / "discordpy_client.py")]
# Seconds within which a row is there, on a machine with other things to do.
SOON = 5.0


@pytest.fixture(scope="module", autouse=True)
def may_record() -> None:
    """Skip where nobody may record packets."""
    try:
        with recording(["lo"], "udp"):
            pass
    except EnvironmentProblem as problem:
        pytest.skip(f"packets cannot be recorded here: {problem}")


class Played:
    """A scenario, a gwinspect that records its packets, and what became of both."""

    def __init__(self, folder: Path, name: str = "hello", *, pace: float = 0) -> None:
        self.capture = folder / "own.gwcap"
        self.journal: list[JournalEntry] = []
        self.scenario = scenario(name)
        self.pace = pace
        self.lines: list[tuple[float, str]] = []
        """What it printed, and when."""
        self.said = ""
        self.code = -1

    def run(
        self,
        *options: str,
        client: Sequence[str] = DISCORD_PY,
        name: str = "record",
        environment: Mapping[str, str] | None = None,
        meanwhile=None,
    ) -> "Played":
        async def both() -> None:
            async with Simulator(self.scenario, pace=self.pace) as simulator, http_proxy(simulator, []) as proxy:
                arguments = ["--proxy", f"http://127.0.0.1:{proxy}", "--ca", str(simulator.ca_path)]
                command = ["--", *client, *arguments] if client else []
                process = await asyncio.create_subprocess_exec(
                    *(*GWINSPECT, name, "--passive", "--capture", str(self.capture), "--keep-secrets"),
                    *("--interface", "lo", "--port", str(simulator.port), *options, *command),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env={**os.environ, "SEEN": os.devnull, **(environment or {})},
                )
                heard = asyncio.gather(self._read(process.stdout), process.stderr.read())
                try:
                    if meanwhile is not None:
                        await meanwhile(process, simulator, arguments)
                    self.code = await process.wait()
                    _, said = await heard
                    self.said = said.decode()
                finally:
                    with suppress(ProcessLookupError):
                        process.kill()
                self.journal = simulator.journal

        asyncio.run(asyncio.wait_for(both(), 120))
        return self

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self.lines.append((time.time(), line.decode()))

    def agrees(self) -> None:
        """Check that the capture has what the simulator said and heard."""
        assert_agree(talks_of_capture(self.capture), talks_of_journal(self.journal))


def without_others(folder: Path, *programs: str) -> dict[str, str]:
    """Return a PATH on which there are only some programs."""
    for program in programs:
        found = shutil.which(program)
        if found is None:
            pytest.skip(f"{program} is not installed")
        (folder / program).symlink_to(found)
    return {"PATH": str(folder)}


@pytest.mark.parametrize("program", ["tcpdump", "dumpcap"])
def test_all_that_a_command_said_and_heard_is_recorded(tmp_path: Path, program: str) -> None:
    (tmp_path / "bin").mkdir()
    played = Played(tmp_path).run(environment=without_others(tmp_path / "bin", program))
    assert played.code == 0, played.said
    assert f"{program} records packets of Discord on lo" in played.said
    played.agrees()
    assert played.capture.stat().st_mode & 0o777 == 0o600


def test_an_encrypted_call_is_recorded_with_its_media(tmp_path: Path) -> None:
    played = Played(tmp_path, "dave-call").run()
    assert played.code == 0, played.said
    played.agrees()
    with closing(Reader(played.capture)) as reader:
        assert {event.plane for event in reader.all_events()} == {Plane.GATEWAY, Plane.VOICE, Plane.MEDIA}


@pytest.mark.parametrize("name", ["resume", "every-close", "large", "voice-resume"])
def test_every_close_is_recorded_as_it_was(tmp_path: Path, name: str) -> None:
    client = [sys.executable, "-m", "inspector.simulator.client.scripted", name]
    played = Played(tmp_path, name, pace=0.05).run("--no-media", client=client)
    assert played.code == 0, played.said
    assert_agree([without_tcp(talk) for talk in talks_of_capture(played.capture)], talks_of_journal(played.journal))


def test_no_key_is_left_behind(tmp_path: Path) -> None:
    played = Played(tmp_path).run(environment={"TMPDIR": str(tmp_path)})
    assert played.code == 0, played.said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.gwcap"]


def test_rows_are_printed_while_the_command_runs(tmp_path: Path) -> None:
    played = Played(tmp_path, pace=1).run("--format", "jsonl", name="live")
    assert played.code == 0, played.said
    rows = [(at, json.loads(line)) for at, line in played.lines]
    delays = [at - _seconds(row["at"]) for at, row in rows]
    assert rows
    assert max(delays) < SOON
    # It takes a few seconds: they did not come at the end.
    assert rows[-1][0] - rows[0][0] > 1
    played.agrees()


def _seconds(at: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(at).timestamp()


def test_a_client_that_runs_already_is_recorded_by_its_key_log(tmp_path: Path) -> None:
    keys = tmp_path / "keys.log"

    async def meanwhile(process, simulator, arguments) -> None:
        await until_recording(tmp_path / "own.gwcap")
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE / "logging_client.py"), *arguments),
            env={**os.environ, "SSLKEYLOGFILE": str(keys), "TLS_VERSION": "TLSv1_2", "SEEN": os.devnull},
        )
        await simulator.finished()
        assert await client.wait() == 0
        process.send_signal(signal.SIGINT)

    played = Played(tmp_path).run("--keys", str(keys), client=[], meanwhile=meanwhile)
    assert played.code == 0, played.said
    played.agrees()
    assert keys.exists()


async def until_recording(capture: Path) -> None:
    while not Path(f"{capture}-wal").exists():
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_recorder_of_packets_that_is_killed_is_said_at_once(tmp_path: Path, number: int) -> None:
    async def meanwhile(process, simulator, arguments) -> None:
        await until_recording(tmp_path / "own.gwcap")
        await asyncio.sleep(1)
        for each in psutil.Process(process.pid).children(recursive=True):
            if each.name() in ("tcpdump", "dumpcap"):
                each.send_signal(number)

    played = Played(tmp_path, pace=1).run(meanwhile=meanwhile)
    assert played.code == 2, played.said
    how = "was killed by signal 9" if number == signal.SIGKILL else "ended with exit code 0"
    assert f"tcpdump {how}; nothing was recorded after that" in played.said
    with closing(Reader(played.capture)) as reader:
        assert "finished_at" in reader.meta()


# On the Node that is here.
NODE = Setup("discord.js", "14.28.1", "node", "discordjs_bot.cjs", ("discord.js@14.28.1",))


async def _greet(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login()
    await gateway.close(4004, "Authentication failed.")


def test_a_client_on_node_writes_its_keys(tmp_path: Path) -> None:
    try:
        place = installed(NODE)
    except Missing as missing:
        pytest.skip(str(missing))
    played = Played(tmp_path)
    played.scenario = Scenario("test", "A test", "", _greet)

    async def both() -> None:
        async with Simulator(played.scenario, pace=0) as simulator:
            node, *program = place.command
            more = {"SIMULATOR_PORT": str(simulator.port), "NODE_EXTRA_CA_CERTS": str(simulator.ca_path)}
            process = await asyncio.create_subprocess_exec(
                *(*GWINSPECT, "record", "--passive", "--capture", str(played.capture), "--keep-secrets"),
                *("--interface", "lo", "--port", str(simulator.port), "--"),
                *(node, *program, TOKEN),
                cwd=place.folder,
                env={**os.environ, **place.environment, **more, "NODE_OPTIONS": f"--require {HERE / 'straight.cjs'}"},
            )
            await simulator.finished()
            await asyncio.sleep(0.5)
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            await process.wait()
            played.journal = simulator.journal

    asyncio.run(asyncio.wait_for(both(), 100))
    played.agrees()
