"""How a row crossed the wire, and what of it may be seen."""

import os
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Event, Kind, Knows, Mark, Plane
from inspector.protocol import registry
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows
from inspector.report.wire_view import ROW, HexLine, WireFacts, hex_lines, hexdump, wire_facts
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import (
    COMPRESSIONS,
    DIALECTS,
    ENCODINGS,
    HELLO,
    SESSION,
    TOKEN,
    Conversation,
    Payload,
    dispatch,
    identify,
    message,
    ready,
    usual,
)

TABLES = registry.default()
# Sixteen random letters, as a voice server's token is.
VOICE_TOKEN = "9f3ab2c1d4e5f607"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.gwcap"


def captured(path: Path, talk: Conversation, *, keep_secrets: bool = True) -> CaptureRows:
    writer = Writer(path, TABLES, made_by="test", keep_secrets=keep_secrets)
    writer.write(talk.happenings)
    writer.finish()
    return CaptureRows(Reader(path))


def facts_of(rows: CaptureRows, which: int | Event = -1, *, reveal: bool = False) -> WireFacts:
    event = which if isinstance(which, Event) else list(rows)[which]
    return wire_facts(Presenter(TABLES).show(event, rows), rows, TABLES, reveal=reveal)


def shown_bytes(facts: WireFacts) -> bytes:
    return b"".join(part for frame in facts.frames for part in (frame.data, frame.forwarded or b"")) + (
        facts.decoded or b""
    )


def runs(text: str, length: int = 6) -> Iterable[bytes]:
    return (text[at : at + length].encode() for at in range(len(text) - length + 1))


# What is known of the frames.


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_a_row_has_its_frames_their_sizes_and_how_they_were_made(path: Path, encoding: str, compression: str) -> None:
    talk = Conversation(encoding, compression).opens().server(HELLO).server(message("good morning " * 20))
    facts = facts_of(captured(path, talk), reveal=True)
    sent = talk.frames[-1]
    assert [(frame.number, frame.at_ns, frame.data) for frame in facts.frames] == [(3, sent.at_ns, sent.data)]
    assert [(frame.from_client, frame.is_text) for frame in facts.frames] == [(False, sent.is_text)]
    assert facts.decoded == talk.encoded(message("good morning " * 20))
    assert (facts.wire_bytes, facts.decoded_bytes) == (len(sent.data), len(facts.decoded))
    assert facts.ratio == facts.decoded_bytes / facts.wire_bytes
    assert facts.encoding == encoding
    assert facts.compression == (None if compression == "none" else compression)
    assert facts.notes == ()


def test_a_payload_in_pieces_has_all_of_them_and_nothing_in_between(path: Path) -> None:
    whole = Conversation("json", "zlib-stream").server(HELLO).frames[0].data
    talk = Conversation("json", "zlib-stream").opens()
    talk.frame(whole[:10]).client(identify()).pings().frame(whole[10:20]).frame(whole[20:])
    facts = facts_of(captured(path, talk), reveal=True)
    assert [frame.number for frame in facts.frames] == [2, 5, 6]
    assert b"".join(frame.data for frame in facts.frames) == whole


def test_what_a_client_sends_is_not_compressed_on_a_compressed_connection(path: Path) -> None:
    rows = captured(path, Conversation("etf", "zstd-stream").opens().server(HELLO).client(identify()))
    assert facts_of(rows, 1).compression == "zstd-stream"
    assert facts_of(rows, 2).compression is None


def test_payload_compression_is_that_of_single_payloads(path: Path) -> None:
    talk = Conversation("json", "payload").opens().server(HELLO).server(message("hi"))
    rows = captured(path, talk)
    assert [facts_of(rows, at).compression for at in (1, 2)] == [None, "payload"]


def test_control_and_close_frames_have_bytes_and_an_open_has_none(path: Path) -> None:
    rows = captured(path, Conversation().opens().pings().closes(4000, "why", "proxy"))
    opened, ping, closed = (facts_of(rows, at) for at in range(3))
    assert opened.frames == ()
    assert [(frame.data, frame.is_text) for frame in ping.frames] == [(b"\x01", None)]
    assert [frame.data for frame in closed.frames] == [b"\x0f\xa0why"]
    assert closed.decoded is None
    assert closed.ratio is None


