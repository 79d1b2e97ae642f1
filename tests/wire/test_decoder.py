"""What a decoder makes of conversations that are odd, and of those that are not. Properties stand in test_streams."""

import json
import tracemalloc
import zlib

import pytest
import zstandard

from inspector.model import ABSENT, Frame, Mark, Payload, Plane, Undecoded
from inspector.wire import inflate as inflate_module
from inspector.wire.decoder import MAX_EXTRA, MAX_PAYLOADS, Decoder, Reading, read_payload
from tests.conversation import (
    ACK,
    DIALECTS,
    HELLO,
    Conversation,
    compressor,
    dispatch,
    identify,
    message,
    ready,
    usual,
)
from tests.wire.etf_encoder import encode

STREAMS = ["zlib-stream", "zstd-stream"]
LONG = message("the same words again and again, " * 300)


def read(talk: Conversation, *, late: bool = False) -> list[Reading]:
    """Return all that a decoder for `talk` reads, with frames numbered from 1."""
    decoder = Decoder(talk.plane, talk.url, joined_late=late)
    readings = [r for number, frame in enumerate(talk.frames, start=1) for r in decoder.receive(frame, number)]
    return readings + decoder.finish()


def told(talk: Conversation, *, late: bool = False) -> list[int | str | None]:
    """Return the opcode of each payload, the reason where there is none."""
    return [r.what.op if isinstance(r.what, Payload) else r.what.reason for r in read(talk, late=late)]


def alone(data: bytes, *, plane: Plane = Plane.GATEWAY, url: str = "", text: bool = True, client: bool = False):
    [reading] = Decoder(plane, url).receive(Frame(1, 0, client, text, data))
    return reading.what


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_a_conversation_reads_the_same_in_every_dialect(encoding: str, compression: str) -> None:
    plain = [(r.what.op, r.what.event, r.what.seq, r.what.d) for r in read(usual())]
    assert [(r.what.op, r.what.event, r.what.seq, r.what.d) for r in read(usual(encoding, compression))] == plain


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
@pytest.mark.parametrize("claim", ["", "zlib-stream", "zstd-stream"])
def test_a_url_that_lies_about_compression_is_not_believed(encoding: str, compression: str, claim: str) -> None:
    url = f"wss://gateway.discord.gg/?v=10&encoding={encoding}&compress={claim}"
    assert told(usual(encoding, compression, url=url)) == told(usual())


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_a_url_without_parameters_is_enough(encoding: str, compression: str) -> None:
    assert told(usual(encoding, compression, url="wss://gateway.discord.gg")) == told(usual())


def test_a_url_that_lies_about_the_encoding_is_contradicted_once() -> None:
    talk = usual("etf", url="wss://gateway.discord.gg/?v=10&encoding=json")
    problems = [r.what.problems for r in read(talk)]
    assert problems[0] == ("the URL says json, this is etf",)
    assert not any(problems[1:])


@pytest.mark.parametrize("compression", STREAMS)
def test_a_payload_may_take_several_messages(compression: str) -> None:
    talk = Conversation("json", compression).server(HELLO).server(LONG, pieces=4).server(ACK)
    assert [(r.what.op, r.first_frame) for r in read(talk)] == [(10, 1), (0, 2), (11, 6)]
    assert [r.wire_bytes for r in read(talk)] == [
        len(talk.frames[0].data),
        sum(len(frame.data) for frame in talk.frames[1:5]),
        len(talk.frames[5].data),
    ]


def test_the_flush_may_stand_in_the_middle_of_a_message_and_be_cut() -> None:
    compress = compressor("zlib-stream")
    first, second = compress(json.dumps(HELLO).encode()), compress(json.dumps(ACK).encode())
    together = Conversation("json", "zlib-stream").frame(first + second)
    cut = Conversation("json", "zlib-stream").frame(first[:-2]).frame(first[-2:]).frame(second)
    assert told(together) == told(cut) == [10, 11]
    assert [r.first_frame for r in read(cut)] == [1, 3]


