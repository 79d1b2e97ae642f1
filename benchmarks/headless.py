"""One process of the screen's benchmark: it runs the screen without a terminal and prints what it measured, as JSON.

``benchmarks.headless TASK CAPTURE [ARGUMENT…]``; `TASKS` says which there are. The rule: what Textual would write to a
terminal is made and then thrown away, so that all work of painting is in the figures, and that of the terminal is not.
"""

import asyncio
import json
import sqlite3
import sys
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from itertools import chain, islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import zstandard
from rich.segment import Segment
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Size
from textual.pilot import Pilot
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from benchmarks.corpus import SEED, build
from benchmarks.memory import peak_mb
from inspector.protocol.registry import default
from inspector.store.writer import Writer

if TYPE_CHECKING:
    from inspector.tui.app import GwinspectApp

SIZE = (160, 50)
PAGES = 40
PLACES = 20
# Stands in the first screen of every capture of the corpus, and in every line of the bare list.
MARKER = "READY"
# Messages a second that are added to a capture that the screen follows, and seconds between two batches.
RATE, BATCH = 5000, 0.05
# Messages in it before that.
BEFORE = 1000
# Seconds between two keys, the keys, and the actions they stand for.
KEY_EVERY = 0.1
KEYS = {"k": "move", "G": "last", "space": "follow", "t": "time"}
# Seconds without keys in which rows are looked for, before the keys.
QUIET = 3.0
# Seconds after which the screen is taken for stuck.
STUCK = 90.0

Result = dict[str, Any]


class Eye:
    """What a person in front of a screen sees, and when; times are those of `time.monotonic`."""

    def __init__(self) -> None:
        self.first: float | None = None
        """When `MARKER` was on the screen for the first time."""
        self.painted: Callable[[float], None] = lambda now: None
        """Called when lines of the rows watched have come to the screen."""
        self._drawn = False

    def terminal(self) -> type[HeadlessDriver]:
        """Return the driver of a terminal that shows nothing to anyone else."""
        written = self._written

        class Terminal(HeadlessDriver):
            @property
            def is_headless(self) -> bool:
                # Else Textual would spare itself making the bytes.
                return False

            def write(self, data: str) -> None:
                written(data)

        return Terminal

    def watch(self, rows: Widget) -> None:
        """Look out for the lines of `rows`."""
        render = rows.render_lines

        def render_lines(*args: Any) -> list[Strip]:
            self._drawn = True
            return render(*args)

        setattr(rows, "render_lines", render_lines)  # noqa: B010 - mypy allows no method to be replaced

    def _written(self, data: str) -> None:
        now = time.monotonic()
        if self.first is None and MARKER in data:
            self.first = now
        if self._drawn:
            self._drawn = False
            self.painted(now)


class Hand:
    """Presses keys, and says how long the screen took until the rows showed what the key had done."""

    def __init__(self, app: App[None], eye: Eye, rows: Widget) -> None:
        self._app, self._eye = app, eye
        self._handled = False
        self._seen: asyncio.Future[float] | None = None
        eye.watch(rows)
        self._then, eye.painted = eye.painted, self._painted

    def expect(self, owner: Widget, action: str) -> None:
        """Take `action` of `owner` for the handling of a key."""
        name = f"action_{action}"
        act = getattr(owner, name)

        def handle(*args: Any) -> Any:
            self._handled = True
            return act(*args)

        setattr(owner, name, handle)

    async def press(self, key: str, due: float) -> float:
        """Press `key`, and return the seconds from when it was due until its effect was painted.

        From then, and not from when this function gets to run: a screen that is busy keeps it waiting too.
        """
        self._handled, self._seen = False, asyncio.get_running_loop().create_future()
        self._app.post_message(events.Key(key, " " if key == "space" else key))
        return await asyncio.wait_for(self._seen, STUCK) - due

    async def press_often(self, keys: list[str], wanted: Callable[[], bool]) -> list[float]:
        """Press `keys` in turn, one every `KEY_EVERY` seconds, while they are `wanted`, and return all answers."""
        begin = time.monotonic()
        answers: list[float] = []
        while wanted():
            due = begin + len(answers) * KEY_EVERY
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            answers.append(await self.press(keys[len(answers) % len(keys)], due))
        return answers

    def _painted(self, now: float) -> None:
        self._then(now)
        if self._handled and self._seen is not None and not self._seen.done():
            self._seen.set_result(now)


