"""Voice packets folded into rows: one for what a source says in one go, with loss and jitter, never one a packet.

A *run* is what one SSRC sends in one direction until it pauses, or for some seconds. IP discovery stays apart, as each
of its packets says something of its own. Time comes with the packets. Memory has a bound, whatever arrives.

Loss and jitter are counted as in RFC 3550, appendices A.1, A.3 and A.8, but for one thing: jitter is measured only
between packets of a run that follow each other by number, as clients do not let timestamps go on while they pause.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from inspector.model import Frame, Mark, Payload
from inspector.session.messages import Codec, Selected
from inspector.session.state import Connection
from inspector.wire.decoder import Last, Reading
from inspector.wire.packets import RTCP_TYPES, Packet, Rtp, described, read_packet

SECOND = 1_000_000_000
# How long a source may pause within a run, and how long a run may be; what comes every 5 s or so may take longer.
PAUSE_NS, LENGTH_NS = 1 * SECOND, 10 * SECOND
SLOW_PAUSE_NS, SLOW_LENGTH_NS = 12 * SECOND, 60 * SECOND
# Runs and sources that are kept at once, on one connection.
MAX_RUNS = 256
# Pings that may wait for their answers, and round trips that a row is made of.
MAX_PINGS, MAX_TRIPS = 16, 1000
# RFC 3550, A.1: what is further ahead, or further back, is a source that has begun again.
MAX_DROPOUT, MAX_DISORDER = 3000, 100
# Sequence numbers back that are remembered one by one.
_REMEMBERED = 64
_RECENT = (1 << _REMEMBERED) - 1

OPUS = Codec(120, "opus", "audio")
"""What the server takes for granted where Select Protocol names no codecs."""
USUAL_CODECS = {120: OPUS, 111: Codec(111, "opus", "audio")}
"""By payload type; 111 is what browsers mostly call Opus."""
# Ticks of timestamps in a second: Opus has these, every video codec those.
_AUDIO_CLOCK, _VIDEO_CLOCK = 48_000, 90_000

Key = tuple[bool, str, int | None]
"""Whether the client sent it, what it is, whose it is."""


@dataclass(slots=True)
class RtpSource:
    """One SSRC in one direction, over all its runs."""

    highest: int
    """The highest sequence number, counted on where it wraps."""
    recent: int = 1
    """Which numbers up to the highest have come: bit 0 stands for the highest."""
    timestamp: int = 0
    at_ns: int = 0
    jitter: float = 0.0
    """In units of the codec's clock."""


@dataclass(slots=True)
class Run:
    """Packets that make one row."""

    kind: str
    from_client: bool
    ssrc: int | None
    first_frame: int
    first_ns: int
    user_id: str | None = None
    """Whose packets they are, as the voice connection tells; None where it has not told."""
    last_frame: int = 0
    last_ns: int = 0
    packets: int = 0
    wire_bytes: int = 0
    packet: bytes | None = None
    """The packet itself, where it has a row of its own."""
    expected: int = 0
    """RTP packets, by their numbers."""
    duplicates: int = 0
    reordered: int = 0
    restarts: int = 0
    gap_ns: int = 0
    """The longest pause within the run."""
    jitter_ns: float = 0.0
    first: Rtp | None = None
    last: Rtp | None = None
    codec: Codec | None = None
    marked: int = 0
    types: Counter[int] = field(default_factory=Counter)
    """RTCP packets, by type."""
    trips_ns: list[int] = field(default_factory=list)
    """Of answers to pings and keep-alives: how long they took, the first `MAX_TRIPS`."""
    with_dave: int = 0
    """Packets whose frames end in DAVE's trailer, of those that were looked into."""
    without_dave: int = 0
    """And those whose frames do not."""
    begins: str = ""
    """Of what is unknown: how the first packet begins, in hex."""

    @property
    def lost(self) -> int:
        """RTP packets that never came, as far as can be told by the end of the run."""
        return max(0, self.expected - (self.packets - self.duplicates))

    def body(self) -> dict[str, Any]:
        """Return what a row says: counts, times in milliseconds, sizes in bytes."""
        d: dict[str, Any] = {}
        if self.ssrc is not None:
            d["ssrc"] = self.ssrc
        if self.user_id is not None:
            d["user_id"] = self.user_id
        if self.last is not None:
            if self.codec is not None:
                d |= {"media": self.codec.media, "codec": self.codec.name}
            d["payload_type"] = self.last.payload_type
        d |= {"packets": self.packets, "bytes": self.wire_bytes, "duration_ms": _ms(self.last_ns - self.first_ns)}
        if self.first is not None and self.last is not None:
            d |= {
                "lost": self.lost,
                "duplicates": self.duplicates,
                "reordered": self.reordered,
                "jitter_ms": _ms(self.jitter_ns),
                "longest_gap_ms": _ms(self.gap_ns),
                "first_sequence": self.first.sequence,
                "last_sequence": self.last.sequence,
                "first_timestamp": self.first.timestamp,
                "last_timestamp": self.last.timestamp,
                "marked": self.marked,
                "extension": self.last.profile is not None,
            }
            if self.with_dave or self.without_dave:
                d |= {"with_dave": self.with_dave, "without_dave": self.without_dave}
            if self.restarts:
                d["restarts"] = self.restarts
        if self.types:
            d["types"] = {str(RTCP_TYPES.get(number, number)): count for number, count in sorted(self.types.items())}
        if self.trips_ns:
            d["round_trip_ms"] = {
                "min": _ms(min(self.trips_ns)),
                "mean": _ms(sum(self.trips_ns) / len(self.trips_ns)),
                "max": _ms(max(self.trips_ns)),
            }
        if self.begins:
            d["begins"] = self.begins
        return d


