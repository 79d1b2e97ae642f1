"""Real libraries talk straight to the simulator, and all there is of it are packets: dumpcap's, or tcpdump's."""

import asyncio
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inspector.importers.merge import Input, merge
from inspector.importers.pcap.file import keys_beside
from inspector.model import Frame, Plane
from inspector.protocol.registry import default
from inspector.simulator.client import scripted
from inspector.simulator.content import TOKEN
from inspector.simulator.journal import JournalEntry
from inspector.simulator.scenarios.catalogue import scenario
from inspector.simulator.script import Scenario
from inspector.simulator.server.simulator import Simulator
from inspector.simulator.server.stage import Discord
from inspector.store.reader import Reader, stored_happenings
from tests.e2e.clients.places import Missing, installed
from tests.e2e.clients.setups import Setup
from tests.e2e.playing import CLIENTS, HERE, Talk, assert_agree, records, simulated, talks_of_capture, talks_of_journal
from tests.e2e.tunnel import http_proxy
from tests.rows import rows_in

pytestmark = pytest.mark.e2e

DISCORD_PY = [sys.executable, str(HERE / "logging_client.py")]
# Seconds that a recorder has to begin and to write what it has.
_PATIENCE = 10.0


def recorder(ports: list[int], path: Path) -> list[str]:
    """Return the command that records packets of some ports on loopback; skips where nobody may."""
    wanted = " or ".join(f"port {port}" for port in ports)
    if shutil.which("dumpcap"):
        command = ["dumpcap", "-q", "-i", "lo", "-f", wanted, "-w", str(path)]
    elif shutil.which("tcpdump"):
        command = ["tcpdump", "-U", "-i", "lo", "-s", "0", "-w", str(path), wanted]
    else:
        pytest.skip("neither dumpcap nor tcpdump is installed")
    return command


@contextmanager
def recorded(ports: list[int], path: Path) -> Iterator[None]:
    """Record meanwhile."""
    command = recorder(ports, path)
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + _PATIENCE
        while not (path.exists() and path.stat().st_size) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if process.poll() is not None:
            assert process.stderr is not None
            pytest.skip(f"packets cannot be recorded here: {process.stderr.read().decode()[-200:]}")
        # The file is there a moment before the interface is open.
        time.sleep(0.5)
        try:
            yield
        finally:
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            process.wait()


def play(name: str, folder: Path, client: list[str], version: str = "TLSv1_3", pace: float = 0) -> list[JournalEntry]:
    """Have a client play a scenario while its packets are recorded into ``day.pcapng`` of a folder."""
    path = folder / "day.pcapng"
    environment = {"SSLKEYLOGFILE": str(keys_beside(path)), "TLS_VERSION": version, "SEEN": os.devnull}

    async def both() -> list[JournalEntry]:
        async with Simulator(scenario(name), pace=pace) as simulator, http_proxy(simulator, []) as proxy:
            with recorded([simulator.port, simulator.udp_port], path):
                arguments = ["--proxy", f"http://127.0.0.1:{proxy}", "--ca", str(simulator.ca_path)]
                process = await asyncio.create_subprocess_exec(*client, *arguments, env=os.environ | environment)
                await simulator.finished()
                assert await process.wait() == 0
            return simulator.journal

    return asyncio.run(asyncio.wait_for(both(), 100))


def imported(folder: Path) -> Path:
    """Return a capture of what was recorded."""
    target = folder / "day.gwcap"
    made = merge([Input(folder / "day.pcapng")], target, default(), made_by="test", keep_secrets=True)
    assert not [note for note in made.notes if "gateway" in note]
    return target


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_everything_discord_py_said_and_heard_is_in_the_packets(tmp_path: Path, version: str) -> None:
    journal = play("hello", tmp_path, DISCORD_PY, version)
    assert_agree(talks_of_capture(imported(tmp_path)), talks_of_journal(journal))


def test_everything_hikari_said_and_heard_is_in_the_packets(tmp_path: Path) -> None:
    journal = play("hello", tmp_path, CLIENTS["hikari"])
    recorded = talks_of_capture(imported(tmp_path))
    assert_agree(recorded, talks_of_journal(journal))
    assert len(recorded) == 2


def test_an_encrypted_call_is_in_the_packets_with_its_media(tmp_path: Path) -> None:
    journal = play("dave-call", tmp_path, DISCORD_PY)
    capture = imported(tmp_path)
    assert_agree(talks_of_capture(capture), talks_of_journal(journal))
    with closing(Reader(capture)) as reader:
        planes = {event.plane for event in reader.all_events()}
    assert planes == {Plane.GATEWAY, Plane.VOICE, Plane.MEDIA}


