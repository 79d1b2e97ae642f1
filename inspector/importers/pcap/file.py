"""Packet captures as a source of happenings.

A capture is read once, packet by packet; one that may hold keys (pcapng) is gone through for those before, as they may
come last.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.errors import CaptureError
from inspector.importers.order import OrderedTracks, Track
from inspector.importers.pcap.keylog import KeyLog
from inspector.importers.pcap.packetfile import PacketFile, is_packet_file
from inspector.importers.source import Source
from inspector.model import Happening
from inspector.words import counted

if TYPE_CHECKING:
    from inspector.importers.pcap.traffic import Traffic

KEYS_SUFFIX = ".keys.log"
"""What the name of a capture file has behind it in that of its key log, where nobody names one."""

# Packets between two looks at what may come out.
_PACKETS = 256
# Nanoseconds by which packets may be too late.
_LATE_NS = 1_000_000_000
# Bytes of a key log that are read, at all and at once, and of one of its lines.
_MOST_KEYS, _PIECE, _LONGEST_LINE = 256 * 1024 * 1024, 1024 * 1024, 1024


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
        self._traffic: Traffic | None = None

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
        from inspector.importers.pcap.notes import notes_on
        from inspector.importers.pcap.traffic import Traffic

        traffic = self._traffic = Traffic(self._keys, self._hosts, self._admit)
        packets = file.packets()
        while batch := list(islice(packets, _PACKETS)):
            traffic.receive(batch)
            self._read = min(file.read_bytes, self._total)
            yield from traffic.released(batch[-1][0] - _LATE_NS)
        last = traffic.finish()
        self._connections += traffic.calls
        self._read = self._total
        yield from last
        self.notes += traffic.notes()
        if file.dropped:
            self.notes.append(
                f"{counted(file.dropped, 'packet was/packets were')} dropped while recording; record with a larger "
                "buffer (dumpcap -B 64)"
            )
        self.notes += notes_on(traffic.desk, len(self._keys))

    def _why_empty(self) -> str:
        traffic = self._traffic
        if traffic is None or not traffic.packets:
            return "there are no packets in it"
        if not traffic.desk.unread:
            return f"none of its {traffic.packets:,} packets belongs to a WebSocket that could be read"
        return "see above for what could not be read" if self.notes else "nothing in it could be read"
