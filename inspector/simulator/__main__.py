"""``python -m inspector.simulator SCENARIO``: the simulator as a process of its own.

The rule: stdout gets one line of JSON, ``{"port": …, "udp_port": …, "ca": "…"}``, once clients may come. The process
ends with the scenario or when its stdin is closed, whichever is first; the certificate's file ends with it.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import threading
from pathlib import Path

from inspector.errors import GwinspectError
from inspector.garbage import end_quickly
from inspector.simulator.journal import save
from inspector.simulator.scenarios.catalogue import SCENARIOS, scenario
from inspector.simulator.script import Scenario
from inspector.simulator.server.connection import ScriptError
from inspector.simulator.server.simulator import Simulator


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m inspector.simulator", description="Play a scenario on loopback.")
    parser.add_argument("scenario", help=f"{', '.join(SCENARIOS)}, burst-COUNT, close-CODE or voice-close-CODE")
    parser.add_argument("--journal", type=Path, help="write what was really sent and received to this file at the end")
    parser.add_argument("--pace", type=float, default=1.0, help="factor of the pauses; 0 for none (default: 1)")
    parser.add_argument("--media-port", type=int, default=0, help="UDP port to give to clients (default: its own)")
    parser.add_argument("--clock", type=Path, help="file to make, for a proxy that skips time as the script does")
    options = parser.parse_args()
    end_quickly()
    try:
        chosen = scenario(options.scenario)
        return asyncio.run(_run(chosen, options.pace, options.journal, options.media_port, options.clock))
    except GwinspectError as error:
        print(error, file=sys.stderr)
        return error.exit_code


async def _run(chosen: Scenario, pace: float, journal: Path | None, media_port: int, clock: Path | None) -> int:
    async with Simulator(chosen, pace=pace, media_port=media_port, clock=clock) as simulator:
        print(
            json.dumps({"port": simulator.port, "udp_port": simulator.udp_port, "ca": str(simulator.ca_path)}),
            flush=True,
        )
        finished = asyncio.ensure_future(simulator.finished())
        await asyncio.wait([finished, _stdin_closed()], return_when=asyncio.FIRST_COMPLETED)
        if journal is not None:
            save(simulator.journal, journal)
        if not finished.done():
            finished.cancel()
            return 1
        try:
            finished.result()
        except ScriptError as failure:
            print(f"{chosen.name}: {failure}", file=sys.stderr)
            return 1
    return 0


def _stdin_closed() -> asyncio.Future[None]:
    """Return a future that is cancelled when stdin has ended. A thread, since not every stdin can be waited for."""
    loop = asyncio.get_running_loop()
    closed: asyncio.Future[None] = loop.create_future()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop ended first
            loop.call_soon_threadsafe(closed.cancel)

    threading.Thread(target=watch, daemon=True).start()
    return closed


if __name__ == "__main__":
    sys.exit(main())
