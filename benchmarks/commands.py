"""What a command takes from its start to its end, in CPU time of its whole process.

Each is compared with what no program could do without: reading the payloads as JSON for rows that are shown; Python
with the libraries that are needed for the start. What files of others take is in `benchmarks.road`.
"""

import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import orjson

from benchmarks.rounds import Figure, Section, cpu, interleaved, ratio
from inspector.store.reader import Reader

SAMPLE = Path(__file__).parents[1] / "sample_captures" / "resume.gwcap"
_COMMAND = [sys.executable, "-c", "from inspector.cli.main import main; main()"]
_LIBRARIES = "import click, orjson, sqlite3, wcwidth, zstandard, tomllib, backports.zstd, importlib.resources"
# Modules that `show` of a capture has imported when it ends.
_OURS = "import inspector.cli.main, inspector.cli.show, inspector.cli.output"
# Targets: times the floor that the section names.
_JSONL, _TEXT, _START = 14, 12, 1.5


def showing(capture: Path, rounds: int) -> Section:
    """Time `gwinspect show` of all of `capture`."""
    with closing(Reader(capture)) as reader:
        payloads = [event.payload for event in reader.all_events() if event.payload is not None]

    def floor() -> float:
        begin = time.process_time()
        for payload in payloads:
            orjson.loads(payload)
        return time.process_time() - begin

    cases = {"floor": floor}
    for form in ("jsonl", "text"):
        cases[form] = _of("show", str(capture), "--format", form)
    seconds = _interleaved(cases, rounds)
    figures = []
    for form, target in (("jsonl", _JSONL), ("text", _TEXT)):
        micros = median(seconds[form]) / len(payloads) * 1e6
        text = f"{micros:.1f} us a row"
        figures.append(
            Figure(f"show --format {form}", *ratio(seconds[form], seconds["floor"]), target, text, {"us": micros})
        )
    return Section(f"showing {len(payloads):,} payloads; times orjson.loads of them", figures)


def starting(rounds: int) -> Section:
    """Time `show` of a capture of a few rows."""
    cases = {
        "floor": lambda: cpu([sys.executable, "-c", f"{_LIBRARIES}\n{_OURS}"]),
        "libraries": lambda: cpu([sys.executable, "-c", _LIBRARIES]),
        "show": _of("show", str(SAMPLE)),
    }
    seconds = _interleaved(cases, rounds)
    alone = Figure("show, times the libraries alone", *ratio(seconds["show"], seconds["libraries"]), None, "", {})
    return Section("start of `show`; times Python with its imports", [_figure("show", seconds, _START), alone])


def _of(*arguments: str) -> Callable[[], float]:
    return lambda: cpu([*_COMMAND, *arguments])


def _interleaved(cases: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run cases that say themselves how much CPU they took."""
    return interleaved(cases, rounds, lambda case: float(case()))  # type: ignore[arg-type]


def _figure(name: str, seconds: dict[str, list[float]], target: float) -> Figure:
    own = median(seconds[name])
    return Figure(name, *ratio(seconds[name], seconds["floor"]), target, f"{own:.2f} s of CPU", {"cpu_s": own})