class Media:
    """Reads one UDP connection, as a `Decoder` reads others: packets are folded, and a run of them is a reading.

    `find_voice` returns its voice connection, given one of its SSRCs.
    """

    encoding = compression_seen = None
    unread_frames = unread_bytes = 0

    def __init__(self, find_voice: Callable[[int | None], Connection | None]) -> None:
        self._find_voice = find_voice
        self._voice: Connection | None = None
        self._selected: Selected | None = None
        self._codecs = USUAL_CODECS
        self._runs: OrderedDict[Key, Run] = OrderedDict()
        self._sources: OrderedDict[tuple[bool, int], RtpSource] = OrderedDict()
        self._pings: OrderedDict[tuple[bool, str, int], int] = OrderedDict()
        self._is_over = False

    def receive(self, frame: Frame, number: int) -> list[Reading]:
        """Take one packet, the `number`-th of all happenings, and return the runs that it ends, in order."""
        data, from_client, at_ns = frame.data, frame.from_client, frame.at_ns
        packet = read_packet(data)
        if packet.kind == "discovery":
            run = Run(
                "discovery", from_client, packet.ssrc, number, at_ns, last_frame=number, last_ns=at_ns, packet=data
            )
            run.packets, run.wire_bytes = 1, len(data)
            return [self._read(run)]
        key = from_client, packet.kind, packet.ssrc
        ended: list[Reading] = []
        if key in self._runs and _has_ended(self._runs[key], at_ns):
            ended.append(self._read(self._runs.pop(key)))
        if key in self._runs:
            run = self._runs[key]
        else:
            if len(self._runs) >= MAX_RUNS:
                ended.append(self._read(self._runs.popitem(last=False)[1]))
            run = self._runs[key] = Run(packet.kind, from_client, packet.ssrc, number, at_ns, last_ns=at_ns)
            if packet.kind == "unknown":
                run.begins = described(data)["begins"]
            self._meet(run)
        self._attribute(run)
        if packet.rtp is not None:
            self._count(run, packet.rtp, at_ns)
            if frame.marks is not Mark.NONE:
                run.with_dave += Mark.DAVE in frame.marks
                run.without_dave += Mark.NO_DAVE in frame.marks
        elif packet.kind == "rtcp":
            run.types[data[1]] += 1
        elif packet.number is not None:
            self._time(run, packet, at_ns)
        run.gap_ns = max(run.gap_ns, at_ns - run.last_ns)
        run.last_frame, run.last_ns = number, max(at_ns, run.last_ns)
        run.packets += 1
        run.wire_bytes += len(data)
        return ended + self._end() if self._is_over else ended

    def expire(self, at_ns: int) -> list[Reading]:
        """Return the runs that have ended, as it is `at_ns` now."""
        ended = [key for key, run in self._runs.items() if _has_ended(run, at_ns)]
        return [self._read(self._runs.pop(key)) for key in ended]

    def skip(self, received: int) -> list[Reading]:
        """Go on behind packets that were not recorded, so that they do not count as lost; return the runs so far."""
        self._sources.clear()
        self._pings.clear()
        return self._end()

    def finish(self) -> list[Reading]:
        """Return the runs that are left. What comes after the end is a run on its own, packet by packet."""
        self._is_over = True
        return self._end()

    def let_go(self) -> None:
        """Give up what a `Decoder` has to; there is nothing here."""

    def _end(self) -> list[Reading]:
        left = [self._read(run) for run in self._runs.values()]
        self._runs.clear()
        return left

    def _read(self, run: Run) -> Reading:
        """Return what a row says of a run: one packet as it is, or our own account of many, which were encrypted."""
        self._meet(run)
        self._attribute(run)
        if run.packet is not None:
            payload = Payload("binary", run.packet, run.kind, None, None, described(run.packet))
        else:
            d = run.body()
            payload = Payload("json", orjson.dumps({"op": run.kind, "d": d}), run.kind, None, None, d)
        return Reading(payload, run.first_frame, run.wire_bytes, Last(run.last_frame, run.last_ns, run.from_client))

    def _count(self, run: Run, rtp: Rtp, at_ns: int) -> None:
        assert run.ssrc is not None
        key = run.from_client, run.ssrc
        source = self._sources.get(key)
        if run.first is None:
            run.first = run.last = rtp
        run.codec = self._codec(rtp.payload_type)
        run.marked += rtp.marker
        if source is None:
            if len(self._sources) >= MAX_RUNS:
                self._sources.popitem(last=False)
            self._sources[key] = RtpSource(rtp.sequence, 1, rtp.timestamp, at_ns)
            run.last = rtp
            run.expected += 1
            return
        ahead = (rtp.sequence - source.highest + 0x8000 & 0xFFFF) - 0x8000
        if -MAX_DISORDER < ahead <= 0:
            self._count_late(run, source, -ahead)
            return
        if 0 < ahead < MAX_DROPOUT:
            if ahead == 1 and run.packets:
                self._measure(run, source, rtp, at_ns)
            run.expected += ahead
            source.highest += ahead
            source.recent = (source.recent << ahead | 1) & _RECENT
        else:
            run.restarts += 1
            run.expected += 1
            source.highest, source.recent = rtp.sequence, 1
        run.last = rtp
        source.timestamp, source.at_ns = rtp.timestamp, at_ns

    def _codec(self, payload_type: int) -> Codec | None:
        """Return the codec of a payload type: as Select Protocol says, if it names any."""
        selected = self._voice.voice.selected if self._voice is not None else None
        if selected is not self._selected:
            self._selected = selected
            named = selected.codecs if selected is not None else ()
            self._codecs = {codec.payload_type: codec for codec in named} or USUAL_CODECS
        return self._codecs.get(payload_type)

    def _count_late(self, run: Run, source: RtpSource, back: int) -> None:
        """Count a packet that comes `back` numbers behind the highest."""
        bit = 1 << back
        if back < _REMEMBERED and source.recent & bit:
            run.duplicates += 1
        else:
            run.reordered += 1
            source.recent |= bit & _RECENT

    def _measure(self, run: Run, source: RtpSource, rtp: Rtp, at_ns: int) -> None:
        clock = _AUDIO_CLOCK if run.codec is not None and run.codec.media == "audio" else _VIDEO_CLOCK
        apart = (rtp.timestamp - source.timestamp + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
        off = (at_ns - source.at_ns) * clock / SECOND - apart
        source.jitter += (abs(off) - source.jitter) / 16
        run.jitter_ns = source.jitter * SECOND / clock

    def _attribute(self, run: Run) -> None:
        """Note whose packets a run has, once that is known: the word of it may come after the first of them."""
        if run.user_id is None and run.ssrc is not None:
            run.user_id = self._owner(run.from_client, run.ssrc)

    def _meet(self, run: Run) -> None:
        """Look for the voice connection, at the beginning and at the end of each run while it is not found."""
        if self._voice is None:
            self._voice = self._find_voice(run.ssrc)

    def _owner(self, from_client: bool, ssrc: int) -> str | None:
        voice = self._voice
        if voice is None:
            return None
        ready = voice.voice.ready
        if from_client and ready is not None and ready.ssrc == ssrc and voice.identify is not None:
            return voice.identify.user_id
        told = voice.voice.encryption
        return told.users.get(ssrc) or told.former.get(ssrc)

    def _time(self, run: Run, packet: Packet, at_ns: int) -> None:
        """Pair a ping with its pong, and a keep-alive with the one that comes back."""
        assert packet.number is not None
        asked = "ping" if packet.kind == "pong" else packet.kind
        sent_ns = self._pings.pop((not run.from_client, asked, packet.number), None)
        if sent_ns is not None:
            if len(run.trips_ns) < MAX_TRIPS:
                run.trips_ns.append(max(0, at_ns - sent_ns))
        elif packet.kind != "pong":
            self._pings[run.from_client, packet.kind, packet.number] = at_ns
            if len(self._pings) > MAX_PINGS:
                self._pings.popitem(last=False)


def is_of(data: bytes, kind: Any, ssrc: Any) -> bool:
    """Return whether a packet is one of those that make a row of that kind and SSRC."""
    packet = read_packet(data)
    return bool(packet.kind == kind and packet.ssrc == ssrc)


def _has_ended(run: Run, at_ns: int) -> bool:
    is_rtp = run.kind == "rtp"
    pause, length = (PAUSE_NS, LENGTH_NS) if is_rtp else (SLOW_PAUSE_NS, SLOW_LENGTH_NS)
    return at_ns - run.last_ns > pause or at_ns - run.first_ns >= length


def _ms(ns: float) -> float:
    return round(ns / 1e6, 2)
