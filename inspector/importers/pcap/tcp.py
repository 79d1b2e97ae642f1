"""TCP's two streams of bytes, out of segments in any order: reordered, repeated, overlapping, begun before, with holes.

Nothing here knows what the streams carry. Each connection is given to a `Stream` in order, piece by piece. A hole ends
its direction for good, as what carries state from byte to byte cannot be read behind it; the other direction goes on.
A hole is certain when the other end has confirmed the bytes and they have not turned up some seconds later, or when too
much waits behind it.

Memory is bounded: by connection and over all of them, for what waits and for how many connections are known.

Source: https://www.rfc-editor.org/rfc/rfc9293
"""

import struct
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Protocol

_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_ENDS = _FIN | _RST
_SPACE = 2**32
_HALF = 2**31
# A number this far from the expected one belongs to another connection with the same ports.
_FAR = 2**28

# Bytes that wait behind a hole: of one direction, of all together; and pieces of one direction.
_MOST_WAITING, _MOST_WAITING_IN_ALL, _MOST_PIECES = 4 * 1024**2, 64 * 1024**2, 20_000
# Nanoseconds that bytes may come after they were confirmed.
_PATIENCE_NS = 3_000_000_000
# Connections that are known at the same time.
_MOST_CONNECTIONS = 8000

_PORTS = struct.Struct("!HH").unpack_from
_HEADER = struct.Struct("!4xIIBB").unpack_from

Address = tuple[bytes, int]
"""An IP address of 4 or 16 bytes, and a port."""


class Stream(Protocol):
    """Is told what happens on one connection. Times are nanoseconds since the epoch."""

    is_over: bool
    """Nothing more is wanted of this connection."""

    def receive(self, from_client: bool, data: bytes, at_ns: int) -> None:
        """Take the next bytes of one side."""

    def lose(self, from_client: bool, at_ns: int) -> None:
        """Bytes of one side are missing, and so nothing more will come of it."""

    def finish(self, from_client: bool, at_ns: int) -> None:
        """One side has said all that it had to say (FIN)."""

    def reset(self, from_client: bool, at_ns: int) -> None:
        """One side has broken the connection off (RST)."""

    def leave(self, at_ns: int) -> None:
        """The recording has no more of this connection; comes last, and always."""


Open = Callable[[Address, Address, bool, int], Stream | None]
"""Returns who is told of a new connection, None for nobody: by client, server, whether the recording begins in the
middle of it (then who is the client is a guess), and the time."""


class _Half:
    """One direction of a connection."""

    __slots__ = (
        "confirmed_ns",
        "connection",
        "fin_place",
        "from_client",
        "has_ended",
        "has_finished",
        "next",
        "peer",
        "place",
        "waiting",
        "waiting_bytes",
    )

    def __init__(self, connection: "_Connection", from_client: bool) -> None:
        self.connection = connection
        self.from_client = from_client
        self.next: int | None = None
        """The number of the next byte; None before the first."""
        self.place = 0
        """How many bytes came before that."""
        self.waiting: list[tuple[int, int, bytes]] = []
        """Pieces that are too early, as a heap: by place, then by when they came."""
        self.waiting_bytes = 0
        self.confirmed_ns = 0
        """When the other end confirmed bytes that are missing; 0 while it has not."""
        self.fin_place = -1
        """Where it ends; -1 while that is not known."""
        self.has_ended = False
        """Nothing more is given of it: it has come to its end, or to a hole."""
        self.has_finished = False
        """Its end was told."""
        self.peer: _Half = self


class _Connection:
    """What is known of a connection."""

    __slots__ = ("halves", "keys", "last_ns", "stream")

    def __init__(self, keys: tuple[bytes, bytes], at_ns: int) -> None:
        self.keys = keys
        self.last_ns = at_ns
        self.stream: Stream | None = None
        self.halves: tuple[_Half, _Half]


