"""Runs the benchmarks and prints a table: what was measured, its ratio, the target for it, and how large it is here."""

import argparse
import json
import os
import platform
import sqlite3
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import (
    commands,
    conversations,
    decoding,
    flowfiles,
    fuzzing,
    healthy,
    importing,
    packets,
    proxying,
    reading,
    road,
    scaling,
    screen,
)
from benchmarks.corpus import WHOLE, Stream, build
from benchmarks.rounds import Figure, Section

PARTS = (
    "road",
    "commands",
    "decoder",
    "import",
    "flows",
    "packets",
    "scaling",
    "reader",
    "screen",
    "proxy",
    "fuzz",
    "conversations",
    "healthy",
)
QUICK = 20_000


def main() -> None:
    options = _options()
    # Whoever starts a command twice has its modules compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    begin = time.monotonic()
    machine = _machine()
    print("  ".join(f"{name} {value}" for name, value in machine.items()))
    print("Ratios are medians of rounds whose cases take turns; in brackets the middle half of the rounds.")
    sections = []
    with TemporaryDirectory(prefix="gwinspect-bench-") as folder:
        for section in _sections(options, Path(folder)):
            sections.append(section)
            print("\n".join(["", *_lines(section)]), flush=True)
    seconds = time.monotonic() - begin
    print(f"\n{seconds:.0f} s in all")
    if options.json is not None:
        report = {"machine": machine, "messages": options.messages, "seconds": seconds}
        report["sections"] = [asdict(section) for section in sections]
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--messages", type=int, default=WHOLE, metavar="N", help="size of the corpus (%(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} messages, and less time on screen and proxy")
    parser.add_argument("--only", choices=PARTS, help="one part only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--minutes", type=float, metavar="N", help="how long healthy clients are to run (2; quick: 0.5)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="for what happens to them (%(default)s)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what was recorded of them there")
    options = parser.parse_args()
    if options.messages < 1000:
        parser.error("--messages is to be 1000 or more: below that there is nothing to measure")
    if options.quick:
        options.messages = min(options.messages, QUICK)
    return options


def _sections(options: argparse.Namespace, folder: Path) -> Iterator[Section]:
    """Measure what was asked for, part by part."""
    work = _Work(options.messages, folder)
    wanted = [options.only] if options.only else PARTS
    # Short rounds disagree more, so there are more of them.
    rounds = 7 if options.quick else 3
    if "road" in wanted:
        yield from road.measure(folder, options.messages, 3)
    if "decoder" in wanted:
        yield decoding.measure(max(1000, options.messages // 5), 2 * rounds + 1)
    if "import" in wanted:
        yield importing.measure("JSON, zlib-stream", work.stream, work.stream, work.capture, rounds)
        zstd = build(options.messages * 3 // 10, compression="zstd-stream")
        yield importing.measure("JSON, zstd-stream", zstd, zstd, folder / "zstd.gwcap", rounds)
        few = max(1000, options.messages // 20)
        etf = build(few, "etf")
        title = "ETF, zlib-stream (floor: the same as JSON)"
        yield importing.measure(title, etf, build(few), folder / "etf.gwcap", 2 * rounds + 1)
    if "flows" in wanted:
        yield flowfiles.measure(folder, rounds, quick=options.quick)
    if "packets" in wanted:
        yield packets.measure(build(max(1000, options.messages * 3 // 10)), folder, rounds)
    if "scaling" in wanted:
        yield scaling.measure(folder, rounds, quick=options.quick)
    if "reader" in wanted:
        if not work.capture.exists():
            importing.write_capture(work.stream.happenings(), work.capture)
        yield reading.windows(work.capture)
        yield reading.showing(work.capture, rounds)
        yield reading.memory(work.stream, folder)
    if "commands" in wanted:
        if not work.capture.exists():
            importing.write_capture(work.stream.happenings(), work.capture)
        yield commands.showing(work.capture, rounds)
        yield commands.starting(2 * rounds + 1)
    if "screen" in wanted:
        yield from screen.measure(work.stream, folder, quick=options.quick)
    if "proxy" in wanted:
        yield proxying.measure(folder, rounds=6 if options.quick else 16)
    if "fuzz" in wanted:
        count = QUICK if options.quick else fuzzing.FRAMES_DAMAGED
        yield fuzzing.measure(count)
        yield fuzzing.measure_packets(count)
    if "conversations" in wanted:
        yield conversations.measure(100 if options.quick else conversations.SEEDS)
    if "healthy" in wanted:
        yield healthy.measure(options.keep or folder, options.minutes or (0.5 if options.quick else 2), options.seed)


class _Work:
    """What several parts need, made when the first of them asks."""

    def __init__(self, messages: int, folder: Path) -> None:
        self._messages = messages
        self.capture = folder / "json.gwcap"

    @cached_property
    def stream(self) -> Stream:
        return build(self._messages)


def _lines(section: Section) -> Iterable[str]:
    yield section.title
    for figure in section.figures:
        yield f"  {figure.what:<38} {_times(figure):<19} {_target(figure):<14} {figure.size}".rstrip()


def _times(figure: Figure) -> str:
    if figure.ratio is None:
        return ""
    spread = f" [{figure.spread[0]:.2f}..{figure.spread[1]:.2f}]" if figure.spread else ""
    return f"{figure.ratio:5.2f}{spread}"


def _target(figure: Figure) -> str:
    """Say whether the target was met; rounds that disagree about it leave it open."""
    if figure.target is None or figure.ratio is None:
        return ""
    least, most = figure.spread or (figure.ratio, figure.ratio)
    verdict = "ok" if most <= figure.target else "OVER" if least > figure.target else "?"
    return f"<= {figure.target:.2f} {verdict}"


def _machine() -> dict[str, str]:
    return {
        "Python": platform.python_version(),
        "mitmproxy": version("mitmproxy"),
        "orjson": version("orjson"),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "SQLite": sqlite3.sqlite_version,
        "on": f"{sys.platform} {platform.machine()}, {os.cpu_count()} cores",
    }


if __name__ == "__main__":
    main()