def test_a_payload_in_very_many_pieces_is_read_when_it_is_whole() -> None:
    data = zstandard.ZstdCompressor(level=1).compressobj()
    text = json.dumps(LONG).encode()
    talk = Conversation("json", "zstd-stream")
    for at in range(0, len(text), 100):
        talk.frame(data.compress(text[at : at + 100]) + data.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    talk.frame(data.compress(json.dumps(ACK).encode()) + data.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    assert len(talk.frames) > 90
    assert told(talk) == [0, 11]


def test_messages_that_are_not_compressed_may_stand_between_the_others() -> None:
    talk = Conversation("json", "zlib-stream").server(HELLO)
    talk.frame(b'{"op":11}', is_text=True).server(message("hi"))
    assert told(talk) == [10, 11, 0]


def test_what_crosses_two_connections_never_shares_a_context() -> None:
    first, second = usual("json", "zlib-stream"), usual("etf", "zlib-stream")
    decoders = [Decoder(talk.plane, talk.url) for talk in (first, second)]
    ops: list[list[int | str | None]] = [[], []]
    for pair in zip(first.frames, second.frames, strict=True):
        for decoder, frame, found in zip(decoders, pair, ops, strict=True):
            found += [r.what.op for r in decoder.receive(frame)]
    assert ops[0] == ops[1] == told(usual())


@pytest.mark.parametrize("compression", STREAMS)
@pytest.mark.parametrize("url", [None, ""])
def test_a_recording_that_begins_late_says_so_once(compression: str, url: str | None) -> None:
    talk = Conversation("json", compression, url=url).server(HELLO).server(LONG).server(LONG).server(ACK)
    del talk.happenings[0]
    talk.client(identify())
    decoder = Decoder(talk.plane, talk.url, joined_late=True)
    readings = [r.what for frame in talk.frames for r in decoder.receive(frame)]
    assert [(type(what), what.reason) for what in readings[:1]] == [(Undecoded, "joined-late")]
    assert [what.op for what in readings[1:]] == [2]
    assert decoder.unread_frames == 2
    assert decoder.unread_bytes == sum(len(frame.data) for frame in talk.frames[1:3])


@pytest.mark.parametrize("first", [b"{", b"\x83"])
def test_the_middle_of_a_stream_may_begin_like_a_payload(first: bytes) -> None:
    talk = Conversation("json", "zlib-stream").frame(first + b"\x04\x11").frame(b"\x99\x02")
    assert told(talk, late=True) == ["joined-late"]


def test_a_stream_that_ends_and_goes_on_says_so() -> None:
    stream = zlib.compressobj()
    talk = Conversation("json", "zlib-stream").frame(stream.compress(b'{"op":10}') + stream.flush(zlib.Z_SYNC_FLUSH))
    talk.frame(stream.flush()).frame(b"more")
    assert told(talk) == [10, "ended"]


@pytest.mark.parametrize("junk", [b"{not json", b"\x00\xff", b'{"op":0,"d":', b"[1,", b"\x83t\x00\x00\x00\x05"])
@pytest.mark.parametrize("compression", STREAMS)
def test_junk_in_a_good_stream_costs_only_itself(compression: str, junk: bytes) -> None:
    talk = Conversation("json", compression).server(HELLO).junk(junk).server(message("hi")).server(ACK)
    readings = read(talk)
    assert [type(r.what) for r in readings] == [Payload, Undecoded, Payload, Payload]
    assert [r.wire_bytes for r in readings] == [len(frame.data) for frame in talk.frames]
    assert [r.first_frame for r in readings] == [1, 2, 3, 4]


def test_a_payload_that_never_ends_is_told_at_the_close() -> None:
    talk = Conversation("json", "zlib-stream").server(HELLO).server(LONG, pieces=3)
    talk.happenings.pop()
    last = read(talk)[-1]
    assert isinstance(last.what, Undecoded)
    assert (last.what.reason, last.first_frame) == ("truncated", 2)
    assert last.wire_bytes == sum(len(frame.data) for frame in talk.frames[1:])


def test_a_message_without_bytes_is_no_payload() -> None:
    assert alone(b"").reason == "empty"
    for compressed in (zlib.compress(b""), zlib.compress(b"   ")):
        assert alone(compressed, text=False).reason == "truncated"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bring the bounds on what may be inflated down to sizes that a test can pass."""
    monkeypatch.setattr(inflate_module, "MAX_PAYLOAD", 1_000_000)
    monkeypatch.setattr(inflate_module, "SPARE", 2_000_000)


def compressed_term(value: object) -> bytes:
    term = encode(value)[1:]
    return b"\x83P" + len(term).to_bytes(4) + zlib.compress(term)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("compression", ["payload", *STREAMS])
def test_a_bomb_is_not_inflated_into_memory(compression: str) -> None:
    bomb = compressor(compression)(b"[" + b" " * 50_000_000)
    tracemalloc.start()
    try:
        talk = Conversation("json", compression).frame(bomb)
        assert told(talk) == ["limit"]
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("compression", ["payload", *STREAMS])
def test_bombs_that_are_small_enough_one_by_one_have_a_limit_together(compression: str) -> None:
    compress, talk = compressor(compression), Conversation("json", compression)
    for _ in range(4):
        talk.frame(compress(b'"' + b" " * 900_000 + b'"'))
    assert told(talk)[0] is None
    assert told(talk)[-1] == "limit"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize("compression", ["none", *STREAMS])
def test_compressed_terms_of_etf_share_the_limit(compression: str, client: bool) -> None:
    """One inflates as much as a compressed payload does, and within a stream it does so once more."""
    compress, talk = compressor(compression), Conversation("etf", compression)
    bomb = compressed_term({"op": 1, "d": "0" * 900_000})
    for _ in range(4):
        talk.frame(bomb, from_client=True) if client else talk.frame(compress(bomb))
    assert told(talk) == [1, 1, "limit", "limit"]


def test_a_compressed_term_reads_the_same_alone() -> None:
    """A capture keeps it compressed, so what makes a row has to be readable again, and whatever is not has none."""
    for size, outcome in ((3_000_000, Payload), (60_000_000, Undecoded)):
        data = compressed_term({"op": 1, "d": "0" * size})
        assert type(alone(data, text=False)) is outcome
        assert type(read_payload(Plane.GATEWAY, "etf", data)) is outcome


def test_a_bomb_of_small_payloads_is_bounded() -> None:
    talk = Conversation("json", "zlib-stream").server(HELLO).junk(b"{}" * 100_000).server(ACK)
    found = told(talk)
    assert found[-2:] == ["limit", 11]
    assert len(found) == MAX_PAYLOADS + 3


def test_bombs_of_small_payloads_have_a_limit_together() -> None:
    """495,000 rows came out of 0.4 MB."""
    talk = Conversation("json", "zlib-stream").server(HELLO)
    for _ in range(50):
        talk.junk(b'{"op":1}' * 50)
    found = told(talk.server(ACK))
    assert len(found) == 1 + 50 + MAX_EXTRA + found.count("limit") + 1
    assert found[-3:] == [1, "limit", 11]


def test_a_client_that_compresses_is_told_of() -> None:
    what = alone(zlib.compress(json.dumps(identify()).encode()), text=False, client=True)
    assert (what.op, what.problems) == (2, ("clients must not compress what they send (close 4002)",))


def test_what_a_server_closes_for_is_told_from_what_is_merely_odd() -> None:
    atoms, compressed = encode({"op": 1, "d": None}, keys="atom"), zlib.compress(b'{"op":1}')
    for data in (atoms, compressed):
        assert alone(data, text=False, client=True).refused
        assert not alone(data, text=False).refused
    odd = alone(b'{"op":"1"} more', client=True)
    assert odd.problems
    assert not odd.refused


def test_the_voice_gateway_refuses_json_in_a_binary_message() -> None:
    data = b'{"op":5,"d":{}}'
    read = [alone(data, plane=Plane.VOICE, text=False, client=client) for client in (True, False)]
    assert [what.refused for what in read] == [True, False]
    assert all("JSON in a binary message" in what.problems[0] for what in read)


def test_atoms_as_keys_are_wrong_only_from_a_client() -> None:
    data = encode({"op": 1, "d": None}, keys="atom")
    assert "atoms" in alone(data, text=False, client=True).problems[0]
    assert alone(data, text=False).problems == ()
    assert alone(encode({"op": 1, "d": None}), text=False, client=True).problems == ()


def test_what_the_proxy_injects_says_nothing_about_the_connection() -> None:
    decoder = Decoder(Plane.GATEWAY, "")
    decoder.receive(Frame(1, 0, False, False, zlib.compress(b'{"op":7}'), Mark.INJECTED))
    assert (decoder.compression, decoder.compression_seen) == (None, None)


@pytest.mark.parametrize(
    ("op", "read_as", "problem"),
    [
        ('"0"', 0, "op is the text '0', not a number"),
        ("1.0", 1, "op is written 1.0, not as a whole number"),
        ("1.5", None, "op is a number, not a whole number"),
        ("null", None, "there is no op"),
        ("[1]", None, "op is a list, not a whole number"),
        ("true", None, "op is true or false, not a whole number"),
        ("-1", -1, None),
        ("97", 97, None),
        (str(2**63), None, "op is a number of more than 64 bits, not a whole number"),
        ('"one"', None, "op is text, not a whole number"),
    ],
)
@pytest.mark.parametrize("plane", [Plane.GATEWAY, Plane.VOICE])
def test_odd_opcodes_are_made_the_best_of(plane: Plane, op: str, read_as: int | None, problem: str | None) -> None:
    what = alone(f'{{"op":{op},"d":{{}}}}'.encode(), plane=plane)
    assert (what.op, what.problems) == (read_as, (problem,) if problem else ())


@pytest.mark.parametrize("plane", [Plane.GATEWAY, Plane.VOICE])
def test_a_missing_opcode_is_told(plane: Plane) -> None:
    assert alone(b'{"d":1}', plane=plane).problems == ("there is no op",)


def test_odd_events_and_sequences_are_told_and_left_out() -> None:
    what = alone(b'{"op":0,"t":5,"s":"x","d":{}}')
    assert (what.event, what.seq) == (None, None)
    assert what.problems == ("t is a number, not text", "s is text, not a whole number")
    huge = alone(encode({"op": 10**6000, "s": 10**6000}), text=False)
    assert (huge.op, huge.seq, len(huge.problems)) == (None, None, 2)


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [(b"null", None, "null"), (b"[1]", [1], "a list"), (b'"x"', "x", "text"), (b"5", 5, "a number")],
)
@pytest.mark.parametrize("plane", Plane)
def test_what_is_no_object_is_kept_whole(plane: Plane, text: bytes, value: object, found: str) -> None:
    what = alone(text, plane=plane)
    assert (what.op, what.d) == (None, value)
    assert what.problems == (f"not an object with op and d but {found}",)


def test_keys_that_the_envelope_does_not_know_are_kept() -> None:
    assert alone(b'{"op":0,"d":{},"s":1,"t":"X","nonce":7}').extra == {"nonce": 7}
    assert alone(b'{"op":8,"d":{},"seq":1,"t":"X"}', plane=Plane.VOICE).extra == {"t": "X"}


def test_an_absent_body_is_not_a_null_one() -> None:
    assert alone(b'{"op":11}').d is ABSENT
    assert alone(b'{"op":11,"d":null}').d is None


def test_bytes_after_a_payload_are_told() -> None:
    what = alone(b'{"op":1,"d":5} {"op":1}')
    assert (what.d, what.data, what.problems) == (5, b'{"op":1,"d":5}', ("8 more bytes follow the payload",))


def test_text_that_is_not_quite_json_is_read_and_told() -> None:
    assert alone(b'\xef\xbb\xbf{"op":1}').problems == ("the text begins with a byte order mark",)
    assert alone(b'{"op":1,"d":"\xff"}').problems == ("some bytes are not UTF-8",)


def test_remote_auth_has_words_for_opcodes() -> None:
    hello = alone(b'{"op":"hello","timeout_ms":1,"heartbeat_interval":2}', plane=Plane.REMOTE_AUTH)
    assert (hello.op, hello.d, hello.extra) == ("hello", {"timeout_ms": 1, "heartbeat_interval": 2}, {})
    assert alone(b'{"op":"heartbeat"}', plane=Plane.REMOTE_AUTH).d is ABSENT
    assert alone(b'{"op":5}', plane=Plane.REMOTE_AUTH).problems == ("op is a number, not a word",)


def test_rpc_has_a_command_and_an_event() -> None:
    text = b'{"cmd":"DISPATCH","evt":"READY","data":{"v":1},"nonce":null}'
    what = alone(text, plane=Plane.RPC)
    assert (what.op, what.event, what.d) == ("DISPATCH", "READY", {"data": {"v": 1}, "nonce": None})
    assert alone(b'{"evt":"READY"}', plane=Plane.RPC).problems == ("there is no cmd",)


def test_json_in_a_binary_message_is_told_on_voice() -> None:
    what = alone(b'{"op":3,"d":{"t":1}}', plane=Plane.VOICE, url="wss://x/?v=8", text=False, client=True)
    assert (what.encoding, what.op) == ("json", 3)
    assert what.problems == ("JSON in a binary message, which the voice gateway refuses",)


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_a_payload_reads_the_same_again(encoding: str, compression: str) -> None:
    for frame, reading in zip(usual(encoding, compression).frames, read(usual(encoding, compression)), strict=True):
        what = reading.what
        again = read_payload(Plane.GATEWAY, what.encoding, what.data, from_client=frame.from_client)
        assert (again.op, again.event, again.seq, again.d) == (what.op, what.event, what.seq, what.d)


@pytest.mark.parametrize("encoding", ["json", "etf", "binary"])
@pytest.mark.parametrize("plane", Plane)
def test_nothing_reads_as_truncated(plane: Plane, encoding: str) -> None:
    assert read_payload(plane, encoding, b"").reason == "truncated"


def test_a_dispatch_needs_no_sequence() -> None:
    assert alone(json.dumps(dispatch("RESUMED", None, 5) | {"s": None}).encode()).seq is None
    assert alone(json.dumps(ready()).encode()).seq == 1