class Lines(ScrollView, can_focus=True):
    """As many lines as a capture has rows, all the same: what Textual costs by itself."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "move(-1)"),
        Binding("pagedown", "page"),
        Binding("g", "go(0)"),
        Binding("G", "last"),
    ]

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self._line = Strip([Segment(f"{MARKER} ".ljust(SIZE[0]))])

    def on_mount(self) -> None:
        self.virtual_size = Size(SIZE[0], self._count)
        self.focus()

    def render_line(self, y: int) -> Strip:
        return self._line

    def go(self, line: int) -> None:
        self.scroll_to(y=line, animate=False, immediate=True)
        self.refresh()

    def action_go(self, line: int) -> None:
        self.go(line)

    def action_last(self) -> None:
        self.go(self._count)

    def action_page(self) -> None:
        self.go(self.scroll_offset.y + self.size.height)

    def action_move(self, lines: int) -> None:
        self.go(self.scroll_offset.y + lines)


class Bare(App[None]):
    """An application of nothing but `Lines`."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.lines = Lines(count)

    def compose(self) -> ComposeResult:
        yield self.lines


def bare(capture: Path) -> Result:
    """Do on a bare list what `look` does on the screen."""
    return asyncio.run(_bare(capture))


def look(capture: Path) -> Result:
    """Open the screen, page and jump about in it."""
    return asyncio.run(_look(capture, {}, {}))


def tour(capture: Path, indexed: str, inside: str) -> Result:
    """Do what `look` does, then filter.

    `indexed` and `inside` are JSON objects of filters: on narrow rows, each with the condition in SQL that says the
    same; and on payloads, each with nothing.
    """
    return asyncio.run(_look(capture, json.loads(indexed), json.loads(inside)))


def follow(capture: Path, seconds: str) -> Result:
    """Follow a capture to which another process adds `RATE` messages a second, and press keys for so many seconds."""
    return asyncio.run(_follow(capture, float(seconds)))


def append(capture: Path, seconds: str) -> Result:
    """Make a capture, wait for a line on stdin, then add `RATE` messages a second for so many seconds.

    Says of each batch the number of its last row, when its messages came, and when they were stored.
    """
    turns = round(float(seconds) / BATCH)
    size = round(RATE * BATCH)
    happenings = build(BEFORE + turns * size).happenings()
    writer = Writer(capture, default(), made_by="benchmarks")
    writer.write(list(islice(happenings, BEFORE)))
    print(flush=True)
    sys.stdin.readline()
    begin = time.monotonic()
    batches = []
    for turn in range(turns):
        time.sleep(max(0.0, begin + turn * BATCH - time.monotonic()))
        came = time.monotonic()
        written = writer.write(list(islice(happenings, size)))
        batches.append((written[-1].n, came, time.monotonic()))
    # Whoever follows it should see it grow until the last of its keys.
    time.sleep(1)
    writer.finish()
    return {"batches": batches}


@asynccontextmanager
async def _running(app: App[None], eye: Eye) -> AsyncIterator[Pilot[None]]:
    app.driver_class = eye.terminal()
    async with app.run_test(headless=False, size=SIZE) as pilot:
        yield pilot


async def _until(true: Callable[[], bool]) -> None:
    begin = time.monotonic()
    while not true():
        if time.monotonic() - begin > STUCK:
            raise TimeoutError("the screen does not come to what is waited for")
        await asyncio.sleep(0.005)


