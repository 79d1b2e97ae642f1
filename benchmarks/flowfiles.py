"""Flow files of mitmproxy, made into captures: many short connections, very many tiny messages.

The floor does what any program has to do with mitmproxy's own library: `FlowReader`, one inflate and one parse a
message. As a program of its own, ``benchmarks.flowfiles FLOWS CAPTURE`` imports a file and prints the peak of its
memory. One busy connection is measured in `benchmarks.road`.
"""

import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from mitmproxy.connection import Client, Server
from mitmproxy.http import Headers, HTTPFlow, Request, Response
from mitmproxy.io import FlowReader, FlowWriter
from mitmproxy.websocket import WebSocketData, WebSocketMessage
from wsproto.frame_protocol import Opcode

from benchmarks import scaling
from benchmarks.importing import write_capture
from benchmarks.memory import peak_mb
from benchmarks.rounds import Figure, Section, interleaved, ratio
from inspector.importers.formats import open_source
from inspector.model import Closed, Frame, Happening, Opened

_REQUEST = ((b"Host", b"gateway.discord.gg"), (b"Upgrade", b"websocket"), (b"User-Agent", b"bench/1.0"))
_RESPONSE = ((b"Upgrade", b"websocket"), (b"CF-RAY", b"8f00000000000000-XYZ"), (b"Server", b"cloudflare"))


def measure(folder: Path, rounds: int, *, quick: bool) -> Section:
    """Time reading and importing flow files, and look at the memory of a process that does it."""
    connections, messages = (5_000, 100_000) if quick else (50_000, 1_000_000)
    cases = (
        (f"{connections:,} connections", connections, partial(scaling.connections, connections)),
        (f"{messages:,} tiny messages", messages, partial(scaling.messages, messages)),
    )
    figures = []
    for name, count, make in cases:
        flows, capture = folder / "bench.mitm", folder / "flows.gwcap"
        write_flows(make(), flows)
        figures += _figures(name, count, flows, capture, rounds)
    return Section(f"Flow files, {rounds} rounds; times FlowReader + zlib + orjson", figures)


def _figures(name: str, count: int, flows: Path, capture: Path, rounds: int) -> list[Figure]:
    cases: dict[str, Callable[[], object]] = {
        "floor": partial(_parse, flows),
        "first": partial(_first, flows),
        "reading": partial(_read, flows),
        "import": partial(_import, flows, capture),
    }
    seconds = interleaved(cases, rounds)
    first = median(seconds.pop("first"))
    found = []
    for what in ("reading", "import"):
        micros = median(seconds[what]) / count * 1e6
        text, numbers = f"{micros:6.1f} us each", {"us_each": micros}
        if what == "reading":
            text += f", first one after {first * 1000:.0f} ms"
            numbers["first_ms"] = first * 1000
        else:
            numbers["peak_mb"] = _peak_of(flows, capture)
            text += f", peak {numbers['peak_mb']:.0f} MB"
        times = ratio(seconds[what], seconds["floor"])
        found.append(Figure(f"{what}: {name}", *times, None, text, numbers))
    return found


def _parse(flows: Path) -> None:
    with flows.open("rb") as file:
        for flow in FlowReader(file).stream():
            assert isinstance(flow, HTTPFlow)
            inflate = zlib.decompressobj().decompress
            for message in _websocket(flow).messages:
                orjson.loads(message.content if message.is_text else inflate(message.content))


def _first(flows: Path) -> None:
    assert len(list(islice(open_source(flows), 1))) == 1


def _read(flows: Path) -> None:
    for _ in open_source(flows):
        pass


def _import(flows: Path, capture: Path) -> None:
    write_capture(iter(open_source(flows)), capture)


def _peak_of(flows: Path, capture: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.flowfiles", str(flows), str(capture)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["peak"])


def write_flows(happenings: Iterable[Happening], path: Path) -> None:
    """Write connections as mitmproxy does: each when it ends, those without an end last."""
    flows: dict[int, HTTPFlow] = {}
    with path.open("wb") as file:
        writer: Any = FlowWriter(file)
        for happening in happenings:
            match happening:
                case Opened(connection=connection, at_ns=at_ns, url=url):
                    flows[connection] = _flow(url, at_ns / 1e9)
                case Frame(connection=connection):
                    kind = Opcode.TEXT if happening.is_text else Opcode.BINARY
                    message = WebSocketMessage(kind, happening.from_client, happening.data, happening.at_ns / 1e9)
                    _websocket(flows[connection]).messages.append(message)
                case Closed(connection=connection, at_ns=at_ns):
                    flow = flows.pop(connection)
                    websocket = _websocket(flow)
                    websocket.close_code, websocket.close_reason = happening.code, happening.reason
                    websocket.closed_by_client = None if happening.by is None else happening.by == "client"
                    websocket.timestamp_end = at_ns / 1e9
                    writer.add(flow)
        for flow in flows.values():
            writer.add(flow)


def _websocket(flow: HTTPFlow) -> WebSocketData:
    assert flow.websocket is not None
    return flow.websocket


def _flow(url: str, at: float) -> HTTPFlow:
    client = Client(peername=("127.0.0.1", 50000), sockname=("127.0.0.1", 8080), timestamp_start=at)
    flow = HTTPFlow(client, Server(address=("gateway.discord.gg", 443), timestamp_start=at))
    path = b"/" + url.partition("://")[2].partition("/")[2].encode()
    flow.request = Request(
        *("gateway.discord.gg", 443, b"GET", b"https", b"", path, b"HTTP/1.1", Headers(_REQUEST), b"", None, at, at)
    )
    flow.response = Response(b"HTTP/1.1", 101, b"Switching Protocols", Headers(_RESPONSE), b"", None, at, at)
    flow.websocket = WebSocketData()
    return flow


if __name__ == "__main__":
    _import(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps({"peak": peak_mb()}))
