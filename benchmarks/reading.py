"""What someone waits for who opens a large capture, and the memory that making one takes.

The floor of a window is SQLite itself: the same rows by number and the same chunks, inflated, with nothing made of
them. Showing rows is compared with reading them, and the memory of an import with that of its first quarter: it should
not grow with what is imported.
"""

import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from urllib.parse import quote

import zstandard

from benchmarks.corpus import SEED, Stream
from benchmarks.rounds import Figure, Section, interleaved, ratio
from inspector.protocol.registry import default
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows
from inspector.report.text import TextRows
from inspector.store.reader import Reader
from inspector.wire.decoder import read_payload

# Rows that fit a large screen.
WINDOW = 50
REPEATS = 100
# Rows shown as text.
SHOWN = 20_000


def windows(capture: Path) -> Section:
    """Time the first looks at `capture`."""
    with closing(Reader(capture)) as reader:
        last = reader.last()
    looks = {
        "open, first 50 rows": [0] * REPEATS,
        "open, last 50 rows": [last - WINDOW] * REPEATS,
    }
    figures = [_window(name, places, capture) for name, places in looks.items()]
    dice = random.Random(SEED)
    places = [dice.randrange(last - WINDOW) for _ in range(REPEATS)]
    figures.append(_window("any 50 rows, once it is open", places, capture, Reader(capture), _connect(capture)))
    figures.append(_single(places, capture))
    return Section(f"reading a capture of {last:,} rows; times bare SQLite and zstd", figures)


def showing(capture: Path, rounds: int) -> Section:
    """Time `gwinspect show`, but for the printing, on the first rows of `capture`."""

    def read() -> None:
        with closing(Reader(capture)) as reader:
            for event in islice(reader.all_events(), SHOWN):
                if event.payload is not None and event.encoding is not None:
                    read_payload(event.plane, event.encoding, event.payload)

    def show() -> None:
        with closing(Reader(capture)) as reader:
            rows, presenter, text = CaptureRows(reader), Presenter(default()), TextRows(width=160)
            for event in islice(rows, SHOWN):
                for _ in text.lines(presenter.show(event, rows)):
                    pass

    seconds = interleaved({"read": read, "show": show}, rounds)
    with closing(Reader(capture)) as reader:
        count = min(SHOWN, reader.last())
    micros = {name: median(times) / count * 1e6 for name, times in seconds.items()}
    text = f"{micros['show']:.1f} us a row (read and decoded only: {micros['read']:.1f})"
    numbers = {f"{name}_us_a_row": value for name, value in micros.items()}
    figure = Figure("lines of text, secrets masked", *ratio(seconds["show"], seconds["read"]), None, text, numbers)
    return Section(f"showing {count:,} rows; times reading them, payloads decoded", [figure])


def memory(stream: Stream, folder: Path) -> Section:
    """Measure the peak memory of an import, in processes of its own."""
    whole = _peak(stream, folder)
    quarter = _peak(replace(stream, messages=stream.messages[: len(stream.messages) // 4]), folder)
    text = f"{whole['peak']:.0f} MB at the most, {whole['before']:.0f} before it began"
    numbers = {"peak_mb": whole["peak"], "before_mb": whole["before"], "peak_of_a_quarter_mb": quarter["peak"]}
    figure = Figure(f"{len(stream.messages):,} messages", whole["peak"] / quarter["peak"], None, 1.2, text, numbers)
    return Section("peak memory of an import; times that of its first quarter", [figure])


def _window(
    name: str,
    places: list[int],
    capture: Path,
    opened: Reader | None = None,
    bare: sqlite3.Connection | None = None,
) -> Figure:
    def ours(after: int) -> None:
        reader = opened or Reader(capture)
        reader.events(after, WINDOW)
        if opened is None:
            reader.close()

    def floor(after: int) -> None:
        db = bare or _connect(capture)
        db.execute("select * from event where id > ? order by id limit ?", (after, WINDOW)).fetchall()
        _inflated(db, after + 1, after + WINDOW)
        if bare is None:
            db.close()

    return _compared(name, ours, floor, places)


def _single(places: list[int], capture: Path) -> Figure:
    with closing(Reader(capture)) as reader, closing(_connect(capture)) as db:
        return _compared("one payload by its row", reader.payload, lambda n: _inflated(db, n, n), places)


def _compared(name: str, ours: Callable[[int], object], floor: Callable[[int], object], places: list[int]) -> Figure:
    remaining = {"ours": iter(places), "floor": iter(places)}
    seconds = interleaved(
        {"ours": lambda: ours(next(remaining["ours"])), "floor": lambda: floor(next(remaining["floor"]))}, len(places)
    )
    micros = median(seconds["ours"]) * 1e6
    return Figure(name, *ratio(seconds["ours"], seconds["floor"]), None, f"{micros:,.0f} us", {"us": micros})


def _connect(capture: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(capture))}?mode=ro", uri=True, isolation_level=None)


def _inflated(db: sqlite3.Connection, first: int, last: int) -> list[bytes]:
    inflater = zstandard.ZstdDecompressor()
    chunks = db.execute(
        "select data from payload_chunk where first_event between"
        " (select coalesce(max(first_event), 0) from payload_chunk where first_event <= ?) and ?",
        (first, last),
    )
    return [inflater.decompress(data) for (data,) in chunks]


def _peak(stream: Stream, folder: Path) -> dict[str, float]:
    saved = folder / "stream"
    stream.save(saved)
    command = [sys.executable, "-m", "benchmarks.memory", str(saved), str(folder / "memory.gwcap")]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300)
    found: dict[str, float] = json.loads(done.stdout)
    return found