def test_what_the_proxy_did_is_said_and_what_it_passed_on_is_shown(path: Path) -> None:
    talk = Conversation().opens().server(HELLO, marks=Mark.CHANGED, forwarded=b'{"op":10}')
    facts = facts_of(captured(path, talk))
    assert facts.frames[0].forwarded == b'{"op":10}'
    assert facts.frames[0].marks == Mark.CHANGED
    sizes = f"9 B instead of {len(talk.frames[0].data)} B"
    assert facts.notes == (f"The proxy forwarded something else in place of frame 2: {sizes}.",)


def test_an_injected_message_stands_apart_from_the_stream_around_it(path: Path) -> None:
    talk = Conversation("json", "zlib-stream").opens().server(HELLO).injected(HELLO).server(message("hi"))
    rows = captured(path, talk)
    facts = facts_of(rows, 2)
    assert facts.compression is None
    assert [frame.number for frame in facts.frames] == [3]
    assert facts.notes == ("The proxy created this; the other end never sent it.",)


def test_a_second_payload_of_one_message_says_where_its_bytes_are(path: Path) -> None:
    talk, apart = Conversation("json", "zlib-stream").opens(), Conversation("json", "zlib-stream")
    two = apart.encoded(HELLO) + apart.encoded(message("hi"))
    rows = captured(path, talk.junk(two))
    assert "It came in the same message as the row before, which has all of the bytes." in facts_of(rows).notes


def test_frames_whose_secrets_were_never_stored_say_so(path: Path) -> None:
    rows = captured(path, Conversation().opens().client(identify()), keep_secrets=False)
    facts = facts_of(rows, reveal=True)
    assert any("when they were recorded" in note for note in facts.notes)
    assert TOKEN.encode() not in shown_bytes(facts)


def test_the_websockets_own_compression_is_mentioned(path: Path) -> None:
    headers = {"response-sec-websocket-extensions": "permessage-deflate; server_no_context_takeover"}
    facts = facts_of(captured(path, Conversation().opens(headers=headers).server(HELLO)))
    assert any("permessage-deflate" in note for note in facts.notes)


def test_of_a_payload_of_a_log_it_is_said_that_its_bytes_are_not_the_wires(path: Path) -> None:
    rows = captured(path, Conversation().opens(knows=Knows.ALL & ~Knows.WIRE).server(HELLO))
    assert facts_of(rows).notes == ("They are the payload as its log has it; what was on the wire is not known.",)


def test_raw_and_frames_of_a_row_are_the_same_bytes(path: Path) -> None:
    rows = captured(path, usual("etf", "zstd-stream"))
    for event in rows:
        frames = [frame.data for frame in rows.reader.frames(event)]
        messages = event.kind in (Kind.PAYLOAD, Kind.UNDECODED)
        assert rows.reader.raw(event) == (frames if messages else [])


# Secrets.


def secret_payloads() -> list[Payload]:
    return [
        ready(),
        dispatch("VOICE_SERVER_UPDATE", {"token": VOICE_TOKEN, "guild_id": "1180000000000000042"}, 2),
        dispatch("VOICE_SERVER_UPDATE", {"token": VOICE_TOKEN[::-1], "guild_id": "1180000000000000042"}, 3),
        dispatch("BRAND_NEW", {"token": {"a": [SESSION]}, "text": f"see {TOKEN}"}, 4),
    ]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_secret_can_be_read_in_any_bytes_that_are_shown(path: Path, encoding: str, compression: str) -> None:
    talk = Conversation(encoding, compression).opens().server(HELLO).client(identify())
    for payload in secret_payloads():
        talk.server(payload)
    rows = captured(path, talk)
    for event in rows:
        seen = shown_bytes(facts_of(rows, event))
        for secret in (TOKEN, SESSION, VOICE_TOKEN, VOICE_TOKEN[::-1]):
            assert [run for run in runs(secret) if run in seen] == []


def test_a_short_token_is_readable_in_compressed_bytes_and_is_masked_there(path: Path) -> None:
    """zstd leaves what does not repeat as it is, if there is little of it."""
    talk = Conversation("json", "zstd-stream").opens().server(HELLO)
    for payload in secret_payloads()[1:3]:
        talk.server(payload)
    rows = captured(path, talk)
    facts, bare = facts_of(rows), facts_of(rows, reveal=True)
    assert [run for run in runs(VOICE_TOKEN[::-1]) if run in bare.frames[0].data]
    masked, data = facts.frames[0].data, bare.frames[0].data
    assert len(masked) == len(data)
    assert all(new in (old, ord("*")) for new, old in zip(masked, data, strict=True))


