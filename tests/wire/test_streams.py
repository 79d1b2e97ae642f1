"""What must hold of a decoder whatever it is fed: any bytes, any split of a stream into messages, any encoding."""

import json
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Frame, Mark, Payload, Plane, Undecoded
from inspector.wire.decoder import Decoder

from .dave_frames import COMMIT, KEY_PACKAGE
from .etf_encoder import encode

pytestmark = pytest.mark.compat

GATEWAY = "wss://gateway.discord.gg/"
URLS = st.sampled_from(
    [GATEWAY, "", "wss://x.discord.media/?v=8", "wss://x.discord.media/?v=4"]
    + [f"{GATEWAY}?v=10&encoding={e}&compress={c}" for e in ("json", "etf") for c in ("", "zlib-stream", "zstd-stream")]
)
PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"\x78\x9c", b"\x28\xb5\x2f\xfd", b"\x83", b"{", b"}", b"\x00\x00\xff\xff", b'{"op":10}']),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcd", max_size=4), inner, max_size=4),
    max_leaves=8,
)
ENVELOPES = st.builds(
    lambda event, seq, d: {"op": 0, "d": d, "s": seq, "t": event},
    st.sampled_from(["READY", "MESSAGE_CREATE", "NEW_THING"]),
    st.integers(1, 2**31),
    st.dictionaries(st.text("abcd", min_size=1, max_size=4), VALUES, max_size=4),
)


def server(data: bytes, **more) -> Frame:
    return Frame(1, 0, False, False, data, **more)


def compressed(compression: str, texts: list[bytes]) -> list[bytes]:
    """One message a payload, each ending with a flush."""
    if compression == "zlib-stream":
        stream = zlib.compressobj()
        return [stream.compress(text) + stream.flush(zlib.Z_SYNC_FLUSH) for text in texts]
    zstd = zstandard.ZstdCompressor().compressobj()
    return [zstd.compress(text) + zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for text in texts]


@given(
    plane=st.sampled_from(Plane),
    url=URLS,
    late=st.booleans(),
    frames=st.lists(
        st.tuples(st.lists(PIECES, max_size=4).map(b"".join), st.booleans(), st.booleans(), st.sampled_from([0, 1, 2])),
        max_size=6,
    ),
)
def test_any_bytes_become_payloads_or_reasons(plane: Plane, url: str, late: bool, frames: list) -> None:
    decoder = Decoder(plane, url, joined_late=late)
    for number, (data, from_client, is_text, mark) in enumerate(frames, start=1):
        for reading in decoder.receive(Frame(1, 0, from_client, is_text, data, Mark(mark)), number):
            assert isinstance(reading.what, Payload | Undecoded)
    decoder.finish()


@given(
    envelopes=st.lists(ENVELOPES, min_size=1, max_size=4),
    compression=st.sampled_from(["zlib-stream", "zstd-stream"]),
    encoding=st.sampled_from(["json", "etf"]),
    data=st.data(),
)
def test_any_split_of_a_stream_decodes_the_same(envelopes: list, compression: str, encoding: str, data) -> None:
    texts = [encode(e) if encoding == "etf" else json.dumps(e).encode() for e in envelopes]
    stream = b"".join(compressed(compression, texts))
    cuts = sorted(data.draw(st.lists(st.integers(1, len(stream)), max_size=6), label="cuts"))
    decoder = Decoder(Plane.GATEWAY, f"{GATEWAY}?v=10&encoding={encoding}&compress={compression}")
    readings = [
        reading
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        if start < end
        for reading in decoder.receive(server(stream[start:end]))
    ]
    readings += decoder.finish()
    assert [(r.what.event, r.what.seq, r.what.d) for r in readings] == [(e["t"], e["s"], e["d"]) for e in envelopes]
    assert sum(r.wire_bytes for r in readings) == len(stream)


@pytest.mark.parametrize("compression", ["zlib-stream", "zstd-stream"])
def test_a_stream_joined_late_is_said_once_and_counted(compression: str) -> None:
    texts = [json.dumps({"op": 0, "t": "X", "s": n, "d": {"text": "the same again " * 9}}).encode() for n in range(5)]
    decoder = Decoder(Plane.GATEWAY, f"{GATEWAY}?v=10&encoding=json&compress={compression}")
    readings = [r.what for data in compressed(compression, texts)[1:] for r in decoder.receive(server(data))]
    assert [what.reason for what in readings] == ["joined-late"]
    assert readings[0].offset == 0
    assert decoder.unread_frames == 3


