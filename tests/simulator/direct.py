"""The scripted client on the simulator, with nothing between."""

import asyncio
from typing import Any

from inspector.model import Closed, Frame, Happening, Opened, Plane
from inspector.protocol.hosts import plane_of
from inspector.simulator.client.scripted import play
from inspector.simulator.journal import JournalEntry
from inspector.simulator.script import Scenario
from inspector.simulator.server.simulator import Simulator

# At which pace a scenario may be played that does little but wait: its heartbeats are far apart. See `happenings_of`.
PACES = {"dave-transition": 0.4}


def run(chosen: Scenario, pace: float = 0) -> tuple[list[JournalEntry], list[dict[str, Any]]]:
    """Play a scenario to its end and return the journal, and the gateway payloads that the client made out."""

    async def both() -> tuple[list[JournalEntry], list[dict[str, Any]]]:
        async with Simulator(chosen, pace=pace) as simulator:
            received = await play(chosen, ca=[simulator.ca_path], connect_to=("127.0.0.1", simulator.port))
            await simulator.finished()
            return simulator.journal, received

    return asyncio.run(asyncio.wait_for(both(), 30))


def sent(journal: list[JournalEntry], connection: int) -> list[JournalEntry]:
    """Return what the server said on one connection."""
    return [
        each for each in journal if each.connection == connection and each.kind == "message" and not each.from_client
    ]


def closes(journal: list[JournalEntry]) -> list[tuple[int | None, str | None]]:
    """Return code and side of each close, in the order of the connections."""
    ends = sorted((each for each in journal if each.kind == "close"), key=lambda each: each.connection)
    return [(each.code, each.by) for each in ends]


def happenings_of(journal: list[JournalEntry], stretch: float = 1) -> list[Happening]:
    """Return what a recording of this journal would hold, with all times since its beginning `stretch` times as long.

    What was played in a tenth of its time can so be read as if it had taken all of it.
    """
    start_ns = journal[0].at_ns
    found: list[Happening] = []
    for entry in journal:
        number, at_ns = entry.connection, start_ns + int((entry.at_ns - start_ns) * stretch)
        match entry.kind:
            case "open":
                found.append(Opened(number, at_ns, plane_of(entry.url) or Plane.GATEWAY, entry.url))
            case "message":
                found += (Frame(number, at_ns, entry.from_client, entry.is_text, data) for data in entry.frames)
            case "close":
                found.append(Closed(number, at_ns, entry.code, entry.reason, entry.by))
    return found
