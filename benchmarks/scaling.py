"""Many short connections, and very many tiny messages: that an import takes time in proportion, and the same memory.

The floor parses the same messages with the fastest library at hand. A ratio that grows from the small case to the large
one is a cost that is not in proportion. As a program of its own, ``benchmarks.scaling CASE COUNT CAPTURE`` imports one
case and prints the peak of its memory.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import orjson

from benchmarks.importing import write_capture
from benchmarks.memory import peak_mb
from benchmarks.rounds import Figure, Section, interleaved, ratio
from inspector.model import Closed, Frame, Happening, Opened, Plane

URL = "wss://gateway.discord.gg/?v=10&encoding=json"
_AT_NS = 1_769_860_800_000_000_000
_SECOND = 1_000_000_000
# Clients that take turns with the connections.
_CLIENTS = 500
# Of one size to the other.
_TIMES = 5


def connections(count: int) -> Iterator[Happening]:
    """Yield `count` connections one after the other: a login, four events, a heartbeat, an end."""
    for number in range(1, count + 1):
        at_ns = _AT_NS + number * _SECOND
        yield Opened(number, at_ns, Plane.GATEWAY, URL)
        for from_client, data in _talk(number):
            at_ns += 1_000_000
            yield Frame(number, at_ns, from_client, True, data)
        yield Closed(number, at_ns, 1006 if number % 3 == 0 else 1000, "", "server" if number % 3 else None)


def messages(count: int) -> Iterator[Happening]:
    """Yield one connection with `count` tiny events."""
    yield Opened(1, _AT_NS, Plane.GATEWAY, URL)
    for from_client, data in _talk(1)[:3]:
        yield Frame(1, _AT_NS, from_client, True, data)
    for number in range(count):
        yield Frame(1, _AT_NS + number * 10_000_000, False, True, _typing(number + 2, number % 1000))


CASES: dict[str, Callable[[int], Iterator[Happening]]] = {"connections": connections, "messages": messages}


def measure(folder: Path, rounds: int, *, quick: bool) -> Section:
    """Time each case at two sizes, and look at the memory of a process that does the larger one."""
    figures = []
    for case, most in (("connections", 50_000), ("messages", 1_000_000)):
        most = most // 10 if quick else most
        for count in (most // _TIMES, most):
            capture = folder / f"{case}.gwcap"
            seconds = interleaved(
                {"floor": partial(_parse, case, count), "import": partial(_write, case, count, capture)}, rounds
            )
            times = seconds["import"]
            micros = median(times) / count * 1e6
            peak = _peak_of(case, count, capture)
            figures.append(
                Figure(
                    f"import of {count:,} {case}",
                    *ratio(times, seconds["floor"]),
                    None,
                    f"{micros:6.1f} us each, peak {peak:.0f} MB",
                    {"us_each": micros, "peak_mb": peak},
                )
            )
    return Section(f"Scaling: short connections, tiny messages, {rounds} rounds; times making and parsing", figures)


def _parse(case: str, count: int) -> None:
    for happening in CASES[case](count):
        if isinstance(happening, Frame):
            orjson.loads(happening.data)


def _write(case: str, count: int, capture: Path) -> None:
    write_capture(CASES[case](count), capture)


def _peak_of(case: str, count: int, capture: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.scaling", case, str(count), str(capture)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["peak"])


def _talk(number: int) -> list[tuple[bool, bytes]]:
    client = number % _CLIENTS
    token = f"MTE{client:020}.GabcdE.{client:027}"
    user = {"id": str(10**17 + client), "username": "bench", "bot": True}
    host = "wss://gateway-bench.discord.gg"
    ready = {"v": 10, "user": user, "guilds": [], "session_id": f"{number:032x}", "resume_gateway_url": host}
    return [
        (False, orjson.dumps({"t": None, "s": None, "op": 10, "d": {"heartbeat_interval": 41250}})),
        (True, orjson.dumps({"op": 2, "d": {"token": token, "intents": 513, "properties": {"os": "linux"}}})),
        (False, orjson.dumps({"t": "READY", "s": 1, "op": 0, "d": ready})),
        *((False, _typing(seq, client)) for seq in range(2, 6)),
        (True, orjson.dumps({"op": 1, "d": 5})),
        (False, orjson.dumps({"t": None, "s": None, "op": 11, "d": None})),
    ]


def _typing(seq: int, user: int) -> bytes:
    return b'{"t":"TYPING_START","s":%d,"op":0,"d":{"user_id":"%d"}}' % (seq, 10**17 + user)


if __name__ == "__main__":
    _write(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    print(json.dumps({"peak": peak_mb()}))
