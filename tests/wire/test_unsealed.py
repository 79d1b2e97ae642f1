"""Transport encryption undone, and DAVE's trailer read."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.simulator.server.media import Speaker
from inspector.wire.packets import read_packet
from inspector.wire.unsealed import SILENCE, SealedError, extension, read_trailer, reports, unseal

KEY = bytes(range(32))
MODES = ("aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize")
FRAME = b"\x78" + bytes(range(100, 160))


@pytest.mark.parametrize("mode", MODES)
def test_what_was_sealed_comes_out_with_its_extension(mode: str) -> None:
    data = Speaker(2001, mode, KEY).packet(FRAME)
    found = unseal(data, read_packet(data), mode, KEY)
    assert found.payload == FRAME
    assert found.trailer is None
    assert [extension(*each) for each in found.extensions] == [
        {"id": 1, "name": "audio level", "voice": True, "dbov": -30}
    ]


@pytest.mark.parametrize(
    ("mode", "key", "why"),
    [
        ("aead_aes256_gcm_rtpsize", bytes(32), "the key does not fit it"),
        ("aead_xchacha20_poly1305_rtpsize", KEY, "the key does not fit it"),
        ("aead_aes256_gcm_rtpsize", b"short", "the key has 5 bytes, not 32"),
        ("xsalsa20_poly1305", KEY, "its mode is xsalsa20_poly1305"),
    ],
)
def test_what_cannot_be_opened_says_why(mode: str, key: bytes, why: str) -> None:
    data = Speaker(2001, MODES[0], KEY).packet(FRAME)
    with pytest.raises(SealedError, match=why):
        unseal(data, read_packet(data), mode, key)


@pytest.mark.parametrize("mode", MODES)
@given(data=st.data())
def test_a_damaged_packet_stays_closed(mode: str, data: st.DataObject) -> None:
    packet = Speaker(2001, mode, KEY).packet(SILENCE)
    at = data.draw(st.integers(0, len(packet) - 1))
    damaged = packet[:at] + bytes((packet[at] ^ data.draw(st.integers(1, 255)),)) + packet[at + 1 :]
    with pytest.raises(SealedError):
        unseal(damaged, read_packet(damaged), mode, KEY)


def test_padding_is_taken_off() -> None:
    speaker = Speaker(2001, MODES[0], KEY)
    header = bytes.fromhex("a0780001000003c0000007d1")
    sealed = speaker._seal(FRAME + b"\0\0\0\x04", header, bytes(4))
    data = header + sealed + bytes(4)
    assert unseal(data, read_packet(data), MODES[0], KEY).payload == FRAME


@pytest.mark.parametrize(
    ("frame", "nonce", "ranges", "size"),
    [
        ("0102030405 a0a0a0a0a0a0a0a0 ac02 0d fafa", 300, (), 13),
        (bytes(range(20)).hex() + "a1a1a1a1a1a1a1a1 05 00 0a 0e fafa", 5, ((0, 10),), 14),
        ("a0a0a0a0a0a0a0a0 80808008 0f fafa", 1 << 24, (), 15),
    ],
)
def test_a_trailer_is_read_from_the_end(frame: str, nonce: int, ranges: tuple[tuple[int, int], ...], size: int) -> None:
    found = read_trailer(bytes.fromhex(frame.replace(" ", "")))
    assert found is not None
    assert (found.nonce, found.ranges, found.size) == (nonce, ranges, size)
    assert found.generation == nonce >> 24


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "fafa",
        # No magic; a size that is too small, or larger than the frame.
        "0102030405a0a0a0a0a0a0a0a0ac020dfafb",
        "0102030405a0a0a0a0a0a0a0a0ac020bfafa",
        "0102030405a0a0a0a0a0a0a0a0ac02fffafa",
        # Half a pair of ranges, a range outside of the frame, ranges that overlap, a number without an end.
        "0102030405a0a0a0a0a0a0a0a005000dfafa",
        "0102030405a0a0a0a0a0a0a0a005000a0efafa",
        "01020304050607a0a0a0a0a0a0a0a0050004020310fafa",
        "0102030405a0a0a0a0a0a0a0a0ac820dfafa",
    ],
)
def test_what_is_no_trailer_is_none(frame: str) -> None:
    assert read_trailer(bytes.fromhex(frame)) is None


@given(st.binary(max_size=60))
def test_any_bytes_may_end_a_frame(data: bytes) -> None:
    for frame in (data, data + b"\xfa\xfa"):
        found = read_trailer(frame)
        assert found is None or found.size <= len(frame)


@given(st.integers(0, 15), st.binary(max_size=16))
def test_any_extension_is_said_in_words(number: int, data: bytes) -> None:
    assert extension(number, data)["name"]


def rtcp(kind: int, count: int, body: bytes, mode: str = MODES[0]) -> bytes:
    header = bytes((0x80 | count, kind)) + (len(body) // 4 + 1).to_bytes(2) + (2001).to_bytes(4)
    return header + Speaker(1, mode, KEY)._seal(body, header, bytes(4)) + bytes(4)


BLOCK = struct.pack(">IIIIII", 1001, 64 << 24 | 7, 70_000, 96, 0, 0)


@pytest.mark.parametrize("mode", MODES)
def test_a_receivers_report_says_what_got_lost(mode: str) -> None:
    data = rtcp(201, 1, BLOCK, mode)
    assert reports(data, mode, KEY) == [
        {"ssrc": 1001, "lost_percent": 25.0, "lost": 7, "highest": 70_000, "jitter": 96}
    ]


def test_a_senders_report_says_what_was_sent_and_what_it_received() -> None:
    data = rtcp(200, 1, struct.pack(">QIII", 1, 960, 50, 4000) + BLOCK)
    sent, received = reports(data, MODES[0], KEY)
    assert sent == {"ssrc": 2001, "sent": {"timestamp": 960, "packets": 50, "octets": 4000}}
    assert received["lost"] == 7


def test_more_than_was_sent_may_have_come() -> None:
    block = struct.pack(">IIIIII", 1001, 0xFFFFFF, 1, 0, 0, 0)
    assert reports(rtcp(201, 1, block), MODES[0], KEY)[0]["lost"] == -1


def test_other_reports_are_opened_and_say_nothing() -> None:
    assert reports(rtcp(206, 1, BLOCK), MODES[0], KEY) == []
    with pytest.raises(SealedError):
        reports(rtcp(201, 1, BLOCK), MODES[0], bytes(32))


@given(st.integers(192, 223), st.integers(0, 31), st.binary(max_size=120))
def test_any_body_of_a_report_is_borne(kind: int, count: int, body: bytes) -> None:
    assert len(reports(rtcp(kind, count, body), MODES[0], KEY)) <= count + 1
