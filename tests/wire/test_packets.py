"""Voice packets told apart, and their headers read."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.simulator.server.media import discovery_request
from inspector.wire.packets import KINDS, described, read_packet

# The request that the protocol's notes give for SSRC 12871.
REQUEST = bytes.fromhex("0001004600003247") + bytes(66)
RTP = bytes.fromhex("8078000100000003 00000f3c".replace(" ", "")) + bytes(60)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (REQUEST, "discovery"),
        (b"\x00\x02\x00\x46" + bytes(70), "discovery"),
        (b"\x00\x03\x00\x46" + bytes(70), "unknown"),
        (REQUEST[:-1], "unknown"),
        (bytes.fromhex("1337cafe00000007"), "ping"),
        (bytes.fromhex("1337f00d00000007"), "pong"),
        (bytes.fromhex("0700000000000000"), "keep-alive"),
        (bytes.fromhex("0700000000000001"), "unknown"),
        (bytes.fromhex("000100002112a442") + bytes(12), "stun"),
        (bytes.fromhex("16fefd") + bytes(20), "dtls"),
        (RTP, "rtp"),
        (bytes.fromhex("80c80006000003e9") + bytes(20), "rtcp"),
        (bytes.fromhex("81cd0001000003e9"), "rtcp"),
        (b"\x80\x78\x00\x01\x00\x00\x00\x03", "unknown"),
        (b"", "unknown"),
        (b"\x80", "unknown"),
    ],
)
def test_a_packet_is_told_by_its_form(data: bytes, kind: str) -> None:
    assert read_packet(data).kind == kind


def test_a_request_for_an_address_has_the_form_that_libraries_send() -> None:
    assert discovery_request(12871) == REQUEST
    assert described(REQUEST) == {"type": "request", "ssrc": 12871, "address": "", "port": 0}


def test_an_rtp_header_is_read() -> None:
    packet = read_packet(RTP)
    assert packet.ssrc == 3900
    assert packet.rtp is not None
    assert (packet.rtp.sequence, packet.rtp.timestamp, packet.rtp.payload_type, packet.rtp.header) == (1, 3, 120, 12)


def test_the_clear_header_ends_behind_the_head_of_the_extension() -> None:
    data = struct.pack(">BBHII", 0x92, 0xF8, 7, 960, 2001) + bytes(8) + struct.pack(">HH", 0xBEDE, 2) + bytes(40)
    rtp = read_packet(data).rtp
    assert rtp is not None
    assert (rtp.header, rtp.profile, rtp.words, len(rtp.csrcs), rtp.marker) == (24, 0xBEDE, 2, 2, True)


def test_a_header_that_is_cut_short_says_so() -> None:
    data = struct.pack(">BBHII", 0x9F, 0x78, 7, 960, 2001) + bytes(4)
    rtp = read_packet(data).rtp
    assert rtp is not None
    assert not rtp.is_whole
    assert described(data)["problem"] == "its header should have 76 bytes, the packet has 16"


def test_the_counter_of_a_keep_alive_is_little_endian() -> None:
    assert described(bytes.fromhex("0201000000000000")) == {"number": 258}


def test_a_report_is_named() -> None:
    assert described(bytes.fromhex("81c90007000003e9")) == {
        "ssrc": 1001,
        "type": "receiver report",
        "count": 1,
        "length": 32,
    }


@given(st.binary(max_size=120))
def test_any_bytes_are_some_packet(data: bytes) -> None:
    assert read_packet(data).kind in KINDS
    assert isinstance(described(data), dict)


@given(st.sampled_from((0x80, 0x90, 0xBF)), st.binary(max_size=120))
def test_any_bytes_behind_the_version_are_some_packet(first: int, data: bytes) -> None:
    packet = read_packet(bytes((first,)) + data)
    assert packet.kind in ("rtp", "rtcp", "unknown")
    assert isinstance(described(bytes((first,)) + data), dict)
