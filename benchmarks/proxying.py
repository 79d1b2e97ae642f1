"""What the addon adds to mitmproxy: the same echo server reached directly, through mitmdump, and through mitmdump
with the addon recording.

Both mitmdumps run all the time and take turns. The client and the server are one process, so that the proxy has a core
to itself where there are two. A round trip is two messages; the client's half of them have their secrets looked for,
of which a real connection has few: this is the worst case.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from benchmarks.rounds import Figure, Section, ratio
from inspector.proxy.mitmdump import addon_path
from inspector.store.reader import Reader

# Times the latency of mitmproxy without the addon.
TARGET = 1.15
# The same for the slowest in a hundred, and for the time a message takes with many on their way: nine tenths of
# mitmproxy's own throughput.
P99_TARGET, MANY_TARGET = 1.3, 1.11
# Round trips a second when paced, which leaves the proxy idle most of the time.
PACE = 300
# Messages on their way at once when throughput is measured.
IN_FLIGHT = 50
# Seconds of each turn: paced, one after the other, many at once.
PACED, SINGLE, MANY = 0.5, 0.25, 0.25
# Seconds for the scribe to write what it holds before the next one's turn.
SETTLE = 0.3
# Seconds that a mitmdump may take to listen, and to end.
START_LIMIT, STOP_LIMIT = 30.0, 20.0

_DIRECT, _PLAIN, _RECORDED = "direct", "mitmdump", "mitmdump + addon"


def measure(folder: Path, rounds: int) -> Section:
    """Measure latency and throughput; `folder` takes the capture, certificates and logs."""
    return asyncio.run(asyncio.wait_for(_measure(folder, rounds), 60 + 15 * rounds))


@dataclass(slots=True)
class _Route:
    """A way to the server, and what was measured on it, by round."""

    url: str
    process: asyncio.subprocess.Process | None = None
    paced: list[list[float]] = field(default_factory=list)
    """Seconds of each round trip."""
    single: list[list[float]] = field(default_factory=list)
    many: list[float] = field(default_factory=list)
    """Seconds a message, with many on their way."""
    cpu: list[float] = field(default_factory=list)
    """Seconds of the proxy's processor time for each of those."""
    round_trips: int = 0


async def _measure(folder: Path, rounds: int) -> Section:
    capture = folder / "proxy.gwcap"
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(_server())
        recording = (
            *("--scripts", str(addon_path())),
            *("--set", f"gwinspect_capture={capture}", "--set", f"gwinspect_hosts=127.0.0.1:{port}"),
            # Reverse mode is only the simplest way in here. Clients mostly come by another, where nothing is rewritten.
            *("--set", "gwinspect_rewrite=false"),
        )
        routes = {_DIRECT: _Route(_url(port))}
        for name, arguments in ((_PLAIN, ()), (_RECORDED, recording)):
            routes[name] = await stack.enter_async_context(_mitmdump(port, folder, name, arguments))
        session = await stack.enter_async_context(ClientSession())
        names = list(routes)
        for turn in range(rounds):
            at = turn % len(names)
            for name in names[at:] + names[:at]:
                await _turn(session, routes[name], share=0.25 if name == _DIRECT else 1)
                await asyncio.sleep(SETTLE)
    return Section(
        f"proxy, messages of {len(_message(0))} B, {rounds} rounds; times mitmdump without the addon",
        [*_latencies(routes), *_throughput(routes), _completeness(routes[_RECORDED], capture)],
    )


async def _turn(session: ClientSession, route: _Route, share: float) -> None:
    """Measure one route once, on a connection of its own."""
    async with session.ws_connect(route.url) as socket:
        for _ in range(50):
            await _round_trip(socket, route)
        route.paced.append(await _paced(socket, route, round(PACED * PACE * share)))
        route.single.append(await _one_after_the_other(socket, route, SINGLE * share))
        await _many_at_once(socket, route, MANY * share)


async def _paced(socket: ClientWebSocketResponse, route: _Route, count: int) -> list[float]:
    seconds = []
    begin = perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0, begin + number / PACE - perf_counter()))
        seconds.append(await _round_trip(socket, route))
    return seconds


async def _one_after_the_other(socket: ClientWebSocketResponse, route: _Route, limit: float) -> list[float]:
    seconds = []
    end = perf_counter() + limit
    while perf_counter() < end:
        seconds.append(await _round_trip(socket, route))
    return seconds


async def _many_at_once(socket: ClientWebSocketResponse, route: _Route, limit: float) -> None:
    sent = IN_FLIGHT
    cpu, begin = _cpu(route), perf_counter()
    for number in range(sent):
        await socket.send_str(_message(number))
    received = 0
    while received < sent:
        await socket.receive_str()
        received += 1
        if perf_counter() - begin < limit:
            await socket.send_str(_message(sent))
            sent += 1
    route.many.append((perf_counter() - begin) / (2 * sent))
    route.cpu.append((_cpu(route) - cpu) / (2 * sent))
    route.round_trips += sent


