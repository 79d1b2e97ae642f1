"""Frames to payloads, in every way that a gateway sends them: what the decoder adds to inflating and parsing.

The floor of each is the fastest library for the same bytes: one inflate and one `orjson.loads` a message. ETF has no
library that is fast and can be fed anything, so its floor is that of the same messages as JSON.
"""

import zlib
from collections.abc import Callable
from statistics import median

import orjson

from benchmarks.corpus import Stream, build, inflater
from benchmarks.rounds import Figure, Section, interleaved, ratio
from inspector.model import Frame, Plane
from inspector.wire.decoder import Decoder

# Times the floor that reading a message may take.
TARGET, TARGET_ETF = 1.7, 4.5

Messages = list[tuple[bool, bytes]]
Inflate = Callable[[bytes], bytes]


def measure(messages: int, rounds: int) -> Section:
    """Time the decoder on `messages` server messages, sent in five ways."""
    zlib_stream, zstd_stream = build(messages), build(messages, compression="zstd-stream")
    plain = _inflated(zlib_stream)
    url = "wss://gateway.discord.gg/?v=10&encoding=json"
    figures = [
        _figure("JSON, zlib-stream", zlib_stream.url, zlib_stream.messages, *_floor(zlib_stream), rounds),
        _figure("JSON, zstd-stream", zstd_stream.url, zstd_stream.messages, *_floor(zstd_stream), rounds),
        _figure("JSON, text", url, plain, plain, lambda: bytes, rounds, is_text=True),
    ]
    single = [(from_client, data if from_client else zlib.compress(data)) for from_client, data in plain]
    figures.append(_figure("JSON, payload compression", url, single, single, lambda: zlib.decompress, rounds))
    etf = build(messages, "etf")
    figures.append(_figure("ETF, zlib-stream", etf.url, etf.messages, *_floor(zlib_stream), rounds, target=TARGET_ETF))
    return Section(f"decoder: {messages:,} messages, {rounds} rounds; times inflating and orjson.loads", figures)


def _floor(stream: Stream) -> tuple[Messages, Callable[[], Inflate]]:
    return stream.messages, lambda: inflater(stream.compression)


def _inflated(stream: Stream) -> Messages:
    inflate = inflater(stream.compression)
    return [(from_client, data if from_client else inflate(data)) for from_client, data in stream.messages]


def _figure(
    name: str,
    url: str,
    messages: Messages,
    twin: Messages,
    new_inflater: Callable[[], Inflate],
    rounds: int,
    *,
    is_text: bool = False,
    target: float = TARGET,
) -> Figure:
    frames = [Frame(1, at, from_client, is_text, data) for at, (from_client, data) in enumerate(messages)]

    def floor() -> None:
        inflate = new_inflater()
        for from_client, data in twin:
            orjson.loads(data if from_client else inflate(data))

    def ours() -> None:
        decoder = Decoder(Plane.GATEWAY, url)
        for frame in frames:
            decoder.receive(frame)

    seconds = interleaved({"floor": floor, "ours": ours}, rounds)
    micros = {case: median(times) / len(messages) * 1e6 for case, times in seconds.items()}
    text = f"{micros['ours']:6.1f} us a message (floor: {micros['floor']:.1f})"
    numbers = {"us_a_message": micros["ours"], "floor_us_a_message": micros["floor"]}
    return Figure(name, *ratio(seconds["ours"], seconds["floor"]), target, text, numbers)
