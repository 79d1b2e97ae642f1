"""Voice packets folded into rows: what is counted, and when a row ends."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Closed, Event, Frame, Happening, Kind, Opened, Payload, Plane
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.session.media import MAX_RUNS, Media
from inspector.simulator.server.media import answer_to, discovery_request
from inspector.wire import jsontext
from tests.conversation import NOON, Conversation
from tests.fed import fed

MS = 1_000_000
CONNECTION = 9
PING, PONG = b"\x13\x37\xca\xfe\0\0\0\1", b"\x13\x37\xf0\x0d\0\0\0\1"
IDENTIFY = {"op": 0, "d": {"server_id": "10", "user_id": "20", "session_id": "s", "token": "t"}}
READY = {"op": 2, "d": {"ssrc": 1001, "ip": "203.0.113.5", "port": 50001, "modes": ["aead_aes256_gcm_rtpsize"]}}


def rtp(sequence: int, *, ssrc: int = 2001, timestamp: int | None = None, payload_type: int = 120) -> bytes:
    ticks = 960 * sequence if timestamp is None else timestamp
    return struct.pack(">BBHII", 0x80, payload_type, sequence & 0xFFFF, ticks & 0xFFFFFFFF, ssrc) + bytes(60)


def packet(data: bytes, ms: float, *, from_client: bool = False) -> Frame:
    return Frame(CONNECTION, NOON + int(ms * MS), from_client, False, data)


def folded(*packets: Frame) -> list[dict[str, Any]]:
    """What the rows of these packets say."""
    media = Media(lambda ssrc: None)
    readings = [reading for number, each in enumerate(packets, 1) for reading in media.receive(each, number)]
    return [reading.what.d for reading in readings + media.finish() if isinstance(reading.what, Payload)]


def numbered(*sequences: int) -> dict[str, Any]:
    """What a row says of packets with these numbers, 20 ms apart."""
    (row,) = folded(*(packet(rtp(sequence), 20 * at) for at, sequence in enumerate(sequences)))
    return row


@pytest.mark.parametrize(
    ("sequences", "lost", "duplicates", "reordered"),
    [
        ((1, 2, 3, 4), 0, 0, 0),
        ((1, 2, 4, 5), 1, 0, 0),
        ((1, 3, 2, 4), 0, 0, 1),
        ((1, 2, 2, 3), 0, 1, 0),
        ((1, 2, 4, 4, 5), 1, 1, 0),
        ((65534, 65535, 0, 1), 0, 0, 0),
        ((65534, 1), 2, 0, 0),
        ((1, 2, 100, 101), 97, 0, 0),
    ],
)
def test_loss_is_counted_by_sequence_numbers(
    sequences: tuple[int, ...], lost: int, duplicates: int, reordered: int
) -> None:
    row = numbered(*sequences)
    assert (row["lost"], row["duplicates"], row["reordered"]) == (lost, duplicates, reordered)
    assert row["packets"] == len(sequences)


def test_a_source_that_begins_anew_has_lost_nothing() -> None:
    row = numbered(1, 2, 40_000, 40_001)
    assert (row["lost"], row["restarts"]) == (0, 1)


def test_packets_on_time_have_no_jitter() -> None:
    assert numbered(*range(50))["jitter_ms"] == 0


def test_jitter_is_a_sixteenth_of_each_deviation() -> None:
    """RFC 3550, section 6.4.1: a packet 16 ms late gives 1 ms, and the next, on time again, nearly as much more."""
    (row,) = folded(packet(rtp(1), 0), packet(rtp(2), 36))
    assert row["jitter_ms"] == 1.0
    (row,) = folded(packet(rtp(1), 0), packet(rtp(2), 36), packet(rtp(3), 40))
    assert row["jitter_ms"] == pytest.approx(1 + (16 - 1) / 16, abs=0.01)


def test_a_pause_ends_a_row_and_is_no_jitter() -> None:
    first, second = folded(packet(rtp(1), 0), packet(rtp(2), 20), packet(rtp(3), 5020), packet(rtp(4), 5040))
    assert (first["packets"], second["packets"]) == (2, 2)
    assert second["jitter_ms"] == 0


def test_what_is_lost_between_two_rows_counts_for_the_second() -> None:
    first, second = folded(packet(rtp(1), 0), packet(rtp(2), 20), packet(rtp(5), 5020))
    assert (first["lost"], second["lost"]) == (0, 2)


def test_who_speaks_without_a_pause_has_a_row_each_ten_seconds() -> None:
    rows = folded(*(packet(rtp(number), 20 * number) for number in range(1200)))
    assert [row["packets"] for row in rows] == [500, 500, 200]


def test_sources_and_directions_have_rows_of_their_own() -> None:
    rows = folded(
        packet(rtp(1), 0), packet(rtp(1, ssrc=2002), 1), packet(rtp(1), 2, from_client=True), packet(rtp(2), 20)
    )
    assert [(row["ssrc"], row["packets"]) for row in rows] == [(2001, 2), (2002, 1), (2001, 1)]


def test_a_pong_knows_how_long_it_took() -> None:
    ping, pong = folded(packet(PING, 0, from_client=True), packet(PONG, 41))
    assert "round_trip_ms" not in ping
    assert pong["round_trip_ms"] == {"min": 41.0, "mean": 41.0, "max": 41.0}


def test_reports_are_counted_by_type() -> None:
    report = bytes.fromhex("80c80006000007d1") + bytes(20)
    feedback = bytes.fromhex("81ce0002000007d1") + bytes(20)
    (row,) = folded(packet(report, 0), packet(feedback, 100), packet(report, 5000))
    assert row["types"] == {"sender report": 2, "payload feedback": 1}


def test_what_is_unknown_shows_how_it_begins() -> None:
    (row,) = folded(packet(b"\xffwhat is this?", 0), packet(b"\xffand this?", 10))
    assert row["packets"] == 2
    assert bytes.fromhex(row["begins"]) == b"\xffwhat is this?"


def test_no_more_rows_are_kept_open_than_the_limit() -> None:
    media = Media(lambda ssrc: None)
    ended = [each for ssrc in range(MAX_RUNS + 5) for each in media.receive(packet(rtp(1, ssrc=ssrc + 1), 0), ssrc)]
    assert [each.what.d["ssrc"] for each in ended if isinstance(each.what, Payload)] == [1, 2, 3, 4, 5]
    assert len(media.finish()) == MAX_RUNS


@given(st.lists(st.tuples(st.integers(0, 70_000), st.sampled_from((0, 1, 20, 2000)), st.booleans(), st.integers(1, 3))))
def test_every_packet_is_counted_once(sent: list[tuple[int, int, bool, int]]) -> None:
    at = 0
    packets = []
    for sequence, pause, from_client, ssrc in sent:
        at += pause
        packets.append(packet(rtp(sequence, ssrc=ssrc), at, from_client=from_client))
    rows = folded(*packets)
    assert sum(row["packets"] for row in rows) == len(sent)
    assert all(row["lost"] >= 0 for row in rows)


# Through the pipeline: beside a voice connection.


def voice_call() -> Conversation:
    talk = Conversation(plane=Plane.VOICE, url="wss://x.discord.media/?v=8")
    return talk.opens().client(IDENTIFY).server(READY)


def rows_of(*happenings: Happening) -> list[Event]:
    return [event for event in fed(happenings, finish=True).rows if event.plane is Plane.MEDIA]


def opened(url: str = "udp://203.0.113.5:50001") -> Opened:
    return Opened(CONNECTION, NOON + 100 * MS, Plane.MEDIA, url, status=None)


def body(event: Event) -> Any:
    return jsontext.loads(event.payload or b"")["d"]


def test_ones_own_packets_are_known_by_the_ssrc_of_ready() -> None:
    *_, row = rows_of(*voice_call().happenings, opened(), packet(rtp(1, ssrc=1001), 200, from_client=True))
    assert (row.op, row.user_id, body(row)["user_id"]) == ("rtp", 20, "20")


def test_others_packets_are_known_by_speaking() -> None:
    talk = voice_call().server({"op": 5, "d": {"user_id": "30", "ssrc": 2001, "speaking": 1}})
    *_, row = rows_of(*talk.happenings, opened(), packet(rtp(1), 200), packet(rtp(2), 220))
    assert (row.user_id, row.wire_bytes, row.first_frame + 1) == (30, 144, row.last_frame)


def test_who_leaves_before_the_row_is_made_is_named_all_the_same() -> None:
    talk = voice_call().server({"op": 5, "d": {"user_id": "30", "ssrc": 2001, "speaking": 1}})
    before = list(talk.happenings)
    talk.server({"op": 13, "d": {"user_id": "30"}})
    *_, row = rows_of(*before, opened(), packet(rtp(1), 200), *talk.happenings[len(before) :])
    assert row.user_id == 30


def test_who_is_announced_after_the_last_packet_and_leaves_is_named_all_the_same() -> None:
    talk = voice_call()
    before = list(talk.happenings)
    talk.waits(300).server({"op": 5, "d": {"user_id": "30", "ssrc": 2001}}).server({"op": 13, "d": {"user_id": "30"}})
    *_, row = rows_of(*before, opened(), packet(rtp(1), 200), *talk.happenings[len(before) :])
    assert row.user_id == 30


@pytest.mark.parametrize("url", ["udp://203.0.113.5:50001", "udp://127.0.0.1:9"])
def test_media_belong_to_the_voice_connection_that_named_their_address_or_their_ssrc(url: str) -> None:
    request = packet(discovery_request(1001), 200, from_client=True)
    made = fed((*voice_call().happenings, opened(url), request))
    assert made.changed[CONNECTION].parent == 1


def test_a_path_that_comes_after_its_voice_connection_has_ended_belongs_to_it_all_the_same() -> None:
    """As in mitmproxy's files, where each connection stands as a whole."""
    talk = voice_call().server({"op": 5, "d": {"user_id": "30", "ssrc": 2001}}).closes()
    *_, row = rows_of(*talk.happenings, opened(), packet(rtp(1), 200))
    assert row.user_id == 30


