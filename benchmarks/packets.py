"""Packet captures, read into happenings: one busy gateway connection in TLS 1.3, and what is none of ours beside it.

The floor does what any program has to do: find the packets, and decrypt the records in them, with the fastest library
at hand. As a program of its own, ``benchmarks.packets CAPTURE`` reads a file and prints the peak of its memory.
"""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.corpus import Stream
from benchmarks.memory import peak_mb
from benchmarks.rounds import Figure, Section, interleaved, ratio
from inspector.importers.formats import open_source
from tests.packets import TcpTalk, pcapng
from tests.wired import Wired

# Bytes in front of what TCP carries: Ethernet, IPv4, TCP.
_HEADERS = 54


def measure(stream: Stream, folder: Path, rounds: int) -> Section:
    """Time reading a capture of `stream`, and of as many bytes that are not TLS."""
    path = folder / "bench.pcapng"
    wired = Wired(list(stream.happenings()))
    path.write_bytes(pcapng(wired.packets, log=wired.log))
    other = folder / "other.pcapng"
    other.write_bytes(pcapng(_other(path.stat().st_size)))
    cases: dict[str, Callable[[], object]] = {
        "floor": partial(_floor, path),
        "a gateway, TLS 1.3": partial(_read, path),
        "traffic that is not read": partial(_read, other),
    }
    seconds = interleaved(cases, rounds)
    figures = []
    for name, file in (("a gateway, TLS 1.3", path), ("traffic that is not read", other)):
        speed, peak = file.stat().st_size / median(seconds[name]) / 1e6, _peak_of(file)
        text, numbers = f"{speed:4.0f} MB a second, peak {peak:.0f} MB", {"mb_a_second": speed, "peak_mb": peak}
        figures.append(Figure(name, *ratio(seconds[name], seconds["floor"]), None, text, numbers))
    size = path.stat().st_size / 1e6
    title = (
        f"Packet captures: {len(wired.packets):,} packets, {size:.0f} MB, {rounds} rounds; times finding and decrypting"
    )
    return Section(title, figures)


def _other(size: int) -> list[tuple[int, bytes]]:
    """Return packets of connections that speak something else."""
    talk = TcpTalk(step_ns=100_000).opens().server(b"SSH-2.0-OpenSSH_9.2\r\n")
    for _ in range(size // 3000):
        talk.server(bytes(2800))
    return talk.packets


def _floor(path: Path) -> None:
    """Decrypt as many bytes, whatever comes out."""
    aead, nonce, record = AESGCM(bytes(16)), bytes(12), struct.Struct("!BHH").unpack_from
    block = struct.Struct("<II").unpack_from
    data, at = path.read_bytes(), 0
    while at < len(data):
        kind, size = block(data, at)
        if kind == 6 and size > 32 + _HEADERS + 5:
            start = at + 28 + _HEADERS
            record(data, start)
            aead.encrypt(nonce, data[start + 5 : at + size - 4], data[start : start + 5])
        at += size


def _read(path: Path) -> None:
    for _ in open_source(path):
        pass


def _peak_of(path: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.packets", str(path)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["peak"])


if __name__ == "__main__":
    _read(Path(sys.argv[1]))
    print(json.dumps({"peak": peak_mb()}))
