"""The damaging of frames: that it is the same each time, touches everything, and that what raises is told."""

from benchmarks.fuzzing import damaged, damaged_packets, measure, measure_packets
from inspector.model import Payload, Undecoded
from inspector.wire.packets import KINDS, read_packet
from inspector.wire.voice import read_binary
from tests.wire.dave_frames import FRAMES


def test_the_same_seed_damages_in_the_same_way() -> None:
    assert list(damaged(50)) == list(damaged(50))
    assert list(damaged(50)) != list(damaged(50, seed=1))


def test_frames_of_every_opcode_are_damaged_behind_the_header() -> None:
    found = list(damaged(300))
    assert {frame[0] if client else frame[2] for frame, client in found} == {25, 26, 27, 28, 29, 30}
    assert sum(frame in FRAMES.values() for frame, _ in found) < 15


def test_none_raises() -> None:
    section = measure(500)
    assert section.figures[0].size == "none"
    numbers = section.figures[2].numbers
    assert (numbers["frames"], numbers["raised"]) == (500, 0)
    assert numbers["with_problems"] > 250


def test_no_packet_raises() -> None:
    section = measure_packets(500)
    assert section.figures[0].size == "none"
    assert 250 < section.figures[2].numbers["with_problems"] <= 500


def test_packets_of_every_kind_are_damaged_in_the_same_way_each_time() -> None:
    assert list(damaged_packets(50)) == list(damaged_packets(50))
    assert {read_packet(data).kind for data, _ in damaged_packets(2000)} == set(KINDS)


def test_what_raises_is_told_with_the_frame() -> None:
    def read(data: bytes, from_client: bool, version: int | None) -> Payload | Undecoded:
        if data[0] == 28:
            raise ValueError("odd")
        return read_binary(data, from_client, version)

    section = measure(100, read)
    assert "the first: ValueError('odd') for 1c" in section.figures[0].size
    assert section.figures[2].numbers["raised"] > 0
