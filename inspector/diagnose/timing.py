"""Rules about times that repeat where they should not, and clocks that do not keep step."""

from collections.abc import Iterator
from typing import Any

from inspector.diagnose.rule import MS, SECOND, Noticed, Situation, closes, receives, rule, sends
from inspector.model import Closed, Knows, Plane, Severity
from inspector.session.state import Connection
from inspector.words import roughly

GATEWAY, MEDIA = Plane.GATEWAY, Plane.MEDIA
# Ends that come from between the two rather than from either of them.
_CUT = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1014})
# Connections in a row that make a pattern, and after how many it is said again.
PATTERN, AGAIN = 3, 10
# Below this age connections end for all kinds of reasons; ages may differ by so much, and one part in two hundred.
LEAST_AGE_NS, APART_NS = 30 * SECOND, SECOND // 2
# Ticks of Opus's clock in a millisecond.
_TICKS = 48
# From here on a clock is wrong and not the network: milliseconds, share of the time, and how much time is enough.
DRIFT_MS, DRIFT, ENOUGH_MS = 500, 0.05, 5000
# A pause between packets that can be heard, and one that none can have been between them.
BURST_MS, STEADY_MS = 300, 100
# Lengths of Opus's frames, in milliseconds.
_FRAMES_MS = (2.5, 5, 10, 20, 40, 60)
# No count that a real call has comes near it.
_LARGEST = 2**53


@rule(
    "cut-at-equal-age",
    Severity.WARN,
    closes(GATEWAY),
    remedy="Look for a time limit of that length on the way: a load balancer, a firewall, a proxy, a VPN. Raise it, or "
    "take that part out of the way; the client can do nothing about it.",
    source=("derived",),
    needs=Knows.TIMES,
)
def cut_at_equal_age(now: Situation) -> Iterator[Noticed]:
    """The client's connections are cut at the same age each time.

    Something between the client and Discord limits how long a connection may last.
    """
    closed = now.closed
    if closed is None or not _is_cut(now.connection, closed):
        return
    rows, ages = [now.event.n], [now.at_ns - now.connection.opened.at_ns]
    previous = now.connection.previous
    while previous is not None and len(ages) <= AGAIN:
        ended = now.world.ended.get(previous)
        if ended is None or not _is_cut(ended[0], ended[1].closed):
            break
        age = ended[1].at_ns - ended[0].opened.at_ns
        if max(age, *ages) - min(age, *ages) > APART_NS + ages[0] // 200:
            break
        rows.append(ended[1].n)
        ages.append(age)
        previous = ended[0].previous
    if min(ages) >= LEAST_AGE_NS and len(ages) in (PATTERN, AGAIN):
        mean = sum(ages) // len(ages)
        yield Noticed(
            f"This is number {len(ages)} in a row of the client's connections that was cut {roughly(mean)} after it "
            f"opened, give or take {roughly((max(ages) - min(ages) + 1) // 2)}.",
            tuple(rows),
        )


def _is_cut(connection: Connection, closed: Closed) -> bool:
    """Return whether a connection ended without a reason that either end gave."""
    return (
        closed.code in _CUT
        and closed.by == "server"
        and connection.main.reconnect is None
        and connection.main.refused is None
        and connection.accepted is not None
        # A client without heartbeats is cut for that.
        and connection.heartbeats.count > 0
        and len(connection.heartbeats.pending) < 2
        and not connection.opened.joined_late
    )


@rule(
    "media-clock-drift",
    Severity.WARN,
    sends(MEDIA, "rtp"),
    receives(MEDIA, "rtp"),
    remedy="Send one frame each 20 ms by a clock that does not add up delays: count from the start, and do not sleep "
    "for 20 ms after each frame. Count the timestamp on by 960 a frame.",
    source=("rfc3550", "official-voice", "derived"),
    needs=Knows.TIMES,
)
def media_clock_drift(now: Situation) -> Iterator[Noticed]:
    """Sound comes faster or slower than its timestamps say.

    Where it is too slow it breaks up; where it is too fast listeners drop what does not fit into their buffers.
    """
    run = _Run.of(now.d)
    if run is None or run.took_ms < ENOUGH_MS:
        return
    off = run.sound_ms - run.took_ms
    if abs(off) < max(DRIFT_MS, DRIFT * run.took_ms):
        return
    # Many clients let timestamps stand still while they pause.
    if off < 0 and run.longest_gap_ms > STEADY_MS:
        return
    which = "too fast" if off > 0 else "too slowly"
    yield Noticed(
        f"By their timestamps these packets hold {roughly(int(run.sound_ms * MS))} of sound, and they came within "
        f"{roughly(int(run.took_ms * MS))}: {which} by {100 * abs(off) / run.took_ms:.0f} %."
    )


@rule(
    "media-burst",
    Severity.WARN,
    sends(MEDIA, "rtp"),
    receives(MEDIA, "rtp"),
    remedy="Where the client sends: keep slow work off the thread that sends sound. Where it receives: look at the "
    "network, for buffers that are too large and at Wi-Fi.",
    source=("derived",),
    needs=Knows.TIMES,
)
def media_burst(now: Situation) -> Iterator[Noticed]:
    """Sound stopped for a moment and then came all at once.

    Listeners hear a gap although no packet is missing: what comes too late is not played.
    """
    run = _Run.of(now.d)
    if run is None or run.longest_gap_ms < BURST_MS or abs(run.sound_ms - run.took_ms) > STEADY_MS:
        return
    # With a real pause in it the frames would seem longer than any are.
    if any(abs(run.frame_ms - length) <= length / 100 for length in _FRAMES_MS):
        late = int(run.longest_gap_ms / run.frame_ms)
        who = "The client sent" if now.event.from_client else "There came"
        yield Noticed(
            f"{who} nothing for {roughly(int(run.longest_gap_ms * MS))}, and then some {late} packets at once."
        )


class _Run:
    """What a row of packets says of its times, in milliseconds."""

    def __init__(self, d: dict[str, Any], packets: int, sound_ms: float) -> None:
        self.sound_ms = sound_ms
        self.took_ms = _number(d, "duration_ms")
        self.longest_gap_ms = _number(d, "longest_gap_ms")
        self.frame_ms = sound_ms / (packets - 1)

    @classmethod
    def of(cls, d: Any) -> "_Run | None":
        """Return what a row of sound says; None where it says too little."""
        if type(d) is not dict or d.get("media") != "audio" or d.get("restarts"):
            return None
        packets = int(_number(d, "packets") - _number(d, "duplicates") + _number(d, "lost"))
        ticks = int(_number(d, "last_timestamp") - _number(d, "first_timestamp")) & 0xFFFFFFFF
        # What jumps back is no clock.
        if packets < 2 or not 0 < ticks < 1 << 31:
            return None
        return cls(d, packets, ticks / _TICKS)


def _number(d: dict[str, Any], key: str) -> float:
    value = d.get(key)
    return value if isinstance(value, int | float) and 0 <= value < _LARGEST else 0
