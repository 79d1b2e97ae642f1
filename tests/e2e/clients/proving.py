"""Runs a client as a user would, ``gwinspect record -- COMMAND``, and waits until the capture holds its login.

The rule: nothing is told to the client but its token. The name that it asks for leads nowhere on a machine without a
network, and to Discord, which knows no such token, on any other: what is in the capture went through the proxy.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inspector.errors import GwinspectError
from inspector.model import Kind
from inspector.proxy.launch.reports import Report, read_reports
from inspector.simulator import content, redirect
from inspector.simulator.script import Scenario
from inspector.simulator.server.connection import ScriptError
from inspector.simulator.server.gateway import GatewaySocket
from inspector.simulator.server.simulator import Simulator
from inspector.simulator.server.stage import Discord
from inspector.store.reader import Reader

# Seconds until a client is given up, and that everything may take to end after Ctrl-C.
LIMIT, END_LIMIT = 60.0, 20.0
# Characters of what a client said that are passed on where it was not seen.
_QUOTED = 3000


@dataclass(frozen=True, slots=True)
class Served:
    """The simulator that clients are led to."""

    port: int
    ca: Path
    confdir: Path
    """Certificates of the mitmproxys that record: made once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    seen: bool
    """Whether the capture holds the client's Identify, and READY after it."""
    seconds: float
    reports: Sequence[Report]
    """What the launch hooks said."""
    said: str
    """The end of what the client and gwinspect said."""

    @property
    def way(self) -> str:
        """``hook`` where one led the client to the proxy, ``environment`` where it came by itself; empty if unseen."""
        led = any(each.what == "redirected" and each.name == "gateway.discord.gg" for each in self.reports)
        return ("hook" if led else "environment") if self.seen else ""


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Run a Discord that takes any number of bots in, until they leave. `folder` takes mitmproxy's certificates."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    simulator = Simulator(Scenario("clients", "Any client", "", _welcome_all))
    try:
        asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result()
        yield Served(simulator.port, simulator.ca_path, folder / "mitmproxy")
        asyncio.run_coroutine_threadsafe(simulator.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _welcome_all(discord: Discord) -> None:
    async def welcome(gateway: GatewaySocket) -> None:
        with contextlib.suppress(ScriptError):  # it left
            await gateway.welcome(content.guild())

    welcomes = set()
    while True:
        gateway = await discord.gateway_arrivals.get()
        welcomes.add(asyncio.ensure_future(welcome(gateway)))


def prove(
    command: Sequence[str],
    served: Served,
    folder: Path,
    *,
    place: Path | None = None,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a client through ``gwinspect record``, wait until it has logged in or ended, and end it.

    `folder` takes the capture; `place` is the client's working directory; `options` are more of ``record``'s.
    """
    capture, log = folder / "client.gwcap", folder / "said.txt"
    temporary = folder / "tmp"
    temporary.mkdir()
    record = [sys.executable, "-c", "from inspector.cli.start import main; main()", "record", "--capture", str(capture)]
    record += ["--listen", "127.0.0.1:0", "--host", "discord.com", "--confdir", str(served.confdir)]
    record += ["--script", redirect.__file__, "--set", f"ssl_verify_upstream_trusted_ca={served.ca}", *options]
    began = time.monotonic()
    with log.open("wb") as output:
        recording = subprocess.Popen(
            [*record, "--", *command],
            cwd=place or folder,
            # Where the launch makes its folder, with what the hooks report.
            env=_clean()
            | {"TMPDIR": str(temporary), "GWINSPECT_SIMULATOR_PORT": str(served.port), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    seen, reports = False, list[Report]()
    try:
        while not seen and time.monotonic() < began + LIMIT:
            ended = recording.poll() is not None
            # They go with the launch, so of one that ends by itself the last look counts.
            reports = [each for at in temporary.glob("gwinspect-*/hooks.jsonl") for each in read_reports(at)] or reports
            seen = _holds_login(capture)
            if ended:
                break
            time.sleep(0.05)
        seconds = time.monotonic() - began
    finally:
        _end(recording)
    return Outcome(seen, seconds, reports, log.read_text("utf-8", "replace")[-_QUOTED:])


def _clean() -> dict[str, str]:
    """Return our environment without what would lead a client somewhere, or change how it runs."""
    names = ("proxy", "python", "node_", "npm_", "ssl_cert", "java", "virtual_env")
    return {name: value for name, value in os.environ.items() if not any(each in name.lower() for each in names)}


def _holds_login(capture: Path) -> bool:
    try:
        reader = Reader(capture)
    except GwinspectError:
        return False
    try:
        said = [event for event in reader.all_events() if event.kind is Kind.PAYLOAD]
    finally:
        reader.close()
    identify = next((place for place, event in enumerate(said) if event.op == 2 and event.from_client), None)
    return identify is not None and any(event.event == "READY" for event in said[identify:])


def _end(recording: "subprocess.Popen[bytes]") -> None:
    """End it as Ctrl-C in its terminal does: all of its group are told."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(recording.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            recording.wait(END_LIMIT)
            break
    # A client that goes on although its launcher has gone must not stay behind.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(recording.pid, signal.SIGKILL)
