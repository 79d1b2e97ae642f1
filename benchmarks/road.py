"""Whole commands on a file that mitmproxy wrote: from its bytes to rows on paper.

Each case is a process of its own, and what counts is its CPU time, start-up included: one flow of all messages, as
`mitmdump -w` keeps it. The floor is a process too, which reads the flow with mitmproxy, inflates and parses
each message. For ETF, which no fast library reads, the messages of the floor are the same as JSON.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from benchmarks.corpus import Stream, build, inflater
from benchmarks.rounds import Figure, Section, ratio

ROOT = Path(__file__).parents[1]
_MAIN = "from inspector.cli.main import main; main()"
_COMMAND = [sys.executable, "-c", _MAIN]
_TASK = [sys.executable, "-m", "benchmarks.road"]
# Prints the most memory there was, in kB, as the last line on stderr. Linux only; `getrusage` takes over the parent's.
_TOLD_PEAK = (
    "import atexit, os, sys; status = '/proc/self/status'; os.path.exists(status) and atexit.register(lambda: print("
    "next(line.split()[1] for line in open(status) if line.startswith('VmHWM')), file=sys.stderr)); "
)


def measure(folder: Path, messages: int, rounds: int) -> list[Section]:
    """Time the road from flow files of `messages` messages; ETF with a fifth as many."""
    folder = Path(tempfile.mkdtemp(dir=folder, prefix="road-"))
    plain = _Files(folder / "json", build(messages))
    zstd = _Files(folder / "zstd", build(messages * 3 // 10, compression="zstd-stream"))
    etf = _Files(folder / "etf", build(max(1000, messages // 5), "etf"))
    twin = _Files(folder / "twin", build(max(1000, messages // 5)))
    sections = [
        _section("convert of a flow file, zlib-stream JSON", plain, plain, rounds, 1.7),
        _section("convert of a flow file, zstd-stream JSON", zstd, zstd, rounds, 1.8),
        _section("convert of a flow file, ETF (floor: the same as JSON)", etf, twin, rounds, 3.0),
    ]
    return [*sections, _counting(plain, rounds)]


class _Files:
    """One stream, as the files that the cases read."""

    def __init__(self, folder: Path, stream: Stream) -> None:
        folder.mkdir()
        self.count = len(stream.messages)
        self.flows, self.capture = folder / "flows.mitm", folder / "it.gwcap"
        self.floor = [*_TASK, stream.compression, str(self.flows)]
        _write_flow(stream, self.flows)

    def convert(self) -> list[str]:
        return [*_COMMAND, "convert", str(self.flows), "-o", str(self.capture)]


def _section(title: str, files: _Files, twin: _Files, rounds: int, target: float) -> Section:
    seconds, peaks = _interleaved({"floor": twin.floor, "convert": files.convert()}, rounds, files.capture)
    return Section(
        f"{title}: {files.count:,} messages, {rounds} rounds; CPU time of whole processes, times floor",
        [_figure(name, seconds, files.count, None if name == "floor" else target, peaks) for name in seconds],
    )


def _counting(files: _Files, rounds: int) -> Section:
    capture = str(files.capture)
    again = files.capture.with_name("again.gwcap")
    cases = {
        "floor": [*files.convert()[:-1], str(again)],
        "stats": [*_COMMAND, "stats", capture],
        "diagnose": [*_COMMAND, "diagnose", capture, "--fail-on", "never"],
    }
    seconds, peaks = _interleaved(cases, rounds, again)
    return Section(
        f"What was imported, {files.count:,} messages, {rounds} rounds; times the import",
        [_figure(name, seconds, files.count, None if name == "floor" else 0.1, peaks) for name in seconds],
    )


def _figure(
    name: str,
    seconds: Mapping[str, list[float]],
    count: int,
    target: float | None,
    peaks: Mapping[str, float],
) -> Figure:
    times = seconds[name]
    micros = median(times) / count * 1e6
    text = f"{micros:6.1f} us a message" if count > 1 else f"{median(times):.2f} s"
    if peaks[name]:
        text += f", peak {peaks[name]:.0f} MB"
    return Figure(
        name,
        *ratio(times, seconds["floor"]),
        target,
        text,
        {"cpu_seconds": median(times), "peak_mb": peaks[name]},
    )


def _interleaved(
    cases: Mapping[str, list[str]], rounds: int, made: Path | None
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Run every case once a round; return each one's CPU seconds by round, and the most memory it had in MB."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    peaks = dict.fromkeys(cases, 0.0)
    for turn in range(rounds):
        names = list(cases)
        at = turn % len(names)
        for name in names[at:] + names[:at]:
            if made is not None and "convert" in cases[name]:
                made.unlink(missing_ok=True)
            seconds[name].append(_run(cases[name])[0])
    for name, command in cases.items():
        if command[: len(_COMMAND)] == _COMMAND:
            if made is not None and "convert" in command:
                made.unlink(missing_ok=True)
            peaks[name] = float(_run([sys.executable, "-c", _TOLD_PEAK + _MAIN, *command[3:]])[1] or 0) / 1000
    return seconds, peaks


def _run(command: list[str]) -> tuple[float, str]:
    """Run a command to its end; return its CPU seconds and the last line on stderr."""
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=told, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        lines = told.read().decode().splitlines()
        if process.returncode not in (0, 1):
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {lines}; the times mean nothing")
    return usage.ru_utime + usage.ru_stime, lines[-1] if lines else ""


def _write_flow(stream: Stream, path: Path) -> None:
    """Write the stream as mitmproxy's own writer does."""
    from mitmproxy.io import FlowWriter
    from mitmproxy.test import tflow
    from mitmproxy.websocket import WebSocketMessage
    from wsproto.frame_protocol import Opcode

    from inspector.model import Frame, Opened

    flow = tflow.twebsocketflow(messages=False)
    assert flow.websocket is not None
    flow.websocket.messages.clear()
    for happening in stream.happenings():
        if isinstance(happening, Opened):
            flow.request.url = happening.url.replace("wss:", "https:")
            flow.request.timestamp_start = happening.at_ns / 1e9
        elif isinstance(happening, Frame):
            kind = Opcode.TEXT if happening.is_text else Opcode.BINARY
            flow.websocket.messages.append(
                WebSocketMessage(kind, happening.from_client, happening.data, happening.at_ns / 1e9)
            )
        else:
            flow.websocket.timestamp_end = happening.at_ns / 1e9
            flow.websocket.close_code, flow.websocket.closed_by_client = 1000, True
    with path.open("wb") as file:
        FlowWriter(file).add(flow)


def _floor(compression: str, flows: str) -> None:
    import orjson
    from mitmproxy.io import FlowReader

    inflate: Callable[[bytes], bytes] = inflater(compression)  # type: ignore[arg-type]
    with open(flows, "rb") as file:
        for flow in FlowReader(file).stream():
            for message in flow.websocket.messages:  # type: ignore[attr-defined]
                orjson.loads(message.content if message.from_client else inflate(message.content))


if __name__ == "__main__":
    _floor(*sys.argv[1:])
