"""Records the logs in ``real/`` anew: ``python -m tests.importers.logs.record [NAME…]``.

Each library plays a scenario of the simulator through a proxy that records, too. Kept are its log, as it printed it,
and beside it what the proxy saw, as JSON Lines: of each payload the connection, who sent it, opcode, event and sequence
number. The archive of discordless is made by its own addon, which runs in the same proxy: WUMPUS in the environment
names its file (``wumpus_in_the_middle.py`` of https://github.com/Roachbones/discordless). All that is in them is
invented. Lines about REST and of stacks are left out: they name the machine's folders.
"""

import asyncio
import json
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import chdir, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

from inspector.model import Kind, Plane
from inspector.simulator import content, redirect
from inspector.simulator.scenarios.catalogue import scenario
from inspector.simulator.server.simulator import Simulator
from inspector.store.reader import Reader
from tests.e2e import playing
from tests.e2e.clients.places import installed
from tests.e2e.clients.setups import SETUPS

REAL = Path(__file__).parent / "real"
LIMIT = 60
# Lines that are of no use here.
_OTHERS = re.compile(r"\S.*(discord\.http|hikari\.rest|hikari\.ratelimits|Provided token|HTTP|debug \d+ /).*|    at .*")

Row = tuple[int, bool, Any, str | None, int | None]


def rows_of(capture: Path) -> list[Row]:
    """Return what a capture has of payloads on main gateways."""
    with closing(Reader(capture)) as reader:
        found = (each for each in reader.all_events() if each.kind is Kind.PAYLOAD and each.plane is Plane.GATEWAY)
        return [(each.connection, bool(each.from_client), each.op, each.event, each.seq) for each in found]


def seen(name: str) -> list[Row]:
    """Return what the proxy saw of the run that a log is of."""
    lines = (REAL / f"{name}.seen.jsonl").read_text("utf-8").splitlines()
    return [tuple(json.loads(line)) for line in lines]


def _python(module: str, name: str, *arguments: str) -> tuple[str, list[Row]]:
    """Play a scenario with a library for Python."""
    playing.CLIENTS["logging"] = [sys.executable, "-m", f"tests.importers.logs.{module}", *arguments]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "said.txt"
        played = playing.play(name, Path(folder), "logging", pace=0.3, log=log)
        return log.read_text("utf-8"), rows_of(played.capture)


def _node(client: str, bot: str) -> tuple[str, list[Row]]:
    """Play the scenario ``resume`` with a library for Node, as ``gwinspect record`` starts it."""
    place = installed(next(each for each in SETUPS if each.client == client and each.kind == "node"))
    command = [place.command[0], str(place.folder / bot), content.TOKEN]
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_record(command, Path(folder)))


async def _record(command: Sequence[str], folder: Path) -> tuple[str, list[Row]]:
    async with Simulator(scenario("resume"), pace=0.3) as simulator:
        recording = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from inspector.cli.main import main; main()", "record", "--listen", "127.0.0.1:0"),
            *("--capture", str(folder / "bot.gwcap"), "--confdir", str(folder / "mitmproxy")),
            *("--host", "discord.com", "--script", redirect.__file__),
            *("--set", f"ssl_verify_upstream_trusted_ca={simulator.ca_path}", "--", *command),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(playing.ROOT), "GWINSPECT_SIMULATOR_PORT": str(simulator.port)},
        )
        said, _ = await asyncio.wait_for(recording.communicate(), LIMIT)
        with suppress(TimeoutError):
            await asyncio.wait_for(simulator.finished(), LIMIT)
    return said.decode(), rows_of(folder / "bot.gwcap")


def archived(name: str, folder: Path) -> tuple[Path, Path]:
    """Play a scenario with discordless' addon in the proxy. Return its archive, and the capture of the run."""
    # The addon makes its folder in the working directory.
    os.environ["PYTHONPATH"] = str(playing.ROOT)
    with chdir(folder):
        played = playing.play(name, folder, scripts=(Path(os.environ["WUMPUS"]),))
    return folder / "traffic_archive", played.capture


RECIPES: dict[str, Callable[[], tuple[str, list[Row]]]] = {
    "discordpy": partial(_python, "discordpy_bot", "hello", "own", "hello"),
    "discordpy-ms": partial(
        _python, "discordpy_bot", "hello", "%(asctime)s:%(levelname)s:%(name)s: %(message)s", "hello"
    ),
    "discordpy-raw": partial(_python, "discordpy_bot", "hello", "raw", "hello"),
    "hikari": partial(_python, "hikari_bot", "hello"),
    "discordjs": partial(_node, "discord.js", "discordjs_log_bot.cjs"),
    "eris": partial(_node, "eris", "eris_log_bot.cjs"),
    "oceanic": partial(_node, "oceanic.js", "oceanic_log_bot.cjs"),
}


def _kept(log: str) -> str:
    lines = log.splitlines(keepends=True)
    return "".join(line for line in lines if not _OTHERS.match(line)).replace(content.TOKEN, "not-a-real-token")


def _write_seen(name: str, rows: Iterable[Row]) -> None:
    (REAL / f"{name}.seen.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def main(names: Sequence[str]) -> None:
    REAL.mkdir(exist_ok=True)
    for name in names or (*RECIPES, "discordless"):
        if name == "discordless":
            with tempfile.TemporaryDirectory() as folder:
                archive, capture = archived("resume", Path(folder))
                rows = rows_of(capture)
                with zipfile.ZipFile(REAL / "discordless.zip", "w", zipfile.ZIP_DEFLATED) as packed:
                    for path in sorted(archive.rglob("*")):
                        if path.parent.name == "gateways" or path.name == "gateway_index":
                            packed.write(path, path.relative_to(archive.parent))
        else:
            log, rows = RECIPES[name]()
            (REAL / f"{name}.log").write_text(_kept(log), "utf-8")
        _write_seen(name, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