def test_codecs_are_those_of_select_protocol() -> None:
    codecs = [{"name": "H264", "type": "video", "payload_type": 103, "rtx_payload_type": 104, "priority": 1000}]
    talk = voice_call().client({"op": 1, "d": {"protocol": "udp", "data": {}, "codecs": codecs}})
    sent = [packet(rtp(1, ssrc=each, payload_type=each), 200) for each in (103, 104, 120)]
    rows = [body(row) for row in rows_of(*talk.happenings, opened(), *sent)[1:]]
    assert [(row.get("media"), row.get("codec")) for row in rows] == [("video", "H264"), ("rtx", "H264"), (None, None)]


def test_an_answer_to_ip_discovery_says_how_long_it_took() -> None:
    request = discovery_request(1001)
    answer = answer_to(request, "198.51.100.7", 40_000)
    assert answer is not None
    _, asked, told = rows_of(opened(), packet(request, 200, from_client=True), packet(answer, 215))
    assert (told.answers, told.latency_ns, told.encoding) == (asked.n, 15 * MS, "binary")


def test_a_row_is_made_when_anything_happens_after_the_pause() -> None:
    talk = voice_call()
    pipeline = Pipeline(default())
    for happening in (*talk.happenings, opened(), packet(rtp(1), 200)):
        pipeline.feed(happening)
    (row, ack) = pipeline.feed(Frame(1, NOON + 3000 * MS, False, True, b'{"op":6,"d":{"t":1}}')).rows
    assert (row.plane, ack.plane) == (Plane.MEDIA, Plane.VOICE)
    assert row.n + 1 == ack.n


@given(st.lists(st.binary(max_size=90), max_size=20))
def test_any_datagrams_become_rows(datagrams: list[bytes]) -> None:
    rows = rows_of(opened(), *(packet(data, at) for at, data in enumerate(datagrams)))
    assert rows[0].opened is not None


def test_a_packet_after_the_end_is_a_row_of_packets_all_the_same() -> None:
    """It is no JSON that cannot be read, which is what other planes would make of it."""
    close = Closed(CONNECTION, NOON + 300 * MS, None)
    *_, row = rows_of(*voice_call().happenings, opened(), packet(rtp(1), 200), close, packet(rtp(2), 310))
    assert (row.kind, row.op, row.note, row.wire_bytes) == (Kind.PAYLOAD, "rtp", "after the close", 72)