async def _round_trip(socket: ClientWebSocketResponse, route: _Route) -> float:
    message = _message(route.round_trips)
    route.round_trips += 1
    begin = perf_counter()
    await socket.send_str(message)
    await socket.receive_str()
    return perf_counter() - begin


def _message(number: int) -> str:
    activity = {"name": "something long enough to be a usual length", "type": 0, "state": "round and round it goes"}
    return json.dumps(
        {"op": 3, "d": {"since": number + 10**9, "activities": [activity], "status": "idle", "afk": False}}
    )


def _cpu(route: _Route) -> float:
    """Return the seconds of processor time that the proxy has used; 0 where the system does not say."""
    try:
        stat = Path(f"/proc/{route.process.pid if route.process else 0}/stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _latencies(routes: dict[str, _Route]) -> Iterator[Figure]:
    said: list[tuple[str, Callable[[_Route], list[list[float]]]]] = [
        (f"{PACE} round trips a second", lambda route: route.paced),
        ("one after the other", lambda route: route.single),
    ]
    for name, of in said:
        medians = {key: [median(seconds) for seconds in of(route)] for key, route in routes.items()}
        yield _latency(
            f"{name}, median",
            *ratio(medians[_RECORDED], medians[_PLAIN]),
            TARGET,
            {key: median(values) for key, values in medians.items()},
        )
        # Too rare to be told from one round.
        worst = {key: _p99(list(chain.from_iterable(of(route)))) for key, route in routes.items()}
        yield _latency(f"{name}, p99", worst[_RECORDED] / worst[_PLAIN], None, P99_TARGET, worst)


def _latency(
    what: str, times: float, spread: tuple[float, float] | None, target: float | None, seconds: dict[str, float]
) -> Figure:
    micros = {key: value * 1e6 for key, value in seconds.items()}
    text = ", ".join(f"{key} {value:,.0f}" for key, value in micros.items())
    numbers = {f"{key.replace(' + ', '_')}_us": value for key, value in micros.items()}
    return Figure(what, times, spread, target, f"us a round trip: {text}", numbers)


def _throughput(routes: dict[str, _Route]) -> Iterator[Figure]:
    plain, recorded = routes[_PLAIN], routes[_RECORDED]
    rates = {key: 1 / median(route.many) for key, route in routes.items()}
    yield Figure(
        f"{IN_FLIGHT} at once, time a message",
        *ratio(recorded.many, plain.many),
        MANY_TARGET,
        f"{rates[_RECORDED]:,.0f} messages/s (direct {rates[_DIRECT]:,.0f}, mitmdump {rates[_PLAIN]:,.0f})",
        {f"{key.replace(' + ', '_')}_messages_a_second": value for key, value in rates.items()},
    )
    if all(plain.cpu):
        micros = median(recorded.cpu) * 1e6, median(plain.cpu) * 1e6
        yield Figure(
            f"{IN_FLIGHT} at once, processor time a message",
            *ratio(recorded.cpu, plain.cpu),
            None,
            f"{micros[0]:.0f} us (mitmdump {micros[1]:.0f})",
            {"mitmdump_addon_us": micros[0], "mitmdump_us": micros[1]},
        )


def _completeness(route: _Route, capture: Path) -> Figure:
    with closing(Reader(capture)) as reader:
        recorded = reader.db.execute("select count(*) from frame where kind = 0").fetchone()[0]
    passed = 2 * route.round_trips
    numbers = {"messages_passed": passed, "messages_recorded": recorded}
    return Figure("messages recorded", None, None, None, f"{recorded:,} of {passed:,}", numbers)


def _p99(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=100)[98]


@asynccontextmanager
async def _server() -> AsyncIterator[int]:
    """Serve an echo on a free port of loopback, and yield it."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
        return socket

    application = web.Application()
    application.router.add_get("/", echo)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _mitmdump(upstream: int, folder: Path, name: str, arguments: Sequence[str]) -> AsyncIterator[_Route]:
    """Run a mitmdump that leads to `upstream`, ended as a person would end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from mitmproxy.tools.main import mitmdump; mitmdump()"),
            *("--mode", f"reverse:http://127.0.0.1:{upstream}", "--listen-host", "127.0.0.1"),
            *("--listen-port", str(port), "--set", f"confdir={folder / 'mitmproxy'}", "--set", "flow_detail=0"),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        await _listens(process, port, log)
        yield _Route(_url(port), process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await _ended(process)


async def _listens(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    async with asyncio.timeout(START_LIMIT):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return
    raise RuntimeError(f"mitmdump did not start: {log.read_text(errors='replace')[-2000:]}")


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), STOP_LIMIT)
    except TimeoutError:
        process.kill()
        await process.wait()


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/?v=10&encoding=json"
