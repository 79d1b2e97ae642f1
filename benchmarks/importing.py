"""Bytes to rows: how much more than inflating and parsing each step of an import costs.

The floor does what any program has to do: one inflate and one parse a message, with the fastest libraries at hand. ETF
has no fast library, so its floor is that of the same messages as JSON.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import orjson

from benchmarks.corpus import Stream, inflater
from benchmarks.rounds import Figure, Section, interleaved, ratio
from inspector.model import Frame, Happening, Plane
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.writer import BULK_BATCH, Writer
from inspector.wire.decoder import Decoder, read_payload

# Times the floor that an import may take.
TARGET = 2.5


def measure(title: str, stream: Stream, twin: Stream, capture: Path, rounds: int) -> Section:
    """Time each step on `stream`. `twin` holds what the floor reads; `capture` is written anew each round and stays."""
    steps = _Steps(stream, twin, capture)
    cases: dict[str, Callable[[], object]] = {
        "floor": steps.floor,
        "making frames": steps.frames,
        "decoder": steps.decoder,
        "pipeline": steps.pipeline,
        "import into a capture": steps.write,
        "reading it: rows, payloads decoded": steps.read,
    }
    seconds = interleaved(cases, rounds)
    count = len(stream.messages)
    figures = []
    for name, times in seconds.items():
        micros = median(times) / count * 1e6
        speed = stream.decoded_bytes / median(times) / 1e6
        text = f"{micros:6.1f} us a message, {speed:5.0f} MB/s"
        numbers = {"us_a_message": micros, "decoded_mb_a_second": speed}
        if name.startswith("import"):
            size = capture.stat().st_size / count
            wire = sum(len(data) for _, data in stream.messages) / count
            text += f"; file {size:.0f} B a message ({wire:.0f} on the wire)"
            numbers |= {"file_bytes_a_message": size, "wire_bytes_a_message": wire}
        target = TARGET if name.startswith("import") else None
        figures.append(Figure(name, *ratio(times, seconds["floor"]), target, text, numbers))
    decoded = stream.decoded_bytes / 1e6
    return Section(f"{title}: {count:,} messages, {decoded:.0f} MB decoded, {rounds} rounds; times floor", figures)


def write_capture(happenings: Iterator[Happening], capture: Path) -> int:
    """Import `happenings` into a new capture as `gwinspect convert` does, and return the number of events."""
    capture.unlink(missing_ok=True)
    writer = Writer(capture, default(), made_by="benchmarks", bulk=True)
    events = 0
    while batch := list(islice(happenings, BULK_BATCH)):
        events += len(writer.write(batch))
    return events + len(writer.finish())


@dataclass(frozen=True, slots=True)
class _Steps:
    """What is compared. Each one does all that those before it do, but for the floor."""

    stream: Stream
    twin: Stream
    capture: Path

    def floor(self) -> None:
        inflate = inflater(self.twin.compression)
        for from_client, data in self.twin.messages:
            orjson.loads(data if from_client else inflate(data))

    def frames(self) -> None:
        for _ in self.stream.happenings():
            pass

    def decoder(self) -> None:
        decoder = Decoder(Plane.GATEWAY, self.stream.url)
        for happening in self.stream.happenings():
            if isinstance(happening, Frame):
                decoder.receive(happening)

    def pipeline(self) -> None:
        pipeline = Pipeline(default())
        for happening in self.stream.happenings():
            pipeline.feed(happening)

    def write(self) -> None:
        events = write_capture(self.stream.happenings(), self.capture)
        if events != len(self.stream.messages) + 2:
            raise RuntimeError(f"{len(self.stream.messages):,} messages became {events:,} rows; the times mean nothing")

    def read(self) -> None:
        reader = Reader(self.capture)
        for event in reader.all_events():
            if event.payload is not None and event.encoding is not None:
                read_payload(event.plane, event.encoding, event.payload)
        reader.close()