@pytest.mark.parametrize("name", ["resume", "every-close", "large", "voice-resume"])
def test_every_close_is_in_the_packets_as_it_was(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "day.pcapng"

    def logging(authorities: Sequence[Path]) -> ssl.SSLContext:
        tls = trust(authorities)
        tls.keylog_filename = str(keys_beside(path))
        return tls

    async def both() -> list[JournalEntry]:
        async with Simulator(scenario(name), pace=0.05) as simulator:
            with recorded([simulator.port], path):
                await scripted.play(scenario(name), ca=[simulator.ca_path], connect_to=("127.0.0.1", simulator.port))
                await simulator.finished()
            return simulator.journal

    trust = scripted.trust
    monkeypatch.setattr(scripted, "trust", logging)
    journal = asyncio.run(asyncio.wait_for(both(), 100))
    told = [without_tcp(talk) for talk in talks_of_capture(imported(tmp_path))]
    assert_agree(told, talks_of_journal(journal))


def without_tcp(talk: Talk) -> Talk:
    """Return a connection without what the packets say beyond the journal: how TCP ended."""
    code, reason, by = talk.close
    assert code != 1006 or reason == "TCP connection ended (FIN)"
    return replace(talk, close=(code, "" if code == 1006 else reason, by))


def test_the_same_traffic_through_mitmproxy_gives_the_same_rows(tmp_path: Path) -> None:
    path, chosen = tmp_path / "day.pcapng", scenario("hello")

    async def both() -> None:
        environment = {"SSLKEYLOGFILE": str(keys_beside(path))}
        async with simulated(chosen.script, tmp_path, environment=environment) as (simulator, proxy):
            with recorded([simulator.port], path):
                address = f"http://127.0.0.1:{proxy.settings.port}"
                await scripted.play(chosen, ca=[proxy.ca_path, simulator.ca_path], proxy=address)
                await simulator.finished()

    asyncio.run(asyncio.wait_for(both(), 100))
    ours, theirs = (list(records(rows_in(each))) for each in (imported(tmp_path), tmp_path / "played.gwcap"))
    for side in ("send", "receive", None):
        assert [_told(row) for row in ours if row["direction"] == side] == [
            _told(row) for row in theirs if row["direction"] == side
        ]


def _told(row: dict[str, Any]) -> list[Any]:
    """Return what a row says that does not depend on the time."""
    names = ("kind", "connection", "plane", "op", "event", "seq", "d", "wire_bytes", "decoded_bytes")
    close = row.get("close") or {}
    return [row.get(name) for name in names] + [close.get(name) for name in ("code", "by", "reason")]


# On the Node that is here.
NODE = [
    Setup(client, version, "node", bot, (f"{client}@{version}",))
    for client, version, bot in (("discord.js", "14.28.1", "discordjs_bot.cjs"), ("eris", "0.18.0", "eris_bot.cjs"))
]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("setup", NODE, ids=lambda setup: setup.client)
def test_everything_a_client_on_node_said_and_heard_is_in_the_packets(
    tmp_path: Path, setup: Setup, version: str
) -> None:
    try:
        place = installed(setup)
    except Missing as missing:
        pytest.skip(str(missing))

    async def both() -> list[JournalEntry]:
        async with Simulator(Scenario("test", "A test", "", _greet), pace=0) as simulator:
            path = tmp_path / "day.pcapng"
            node, *program = place.command
            flags = [
                "--require",
                str(HERE / "straight.cjs"),
                f"--tls-keylog={keys_beside(path)}",
                f"--tls-max-v{version}",
            ]
            more = {"SIMULATOR_PORT": str(simulator.port), "NODE_EXTRA_CA_CERTS": str(simulator.ca_path)}
            with recorded([simulator.port], path):
                process = await asyncio.create_subprocess_exec(
                    *(node, *flags, *program, TOKEN), cwd=place.folder, env={**os.environ, **place.environment, **more}
                )
                try:
                    await simulator.finished()
                    await asyncio.sleep(0.5)
                finally:
                    with suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
            return simulator.journal

    journal = asyncio.run(asyncio.wait_for(both(), 100))
    assert_agree(talks_of_capture(imported(tmp_path)), talks_of_journal(journal))


async def _greet(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login()
    await gateway.close(4004, "Authentication failed.")


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tshark_reads_the_same_messages(tmp_path: Path, version: str) -> None:
    play("hello", tmp_path, DISCORD_PY, version)
    path = tmp_path / "day.pcapng"
    fields = ["websocket.opcode", "data.data", "websocket.payload.text", "text"]
    command = ["tshark", "-r", str(path), "-Y", "websocket.opcode in {1,2}", "-T", "fields", "-E", "aggregator=|"]
    command += [part for field in fields for part in ("-e", field)]
    command += ["-o", f"tls.keylog_file:{keys_beside(path)}", "-o", "tcp.reassemble_out_of_order:TRUE"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in said.splitlines()]
    with closing(Reader(imported(tmp_path))) as reader:
        frames = [each for batch in stored_happenings(reader.db) for each in batch if isinstance(each, Frame)]
    opcodes = [opcode for row in rows for opcode in row[0].split("|")]
    assert [2 - frame.is_text for frame in frames] == [int(opcode) for opcode in opcodes if opcode in "12"]
    binary = [data for row in rows for data in row[1].split("|") if data]
    assert [frame.data.hex() for frame in frames if not frame.is_text] == binary
    texts = "\n".join(field for row in rows for field in row[2:])
    # It shows only the first bytes of a long text, and escapes.
    assert all(frame.data[:40].decode() in texts for frame in frames if frame.is_text)
