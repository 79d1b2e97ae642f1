"""Pictures of the screens, kept as SVG files that a browser shows, and how two of them are compared.

``python -m tests.tui.snapshots`` makes them anew, all or those that are named; look at them before they are kept.

What is compared is the text, line by line: it must be the same with every Python and every Textual. Colours and
backgrounds are compared too where both pictures were made by the same versions of Textual and rich, as those decide how
colours are blended. Nothing on a picture depends on the clock or the machine.
"""

import asyncio
import os
import re
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import unified_diff
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch
from xml.etree import ElementTree

from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Input

from inspector.protocol.registry import default
from inspector.store.writer import Writer
from inspector.tui.app import GwinspectApp
from inspector.tui.live_proxy import Advice, ProxyState
from inspector.tui.look import ASCII, UNICODE, Glyphs
from tests.tui.noticed import troubled
from tests.voice_call import whole_call, written

KEPT = Path(__file__).with_name("snapshots")
SAMPLES = Path(__file__).parents[2] / "sample_captures"
# Looks at a screen until it must be as it should.
PATIENCE = 300
# The live capture is a sample that has not come to its end: its second connection is still open 42 s later.
_LIVE_ROWS = 21
_NOW_NS = 1_795_483_492_200_000_000

_SVG = "{http://www.w3.org/2000/svg}"
_MADE_WITH = re.compile(r"<!-- (.*?), by python -m tests\.tui\.snapshots -->")


class FakeSource:
    """A proxy that is always well."""

    name = "proxy"
    address = "127.0.0.1:8080"
    ca = Path("/home/ada/.mitmproxy/mitmproxy-ca-cert.pem")
    command = None

    def advice(self) -> list[Advice]:
        return [
            Advice("any command", "gwinspect run -- python bot.py"),
            Advice("a browser", "proxy 127.0.0.1:8080, then visit mitm.it once"),
            Advice("this machine", "gwinspect live --mode local:Discord"),
        ]

    def state(self) -> ProxyState:
        return ProxyState(log=("saw websockets to ws.example.org (not a Discord gateway)",))


Drive = Callable[[GwinspectApp, Pilot[None]], Awaitable[None]]


def keys(*pressed: str) -> Drive:
    """Return what presses keys, once the rows are there."""

    async def drive(app: GwinspectApp, pilot: Pilot[None]) -> None:
        await settled(app, pilot, ("row 1 of",))
        await pilot.press(*pressed)

    return drive


async def stay(app: GwinspectApp, pilot: Pilot[None]) -> None:
    """Press nothing."""


async def ready(app: GwinspectApp, pilot: Pilot[None]) -> None:
    """Open the row of a READY."""
    await settled(app, pilot, ("row 1 of",))
    app.main.timeline.goto(5)
    await pilot.press("enter")


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture."""

    name: str
    size: tuple[int, int]
    """Columns and lines."""
    drive: Drive
    """What brings the screen there."""
    shows: tuple[str, ...]
    """Words that are on it once it is complete."""
    sample: str = "resume"
    """``waiting`` and ``live`` are captures that still grow, ``troubled`` is that of `tests.tui.noticed`, ``call`` that
    of `tests.voice_call`."""
    marks: Glyphs = UNICODE


SCENES = {
    scene.name: scene
    for scene in (
        Scene("waiting", (120, 40), stay, ("Point a client at it", "0 connections"), sample="waiting"),
        Scene("live", (150, 40), stay, ("following", "row 21 of 21", "resumed", "2 connections"), sample="live"),
        Scene("detail", (120, 40), ready, ("resume_gateway_url", "2 connections")),
        Scene("detail-narrow", (80, 24), ready, ("resume_gateway_url", "2 connections")),
        Scene("filter-error", (120, 40), keys("f", *"evnt", "space", "equals_sign", "equals_sign", "space", *"READY"),
              ("there is no field 'evnt'", "2 connections")),
        Scene("plots", (120, 40), keys("p"), ("MESSAGE_CREATE", "plots"), sample="plain-json"),
        Scene("findings", (120, 40), keys("F"), ("1 error", "With it", "worst first"), sample="troubled"),
        Scene("lanes", (120, 24), keys("c", "c", "L"), ("#1 close 4009", "closed 4014", "lanes"), sample="troubled"),
        Scene("voice", (120, 40), keys("V", "tab", "right", "right"), ("established", "never ready"), sample="call"),
        Scene("help", (120, 40), keys("question_mark"), ("Everywhere", "2 connections")),
        Scene("light", (120, 40), keys("T", "j"), ("row 2 of 22", "2 connections")),
        Scene("ascii", (150, 40), keys("j", "j", "d"), ("row 3 of 22", "Identify", "2 connections"), marks=ASCII),
    )
}  # fmt: skip


async def take(scene: Scene, folder: Path) -> str:
    """Return the picture of a scene. `folder` is a new one, for its capture and whatever is remembered."""
    path = _capture(scene.sample, folder)
    source = FakeSource() if scene.sample in ("waiting", "live") else None
    with _everywhere_the_same(folder):
        app = GwinspectApp(path, source=source, marks=scene.marks)
        app.animation_level = "none"
        async with app.run_test(size=scene.size) as pilot:
            await settled(app, pilot, ())
            for box in app.screen.query(Input):
                box.cursor_blink = False
            await scene.drive(app, pilot)
            await settled(app, pilot, scene.shows)
            return tidy(app.export_screenshot(simplify=True))


async def settled(app: GwinspectApp, pilot: Pilot[None], shows: tuple[str, ...]) -> None:
    """Wait until the screen has certain words and has stopped changing. Fails where that does not come about."""
    before: list[str] = []
    for _ in range(PATIENCE):
        await pilot.pause(0.02)
        found = texts(tidy(app.export_screenshot()))
        if found == before and all(words in "\n".join(found) for words in shows):
            return
        before = found
    raise AssertionError("\n".join([f"not all of {shows} came about:", *before]))


@contextmanager
def _everywhere_the_same(folder: Path) -> Iterator[None]:
    """Let nothing of this machine or this moment show."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEXTUAL", "NO_COLOR"))}
    changed = {**kept, "TZ": "UTC", "HOME": str(folder), "XDG_STATE_HOME": str(folder)}
    with patch("inspector.tui.screens.main.time_ns", lambda: _NOW_NS):
        try:
            with patch.dict(os.environ, changed, clear=True):
                time.tzset()
                yield
        finally:
            time.tzset()


