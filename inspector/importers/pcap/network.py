"""What IP carries, out of packets as they were on the link: frames of Ethernet and its like, IPv4, IPv6, fragments.

Nothing here knows what IP carries. What is not IP, or not read (other link types), is passed over and counted.

Link types: https://www.tcpdump.org/linktypes.html
"""

import struct
from collections import Counter
from dataclasses import dataclass, field

TCP, UDP = 6, 17

_NULL, _ETHERNET, _LOOP, _COOKED, _COOKED_2 = 0, 1, 108, 113, 276
ANY = frozenset({_COOKED, _COOKED_2})
"""Of captures on all interfaces of a machine."""
# Where the type of what is carried is, and where that begins.
_TYPED = {_ETHERNET: (12, 14), _COOKED: (14, 16), _COOKED_2: (0, 20)}
# Raw IP: of some systems, and by the registry.
_RAW = frozenset({12, 14, 101, 228, 229})
# What may be in front of the type of an Ethernet frame: 802.1Q, 802.1ad, and its older number.
_VLAN = frozenset({b"\x81\x00", b"\x88\xa8", b"\x91\x00"})
_IP = frozenset({b"\x08\x00", b"\x86\xdd"})
# Headers between that of IPv6 and what it carries: hop-by-hop, routing, destination; fragment; authentication.
_HOPS, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_MOST_HEADERS = 8

# Datagrams that wait for fragments, fragments that one may have, and nanoseconds that one waits.
_MOST_WAITING, _MOST_FRAGMENTS, _PATIENCE_NS = 256, 64, 30_000_000_000
_LONGEST_DATAGRAM = 65_535

_V4 = struct.Struct("!BxHHHxB2x4s4s").unpack_from
_V6 = struct.Struct("!4xHBx16s16s").unpack_from

Datagram = tuple[int, bytes, bytes, bytes, int]
"""The number of the protocol in it; the addresses of its source and destination, 4 or 16 bytes; what it carries; how
many bytes are missing at the end of that. A tuple, as there is one for each packet."""


@dataclass(slots=True)
class _Waiting:
    """A datagram that is not whole."""

    since_ns: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    total: int | None = None


class Network:
    """Turns packets into what IP carries. Keeps what fragments need, at most some MB of it."""

    def __init__(self) -> None:
        self.unread_links: Counter[int] = Counter()
        """How many packets had a link type that is not read, by its number."""
        self._waiting: dict[tuple[bytes, bytes, int, int], _Waiting] = {}

    def receive(self, at_ns: int, link: int, data: bytes) -> Datagram | None:
        """Return what a packet carries; None where that is not IP, or a fragment of something that is not whole.

        `data`: the packet, as much of it as was kept.
        """
        place = _TYPED.get(link)
        if place is not None:
            kind, start = data[place[0] : place[0] + 2], place[1]
            while kind in _VLAN:
                kind, start = data[start + 2 : start + 4], start + 4
            if kind not in _IP:
                return None
        elif link in _RAW:
            start = 0
        elif link in (_NULL, _LOOP):
            # The family's number differs between systems, and its byte order: IP says its version itself.
            start = 4
        else:
            self.unread_links[link] += 1
            return None
        if len(data) < start + 20:
            return None
        version = data[start] >> 4
        if version == 4:
            return self._v4(at_ns, data, start)
        return self._v6(at_ns, data, start) if version == 6 and len(data) >= start + 40 else None

    def _v4(self, at_ns: int, data: bytes, start: int) -> Datagram | None:
        first, total, number, fragment, protocol, source, destination = _V4(data, start)
        body = start + (first & 15) * 4
        # A network card that splits for the system leaves the length out.
        size = len(data)
        end = start + total if total else size
        if body < start + 20 or end < body:
            return None
        carried, missing = data[body:end], end - size if end > size else 0
        if not fragment & 0x3FFF:
            return protocol, source, destination, carried, missing
        if missing:
            return None
        key = (source, destination, number, protocol)
        return self._fragment(at_ns, key, (fragment & 0x1FFF) * 8, carried, bool(fragment & 0x2000))

    def _v6(self, at_ns: int, data: bytes, start: int) -> Datagram | None:
        size, protocol, source, destination = _V6(data, start)
        at = start + 40
        end = at + size if size else len(data)
        for _ in range(_MOST_HEADERS):
            if protocol in (_HOPS, _ROUTING, _DESTINATION, _AUTHENTICATION):
                if at + 2 > len(data):
                    return None
                unit = 4 if protocol == _AUTHENTICATION else 8
                protocol, at = data[at], at + (data[at + 1] + (2 if unit == 4 else 1)) * unit
            elif protocol == _FRAGMENT:
                if at + 8 > len(data) or end > len(data):
                    return None
                protocol, place, number = struct.unpack_from("!BxHI", data, at)
                if place & 0xFFF9:
                    key = (source, destination, number, protocol)
                    return self._fragment(at_ns, key, place & 0xFFF8, data[at + 8 : end], bool(place & 1))
                at += 8
            else:
                break
        return (protocol, source, destination, data[at:end], max(end - len(data), 0)) if at <= end else None

    def _fragment(
        self, at_ns: int, key: tuple[bytes, bytes, int, int], start: int, piece: bytes, more: bool
    ) -> Datagram | None:
        """Take a piece of a datagram in. Return the datagram once it is whole; of two pieces for a place, the first."""
        waiting = self._waiting.get(key)
        if waiting is None or at_ns - waiting.since_ns > _PATIENCE_NS:
            self._waiting.pop(key, None)
            while len(self._waiting) >= _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
            waiting = self._waiting[key] = _Waiting(at_ns)
        if start + len(piece) > _LONGEST_DATAGRAM or len(waiting.pieces) >= _MOST_FRAGMENTS:
            del self._waiting[key]
            return None
        waiting.pieces.setdefault(start, piece)
        if not more:
            waiting.total = start + len(piece)
        if waiting.total is None:
            return None
        whole = bytearray()
        for place, part in sorted(waiting.pieces.items()):
            if place > len(whole):
                return None
            whole += part[len(whole) - place :]
        if len(whole) < waiting.total:
            return None
        del self._waiting[key]
        source, destination, _, protocol = key
        return protocol, source, destination, bytes(whole[: waiting.total]), 0
