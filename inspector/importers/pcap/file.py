"""Packet captures as a source of happenings.

A capture is read once, packet by packet; one that may hold keys (pcapng) is gone through for those before, as they may
come last. Happenings come out as soon as no earlier one can come any more: packets of several interfaces are not quite
in order, and whether a WebSocket at an unknown host is Discord's is known only by its first message.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.errors import CaptureError
from inspector.importers.held import Held
from inspector.importers.order import OrderedTracks, Track
from inspector.importers.pcap.keylog import KeyLog
from inspector.importers.pcap.network import ANY, TCP, UDP, Network
from inspector.importers.pcap.packetfile import PacketFile, is_packet_file
from inspector.importers.pcap.tcp import Reassembly
from inspector.importers.source import Source
from inspector.model import Happening
from inspector.words import counted, listed

if TYPE_CHECKING:
    from inspector.importers.pcap.conversation import Desk

KEYS_SUFFIX = ".keys.log"
"""What the name of a capture file has behind it in that of its key log, where nobody names one."""

# Packets between two looks at what may come out.
_PACKETS = 256
# Nanoseconds by which packets may be too late.
_LATE_NS = 1_000_000_000
# Bytes of a key log that are read, at all and at once, and of one of its lines.
_MOST_KEYS, _PIECE, _LONGEST_LINE = 256 * 1024 * 1024, 1024 * 1024, 1024
# Names that a note lists.
_NAMED = 5


def keys_beside(path: Path) -> Path:
    """Return where the key log of a capture file is looked for: ``bot.pcapng.keys.log``."""
    return path.with_name(path.name + KEYS_SUFFIX)


class PacketCapture(Source):
    """Reads packets, with the keys that the file itself holds, those next to it, and those that were named."""

    format = "packet capture"
    advice = "record packets and TLS keys from before the client connects"

    @staticmethod
    def recognizes(head: bytes) -> bool:
        """Say whether the file is a pcap or pcapng, gzipped or not."""
        return is_packet_file(head)

    def files(self) -> Iterable[Path]:
        return (self.path, keys_beside(self.path), *self._key_files)

    def _begin(self) -> None:
        super()._begin()
        self._keys = KeyLog()
        self._desk: Desk | None = None
        self._packets = 0
        self._cut_packets = 0

    def _happenings(self) -> Iterator[Happening]:
        with self.path.open("rb") as raw:
            file = PacketFile(raw)
            for log in file.secrets():
                self._keys.add(log)
            self._read_keys()
            timeline = OrderedTracks([Track(0, lambda: self._in_order(file))])
            yield from timeline
            if file.damage is not None:
                self.notes.append(f"{self.path} {file.damage}; everything before that was read")
            self.notes += timeline.notes()

    def _read_keys(self) -> None:
        beside = keys_beside(self.path)
        for path in (*self._key_files, *([beside] if beside.exists() else [])):
            secrets = 0
            try:
                with path.open("rb") as log:
                    rest = b""
                    for _ in range(_MOST_KEYS // _PIECE):
                        piece = log.read(_PIECE)
                        lines, newline, rest = (rest + piece).rpartition(b"\n")
                        secrets += self._keys.add(lines + newline if piece else rest)
                        # No line of a key log is as long.
                        rest = rest[-_LONGEST_LINE:]
                        if not piece:
                            break
                    else:
                        self.notes.append(f"read only the first {_MOST_KEYS // 1024**2} MB of {path}")
            except OSError as error:
                raise CaptureError(f"cannot read the key log {path}: {error.strerror or error}") from error
            if not secrets:
                self.notes.append(f"there are no TLS keys in {path}")

    def _in_order(self, file: PacketFile) -> Iterator[Happening]:
        """Yield what happened in the order of time, as far as packets are."""
        # Imported here: other formats have no need of TLS.
        from inspector.importers.pcap.conversation import Desk, Paths

        held = Held()
        desk = self._desk = Desk(self._keys, self._hosts, held.keep, self._admit)
        network, streams, paths = Network(), Reassembly(desk.begin), Paths(desk)
        packets = file.packets()
        while batch := list(islice(packets, _PACKETS)):
            for at_ns, link, data, size in batch:
                found = network.receive(at_ns, link, data)
                if size > len(data):
                    self._cut_packets += 1
                if found is not None:
                    protocol, source, destination, carried, missing = found
                    if protocol == TCP:
                        streams.receive(at_ns, source, destination, carried, missing)
                    elif protocol == UDP and not missing:
                        paths.receive(at_ns, source, destination, carried, link in ANY)
            self._packets += len(batch)
            self._read = min(file.read_bytes, self._total)
            yield from held.released(min([batch[-1][0] - _LATE_NS, *desk.undecided.values()]))
        streams.finish()
        paths.finish()
        self._connections += paths.opened
        self._read = self._total
        yield from held.released(None)
        self._tell(desk, network)

    def _tell(self, desk: "Desk", network: Network) -> None:
        """Note what could not be read, and what to do about it."""
        from inspector.importers.pcap.notes import notes_on

        if network.unread_links:
            links = listed(str(link) for link, _ in network.unread_links.most_common(_NAMED))
            count = counted(network.unread_links.total(), "packet")
            self.notes.append(
                f"{count} skipped: gwinspect does not read link type {links}; record on Ethernet, Wi-Fi or loopback"
            )
        if self._cut_packets:
            self.notes.append(
                f"{counted(self._cut_packets, 'packet was/packets were')} recorded only in part; record whole packets "
                "(tcpdump -s 0, dumpcap -s 0)"
            )
        self.notes += notes_on(desk, len(self._keys))

    def _why_empty(self) -> str:
        if not self._packets:
            return "there are no packets in it"
        desk = self._desk
        if desk is None or not desk.unread:
            return f"none of its {self._packets:,} packets belongs to a WebSocket that could be read"
        return "see above for what could not be read" if self.notes else "nothing in it could be read"
