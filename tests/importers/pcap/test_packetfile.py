"""Capture files of every form give the same packets."""

import io
import os
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.importers.pcap.packetfile import Packet, PacketFile, PacketPipe, is_packet_file
from tests.conversation import NOON
from tests.packets import (
    ETHERNET,
    LINKS,
    RAW,
    block,
    interface,
    ip,
    packed,
    packet_block,
    pcap,
    pcapng,
    secrets_block,
    section,
)

SENT = [(NOON + i * 1_000, ip("10.0.0.1", "10.0.0.2", 17, bytes(i))) for i in range(5)]
WANTED: Sequence[Packet] = [(at, RAW, data, len(data)) for at, data in SENT]


def read(data: bytes) -> list[Packet]:
    assert is_packet_file(data[:100])
    return list(PacketFile(io.BytesIO(data)).packets())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_a_classic_file_is_read_in_either_byte_order(order: str, nanoseconds: bool) -> None:
    assert read(pcap(SENT, RAW, order=order, nanoseconds=nanoseconds)) == WANTED


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pcapng_is_read_in_either_byte_order(order: str) -> None:
    assert read(pcapng(SENT, RAW, order=order)) == WANTED


@pytest.mark.parametrize("data", [pcap(SENT, RAW), pcapng(SENT, RAW)], ids=["pcap", "pcapng"])
def test_a_gzipped_file_is_read_as_it_is(data: bytes) -> None:
    assert read(packed(data)) == WANTED


@pytest.mark.parametrize(
    ("resolution", "a_second"), [(None, 10**6), (3, 10**3), (9, 10**9), (10, 10**10), (0x80 | 20, 2**20)]
)
def test_the_unit_of_time_is_that_of_the_interface(resolution: int | None, a_second: int) -> None:
    at_ns = 1_700_000_000_500_000_000
    data = section() + interface(RAW, resolution=resolution) + packet_block((at_ns, b"E"), RAW, a_second=a_second)
    assert read(data) == [(at_ns, RAW, b"E", 1)]


def test_the_offset_of_an_interface_is_added() -> None:
    data = section() + interface(RAW, offset=1_700_000_000) + packet_block((5 * 10**9, b"E"), RAW)
    assert read(data)[0][0] == 1_700_000_005_000_000_000


def test_each_section_has_its_own_interfaces_and_byte_order() -> None:
    first = section("<") + interface(RAW) + interface(ETHERNET) + packet_block(SENT[0], ETHERNET, number=1)
    second = section(">") + interface(RAW, ">") + packet_block(SENT[1], RAW, ">")
    assert [packet[1] for packet in read(first + second)] == [ETHERNET, RAW]


def test_packets_of_an_interface_that_was_not_described_are_passed_over() -> None:
    assert (
        read(section() + interface(RAW) + packet_block(SENT[0], RAW, number=7) + packet_block(SENT[1], RAW))[1:] == []
    )


def test_old_and_simple_packets_are_read() -> None:
    at = NOON // 1000
    old = block(2, struct.pack("<HHIIII", 0, 0, at >> 32, at & 0xFFFFFFFF, 3, 9) + b"old")
    simple = block(3, struct.pack("<I", 6) + b"simple")
    assert read(section() + interface(RAW) + old + simple) == [(NOON, RAW, b"old", 9), (NOON, RAW, b"simple", 6)]


def test_secrets_are_found_wherever_they_are() -> None:
    data = section() + secrets_block(b"one") + interface(RAW) + packet_block(SENT[0], RAW) + secrets_block(b"three")
    other = block(10, struct.pack("<II", 0x57474B4C, 3) + b"key")
    file = PacketFile(io.BytesIO(packed(data + other)))
    assert list(file.secrets()) == [b"one", b"three"]
    assert len(list(file.packets())) == 1


def test_a_classic_file_has_no_secrets() -> None:
    assert list(PacketFile(io.BytesIO(pcap(SENT))).secrets()) == []


def test_what_was_not_kept_of_a_packet_is_known() -> None:
    data = pcap([(NOON, bytes(100))], RAW, snaplen=60)
    assert read(data) == [(NOON, RAW, bytes(60), 100)]


@pytest.mark.parametrize("data", [pcap(SENT, RAW), pcapng(SENT, RAW)], ids=["pcap", "pcapng"])
def test_a_cut_file_gives_what_is_before_the_cut(data: bytes) -> None:
    file = PacketFile(io.BytesIO(data[:-5]))
    assert list(file.packets()) == WANTED[:-1]
    assert file.damage is not None
    assert file.damage.startswith("is cut off at byte ")


def test_a_cut_gzip_gives_what_is_before_the_cut() -> None:
    file = PacketFile(io.BytesIO(packed(pcap(SENT * 1000, RAW))[:-20]))
    assert list(file.packets())[:5] == WANTED
    assert file.damage == "ends in the middle of its compressed data"


@pytest.mark.parametrize(
    "data",
    [pcap(SENT, RAW) + struct.pack("<IIII", 0, 0, 2**31, 9), pcapng(SENT, RAW) + struct.pack("<III", 6, 4, 4)],
    ids=["pcap", "pcapng"],
)
def test_an_impossible_length_is_damage(data: bytes) -> None:
    file = PacketFile(io.BytesIO(data + bytes(100)))
    assert list(file.packets()) == WANTED
    assert file.damage is not None
    assert file.damage.startswith("is damaged at byte ")


@pytest.mark.parametrize("head", [b"", b"\x0a\x0d\x0d\x0a", b"\x1f\x8b", b"\x1f\x8b\x08\0no", packed(b"text"), b"{}"])
def test_other_files_are_not_taken_for_one(head: bytes) -> None:
    assert not is_packet_file(head)


@given(
    data=st.sampled_from([pcap(SENT), pcapng(SENT, log=b"key"), packed(pcap(SENT))]),
    place=st.integers(0, 500),
    new=st.binary(max_size=8),
)
def test_no_bytes_raise(data: bytes, place: int, new: bytes) -> None:
    file = PacketFile(io.BytesIO(data[:place] + new + data[place + len(new) :]))
    for packet in (*file.secrets(), *file.packets()):
        assert packet is not None


@given(st.binary(max_size=300))
def test_a_packet_of_any_link_is_wrapped_and_kept(data: bytes) -> None:
    for link, wrap in LINKS.items():
        sent = wrap(b"E" + data)
        assert read(pcap([(NOON, b"E" + data)], link)) == [(NOON, link, sent, len(sent))]


@pytest.mark.parametrize("data", [pcap(SENT, RAW), pcapng(SENT, RAW)], ids=["pcap", "pcapng"])
def test_packets_come_out_of_a_pipe_as_soon_as_they_are_whole(data: bytes) -> None:
    ours, theirs = os.pipe()
    with open(ours, "rb", buffering=0) as pipe, open(theirs, "wb", buffering=0) as end:
        packets = PacketPipe(pipe).packets()
        end.write(data)
        # It blocks after the last.
        assert [next(packets) for _ in SENT] == WANTED
        end.write(b"\0")
        end.close()
        assert list(packets) == []


def test_dropped_packets_are_counted_by_what_the_file_says_of_them() -> None:
    option = struct.pack("<HHQ", 5, 8, 7) + struct.pack("<HH", 0, 0)
    statistics = block(5, struct.pack("<III", 0, 0, 0) + struct.pack("<HHQ", 4, 8, 100) + option)
    file = PacketFile(io.BytesIO(pcapng(SENT, RAW) + statistics))
    assert list(file.packets()) == WANTED
    assert file.dropped == 7
