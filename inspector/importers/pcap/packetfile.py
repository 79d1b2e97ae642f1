"""Packets out of a capture file: classic pcap and pcapng, of either byte order, gzipped or not.

Nothing here knows what a packet holds. A file that is damaged or breaks off gives all packets before that place, and
`PacketFile.damage` says where it is. No more than one block, and what is read ahead, is in memory.

Sources: https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap/draft-ietf-opsawg-pcap.html and
https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap/draft-ietf-opsawg-pcapng.html
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Protocol

GZIP = b"\x1f\x8b"

HEAD_BYTES = 4096
"""Bytes of its beginning that tell whether a file is one of these, gzipped or not."""

# Bytes that are read at once.
_AHEAD = 1024 * 1024
_PACKED = 64 * 1024
# Bytes of the largest block or packet that is not taken for damage.
_LONGEST = 16 * 1024 * 1024
# The largest time that a capture of ours holds, in nanoseconds since the epoch.
_LAST_NS = 9_200_000_000_000_000_000

# Byte order of a classic file, and how many nanoseconds its fractions of a second have, by its first bytes.
_CLASSIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_SECTION = b"\x0a\x0d\x0d\x0a"
# The same in either byte order.
_SECTION_TYPE = int.from_bytes(_SECTION, "big")
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _STATISTICS, _PACKET, _SECRETS = 1, 2, 3, 5, 6, 10
_TLS_KEY_LOG = 0x544C534B
_TIME_RESOLUTION, _TIME_OFFSET = 9, 14
_DROPPED = 5

Packet = tuple[int, int, bytes, int]
"""When it passed, in nanoseconds since the epoch; its link type (see `inspector.importers.pcap.network`); as much of it
as was kept; how many bytes it had. A tuple, as there is one for each packet."""


@dataclass(frozen=True, slots=True)
class _Interface:
    """What a packet's interface says of it."""

    link: int
    snaplen: int
    multiplier: int
    """Nanoseconds that the unit of time has, times `divisor`."""
    divisor: int
    offset_ns: int


def is_packet_file(head: bytes) -> bool:
    """Say whether a file that begins with `head` is one of these, gzipped or not."""
    if head.startswith(GZIP):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 16)
        except zlib.error:
            return False
    return head[:4] in _CLASSIC or (head[:4] == _SECTION and head[8:12] in _ORDERS)


class _Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


