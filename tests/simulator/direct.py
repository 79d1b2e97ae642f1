"""The scripted client on the simulator, with nothing between."""

import asyncio
from typing import Any

from inspector.simulator.client import play
from inspector.simulator.journal import Entry
from inspector.simulator.scenarios import Scenario
from inspector.simulator.server import Simulator


def run(chosen: Scenario) -> tuple[list[Entry], list[dict[str, Any]]]:
    """Play a scenario to its end and return the journal, and the gateway payloads that the client made out."""

    async def both() -> tuple[list[Entry], list[dict[str, Any]]]:
        async with Simulator(chosen, pace=0) as simulator:
            received = await play(chosen, ca=[simulator.ca_path], connect_to=("127.0.0.1", simulator.port))
            await simulator.finished()
            return simulator.journal, received

    return asyncio.run(asyncio.wait_for(both(), 30))


def sent(journal: list[Entry], connection: int) -> list[Entry]:
    """Return what the server said on one connection."""
    return [
        each for each in journal if each.connection == connection and each.kind == "message" and not each.from_client
    ]


def closes(journal: list[Entry]) -> list[tuple[int | None, str | None]]:
    """Return code and side of each close, in the order of the connections."""
    ends = sorted((each for each in journal if each.kind == "close"), key=lambda each: each.connection)
    return [(each.code, each.by) for each in ends]