async def _bare(capture: Path) -> Result:
    last = _last(capture)
    eye = Eye()
    begin = time.monotonic()
    app = Bare(last)
    async with _running(app, eye) as pilot:
        await _until(lambda: eye.first is not None)
        result = _started(begin, eye)
        await pilot.pause()
        result |= await _moving(pilot, last, lambda number: app.lines.go(number - 1))
        hand = Hand(app, eye, app.lines)
        hand.expect(app.lines, "move")
        end = time.monotonic() + 2
        result["answers_s"] = await hand.press_often(["k"], lambda: time.monotonic() < end)
    return result | {"peak_mb": peak_mb()}


async def _look(capture: Path, indexed: dict[str, str], inside: dict[str, str]) -> Result:
    # Its import is measured elsewhere.
    from inspector.tui.app import GwinspectApp

    last = _last(capture)
    eye = Eye()
    begin = time.monotonic()
    app = GwinspectApp(capture)
    async with _running(app, eye) as pilot:
        await _until(lambda: eye.first is not None)
        result = _started(begin, eye)
        timeline, main = app.main.timeline, app.main
        await _until(lambda: main._pulse is not None and main._pulse.snapshot.counted >= last)
        result["counted_s"] = time.monotonic() - begin
        await pilot.pause()
        result |= await _moving(pilot, last, timeline.goto)
        await pilot.press("g")
        hand = Hand(app, eye, timeline)
        hand.expect(main, "time")
        # What the floors keep in memory would count as the screen's, so each of them keeps next to nothing.
        result["indexed"] = {
            text: [{"floor_s": _selected(capture, where)} | await _filter(app, eye, text) for _ in range(3)]
            for text, where in indexed.items()
        }
        result["inside"] = {text: await _filter(app, eye, text, hand) for text in inside}
        result["peak_mb"] = peak_mb()
    if inside:
        begin = time.perf_counter()
        _inflate_all(capture)
        result["inflated_s"] = time.perf_counter() - begin
    return result


def _started(begin: float, eye: Eye) -> Result:
    assert eye.first is not None
    return {"painted_s": eye.first - begin, "cpu_s": time.thread_time()}


