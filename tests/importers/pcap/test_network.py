"""What IP carries is found on every link, whole or in fragments."""

import struct
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.importers.pcap.network import TCP, UDP, Network
from tests.packets import ETHERNET, LINKS, RAW, fragments, ip

V4, V6 = ("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")
ADDRESSES = {
    4: (b"\x0a\0\0\1", b"\x0a\0\0\2"),
    6: (bytes.fromhex(f"20010db8{'0' * 22}01"), bytes.fromhex(f"20010db8{'0' * 22}02")),
}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(("ends", "version"), [(V4, 4), (V6, 6)])
def test_both_versions_are_found_on_every_link(link: int, ends: tuple[str, str], version: int) -> None:
    packet = LINKS[link](ip(*ends, TCP, b"carried"))
    # Short frames of Ethernet are filled up.
    assert Network().receive(0, link, packet) == (TCP, *ADDRESSES[version], b"carried", 0)


def test_tags_of_networks_are_passed_over() -> None:
    frame = bytes(12) + b"\x88\xa8\0\1" + b"\x81\0\0\2" + b"\x08\0" + ip(*V4, UDP, b"carried")
    assert Network().receive(0, ETHERNET, frame) == (UDP, *ADDRESSES[4], b"carried", 0)


def test_what_is_not_ip_is_passed_over() -> None:
    assert Network().receive(0, ETHERNET, bytes(12) + b"\x08\x06" + bytes(46)) is None


def test_other_link_types_are_counted() -> None:
    network = Network()
    assert network.receive(0, 105, bytes(100)) is None
    assert network.unread_links == {105: 1}


def test_what_was_not_kept_is_counted() -> None:
    assert Network().receive(0, RAW, ip(*V4, TCP, bytes(100))[:70]) == (TCP, *ADDRESSES[4], bytes(50), 50)
    assert Network().receive(0, RAW, ip(*V6, TCP, bytes(100))[:90]) == (TCP, *ADDRESSES[6], bytes(50), 50)


def test_a_length_of_zero_means_all_there_is() -> None:
    packet = bytearray(ip(*V4, TCP, b"split by the card"))
    packet[2:4] = b"\0\0"
    assert Network().receive(0, RAW, bytes(packet)) == (TCP, *ADDRESSES[4], b"split by the card", 0)


def test_headers_between_ipv6_and_what_it_carries_are_passed_over() -> None:
    hops = struct.pack("!BB6x", 60, 0) + struct.pack("!BB14x", TCP, 1)
    assert Network().receive(0, RAW, ip(*V6, 0, hops + b"carried")) == (TCP, *ADDRESSES[6], b"carried", 0)


@pytest.mark.parametrize("ends", [V4, V6])
@pytest.mark.parametrize("seed", range(5))
def test_fragments_become_whole_in_any_order(ends: tuple[str, str], seed: int) -> None:
    body = bytes(range(256)) * 5
    pieces = fragments(*ends, UDP, body, 128)
    Random(seed).shuffle(pieces)
    network = Network()
    found = [network.receive(0, RAW, piece) for piece in [*pieces[:3], *pieces]]
    whole = [each for each in found if each is not None]
    assert [each[3] for each in whole] == [body]


def test_fragments_that_wait_too_long_are_another_datagram() -> None:
    network, (first, second) = Network(), fragments(*V4, UDP, bytes(16), 8)
    assert network.receive(0, RAW, first) is None
    assert network.receive(31_000_000_000, RAW, second) is None


def test_fragments_do_not_fill_the_memory() -> None:
    network = Network()
    for number in range(5000):
        network.receive(0, RAW, ip(*V4, UDP, bytes(8), fragment=0x2000, number=number))
    assert len(network._waiting) <= 256


@given(link=st.sampled_from([*LINKS, 999]), data=st.binary(max_size=120), version=st.sampled_from([0x45, 0x60, 0x46]))
def test_no_bytes_raise(link: int, data: bytes, version: int) -> None:
    network = Network()
    network.receive(0, link, data)
    wrap = LINKS.get(link, bytes)
    network.receive(0, link, wrap(bytes([version]) + data))
