"""Plays scenarios through a real mitmdump, and sets what was recorded beside what was really said.

The rule: the journal of the simulator is the truth. Both ends speak at once, so what crosses on the way has no order
that they agree on: each direction is compared by itself.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.cli.staging import Stage, staged
from inspector.model import Closed, Frame, Opened, Plane
from inspector.protocol.registry import default
from inspector.proxy.mitmdump import Proxy, Settings, free_port, free_udp_port
from inspector.report.jsonl import record
from inspector.report.present import Presenter
from inspector.report.rows import Rows
from inspector.simulator import redirect
from inspector.simulator.journal import JournalEntry, load
from inspector.simulator.script import Scenario, Script
from inspector.simulator.server.simulator import Simulator
from inspector.store.reader import Reader, stored_happenings
from tests.rows import rows_in

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SIDES = (True, False)

CLIENTS = {
    "scripted": "scripted",
    "discord.py": [sys.executable, str(HERE / "discordpy_client.py")],
    "blocked discord.py": [sys.executable, str(HERE / "blocked_client.py")],
    "hikari": [sys.executable, str(HERE / "hikari_client.py")],
}


@dataclass(frozen=True, slots=True)
class Played:
    """What is left of a scenario that was played to its end."""

    capture: Path
    journal: list[JournalEntry]
    folder: Path


def play(
    name: str,
    folder: Path,
    client: str = "scripted",
    meanwhile: Callable[[Stage, Path], object] = lambda stage, capture: None,
    **how: Any,
) -> Played:
    """Play a scenario to its end, with secrets kept. `meanwhile` is called as it begins; `how` is for `staged`."""
    capture = folder / "played.gwcap"
    how = {"pace": 0.0, "keep_secrets": True} | how
    with staged(name, capture, folder, client=CLIENTS[client], **how) as stage:
        meanwhile(stage, capture)
    assert (stage.client.returncode, stage.simulator.returncode) == (0, 0)
    return Played(capture, load(stage.journal), folder)


@asynccontextmanager
async def simulated(
    script: Script, folder: Path, *, pace: float = 0, **more: Any
) -> AsyncIterator[tuple[Simulator, Proxy]]:
    """Play a script of one's own behind a mitmdump, for clients in this process. `more` is for `Settings`."""
    clock, media_port = folder / "clock", free_udp_port("127.0.0.1")
    chosen = Scenario("test", "A test", "", script)
    async with Simulator(chosen, pace=pace, media_port=media_port, clock=clock) as simulator:
        media = f"reverse:udp://127.0.0.1:{simulator.udp_port}@127.0.0.1:{media_port}"
        settings = Settings(
            folder / "played.gwcap",
            port=free_port("127.0.0.1"),
            modes=more.pop("modes", ("regular", media)),
            keep_secrets=True,
            scripts=(Path(redirect.__file__), *more.pop("scripts", ())),
            options={
                "confdir": str(folder / "mitmproxy"),
                "ssl_verify_upstream_trusted_ca": str(simulator.ca_path),
                "termlog_verbosity": "warn",
                **more.pop("options", {}),
            },
            environment={
                "GWINSPECT_SIMULATOR_PORT": str(simulator.port),
                "GWINSPECT_SIMULATOR_CLOCK": str(clock),
                **more.pop("environment", {}),
            },
            **more,
        )
        proxy = Proxy(settings)
        await asyncio.to_thread(proxy.__enter__)
        try:
            yield simulator, proxy
        finally:
            await asyncio.to_thread(proxy.__exit__, None, None, None)


@dataclass(frozen=True, slots=True)
class Talk:
    """One connection, in terms that the journal and a capture share."""

    url: str
    frames: dict[bool, list[tuple[bool, bytes]]]
    """By direction (True: of the client): whether it was text, and the bytes."""
    payloads: dict[bool, list[tuple[Any, Any, Any, Any]]]
    """By direction: op, event, seq, and d where the message is not one of voice's binary ones."""
    close: tuple[int | None, str, str | None]
    """Code, reason, and who closed."""


def assert_agree(recorded: list[Talk], lived: list[Talk]) -> None:
    """Assert that a capture tells of the same connections as the journal does, byte for byte.

    There is one freedom. While one side closes, messages of the other are on their way, a heartbeat say. The client's
    may have passed the proxy and not reached the server; the server's may have left and not come to the proxy.
    """
    assert [(talk.url, talk.close) for talk in recorded] == [(talk.url, talk.close) for talk in lived]
    for ours, truth in zip(recorded, lived, strict=True):
        for side in SIDES:
            closer = truth.close[2] == ("client" if side else "server") and truth.close[0] != 1006
            on_their_way = 0 if closer else 2
            for seen, said in ((ours.frames[side], truth.frames[side]), (ours.payloads[side], truth.payloads[side])):
                more, fewer = (seen, said) if side else (said, seen)
                assert more[: len(fewer)] == fewer
                assert len(more) - len(fewer) <= on_their_way


def talks_of_journal(journal: list[JournalEntry]) -> list[Talk]:
    """Return the connections as the simulator lived them."""
    talks = []
    for number in sorted({entry.connection for entry in journal}):
        mine = [entry for entry in journal if entry.connection == number]
        close = next(entry for entry in mine if entry.kind == "close")
        said = {side: [e for e in mine if e.kind == "message" and e.from_client is side] for side in SIDES}
        talks.append(
            Talk(
                mine[0].url,
                {side: [(e.is_text, frame) for e in said[side] for frame in e.frames] for side in SIDES},
                {side: [(e.op, e.event, e.seq, _d(e)) for e in said[side]] for side in SIDES},
                (close.code, close.reason, close.by),
            )
        )
    return talks


def _d(entry: JournalEntry) -> Any:
    """Return the body of what was said; None for voice's binary messages, which are compared as frames alone."""
    is_binary = entry.host.endswith(".discord.media") and not entry.is_text
    return None if is_binary else entry.payload.get("d")


def talks_of_capture(capture: Path) -> list[Talk]:
    """Return the WebSockets as they were recorded."""
    reader = Reader(capture)
    happenings = [each for batch in stored_happenings(reader.db) for each in batch]
    rows = list(records(rows_in(capture)))
    reader.close()
    talks = []
    for opened in (each for each in happenings if isinstance(each, Opened)):
        if opened.plane is Plane.MEDIA or opened.refusal is not None:
            continue
        number = opened.connection
        frames = [each for each in happenings if isinstance(each, Frame) and each.connection == number]
        payloads = [row for row in rows if row["connection"] == number and row["kind"] == "payload"]
        closed = next(each for each in happenings if isinstance(each, Closed) and each.connection == number)
        talks.append(
            Talk(
                opened.url,
                {side: [(f.is_text, f.data) for f in frames if f.from_client is side] for side in SIDES},
                {
                    side: [
                        (row["op"], row["event"], row["seq"], None if row["encoding"] == "binary" else row.get("d"))
                        for row in payloads
                        if row["direction"] == ("send" if side else "receive")
                    ]
                    for side in SIDES
                },
                (closed.code, closed.reason, closed.by),
            )
        )
    return talks


def records(rows: Rows) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file as JSON lines have them, with secrets shown and raw frames added."""
    presenter = Presenter(default(), reveal=True)
    for event in rows:
        yield record(presenter.show(event, rows), rows.raw(event))
