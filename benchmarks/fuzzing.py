"""What damage does to the decoders of voice, its gateway's binary frames and its UDP: none may raise, or take long.

The frames are those of the tests, and one as large as a full call makes them; the packets are the simulator's. Each is
cut, or has bytes changed, put in, taken out or repeated, by dice that fall the same every time.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter

from benchmarks.corpus import SEED
from benchmarks.rounds import Figure, Section
from inspector.model import Payload, Undecoded
from inspector.simulator.server.media import Speaker, discovery_request, speech
from inspector.wire.packets import described, read_packet
from inspector.wire.unsealed import SealedError, read_trailer, reports, unseal
from inspector.wire.voice import read_binary
from tests.wire.dave_frames import APPEND_ADD, FRAMES, from_client

FRAMES_DAMAGED = 100_000
# Everybody in a voice channel, at most.
FULL_CALL = 99
# Damages to one frame, at most.
DAMAGES = 4

_MODES = ("aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize")
_KEY = bytes(range(32))
# 20 bytes, of which 10 are in clear; then the trailer.
_DAVE_FRAME = bytes(range(20)) + bytes.fromhex("a1a1a1a1a1a1a1a105000a0efafa")
# A sender report, a ping, a pong, a keep-alive, STUN, and the beginning of DTLS.
_OTHERS = (
    bytes.fromhex("80c80001000007d1"),
    bytes.fromhex("1337cafe00000001"),
    bytes.fromhex("1337f00d00000001"),
    bytes.fromhex("0100000000000000"),
    bytes.fromhex("000100002112a442") + bytes(12),
    bytes.fromhex("16fefd"),
)

Read = Callable[[bytes, bool, int | None], Payload | Undecoded]


def measure(count: int = FRAMES_DAMAGED, read: Read = read_binary) -> Section:
    """Decode `count` damaged frames, and say how long the slowest took and how many raised."""
    return _measure(f"{count:,} damaged binary frames of the voice gateway", count, damaged(count), read)


def measure_packets(count: int = FRAMES_DAMAGED) -> Section:
    """Do the same with packets: tell what they are, open them, look for DAVE's trailer."""
    return _measure(f"{count:,} damaged packets of a voice call", count, damaged_packets(count), _read_packet)


def _read_packet(data: bytes, from_client: bool, version: int | None) -> Payload | Undecoded:
    problems: tuple[str, ...] = ()
    packet, mode = read_packet(data), _MODES[len(data) % 2]
    read_trailer(data)
    try:
        if packet.kind == "rtcp":
            reports(data, mode, _KEY)
        else:
            unseal(data, packet, mode, _KEY)
    except SealedError as error:
        problems = (str(error),)
    return Payload("binary", data, None, None, None, described(data), {}, problems)


def _measure(title: str, count: int, cases: Iterable[tuple[bytes, bool]], read: Read) -> Section:
    raised: list[str] = []
    slowest, worst, problems = 0.0, b"", 0
    begin = perf_counter()
    for frame, client in cases:
        start = perf_counter()
        try:
            what = read(frame, client, 8)
        except Exception as error:
            raised.append(f"{error!r} for {frame[:64].hex()}")
        else:
            problems += isinstance(what, Undecoded) or bool(what.problems)
        seconds = perf_counter() - start
        if seconds > slowest:
            slowest, worst = seconds, frame
    total = perf_counter() - begin
    numbers = {"frames": count, "raised": len(raised), "with_problems": problems, "slowest_ms": slowest * 1e3}
    return Section(
        title,
        [
            Figure("frames that raised", size=f"{len(raised):,}, the first: {raised[0]}" if raised else "none"),
            Figure("frames with problems named", size=f"{problems:,}"),
            Figure("the slowest", size=f"{slowest * 1e3:.2f} ms for {len(worst):,} B", numbers=numbers),
            Figure("all of them, with the damaging", size=f"{total / count * 1e6:.1f} us each"),
        ],
    )


def damaged(count: int, seed: int = SEED) -> Iterator[tuple[bytes, bool]]:
    """Make `count` frames that are damaged behind their header, each with whether the client sent it."""
    dice = random.Random(seed)
    item = APPEND_ADD[6:]
    listed = item * FULL_CALL
    whole = [*FRAMES.values(), APPEND_ADD[:4] + (len(listed) | 2 << 30).to_bytes(4) + listed]
    # The large one is much of the work, and shows nothing new most of the time.
    weights = [10] * len(FRAMES) + [1]
    for _ in range(count):
        (frame,) = dice.choices(whole, weights)
        client = from_client(frame)
        header = 1 if client else 3
        body = bytearray(frame[header:])
        for _ in range(dice.randint(1, DAMAGES)):
            _damage(body, dice)
        yield frame[:header] + bytes(body), client


def damaged_packets(count: int, seed: int = SEED) -> Iterator[tuple[bytes, bool]]:
    """Make `count` packets, and frames with DAVE's trailer, that are damaged anywhere."""
    dice = random.Random(seed)
    sealed = [Speaker(2001, mode, _KEY).packet(frame) for mode in _MODES for frame in (*speech(3), _DAVE_FRAME)]
    whole = [discovery_request(1001), _DAVE_FRAME, *_OTHERS, *sealed]
    for _ in range(count):
        body = bytearray(dice.choice(whole))
        for _ in range(dice.randint(1, DAMAGES)):
            _damage(body, dice)
        yield bytes(body), dice.random() < 0.5


def _damage(body: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(body) + 1)
    match dice.randrange(6):
        case 0:
            del body[at:]
        case 1:
            del body[at : at + dice.randint(1, 8)]
        case 2:
            body[at:at] = dice.randbytes(dice.randint(1, 8))
        case 3:
            # Lengths and numbers have their bounds there.
            body[at : at + 1] = dice.choice(
                (b"\0", b"\1", b"\x3f", b"\x40", b"\x7f", b"\x80", b"\xbf", b"\xc0", b"\xff")
            )
        case 4:
            body[at : at + 1] = dice.randbytes(1)
        case _:
            body[at:at] = body[at : at + dice.randint(1, 200)] * dice.randint(1, 8)