async def _moving(pilot: Pilot[None], last: int, goto: Callable[[int], None]) -> Result:
    """Return the seconds of work that keys and jumps cost the thread of the screen."""

    async def cost(act: Callable[[], Awaitable[None]]) -> float:
        begin = time.thread_time()
        await act()
        await pilot.pause()
        return time.thread_time() - begin

    async def jump(number: int) -> None:
        goto(number)

    pages = [await cost(lambda: pilot.press("pagedown")) for _ in range(PAGES)]
    end = await cost(lambda: pilot.press("G"))
    start = await cost(lambda: pilot.press("g"))
    dice = Random(SEED)
    places = [last // 2, *(dice.randrange(1, last) for _ in range(PLACES - 1))]
    anywhere = [await cost(lambda number=number: jump(number)) for number in places]  # type: ignore[misc]
    return {"page_s": pages, "end_s": [end], "start_s": [start], "anywhere_s": anywhere}


async def _filter(app: "GwinspectApp", eye: Eye, text: str, hand: Hand | None = None) -> Result:
    """Filter by `text`; say when the first rows were seen, and when all were found.

    Meanwhile the hand changes how times are shown, if there is one: that paints every line anew, wherever one is.
    """
    from inspector.query.grammar import parse
    from inspector.tui.widgets.input.filter_bar import FilterBar

    main, timeline = app.main, app.main.timeline
    seen: list[float] = []
    progress: set[float] = set()
    then = eye.painted

    def painted(now: float) -> None:
        then(now)
        if main.filtering.narrowing.text == text and timeline.view:
            seen.append(now)
            if main.filtering.progress is not None:
                progress.add(main.filtering.progress)

    def scanning() -> bool:
        return main.filtering.narrowing.text != text or main.filtering.progress is not None

    eye.painted = painted
    begin = time.monotonic()
    main.post_message(FilterBar.Applied(text, parse(text, default())))
    answers = []
    if hand is not None:
        await _until(lambda: bool(seen) or not scanning())
        answers = await hand.press_often(["t"], scanning)
    await _until(lambda: not scanning())
    all_s = time.monotonic() - begin
    rows = len(timeline.view)
    if not rows:
        raise RuntimeError(f"no row passes {text}; the times mean nothing")
    await _until(lambda: bool(seen))
    eye.painted = then
    main.post_message(FilterBar.Applied("", parse("", default())))
    await _until(lambda: not timeline.view.is_filtered)
    timeline.goto(1)
    await asyncio.sleep(0.1)
    return {
        "first_s": seen[0] - begin,
        "all_s": all_s,
        "rows": rows,
        "progress_shown": len(progress),
        "answers_s": answers,
    }


async def _follow(capture: Path, seconds: float) -> Result:
    from inspector.tui.app import GwinspectApp

    command = [sys.executable, "-m", "benchmarks.headless", "append", str(capture), str(QUIET + seconds + 1)]
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert other.stdin is not None
    assert other.stdout is not None
    await other.stdout.readline()
    eye = Eye()
    seen: list[tuple[float, int]] = []
    app = GwinspectApp(capture, follow=True)
    async with _running(app, eye) as pilot:
        timeline = app.main.timeline

        def painted(now: float) -> None:
            bottom = min(timeline.scroll_offset.y + timeline.size.height, len(timeline.view)) - 1
            if bottom >= 0:
                seen.append((now, timeline.view.numbers[bottom]))

        eye.painted = painted
        await pilot.pause()
        hand = Hand(app, eye, timeline)
        for action in KEYS.values():
            hand.expect(app.main if action == "time" else timeline, action)
        begin = time.monotonic()
        cpu = time.thread_time()
        other.stdin.write(b"\n")
        await asyncio.sleep(QUIET)
        quiet = time.monotonic()
        busy = (time.thread_time() - cpu) / (quiet - begin)
        answers = await hand.press_often(list(KEYS), lambda: time.monotonic() < quiet + seconds)
        batches = json.loads(await other.stdout.read())["batches"]
        await other.wait()
    early = [batch for batch in batches if batch[2] < quiet - 1]
    return {
        "answers_s": answers,
        "late_s": list(lateness(early, seen)),
        "busy": busy,
        "rate": (batches[-1][0] - batches[0][0]) / (batches[-1][1] - batches[0][1]),
        "stored_s": [stored - came for _, came, stored in batches],
        "peak_mb": peak_mb(),
    }


def lateness(batches: list[tuple[int, float, float]], seen: list[tuple[float, int]]) -> Iterator[float]:
    """Yield the seconds from when each batch came until its last row was seen.

    `batches`: the number of a last row, when it came and when it was stored; `seen`: when the screen was painted, and
    the number of the newest row on it. Raises ValueError where a batch was never seen.
    """
    frames = iter(seen)
    now, newest = 0.0, 0
    for number, came, _ in batches:
        while newest < number:
            frame = next(frames, None)
            if frame is None:
                raise ValueError(f"row {number:,} was never seen")
            now, newest = frame
        yield now - came


def _connect(capture: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(capture))}?mode=ro", uri=True, isolation_level=None)


def _last(capture: Path) -> int:
    with closing(_connect(capture)) as db:
        found: int = db.execute("select max(id) from event").fetchone()[0]
    return found


def _selected(capture: Path, where: str) -> float:
    """Return the seconds that SQLite takes to say which rows a condition holds of."""
    begin = time.perf_counter()
    with closing(_connect(capture)) as db:
        array("q", chain.from_iterable(db.execute(f"select id from event where {where} order by id")))
    return time.perf_counter() - begin


def _inflate_all(capture: Path) -> None:
    inflater = zstandard.ZstdDecompressor()
    with closing(_connect(capture)) as db:
        for (data,) in db.execute("select data from payload_chunk order by first_event"):
            inflater.decompress(data)


TASKS: dict[str, Callable[..., Result]] = {
    "bare": bare,
    "look": look,
    "tour": tour,
    "follow": follow,
    "append": append,
}


def main(task: str, capture: str, *arguments: str) -> None:
    print(json.dumps(TASKS[task](Path(capture), *arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
