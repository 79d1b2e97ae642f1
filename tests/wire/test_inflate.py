import random
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.wire.inflate import MAX_RATIO, SPARE, WINDOW_LOG_MAX, Budget, InflateError, Zlib, Zstd, inflate_whole

pytestmark = pytest.mark.compat

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MESSAGES = [
    b'{"op":10,"d":{"heartbeat_interval":41250},"s":null,"t":null}',
    b'{"op":11,"d":null,"s":null,"t":null}',
    b'{"op":0,"d":{"id":"1"},"s":1,"t":"X"}',
]
ZLIB_STREAM = [
    "789caa56ca2f50b23234d0514a51b2aa56ca484d2c2a494a4d2c89cfcc2b492d2a4bcc51b23231343235a8d5512a56b2ca2bcdc9d1512a81306a0100"
    "0000ffff",
    "aa86e83504eb854861a801000000ffff",
    "82a881199f0924950c952086198255294528d502000000ffff",
]
ZSTD_STREAM = [
    "28b52ffd0058e001007b226f70223a31302c2264223a7b226865617274626561745f696e74657276616c223a34313235307d2c2273223a6e756c6c2c"
    "2274223a6e756c6c7d",
    "8400001031730500476d00e37c4e807b3f5341",
    "d40000687b6964223a223122312258227d0400498580629818082e7005",
]
WHOLE = bytes.fromhex("789cab56ca2f50b23234d4514a51b2ca2bcdc9d1512a86314a208c5a00c2420b32")
MAX = 10_000
KINDS = [Zlib, Zstd]

Kind = type[Zlib] | type[Zstd]


def compress(kind: Kind, messages: Iterable[bytes]) -> list[bytes]:
    """Return the messages as a server would send them: flushed, and the stream not ended."""
    if kind is Zlib:
        deflate = zlib.compressobj()
        return [deflate.compress(message) + deflate.flush(zlib.Z_SYNC_FLUSH) for message in messages]
    compressor = zstd.ZstdCompressor()
    return [compressor.compress(message, compressor.FLUSH_BLOCK) for message in messages]


def failure(call: Callable[[], object]) -> InflateError:
    with pytest.raises(InflateError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(("kind", "frames"), [(Zlib, ZLIB_STREAM), (Zstd, ZSTD_STREAM)])
def test_vectors(kind: Kind, frames: list[str]) -> None:
    stream = kind()
    assert [stream.feed(bytes.fromhex(frame), MAX) for frame in frames] == MESSAGES
    assert not stream.ended


def test_a_message_may_be_cut_in_two() -> None:
    stream = Zlib()
    data = bytes.fromhex(ZLIB_STREAM[0])
    assert stream.feed(data[:20], MAX) + stream.feed(data[20:], MAX) == MESSAGES[0]


@pytest.mark.parametrize("kind", KINDS)
@given(messages=st.lists(st.binary(max_size=200), max_size=6), cuts=st.lists(st.integers(0, 500)))
def test_any_split_of_a_stream_inflates_to_the_same(kind: Kind, messages: list[bytes], cuts: list[int]) -> None:
    data = b"".join(compress(kind, messages))
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    stream = kind()
    pieces = [data[start:end] for start, end in pairwise(edges)]
    assert b"".join(stream.feed(piece, MAX) for piece in pieces) == b"".join(messages)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.binary(max_size=60), at=st.integers(0, 200), limit=st.integers(0, 400))
def test_any_bytes_give_output_within_the_limit_or_an_error(kind: Kind, data: bytes, at: int, limit: int) -> None:
    stream = kind()
    good = b"".join(compress(kind, MESSAGES))
    reasons = set()
    for piece in (good[:at] + data, data, good):
        try:
            inflated = stream.feed(piece, limit)
        except InflateError as error:
            reasons.add(error.reason)
            inflated = error.partial
        assert len(inflated) <= limit
    assert reasons <= {"corrupt", "limit", "joined-late", "ended"}


@pytest.mark.parametrize("kind", KINDS)
def test_output_of_exactly_the_limit_is_fine(kind: Kind) -> None:
    frames = compress(kind, [b"x" * 1000, b"y"])
    stream = kind()
    assert stream.feed(frames[0], 1000) == b"x" * 1000
    error = failure(lambda: stream.feed(frames[1], 0))
    assert (error.reason, error.offset, error.partial) == ("limit", len(frames[0]), b"")