class Reassembly:
    """Gives the bytes of all connections, in order, to the streams that `open_stream` makes."""

    def __init__(self, open_stream: Open) -> None:
        self._open_stream = open_stream
        self._halves: dict[bytes, _Half] = {}
        self._holes: set[_Half] = set()
        """Directions with bytes that the other end has confirmed and that have not turned up."""
        self._waiting_bytes = 0
        self._pieces = 0
        self._last_ns = 0

    def receive(self, at_ns: int, source: bytes, destination: bytes, segment: bytes, missing: int = 0) -> None:
        """Take a segment: its header and its data, of which `missing` bytes at the end were not recorded."""
        if len(segment) < 20:
            return
        seq, ack, offset, flags = _HEADER(segment)
        self._last_ns = at_ns
        half = self._halves.get(source + destination + segment[:4])
        if half is None or (flags & _SYN and _is_new(half, seq, flags)):
            half = self._begin(at_ns, source, destination, segment, half)
        connection = half.connection
        connection.last_ns = at_ns
        stream = connection.stream
        if stream is None:
            return
        if flags & _SYN:
            seq = (seq + 1) % _SPACE
        if half.next is None:
            half.next = seq
        data = b"" if flags & _RST else segment[(offset >> 4) * 4 :]
        if seq == half.next and not (half.waiting or missing or half.has_ended or flags & _ENDS or half.fin_place >= 0):
            # What nearly all are.
            if data:
                half.next = (seq + len(data)) % _SPACE
                half.place += len(data)
                stream.receive(half.from_client, data, at_ns)
        elif half.has_ended:
            if flags & _ENDS:
                self._take(half, half.place, b"", 0, flags, at_ns)
        else:
            away = (seq - half.next) % _SPACE
            away -= _SPACE if away >= _HALF else 0
            if abs(away) > _FAR and data:
                self._begin(at_ns, source, destination, segment, half)
                self.receive(at_ns, source, destination, segment, missing)
                return
            self._take(half, half.place + away, data, missing, flags, at_ns)
        peer = half.peer
        if (peer.waiting or peer.fin_place > peer.place) and flags & _ACK and not peer.has_ended:
            self._confirm(peer, ack, at_ns)
        if stream.is_over:
            self._let_go(connection)

    def pass_time(self, now_ns: int) -> None:
        """Let time go by: what is missing for too long will not come any more, whether further packets do or not."""
        for half in list(self._holes):
            if half.has_ended or not half.confirmed_ns or half.connection.stream is None:
                self._holes.discard(half)
            elif now_ns - half.confirmed_ns > _PATIENCE_NS:
                self._lose(half, now_ns)

    def finish(self) -> None:
        """Say that nothing more will come."""
        for half in list(self._halves.values()):
            if half.from_client:
                self._leave(half.connection, self._last_ns)
        self._halves.clear()

    def _begin(self, at_ns: int, source: bytes, destination: bytes, segment: bytes, before: _Half | None) -> _Half:
        """Begin a connection with this segment, in place of the one `before` that had the same ports."""
        source_port, destination_port = _PORTS(segment)
        flags = segment[13]
        if before is not None:
            self._leave(before.connection, before.connection.last_ns)
        if len(self._halves) >= 2 * _MOST_CONNECTIONS:
            self._forget_some()
        key = source + destination + segment[:4]
        other = destination + source + segment[2:4] + segment[:2]
        is_start = bool(flags & _SYN)
        from_client = not flags & _ACK if is_start else source_port >= destination_port
        connection = _Connection((key, other), at_ns)
        half, peer = _Half(connection, from_client), _Half(connection, not from_client)
        half.peer, peer.peer = peer, half
        connection.halves = (half, peer)
        self._halves[key], self._halves[other] = half, peer
        ends = (source, source_port), (destination, destination_port)
        client, server = ends if from_client else ends[::-1]
        connection.stream = self._open_stream(client, server, not is_start, at_ns)
        return half

    def _take(self, half: _Half, place: int, data: bytes, missing: int, flags: int, at_ns: int) -> None:
        """Take a segment that is not simply the next one. `place`: of its first byte."""
        if flags & _FIN and half.fin_place < 0:
            half.fin_place = place + len(data) + missing
        if half.has_ended:
            if half.fin_place >= 0:
                self._finish(half, at_ns)
        else:
            if place > half.place and data:
                heappush(half.waiting, (place, self._pieces, data))
                self._pieces += 1
                half.waiting_bytes += len(data)
                self._waiting_bytes += len(data)
            elif place <= half.place < place + len(data):
                self._deliver(half, place, data, at_ns)
            self._catch_up(half, at_ns)
            if (
                half.waiting_bytes > _MOST_WAITING
                or len(half.waiting) > _MOST_PIECES
                or self._waiting_bytes > _MOST_WAITING_IN_ALL
            ):
                self._lose(half, at_ns)
        if flags & _RST:
            for each in half.connection.halves:
                if each.waiting:
                    self._lose(each, at_ns)
            if half.connection.stream is not None:
                half.connection.stream.reset(half.from_client, at_ns)
            self._let_go(half.connection)

    def _deliver(self, half: _Half, place: int, data: bytes, at_ns: int) -> None:
        data = data[half.place - place :]
        half.place += len(data)
        assert half.next is not None
        half.next = (half.next + len(data)) % _SPACE
        if half.connection.stream is not None:
            half.connection.stream.receive(half.from_client, data, at_ns)

    def _catch_up(self, half: _Half, at_ns: int) -> None:
        """Give what waited and is next now, and the end if that is reached."""
        while half.waiting and half.waiting[0][0] <= half.place:
            place, _, data = heappop(half.waiting)
            half.waiting_bytes -= len(data)
            self._waiting_bytes -= len(data)
            if place + len(data) > half.place:
                self._deliver(half, place, data, at_ns)
        if not half.waiting:
            half.confirmed_ns = 0
            self._holes.discard(half)
        if 0 <= half.fin_place <= half.place:
            self._finish(half, at_ns)

    def _finish(self, half: _Half, at_ns: int) -> None:
        """Tell the end of a direction, once."""
        half.has_ended = True
        stream = half.connection.stream
        if half.has_finished or stream is None:
            return
        half.has_finished = True
        stream.finish(half.from_client, at_ns)
        if half.peer.has_finished:
            self._let_go(half.connection)

    def _confirm(self, half: _Half, ack: int, at_ns: int) -> None:
        """Take in that the other end has all bytes of `half` before the number `ack`."""
        assert half.next is not None
        if not 0 < (ack - half.next) % _SPACE < _HALF:
            return
        if not half.confirmed_ns:
            half.confirmed_ns = at_ns
            self._holes.add(half)
        elif at_ns - half.confirmed_ns > _PATIENCE_NS:
            self._lose(half, at_ns)

    def _lose(self, half: _Half, at_ns: int) -> None:
        """End a direction at a hole."""
        half.has_ended = True
        self._drop_waiting(half)
        stream = half.connection.stream
        if stream is not None:
            stream.lose(half.from_client, at_ns)
        if half.fin_place >= 0:
            self._finish(half, at_ns)

    def _drop_waiting(self, half: _Half) -> None:
        self._holes.discard(half)
        self._waiting_bytes -= half.waiting_bytes
        half.waiting_bytes = 0
        half.waiting.clear()

    def _leave(self, connection: _Connection, at_ns: int) -> None:
        """Say what is left to say of a connection of which nothing more comes."""
        for half in connection.halves:
            if connection.stream is not None and (half.waiting or half.fin_place > half.place) and not half.has_ended:
                self._lose(half, at_ns)
        self._let_go(connection)

    def _let_go(self, connection: _Connection) -> None:
        """Tell nobody of a connection any more."""
        stream, connection.stream = connection.stream, None
        for half in connection.halves:
            self._drop_waiting(half)
        if stream is not None:
            stream.leave(connection.last_ns)

    def _forget_some(self) -> None:
        """Forget half of the connections: those first that nobody wants, then those silent for longest."""
        known = {id(half.connection): half.connection for half in self._halves.values()}.values()
        order = sorted(known, key=lambda each: (each.stream is not None, each.last_ns))
        for connection in order[: len(order) // 2]:
            self._leave(connection, connection.last_ns)
            for key in connection.keys:
                del self._halves[key]


def _is_new(half: _Half, seq: int, flags: int) -> bool:
    """Say whether a SYN begins another connection with the same ports, and is not that of this one."""
    if half.connection.stream is None and not flags & _ACK:
        return True
    return half.next is not None and (half.next - half.place - 1) % _SPACE != seq