def test_a_lost_message_is_said_once_and_client_frames_still_decode() -> None:
    texts = [json.dumps({"op": 0, "t": "X", "s": n, "d": {"n": "text" * n}}).encode() for n in range(6)]
    frames = compressed("zlib-stream", texts)
    frames[2] = bytes(reversed(frames[2]))
    decoder = Decoder(Plane.GATEWAY, f"{GATEWAY}?v=10&encoding=json&compress=zlib-stream")
    readings = [r.what for data in frames for r in decoder.receive(server(data))]
    assert [type(what) for what in readings] == [Payload, Payload, Undecoded]
    assert readings[2].reason == "corrupt"
    heartbeat = decoder.receive(Frame(1, 0, True, True, b'{"op":1,"d":5}'))[0].what
    assert (heartbeat.op, heartbeat.d) == (1, 5)


@pytest.mark.parametrize("compression", ["zlib-stream", "zstd-stream"])
def test_a_bomb_ends_the_stream_with_a_reason(compression: str) -> None:
    [bomb] = compressed(compression, [b" " * 200_000_000])
    decoder = Decoder(Plane.GATEWAY, f"{GATEWAY}?v=10&encoding=json&compress={compression}")
    assert [r.what.reason for r in decoder.receive(server(bomb))] == ["limit"]


@pytest.mark.parametrize("compression", ["zlib-stream", "zstd-stream"])
def test_what_the_proxy_injects_stays_out_of_the_stream(compression: str) -> None:
    texts = [json.dumps({"op": 0, "t": "X", "s": n, "d": {}}).encode() for n in (1, 2)]
    first, second = compressed(compression, texts)
    decoder = Decoder(Plane.GATEWAY, f"{GATEWAY}?v=10&encoding=json&compress={compression}")
    frames = [server(first), server(b'{"op":7,"d":null}', marks=Mark.INJECTED), server(second)]
    assert [r.what.op for frame in frames for r in decoder.receive(frame)] == [0, 7, 0]


def test_what_the_proxy_dropped_or_changed_is_in_the_stream_as_it_was_sent() -> None:
    texts = [json.dumps({"op": 0, "t": "X", "s": n, "d": {}}).encode() for n in (1, 2, 3)]
    first, second, third = compressed("zlib-stream", texts)
    decoder = Decoder(Plane.GATEWAY, f"{GATEWAY}?v=10&encoding=json&compress=zlib-stream")
    changed = server(second, marks=Mark.CHANGED, forwarded=b"something else")
    frames = [server(first, marks=Mark.DROPPED), changed, server(third)]
    assert [r.what.seq for frame in frames for r in decoder.receive(frame)] == [1, 2, 3]


def test_payload_compression_is_a_stream_a_message_and_not_on_every_payload() -> None:
    decoder = Decoder(Plane.GATEWAY, f"{GATEWAY}?v=10&encoding=json")
    frames = [
        Frame(1, 0, False, True, b'{"op":10,"d":{}}'),
        server(zlib.compress(b'{"op":0,"t":"READY","s":1,"d":{}}')),
        Frame(1, 0, False, True, b'{"op":11}'),
        server(zlib.compress(b'{"op":0,"t":"X","s":2,"d":{}}')),
    ]
    assert [r.what.op for frame in frames for r in decoder.receive(frame)] == [10, 0, 11, 0]
    assert decoder.compression_seen == "payload"


@pytest.mark.parametrize("compression", ["zlib-stream", "zstd-stream"])
def test_a_url_without_parameters_is_told_by_the_first_bytes(compression: str) -> None:
    texts = [json.dumps({"op": 0, "t": "X", "s": n, "d": {}}).encode() for n in (1, 2)]
    decoder = Decoder(Plane.GATEWAY, GATEWAY)
    assert [r.what.seq for data in compressed(compression, texts) for r in decoder.receive(server(data))] == [1, 2]
    assert decoder.compression == compression


def test_voice_messages_are_binary_where_the_frame_is() -> None:
    decoder = Decoder(Plane.VOICE, "wss://x.discord.media/?v=8")
    received = decoder.receive(Frame(1, 0, False, False, COMMIT))[0].what
    assert (received.encoding, received.op, received.seq, received.d["transition_id"]) == ("binary", 29, 4, 7)
    sent = decoder.receive(Frame(1, 0, True, False, KEY_PACKAGE))[0].what
    assert (sent.op, sent.seq, sent.d["user_id"]) == (26, None, "104694319306248192")
    hello = decoder.receive(Frame(1, 0, False, True, b'{"op":8,"d":{"v":8},"seq":1}'))[0].what
    assert (hello.op, hello.seq, hello.d) == (8, 1, {"v": 8})


def test_ids_and_larger_numbers_keep_every_digit() -> None:
    text = b'{"op":0,"t":"X","s":1,"d":{"id":41771983423143937,"big":123456789012345678901234567890}}'
    d = Decoder(Plane.GATEWAY, GATEWAY).receive(Frame(1, 0, False, True, text))[0].what.d
    assert d == {"id": 41771983423143937, "big": 123456789012345678901234567890}