def _capture(name: str, folder: Path) -> Path:
    path = folder / f"{name}.gwcap"
    if name == "waiting":
        Writer(path, default(), made_by="test").finish()
    elif name == "troubled":
        troubled(path)
    elif name == "call":
        written(path, whole_call())
    else:
        path.write_bytes((SAMPLES / f"{'resume' if name == 'live' else name}.gwcap").read_bytes())
    if name in ("waiting", "live"):
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("delete from meta where key = 'finished_at'")
        db.execute("delete from event where id > ?", (_LIVE_ROWS,))
        db.execute("update connection set closed_at = null, close_code = null, closed_by = null where id = 2")
        db.close()
    return path


def tidy(svg: str) -> str:
    """Return a picture as it is kept: with what it was made with, and without fonts from the network."""
    made = f"Made with textual {version('textual')} and rich {version('rich')}, by python -m tests.tui.snapshots"
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    # Some that show it would drop blanks at the ends otherwise.
    svg = svg.replace("<svg class=", '<svg xml:space="preserve" class=', 1)
    svg = re.sub(r"<!-- Generated with .*? -->", f"<!-- {made} -->", svg)
    # Named after what is on it, which would make every line another one.
    svg = re.sub(r"\bterminal-\d+-", "t-", svg)
    # One thing a line, for those who read what has changed.
    svg = re.sub(r"(</text>|/>)(?=<)", r"\1\n", svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


@dataclass(frozen=True, slots=True)
class Run:
    """Text in one style."""

    line: int
    column: int
    text: str
    style: str
    """CSS."""


def runs(svg: str) -> list[Run]:
    """Return what is written on a picture, in order; stretches of blanks are not."""
    found = []
    styles = dict(re.findall(r"^\s*\.t-(r\d+) \{ (.*) \}$", svg, re.MULTILINE))
    for item in ElementTree.fromstring(svg).iter(f"{_SVG}text"):
        place = re.search(r"line-(\d+)\)", item.get("clip-path", ""))
        text = item.text or ""
        # The title is in no line.
        if place:
            cell = float(item.get("textLength", "nan")) / len(text)
            style = styles[item.get("class", "").removeprefix("t-")]
            column = round(float(item.get("x", "nan")) / cell)
            found.append(Run(int(place[1]), column, text.replace("\xa0", " "), style))
    return found


def texts(svg: str) -> list[str]:
    """Return the lines of a picture, without blanks at their ends."""
    lines: list[str] = []
    for run in runs(svg):
        lines += [""] * (run.line + 1 - len(lines))
        lines[run.line] += " " * (run.column - cell_len(lines[run.line])) + run.text
    return [line.rstrip() for line in lines]


def backgrounds(svg: str) -> list[str]:
    """Return where which background is."""
    found = ElementTree.fromstring(svg).iter(f"{_SVG}rect")
    return [
        f"{item.get('fill')} at {item.get('x')}, {item.get('y')}, {item.get('width')} wide"
        for item in found
        if item.get("shape-rendering")
    ]


def made_with(svg: str) -> str:
    """Return the versions that a picture was made with."""
    found = _MADE_WITH.search(svg)
    return found[1] if found else ""


def differences(kept: str, new: str) -> list[str]:
    """Return what differs between two pictures, in words: the lines, or else the colours where they can be compared."""
    found = [*unified_diff(texts(kept), texts(new), "kept", "new", n=0, lineterm="")]
    if found or made_with(kept) != made_with(new):
        return found
    for before, after in zip_longest(runs(kept), runs(new)):
        if before != after:
            found.append(f"kept {before}, new {after}")
    for old, now in zip_longest(backgrounds(kept), backgrounds(new)):
        if old != now:
            found.append(f"kept background {old}, new {now}")
    return found


def main(names: list[str]) -> None:
    """Make pictures anew: those named, or all."""
    for name in names or SCENES:
        with TemporaryDirectory() as folder:
            svg = asyncio.run(take(SCENES[name], Path(folder)))
        (KEPT / f"{name}.svg").write_text(svg, encoding="utf-8")
        print(f"{name}: {len(svg) / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