@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb_is_stopped_while_it_inflates(kind: Kind) -> None:
    bomb = compress(kind, [bytes(100_000_000)])[0]
    tracemalloc.start()
    error = failure(lambda: kind().feed(bomb, 1_000_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (error.reason, len(error.partial)) == ("limit", 1_000_000)
    assert peak < 10_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_of_many_steps_is_whole(kind: Kind) -> None:
    message = random.Random(1).randbytes(300_000)
    assert kind().feed(compress(kind, [message])[0], 300_000) == message


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_without_its_beginning_was_joined_late(kind: Kind) -> None:
    error = failure(lambda: kind().feed(compress(kind, MESSAGES)[1], MAX))
    assert (error.reason, error.offset, error.partial) == ("joined-late", 0, b"")
    assert "was expected, and it begins with" in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_may_come_byte_by_byte(kind: Kind) -> None:
    stream = kind()
    for byte in compress(kind, MESSAGES[:1])[0][:3]:
        assert stream.feed(bytes([byte]), MAX) == b""
    error = failure(lambda: [stream.feed(b"\xff", MAX) for stream in [kind()] for _ in range(2)])
    assert error.reason == "joined-late"


@pytest.mark.parametrize("flags", [0x01, 0x5E, 0x9C, 0xDA])
def test_every_level_of_zlib_is_a_beginning(flags: int) -> None:
    assert Zlib().feed(bytes([0x78, flags]), MAX) == b""


def test_a_zlib_header_is_checked() -> None:
    for header in ("789d", "7899", "799c", "889a", "78bb"):
        assert failure(lambda header=header: Zlib().feed(bytes.fromhex(header), MAX)).reason == "joined-late"  # type: ignore[misc]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_breaks_says_where(kind: Kind) -> None:
    frames = compress(kind, MESSAGES)
    stream = kind()
    stream.feed(frames[0], MAX)
    error = failure(lambda: stream.feed(b"\xff" * 20, MAX))
    assert (error.reason, error.offset) == ("corrupt", len(frames[0]))
    assert "do not inflate" in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_keeps_what_was_inflated_before(kind: Kind) -> None:
    message = random.Random(1).randbytes(100_000)
    error = failure(lambda: kind().feed(compress(kind, [message])[0] + b"\xff" * 20, 1_000_000))
    assert error.reason == "corrupt"
    assert len(error.partial) > 50_000
    assert message.startswith(error.partial)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_repeated(kind: Kind) -> None:
    """What follows a lost context could only be guessed at."""
    frames = compress(kind, MESSAGES)
    stream = kind()
    first = failure(lambda: stream.feed(frames[0], 5))
    again = failure(lambda: stream.feed(frames[1], MAX))
    assert (again.reason, again.offset, str(again)) == (first.reason, first.offset, str(first))


def test_what_follows_the_end_of_a_zlib_stream_is_an_error() -> None:
    stream = Zlib()
    assert stream.feed(WHOLE, MAX) == MESSAGES[1]
    assert stream.ended
    assert stream.feed(b"", MAX) == b""
    assert failure(lambda: stream.feed(b"x", MAX)).reason == "ended"
    error = failure(lambda: Zlib().feed(WHOLE + b"x", MAX))
    assert (error.reason, error.offset, error.partial) == ("ended", len(WHOLE), MESSAGES[1])


def test_a_zstd_frame_may_follow_another() -> None:
    stream = Zstd()
    frame = zstd.compress(b"one")
    assert stream.feed(frame * 3, MAX) == b"one" * 3
    assert stream.feed(frame[:2], MAX) + stream.feed(frame[2:], MAX) == b"one"
    error = failure(lambda: stream.feed(frame + b"\0more", MAX))
    assert (error.reason, error.offset, error.partial) == ("ended", 5 * len(frame), b"one")


def test_zstd_frames_that_say_skip_me_are_skipped() -> None:
    skipped = bytes.fromhex("5a2a4d18") + struct.pack("<I", 3) + b"any"
    assert Zstd().feed(skipped + zstd.compress(b"one") + skipped, MAX) == b"one"


@pytest.mark.parametrize("power", [WINDOW_LOG_MAX, WINDOW_LOG_MAX + 1])
def test_the_window_of_zstd_is_bounded(power: int) -> None:
    frame = bytes.fromhex("28b52ffd 00") + bytes([(power - 10) << 3]) + bytes.fromhex("190000") + b"one"
    if power <= WINDOW_LOG_MAX:
        assert Zstd().feed(frame, MAX) == b"one"
    else:
        assert failure(lambda: Zstd().feed(frame, MAX)).reason == "limit"


def test_a_zstd_frame_in_one_segment_is_bounded_by_its_content() -> None:
    frame = bytes.fromhex("28b52ffd a0") + struct.pack("<I", (1 << WINDOW_LOG_MAX) + 1)
    assert failure(lambda: Zstd().feed(frame, MAX)).reason == "limit"
    assert Zstd().feed(zstd.compress(b"x" * 300), MAX) == b"x" * 300


def test_a_whole_stream_inflates() -> None:
    assert inflate_whole(WHOLE, len(MESSAGES[1])) == MESSAGES[1]


@pytest.mark.parametrize(
    ("data", "limit", "reason"),
    [
        (WHOLE, 35, "limit"),
        (WHOLE[:-1], MAX, "corrupt"),
        (WHOLE + b"x", MAX, "corrupt"),
        (WHOLE[2:], MAX, "corrupt"),
        (WHOLE[:10] + b"\xff" + WHOLE[11:], MAX, "corrupt"),
        (b"", MAX, "corrupt"),
    ],
)
def test_a_whole_stream_is_exactly_that(data: bytes, limit: int, reason: str) -> None:
    assert failure(lambda: inflate_whole(data, limit)).reason == reason


def test_a_budget_counts_what_was_received_and_what_was_inflated() -> None:
    budget = Budget()
    data = zlib.compress(bytes(3_000_000))
    budget.receive(len(data))
    assert len(budget.inflate(inflate_whole, data)) == 3_000_000
    assert budget.left == SPARE + MAX_RATIO * len(data) - 3_000_000
    assert failure(lambda: budget.inflate(inflate_whole, data)).reason == "limit"


def test_what_came_to_nothing_counts_too() -> None:
    """It took as long to inflate; else any number of bombs could be tried for the price of one."""
    budget = Budget()
    for data in (zlib.compress(bytes(3_000_000))[:-4], zlib.compress(bytes(3_000_000))):
        failure(lambda data=data: budget.inflate(inflate_whole, data))  # type: ignore[misc]
    assert budget.left == 0
