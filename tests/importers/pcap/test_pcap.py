"""Packet captures become the happenings that their packets were made of."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from inspector.errors import CaptureError
from inspector.importers.formats import open_source
from inspector.importers.hints import Hints
from inspector.importers.pcap import PacketCapture, conversation
from inspector.importers.pcap import file as pcap_file
from inspector.model import Closed, Control, Frame, Gap, Happening, Kind, Opened, Plane
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from tests.conversation import ACK, DIALECTS, HEARTBEAT, HELLO, NOON, Conversation, identify, message, ready, usual
from tests.fuzz.talks import talks
from tests.importers.pcap.record import VERSIONS, path_of
from tests.packets import COOKED, RAW, Packet, TcpTalk, interface, packed, packet_block, pcap, pcapng, section
from tests.tls import ALL, Contexts, TlsPair
from tests.voice_call import voice
from tests.wired import Wired

pytestmark = pytest.mark.compat

SECOND = 1_000_000_000
MEDIA = next(talk for talk in talks() if isinstance(talk[0], Opened) and talk[0].plane is Plane.MEDIA)


def read(path: Path, data: bytes, *, log: bytes = b"", hosts: Sequence[str] = ()) -> tuple[list[Happening], list[str]]:
    """Return what a capture file holds, and what is said of it."""
    file = path / "day.pcap"
    file.write_bytes(data)
    if log:
        (path / "day.pcap.keys.log").write_bytes(log)
    source = open_source(file, Hints(tuple(hosts)))
    assert isinstance(source, PacketCapture)
    return list(source), source.notes


def plain(happenings: Sequence[Happening]) -> list[Happening]:
    """Return happenings without what no wire carries: headers, and the port that the client really had."""
    return [replace(each, headers={}, client=None) if isinstance(each, Opened) else each for each in happenings]


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_every_dialect_is_read_as_it_was_said(tmp_path: Path, encoding: str, compression: str) -> None:
    talk = usual(encoding, compression).happenings
    wired = Wired(talk)
    found, notes = read(tmp_path, pcapng(wired.packets, log=wired.log))
    assert plain(found) == plain(talk)
    assert notes == []


@pytest.mark.parametrize(("version", "cipher"), ALL)
def test_every_cipher_is_read(tmp_path: Path, version: str, cipher: str) -> None:
    talk = usual().happenings
    wired = Wired(talk, version, cipher)
    assert plain(read(tmp_path, pcapng(wired.packets, log=wired.log))[0]) == plain(talk)


def test_deflated_messages_in_small_segments_are_read(tmp_path: Path) -> None:
    talk = usual("etf", "zlib-stream").happenings
    wired = Wired(talk, deflate=True, segment=50)
    assert plain(read(tmp_path, pcapng(wired.packets, log=wired.log))[0]) == plain(talk)


def test_headers_and_the_address_of_the_client_are_kept(tmp_path: Path) -> None:
    wired = Wired(usual().happenings, deflate=True)
    opened = read(tmp_path, pcapng(wired.packets, log=wired.log))[0][0]
    assert isinstance(opened, Opened)
    assert opened.client == "10.0.0.2:50001"
    assert opened.headers == {"response-sec-websocket-extensions": "permessage-deflate"}


def test_keys_may_come_last_beside_the_file_or_by_name(tmp_path: Path) -> None:
    talk = usual().happenings
    wired = Wired(talk)
    assert plain(read(tmp_path, pcapng(wired.packets, log=wired.log, log_last=True))[0]) == plain(talk)
    assert plain(read(tmp_path, pcap(wired.packets), log=wired.log)[0]) == plain(talk)
    (tmp_path / "day.pcap.keys.log").rename(tmp_path / "named")
    source = open_source(tmp_path / "day.pcap", Hints(keys=(tmp_path / "named",)))
    assert plain(list(source)) == plain(talk)
    with pytest.raises(CaptureError, match=r"cannot read the key log .*missing: No such file"):
        list(open_source(tmp_path / "day.pcap", Hints(keys=(tmp_path / "missing",))))


def test_a_long_key_log_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcap_file, "_PIECE", 100)
    wired = Wired(usual().happenings)
    log = b"#" * 5000 + b"\n" + wired.log + wired.log.rstrip()
    assert len(read(tmp_path, pcap(wired.packets), log=log)[0]) == 11


@pytest.mark.parametrize("form", ["big-endian", "nanoseconds", "gzip", "cooked", "raw"])
def test_every_form_of_file_is_read(tmp_path: Path, form: str) -> None:
    talk = usual().happenings
    wired = Wired(talk)
    data = {
        "big-endian": pcapng(wired.packets, order=">", log=wired.log),
        "nanoseconds": pcap(wired.packets, nanoseconds=True),
        "gzip": packed(pcapng(wired.packets, log=wired.log)),
        "cooked": pcapng(wired.packets, COOKED, log=wired.log),
        "raw": pcap(wired.packets, RAW, order=">"),
    }[form]
    assert plain(read(tmp_path, data, log=wired.log)[0]) == plain(talk)


@pytest.mark.parametrize("seed", range(5))
def test_packets_out_of_order_and_repeated_give_the_same(tmp_path: Path, seed: int) -> None:
    talk = usual("json", "zlib-stream").happenings
    wired, dice = Wired(talk, segment=60), Random(seed)
    packets = [packet for packet in wired.packets for _ in range(dice.choice((1, 1, 2)))]
    for place in range(3, len(packets) - 3, 3):
        part = packets[place : place + 3]
        dice.shuffle(part)
        packets[place : place + 3] = [(packets[place + i][0], packet) for i, (_, packet) in enumerate(part)]
    found, _ = read(tmp_path, pcapng(packets, log=wired.log))
    said = [(each.from_client, each.data) for each in found if isinstance(each, Frame)]
    assert [data for side, data in said if side] == [
        each.data for each in talk if isinstance(each, Frame) and each.from_client
    ]
    assert [data for side, data in said if not side] == [
        each.data for each in talk if isinstance(each, Frame) and not each.from_client
    ]


def test_the_connections_of_two_interfaces_come_in_the_order_of_time(tmp_path: Path) -> None:
    first = usual().happenings
    second = voice(ms=35).server({"op": 8, "d": {"heartbeat_interval": 13750}}).closes(1000, by="client").happenings
    wired, other = Wired(first), Wired(second)
    blocks = [packet_block(packet) for packet in wired.packets] + [
        packet_block(packet, number=1) for packet in other.packets
    ]
    data = section() + interface() + interface() + b"".join(blocks)
    found, _ = read(tmp_path, data, log=wired.log + other.log)
    assert [each.at_ns for each in found] == sorted(each.at_ns for each in found)
    assert len(found) == len(first) + len(second)


@pytest.mark.parametrize("how", ["TCP connection ended (FIN)", "TCP connection reset (RST)"])
@pytest.mark.parametrize("by", ["client", "server"])
def test_a_connection_that_breaks_off_says_who_broke_it_off_and_how(tmp_path: Path, how: str, by: str) -> None:
    talk = Conversation().opens().server(HELLO).closes(1006, how, by)  # type: ignore[arg-type]
    wired = Wired(talk.happenings)
    found, _ = read(tmp_path, pcapng(wired.packets, log=wired.log))
    assert plain(found) == plain(talk.happenings)


def test_a_connection_that_is_open_at_the_end_has_no_close(tmp_path: Path) -> None:
    wired = Wired(Conversation().opens().server(HELLO).happenings)
    found, notes = read(tmp_path, pcapng(wired.packets, log=wired.log))
    assert [type(each) for each in found] == [Opened, Frame]
    assert notes == []


def test_pings_are_rows(tmp_path: Path) -> None:
    wired = Wired(usual().happenings)
    found, _ = read(tmp_path, pcapng(wired.packets, log=wired.log))
    assert [each.name for each in found if isinstance(each, Control)] == ["ping"]


def test_a_refused_upgrade_is_told(tmp_path: Path) -> None:
    talk = Conversation().opens(status=429, refusal="HTTP 429 Refused").happenings
    wired = Wired(talk)
    found, _ = read(tmp_path, pcapng(wired.packets, log=wired.log))
    assert plain(found) == plain(talk)


@pytest.mark.parametrize(
    ("by", "refusal"),
    [
        ("client", "the client hung up before the server had answered the upgrade"),
        ("server", "the server hung up without answering the upgrade"),
    ],
)
def test_an_upgrade_that_nobody_answered_is_told(tmp_path: Path, by: str, refusal: str) -> None:
    talk = TcpTalk().opens().client(b"GET /?v=10 HTTP/1.1\r\nHost: gateway.discord.gg\r\nUpgrade: websocket\r\n\r\n")
    (opened,) = read(tmp_path, pcap(talk.ends_with(by).packets))[0]
    assert isinstance(opened, Opened)
    assert (opened.status, opened.refusal) == (None, refusal)


@pytest.mark.parametrize(("version", "cipher"), [ALL[0], ALL[-1]])
def test_a_certificate_that_the_client_does_not_trust_is_told(tmp_path: Path, version: str, cipher: str) -> None:
    pair = TlsPair(contexts=Contexts(version, cipher, trusts=False)).shake_hands()
    talk = TcpTalk().opens()
    for from_client, data in pair.flights:
        talk.say("client" if from_client else "server", data)
    (opened,) = read(tmp_path, pcap(talk.packets), log=pair.log)[0]
    assert isinstance(opened, Opened)
    assert (opened.url, opened.status) == ("wss://gateway.discord.gg/", None)
    assert opened.refusal == "TLS with the server failed: the client broke it off with unknown_ca (48)"


def test_the_packets_of_a_call_are_media(tmp_path: Path) -> None:
    wired = Wired(MEDIA)
    found, _ = read(tmp_path, pcap(wired.packets))
    assert isinstance(found[0], Opened)
    assert (found[0].plane, found[0].url) == (Plane.MEDIA, "udp://162.159.130.234:50001")
    assert [each for each in found if isinstance(each, Frame)] == [each for each in MEDIA if isinstance(each, Frame)]
    assert isinstance(found[-1], Closed)


def test_a_call_that_is_in_the_file_several_times_is_given_once(tmp_path: Path) -> None:
    packets = Wired(MEDIA).packets
    again = [(at_ns, packet.replace(bytes([10, 0, 0, 2]), bytes([10, 0, 0, 9]))) for at_ns, packet in packets]
    both = [packet for group in zip(packets, packets, again, strict=True) for packet in group]
    found, _ = read(tmp_path, pcap(both, COOKED))
    assert [each for each in found if isinstance(each, Frame)] == [each for each in MEDIA if isinstance(each, Frame)]


def test_packets_that_the_network_repeated_are_given_twice(tmp_path: Path) -> None:
    packets = Wired(MEDIA).packets
    found, _ = read(tmp_path, pcap([*packets, packets[-1]]))
    assert found[-2] == found[-3]


def test_a_server_of_ones_own_is_known_by_its_hello_and_others_are_not(tmp_path: Path) -> None:
    own = Conversation(url="ws://own.example/?v=9&encoding=json").opens().server(HELLO).client(identify())
    foreign = Conversation(url="ws://chat.example/?v=9&encoding=json", connection=2).opens().server({"hello": 1})
    wired = Wired([*own.happenings, *foreign.closes().happenings], None)
    found, notes = read(tmp_path, pcap(wired.packets))
    assert plain(found) == plain(own.happenings)
    assert notes == ["1 WebSocket was not a Discord gateway: chat.example"]


def test_what_comes_behind_an_undecided_connection_waits_for_it(tmp_path: Path) -> None:
    own = Conversation(url="ws://own.example/?v=9&encoding=json").opens().waits(900).server(HELLO)
    main = usual(connection=2, at_ns=NOON + 100)
    wired = Wired([*own.happenings, *main.happenings], None)
    found, _ = read(tmp_path, pcap(wired.packets, nanoseconds=True))
    assert [each.at_ns for each in found] == sorted(each.at_ns for each in found)
    assert len(found) == len(own.happenings) + len(main.happenings)


def without(packets: list[Packet], wanted: int) -> list[Packet]:
    """Return packets without the data packet of that number, from the end."""
    data = [place for place, (_, packet) in enumerate(packets) if len(packet) > 60]
    return [packet for place, packet in enumerate(packets) if place != data[wanted]]


def test_a_hole_ends_its_side_and_the_row_says_so(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).server(ready()).server(message("lost")).server(ACK)
    talk.waits(4000).client(HEARTBEAT).waits(4000).client(HEARTBEAT).server(ACK).closes(1000, by="client")
    wired = Wired(talk.happenings)
    lost = next(i for i, frame in enumerate(talk.frames) if b"lost" in frame.data)
    place = -(len(talk.frames) - lost + 2)
    found, _ = read(tmp_path, pcapng(without(wired.packets, place), log=wired.log))
    (gap,) = [each for each in found if isinstance(each, Gap)]
    assert (gap.sent, gap.received, gap.reason) == (0, 1, "packets")
    assert [each.data for each in found if isinstance(each, Frame) and each.from_client] == [
        frame.data for frame in talk.frames if frame.from_client
    ]
    assert [each.data for each in found if isinstance(each, Frame) and not each.from_client] == [
        frame.data for frame in talk.frames[:2]
    ]
    closed = found[-1]
    assert isinstance(closed, Closed)
    assert (closed.code, closed.by) == (1000, "client")


def test_a_file_that_is_cut_off_says_where(tmp_path: Path) -> None:
    talk = usual().happenings
    wired = Wired(talk)
    found, notes = read(tmp_path, pcapng(wired.packets, log=wired.log)[:-30])
    assert plain(found) == plain(talk)
    assert len(notes) == 1
    assert "day.pcap is cut off at byte " in notes[0]
    assert notes[0].endswith("; everything before that was read")


def test_packets_that_were_cut_short_say_how_to_record_them(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).server(message("x" * 500)).server(ACK)
    wired = Wired(talk.happenings, None)
    found, notes = read(tmp_path, pcap(wired.packets, snaplen=400))
    assert [each.reason for each in found if isinstance(each, Gap)] == ["packets"]
    assert "record whole packets (tcpdump -s 0, dumpcap -s 0)" in notes[0]


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_without_keys_it_says_where_the_connection_went_and_what_to_do(tmp_path: Path, version: str) -> None:
    cipher = next(cipher for known, cipher in ALL if known == version)
    wired = Wired(usual().happenings, version, cipher)
    found, notes = read(tmp_path, pcap(wired.packets))
    assert found == []
    assert notes[0].startswith("1 connection to gateway.discord.gg could not be decrypted: there are no keys; run the")
    assert "--keys keys.log" in notes[0]
    assert notes[1].endswith("has no gateway WebSocket in it: see above for what could not be read")


def test_a_key_log_without_keys_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.log").write_bytes(b"# nothing yet\njunk\n")
    (tmp_path / "day.pcap").write_bytes(pcap(Wired(usual().happenings).packets))
    source = open_source(tmp_path / "day.pcap", Hints(keys=(tmp_path / "empty.log",)))
    assert list(source) == []
    assert source.notes[0] == f"there are no TLS keys in {tmp_path / 'empty.log'}"


def test_keys_of_one_connection_only_are_told(tmp_path: Path) -> None:
    talk = usual(connection=2, at_ns=NOON + SECOND).happenings
    without_keys, wired = Wired(usual().happenings), Wired(talk)
    found, notes = read(tmp_path, pcapng(without_keys.packets + wired.packets, log=wired.log))
    assert len(found) == len(talk)
    assert "there are keys, but only of 1 other connection" in notes[0]


def test_a_cipher_that_is_not_read_is_named(tmp_path: Path) -> None:
    wired = Wired(usual().happenings, "TLSv1.2", "ECDHE-RSA-AES128-SHA256")
    _, notes = read(tmp_path, pcap(wired.packets), log=wired.log)
    assert notes[0].endswith("only AES-GCM and ChaCha20-Poly1305 are read, and the cipher was 0xc027")


def tls_talk(*, protocols: tuple[str, ...] = ()) -> tuple[TcpTalk, TlsPair]:
    pair = TlsPair(contexts=Contexts(protocols=protocols)).shake_hands().say("client", b"PRI * HTTP/2.0\r\n\r\n")
    talk = TcpTalk().opens()
    for from_client, data in pair.flights:
        talk.say("client" if from_client else "server", data)
    return talk, pair


@pytest.mark.parametrize("has_keys", [True, False])
def test_http_2_is_told(tmp_path: Path, has_keys: bool) -> None:
    talk, pair = tls_talk(protocols=("h2",))
    notes = read(tmp_path, pcap(talk.packets), log=pair.log if has_keys else b"#\n")[1]
    assert has_keys == ("the client uses HTTP/2 there" in notes[0])


def test_a_connection_that_was_open_before_is_told(tmp_path: Path) -> None:
    talk, pair = tls_talk()
    notes = read(tmp_path, pcap(talk.packets[-2:]), log=pair.log)[1]
    assert notes[0] == (
        "1 TLS connection could not be decrypted: already open when the recording began; start recording first, then "
        "the client"
    )


def test_other_link_types_are_told(tmp_path: Path) -> None:
    data = pcap([(NOON, b"E" * 60)], RAW)
    notes = read(tmp_path, data[:20] + b"\x69\0\0\0" + data[24:])[1]
    assert notes[0].startswith("1 packet skipped: gwinspect does not read link type 105; record on")


def test_a_connection_that_is_in_the_file_twice_is_given_once(tmp_path: Path) -> None:
    talk = usual().happenings
    wired = Wired(talk)
    # The same packets behind a router that translates addresses.
    again = [(at_ns, packet.replace(bytes([10, 0, 0, 2]), bytes([10, 0, 0, 9]))) for at_ns, packet in wired.packets]
    both = [packet for pair in zip(wired.packets, again, strict=True) for packet in pair]
    found, notes = read(tmp_path, pcapng(both, log=wired.log))
    assert plain(found) == plain(talk)
    assert notes == ["1 connection was recorded on more than one interface; shown once"]


def test_a_tunnel_through_a_proxy_is_read(tmp_path: Path) -> None:
    talk = usual().happenings
    wired = Wired(talk)
    tunnel = TcpTalk(("10.0.0.7", 50_001), ("10.0.0.8", 3128), segment=70_000, step_ns=0, at_ns=NOON - SECOND).opens()
    tunnel.client(b"CONNECT gateway.discord.gg:443 HTTP/1.1\r\nHost: gateway.discord.gg:443\r\n\r\n")
    tunnel.server(b"HTTP/1.1 200 OK\r\n\r\n")
    for at_ns, packet in wired.packets:
        tunnel.at_ns = at_ns
        side = "client" if packet[12:16] == bytes([10, 0, 0, 2]) else "server"
        if len(packet) > 40:
            tunnel.send(side, 16, packet[40:])
    found, _ = read(tmp_path, pcapng(tunnel.packets, log=wired.log))
    assert plain(found) == plain(talk)


def test_frames_that_break_the_rules_end_their_side(tmp_path: Path) -> None:
    wired = Wired(Conversation().opens().server(HELLO).happenings, None)
    talk = wired._connections[1].talk
    talk.at_ns += SECOND
    talk.server(b"\x83\x00").client(b"\x81\x00")
    found, _ = read(tmp_path, pcap(wired.packets))
    assert [type(each) for each in found] == [Opened, Frame, Gap, Frame]


def test_messages_that_never_become_whole_do_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "_MOST_HELD", 100_000)
    happenings = [each for n in range(1, 6) for each in Conversation(connection=n).opens().server(HELLO).happenings]
    wired = Wired(happenings, None)
    for each in wired._connections.values():
        each.talk.at_ns += SECOND
        each.talk.server(b"\x81\x7f" + (50_000).to_bytes(8, "big") + bytes(40_000))
    found, _ = read(tmp_path, pcap(wired.packets))
    assert sum(isinstance(each, Gap) for each in found) == 3


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    assert read(tmp_path, pcap([]))[1][0].endswith("has no gateway WebSocket in it: there are no packets in it")


@pytest.mark.parametrize("name", VERSIONS)
def test_what_dumpcap_recorded_of_discord_py_is_read(tmp_path: Path, name: str) -> None:
    found, notes = read(tmp_path, path_of(name).read_bytes())
    assert notes == []
    assert [each.url.partition("/?")[0] for each in found if isinstance(each, Opened)] == [
        "wss://gateway.discord.gg",
        "wss://gateway-us-east1-b.discord.gg",
    ]
    assert [(each.code, each.by) for each in found if isinstance(each, Closed)] == [(4000, "client")] * 2
    pipeline = Pipeline(default())
    rows = [event for each in found for event in pipeline.feed(each).rows]
    assert not [row for row in rows if row.kind is Kind.UNDECODED]
    events = [row.event for row in rows]
    assert [events.count(name) for name in ("READY", "RESUMED", "GUILD_MEMBERS_CHUNK")] == [1, 1, 1]
