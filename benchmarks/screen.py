"""The screen on a large capture: how soon rows are there, what keys cost, how long filters take, what memory it has.

The floor is what the screen stands on: Textual with a list of as many lines that are all the same, SQLite asked the
same bare question, zstd inflating all payloads. Every measurement is made in a process of its own. What people notice
is absolute, so the targets here are too: they stand beside the figures, and hold for one machine.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from benchmarks.corpus import Stream
from benchmarks.importing import write_capture
from benchmarks.rounds import Figure, Section, ratio
from inspector.model import Happening
from inspector.store.reader import Reader

# Connections in the capture, each of them the whole stream.
CONNECTIONS = 5
# Milliseconds: from the start to the first rows, beyond what Textual takes; of work for a key; of a filter; until a key
# is answered, and until a row appears, while rows come.
START_MS, KEY_MS, FILTER_MS, ANSWER_MS, LATE_MS = 1000, 50, 500, 100, 200
MEMORY_MB = 200

# Filters on narrow rows, with the condition in SQL that says the same.
INDEXED = {
    "event == MESSAGE_CREATE": "event = 'MESSAGE_CREATE'",
    "dir == send": "from_client = 1",
    "bytes > 4k": "wire_bytes > 4000",
}
# Nanoseconds between the beginnings of two connections.
_APART_NS = 10**13

Result = dict[str, Any]


def measure(stream: Stream, folder: Path, *, quick: bool) -> Iterator[Section]:
    """Measure the screen on a capture of `CONNECTIONS` times `stream`, made in `folder`."""
    capture = folder / "screen.gwcap"
    rows = write_capture(connections(stream), capture)
    rounds = 3
    turns = [(_child("bare", capture), _child("look", capture)) for _ in range(rounds - 1)]
    turns.append((_child("bare", capture), _child("tour", capture, json.dumps(INDEXED), json.dumps(_inside(capture)))))
    bare, ours = [list(results) for results in zip(*turns, strict=True)]
    yield Section(f"starting the screen on {rows:,} rows; times Textual with a bare list", _starting(bare, ours))
    yield Section(f"moving in {rows:,} rows: work for a key; times the same in a bare list", _moving(bare, ours))
    whole = ours[-1]
    yield Section(f"filtering {rows:,} rows; times bare SQLite, or inflating all payloads", _filtering(whole))
    yield Section("peak memory of the screen after all that; times that of a bare list", [_memory(bare[-1], whole)])
    followed = _child("follow", folder / "followed.gwcap", "4" if quick else "8")
    title = f"following {followed['rate']:,.0f} messages a second; a key's answer times that of a bare list at rest"
    yield Section(title, _following(followed, bare[-1]))


def connections(stream: Stream) -> Iterator[Happening]:
    """Yield `stream` `CONNECTIONS` times, each time as another connection, later than the one before."""

    def one(number: int) -> Iterator[Happening]:
        for happening in stream.happenings():
            yield replace(happening, connection=number + 1, at_ns=happening.at_ns + number * _APART_NS)

    return chain.from_iterable(map(one, range(CONNECTIONS)))


def _inside(capture: Path) -> dict[str, str]:
    """Return filters on payloads that some rows pass: words of a text, and whoever wrote a message in the middle."""
    with closing(Reader(capture)) as reader:
        (number,) = reader.db.execute(
            "select id from event where event = 'MESSAGE_CREATE' and id > ? limit 1", (reader.last() // 2,)
        ).fetchone()
        payload = reader.payload(number)
    assert payload is not None
    name = orjson.loads(payload)["d"]["author"]["username"]
    return {"d.content =~ ba*": "", f"d.author.username == '{name}'": ""}


def _starting(bare: list[Result], ours: list[Result]) -> list[Figure]:
    imports = [(_import_s("textual.app"), _import_s("inspector.tui.app")) for _ in range(5)]
    alone, whole = ([turn[at] * 1000 for turn in imports] for at in (0, 1))
    text = f"{median(whole):.0f} ms, of which Textual {median(alone):.0f}"
    numbers = {"ms": median(whole), "textual_ms": median(alone)}
    figures = [Figure("importing it", *ratio(whole, alone), None, text, numbers)]
    floors, painted = _ms(bare, "painted_s"), _ms(ours, "painted_s")
    own = median(painted) - median(floors)
    text = f"{median(painted):.0f} ms, of which Textual {median(floors):.0f}; {judged(own, START_MS, 'ms')} its own"
    numbers = {"ms": median(painted), "textual_ms": median(floors), "own_ms": own}
    figures.append(Figure("from its start to the first rows", *ratio(painted, floors), None, text, numbers))
    counted = median(_ms(ours, "counted_s"))
    text = f"{counted:,.0f} ms from its start, while it can be used"
    figures.append(Figure("connections and sessions counted", size=text, numbers={"ms": counted}))
    return figures


def _moving(bare: list[Result], ours: list[Result]) -> list[Figure]:
    names = {
        "page_s": "page down",
        "end_s": "jump to the end",
        "start_s": "jump to the start",
        "anywhere_s": "jump to any row",
    }
    figures = []
    for key, name in names.items():
        floors = [median(result[key]) for result in bare]
        every = [value * 1000 for result in ours for value in result[key]]
        text = f"{judged(median(every), KEY_MS, 'ms')} at the median of {len(every)}; worst {max(every):.0f} ms"
        numbers = {"median_ms": median(every), "worst_ms": max(every)}
        figures.append(Figure(name, *ratio([median(result[key]) for result in ours], floors), None, text, numbers))
    return figures


def _filtering(whole: Result) -> list[Figure]:
    figures = []
    for name, turns in whole["indexed"].items():
        all_ms, first_ms = (median(_ms(turns, key)) for key in ("all_s", "first_s"))
        text = f"all {turns[0]['rows']:,} rows after {judged(all_ms, FILTER_MS, 'ms')}; first after {first_ms:.0f} ms"
        numbers = {"all_ms": all_ms, "first_ms": first_ms, "rows": turns[0]["rows"]}
        times = ratio((turn["all_s"] for turn in turns), (turn["floor_s"] for turn in turns))
        figures.append(Figure(name, *times, None, text, numbers))
    for name, found in whole["inside"].items():
        first_ms = found["first_s"] * 1000
        text = (
            f"first rows after {judged(first_ms, FILTER_MS, 'ms')}; all {found['rows']:,} after {found['all_s']:.1f}"
            f" s, progress shown {found['progress_shown']} times"
        )
        numbers = {"first_ms": first_ms, "all_s": found["all_s"], "rows": found["rows"]}
        figures.append(Figure(name, found["all_s"] / whole["inflated_s"], None, None, text, numbers))
    answers = [answer for found in whole["inside"].values() for answer in found["answers_s"]]
    if answers:
        text, numbers = _answers(answers)
        figures.append(Figure("a key while these two run", size=text, numbers=numbers))
    return figures


def _memory(bare: Result, whole: Result) -> Figure:
    peak = whole["peak_mb"]
    text = f"{judged(peak, MEMORY_MB, 'MB')}, a bare list {bare['peak_mb']:.0f} MB"
    numbers = {"peak_mb": peak, "bare_peak_mb": bare["peak_mb"]}
    return Figure("pages, jumps and filters", peak / bare["peak_mb"], None, None, text, numbers)


def _following(followed: Result, bare: Result) -> list[Figure]:
    text, numbers = _answers(followed["answers_s"])
    times = median(followed["answers_s"]) / median(bare["answers_s"])
    figures = [Figure("a key: pause, end, follow, time", times, None, None, text, numbers)]
    late = sorted(value * 1000 for value in followed["late_s"])
    stored = median(followed["stored_s"]) * 1000
    text = (
        f"{median(late):.0f} ms at the median (to store it {stored:.0f}),"
        f" {judged(percentile(late, 99), LATE_MS, 'ms')} at the 99th percentile"
    )
    numbers = {"median_ms": median(late), "p99_ms": percentile(late, 99), "worst_ms": late[-1], "stored_ms": stored}
    figures.append(Figure("from a message to its row", size=text, numbers=numbers))
    text = f"{followed['busy']:.0%} of one core, and {followed['peak_mb']:.0f} MB at the most"
    numbers = {"busy": followed["busy"], "peak_mb": followed["peak_mb"]}
    figures.append(Figure("the screen's thread, no key pressed", size=text, numbers=numbers))
    return figures


def _answers(seconds: Iterable[float]) -> tuple[str, dict[str, float]]:
    """Say how long keys waited for their answers."""
    ms = sorted(value * 1000 for value in seconds)
    high = percentile(ms, 99)
    text = f"{median(ms):.0f} ms at the median of {len(ms)}, {judged(high, ANSWER_MS, 'ms')} at the 99th percentile"
    return f"{text}; worst {ms[-1]:.0f} ms", {"median_ms": median(ms), "p99_ms": high, "worst_ms": ms[-1]}


def percentile(ascending: list[float], percent: int) -> float:
    """Return the least of the values that so many percent of them do not exceed."""
    return ascending[max(0, -(-len(ascending) * percent // 100) - 1)]


def judged(value: float, most: float, unit: str) -> str:
    """Say a value, and whether it is at most what it should be."""
    return f"{value:,.0f} {unit} (<= {most:,} {'ok' if value <= most else 'OVER'})"


def _ms(results: Iterable[Result], key: str) -> list[float]:
    return [result[key] * 1000 for result in results]


def _import_s(module: str) -> float:
    code = f"from time import perf_counter as now; begin = now(); import {module}; print(now() - begin)"
    return float(_output([sys.executable, "-c", code]))


def _child(task: str, capture: Path, *arguments: str) -> Result:
    """Have a process do a task of `benchmarks.headless`."""
    found: Result = json.loads(
        _output([sys.executable, "-m", "benchmarks.headless", task, str(capture), *arguments], capture.parent)
    )
    return found


def _output(command: list[str], state: Path | None = None) -> bytes:
    # The same terminal for everyone, and nothing of the person who runs this is read or changed.
    own = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "XDG_STATE_HOME": str(state or "")}
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | own
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300, env=environment).stdout
