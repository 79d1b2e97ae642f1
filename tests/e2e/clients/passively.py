"""Which clients write their TLS keys, so that ``--passive`` can read their packets; run as root on Linux::

    python -m tests.e2e.clients.passively 'websockets*' discord.js-14.28.1-node20.20.2

Each unmodified client talks straight to a simulator, in a network of its own where Discord's names lead to this
machine. What is said of clients in ``docs/packets.md`` was seen with this.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from fnmatch import fnmatch
from pathlib import Path

from inspector.errors import CaptureError
from inspector.simulator.content import TOKEN
from inspector.simulator.script import Scenario
from inspector.simulator.server.connection import ScriptError
from inspector.simulator.server.simulator import Simulator
from inspector.simulator.server.stage import Discord
from inspector.store.reader import Reader
from tests.e2e.clients.places import Missing, Place, installed
from tests.e2e.clients.setups import SETUPS, Setup
from tests.e2e.playing import ROOT

_INSIDE = "--inside"
_NAMES = ("gateway.discord.gg", "discord.com")
# By which clients are told whom to trust.
_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "DENO_CERT", "GWINSPECT_CA")
# Seconds that a client may take to log in, to leave when it is asked to, and that its last packets may take.
_LOGIN, _GOODBYE, _REST = 25, 15, 1


async def _greet(discord: Discord) -> None:
    gateway = await discord.gateway()
    await gateway.login()
    await gateway.close(4004, "Authentication failed.")


async def _tried(setup: Setup, place: Place, folder: Path) -> str:
    """Return what came of one client."""
    capture = folder / "own.gwcap"
    async with Simulator(Scenario("test", "A test", "", _greet), pace=0) as simulator:
        server = await asyncio.start_server(lambda ours, its: _lead(ours, its, simulator.port), "127.0.0.1", 443)
        async with server:
            record = "from inspector.cli.main import main; main()"
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", record, "record", "--passive", "--interface", "lo", "--capture", str(capture)),
                *("--", *place.command, TOKEN, *setup.arguments),
                cwd=place.folder,
                env={
                    **os.environ,
                    **place.environment,
                    **dict.fromkeys(_TRUST, str(simulator.ca_path)),
                    "PYTHONPATH": str(ROOT),
                },
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            assert process.stderr is not None
            said = asyncio.ensure_future(process.stderr.read())
            with suppress(ScriptError, TimeoutError):
                await asyncio.wait_for(simulator.finished(), _LOGIN)
            await asyncio.sleep(_REST)
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _GOODBYE)
            with suppress(ProcessLookupError):
                process.kill()
            words = (await said).decode("utf-8", "replace")
    try:
        with closing(Reader(capture)) as reader:
            is_seen = any(event.op == 2 for event in reader.all_events())
    except CaptureError:
        is_seen = False
    return "seen" if is_seen else f"not seen\n{words}"


async def _lead(ours: asyncio.StreamReader, its: asyncio.StreamWriter, port: int) -> None:
    """Pass on what comes for Discord to the simulator, and back."""
    there, here = await asyncio.open_connection("127.0.0.1", port)

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                target.write(data)
        target.close()

    await asyncio.gather(pass_on(ours, here), pass_on(there, its))


def _inside(chosen: Sequence[Setup]) -> None:
    """Try clients, in a network of its own."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="clients-") as folder:
        hosts = Path(folder, "hosts")
        lines = [f"127.0.0.1 {name}\n" for name in _NAMES]
        hosts.write_text(Path("/etc/hosts").read_text("utf-8") + "".join(lines), "utf-8")
        # Of this process and its children alone.
        subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)
        for number, setup in enumerate(chosen):
            place = Path(folder, str(number))
            place.mkdir()
            print(f"{setup.id}: {asyncio.run(_tried(setup, installed(setup), place))}", flush=True)
        subprocess.run(["umount", "/etc/hosts"], check=True)


def main(arguments: Sequence[str]) -> None:
    """Install the clients that are named, and try them."""
    patterns = [each for each in arguments if each != _INSIDE] or ["*"]
    chosen = [setup for setup in SETUPS if any(fnmatch(setup.id, pattern) for pattern in patterns)]
    if _INSIDE in arguments:
        _inside(chosen)
        return
    there = []
    for setup in chosen:
        try:
            installed(setup)
            there.append(setup.id)
        except Missing as missing:
            print(f"{setup.id}: {missing}")
    command = ["unshare", "--net", "--mount", sys.executable, "-m", __spec__.name, _INSIDE, *there]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
