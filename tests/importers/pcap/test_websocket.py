"""WebSocket frames are read as wsproto, which writes them here, means them."""

import zlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol, Opcode

from inspector.importers.pcap import websocket
from inspector.importers.pcap.websocket import BINARY, CLOSE, PING, PONG, TEXT, Frames, Message, read_close

DEFLATE = "permessage-deflate"
ACCEPTED = [
    "",
    DEFLATE,
    f"{DEFLATE}; server_no_context_takeover; client_no_context_takeover",
    f"{DEFLATE}; server_max_window_bits=9; client_max_window_bits=10",
]


def writer(is_client: bool, accepted: str) -> FrameProtocol:
    extension = PerMessageDeflate()
    if accepted:
        extension.finalize(accepted)
    return FrameProtocol(client=is_client, extensions=[extension] if accepted else [])


def read(data: bytes, accepted: str = "", *, from_client: bool = False) -> tuple[list[Message], str | None]:
    frames = Frames(from_client, accepted)
    return frames.receive(data), frames.problem


@pytest.mark.parametrize("accepted", ACCEPTED)
@pytest.mark.parametrize("from_client", [True, False])
@pytest.mark.parametrize("sizes", [0, 1, 100])
def test_what_was_sent_is_read_in_pieces_of_any_size(accepted: str, from_client: bool, sizes: int) -> None:
    sends, dice = writer(from_client, accepted), Random(sizes)
    texts = ["", "hello", "hello again, hello", "x" * 125, "y" * 126, "z" * 65_535, "ö" * 40_000]
    data = b"".join(sends.send_data(text, fin=True) for text in texts)
    data += sends.send_data(b"\0\xff" * 300, fin=True) + sends.ping(b"p") + sends.pong(b"q") + sends.close(4000, "bye")
    frames, found = Frames(from_client, accepted), []
    while data:
        size = dice.randint(1, sizes) if sizes else len(data)
        found += frames.receive(data[:size])
        data = data[size:]
    assert frames.problem is None
    assert found[:-4] == [(TEXT, text.encode()) for text in texts]
    assert found[-4:] == [(BINARY, b"\0\xff" * 300), (PING, b"p"), (PONG, b"q"), (CLOSE, b"\x0f\xa0bye")]


@pytest.mark.parametrize("accepted", ACCEPTED)
def test_fragments_are_joined_and_controls_may_come_between(accepted: str) -> None:
    sends = writer(False, accepted)
    first, ping, last = sends.send_data("one ", fin=False), b"\x89\x00", sends.send_data("two", fin=True)
    data = first + ping + last + sends.send_data("three", fin=True)
    assert read(data, accepted) == ([(PING, b""), (TEXT, b"one two"), (TEXT, b"three")], None)


def test_a_message_that_was_not_compressed_may_come_between_others() -> None:
    packed = zlib.compressobj(wbits=-15)
    body = packed.compress(b"packed") + packed.flush(zlib.Z_SYNC_FLUSH)
    data = bytes([0xC1, len(body) - 4]) + body[:-4] + b"\x81\x05plain"
    assert read(data, DEFLATE) == ([(TEXT, b"packed"), (TEXT, b"plain")], None)


def test_a_client_that_does_not_mask_is_read_all_the_same() -> None:
    assert read(b"\x81\x02hi", from_client=True)[0] == [(TEXT, b"hi")]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\xc1\x00", "a frame has bits set that mean nothing here"),
        (b"\xa1\x00", "a frame has bits set that mean nothing here"),
        (b"\x83\x00", "there is no frame of type 3"),
        (b"\x8b\x00", "there is no frame of type 11"),
        (b"\x09\x00", "a control frame is longer than it may be, or in fragments"),
        (b"\x89\x7e\x00\x7e", "a control frame is longer than it may be, or in fragments"),
        (b"\x80\x00", "a fragment has no beginning"),
        (b"\x01\x00\x01\x00", "a message begins inside another"),
        (b"\x81\x7f" + b"\xff" * 8, "a message has more than 64 MB"),
    ],
)
def test_what_breaks_the_rules_ends_it_and_what_came_before_is_kept(data: bytes, problem: str) -> None:
    frames = Frames(False, "")
    assert frames.receive(b"\x81\x02hi" + data + b"\x81\x02no") == [(TEXT, b"hi")]
    assert frames.problem == problem
    assert frames.receive(b"\x81\x02no") == []


def test_a_message_that_cannot_be_inflated_ends_it() -> None:
    assert read(b"\xc1\x04\xff\xff\xff\xff", DEFLATE)[1] == "a compressed message cannot be inflated"


def test_inflating_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_LONGEST", 1024**2)
    data = writer(False, DEFLATE).send_data(bytes(2 * 1024**2), fin=True)
    assert len(data) < 10_000
    assert read(data, DEFLATE) == ([], "a message has more than 1 MB")


def test_fragments_without_end_stop_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_LONGEST", 1024**2)
    assert read(b"\x01\x00" + b"\x00\x00" * 20_000)[1] == "a message has more than 1 MB"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [(b"", (1005, "")), (b"\x03", (1005, "")), (b"\x03\xe8", (1000, "")), (b"\x0f\xa4bad \xff", (4004, "bad \ufffd"))],
)
def test_a_close_has_code_and_reason(data: bytes, wanted: tuple[int, str]) -> None:
    assert read_close(data) == wanted


@given(
    pieces=st.lists(st.binary(max_size=40), max_size=20),
    accepted=st.sampled_from(ACCEPTED),
    data=st.binary(max_size=200),
)
def test_no_bytes_raise(pieces: list[bytes], accepted: str, data: bytes) -> None:
    frames = Frames(True, accepted)
    frames.receive(writer(False, accepted).send_data(data, fin=True))
    for piece in pieces:
        frames.receive(piece)


@given(parts=st.lists(st.binary(max_size=300), max_size=20), cuts=st.randoms(use_true_random=False))
def test_wsproto_reads_the_same(parts: list[bytes], cuts: Random) -> None:
    sends, reads, frames = writer(True, DEFLATE), writer(False, DEFLATE), Frames(True, DEFLATE)
    theirs: list[Message] = []
    ours: list[Message] = []
    for part in parts:
        data = sends.send_data(part, fin=True)
        reads.receive_bytes(data)
        whole = b""
        for frame in reads.received_frames():
            assert frame.opcode is Opcode.BINARY
            whole += bytes(frame.payload)
        theirs.append((BINARY, whole))
        cut = cuts.randint(0, len(data))
        ours += frames.receive(data[:cut]) + frames.receive(data[cut:])
    assert ours == theirs