class _Unpacked:
    """What is in a gzipped file. Unlike Python's own it gives all that is before the place where one breaks off."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._inflater = zlib.decompressobj(wbits=31)
        self._packed = b""

    def read(self, size: int) -> bytes:
        """Return some bytes, at most `size`; none at the end. Raises EOFError if it breaks off, zlib.error."""
        while True:
            packed = self._packed or self._file.read(_PACKED)
            if not packed:
                if not self._inflater.eof:
                    raise EOFError
                return b""
            if self._inflater.eof:
                # Another one may follow. What else is there is none of gzip's.
                if packed[:1] != GZIP[:1]:
                    return b""
                self._inflater = zlib.decompressobj(wbits=31)
            data = self._inflater.decompress(packed, size)
            self._packed = self._inflater.unconsumed_tail or self._inflater.unused_data
            if data:
                return data


class PacketFile:
    """A capture file. `file`: open for reading, at its beginning; `read_bytes` tells how much of it was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.damage: str | None = None
        """Why it cannot be read any further: ``is cut off at byte 12``; None where it can."""
        self.dropped = 0
        """How many packets what recorded them says that it missed; known once all were read."""
        self._raw = file
        self._data = b""
        self._at = 0
        self._start = 0
        self._file: _Readable = file
        self._last_ns = 0

    @property
    def read_bytes(self) -> int:
        """How many bytes of the file were read since it was begun anew."""
        return self._raw.tell()

    def packets(self) -> Iterator[Packet]:
        """Yield all packets, in the order of the file. Raises OSError."""
        if self._begin():
            yield from self._classic() if self._data[:4] in _CLASSIC else self._packets_of_blocks()

    def secrets(self) -> Iterator[bytes]:
        """Yield the TLS key logs that the file holds, wherever they are: to be used before the packets are read.

        Raises OSError.
        """
        if self._begin() and self._data[:4] == _SECTION:
            for kind, order, start, stop in self._blocks():
                if kind == _SECRETS and stop - start >= 8:
                    secret_type, size = struct.unpack_from(order + "II", self._data, start)
                    if secret_type == _TLS_KEY_LOG:
                        yield self._data[start + 8 : min(start + 8 + size, stop)]

    def _begin(self) -> bool:
        """Go to the beginning. Say whether there is anything."""
        self._raw.seek(0)
        is_packed = self._raw.read(2) == GZIP
        self._raw.seek(0)
        self._file = _Unpacked(self._raw) if is_packed else self._raw
        self._data, self._at, self._start, self.damage, self._last_ns = b"", 0, 0, None, 0
        self.dropped = 0
        return self._has(4)

    def _has(self, size: int) -> bool:
        """Read on until `size` bytes are at hand from `_at` on. Say whether the file has as many."""
        if len(self._data) - self._at >= size:
            return True
        self._start += self._at
        pieces, there = [self._data[self._at :]], len(self._data) - self._at
        self._at = 0
        while there < size:
            try:
                piece = self._file.read(max(_AHEAD, size - there))
            except (EOFError, zlib.error):
                self.damage = "ends in the middle of its compressed data"
                piece = b""
            if not piece:
                break
            pieces.append(piece)
            there += len(piece)
        self._data = b"".join(pieces)
        return there >= size

    def _ends(self, size: int) -> bool:
        """Say whether the file ends here; and note it as cut if it should have gone on for `size` bytes."""
        if self._has(size):
            return False
        if len(self._data) > self._at and self.damage is None:
            self.damage = f"is cut off at byte {self._start + self._at:,}"
        return True

    def _damaged(self) -> None:
        self.damage = f"is damaged at byte {self._start + self._at:,}"

    def _classic(self) -> Iterator[Packet]:
        order, fraction = _CLASSIC[self._data[:4]]
        if self._ends(24):
            return
        # The upper bits tell how long a checksum is that the frames end with.
        link = struct.unpack_from(order + "I", self._data, 20)[0] & 0xFFFF
        self._at = 24
        unpack = struct.Struct(order + "IIII").unpack_from
        while not self._ends(16):
            data, at, size = self._data, self._at, len(self._data)
            while at + 16 <= size:
                seconds, part, kept, length = unpack(data, at)
                end = at + 16 + kept
                if end > size:
                    break
                yield seconds * 1_000_000_000 + part * fraction, link, data[at + 16 : end], length
                at = end
            self._at = at
            if at + 16 <= size:
                if kept > _LONGEST:
                    return self._damaged()
                if self._ends(16 + kept):
                    return None

    def _blocks(self) -> Iterator[tuple[int, str, int, int]]:
        """Yield blocks: type, byte order, and where in `_data` the body begins and ends until the next is asked for."""
        order = "<"
        unpack = struct.Struct("<II").unpack_from
        while not self._ends(12):
            data, at, there = self._data, self._at, len(self._data)
            size = 0
            while at + 12 <= there:
                kind, size = unpack(data, at)
                if kind == _SECTION_TYPE:
                    found = _ORDERS.get(data[at + 8 : at + 12], "")
                    order, unpack = found, struct.Struct(found + "II").unpack_from
                    size = unpack(data, at)[1] if found else 0
                size = (size + 3) & ~3
                if at + size > there or not 12 <= size <= _LONGEST:
                    break
                yield kind, order, at + 8, at + size - 4
                at += size
            self._at = at
            if at + 12 <= there:
                if not 12 <= size <= _LONGEST:
                    return self._damaged()
                if self._ends(size):
                    return None

    def _packets_of_blocks(self) -> Iterator[Packet]:
        interfaces: list[_Interface | None] = []
        head = struct.Struct("<5I").unpack_from
        for kind, order, start, stop in self._blocks():
            if kind == _PACKET and stop - start >= 20:
                number, high, low, kept, length = head(self._data, start)
                interface = interfaces[number] if number < len(interfaces) else None
                if interface is not None and start + 20 + kept <= stop:
                    self._last_ns = _time(interface, high << 32 | low)
                    yield self._last_ns, interface.link, self._data[start + 20 : start + 20 + kept], length
            elif kind == _SECTION_TYPE:
                interfaces = []
                head = struct.Struct(order + "5I").unpack_from
            elif kind == _STATISTICS:
                # There is one for each interface, at the end.
                for option, at, size in self._options(order, start + 12, stop):
                    if option == _DROPPED and size >= 8:
                        self.dropped += struct.unpack_from(order + "Q", self._data, at)[0]
            elif kind == _INTERFACE:
                interfaces.append(self._interface(order, start, stop))
            elif kind == _SIMPLE_PACKET and interfaces and interfaces[0] and stop - start >= 4:
                # It has no time of its own.
                length = struct.unpack_from(order + "I", self._data, start)[0]
                kept = min(length, interfaces[0].snaplen or length, stop - start - 4)
                yield self._last_ns, interfaces[0].link, self._data[start + 4 : start + 4 + kept], length
            elif kind == _OLD_PACKET and stop - start >= 20:
                number, _, high, low, kept, length = struct.unpack_from(order + "HHIIII", self._data, start)
                interface = interfaces[number] if number < len(interfaces) else None
                if interface is not None and start + 20 + kept <= stop:
                    self._last_ns = _time(interface, high << 32 | low)
                    yield self._last_ns, interface.link, self._data[start + 20 : start + 20 + kept], length

    def _interface(self, order: str, start: int, stop: int) -> _Interface | None:
        if stop - start < 8:
            return None
        link, snaplen = struct.unpack_from(order + "HxxI", self._data, start)
        resolution, offset_ns = 6, 0
        for option, at, size in self._options(order, start + 8, stop):
            if option == _TIME_RESOLUTION and size >= 1:
                resolution = self._data[at]
            elif option == _TIME_OFFSET and size >= 8:
                offset_ns = struct.unpack_from(order + "q", self._data, at)[0] * 1_000_000_000
        unit = Fraction(1_000_000_000, 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution)
        return _Interface(link, snaplen, unit.numerator, unit.denominator, offset_ns)

    def _options(self, order: str, at: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield the options of a block: which it is, where its value is, and how many bytes that has."""
        while at + 4 <= stop:
            option, size = struct.unpack_from(order + "HH", self._data, at)
            at += 4
            if option == 0 or at + size > stop:
                break
            yield option, at, size
            at += (size + 3) & ~3


class PacketPipe(PacketFile):
    """Packets that come through a pipe, as they come. `file`: unbuffered, so that a read returns what is there."""

    has_begun = False
    """The first bytes have come."""

    def _begin(self) -> bool:
        self.has_begun = self._has(4)
        return self.has_begun


def _time(interface: _Interface, units: int) -> int:
    at_ns = units * interface.multiplier // interface.divisor + interface.offset_ns
    return at_ns if 0 <= at_ns <= _LAST_NS else 0
