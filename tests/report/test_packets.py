"""The packets behind a row of media, with and without their transport encryption."""

from pathlib import Path
from typing import Any

import pytest

from inspector.model import Frame, Opened, Plane
from inspector.protocol.registry import default
from inspector.report.packets import PacketReader
from inspector.simulator.server.media import SILENCE, Speaker, discovery_request
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import NOON, Conversation

MODE = "aead_xchacha20_poly1305_rtpsize"
KEY = bytes(range(32))
MS = 1_000_000
DAVE_FRAME = bytes.fromhex("0102030405a0a0a0a0a0a0a0a0ac020dfafa")
READY = {"op": 2, "d": {"ssrc": 1001, "ip": "203.0.113.5", "port": 50001, "modes": [MODE]}}


def description(key: Any = tuple(KEY), mode: str = MODE) -> dict[str, Any]:
    return {"op": 4, "d": {"mode": mode, "secret_key": key if isinstance(key, str) else list(key)}}


def recorded(path: Path, *descriptions: dict[str, Any], more: tuple[bytes, ...] = ()) -> Reader:
    """A call in which two sources speak at once. `more`: packets after what they say."""
    talk = Conversation(plane=Plane.VOICE, url="wss://x.discord.media/?v=8").opens().server(READY)
    for each in descriptions:
        talk.server(each)
    ours, theirs = Speaker(2001, MODE, KEY), Speaker(2002, MODE, KEY)
    packets = [packet for frame in (DAVE_FRAME, SILENCE) for packet in (ours.packet(frame), theirs.packet(frame))]
    writer = Writer(path, default(), made_by="test", keep_secrets=True)
    writer.write(talk.happenings)
    writer.write([Opened(2, NOON + 100 * MS, Plane.MEDIA, "udp://203.0.113.5:50001", status=None)])
    writer.write([Frame(2, NOON + 110 * MS, True, False, discovery_request(1001))])
    writer.write([Frame(2, NOON + (200 + at) * MS, False, False, data) for at, data in enumerate([*packets, *more])])
    writer.finish()
    return Reader(path)


def packets_of(reader: Reader, *, op: str = "rtp", decrypt: bool = True) -> list[list[dict[str, Any]]]:
    packets = PacketReader(reader, decrypt=decrypt)
    return [list(packets.of(event)) for event in reader.all_events() if event.op == op]


def test_a_row_has_the_packets_of_its_own_source(tmp_path: Path) -> None:
    first, second = packets_of(recorded(tmp_path / "x.gwcap"), decrypt=False)
    assert [packet["ssrc"] for packet in first] == [2001, 2001]
    assert [packet["ssrc"] for packet in second] == [2002, 2002]
    assert [packet["sequence"] for packet in first] == [0xFFF0, 0xFFF1]
    assert "opened" not in first[0]


def test_ip_discovery_is_a_packet_too(tmp_path: Path) -> None:
    ((packet,),) = packets_of(recorded(tmp_path / "x.gwcap"), op="discovery")
    assert (packet["type"], packet["bytes"]) == ("request", 74)


def test_the_key_of_the_call_opens_them(tmp_path: Path) -> None:
    (dave, silence), _ = packets_of(recorded(tmp_path / "x.gwcap", description()))
    assert dave["opened"]["dave"]["nonce"] == 300
    assert dave["opened"]["extensions"][0]["dbov"] == -30
    assert silence["opened"] == {"bytes": 3, "extensions": dave["opened"]["extensions"], "silence": True}


def test_of_several_keys_the_one_that_fits_is_taken(tmp_path: Path) -> None:
    other = description(bytes(32))
    for keys in ((other, description()), (description(), other)):
        path = tmp_path / f"{keys.index(other)}.gwcap"
        (packet, _), _ = packets_of(recorded(path, *keys))
        assert "opened" in packet


@pytest.mark.parametrize(
    ("descriptions", "why"),
    [
        ((), "the capture has no key for it"),
        ((description("masked"),), "the capture has no key for it"),
        ((description((300, -1)),), "the capture has no key for it"),
        ((description(bytes(32)),), "its key was masked"),
        ((description(bytes(range(1, 33))),), "the key does not fit it"),
        ((description(mode="xsalsa20_poly1305"),), "its mode is xsalsa20_poly1305"),
    ],
)
def test_what_stays_closed_says_why(tmp_path: Path, descriptions: tuple[dict[str, Any], ...], why: str) -> None:
    (packet, _), _ = packets_of(recorded(tmp_path / "x.gwcap", *descriptions))
    assert packet["sealed"].startswith(why)


def test_lines_say_the_same_in_words(tmp_path: Path) -> None:
    reader = recorded(tmp_path / "x.gwcap", description())
    packets = PacketReader(reader, decrypt=True)
    event = next(event for event in reader.all_events() if event.op == "rtp")
    first, second = packets.lines(event)
    assert "seq 65520  ts 48000  PT 120  extension 4 B" in first
    assert first.endswith("18 B inside, audio level -30 dBov, DAVE nonce 300, key generation 0")
    assert "+2 ms" in second
    assert second.endswith("3 B inside, audio level -30 dBov, silence, no DAVE trailer")


def test_reports_say_what_got_lost(tmp_path: Path) -> None:
    header = b"\x81\xc9\x00\x07" + (2001).to_bytes(4)
    block = (1001).to_bytes(4) + b"\x40\x00\x00\x07" + bytes(16)
    report = header + Speaker(1, MODE, KEY)._seal(block, header, bytes(4)) + bytes(4)
    reader = recorded(tmp_path / "x.gwcap", description(), more=(report,))
    event = next(event for event in reader.all_events() if event.op == "rtcp")
    (packet,) = PacketReader(reader, decrypt=True).of(event)
    assert packet["reports"] == [{"ssrc": 1001, "lost_percent": 25.0, "lost": 7, "highest": 0, "jitter": 0}]
    (line,) = PacketReader(reader, decrypt=True).lines(event)
    assert line.endswith("receiver report  52 B  of 1001 lost 7 in all, 25 % since the last report")