def test_a_secret_of_another_payload_in_the_same_message_is_masked_too(path: Path) -> None:
    apart = Conversation("json", "zstd-stream").server(HELLO)
    for payload in (*secret_payloads()[1:3], HELLO):
        apart.server(payload)
    talk = Conversation("json", "zstd-stream").opens().frame(b"".join(frame.data for frame in apart.frames))
    rows = captured(path, talk)
    assert [run for run in runs(VOICE_TOKEN[::-1]) if run in facts_of(rows, reveal=True).frames[0].data]
    for at in range(1, 5):
        assert [run for run in runs(VOICE_TOKEN[::-1]) if run in facts_of(rows, at).frames[0].data] == []


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_masked_bytes_are_as_long_as_they_were(path: Path, encoding: str, compression: str) -> None:
    rows = captured(path, Conversation(encoding, compression).opens().server(HELLO).server(ready()))
    masked, bare = facts_of(rows), facts_of(rows, reveal=True)
    assert [len(frame.data) for frame in masked.frames] == [len(frame.data) for frame in bare.frames]
    assert masked.decoded is not None
    assert bare.decoded is not None
    assert len(masked.decoded) == len(bare.decoded)
    assert SESSION.encode() in bare.decoded


def test_what_has_no_secret_is_shown_as_it_is(path: Path) -> None:
    rows = captured(path, usual("json", "zlib-stream"))
    event = next(event for event in rows if event.event == "MESSAGE_CREATE")
    assert shown_bytes(facts_of(rows, event)) == shown_bytes(facts_of(rows, event, reveal=True))


def test_what_was_passed_on_instead_is_masked_too(path: Path) -> None:
    talk = Conversation().opens()
    talk.server(ready(), marks=Mark.CHANGED, forwarded=talk.encoded(ready(SESSION[::-1])))
    assert SESSION[::-1].encode() not in shown_bytes(facts_of(captured(path, talk)))


@pytest.mark.parametrize("plane", [plane for plane in Plane if plane is not Plane.MEDIA])
def test_of_what_could_not_be_read_nothing_is_shown(path: Path, plane: Plane) -> None:
    talk = Conversation(plane=plane).opens().frame(b'{"op":0,"d":{"token":"%s","x":' % TOKEN.encode(), is_text=True)
    facts = facts_of(captured(path, talk))
    assert facts.decoded is None
    assert facts.frames[0].data == b"*" * facts.wire_bytes
    assert "hidden unless secrets are revealed" in facts.notes[-1]


def test_a_broken_stream_is_there_to_look_at_once_secrets_are_revealed(path: Path) -> None:
    """Deflate may leave text as it is, so nobody knows what is in it."""
    broken = b"\x78\x9c" + bytes(range(128, 200)) + b"\x00\x00\xff\xff"
    rows = captured(path, Conversation("json", "zlib-stream").opens().frame(broken))
    assert facts_of(rows).frames[0].data == b"*" * len(broken)
    assert facts_of(rows, reveal=True).frames[0].data == broken


# Hexdumps.


def test_a_hexdump_has_sixteen_bytes_a_line() -> None:
    data = b'{"op":10,"d":{}}\x00\x1b\xff~'
    assert list(hexdump(data)) == [
        HexLine("00000000", "7b 22 6f 70 22 3a 31 30  2c 22 64 22 3a 7b 7d 7d", '{"op":10,"d":{}}'),
        HexLine("00000010", "00 1b ff 7e                                     ", "...~"),
    ]


def test_a_hexdump_begins_at_the_line_that_is_asked_for() -> None:
    data = bytes(range(256))
    assert [line.offset for line in hexdump(data, 3, 2)] == ["00000030", "00000040"]
    assert list(hexdump(data, 16, 5)) == []
    assert list(hexdump(b"")) == []


@given(st.binary(max_size=100), st.integers(-5, 12), st.integers(-2, 12))
def test_any_window_of_a_hexdump_is_part_of_the_whole(data: bytes, offset: int, count: int) -> None:
    whole = list(hexdump(data, 0, hex_lines(data)))
    assert bytes.fromhex("".join(line.hex for line in whole)) == data
    assert all(len(line.hex) == 3 * ROW and line.text.isascii() and line.text.isprintable() for line in whole)
    first = max(0, offset)
    assert list(hexdump(data, offset, count)) == whole[first : first + max(0, count)]


def test_a_line_far_inside_costs_no_more_than_the_first() -> None:
    data = os.urandom(1 << 24)
    start = perf_counter()
    lines = list(hexdump(data, hex_lines(data) - 40, 40))
    assert len(lines) == 40
    assert perf_counter() - start < 0.05
